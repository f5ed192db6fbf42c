#include "engine/blob.h"

#include "base/auto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blobs under way: begun in the plan's order, handed to publishing.c when they are proved, counted when they are in
 * place. */

#define UNPUBLISHED_MAX 256 /* proved contents that wait for their syncs: an open file each */

/* Remembers the first few files a message will name. */
void running_name_file(struct job *job, const char *path, const char *text)
{
    size_t used = strlen(job->named);
    unsigned commas = 0;
    for (const char *c = job->named; *c; c++)
        commas += *c == ',';
    if (used == 0)
        snprintf(job->named, sizeof job->named, "%.180s%s%.120s", path, text ? ", " : "", text ? text : "");
    else if (commas < NAMED_FILES_MAX - 1 && !text)
        snprintf(job->named + used, sizeof job->named - used, ", %.100s", path);
    else if (strstr(job->named, " ...") == NULL && used + 5 < sizeof job->named)
        strcat(job->named, " ...");
}

/* What people see of a job whose contents are under way. */
enum hfp_state running_state(const struct job *job)
{
    for (const struct blob *b = job->blobs; b; b = b->next)
        if (b->state == BLOB_REPAIR && !b->failed)
            return HFP_REPAIRING;
    bool fetches = job->spec.verb != HFP_VERIFY && job->spec.verb != HFP_INDEX;
    return fetches && job->status.fetch_bytes > 0 ? HFP_DOWNLOADING : HFP_VERIFYING;
}

void running_begin(struct job *job)
{
    struct hfp_err err;
    struct group_events events = { .gave_up = job_gave_up, .ctx = job, .context = &job->context };
    job->next_blob = 0;
    if (group_new(&job->group, job->core->transfer, &events, &job->patience, &err) != HFP_OK) {
        job_end(job, &err);
        return;
    }
    group_limit(job->group, job->spec.limit_bytes_per_s);
    group_pause(job->group, job->paused);
    delta_begin(job);
}

/* ---- feeding ---- */

static unsigned *active_of(struct job *job, const struct plan_blob *pb)
{
    if (pb->action == PLAN_PROVE || (pb->action == PLAN_HERE && job->spec.verb != HFP_PULL))
        return &job->active_prove;
    const struct listed_file *f = listing_at(job->listing, pb->file);
    bool small = f->size_bytes <= BLOCK_BYTES && !sourcing_decodes(job, f);
    return small ? &job->active_small : &job->active_large;
}

static bool room_for(struct job *job, const struct plan_blob *pb)
{
    const unsigned *active = active_of(job, pb);
    unsigned most = active == &job->active_prove   ? PROVE_ACTIVE_MAX
                    : active == &job->active_small ? SMALL_ACTIVE_MAX
                                                   : LARGE_ACTIVE_MAX;
    if (active == &job->active_large && job->held_building)
        return false;
    return *active < most && job->unpublished < UNPUBLISHED_MAX;
}

static bool needs_nothing(const struct job *job, const struct plan_blob *pb)
{
    bool later = job->store->symlinks && !job->store->is_local;
    return pb->action == PLAN_HERE && (pb->linked || later) && job->spec.verb == HFP_PULL;
}

static void feed(struct job *job)
{
    while (job->next_blob < job->plan->blobs && !job->ending && !job->paused) {
        const struct plan_blob *pb = &job->plan->blob[job->next_blob];
        if (needs_nothing(job, pb)) {
            job->next_blob++;
            continue;
        }
        if (!room_for(job, pb))
            return;
        struct blob *b = blob_new(job, job->next_blob);
        struct hfp_err err;
        if (!b) {
            err_nomem(&err);
            job_end(job, &err);
            return;
        }
        job->next_blob++;
        b->active = active_of(job, pb);
        (*b->active)++;
        b->next = job->blobs;
        job->blobs = b;
        bool absent = pb->action == PLAN_FETCH || pb->action == PLAN_EMPTY;
        if (job->spec.verb == HFP_INDEX && absent) {
            if (job->spec.each_file)
                note_file(b, b->file, HFP_FILE_MISSING, "missing");
            blob_move(b, BLOBEV_VERIFIED);
        } else if (job->spec.verb == HFP_VERIFY && absent) {
            const char *text = pb->wrong_size ? "its size is not what the Hub lists" : "missing";
            job->files_damaged += pb->wrong_size;
            job->files_missing += !pb->wrong_size;
            note_file(b, b->file, pb->wrong_size ? HFP_FILE_DAMAGED : HFP_FILE_MISSING, text);
            running_name_file(job, b->file->path, text);
            running_verified(b, false);
        } else {
            blob_begin(b);
        }
    }
}

static void leave_active(struct blob *b)
{
    if (b->active)
        (*b->active)--;
    b->active = NULL;
}

void running_ready(struct blob *b)
{
    leave_active(b); /* the wire need not wait for the disk's syncs */
    publishing_add(b);
}

/* ---- counting ---- */

static void note_files(struct job *job, struct blob *b, enum hfp_file_state state, const char *text)
{
    for (uint32_t f = job->plan->blob[b->index].file; f != UINT32_MAX; f = job->plan->next_file[f]) {
        job->status.files_proved += (state == HFP_FILE_PROVED || state == HFP_FILE_REPAIRED) && !b->counted_proved;
        note_file(b, listing_at(job->listing, f), state, text);
    }
}

void running_fetching(struct blob *b)
{
    if (b->job->spec.each_file)
        note_files(b->job, b, HFP_FILE_FETCHING, NULL);
}

/* Ends the job, and not only this file: what is true of one is true of all that follow. */
static bool is_everyones(enum hfp_code code)
{
    return code != HFP_E_CONTENT && code != HFP_E_NO_FILE && code != HFP_E_LOCKED;
}

static void ended_badly(struct job *job, struct blob *b)
{
    if (job->ending)
        return;
    job->files_failed++;
    if (job->file_error.code == HFP_OK)
        job->file_error = b->error;
    if (b->error.code == HFP_E_CONTENT)
        job->file_error = b->error; /* the worst that can be said */
    note_files(job, b, HFP_FILE_FAILED, b->error.message);
    if (is_everyones(b->error.code))
        job_end(job, &b->error);
}

static void ended_well(struct job *job, struct blob *b)
{
    uint64_t size_bytes = b->file->size_bytes;
    pipeline_count(b, size_bytes - b->counted_bytes);
    bool planned_here = job->plan->blob[b->index].action == PLAN_HERE, was_here = planned_here && !b->damaged;
    job->plan->blob[b->index].done = true;
    /* Else the plan has counted it; the four counts never run back, so nor do they count twice. */
    if (!planned_here || job_proves_anew(job)) {
        job->status.proved_bytes += size_bytes - b->counted_proved_bytes;
        job->status.in_place_bytes += size_bytes;
    }
    job->status.repaired_bytes += b->repaired_bytes;
    if (b->repaired_bytes)
        note_text(job, HFP_LOG_INFO, b->file->path, "repaired: %llu bytes were wrong and were fetched again",
                  (unsigned long long)b->repaired_bytes);
    if (!was_here || job->spec.verb != HFP_PULL)
        note_files(job, b, b->repaired_bytes || b->damaged ? HFP_FILE_REPAIRED : HFP_FILE_PROVED, NULL);
}

/* Its content was read and is wrong, whatever a receipt said. */
void running_damaged(struct blob *b)
{
    struct job *job = b->job;
    b->damaged = true;
    job->plan->blob[b->index].done = false;
    if (!b->counted_proved)
        return;
    b->counted_proved = false;
    for (uint32_t f = job->plan->blob[b->index].file; f != UINT32_MAX; f = job->plan->next_file[f])
        job->status.files_proved--;
}

void running_ended(struct blob *b)
{
    struct job *job = b->job;
    leave_active(b);
    job->unpublished -= b->queued;
    job->wake = true;
    if ((job->spec.verb == HFP_VERIFY || job->spec.verb == HFP_INDEX) && !b->failed)
        return;
    if (b->published || !b->failed)
        ended_well(job, b);
    else if (b->error.code != HFP_OK)
        ended_badly(job, b);
    if (job->status.state == HFP_REPAIRING)
        job_move(job, running_state(job));
}

void running_verified(struct blob *b, bool right)
{
    struct job *job = b->job;
    const struct plan_blob *pb = &job->plan->blob[b->index];
    if (right && !pb->linked && job->spec.verb == HFP_VERIFY) {
        job->files_missing++;
        job->unproved_bytes += b->file->size_bytes;
        note_file(b, b->file, HFP_FILE_MISSING, "not in the snapshot");
        running_name_file(job, b->file->path, "not in the snapshot");
    } else if (right && (pb->action != PLAN_HERE || job_proves_anew(job))) {
        job->status.proved_bytes += b->file->size_bytes;
        job->status.in_place_bytes += b->file->size_bytes;
        note_files(job, b, HFP_FILE_PROVED, NULL);
    } else if (right && job->spec.each_file) {
        note_files(job, b, HFP_FILE_PROVED, NULL);
    }
    blob_move(b, BLOBEV_VERIFIED);
}

void running_sweep(struct job *job)
{
    for (struct blob **at = &job->blobs; *at;) {
        struct blob *b = *at;
        if (blob_is_active(b) || b->busy > 0) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        blob_free(b);
    }
}

static int verify_verdict(struct job *job, struct hfp_err *err)
{
    if (job->files_damaged)
        return err_set(err, HFP_E_CONTENT, "%llu of %u files damaged: %s. Run: hf-pull repair %s",
                       (unsigned long long)job->files_damaged, job->plan->files, job->named, job->spec.repo);
    if (job->files_missing)
        return err_set(err, HFP_E_OFFLINE, "incomplete: %llu of %u files missing: %s. Run: hf-pull %s",
                       (unsigned long long)job->files_missing, job->plan->files, job->named, job->spec.repo);
    return HFP_OK;
}

static void all_done(struct job *job)
{
    struct hfp_err err;
    if (job->spec.verb == HFP_VERIFY) {
        if (verify_verdict(job, &err) != HFP_OK)
            job_end(job, &err);
        else
            job_end(job, NULL);
    } else if (job->spec.verb == HFP_INDEX) {
        bool damaged = job->files_damaged > 0 && verify_verdict(job, &err) != HFP_OK;
        job_end(job, damaged ? &err : job->file_error.code != HFP_OK ? &job->file_error : NULL);
    } else {
        job_step(job, STEP_FINISH);
    }
}

void running_turn(struct job *job, uint64_t now_ns)
{
    if (!job->step_begun) {
        job->step_begun = true;
        telling_begin(job);
        running_begin(job);
        if (!job->ending && !job->paused)
            job_move(job, running_state(job));
    }
    feed(job);
    for (struct blob *b = job->blobs; b; b = b->next)
        blob_turn(b, now_ns);
    while (publishing_batch(job))
        ;
    running_sweep(job);
    if (!job->ending && !job->blobs && job->next_blob == job->plan->blobs)
        all_done(job);
}

uint64_t running_next_ns(const struct job *job, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    for (const struct blob *b = job->blobs; b; b = b->next) {
        if (b->failed) /* waits only for what it began, which wakes the loop; its times are of the past */
            continue;
        if (b->state == BLOB_LOCKED)
            next = MIN(next, b->locked_retry_ns);
        if (b->state == BLOB_FETCH || b->state == BLOB_REPAIR || b->state == BLOB_INDEX)
            next = MIN(next, b->source_next_ns);
        if (b->unsynced_bytes > 0)
            next = MIN(next, MAX(b->sync_ns + 5 * NS_PER_S, now_ns + NS_PER_S));
    }
    return next;
}

/* ---- the dry run ---- */

#define PLAN_LINES_A_TURN 256

/* Says what would happen to each file, as fast as the listener takes it. */
void planning_turn(struct job *job)
{
    for (unsigned n = 0; n < PLAN_LINES_A_TURN && job->next_blob < job->plan->blobs; n++) {
        if (!events_room(job->core->events)) {
            job->next_ns = core_now(job->core) + 20 * NS_PER_MS;
            return;
        }
        const struct plan_blob *pb = &job->plan->blob[job->next_blob++];
        for (uint32_t f = pb->file; f != UINT32_MAX; f = job->plan->next_file[f])
            note_planned(job, listing_at(job->listing, f), pb);
    }
    if (job->next_blob == job->plan->blobs)
        job_end(job, NULL);
    else
        job->wake = true;
}
