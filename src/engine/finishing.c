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

/* P1: a pull takes its time, and hf cache prune and rm ask for no lock: a snapshot that no ref names yet is theirs to
 * remove. So what was put in place is looked at once more before the ref says that it is there. */
static int still_there(const struct job *job, struct hfp_err *err)
{
    uint32_t lost = 0;
    const char *first = NULL;
    AUTO_FREE struct place *place = calloc(1, sizeof *place);
    if (!place)
        return err_nomem(err);
    for (uint32_t i = 0; i < job->plan->blobs; i++) {
        const struct listed_file *file = listing_at(job->listing, job->plan->blob[i].file);
        place_of(place, job->store, &file->id, file->size_bytes, job->commit, file->path);
        for (uint32_t f = job->plan->blob[i].file; f != UINT32_MAX; f = job->plan->next_file[f]) {
            bool copy = f != job->plan->blob[i].file && !(place_is_blob(place) && job->store->symlinks);
            if (copy || publish_linked(place, job->commit, listing_at(job->listing, f)->path))
                continue; /* a copy is believed by its receipt, which a full disk may have refused */
            first = first ? first : listing_at(job->listing, f)->path;
            lost++;
        }
    }
    if (lost == 0)
        return HFP_OK;
    return err_set(err, HFP_E_IO,
                   "%u of %u files were removed while the others came (%s; hf cache prune or rm?). What "
                   "is left is kept: run again",
                   lost, job->plan->files, first);
}

static int finish(struct finish_task *f)
{
    struct job *job = f->job;
    const struct store *s = job->store;
    bool is_ref = !name_is_commit(job->spec.revision);
    int rc = job->status.fetch_files + job->status.prove_files > 0 ? still_there(job, &f->err) : HFP_OK;
    if (!rc && job->status.fetch_files > 0)
        rc = publish_settle(s, job->commit, &f->err);
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
