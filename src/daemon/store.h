/* daemon/store.h: what outlives the daemon: jobs, settings, files and curves of ended jobs.
 *
 * Called on the loop's thread only. Everything but store_attach() returns at once: the writing and reading is done by a
 * thread of its own, in the order given, many calls in one transaction. store_sync() tells when all before it is safe
 * from kill -9 and power loss; only then may a client be told that something is so. A failure keeps what is to be
 * written and tries again once a second; whoever waits is told of the failure at once.
 * On disk: DIR/hf-pulld.db, SQLite in WAL mode, STRICT tables, numbered migrations. A newer schema is refused. */
#ifndef HFP_DAEMON_STORE_H
#define HFP_DAEMON_STORE_H

#include "daemon/job_files.h"
#include "daemon/jobs.h"

struct store;
struct worker;

typedef void store_setting_fn(void *ctx, const char *name, const char *value);

/* Opens or makes the database and reads jobs and settings. worker: where the work is done; lives as long as the store. */
int store_attach(struct store **out, const char *dir, struct worker *worker, struct jobs *jobs,
                 store_setting_fn *setting, void *ctx, struct hfp_err *err);
/* After worker_free(), which lets the last work finish. NULL is fine. */
void store_detach(struct store *s);
/* Hands out what has gathered; returns when it wants the next turn (mono ns), UINT64_MAX: when something comes. */
uint64_t store_turn(struct store *s, uint64_t now_ns);
bool store_idle(const struct store *s); /* nothing waits or is under way */
/* Why the last try failed, or NULL: all is well. */
const char *store_trouble(const struct store *s);

void store_put_job(struct store *s, const struct job *j); /* nothing for one that is taken off the list */
void store_drop_job(struct store *s, const char *id);
void store_put_setting(struct store *s, const char *name, const char *value);
void store_put_files(struct store *s, const char *id, struct job_files *files); /* owns files */
void store_put_samples(struct store *s, const char *id, char *json);            /* owns json */

typedef void store_sync_fn(void *ctx, const struct hfp_err *err); /* NULL: it is safe */
void store_sync(struct store *s, store_sync_fn *fn, void *ctx);
/* text: a list of rows in JSON, or what store_put_samples() was given; NULL: there is none. next: offset of the rows
 * after these; 0: no more. */
typedef void store_read_fn(void *ctx, const char *text, uint64_t next);
void store_read_files(struct store *s, const char *id, uint64_t offset, uint64_t limit, store_read_fn *fn, void *ctx);
void store_read_samples(struct store *s, const char *id, store_read_fn *fn, void *ctx);

#endif
