/* daemon/store_db.h: inside the store: what its files share.
 *
 * store_db.c opens the database and reads what is in it; store_sqlite.c gathers what is asked, gives it to the worker
 * in batches and tells the outcome; store_ops.c is what is asked. Nobody else includes this. */
#ifndef HFP_DAEMON_STORE_DB_H
#define HFP_DAEMON_STORE_DB_H

#include "daemon/store.h"

#include "front/text.h"

#include <sqlite3.h>

/* Opens or makes DIR/hf-pulld.db, brings its schema up to date, and reads jobs and settings. sqlite3_close() is the
 * caller's. */
int store_db_open(sqlite3 **out, const char *dir, struct jobs *jobs, store_setting_fn *setting, void *ctx,
                  struct hfp_err *err);

/* One thing asked of the store. Made and done on the loop's thread, run on the worker's; never both at once. */
struct op {
    struct op *next;
    int (*run)(struct op *op, sqlite3 *db); /* SQLITE_OK or why not; on the worker's thread */
    void (*done)(struct op *op, const struct hfp_err *err);
    bool reads; /* done once, whatever comes of the others */
    /* what it is about; each kind uses some of these */
    char id[JOB_ID_SIZE];
    char *text[5];
    int64_t number[8];
    const char *state;
    struct job_files *files;
    store_sync_fn *sync;
    store_read_fn *read;
    void *ctx;
    struct out result;
};

/* Two small ones that reading and asking both need: the text of a column, until the next step; a copy of it. NULL stays
 * NULL. */
const char *store_column(sqlite3_stmt *st, int i);
char *store_copy(const char *s);

struct op *store_op_new(const char *id); /* NULL: out of memory. id NULL: about no job */
void store_op_free(struct op *op);
void store_submit(struct store *s, struct op *op); /* owns op */

#endif
