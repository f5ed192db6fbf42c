/* What is asked of the store: jobs and settings, files and curves, waiting and reading. */
#include "daemon/store_db.h"

#include "daemon/job_json.h"

#include <stdlib.h>
#include <string.h>

/* Binds text and numbers in the order of the marks: the id, the texts, the numbers. */
static int run_sql(struct op *op, sqlite3 *db, const char *sql, int texts, int numbers)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    int at = 1;
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, at++, op->id, -1, SQLITE_STATIC);
    for (int i = 0; i < texts && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(st, at++, op->text[i], -1, SQLITE_STATIC);
    for (int i = 0; i < numbers && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(st, at++, op->number[i]);
    if (rc == SQLITE_OK && op->state)
        rc = sqlite3_bind_text(st, at, op->state, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- jobs and settings ---- */

static int run_put_job(struct op *op, sqlite3 *db)
{
    return run_sql(
        op, db,
        "INSERT INTO jobs (id, ask, status, snapshot, key, key_digest, priority, rank, created_ms, started_ms,"
        " ended_ms, stalls, elapsed_s, told, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET ask = excluded.ask, status = excluded.status,"
        " snapshot = excluded.snapshot, priority = excluded.priority, rank = excluded.rank,"
        " started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, stalls = excluded.stalls,"
        " elapsed_s = excluded.elapsed_s, told = excluded.told, state = excluded.state",
        5, 8);
}

static const char *state_kept(const struct job *j)
{
    /* What runs when the daemon dies is queued when it lives again. */
    return job_ended(j) || j->cancelling ? hfp_state_text(job_state(j)) : j->paused ? "paused" : "queued";
}

void store_put_job(struct store *s, const struct job *j)
{
    struct op *op = j->removed ? NULL : store_op_new(j->id); /* off the list: a kill must not bring it back */
    struct out ask = { 0 }, status = { 0 };
    if (!op)
        return;
    job_ask_json(&ask, NULL, &j->ask);
    op->run = run_put_job;
    op->text[0] = out_take(&ask, NULL);
    if (!op->text[0]) { /* out of memory: the next change of the job tries again */
        store_op_free(op);
        return;
    }
    if (j->status) {
        status_kept_json(&status, NULL, j->status);
        op->text[1] = out_take(&status, NULL);
    }
    op->text[2] = store_copy(j->snapshot);
    op->text[3] = store_copy(j->key);
    op->text[4] = store_copy(j->key_digest);
    uint64_t elapsed_s = j->elapsed_before_s + (j->status ? j->status->elapsed_ns / 1000000000ULL : 0);
    const int64_t number[] = { j->ask.priority,        j->rank,
                               (int64_t)j->created_ms, (int64_t)j->started_ms,
                               (int64_t)j->ended_ms,   (int64_t)j->stalls,
                               (int64_t)elapsed_s,     (int64_t)j->told };
    memcpy(op->number, number, sizeof number);
    op->state = state_kept(j);
    store_submit(s, op);
}

static int run_drop_job(struct op *op, sqlite3 *db)
{
    return run_sql(op, db, "DELETE FROM jobs WHERE id = ?", 0, 0);
}

void store_drop_job(struct store *s, const char *id)
{
    struct op *op = store_op_new(id);
    if (!op)
        return;
    op->run = run_drop_job;
    store_submit(s, op);
}

static int run_put_setting(struct op *op, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "INSERT INTO settings (name, value) VALUES (?, ?)"
                                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                -1, &st, NULL);
    for (int i = 0; i < 2 && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(st, i + 1, op->text[i], -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void store_put_setting(struct store *s, const char *name, const char *value)
{
    struct op *op = store_op_new(NULL);
    if (!op)
        return;
    op->run = run_put_setting;
    op->text[0] = strdup(name);
    op->text[1] = strdup(value);
    store_submit(s, op);
}

/* ---- files and curves ---- */

static int put_row(sqlite3_stmt *st, const char *id, size_t place, const struct job_file *f)
{
    struct out o = { 0 };
    job_file_json(&o, f);
    char *text = out_take(&o, NULL);
    sqlite3_reset(st);
    int rc = text ? sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(st, 2, (sqlite3_int64)place);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 3, text, -1, free);
    else
        free(text);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool job_exists(sqlite3 *db, const char *id)
{
    sqlite3_stmt *st = NULL;
    bool there = sqlite3_prepare_v2(db, "SELECT 1 FROM jobs WHERE id = ?", -1, &st, NULL) == SQLITE_OK &&
                 sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    return there;
}

static int run_put_files(struct op *op, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    if (!job_exists(db, op->id)) /* it was taken off the list meanwhile */
        return SQLITE_OK;
    int rc = run_sql(op, db, "DELETE FROM files WHERE job = ?", 0, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "INSERT INTO files (job, place, row) VALUES (?,?,?)", -1, &st, NULL);
    for (size_t i = 0; op->files && i < op->files->n && rc == SQLITE_OK; i++)
        rc = put_row(st, op->id, i, &op->files->row[i]);
    sqlite3_finalize(st);
    return rc;
}

void store_put_files(struct store *s, const char *id, struct job_files *files)
{
    struct op *op = store_op_new(id);
    if (!op) {
        job_files_free(files);
        return;
    }
    op->run = run_put_files;
    op->files = files;
    store_submit(s, op);
}

static int run_put_samples(struct op *op, sqlite3 *db)
{
    if (!op->text[0] || !job_exists(db, op->id))
        return SQLITE_OK;
    return run_sql(op, db,
                   "INSERT INTO samples (job, curve) VALUES (?, ?)"
                   " ON CONFLICT (job) DO UPDATE SET curve = excluded.curve",
                   1, 0);
}

void store_put_samples(struct store *s, const char *id, char *json)
{
    struct op *op = store_op_new(id);
    if (!op) {
        free(json);
        return;
    }
    op->run = run_put_samples;
    op->text[0] = json;
    store_submit(s, op);
}

/* ---- waiting and reading ---- */

static void done_sync(struct op *op, const struct hfp_err *err)
{
    op->sync(op->ctx, err);
}

void store_sync(struct store *s, store_sync_fn *fn, void *ctx)
{
    struct op *op = store_op_new(NULL);
    if (!op) {
        struct hfp_err err = { 0 };
        fault_nomem(&err);
        fn(ctx, &err);
        return;
    }
    op->done = done_sync;
    op->sync = fn;
    op->ctx = ctx;
    store_submit(s, op);
}

static int run_read_files(struct op *op, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int64_t offset = op->number[0], limit = op->number[1], n = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT row FROM files WHERE job = ? AND place >= ? ORDER BY place LIMIT ?", -1,
                                &st, NULL);
    if (rc == SQLITE_OK &&
        (sqlite3_bind_text(st, 1, op->id, -1, SQLITE_STATIC) != SQLITE_OK ||
         sqlite3_bind_int64(st, 2, offset) != SQLITE_OK || sqlite3_bind_int64(st, 3, limit + 1) != SQLITE_OK))
        rc = SQLITE_NOMEM;
    out_list(&op->result, NULL);
    while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW && n++ < limit)
        out_raw(&op->result, NULL, store_column(st, 0));
    out_list_end(&op->result);
    op->number[2] = n > limit ? offset + limit : 0;
    sqlite3_finalize(st);
    return SQLITE_OK; /* a list that cannot be read is empty; the job itself is not touched by that */
}

static int run_read_samples(struct op *op, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, "SELECT curve FROM samples WHERE job = ?", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_bind_text(st, 1, op->id, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        op->text[0] = store_copy(store_column(st, 0));
    sqlite3_finalize(st);
    return SQLITE_OK;
}

static void done_read(struct op *op, const struct hfp_err *err)
{
    const char *text = err ? NULL : op->text[0] ? op->text[0] : op->result.failed ? NULL : op->result.data;
    op->read(op->ctx, text, err ? 0 : (uint64_t)op->number[2]);
}

static void submit_read(struct store *s, const char *id, int (*run)(struct op *, sqlite3 *), uint64_t offset,
                        uint64_t limit, store_read_fn *fn, void *ctx)
{
    struct op *op = store_op_new(id);
    if (!op) {
        fn(ctx, NULL, 0);
        return;
    }
    op->run = run;
    op->done = done_read;
    op->reads = true;
    op->number[0] = (int64_t)offset;
    op->number[1] = (int64_t)limit;
    op->read = fn;
    op->ctx = ctx;
    store_submit(s, op);
}

void store_read_files(struct store *s, const char *id, uint64_t offset, uint64_t limit, store_read_fn *fn, void *ctx)
{
    submit_read(s, id, run_read_files, offset, limit, fn, ctx);
}

void store_read_samples(struct store *s, const char *id, store_read_fn *fn, void *ctx)
{
    submit_read(s, id, run_read_samples, 0, 0, fn, ctx);
}
