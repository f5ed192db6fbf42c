/* The store in SQLite. One connection, used by store_attach() and then by the worker's thread alone. */
#include "daemon/store.h"

#include "daemon/body.h"
#include "daemon/job_json.h"
#include "daemon/worker.h"
#include "front/files.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_NS 1000000000ULL
#define BUSY_MS 3000 /* another process looks into the database: sqlite3 on a shell */

/* Each step is applied once, in order; user_version says how many have been. Steps are never changed, only added. */
static const char *const migrations[] = {
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, ask TEXT NOT NULL, priority INTEGER NOT NULL, rank INTEGER NOT NULL,"
    " state TEXT NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,"
    " stalls INTEGER NOT NULL, elapsed_s INTEGER NOT NULL, status TEXT, snapshot TEXT, key TEXT, key_digest TEXT)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE files (job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE, place INTEGER NOT NULL, row TEXT NOT "
    "NULL,"
    " PRIMARY KEY (job, place)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE samples (job TEXT PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, curve TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;",
};
#define MIGRATIONS ((int)(sizeof migrations / sizeof *migrations))

struct op {
    struct op *next;
    int (*run)(struct op *op, sqlite3 *db); /* SQLITE_OK or why not; on the worker's thread */
    void (*done)(struct op *op, const struct hfp_err *err);
    bool reads; /* done once, whatever comes of the others */
    /* what it is about; each kind uses some of these */
    char id[JOB_ID_SIZE];
    char *text[5];
    int64_t number[7];
    const char *state;
    struct job_files *files;
    store_sync_fn *sync;
    store_read_fn *read;
    void *ctx;
    struct out result;
};

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

static void op_free(struct op *op)
{
    for (unsigned i = 0; i < 5; i++)
        free(op->text[i]);
    job_files_free(op->files);
    out_done(&op->result);
    free(op);
}

/* ---- opening ---- */

static int trouble(struct hfp_err *err, sqlite3 *db, const char *path)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    if (code == SQLITE_BUSY)
        return fault(err, HFP_E_LOCKED, "%s is in use: is another hf-pulld running?", path);
    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
        return fault(err, HFP_E_CORRUPT, "%s is damaged: %s. Move it away to begin with an empty queue.", path,
                     sqlite3_errmsg(db));
    return fault(err, HFP_E_IO, "%s: %s.", path, db ? sqlite3_errmsg(db) : "out of memory");
}

static int migrate(sqlite3 *db, const char *path, struct hfp_err *err)
{
    sqlite3_stmt *st = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    if (version < 0)
        return trouble(err, db, path);
    if (version > MIGRATIONS)
        return fault(err, HFP_E_VERSION, "%s was written by a newer hf-pulld (schema %d, known is %d).", path, version,
                     MIGRATIONS);
    for (; version < MIGRATIONS; version++) {
        char set[64];
        snprintf(set, sizeof set, "PRAGMA user_version = %d; COMMIT", version + 1);
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, set, NULL, NULL, NULL) != SQLITE_OK)
            return trouble(err, db, path);
    }
    return HFP_OK;
}

static const char *column_text(sqlite3_stmt *st, int i)
{
    return (const char *)sqlite3_column_text(st, i);
}

static char *copy_or_null(const char *s)
{
    return s ? strdup(s) : NULL;
}

static struct job *read_job(sqlite3_stmt *st, struct hfp_err *err)
{
    struct job_ask ask = { 0 };
    struct job *j = NULL;
    cJSON *o = NULL;
    const char *id = column_text(st, 0), *text = column_text(st, 1), *state = column_text(st, 4);
    int rc = text ? body_parse(&o, text, strlen(text), err) : fault_nomem(err);
    if (rc == HFP_OK)
        rc = body_ask(&ask, o, err);
    cJSON_Delete(o);
    if (rc || job_make(&j, &ask, (uint64_t)sqlite3_column_int64(st, 5), err)) {
        job_ask_done(&ask);
        return NULL;
    }
    snprintf(j->id, sizeof j->id, "%s", id);
    j->ask.priority = sqlite3_column_int64(st, 2);
    j->rank = sqlite3_column_int64(st, 3);
    j->paused = strcmp(state, "paused") == 0;
    for (unsigned i = HFP_DONE; i < HFP_STATE_COUNT; i++)
        if (strcmp(state, hfp_state_text((enum hfp_state)i)) == 0)
            j->end = (enum hfp_state)i;
    j->started_ms = (uint64_t)sqlite3_column_int64(st, 6);
    j->ended_ms = (uint64_t)sqlite3_column_int64(st, 7);
    j->stalls = (uint64_t)sqlite3_column_int64(st, 8);
    j->elapsed_before_s = (uint64_t)sqlite3_column_int64(st, 9);
    j->status = status_kept_read(column_text(st, 10));
    j->snapshot = copy_or_null(column_text(st, 11));
    j->key = copy_or_null(column_text(st, 12));
    j->key_digest = copy_or_null(column_text(st, 13));
    return j;
}

static int load(sqlite3 *db, const char *path, struct jobs *jobs, store_setting_fn *setting, void *ctx,
                struct hfp_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT id, ask, priority, rank, state, created_ms, started_ms, ended_ms, stalls,"
                                " elapsed_s, status, snapshot, key, key_digest FROM jobs",
                                -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct job *j = read_job(st, err);
        rc = SQLITE_OK;
        if (j && jobs_add(jobs, j, err)) {
            job_drop(j);
            sqlite3_finalize(st);
            return err->code;
        }
    }
    sqlite3_finalize(st);
    if (rc == SQLITE_DONE)
        rc = sqlite3_prepare_v2(db, "SELECT name, value FROM settings", -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        setting(ctx, column_text(st, 0), column_text(st, 1));
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        trouble(err, db, path);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? HFP_OK : err->code;
}

int store_attach(struct store **out, const char *dir, struct worker *worker, struct jobs *jobs,
                 store_setting_fn *setting, void *ctx, struct hfp_err *err)
{
    /* FULL: a commit is on the disk before anybody is told. EXCLUSIVE: one daemon a folder, and no shared memory file,
     * which network file systems do not do. */
    static const char setup[] =
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -2048";
    struct store *s = calloc(1, sizeof *s);
    char *path = path_join(dir, "hf-pulld.db");
    int rc = s && path ? HFP_OK : fault_nomem(err);
    if (rc == HFP_OK) {
        s->tail = &s->pending;
        s->worker = worker;
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
        if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK ||
            sqlite3_busy_timeout(s->db, BUSY_MS) != SQLITE_OK ||
            sqlite3_exec(s->db, setup, NULL, NULL, NULL) != SQLITE_OK)
            rc = trouble(err, s->db, path);
    }
    if (rc == HFP_OK)
        rc = migrate(s->db, path, err);
    if (rc == HFP_OK)
        rc = load(s->db, path, jobs, setting, ctx, err);
    free(path);
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
        op_free(op);
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
            op_free(op);
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
        op_free(op);
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

static void submit(struct store *s, struct op *op)
{
    *s->tail = op;
    s->tail = &op->next;
}

static struct op *op_new(const char *id)
{
    struct op *op = calloc(1, sizeof *op);
    if (op && id)
        snprintf(op->id, sizeof op->id, "%s", id);
    return op;
}

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
        " ended_ms, stalls, elapsed_s, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET ask = excluded.ask, status = excluded.status,"
        " snapshot = excluded.snapshot, priority = excluded.priority, rank = excluded.rank,"
        " started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, stalls = excluded.stalls,"
        " elapsed_s = excluded.elapsed_s, state = excluded.state",
        5, 7);
}

static const char *state_kept(const struct job *j)
{
    /* What runs when the daemon dies is queued when it lives again. */
    return job_ended(j) || j->cancelling ? hfp_state_text(job_state(j)) : j->paused ? "paused" : "queued";
}

void store_put_job(struct store *s, const struct job *j)
{
    struct op *op = op_new(j->id);
    struct out ask = { 0 }, status = { 0 };
    if (!op)
        return;
    job_ask_json(&ask, NULL, &j->ask);
    op->run = run_put_job;
    op->text[0] = out_take(&ask, NULL);
    if (!op->text[0]) { /* out of memory: the next change of the job tries again */
        op_free(op);
        return;
    }
    if (j->status) {
        status_kept_json(&status, NULL, j->status);
        op->text[1] = out_take(&status, NULL);
    }
    op->text[2] = copy_or_null(j->snapshot);
    op->text[3] = copy_or_null(j->key);
    op->text[4] = copy_or_null(j->key_digest);
    uint64_t elapsed_s = j->elapsed_before_s + (j->status ? j->status->elapsed_ns / 1000000000ULL : 0);
    const int64_t number[] = { j->ask.priority,        j->rank,
                               (int64_t)j->created_ms, (int64_t)j->started_ms,
                               (int64_t)j->ended_ms,   (int64_t)j->stalls,
                               (int64_t)elapsed_s };
    memcpy(op->number, number, sizeof number);
    op->state = state_kept(j);
    submit(s, op);
}

static int run_drop_job(struct op *op, sqlite3 *db)
{
    return run_sql(op, db, "DELETE FROM jobs WHERE id = ?", 0, 0);
}

void store_drop_job(struct store *s, const char *id)
{
    struct op *op = op_new(id);
    if (!op)
        return;
    op->run = run_drop_job;
    submit(s, op);
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
    struct op *op = op_new(NULL);
    if (!op)
        return;
    op->run = run_put_setting;
    op->text[0] = strdup(name);
    op->text[1] = strdup(value);
    submit(s, op);
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
    struct op *op = op_new(id);
    if (!op) {
        job_files_free(files);
        return;
    }
    op->run = run_put_files;
    op->files = files;
    submit(s, op);
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
    struct op *op = op_new(id);
    if (!op) {
        free(json);
        return;
    }
    op->run = run_put_samples;
    op->text[0] = json;
    submit(s, op);
}

/* ---- waiting and reading ---- */

static void done_sync(struct op *op, const struct hfp_err *err)
{
    op->sync(op->ctx, err);
}

void store_sync(struct store *s, store_sync_fn *fn, void *ctx)
{
    struct op *op = op_new(NULL);
    if (!op) {
        struct hfp_err err = { 0 };
        fault_nomem(&err);
        fn(ctx, &err);
        return;
    }
    op->done = done_sync;
    op->sync = fn;
    op->ctx = ctx;
    submit(s, op);
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
        out_raw(&op->result, NULL, column_text(st, 0));
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
        op->text[0] = copy_or_null(column_text(st, 0));
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
    struct op *op = op_new(id);
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
    submit(s, op);
}

void store_read_files(struct store *s, const char *id, uint64_t offset, uint64_t limit, store_read_fn *fn, void *ctx)
{
    submit_read(s, id, run_read_files, offset, limit, fn, ctx);
}

void store_read_samples(struct store *s, const char *id, store_read_fn *fn, void *ctx)
{
    submit_read(s, id, run_read_samples, 0, 0, fn, ctx);
}
