#include "engine/blob.h"

#include "base/auto.h"
#include "base/units.h"
#include "cache/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Facts about the disk, for every wanted content: in place? proved by a receipt? a partial with how much of it?
 * Batches on workers; the plan decides on the loop. */

#define BATCH 256
#define BATCHES_MAX 3                    /* one for each worker of the lane */
#define SPARE_BYTES (UINT64_C(16) << 20) /* links, notes, receipts and the file system's own records */

struct scan_task {
    struct task task;
    struct job *job;
    uint32_t first, count;
    int64_t unix_s;
    struct plan_fact fact[BATCH];
    uint64_t free_bytes, fsid;
    struct hfp_err err;
};

/* Beside a folder the cache is read without a request; nothing is where a file has no content. */
static bool copyable(const struct job *job, const struct place *p)
{
    bool writes = job->spec.verb != HFP_VERIFY && job->spec.verb != HFP_INDEX;
    return job->local_only && job->store->is_local && writes && !job->spec.force &&
           (p->size_bytes == 0 || elsewhere_in_cache(p));
}

static int fact_of(struct plan_fact *out, const struct job *job, const struct plan_blob *pb, int64_t unix_s,
                   struct hfp_err *err)
{
    const struct listed_file *f = listing_at(job->listing, pb->file);
    struct place place;
    struct receipt_look look;
    place_of(&place, job->store, &f->id, f->size_bytes, job->commit, f->path);
    int rc = receipt_look(&look, &place, err);
    *out = (struct plan_fact){ .receipt = look.verdict,
                               .file_present = look.file_present,
                               .linked = true,
                               .proved_unix_s = look.proved_unix_s,
                               .wrong_size = look.file_wrong_size };
    for (uint32_t i = pb->file; !rc && i != UINT32_MAX && out->linked; i = job->plan->next_file[i])
        rc = publish_linked(&out->linked, &place, job->commit, listing_at(job->listing, i)->path, err);
    if (rc || (look.file_present && !job->spec.force))
        return rc ? err_wrap(err, "%s", f->path) : HFP_OK;
    struct xet_hash file;
    out->shared = !look.file_present && job->spec.verb != HFP_VERIFY && job->spec.verb != HFP_INDEX &&
                  xet_hash_listed(&file, f) && shared_has(&place, &file);
    out->copyable = copyable(job, &place);
    struct partial_look partial;
    partial_look(&partial, &place, unix_s);
    out->recorded_bytes = partial.recorded_bytes;
    out->guessed_bytes = partial.guessed_bytes;
    out->held_bytes = partial.held_bytes;
    return HFP_OK;
}

/* Nothing of the store is there yet: the nearest folder above it that is tells how much room there will be. */
static int nearest_folder(const struct store *s)
{
    char path[sizeof s->root_text];
    snprintf(path, sizeof path, "%s", s->root_text);
    for (;;) {
        int fd = io_openat(AT_FDCWD, path[0] ? path : "/", O_RDONLY | O_DIRECTORY, 0);
        char *slash = strrchr(path, '/');
        if (fd >= 0 || !slash)
            return fd;
        *slash = 0;
    }
}

static void scan_run(struct task *t)
{
    struct scan_task *s = container_of(t, struct scan_task, task);
    const struct job *job = s->job;
    for (uint32_t i = 0; i < s->count; i++)
        if (fact_of(&s->fact[i], job, &job->plan->blob[s->first + i], s->unix_s, &s->err))
            return;
    struct statvfs fs;
    const struct store *at = job->store;
    int dir = at->is_local ? at->local : at->blobs >= 0 ? at->blobs : at->hub; /* -1: it is still to be made */
    AUTO(fd_closep) int above = -1;
    if (dir < 0) {
        above = nearest_folder(job->store);
        dir = above;
    }
    if (dir >= 0 && io->fstatvfs(dir, &fs) == 0) {
        s->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
        s->fsid = fs.f_fsid;
    } else {
        s->free_bytes = UINT64_MAX;
    }
}

static void scan_done(struct task *t)
{
    AUTO_FREE struct scan_task *s = container_of(t, struct scan_task, task);
    struct job *job = s->job;
    job->busy--;
    if (s->err.code)
        job_end(job, &s->err);
    if (job->ending)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        plan_fact(job->plan, s->first + i, &s->fact[i]);
    job->scanned += s->count;
    job->step_ns = core_now(job->core);
    job->status.free_bytes = s->free_bytes;
    job->fsid = s->fsid;
}

static void scan_more(struct job *job)
{
    while (job->scan_asked < job->plan->blobs && job->busy < BATCHES_MAX) {
        struct scan_task *s = calloc(1, sizeof *s);
        if (!s) {
            struct hfp_err err;
            err_nomem(&err);
            job_end(job, &err);
            return;
        }
        s->task = (struct task){ .run = scan_run, .done = scan_done };
        s->job = job;
        s->first = job->scan_asked;
        s->count = MIN(job->plan->blobs - job->scan_asked, BATCH);
        s->unix_s = core_unix_s(job->core);
        job->scan_asked += s->count;
        job->busy++;
        work_submit(job->core->config.work, LANE_FILES, &s->task);
    }
}

static uint64_t still_to_write(const struct job *j)
{
    uint64_t written = j->status.recorded_bytes - MIN(j->status.recorded_bytes, j->status.here_bytes);
    return j->reserved_bytes - MIN(j->reserved_bytes, written);
}

/* P5: the disk is checked before the first byte, with what other jobs have still to write on it. */
static int check_space(struct job *job, const struct plan_sums *sums, struct hfp_err *err)
{
    uint64_t promised = 0;
    for (const struct job *j = job->core->jobs; j; j = j->next)
        if (j != job && j->fsid == job->fsid && !j->ending)
            promised += still_to_write(j);
    uint64_t need = sums->fetch_bytes == 0 ? 0 : sums->fetch_bytes - MIN(sums->held_bytes, sums->fetch_bytes);
    uint64_t free_bytes = job->status.free_bytes;
    job->reserved_bytes = need;
    if (need == 0 || free_bytes == UINT64_MAX || need + promised + SPARE_BYTES <= free_bytes)
        return HFP_OK;
    char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT];
    return err_set(err, HFP_E_NO_SPACE,
                   "no space: needs %s, %s has %s%s. Nothing was fetched. Free %s, or give --local-dir",
                   units_bytes(a, need), job->store->root_text, units_bytes(b, free_bytes),
                   promised ? " less what other jobs will write" : "",
                   units_bytes(c, need + promised + SPARE_BYTES - free_bytes));
}

static int check_offline(struct job *job, const struct plan_sums *sums, struct hfp_err *err)
{
    if (!job->local_only || sums->fetch_files == sums->copy_files)
        return HFP_OK;
    unsigned named = 0;
    for (uint32_t i = 0; i < job->plan->blobs && named <= NAMED_FILES_MAX; i++)
        if ((job->plan->blob[i].action == PLAN_FETCH || job->plan->blob[i].action == PLAN_EMPTY) &&
            !job->plan->blob[i].copyable) {
            running_name_file(job, listing_at(job->listing, job->plan->blob[i].file)->path, NULL);
            named++;
        }
    return err_set(err, HFP_E_OFFLINE, "offline, and incomplete: %llu of %u files missing: %s",
                   (unsigned long long)(sums->fetch_files - sums->copy_files), job->plan->files, job->named);
}

/* Success from an old answer is never silent. */
static void say_stale(struct job *job)
{
    time_t since = (time_t)job->ref_unix_s;
    struct tm day;
    char date[32];
    if (since <= 0 || !localtime_r(&since, &day) || strftime(date, sizeof date, "%Y-%m-%d %H:%M", &day) == 0)
        snprintf(date, sizeof date, "an unknown date");
    note_text(job, HFP_LOG_WARN, NULL, "Hub unreachable, using %.7s of %s", job->commit, date);
}

static void show_plan(struct job *job, const struct plan_sums *sums)
{
    struct hfp_status *s = &job->status;
    s->files = job->plan->files;
    s->shards = job->plan->shards;
    s->total_bytes = job->plan->total_bytes;
    s->here_bytes = s->recorded_bytes = s->received_bytes = sums->recorded_bytes;
    s->kept_bytes = sums->here_bytes;
    bool anew = job_proves_anew(job);
    s->proved_bytes = s->in_place_bytes = anew ? 0 : sums->here_bytes;
    s->files_proved = anew ? 0 : sums->files_here;
    s->fetch_bytes = sums->fetch_bytes;
    s->fetch_files = sums->fetch_files;
    s->prove_bytes = sums->prove_bytes + (anew ? sums->here_bytes : 0);
    s->prove_files = sums->prove_files + (anew ? sums->files_here : 0);
    s->receipts_unix_s = sums->fetch_files == 0 && sums->prove_files == 0 ? job->plan->oldest_receipt_unix_s : 0;
    job->base_received = sums->recorded_bytes;
    job->samples = 0; /* what was here is no speed */
}

static void planned(struct job *job)
{
    struct plan_sums sums;
    struct hfp_err err;
    plan_sums(&sums, job->plan);
    if (job->stale && sums.fetch_files > 0 && job->core->config.user.max_rounds_given) {
        resolving_retry(job); /* the user wants to wait for the Hub; nothing was shown yet, so no count runs back */
        return;
    }
    show_plan(job, &sums);
    if (check_offline(job, &sums, &err) != HFP_OK) {
        job_end(job, &err);
        return;
    }
    if (job->stale)
        say_stale(job);
    note_state(job, HFP_EV_PLAN);
    bool writes = job->spec.verb == HFP_PULL || job->spec.verb == HFP_REPAIR;
    job->work_done = sums.fetch_files > 0 || sums.prove_files > 0 || !sums.all_linked || job->spec.verb == HFP_REPAIR;
    bool notes = job->listing_new || strcmp(job->commit, job->local_commit) != 0; /* trees/, the ref */
    if (writes && check_space(job, &sums, &err) != HFP_OK)
        job_end(job, &err);
    else if ((writes && (job->work_done || notes)) || job->spec.verb == HFP_INDEX)
        resolving_open(job, true);
    else
        job_step(job, STEP_RUN);
}

void scanning_turn(struct job *job)
{
    struct hfp_err err;
    if (!job->step_begun) {
        job->step_begun = true;
        if (job->adopts && adopting_match(job, &err) != HFP_OK) {
            job_end(job, &err);
            return;
        }
        const char *const *paths = job->adopts ? job->adopt_paths : (const char *const *)job->spec.paths;
        struct filter filter = { paths, (const char *const *)job->spec.include,
                                 (const char *const *)job->spec.exclude };
        if (plan_new(&job->plan, job->listing, &filter, job->spec.force, &err) != HFP_OK) {
            job_end(job, &err);
            return;
        }
        job->scanned = job->scan_asked = 0;
        job->planned = false;
    }
    scan_more(job);
    if (!job->ending && !job->planned && job->scanned == job->plan->blobs) {
        job->planned = true;
        planned(job);
    }
}
