/* The database file: its schema, and what is in it when the daemon begins. */
#include "daemon/store_db.h"

#include "daemon/body.h"
#include "daemon/job_json.h"
#include "front/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    "ALTER TABLE jobs ADD COLUMN told INTEGER NOT NULL DEFAULT 0;",
};
#define MIGRATIONS ((int)(sizeof migrations / sizeof *migrations))

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

const char *store_column(sqlite3_stmt *st, int i)
{
    return (const char *)sqlite3_column_text(st, i);
}

char *store_copy(const char *s)
{
    return s ? strdup(s) : NULL;
}

static struct job *read_job(sqlite3_stmt *st, struct hfp_err *err)
{
    struct job_ask ask = { 0 };
    struct job *j = NULL;
    cJSON *o = NULL;
    const char *id = store_column(st, 0), *text = store_column(st, 1), *state = store_column(st, 4);
    int rc = text ? body_parse(&o, text, strlen(text), err) : fault_nomem(err);
    if (rc == HFP_OK)
        rc = body_ask(&ask, o, NULL, err);
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
    j->status = status_kept_read(store_column(st, 10));
    j->snapshot = store_copy(store_column(st, 11));
    j->key = store_copy(store_column(st, 12));
    j->key_digest = store_copy(store_column(st, 13));
    j->told = (unsigned)sqlite3_column_int(st, 14);
    return j;
}

static int load(sqlite3 *db, const char *path, struct jobs *jobs, store_setting_fn *setting, void *ctx,
                struct hfp_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT id, ask, priority, rank, state, created_ms, started_ms, ended_ms, stalls,"
                                " elapsed_s, status, snapshot, key, key_digest, told FROM jobs",
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
        setting(ctx, store_column(st, 0), store_column(st, 1));
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        trouble(err, db, path);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? HFP_OK : err->code;
}

static int open_file(sqlite3 **out, const char *path, struct hfp_err *err)
{
    /* FULL: a commit is on the disk before anybody is told. EXCLUSIVE: one daemon a folder, and no shared memory file,
     * which network file systems do not do. */
    static const char setup[] =
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -2048";
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    int rc = HFP_OK;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK || sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(db, setup, NULL, NULL, NULL) != SQLITE_OK)
        rc = trouble(err, db, path);
    if (rc == HFP_OK)
        rc = migrate(db, path, err);
    if (rc)
        sqlite3_close(db);
    else
        *out = db;
    return rc;
}

int store_db_open(sqlite3 **out, const char *dir, struct jobs *jobs, store_setting_fn *setting, void *ctx,
                  struct hfp_err *err)
{
    sqlite3 *db = NULL;
    char *path = path_join(dir, "hf-pulld.db");
    int rc = path ? open_file(&db, path, err) : fault_nomem(err);
    if (rc == HFP_OK)
        rc = load(db, path, jobs, setting, ctx, err);
    free(path);
    if (rc)
        sqlite3_close(db);
    else
        *out = db;
    return rc;
}
