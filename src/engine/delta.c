#include "engine/blob.h"

#include "base/auto.h"
#include "cache/snapshots.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    bool in_xet; /* something of the Xet store is to come */
    struct chunk_index *found;
    struct elsewhere *elsewhere;
};

/* Files that lie where a map does not say whose it is: at the paths of this listing, below --local-dir at those that
 * notes tell of, and in the snapshots of caches without links. */
struct looking {
    struct look_task *task;
    struct place *place;
    const char *commit;
};

static int look_at(struct looking *l, uint64_t size_bytes, const char *commit, const char *path, struct hfp_err *err)
{
    const struct store *s = l->task->job->store;
    if (!l->task->in_xet)
        return HFP_OK;
    place_of(l->place, s, &(struct content_id){ 0 }, size_bytes, commit, path);
    return place_is_blob(l->place) ? HFP_OK : chunk_index_add_place(l->task->found, l->place, err);
}

static int look_at_note(void *ctx, const char *path, const char *etag, struct hfp_err *err)
{
    struct looking *l = ctx;
    int rc = elsewhere_note(l->task->elsewhere, path, etag, err);
    return rc ? rc : look_at(l, 0, NULL, path, err);
}

static bool has_note(const struct store *s, const char *path)
{
    char note[PATH_NAME_MAX + 32];
    struct stat st;
    snprintf(note, sizeof note, "download/%s.metadata", path);
    return s->local_notes >= 0 && io->fstatat(s->local_notes, note, &st, 0) == 0;
}

static int look_at_paths(struct looking *l, struct hfp_err *err)
{
    const struct job *job = l->task->job;
    int rc = HFP_OK;
    for (uint32_t i = 0; i < listing_count(job->listing) && !rc; i++) {
        const struct listed_file *f = listing_at(job->listing, i);
        struct xet_hash hash;
        if (in_xet(&hash, job, f) && !has_note(job->store, f->path))
            rc = look_at(l, f->size_bytes, job->commit, f->path, err);
    }
    return rc;
}

static int look_at_copy(void *ctx, const struct snapshot_file *f, struct hfp_err *err)
{
    struct looking *l = ctx;
    bool there = f->there && !f->in_blobs && f->st.st_size > (off_t)BLOCK_BYTES;
    return there ? look_at(l, (uint64_t)f->st.st_size, l->commit, f->path, err) : HFP_OK;
}

static int look_at_commit(void *ctx, const char *commit, struct hfp_err *err)
{
    struct looking *l = ctx;
    char folder[16 + COMMIT_HEX];
    if (strcmp(commit, l->task->job->commit) == 0)
        return HFP_OK; /* by the listing */
    l->commit = commit;
    snprintf(folder, sizeof folder, "snapshots/%s", commit);
    return snapshot_walk(l->task->job->store, folder, look_at_copy, l, err);
}

static int look_everywhere(struct look_task *t)
{
    const struct store *s = t->job->store;
    AUTO_FREE struct place *p = malloc(sizeof *p);
    struct looking l = { .task = t, .place = p };
    int rc = p ? HFP_OK : HFP_E_NOMEM;
    if (!rc && t->in_xet)
        rc = chunk_index_add_blobs(t->found, s, NULL);
    if (!rc && t->in_xet)
        rc = look_at_paths(&l, NULL);
    if (!rc && s->is_local)
        rc = snapshot_notes(s, look_at_note, &l, NULL);
    else if (!rc && !s->symlinks && s->repo_dir >= 0)
        rc = snapshot_commits(s, look_at_commit, &l, NULL);
    return rc;
}

static void look_run(struct task *t)
{
    struct look_task *l = container_of(t, struct look_task, task);
    const struct job *job = l->job;
    if (elsewhere_new(&l->elsewhere, job, NULL) != HFP_OK || chunk_index_new(&l->found, NULL) != HFP_OK)
        return;
    if (look_everywhere(l) != HFP_OK)
        log_debug(&job->core->log, "not all of the chunks that are here could be looked at");
    chunk_index_ready(l->found);
}

static void look_done(struct task *t)
{
    AUTO_FREE struct look_task *l = container_of(t, struct look_task, task);
    struct job *job = l->job;
    job->held = l->found;
    job->held_found = chunk_index_stretches(job->held) > 0;
    job->elsewhere = l->elsewhere;
    job->held_building = false;
    job->wake = true;
    job->busy--;
}

/* Only when a file is to come that may profit: reading the maps of a repository of 1 TB takes seconds. Not where all is to
 * be fetched again, whatever is here. */
void delta_begin(struct job *job)
{
    bool xet = false, local = false;
    for (uint32_t i = 0; i < job->plan->blobs && !xet; i++) {
        struct xet_hash hash;
        bool wanted = elsewhere_wanted(job, i);
        xet = wanted && in_xet(&hash, job, listing_at(job->listing, job->plan->blob[i].file));
        local |= wanted && job->store->is_local;
    }
    if (job->spec.verb == HFP_VERIFY || job->spec.verb == HFP_INDEX || job->held_looked)
        return;
    if (!xet && !local) { /* but what this job brings counts */
        if (!job->held)
            chunk_index_new(&job->held, NULL);
        return;
    }
    job->held_looked = true;
    struct look_task *l = calloc(1, sizeof *l);
    if (!l)
        return;
    *l = (struct look_task){ .task = { .run = look_run, .done = look_done }, .job = job, .in_xet = xet };
    job->held_building = true;
    job->busy++;
    work_submit(job->core->config.work, LANE_FILES, &l->task);
}

void delta_claimed(struct blob *b)
{
    struct xet_hash hash;
    const struct partial *pt = b->partial;
    if (b->small || !in_xet(&hash, b->job, b->file))
        return;
    fd_closep(&b->share_fd);
    b->share_fd = io_openat(pt->dir, pt->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (pt->recorded_blocks == 0 || b->own)
        return;
    b->own_dir = io_openat(pt->dir, ".", O_RDONLY | O_DIRECTORY, 0); /* others may read when the partial is closed */
    struct chunk_index_file f = { .map_dir = b->own_dir,
                                  .file_dir = b->own_dir,
                                  .map_name = pt->chunks_name,
                                  .file_name = pt->name,
                                  .recorded = pt->recorded,
                                  .size_bytes = pt->size_bytes };
    if (b->own_dir < 0 || chunk_index_new(&b->own, NULL) != HFP_OK || chunk_index_add(b->own, &f, NULL) != HFP_OK)
        return;
    chunk_index_ready(b->own);
}

bool delta_possible(const struct blob *b)
{
    return !b->small && b->job->held_found;
}

/* ---- what comes with other files of the job ---- */

static enum xet_readable on_disk(void *ctx, uint64_t first_byte, uint64_t end_byte)
{
    const struct blob *b = ctx;
    for (uint64_t i = first_byte / BLOCK_BYTES; i * BLOCK_BYTES < end_byte; i++)
        if (b->mark[i] == MARK_WRITING)
            return XET_READABLE_LATER;
        else if (b->mark[i] == MARK_ABSENT)
            return XET_UNREADABLE;
    return XET_READABLE;
}

/* Files of one block are not: none of it can be read before all of it is there. */
void delta_join(struct blob *b)
{
    struct xet_hash hash;
    if (!b->mate && !b->small && in_xet(&hash, b->job, b->file))
        xet_mate_join(&b->mate, &b->job->mates, b->index, core_now(b->job->core), NULL);
}

void delta_ready(struct blob *b)
{
    struct xet_mate_file f = { .fd = b->share_fd, .own = b->own, .own_dir = b->own_dir, .readable = on_disk, .ctx = b };
    if (!b->mate)
        return;
    if (b->share_fd < 0) {
        delta_leave(b);
        return;
    }
    xet_mate_ready(b->mate, &f);
    b->share_fd = b->own_dir = -1;
    b->own = NULL;
}

void delta_settle(struct blob *b)
{
    if (b->mate)
        xet_mate_settle(b->mate);
}

void delta_named(struct blob *b)
{
    struct xet_hash hash;
    if (b->small || !in_xet(&hash, b->job, b->file) || chunk_index_new(&b->sealed, NULL) != HFP_OK)
        return;
    chunk_index_add_place(b->sealed, &b->place, NULL);
    chunk_index_ready(b->sealed);
}

void delta_published(struct blob *b)
{
    chunk_index_merge(b->job->held, ptr_steal(&b->sealed));
}

void delta_leave(struct blob *b)
{
    xet_mate_leave(ptr_steal(&b->mate));
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
    spec->held[0] = b->mate ? xet_mate_own(b->mate) : b->own;
    spec->mate = spec->uncounted ? NULL : b->mate; /* a second opinion asks for itself */
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
    delta_leave(b);
    fd_closep(&b->share_fd);
    fd_closep(&b->own_dir);
    chunk_index_free(ptr_steal(&b->own));
    chunk_index_free(ptr_steal(&b->sealed));
}
