/* The store in SQLite. One connection, used by store_attach() and then by the worker's thread alone. */
#include "daemon/store_db.h"

#include "daemon/worker.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_NS 1000000000ULL

struct batch {
    struct worker_task task;
    struct store *store;
    struct op *ops;
    int rc;
    char why[200];
};

struct store {
    sqlite3 *db;
    struct worker *worker;
    struct op *pending, **tail;
    bool busy;
    uint64_t retry_ns, now_ns;
    char trouble[256];
    struct batch batch;
};

void store_op_free(struct op *op)
{
    for (unsigned i = 0; i < 5; i++)
        free(op->text[i]);
    job_files_free(op->files);
    out_done(&op->result);
    free(op);
}

int store_attach(struct store **out, const char *dir, struct worker *worker, struct jobs *jobs,
                 store_setting_fn *setting, void *ctx, struct hfp_err *err)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return fault_nomem(err);
    s->tail = &s->pending;
    s->worker = worker;
    int rc = store_db_open(&s->db, dir, jobs, setting, ctx, err);
    if (rc)
        store_detach(s);
    else
        *out = s;
    return rc;
}

void store_detach(struct store *s)
{
    if (!s)
        return;
    while (s->pending) {
        struct op *op = s->pending;
        s->pending = op->next;
        store_op_free(op);
    }
    sqlite3_close(s->db);
    free(s);
}

const char *store_trouble(const struct store *s)
{
    return s->trouble[0] ? s->trouble : NULL;
}

/* ---- batches ---- */

static void batch_run(struct worker_task *t)
{
    struct batch *b = (struct batch *)t;
    sqlite3 *db = b->store->db;
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (struct op *op = b->ops; op && rc == SQLITE_OK; op = op->next)
        rc = op->run ? op->run(op, db) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    b->rc = rc;
    if (rc == SQLITE_OK)
        return;
    snprintf(b->why, sizeof b->why, "%s", sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

/* Who waits is told; what is to be written goes back to the head of the line. */
static void batch_failed(struct store *s, struct batch *b)
{
    struct hfp_err err = { 0 };
    struct op *back = NULL, **tail = &back;
    fault(&err, HFP_E_IO, "the job database: %s", b->why);
    snprintf(s->trouble, sizeof s->trouble, "%.250s", err.message);
    s->retry_ns = s->now_ns + RETRY_NS;
    while (b->ops) {
        struct op *op = b->ops;
        b->ops = op->next;
        op->next = NULL;
        if (op->reads || op->sync) {
            op->done(op, &err);
            store_op_free(op);
        } else {
            *tail = op;
            tail = &op->next;
        }
    }
    *tail = s->pending;
    if (!s->pending)
        s->tail = tail;
    s->pending = back;
    if (!back)
        s->tail = &s->pending;
}

static void batch_done(struct worker_task *t)
{
    struct batch *b = (struct batch *)t;
    struct store *s = b->store;
    s->busy = false;
    if (b->rc != SQLITE_OK) {
        batch_failed(s, b);
        return;
    }
    s->trouble[0] = '\0';
    while (b->ops) {
        struct op *op = b->ops;
        b->ops = op->next;
        if (op->done)
            op->done(op, NULL);
        store_op_free(op);
    }
}

uint64_t store_turn(struct store *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
    if (s->busy || !s->pending)
        return UINT64_MAX;
    if (s->trouble[0] && now_ns < s->retry_ns)
        return s->retry_ns;
    s->batch = (struct batch){ .task = { .run = batch_run, .done = batch_done }, .store = s, .ops = s->pending };
    s->pending = NULL;
    s->tail = &s->pending;
    s->busy = true;
    worker_submit(s->worker, &s->batch.task);
    return UINT64_MAX;
}

bool store_idle(const struct store *s)
{
    return !s->busy && !s->pending;
}

void store_submit(struct store *s, struct op *op)
{
    *s->tail = op;
    s->tail = &op->next;
}

struct op *store_op_new(const char *id)
{
    struct op *op = calloc(1, sizeof *op);
    if (op && id)
        snprintf(op->id, sizeof op->id, "%s", id);
    return op;
}
