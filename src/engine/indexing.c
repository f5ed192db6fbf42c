#include "engine/blob.h"

#include "base/auto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The verb index: a chunk map for a file in place, whoever brought it: it is laid against its own reconstruction
 * (laying.c). A map is kept only when all of it fits and gives the file's name in Xet.
 *
 *   OPEN (disk: is there a map?) -> LAY -> sealed      not the file's name: once more by the legacy rule first, then
 *                                                      without a map */

struct indexing {
    struct blob *blob;
    struct laying *laying;
    struct xet_hash file;
    struct chunks *map;
    char open_name[CHUNKS_NAME_MAX + 24]; /* of the map while it grows, among the receipts */
    int fd;
    bool legacy_first;
};

struct open_task {
    struct task task;
    struct indexing *in;
    bool sealed; /* there is a map already */
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
    chunks_close(ptr_steal(&in->map));
    if (in->open_name[0] && s->receipts >= 0)
        io->unlinkat(s->receipts, in->open_name, 0);
    in->open_name[0] = 0;
}

void indexing_end(struct blob *b)
{
    struct indexing *in = ptr_steal(&b->indexing);
    if (!in)
        return;
    laying_free(in->laying);
    drop_map(in);
    fd_closep(&in->fd);
    free(in);
}

/* ---- on a worker ---- */

static int begin_map(struct indexing *in, struct hfp_err *err)
{
    struct blob *b = in->blob;
    struct chunk_map_info info = { .size_bytes = b->file->size_bytes, .file = in->file };
    char name[CHUNKS_NAME_MAX];
    chunks_sealed_name(name, &b->place);
    io_tmp_name(in->open_name, sizeof in->open_name, name);
    return chunks_new(&in->map, b->job->store->receipts, in->open_name, &info, err);
}

static int on_term(void *ctx, const struct reconstruction_term *t, const struct rechunk_found *found,
                   struct hfp_err *err)
{
    struct indexing *in = ctx;
    uint64_t at = t->file_offset;
    if (found->fit == RECHUNK_MISFIT)
        return err_set(err, HFP_E_CONTENT, "other chunks");
    int rc = in->map ? HFP_OK : begin_map(in, err);
    for (uint32_t i = 0; i < found->count && !rc; i++) {
        const struct rechunk_chunk *c = &found->chunk[i];
        chunks_add(in->map, &(struct chunk_place){ &t->xorb, &c->hash, t->chunk_start + i, c->bytes, at });
        at += c->bytes;
    }
    return rc;
}

static int on_end(void *ctx, bool is, struct hfp_err *err)
{
    struct indexing *in = ctx;
    return is ? chunks_seal(in->map, &in->blob->place, err) : err_set(err, HFP_E_CONTENT, "another name");
}

static void open_run(struct task *task)
{
    struct open_task *t = container_of(task, struct open_task, task);
    struct indexing *in = t->in;
    const struct place *p = &in->blob->place;
    t->sealed = chunks_sealed(p, &in->file);
    if (t->sealed)
        return;
    in->fd = io_openat(p->final_dir, p->final_name, O_RDONLY | O_NONBLOCK, 0);
    if (in->fd < 0)
        err_sys(&t->err, HFP_E_IO, errno, "open %s", p->final_name);
}

/* ---- on the loop ---- */

static void fail(struct blob *b, struct hfp_err *err)
{
    err_wrap(err, "%s", b->file->path);
    blob_fail(b, err);
}

static void on_over(void *ctx, const struct hfp_err *why);

static void lay(struct indexing *in)
{
    struct hfp_err err;
    struct laying_spec spec = { in->blob, in->fd, in->legacy_first };
    struct laying_events events = { on_term, on_end, on_over, in };
    if (laying_new(&in->laying, &spec, &events, &err) != HFP_OK)
        fail(in->blob, &err);
}

static void on_over(void *ctx, const struct hfp_err *why)
{
    struct indexing *in = ctx;
    struct blob *b = in->blob;
    struct hfp_err err = *why;
    laying_free(ptr_steal(&in->laying));
    if (err.code == HFP_OK) {
        b->job->status.indexed_files++;
        running_verified(b, true);
    } else if (err.code != HFP_E_CONTENT) {
        fail(b, &err);
    } else if (!in->legacy_first) {
        in->legacy_first = true;
        drop_map(in);
        lay(in);
    } else {
        note_text(b->job, HFP_LOG_WARN, b->file->path,
                  "no chunk map: its chunks are not those that the Xet store names (hf-pull verify reads the disk)");
        running_verified(b, true);
    }
}

static void open_done(struct task *task)
{
    AUTO_FREE struct open_task *t = container_of(task, struct open_task, task);
    struct blob *b = t->in->blob;
    b->busy--;
    b->job->busy--;
    if (b->failed)
        return;
    if (t->err.code == HFP_OK && !t->sealed && b->job->local_only)
        err_set(&t->err, HFP_E_OFFLINE, "offline, and there is no chunk map");
    if (t->err.code != HFP_OK) {
        fail(b, &t->err);
    } else if (t->sealed) {
        b->job->status.indexed_files++;
        running_verified(b, true);
    } else {
        lay(t->in);
    }
}

void indexing_begin(struct blob *b)
{
    struct hfp_err err;
    struct indexing *in = calloc(1, sizeof *in);
    struct open_task *t = calloc(1, sizeof *t);
    if (!in || !t) {
        free(in);
        free(t);
        err_nomem(&err);
        blob_fail(b, &err);
        return;
    }
    *in = (struct indexing){ .blob = b, .fd = -1 };
    xet_hash_listed(&in->file, b->file);
    b->indexing = in;
    *t = (struct open_task){ .task = { .run = open_run, .done = open_done }, .in = in };
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, LANE_FILES, &t->task);
}

uint64_t indexing_turn(struct blob *b, uint64_t now_ns)
{
    return b->indexing && b->indexing->laying && !b->failed ? laying_turn(b->indexing->laying, now_ns) : UINT64_MAX;
}
