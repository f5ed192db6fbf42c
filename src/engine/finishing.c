#include "engine/internal.h"

#include "base/auto.h"

#include <stdlib.h>
#include <string.h>

/* All files are in place: what other tools read comes last, the ref last of all (design 4). */

struct finish_task {
    struct task task;
    struct job *job;
    int64_t unix_s;
    struct hfp_err err;
};

static int finish(struct finish_task *f)
{
    struct job *job = f->job;
    const struct store *s = job->store;
    bool is_ref = !name_is_commit(job->spec.revision);
    int rc = job->status.fetch_files > 0 ? publish_settle(s, job->commit, &f->err) : HFP_OK;
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
    f->job->busy--;
    job_end(f->job, f->err.code == HFP_OK ? NULL : &f->err);
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
    *f = (struct finish_task){ .task = { .run = finish_run, .done = finish_done }, .job = job,
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
    status_counts(job);
    group_free(ptr_steal(&job->group));
    job->step = STEP_ENDED;
    job_last_words(job);
}
