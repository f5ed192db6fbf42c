#include "engine/internal.h"

#include "base/auto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All files are in place: what other tools read comes last, the ref last of all (design 4). */

struct finish_task {
    struct task task;
    struct job *job;
    int64_t unix_s;
    struct hfp_err err;
};

struct finishing {
    struct finish_task *task;
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
static int finish_path(struct finishing *f, const char *path, bool copy)
{
    const struct job *job = f->task->job;
    const struct place *p = &f->place;
    if (publish_linked(p, job->commit, path))
        return HFP_OK;
    bool there = in_place(p), link = there && links_come_last(p) && p->store->writable;
    int rc = link ? publish_link(p, job->commit, path, f->task->unix_s, &f->task->err) : HFP_OK;
    if (rc)
        return rc;
    bool believed = there && copy && !links_come_last(p); /* by its receipt, which a full disk may have refused */
    if (believed || publish_linked(p, job->commit, path))
        return HFP_OK;
    f->first_lost = f->first_lost ? f->first_lost : path;
    f->lost++;
    return HFP_OK;
}

static int finish_paths(struct finish_task *task)
{
    const struct job *job = task->job;
    AUTO_FREE struct finishing *f = calloc(1, sizeof *f);
    if (!f)
        return err_nomem(&task->err);
    f->task = task;
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
    return err_set(
        &task->err, HFP_E_IO,
        "%u of %u files were removed while the others came (%s; hf cache prune or rm?). What is left is kept: "
        "run again",
        f->lost, job->plan->files, f->first_lost);
}

static int finish(struct finish_task *f)
{
    struct job *job = f->job;
    const struct store *s = job->store;
    bool is_ref = !name_is_commit(job->spec.revision);
    int rc = job->work_done ? finish_paths(f) : HFP_OK;
    if (!rc && job->work_done)
        rc = publish_settle(s, job->commit, &f->err);
    if (job->file_error.code != HFP_OK) /* what is proved can be read; the ref does not move */
        return rc;
    if (!rc && job->listing_new)
        rc = trees_write(s, job->commit, job->listing, &f->err);
    if (!rc && is_ref && strcmp(job->commit, job->local_commit) != 0)
        rc = ref_write(s, job->spec.revision, job->commit, &f->err);
    if (!rc) /* with nothing fetched too: another tool may have finished what a killed run of ours began */
        partial_sweep_all(s, f->unix_s);
    return rc;
}

static void finish_run(struct task *t)
{
    struct finish_task *f = container_of(t, struct finish_task, task);
    if (f->job->store->repo_dir < 0 && f->job->store->local < 0)
        return; /* an empty repository leaves nothing */
    if (finish(f) != HFP_OK && !f->job->store->writable)
        f->err.code = HFP_OK; /* a complete cache on a read-only file system is a success */
}

static void finish_done(struct task *t)
{
    AUTO_FREE struct finish_task *f = container_of(t, struct finish_task, task);
    struct job *job = f->job;
    job->busy--;
    if (job->file_error.code != HFP_OK) {
        f->err = job->file_error;
        size_t used = strlen(f->err.message);
        snprintf(f->err.message + used, sizeof f->err.message - used,
                 ". The other %llu of %u files are proved and in place", (unsigned long long)job->status.files_proved,
                 job->plan->files);
    }
    job_end(job, f->err.code == HFP_OK ? NULL : &f->err);
}

void finishing_turn(struct job *job)
{
    if (job->step_begun)
        return;
    job->step_begun = true;
    struct finish_task *f = calloc(1, sizeof *f);
    if (!f) {
        job->step_begun = false; /* everything is in place already: try again next turn */
        return;
    }
    *f = (struct finish_task){ .task = { .run = finish_run, .done = finish_done },
                               .job = job,
                               .unix_s = core_unix_s(job->core) };
    job->busy++;
    work_submit(job->core->config.work, LANE_FILES, &f->task);
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
    if (job->blobs || job->busy > 0)
        return;
    job->step = STEP_ENDED; /* the group stays until the job goes: the last words count its requests */
    job_last_words(job);
}
