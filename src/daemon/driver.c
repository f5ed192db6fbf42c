#include "daemon/driver_inside.h"

#include "daemon/samples.h"
#include "front/clock.h"

#include <stdlib.h>

void driver_touch(struct driver *d, struct job *j, bool keep)
{
    j->changed = true;
    j->unsaved |= keep;
    d->changed = true;
}

void driver_touch_order(struct driver *d)
{
    jobs_changed(d->rooms.jobs);
    d->order = d->changed = true;
}

/* ---- the queue's side ---- */

int driver_add(struct driver *d, struct job *j, struct hfp_err *err)
{
    j->rank = jobs_last_rank(d->rooms.jobs) + 1;
    int rc = jobs_add(d->rooms.jobs, j, err);
    if (rc)
        return rc;
    driver_touch(d, j, true);
    driver_touch_order(d);
    return HFP_OK;
}

static int impossible(const struct job *j, const char *what, struct hfp_err *err)
{
    return fault(err, HFP_E_ARG, "a job that is %s cannot be %s.", hfp_state_text(job_state(j)), what);
}

int driver_pause(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (job_ended(j) || j->cancelling)
        return impossible(j, "paused", err);
    if (j->paused)
        return HFP_OK;
    if (job_running(j))
        hfp_pause(d->engine, j->engine);
    j->paused = true;
    j->parked = j->engine != 0;
    driver_touch(d, j, true);
    driver_touch_order(d);
    driver_stall_over(d, j);
    if (j->samples)
        samples_gap(j->samples);
    driver_curve_keep(d, j);
    return HFP_OK;
}

int driver_resume(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (job_ended(j) || j->cancelling)
        return impossible(j, "resumed", err);
    j->paused = false;
    driver_touch(d, j, true);
    driver_touch_order(d);
    return HFP_OK;
}

int driver_cancel(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (job_ended(j))
        return impossible(j, "cancelled", err);
    if (j->cancelling) {
        j->again = false;
        return HFP_OK;
    }
    if (j->engine) {
        j->cancelling = true;
        hfp_cancel(d->engine, j->engine);
        driver_touch(d, j, true);
        driver_touch_order(d);
    } else {
        driver_ended(d, j, HFP_CANCELLED);
    }
    return HFP_OK;
}

int driver_retry(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (j->end != HFP_FAILED && j->end != HFP_CANCELLED && (!j->cancelling || j->removed))
        return impossible(j, "tried again", err);
    j->again = j->cancelling;
    if (!j->cancelling)
        driver_requeue(j);
    j->rank = jobs_last_rank(d->rooms.jobs) + 1;
    driver_touch(d, j, true);
    driver_touch_order(d);
    return HFP_OK;
}

int driver_move(struct driver *d, struct job *j, const struct job *before, struct hfp_err *err)
{
    if (job_state(j) != HFP_QUEUED)
        return impossible(j, "moved", err);
    if (before && job_state(before) != HFP_QUEUED)
        return fault(err, HFP_E_ARG, "%s is not in the queue.", before->id);
    jobs_move(d->rooms.jobs, j, before);
    driver_touch(d, j, true);
    driver_touch_order(d);
    return HFP_OK;
}

void driver_priority(struct driver *d, struct job *j, int64_t priority)
{
    j->ask.priority = priority;
    driver_touch(d, j, true);
    driver_touch_order(d);
}

void driver_limit(struct driver *d, struct job *j, uint64_t bytes_per_s)
{
    j->ask.limit_bytes_per_s = bytes_per_s;
    if (j->engine)
        hfp_limit(d->engine, j->engine, bytes_per_s);
    driver_touch(d, j, true);
}

void driver_remove(struct driver *d, struct job *j)
{
    struct hfp_err err;
    if (!j->engine) {
        driver_forget(d, j);
        return;
    }
    j->removed = true;
    driver_cancel(d, j, &err);
    store_drop_job(d->rooms.store, j->id); /* a kill from here on must not bring it back */
}

/* ---- the whole ---- */

int driver_new(struct driver **out, const struct driver_rooms *rooms, const struct hfp_config *config,
               struct hfp_err *err)
{
    struct driver *d = calloc(1, sizeof *d);
    if (!d)
        return fault_nomem(err);
    d->rooms = *rooms;
    d->limit_bytes_per_s = config->limit_bytes_per_s;
    int rc = hfp_open(&d->engine, config, err);
    if (rc)
        free(d);
    else
        *out = d;
    return rc;
}

void driver_keep(struct driver *d)
{
    for (size_t i = 0; i < d->rooms.jobs->n; i++) {
        struct job *j = d->rooms.jobs->list[i];
        if (!j->engine)
            continue;
        store_put_job(d->rooms.store, j);
        driver_curve_keep(d, j);
    }
}

void driver_free(struct driver *d)
{
    if (!d)
        return;
    hfp_close(d->engine);
    free(d);
}

int driver_fd(const struct driver *d)
{
    return hfp_poll_fd(d->engine);
}

uint64_t driver_turn(struct driver *d, uint64_t now_ns)
{
    d->now_ns = now_ns;
    driver_take_events(d);
    for (struct job *j; (j = jobs_next(d->rooms.jobs, d->rooms.settings->parallel_jobs)) != NULL;)
        driver_start(d, j);
    uint64_t next = driver_tell(d);
    next = clock_sooner(next, driver_sample(d));
    return clock_sooner(next, driver_limits(d, false));
}

size_t driver_hosts(const struct driver *d, struct hfp_host *out, size_t max)
{
    return hfp_hosts(d->engine, out, max);
}

uint64_t driver_limit_now(const struct driver *d)
{
    return d->limit_bytes_per_s;
}

uint64_t driver_ask(struct driver *d, const struct hfp_job_spec *spec)
{
    uint64_t id = 0;
    struct hfp_err err;
    return hfp_start(d->engine, spec, &id, &err) == HFP_OK ? id : 0;
}

const struct driver_counts *driver_counts(const struct driver *d)
{
    return &d->counts;
}
