#include "engine/job.h"

#include "base/auto.h"
#include "net/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Revision -> commit -> listing.
 *
 *   OPEN (disk) -> COMMIT (one request; none for a full commit) -> TREES (disk) -> LIST (pages; none when TREES had it)
 *
 * With the Hub out of reach, or offline, the last known commit and its listing on disk are all there is. */

/* Pages of folders alone are fine: a million of them in a row. What no path and no length ends, their number does. */
#define IDLE_PAGES_MAX 1000u

struct open_task {
    struct task task;
    struct job *job;
    bool create;
    struct store *store;
    char local_commit[COMMIT_HEX + 1]; /* what refs/<revision> says; "" when nothing */
    int64_t ref_unix_s;
    struct hfp_err err, ref_err;
};

static void open_run(struct task *t)
{
    struct open_task *o = container_of(t, struct open_task, task);
    const struct job *job = o->job;
    struct store_spec spec = { .type = job->spec.type,
                               .repo = job->spec.repo,
                               .hub_cache = job->core->config.user.hub_cache,
                               .local_dir = job->spec.local_dir,
                               .create = o->create,
                               .no_symlinks = job->core->config.user.no_symlinks,
                               .shared_blobs = !job->core->config.user.no_shared_blobs &&
                                               job->core->config.user.xet != HFP_XET_OFF };
    if (!o->create && adopting_look(o->job, &o->err) != HFP_OK)
        return;
    if (store_open(&o->store, &spec, &o->err) != HFP_OK)
        return;
    if (ref_read(o->local_commit, &o->ref_unix_s, o->store, job->spec.revision, &o->ref_err) != HFP_OK)
        o->local_commit[0] = 0;
}

static void opened(struct job *job, struct open_task *o)
{
    job->store = ptr_steal(&o->store);
    snprintf(job->local_commit, sizeof job->local_commit, "%s", o->local_commit);
    job->ref_unix_s = o->ref_unix_s;
    bool reads_cache = job->spec.verb == HFP_VERIFY || job->spec.verb == HFP_REPAIR || job->spec.verb == HFP_INDEX;
    if (name_is_commit(job->spec.revision))
        snprintf(job->commit, sizeof job->commit, "%s", job->spec.revision);
    else if ((job->local_only || reads_cache) && job->local_commit[0])
        snprintf(job->commit, sizeof job->commit, "%s", job->local_commit);
    if (job->commit[0]) {
        job_step(job, STEP_TREES);
        return;
    }
    if (!job->local_only) {
        job_step(job, STEP_COMMIT);
        return;
    }
    struct hfp_err err = o->ref_err;
    if (err.code == HFP_E_NO_REVISION || err.code == HFP_OK) /* else what is here could not be read */
        err_set(&err, HFP_E_OFFLINE, "offline, and nothing of revision %s is here", job->spec.revision);
    job_end(job, &err);
}

/* Files have to be written, and their folders may not be made. */
static bool refused(struct job *job)
{
    const struct store *s = job->store;
    struct hfp_err err;
    bool nowhere = s->is_local ? s->local_notes < 0 : s->blobs < 0 || s->locks < 0;
    if (job->status.fetch_files == 0 || !nowhere)
        return false;
    err_sys(&err, HFP_E_IO, s->refused_errno ? s->refused_errno : EACCES, "make folders in %s", s->root_text);
    job_end(job, &err);
    return true;
}

static void open_done(struct task *t)
{
    AUTO_FREE struct open_task *o = container_of(t, struct open_task, task);
    struct job *job = o->job;
    job->busy--;
    if (job->ending || o->err.code != HFP_OK) {
        store_free(o->store);
        job_end(job, &o->err);
    } else if (o->create) {
        store_free(job->store);
        job->store = o->store;
        if (!refused(job))
            job_step(job, STEP_RUN);
    } else {
        opened(job, o);
    }
}

/* create: the second time, when it is known that something will be written. */
void resolving_open(struct job *job, bool create)
{
    struct open_task *o = calloc(1, sizeof *o);
    if (!o) {
        struct hfp_err err;
        err_nomem(&err);
        job_end(job, &err);
        return;
    }
    *o = (struct open_task){ .task = { .run = open_run, .done = open_done }, .job = job, .create = create };
    job->busy++;
    work_submit(job->core->config.work, LANE_FILES, &o->task);
}

/* ---- the listing on disk ---- */

struct trees_task {
    struct task task;
    struct job *job;
    struct listing *listing;
    bool beside; /* the cache knew it, and the local folder did not */
    struct hfp_err err;
};

static void trees_run(struct task *t)
{
    struct trees_task *r = container_of(t, struct trees_task, task);
    const struct store *s = r->job->store;
    struct hfp_err err = { 0 };
    int rc = trees_read(&r->listing, s, r->job->commit, &r->err);
    r->beside = rc == HFP_E_NO_FILE && s->is_local && trees_read_beside(&r->listing, s, r->job->commit, &err) == HFP_OK;
    if (r->beside)
        r->err.code = HFP_OK;
}

static void trees_done(struct task *t)
{
    AUTO_FREE struct trees_task *r = container_of(t, struct trees_task, task);
    struct job *job = r->job;
    job->busy--;
    if (job->ending) {
        listing_free(r->listing);
        return;
    }
    if (r->err.code == HFP_OK) {
        job->listing = r->listing;
        job->listing_new = r->beside;
        job_step(job, STEP_SCAN);
    } else if (job->stale && job->core->config.user.max_rounds_given) {
        resolving_retry(job); /* the user wants to wait for the Hub */
    } else if (job->local_only) {
        struct hfp_err err = r->err;
        if (err.code == HFP_E_NO_FILE || err.code == HFP_E_CORRUPT)
            err_set(&err, HFP_E_OFFLINE, "offline, and the list of files of %.7s is not here", job->commit);
        job_end(job, &err);
    } else {
        if (r->err.code == HFP_E_CORRUPT || r->err.code == HFP_E_IO)
            note_text(job, HFP_LOG_INFO, NULL, "the list of files on disk is damaged, asking the Hub: %s",
                      r->err.message);
        job_step(job, STEP_LIST);
    }
}

static void read_trees(struct job *job)
{
    struct trees_task *r = calloc(1, sizeof *r);
    struct hfp_err err;
    if (!r) {
        err_nomem(&err);
        job_end(job, &err);
        return;
    }
    *r = (struct trees_task){ .task = { .run = trees_run, .done = trees_done }, .job = job };
    job->busy++;
    work_submit(job->core->config.work, LANE_FILES, &r->task);
}

/* ---- the Hub ---- */

static int got_commit(struct job *job, const struct buf *body, struct hfp_err *err)
{
    int rc = answer_commit(job->commit, body->data ? body->data : "", body->n, err);
    if (rc == HFP_OK)
        job_step(job, STEP_TREES);
    return rc;
}

static int got_page(struct job *job, const struct buf *body, const char *next, struct hfp_err *err)
{
    bool home = true;
    if (next[0] && url_same_origin(&home, next, job->core->config.user.endpoint))
        return err_nomem(err);
    if (!home)
        return err_set(err, HFP_E_PROTO, "the Hub continues its list of files on another host");
    size_t before = listing_count(job->listing);
    int rc = answer_tree_page(job->listing, body->data ? body->data : "", body->n, err);
    if (rc != HFP_OK)
        return rc;
    job->idle_pages = listing_count(job->listing) > before ? 0 : job->idle_pages + 1;
    if (next[0] && job->idle_pages > IDLE_PAGES_MAX)
        return err_set(err, HFP_E_PROTO, "the Hub's list of files goes on and on and names no more of them");
    if (next[0]) {
        api_get(job->api, next);
        return HFP_OK;
    }
    if (listing_seal(job->listing, err) != HFP_OK) { /* a file that is also a folder: asking again cannot help */
        job_end(job, err);
        return HFP_OK;
    }
    job->listing_new = true;
    job_step(job, STEP_SCAN);
    return HFP_OK;
}

static int api_answer(void *ctx, const struct buf *body, const char *next, struct hfp_err *err)
{
    struct job *job = ctx;
    return job->step == STEP_COMMIT ? got_commit(job, body, err) : got_page(job, body, next, err);
}

static void api_failed(void *ctx, const struct hfp_err *err)
{
    job_end(ctx, err);
}

static void ask(struct job *job)
{
    struct core *c = job->core;
    struct hfp_err err;
    char url[URL_MAX];
    bool fits = job->step == STEP_COMMIT
                    ? hub_url_info(url, c->config.user.endpoint, job->spec.type, job->spec.repo, job->spec.revision)
                    : hub_url_tree(url, c->config.user.endpoint, job->spec.type, job->spec.repo, job->commit);
    int rc = fits ? HFP_OK : err_set(&err, HFP_E_ARG, "revision name too long");
    if (!rc && job->step == STEP_LIST) {
        listing_free(ptr_steal(&job->listing));
        rc = listing_new(&job->listing, &err);
        job->idle_pages = 0;
    }
    struct api_events events = { .answer = api_answer, .failed = api_failed, .ctx = job };
    if (!rc && !job->api)
        rc = api_new(&job->api, &c->api, &events, &job->context, &job->patience, &err);
    if (rc) {
        job_end(job, &err);
        return;
    }
    api_get(job->api, url);
    api_hold(job->api, job->paused);
}

/* The Hub was not reached since the start: what is known and complete here will do (design 5). */
static bool fall_back(struct job *job, uint64_t now_ns)
{
    if (job->asked_locally || api_reached(job->api) || !job->local_commit[0] || job->spec.force || job->paused ||
        ns_since(now_ns, job->hub_since_ns) < job->core->api.deadlines->hub_ns)
        return false;
    job->asked_locally = true;
    job->local_only = job->stale = true;
    job->api_requests += api_requests(job->api);
    api_free(ptr_steal(&job->api));
    memcpy(job->commit, job->local_commit, sizeof job->commit);
    job_step(job, STEP_TREES);
    return true;
}

void resolving_turn(struct job *job, uint64_t now_ns)
{
    if (!job->step_begun) {
        job->step_begun = true;
        if (job->step == STEP_OPEN)
            resolving_open(job, false);
        else if (job->step == STEP_TREES)
            read_trees(job);
        else
            ask(job);
    }
    if (job->api && (job->step == STEP_COMMIT || job->step == STEP_LIST) && !job->ending && !fall_back(job, now_ns))
        job->next_ns = api_turn(job->api, now_ns);
    bool waits = job->api && api_waits_until_ns(job->api) > now_ns;
    if (!job->ending && !job->paused)
        job_move(job, waits ? HFP_WAITING : HFP_RESOLVING);
}

/* What was here was not enough: back to asking, without the fall back. */
void resolving_retry(struct job *job)
{
    job->local_only = job->stale = false;
    job->commit[0] = 0;
    plan_free(ptr_steal(&job->plan));
    listing_free(ptr_steal(&job->listing));
    job_step(job, STEP_COMMIT);
}
