#include "engine/internal.h"

#include "base/auto.h"
#include "verify/rechunk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The verb index: a chunk map for a file in place, whoever brought it. Its own reconstruction says which chunks it has,
 * slice by slice; the file is cut into chunks on a worker and laid against that (verify/rechunk.h). A map is kept only when
 * all of it fits and gives the file's name in Xet.
 *
 *   OPEN (disk: is there a map?) -> ASK -> CUT -> ... -> sealed                    not the file's name: once more by the
 *                                    ^------'            legacy rule first, then without a map */

enum cut_result { CUT_MORE, CUT_SEALED, CUT_MISFIT };

struct indexing {
    struct blob *blob;
    struct xet_query *query;
    struct xet_hash file;
    struct chunks *map;
    struct rechunk *rechunk;
    char open_name[CHUNKS_NAME_MAX + 24]; /* of the map while it grows, among the receipts */
    int fd;
    bool legacy_first, failed;
    struct hfp_err why;
};

struct index_task {
    struct task task;
    struct indexing *in;
    struct reconstruction *r; /* NULL: open */
    bool sealed;              /* open: there is a map already */
    enum cut_result result;
    struct hfp_err err;
};

bool indexing_wants(const struct blob *b)
{
    struct xet_hash file;
    return b->file->size_bytes > BLOCK_BYTES && xet_hash_listed(&file, b->file);
}

static void drop_map(struct indexing *in)
{
    const struct store *s = in->blob->job->store;
    rechunk_freep(&in->rechunk);
    chunks_close(ptr_steal(&in->map));
    if (in->open_name[0] && s->receipts >= 0)
        io->unlinkat(s->receipts, in->open_name, 0);
}

void indexing_end(struct blob *b)
{
    struct indexing *in = ptr_steal(&b->indexing);
    if (!in)
        return;
    xet_query_free(in->query);
    drop_map(in);
    fd_closep(&in->fd);
    free(in);
}

/* ---- on a worker ---- */

static int begin_map(struct indexing *in, struct hfp_err *err)
{
    struct blob *b = in->blob;
    struct rechunk_spec spec = { .fd = in->fd,
                                 .size_bytes = b->file->size_bytes,
                                 .legacy_first = in->legacy_first,
                                 .stop = &b->job->stop,
                                 .read_bytes = &b->job->read_bytes };
    struct chunk_map_info info = { .size_bytes = b->file->size_bytes, .file = in->file };
    char salt[9], name[CHUNKS_NAME_MAX];
    drop_map(in);
    store_salt(salt);
    chunks_sealed_name(name, &b->place);
    snprintf(in->open_name, sizeof in->open_name, "%s.%s.tmp", name, salt);
    int rc = rechunk_new(&in->rechunk, &spec, err);
    return rc ? rc : chunks_new(&in->map, b->job->store->receipts, in->open_name, &info, err);
}

static int open_file(struct index_task *t)
{
    struct indexing *in = t->in;
    const struct place *p = &in->blob->place;
    t->sealed = chunks_sealed(p, &in->file);
    if (t->sealed)
        return HFP_OK;
    in->fd = io_openat(p->final_dir, p->final_name, O_RDONLY | O_NONBLOCK, 0);
    if (in->fd < 0)
        return err_sys(&t->err, HFP_E_IO, errno, "open %s", p->final_name);
    return begin_map(in, &t->err);
}

static int cut_term(struct index_task *t, const struct reconstruction_term *term)
{
    struct rechunk_found found;
    uint64_t at = term->file_offset;
    int rc = rechunk_term(&found, t->in->rechunk, term, &t->err);
    if (!rc && found.fit == RECHUNK_MISFIT)
        t->result = CUT_MISFIT;
    for (uint32_t i = 0; i < found.count && !rc; i++) {
        chunks_add(t->in->map, &(struct chunk_place){ &term->xorb, &found.chunk[i].hash, term->chunk_start + i,
                                                      found.chunk[i].bytes, at });
        at += found.chunk[i].bytes;
    }
    return rc;
}

static int cut(struct index_task *t)
{
    struct indexing *in = t->in;
    int rc = HFP_OK;
    for (size_t i = 0; i < t->r->term_count && !rc && t->result == CUT_MORE; i++)
        rc = cut_term(t, &t->r->terms[i]);
    if (rc || t->result == CUT_MISFIT || rechunk_at(in->rechunk) < in->blob->file->size_bytes)
        return rc;
    t->result = CUT_MISFIT;
    if (!rechunk_is(in->rechunk, &in->file))
        return HFP_OK;
    t->result = CUT_SEALED;
    return chunks_seal(in->map, &in->blob->place, &t->err);
}

static void index_run(struct task *task)
{
    struct index_task *t = container_of(task, struct index_task, task);
    int rc = t->r ? cut(t) : open_file(t);
    if (!rc && t->result == CUT_MISFIT && !t->in->legacy_first) {
        t->in->legacy_first = true;
        t->result = CUT_MORE;
        rc = begin_map(t->in, &t->err);
    }
    t->err.code = (enum hfp_code)rc;
}

/* ---- on the loop ---- */

static void ask(struct indexing *in)
{
    uint64_t size_bytes = in->blob->file->size_bytes;
    xet_query_ask(in->query, &in->file, size_bytes, rechunk_at(in->rechunk), size_bytes - 1);
    in->blob->job->wake = true;
}

static void index_done(struct task *task)
{
    AUTO_FREE struct index_task *t = container_of(task, struct index_task, task);
    struct blob *b = t->in->blob;
    struct job *job = b->job;
    bool opened = !t->r;
    reconstruction_free(t->r);
    b->busy--;
    job->busy--;
    if (b->failed)
        return;
    if (t->err.code != HFP_OK) {
        err_wrap(&t->err, "%s", b->file->path);
        blob_fail(b, &t->err);
        return;
    }
    if (opened ? !t->sealed : t->result == CUT_MORE) {
        ask(t->in);
        return;
    }
    if (t->result == CUT_MISFIT)
        note_text(job, HFP_LOG_WARN, b->file->path,
                  "no chunk map: the file is right, but its chunks are not cut as the Xet store says");
    else
        job->status.indexed_files++;
    running_verified(b, true);
}

static bool begin(struct indexing *in, struct reconstruction *r)
{
    struct blob *b = in->blob;
    struct index_task *t = calloc(1, sizeof *t);
    if (!t) {
        struct hfp_err err;
        reconstruction_free(r);
        err_nomem(&err);
        blob_fail(b, &err);
        return false;
    }
    *t = (struct index_task){ .task = { .run = index_run, .done = index_done }, .in = in, .r = r };
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, r ? LANE_HASH : LANE_FILES, &t->task);
    return true;
}

static void on_answer(void *ctx, struct reconstruction *r)
{
    begin(ctx, r);
}

static void on_failed(void *ctx, const struct hfp_err *err)
{
    struct indexing *in = ctx; /* the query is not freed inside its own callback: the next turn acts on it */
    in->failed = true;
    in->why = *err;
    in->blob->job->wake = true;
}

void indexing_begin(struct blob *b)
{
    struct job *job = b->job;
    struct hfp_err err;
    struct indexing *in = calloc(1, sizeof *in);
    int rc = in ? HFP_OK : err_nomem(&err);
    if (!rc && job->local_only) {
        free(ptr_steal(&in));
        rc = err_set(&err, HFP_E_OFFLINE, "offline, and %s has no chunk map", b->file->path);
    }
    if (!rc)
        rc = sourcing_session(job, &err);
    if (!rc) {
        *in = (struct indexing){ .blob = b, .fd = -1 };
        xet_hash_listed(&in->file, b->file);
        struct xet_query_events events = { on_answer, on_failed, in };
        rc = xet_query_new(&in->query, job->xet, &events, &err);
    }
    if (rc) {
        free(in);
        blob_fail(b, &err);
        return;
    }
    b->indexing = in;
    begin(in, NULL);
}

uint64_t indexing_turn(struct blob *b, uint64_t now_ns)
{
    struct indexing *in = b->indexing;
    if (!in || b->failed)
        return UINT64_MAX;
    xet_query_hold(in->query, b->job->paused);
    uint64_t next = xet_query_turn(in->query, now_ns);
    if (in->failed) {
        err_wrap(&in->why, "%s", b->file->path);
        blob_fail(b, &in->why);
    }
    return next;
}
