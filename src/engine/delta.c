#include "engine/internal.h"

#include "base/auto.h"

#include <stdlib.h>

/* Chunks that are here need not come: which of them lie in the files of this repository, which in the partial itself, and
 * the map of what comes. A convenience from end to end: whatever fails here is a chunk that is fetched. */

static bool in_xet(struct xet_hash *hash, const struct job *job, const struct listed_file *f)
{
    return job->core->config.user.xet != HFP_XET_OFF && f->size_bytes > BLOCK_BYTES && xet_hash_listed(hash, f);
}

/* ---- what is here ---- */

struct look_task {
    struct task task;
    struct job *job;
    struct chunk_index *found;
};

/* Where a map does not say its file: the files of this listing that lie at their paths. */
static int look_at_paths(struct chunk_index *ix, const struct job *job, struct hfp_err *err)
{
    AUTO_FREE struct place *p = malloc(sizeof *p);
    int rc = p ? HFP_OK : err_nomem(err);
    for (uint32_t i = 0; i < listing_count(job->listing) && !rc; i++) {
        const struct listed_file *f = listing_at(job->listing, i);
        struct xet_hash hash;
        char name[CHUNKS_NAME_MAX];
        if (!in_xet(&hash, job, f))
            continue;
        place_of(p, job->store, &f->id, f->size_bytes, job->commit, f->path);
        if (place_is_blob(p))
            continue;
        chunks_sealed_name(name, p);
        struct chunk_index_file file = {
            .map_dir = job->store->receipts, .file_dir = p->final_dir, .map_name = name, .file_name = p->final_name
        };
        rc = chunk_index_add(ix, &file, err);
    }
    return rc;
}

static void look_run(struct task *t)
{
    struct look_task *l = container_of(t, struct look_task, task);
    const struct job *job = l->job;
    if (job->store->receipts < 0 || chunk_index_new(&l->found, NULL) != HFP_OK)
        return;
    if (chunk_index_add_blobs(l->found, job->store, NULL) != HFP_OK || look_at_paths(l->found, job, NULL) != HFP_OK)
        log_debug(&job->core->log, "no memory for all the chunks that are here");
    chunk_index_ready(l->found);
}

static void look_done(struct task *t)
{
    AUTO_FREE struct look_task *l = container_of(t, struct look_task, task);
    struct job *job = l->job;
    job->held = l->found;
    job->held_building = false;
    job->wake = true;
    job->busy--;
}

/* Only when a file is to come that may profit: reading the maps of a repository of 1 TB takes seconds. */
void delta_begin(struct job *job)
{
    bool wanted = false;
    struct xet_hash hash;
    for (uint32_t i = 0; i < job->plan->blobs && !wanted; i++)
        wanted = job->plan->blob[i].action == PLAN_FETCH &&
                 in_xet(&hash, job, listing_at(job->listing, job->plan->blob[i].file));
    if (!wanted || job->spec.verb == HFP_VERIFY || job->spec.verb == HFP_INDEX || job->held || job->held_building)
        return;
    struct look_task *l = calloc(1, sizeof *l);
    if (!l)
        return;
    *l = (struct look_task){ .task = { .run = look_run, .done = look_done }, .job = job };
    job->held_building = true;
    job->busy++;
    work_submit(job->core->config.work, LANE_FILES, &l->task);
}

void delta_claimed(struct blob *b)
{
    struct xet_hash hash;
    const struct partial *pt = b->partial;
    if (b->small || pt->recorded_blocks == 0 || !in_xet(&hash, b->job, b->file))
        return;
    struct chunk_index_file f = { .map_dir = pt->dir,
                                  .file_dir = pt->dir,
                                  .map_name = pt->chunks_name,
                                  .file_name = pt->name,
                                  .recorded = pt->recorded };
    if (chunk_index_new(&b->own, NULL) != HFP_OK || chunk_index_add(b->own, &f, NULL) != HFP_OK)
        return;
    chunk_index_ready(b->own);
}

bool delta_possible(const struct blob *b)
{
    return !b->small && chunk_index_stretches(b->job->held) > 0;
}

/* ---- what comes ---- */

static int on_seen(void *ctx, const struct xet_decode_term *t, uint32_t index, uint64_t file_offset, uint32_t bytes,
                   const struct xet_hash *hash, struct hfp_err *err)
{
    struct blob *b = ctx;
    (void)err;
    chunks_add(b->chunks, &(struct chunk_place){ &t->xorb, hash, index, bytes, file_offset });
    return HFP_OK;
}

static void on_copied(void *ctx, uint64_t from, uint64_t to, uint64_t bytes)
{
    struct blob *b = ctx;
    chunks_copied(b->chunks, from, to, bytes);
}

static void need_map(struct blob *b, const struct xet_hash *file)
{
    struct chunk_map_info info = { .size_bytes = b->file->size_bytes, .file = *file };
    if (!b->chunks && !b->small)
        chunks_new(&b->chunks, b->partial->dir, b->partial->chunks_name, &info, NULL);
}

void delta_source(struct blob *b, struct xet_fetch_spec *spec, struct xet_fetch_events *events)
{
    spec->held[0] = b->own;
    spec->held[1] = b->job->held;
    need_map(b, &spec->file);
    if (!b->chunks || b->xet_tasks > 0) /* a task of the source before still writes: one at a time */
        return;
    events->seen = on_seen;
    events->copied = on_copied;
}

/* A map of what was there before must not stay beside a file of that path. */
static void drop_old(const struct place *p)
{
    char name[CHUNKS_NAME_MAX];
    if (place_is_blob(p) || p->store->receipts < 0)
        return;
    chunks_sealed_name(name, p);
    io->unlinkat(p->store->receipts, name, 0);
}

void delta_publish(struct blob *b)
{
    struct xet_hash file;
    struct hfp_err err;
    bool here = !b->small && b->partial && in_xet(&file, b->job, b->file);
    if (here && io_exists(b->partial->dir, b->partial->chunks_name))
        need_map(b, &file);
    if (here && b->chunks && chunks_seal(b->chunks, &b->place, &err) == HFP_OK)
        return;
    if (here && b->chunks)
        log_debug(&b->job->core->log, "%s: no chunk map: %s", b->file->path, err.message);
    drop_old(&b->place);
}

void delta_end(struct blob *b)
{
    chunks_close(ptr_steal(&b->chunks));
    chunk_index_free(ptr_steal(&b->own));
}
