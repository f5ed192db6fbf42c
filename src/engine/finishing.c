#include "engine/blob.h"

#include "base/auto.h"
#include "cache/lock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All files are in place: what other tools read comes last, the ref last of all (design 4). From the first look at the
 * links to the ref no deletion of this repository runs (cache/lock.h).
 *
 *   lock -> links -> blobs/, the snapshot, folders above synced --+-> ref -> unlock
 *        -> trees/ -----------------------------------------------|
 *        -> the folders of the ref -------------------------------'
 *
 * What does not wait for the other runs side by side: syncs at the same time share the disk's flush, and a start of one
 * small file is little else. */

#define PARTS_MAX 9

struct finish;
struct finish_part {
    struct task task;
    struct finish *finish;
    int (*work)(struct finish_part *part);
    struct hfp_err err;
};

struct finish {
    struct job *job;
    int64_t unix_s;
    struct finish_part part[PARTS_MAX];
    unsigned parts, left; /* begun; of these still under way */
    bool ref_begun;
    int lock_fd;        /* of the repository; -1: none is held */
    struct hfp_err err; /* the first */
};

struct linking {
    struct finish_part *part;
    struct place place;
    uint32_t lost;
    const char *first_lost;
};

static bool in_place(const struct place *p)
{
    struct stat st;
    return io->fstatat(p->final_dir, p->final_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == p->size_bytes;
}

/* P1: a pull takes its time, and hf cache prune and rm ask for no lock: what was put in place is looked at once more
 * when it is linked, before the ref says that it is there. */
static int finish_path(struct linking *f, const char *path, bool copy)
{
    const struct finish *finish = f->part->finish;
    const struct job *job = finish->job;
    const struct place *p = &f->place;
    struct hfp_err *err = &f->part->err;
    bool linked = false;
    int rc = publish_linked(&linked, p, job->commit, path, err);
    if (rc || linked)
        return rc;
    bool there = in_place(p), link = there && links_come_last(p) && p->store->writable;
    rc = link ? publish_link(p, job->commit, path, finish->unix_s, err) : HFP_OK;
    bool believed = there && copy && !links_come_last(p); /* by its receipt, which a full disk may have refused */
    if (!rc && !believed)
        rc = publish_linked(&linked, p, job->commit, path, err);
    if (rc || believed || linked)
        return rc;
    f->first_lost = f->first_lost ? f->first_lost : path;
    f->lost++;
    return HFP_OK;
}

static int finish_links(struct finish_part *part)
{
    const struct job *job = part->finish->job;
    AUTO_FREE struct linking *f = calloc(1, sizeof *f);
    if (!f)
        return err_nomem(&part->err);
    f->part = part;
    int rc = HFP_OK;
    for (uint32_t i = 0; i < job->plan->blobs && !rc; i++) {
        const struct plan_blob *b = &job->plan->blob[i];
        const struct listed_file *file = listing_at(job->listing, b->file);
        if (!b->done)
            continue; /* it failed; the job ends with the reason */
        place_of(&f->place, job->store, &file->id, file->size_bytes, job->commit, file->path);
        for (uint32_t k = b->file; !rc && k != UINT32_MAX; k = job->plan->next_file[k])
            rc = finish_path(f, listing_at(job->listing, k)->path, k != b->file);
    }
    if (rc || f->lost == 0)
        return rc;
    return err_set(&part->err, HFP_E_IO,
                   "%u of %u files were removed%s while the others came (%s; %s?). What is left is kept: run again",
                   f->lost, job->plan->files, job->store->is_local ? " or replaced" : "", f->first_lost,
                   job->store->is_local ? "another revision into the same folder" : "hf cache prune or rm");
}

/* Best effort but for a busy one: a disk that cannot lock is no reason not to end. */
static int finish_lock(struct finish_part *part)
{
    struct finish *f = part->finish;
    int rc = lock_repository(&f->lock_fd, f->job->store, false, &part->err);
    if (rc != HFP_E_LOCKED)
        part->err.code = HFP_OK;
    return part->err.code;
}

/* Here and not on the loop: closing may wait for the disk. */
static int finish_unlock(struct finish_part *part)
{
    fd_closep(&part->finish->lock_fd);
    return HFP_OK;
}

static int finish_trees(struct finish_part *part)
{
    const struct job *job = part->finish->job;
    return trees_write(job->store, job->commit, job->listing, &part->err);
}

static int settle_blobs(struct finish_part *part)
{
    return publish_settle_blobs(part->finish->job->store, &part->err);
}

static int settle_snapshot(struct finish_part *part)
{
    const struct job *job = part->finish->job;
    return publish_settle_snapshot(job->store, job->commit, job->listing, &part->err);
}

static int settle_folders(struct finish_part *part)
{
    return store_sync_folders(part->finish->job->store, &part->err);
}

static bool moves_ref(const struct job *job)
{
    return !name_is_commit(job->spec.revision) && strcmp(job->commit, job->local_commit) != 0;
}

static int prepare_ref(struct finish_part *part)
{
    const struct job *job = part->finish->job;
    return ref_prepare(job->store, job->spec.revision, &part->err);
}

static int finish_ref(struct finish_part *part)
{
    const struct finish *f = part->finish;
    const struct job *job = f->job;
    int rc = moves_ref(job) ? ref_write(job->store, job->spec.revision, job->commit, &part->err) : HFP_OK;
    if (rc)
        return rc;
    /* With nothing fetched too: another tool may have finished what a killed run of ours began. */
    partial_sweep_all(job->store, f->unix_s);
    partial_sweep_local(job->store, job->listing, f->unix_s);
    return HFP_OK;
}

static void part_run(struct task *t)
{
    struct finish_part *part = container_of(t, struct finish_part, task);
    if (part->work(part) != HFP_OK && !part->finish->job->store->writable)
        part->err.code = HFP_OK; /* a complete cache on a read-only file system is a success */
}

static void part_done(struct task *t);

static void part_begin(struct finish *f, int (*work)(struct finish_part *part))
{
    assert(f->parts < PARTS_MAX);
    struct finish_part *part = &f->part[f->parts++];
    *part = (struct finish_part){ .task = { .run = part_run, .done = part_done }, .finish = f, .work = work };
    f->left++;
    f->job->busy++;
    work_submit(f->job->core->config.work, LANE_PUBLISH, &part->task);
}

static void finish_end(struct finish *f)
{
    struct job *job = f->job;
    struct hfp_err err = f->err;
    free(f);
    if (job->file_error.code != HFP_OK) {
        err = job->file_error;
        size_t used = strlen(err.message);
        snprintf(err.message + used, sizeof err.message - used, ". The other %llu of %u files are proved and in place",
                 (unsigned long long)job->status.files_proved, job->plan->files);
    }
    job_end(job, err.code == HFP_OK ? NULL : &err);
}

/* Everything begun is done, or something failed. */
static void finish_rest(struct finish *f)
{
    bool all = f->job->file_error.code == HFP_OK; /* else what is proved can be read; the ref does not move */
    if (!f->ref_begun && all && f->err.code == HFP_OK) {
        f->ref_begun = true;
        part_begin(f, finish_ref);
    } else if (f->lock_fd >= 0) {
        part_begin(f, finish_unlock);
    } else {
        finish_end(f);
    }
}

static void finish_begin(struct finish *f)
{
    const struct job *job = f->job;
    bool goes_on = f->err.code == HFP_OK;
    /* Also before a ref alone: what the plan has found linked may be gone since, or was never synced by a run that was
     * killed. */
    if (goes_on && (job->work_done || moves_ref(job)))
        part_begin(f, finish_links);
    if (goes_on && job->listing_new && job->file_error.code == HFP_OK)
        part_begin(f, finish_trees);
    if (goes_on && moves_ref(job) && job->file_error.code == HFP_OK)
        part_begin(f, prepare_ref);
    if (f->left == 0)
        finish_rest(f);
}

/* A deletion is at work: the lock is asked for again, by another finish. */
static void finish_later(struct finish *f)
{
    struct job *job = f->job;
    struct hfp_err err;
    uint64_t now_ns = core_now(job->core);
    job->locked_since_ns = job->locked_since_ns ? job->locked_since_ns : now_ns;
    free(f);
    if (ns_since(now_ns, job->locked_since_ns) >= LOCK_PATIENCE_NS) {
        err_set(&err, HFP_E_LOCKED,
                "another process deletes a revision of %s for %llu s now. What came is kept: run again", job->spec.repo,
                (unsigned long long)(LOCK_PATIENCE_NS / NS_PER_S));
        job_end(job, &err);
    } else if (!job->ending) {
        job->step_begun = false;
        job->next_ns = now_ns + LOCK_RETRY_NS;
    }
}

static void part_done(struct task *t)
{
    struct finish_part *part = container_of(t, struct finish_part, task);
    struct finish *f = part->finish;
    f->job->busy--;
    f->left--;
    if (part->work == finish_lock && part->err.code == HFP_E_LOCKED) {
        finish_later(f);
        return;
    }
    if (part->work == finish_lock) {
        f->job->locked_since_ns = 0;
        f->err = f->job->error; /* cancelled meanwhile */
        finish_begin(f);
        return;
    }
    if (f->err.code == HFP_OK)
        f->err = part->err;
    if (part->work == finish_links && part->err.code == HFP_OK) {
        part_begin(f, settle_blobs);
        part_begin(f, settle_snapshot);
        part_begin(f, settle_folders);
    }
    if (f->left == 0)
        finish_rest(f);
}

void finishing_turn(struct job *job, uint64_t now_ns)
{
    if (job->step_begun || (job->locked_since_ns && now_ns < job->next_ns))
        return;
    job->next_ns = UINT64_MAX;
    struct finish *f = calloc(1, sizeof *f);
    job->step_begun = true;
    if (!f) {
        struct hfp_err err;
        err_nomem(&err);
        job_end(job, &err);
        return;
    }
    *f = (struct finish){ .job = job, .unix_s = core_unix_s(job->core), .lock_fd = -1 };
    if (job->store->repo_dir < 0 && job->store->local < 0) { /* an empty repository leaves nothing */
        finish_end(f);
        return;
    }
    if (job->work_done || moves_ref(job))
        part_begin(f, finish_lock);
    else
        finish_begin(f);
}

/* Failed or cancelled: blobs close with what is recorded, tasks run out, then the last event. */
void closing_turn(struct job *job, uint64_t now_ns)
{
    job->ready = NULL; /* proved but not published: kept, the next run only has to hash them */
    job->ready_tail = &job->ready;
    for (struct blob *b = job->blobs; b; b = b->next) {
        if (blob_is_active(b))
            blob_fail(b, &(struct hfp_err){ 0 });
        blob_turn(b, now_ns);
    }
    running_sweep(job);
    if (job->blobs || job->busy > 0 || !telling_turn(job, now_ns))
        return;
    job->step = STEP_ENDED; /* the group stays until the job goes: the last words count its requests */
    job_last_words(job);
}
