/* What the engine says of its jobs, and how jobs begin and end. */
#include "daemon/driver_inside.h"

#include "daemon/job_files.h"
#include "daemon/samples.h"
#include "front/clock.h"

#include <stdlib.h>
#include <string.h>

static void keep_rows(struct driver *d, struct job *j)
{
    job_files_stopped(j->files);
    while (j->files && j->files->changed > 0) /* who sees the job done has seen its files */
        driver_tell_files(d, j);
    if (j->files)
        store_put_files(d->rooms.store, j->id, j->files);
    j->files = NULL;
    driver_curve_keep(d, j);
    samples_free(j->samples);
    j->samples = NULL;
}

void driver_forget(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "id", j->id);
    out_object_end(&o);
    feed_push(d->rooms.feed, "job_removed", &o);
    store_drop_job(d->rooms.store, j->id);
    jobs_remove(d->rooms.jobs, j);
    driver_touch_order(d);
}

void driver_requeue(struct job *j)
{
    j->end = HFP_QUEUED;
    j->ended_ms = 0;
    j->told = 0; /* it begins anew, and so does what is told of it */
    if (j->status)
        j->status->error = (struct hfp_err){ 0 };
}

void driver_ended(struct driver *d, struct job *j, enum hfp_state end)
{
    bool again = j->again && end != HFP_DONE && !j->removed;
    j->engine = 0;
    j->parked = j->paused = j->cancelling = j->again = false;
    j->end = end;
    j->ended_ms = (uint64_t)clock_unix_ms();
    d->counts.done += end == HFP_DONE;
    d->counts.failed += end == HFP_FAILED;
    d->counts.cancelled += end == HFP_CANCELLED;
    driver_stall_over(d, j);
    store_put_job(d->rooms.store, j); /* before its rows, which hang on it */
    keep_rows(d, j);
    driver_touch(d, j, false);
    driver_touch_order(d);
    const struct hfp_err *e = j->status ? &j->status->error : NULL;
    log_line(d->rooms.log, end == HFP_FAILED ? HFP_LOG_WARN : HFP_LOG_INFO, j->id, "%s %s%s%s", j->ask.repo,
             hfp_state_text(end), end == HFP_FAILED && e ? ": " : "", end == HFP_FAILED && e ? e->message : "");
    if (again) {
        driver_requeue(j);
        driver_touch(d, j, true);
    }
    if (j->removed)
        driver_forget(d, j);
    for (struct job *old; (old = jobs_oldest(d->rooms.jobs)) != NULL;)
        driver_forget(d, old);
}

static void tell(struct driver *d, struct job *j, enum notify_event what)
{
    if (!job_tells(j, what))
        return;
    store_put_job(d->rooms.store, j);
    notifying_tell(d->rooms.notifying, j, what);
}

void driver_start(struct driver *d, struct job *j)
{
    struct hfp_err err = { 0 };
    if (j->parked) {
        j->parked = false;
        hfp_resume(d->engine, j->engine);
    } else {
        if (j->status)
            j->elapsed_before_s += j->status->elapsed_ns / NS_PER_S;
        free(j->status);
        j->status = NULL;
        const struct hfp_job_spec spec = job_ask_spec(&j->ask);
        if (hfp_start(d->engine, &spec, &j->engine, &err)) {
            j->engine = 0;
            if ((j->status = calloc(1, sizeof *j->status)))
                j->status->error = err;
            tell(d, j, NOTIFY_FAILED);
            driver_ended(d, j, HFP_FAILED);
            return;
        }
        driver_curve_begin(d, j);
        log_line(d->rooms.log, HFP_LOG_INFO, j->id, "%s begins", j->ask.repo);
    }
    if (!j->started_ms)
        j->started_ms = (uint64_t)clock_unix_ms();
    driver_touch(d, j, true);
    driver_touch_order(d);
}

/* Also where the job is held or ends while it lasts: nothing comes of it any more. */
void driver_stall_over(struct driver *d, struct job *j)
{
    (void)d;
    if (!j->stalled_since_s)
        return;
    j->stalled_since_s = 0;
    if (j->samples)
        samples_stall_end(j->samples, clock_unix_ms() / 1000,
                          j->status && j->status->stalled ? j->status->wait_text : "");
}

static void take_stall(struct driver *d, struct job *j, const struct hfp_event *ev)
{
    uint64_t now_s = (uint64_t)clock_unix_ms() / 1000;
    if (ev->type == HFP_EV_RECOVERED) {
        if (j->stalled_since_s)
            log_line(d->rooms.log, HFP_LOG_INFO, j->id, "%s goes on after %llu s", j->ask.repo,
                     (unsigned long long)(now_s - j->stalled_since_s));
        driver_stall_over(d, j);
        return;
    }
    j->stalls++;
    d->counts.stalls++;
    j->stalled_since_s = now_s - ev->status.quiet_ns / NS_PER_S;
    if (j->samples)
        samples_stall(j->samples, (int64_t)j->stalled_since_s, ev->status.wait_text);
    driver_curve_keep(d, j);
    log_line(d->rooms.log, HFP_LOG_WARN, j->id, "%s stalled: %s", j->ask.repo, ev->status.wait_text);
}

static void take_news(struct driver *d, struct job *j, const struct hfp_event *ev)
{
    enum notify_event what;
    if (notify_meaning(&what, ev))
        tell(d, j, what);
    else if (ev->type == HFP_EV_PROGRESS && !j->stalled_since_s && ev->status.fetched_bytes > 0)
        tell(d, j, NOTIFY_RECOVERED); /* from what an earlier run of this program told, if it did */
}

static void take_counts(struct driver *d, const struct hfp_status *was, const struct hfp_status *is)
{
    struct driver_counts *c = &d->counts;
    c->received_bytes += is->fetched_bytes - (was ? was->fetched_bytes : 0);
    c->wire_bytes += is->wire_bytes - (was ? was->wire_bytes : 0);
    c->requests += is->requests - (was ? was->requests : 0);
    c->connections_lost += is->connections_lost - (was ? was->connections_lost : 0);
}

static void take_event(struct driver *d, struct job *j, const struct hfp_event *ev)
{
    enum hfp_state before = job_state(j);
    take_counts(d, j->status, &ev->status);
    if (ev->type == HFP_EV_STALLED || ev->type == HFP_EV_RECOVERED)
        take_stall(d, j, ev);
    if (!j->status)
        j->status = malloc(sizeof *j->status);
    if (j->status)
        *j->status = ev->status;
    take_news(d, j, ev);
    if (ev->type == HFP_EV_FILE)
        job_files_event(&j->files, ev);
    else if (j->files)
        job_files_fronts(j->files, &ev->status);
    if (ev->type == HFP_EV_NOTE && ev->text)
        log_line(d->rooms.log, ev->level, j->id, "%s%s%s: %s", j->ask.repo, ev->path ? " " : "",
                 ev->path ? ev->path : "", ev->text);
    driver_touch(d, j, job_state(j) != before || ev->type == HFP_EV_PLAN);
    if (job_state(j) != before)
        jobs_changed(d->rooms.jobs);
    if (ev->type != HFP_EV_DONE)
        return;
    if (ev->snapshot && ev->status.state == HFP_DONE) {
        free(j->snapshot);
        j->snapshot = strdup(ev->snapshot);
    }
    driver_ended(d, j, ev->status.state);
}

void driver_take_events(struct driver *d)
{
    for (const struct hfp_event *ev; (ev = hfp_event_next(d->engine)) != NULL;) {
        struct job *j = jobs_find_engine(d->rooms.jobs, ev->status.job);
        if (j)
            take_event(d, j, ev);
        else
            d->rooms.other(d->rooms.other_ctx, ev);
    }
}
