#include "engine/blob.h"

#include "base/auto.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void list_free(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

static void spec_done(struct spec *s)
{
    free(s->repo);
    free(s->revision);
    free(s->local_dir);
    list_free(s->paths);
    list_free(s->include);
    list_free(s->exclude);
}

static bool list_copy(char ***out, const char *const *list)
{
    if (!list)
        return true;
    size_t n = 0;
    while (list[n])
        n++;
    char **copy = calloc(n + 1, sizeof *copy);
    *out = copy;
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = strdup(list[i])))
            return false;
    return copy != NULL;
}

static int spec_copy(struct spec *out, const struct hfp_job_spec *spec, struct hfp_err *err)
{
    *out = (struct spec){ .verb = spec->verb == HFP_ADOPT ? HFP_PULL : spec->verb, /* engine/adopting.c */
                          .type = spec->type,
                          .force = spec->force,
                          .each_file = spec->each_file,
                          .offline = spec->offline,
                          .limit_bytes_per_s = spec->limit_bytes_per_s };
    bool ok = (out->repo = strdup(spec->repo)) && (out->revision = strdup(spec->revision ? spec->revision : "main")) &&
              (!spec->local_dir || (out->local_dir = strdup(spec->local_dir))) && list_copy(&out->paths, spec->paths) &&
              list_copy(&out->include, spec->include) && list_copy(&out->exclude, spec->exclude);
    return ok ? HFP_OK : err_nomem(err);
}

int core_check(const struct hfp_job_spec *spec, struct hfp_err *err)
{
    if (!spec->repo)
        return err_set(err, HFP_E_ARG, "repo is missing");
    if ((unsigned)spec->verb > HFP_ADOPT || (unsigned)spec->type > HFP_SPACE)
        return err_set(err, HFP_E_ARG, "unknown verb or repository type");
    if ((spec->verb == HFP_ADOPT) != (spec->adopt && spec->adopt[0]))
        return err_set(err, HFP_E_ARG, "files to adopt go with the verb adopt, and it with them");
    if (spec->verb == HFP_ADOPT && ((spec->paths && (spec->paths[0] && (spec->paths[1] || spec->adopt[1]))) ||
                                    spec->include || spec->exclude || spec->force))
        return err_set(err, HFP_E_ARG, "adopt takes one path for one file, and neither patterns nor force");
    if (spec->force && spec->offline)
        return err_set(err, HFP_E_ARG, "force and offline exclude one another");
    int rc = name_check_repo(spec->repo, err);
    return rc ? rc : name_check_revision(spec->revision ? spec->revision : "main", err);
}

int job_new(struct job **out, struct core *core, const struct hfp_job_spec *spec, struct hfp_err *err)
{
    int rc = core_check(spec, err);
    if (rc)
        return rc;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return err_nomem(err);
    rc = spec_copy(&job->spec, spec, err);
    if (!rc)
        rc = adopting_copy_spec(job, spec, err);
    if (rc) {
        adopting_done(job);
        spec_done(&job->spec);
        free(job);
        return rc;
    }
    job->core = core;
    job->id = core->next_id++;
    job->start_ns = job->hub_since_ns = job->step_ns = core_now(core);
    job->tick_ns = job->start_ns - MIN(job->start_ns, STATUS_TICK_NS); /* the first look is due at once */
    job->ready_tail = &job->ready;
    job->untold_tail = &job->untold;
    job->telling_ns = UINT64_MAX;
    job->next_ns = UINT64_MAX;
    job->local_only = spec->offline;
    patience_init(&job->patience, core->config.user.max_rounds, job->start_ns);
    hub_url_page(job->page_url, core->config.user.endpoint, spec->type, spec->repo);
    job->context = (struct answer_context){ .repo = job->spec.repo,
                                            .revision = job->spec.revision,
                                            .page_url = job->page_url,
                                            .with_token = core->config.user.token != NULL };
    job->status = (struct hfp_status){
        .job = job->id, .verb = spec->verb, .state = HFP_QUEUED, .eta_low_s = UINT64_MAX, .eta_high_s = UINT64_MAX
    };
    *out = job;
    return HFP_OK;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    assert(job->busy == 0 && !job->blobs);
    adopting_done(job);
    telling_done(job);
    api_free(job->api);
    group_free(job->group);
    xet_session_free(job->xet);
    chunk_index_free(job->held);
    elsewhere_free(job->elsewhere);
    plan_free(job->plan);
    listing_free(job->listing);
    store_free(job->store);
    spec_done(&job->spec);
    free(job);
}

/* Only here is the state that people see assigned. */
void job_move(struct job *job, enum hfp_state state)
{
    if (job->status.state == state)
        return;
    log_debug(&job->core->log, "%s: %s -> %s", job->spec.repo, hfp_state_text(job->status.state),
              hfp_state_text(state));
    job->status.state = state;
    if (state != HFP_DONE && state != HFP_FAILED && state != HFP_CANCELLED)
        note_state(job, HFP_EV_STATE);
}

void job_step(struct job *job, enum job_step step)
{
    job->step = step;
    job->step_ns = core_now(job->core);
    job->step_begun = false;
    job->next_ns = UINT64_MAX;
    job->wake = true;
}

void job_end(struct job *job, const struct hfp_err *err)
{
    if (job->ending)
        return;
    job->ending = true;
    if (err && err->code != HFP_OK)
        job->error = *err;
    atomic_store(&job->stop, true);
    if (job->group)
        group_pause(job->group, true);
    if (job->api)
        api_hold(job->api, true);
    job_step(job, STEP_CLOSE);
}

void job_gave_up(void *ctx, const struct hfp_err *err)
{
    struct job *job = ctx;
    struct hfp_err copy = *err;
    if (job->ending)
        return;
    job->gave_up = copy;
    job->wake = true;
}

void job_last_words(struct job *job)
{
    job->status.error = job->error;
    status_last(job, core_now(job->core));
    job_move(job, job->cancelled ? HFP_CANCELLED : job->error.code != HFP_OK ? HFP_FAILED : HFP_DONE);
    note_state(job, HFP_EV_DONE);
}

void job_cancel(struct job *job)
{
    struct hfp_err err;
    if (job->ending)
        return;
    job->cancelled = true;
    err_set(&err, HFP_E_CANCELLED, "cancelled");
    job_end(job, &err);
}

void job_pause(struct job *job, bool paused)
{
    if (job->ending || job->paused == paused)
        return;
    job->paused = paused;
    if (job->api)
        api_hold(job->api, paused);
    if (!paused)
        job->hub_since_ns = core_now(job->core);
    if (job->group)
        group_pause(job->group, paused);
    status_paused(job, core_now(job->core));
    if (paused)
        job_move(job, HFP_PAUSED);
    else if (job->step >= STEP_RUN)
        job_move(job, running_state(job));
    else
        job_move(job, HFP_RESOLVING);
    job->wake = true;
}

/* The machine or the process slept. What it slept through is nobody's silence. */
void job_renewed(struct job *job)
{
    job->hub_since_ns = core_now(job->core);
    if (job->api && !job->paused && !job->ending) {
        api_hold(job->api, true);
        api_hold(job->api, false);
    }
    if (job->locked_since_ns > 0)
        job->locked_since_ns = core_now(job->core);
    for (struct blob *b = job->blobs; b; b = b->next) {
        if (b->locked_since_ns > 0)
            b->locked_since_ns = core_now(job->core);
        sourcing_renewed(b);
    }
}

uint64_t job_turn(struct job *job, uint64_t now_ns)
{
    job->wake = false;
    if (job->gave_up.code != HFP_OK)
        job_end(job, &job->gave_up);
    switch (job->step) {
    case STEP_OPEN:
    case STEP_COMMIT:
    case STEP_TREES:
    case STEP_LIST:
        resolving_turn(job, now_ns);
        break;
    case STEP_SCAN:
        scanning_turn(job);
        break;
    case STEP_RUN:
        if (job->spec.verb == HFP_PLAN)
            planning_turn(job);
        else
            running_turn(job, now_ns);
        break;
    case STEP_FINISH:
        finishing_turn(job, now_ns);
        break;
    case STEP_CLOSE:
        closing_turn(job, now_ns);
        break;
    case STEP_ENDED:
        return UINT64_MAX;
    }
    telling_turn(job, now_ns);
    status_tick(job, now_ns);
    uint64_t next = MIN(MIN(job->next_ns, job->telling_ns), MIN(running_next_ns(job, now_ns), status_next_ns(job)));
    return job->wake ? now_ns : next;
}
