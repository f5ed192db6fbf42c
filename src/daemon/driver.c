#include "daemon/driver.h"

#include "daemon/job_files.h"
#include "daemon/job_json.h"
#include "daemon/limits.h"
#include "daemon/samples.h"
#include "front/progress.h"
#include "front/timetable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define CONNECTIONS_MAX 16     /* what the engine learns up to (hfp.h) */
#define TELL_NS (NS_PER_S / 4) /* readers of events: four times a second */
#define SAMPLE_NS NS_PER_S
#define KEEP_NS (30 * NS_PER_S) /* figures of running jobs: what a kill may take from the summary, not from the files */
#define FILES_TOLD 200          /* rows in one event; what is more comes with the next */

struct driver {
    struct driver_rooms rooms;
    struct hfp *engine;
    struct driver_counts counts;
    uint64_t now_ns, told_ns, sampled_ns, kept_ns;
    uint64_t cpu_ns, cpu_at_ns;            /* used by this process, when it was looked at */
    uint64_t limits_ns, limit_bytes_per_s; /* when the limit is looked at again; the one in force */
    int64_t limit_until_unix_s;
    bool changed; /* some job is to be told of, or to be kept */
    bool order;   /* the queue's order is to be told */
};

static uint64_t unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void touch(struct driver *d, struct job *j, bool keep)
{
    j->changed = true;
    j->unsaved |= keep;
    d->changed = true;
}

static void touch_order(struct driver *d)
{
    jobs_changed(d->rooms.jobs);
    d->order = d->changed = true;
}

/* ---- the engine's side ---- */

static void tell_files(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "id", j->id);
    job_files_changed(&o, j->files, FILES_TOLD);
    out_object_end(&o);
    feed_push(d->rooms.feed, "files", &o);
}

static void keep_rows(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    while (j->files && j->files->changed > 0) /* who sees the job done has seen its files */
        tell_files(d, j);
    if (j->files)
        store_put_files(d->rooms.store, j->id, j->files);
    j->files = NULL;
    if (!j->samples)
        return;
    samples_json(&o, j->samples);
    char *json = out_take(&o, NULL);
    if (json)
        store_put_samples(d->rooms.store, j->id, json);
    samples_free(j->samples);
    j->samples = NULL;
}

static void forget(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "id", j->id);
    out_object_end(&o);
    feed_push(d->rooms.feed, "job_removed", &o);
    store_drop_job(d->rooms.store, j->id);
    jobs_remove(d->rooms.jobs, j);
    touch_order(d);
}

static void requeue(struct job *j)
{
    j->end = HFP_QUEUED;
    j->ended_ms = 0;
    if (j->status)
        j->status->error = (struct hfp_err){ 0 };
}

static void ended(struct driver *d, struct job *j, enum hfp_state end)
{
    bool again = j->again && end != HFP_DONE && !j->removed;
    j->engine = 0;
    j->parked = j->paused = j->cancelling = j->again = false;
    j->end = end;
    j->ended_ms = unix_ms();
    d->counts.done += end == HFP_DONE;
    d->counts.failed += end == HFP_FAILED;
    d->counts.cancelled += end == HFP_CANCELLED;
    store_put_job(d->rooms.store, j); /* before its rows, which hang on it */
    keep_rows(d, j);
    touch(d, j, false);
    touch_order(d);
    const struct hfp_err *e = j->status ? &j->status->error : NULL;
    log_line(d->rooms.log, end == HFP_FAILED ? HFP_LOG_WARN : HFP_LOG_INFO, j->id, "%s %s%s%s", j->ask.repo,
             hfp_state_text(end), end == HFP_FAILED && e ? ": " : "", end == HFP_FAILED && e ? e->message : "");
    if (again) {
        requeue(j);
        touch(d, j, true);
    }
    if (j->removed)
        forget(d, j);
    for (struct job *old; (old = jobs_oldest(d->rooms.jobs)) != NULL;)
        forget(d, old);
}

static void start(struct driver *d, struct job *j)
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
            ended(d, j, HFP_FAILED);
            return;
        }
        if (!j->samples)
            j->samples = samples_new();
        log_line(d->rooms.log, HFP_LOG_INFO, j->id, "%s begins", j->ask.repo);
    }
    if (!j->started_ms)
        j->started_ms = unix_ms();
    touch(d, j, true);
    touch_order(d);
}

static void take_stall(struct driver *d, struct job *j, const struct hfp_event *ev)
{
    uint64_t now_s = unix_ms() / 1000;
    if (ev->type == HFP_EV_STALLED) {
        j->stalls++;
        d->counts.stalls++;
        j->stalled_since_s = now_s - ev->status.quiet_ns / NS_PER_S;
        log_line(d->rooms.log, HFP_LOG_WARN, j->id, "%s stalled: %s", j->ask.repo, ev->status.wait_text);
    } else if (j->stalled_since_s) {
        log_line(d->rooms.log, HFP_LOG_INFO, j->id, "%s goes on after %llu s", j->ask.repo,
                 (unsigned long long)(now_s - j->stalled_since_s));
    }
    if (ev->type != HFP_EV_STALLED && j->stalled_since_s) {
        if (j->samples && j->status)
            samples_stall(j->samples, (int64_t)j->stalled_since_s, (int64_t)now_s, j->status->wait_text);
        j->stalled_since_s = 0;
    }
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
    if (ev->type == HFP_EV_FILE)
        job_files_event(&j->files, ev);
    else if (j->files)
        job_files_fronts(j->files, &ev->status);
    if (ev->type == HFP_EV_NOTE && ev->text)
        log_line(d->rooms.log, ev->level, j->id, "%s%s%s: %s", j->ask.repo, ev->path ? " " : "",
                 ev->path ? ev->path : "", ev->text);
    touch(d, j, job_state(j) != before || ev->type == HFP_EV_PLAN);
    if (job_state(j) != before)
        jobs_changed(d->rooms.jobs);
    if (ev->type != HFP_EV_DONE)
        return;
    if (ev->snapshot && ev->status.state == HFP_DONE) {
        free(j->snapshot);
        j->snapshot = strdup(ev->snapshot);
    }
    ended(d, j, ev->status.state);
}

static void take_events(struct driver *d)
{
    for (const struct hfp_event *ev; (ev = hfp_event_next(d->engine)) != NULL;) {
        struct job *j = jobs_find_engine(d->rooms.jobs, ev->status.job);
        if (j)
            take_event(d, j, ev);
        else
            d->rooms.other(d->rooms.other_ctx, ev);
    }
}

/* ---- the queue's side ---- */

int driver_add(struct driver *d, struct job *j, struct hfp_err *err)
{
    j->rank = jobs_last_rank(d->rooms.jobs) + 1;
    int rc = jobs_add(d->rooms.jobs, j, err);
    if (rc)
        return rc;
    touch(d, j, true);
    touch_order(d);
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
    touch(d, j, true);
    touch_order(d);
    if (j->samples)
        samples_gap(j->samples);
    return HFP_OK;
}

int driver_resume(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (job_ended(j) || j->cancelling)
        return impossible(j, "resumed", err);
    j->paused = false;
    touch(d, j, true);
    touch_order(d);
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
        touch(d, j, true);
        touch_order(d);
    } else {
        ended(d, j, HFP_CANCELLED);
    }
    return HFP_OK;
}

int driver_retry(struct driver *d, struct job *j, struct hfp_err *err)
{
    if (j->end != HFP_FAILED && j->end != HFP_CANCELLED && (!j->cancelling || j->removed))
        return impossible(j, "tried again", err);
    j->again = j->cancelling;
    if (!j->cancelling)
        requeue(j);
    j->rank = jobs_last_rank(d->rooms.jobs) + 1;
    touch(d, j, true);
    touch_order(d);
    return HFP_OK;
}

int driver_move(struct driver *d, struct job *j, const struct job *before, struct hfp_err *err)
{
    if (job_state(j) != HFP_QUEUED)
        return impossible(j, "moved", err);
    if (before && job_state(before) != HFP_QUEUED)
        return fault(err, HFP_E_ARG, "%s is not in the queue.", before->id);
    jobs_move(d->rooms.jobs, j, before);
    touch(d, j, true);
    touch_order(d);
    return HFP_OK;
}

void driver_priority(struct driver *d, struct job *j, int64_t priority)
{
    j->ask.priority = priority;
    touch(d, j, true);
    touch_order(d);
}

void driver_limit(struct driver *d, struct job *j, uint64_t bytes_per_s)
{
    j->ask.limit_bytes_per_s = bytes_per_s;
    if (j->engine)
        hfp_limit(d->engine, j->engine, bytes_per_s);
    touch(d, j, true);
}

void driver_remove(struct driver *d, struct job *j)
{
    struct hfp_err err;
    if (!j->engine) {
        forget(d, j);
        return;
    }
    j->removed = true;
    driver_cancel(d, j, &err);
    store_drop_job(d->rooms.store, j->id); /* a kill from here on must not bring it back */
}

/* The wall clock is looked at once a minute while the timetable has another limit to come: one that was set wrong and is
 * put right moves the limit as well. */
static uint64_t limits(struct driver *d, bool now)
{
    int64_t unix_s = (int64_t)(unix_ms() / 1000), left;
    if (!now && d->now_ns < d->limits_ns)
        return d->limits_ns;
    uint64_t limit = settings_limit(&d->limit_until_unix_s, d->rooms.settings, unix_s);
    if (limit != d->limit_bytes_per_s) {
        char rate[UNIT_TEXT];
        d->limit_bytes_per_s = limit;
        hfp_limit(d->engine, 0, limit);
        log_line(d->rooms.log, HFP_LOG_INFO, NULL, "limit: %s", limit ? rate_text(rate, limit) : "none");
    }
    left = d->limit_until_unix_s - unix_s;
    d->limits_ns = d->limit_until_unix_s == INT64_MAX ? UINT64_MAX
                                                      : d->now_ns + (uint64_t)(left < 1    ? 1
                                                                               : left < 60 ? left
                                                                                           : 60) *
                                                                        NS_PER_S;
    return d->limits_ns;
}

void driver_settings_json(struct out *o, const struct driver *d)
{
    char at[UNIT_TEXT];
    settings_json(o, d->rooms.settings);
    out_u64(o, "limit_now_bytes_per_s", d->limit_bytes_per_s);
    out_text(o, "limit_until", d->limit_until_unix_s == INT64_MAX ? NULL : timetable_clock(at, d->limit_until_unix_s));
    out_text(o, "token", d->rooms.token ? "set" : "not set");
}

static void keep_setting(void *ctx, const char *name, const char *value)
{
    struct driver *d = ctx;
    store_put_setting(d->rooms.store, name, value);
}

void driver_settings(struct driver *d, const struct settings *before)
{
    struct out o = { 0 };
    const struct settings *s = d->rooms.settings;
    settings_differ(before, s, keep_setting, d);
    limits(d, true);
    if (before->max_connections != s->max_connections)
        hfp_connections(d->engine, (uint32_t)s->max_connections);
    out_object(&o, NULL);
    driver_settings_json(&o, d);
    out_object_end(&o);
    feed_push(d->rooms.feed, "settings", &o);
    d->changed = true;
}

/* ---- telling and keeping ---- */

static void tell_job(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    j->changed = false;
    if (j->files && j->files->changed > 0) {
        tell_files(d, j);
        if (j->files->changed > 0)
            j->changed = d->changed = true;
    }
    job_json(&o, NULL, j, false);
    feed_push(d->rooms.feed, "job", &o);
}

/* Where one goes all behind it move up: the whole order is one event instead of one a job. */
static void tell_order(struct driver *d)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_list(&o, "queued");
    for (size_t i = 0; i < d->rooms.jobs->n; i++)
        if (d->rooms.jobs->list[i]->position)
            out_text(&o, NULL, d->rooms.jobs->list[i]->id);
    out_list_end(&o);
    out_object_end(&o);
    feed_push(d->rooms.feed, "queue", &o);
    d->order = false;
}

static uint64_t tell(struct driver *d)
{
    if (!d->changed)
        return UINT64_MAX;
    for (size_t i = 0; i < d->rooms.jobs->n; i++) {
        struct job *j = d->rooms.jobs->list[i];
        if (j->unsaved && !j->removed)
            store_put_job(d->rooms.store, j);
        j->unsaved = false;
    }
    if (d->told_ns && d->now_ns < d->told_ns + TELL_NS)
        return d->told_ns + TELL_NS;
    d->changed = false;
    d->told_ns = d->now_ns;
    jobs_sort(d->rooms.jobs);
    for (size_t i = 0; i < d->rooms.jobs->n; i++)
        if (d->rooms.jobs->list[i]->changed)
            tell_job(d, d->rooms.jobs->list[i]);
    if (d->order)
        tell_order(d);
    feed_flush(d->rooms.feed);
    return d->changed ? d->told_ns + TELL_NS : UINT64_MAX;
}

/* Of all cores, since the last look. */
static unsigned cpu_permille(struct driver *d)
{
    struct rusage u;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    getrusage(RUSAGE_SELF, &u);
    uint64_t used_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
                       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
    uint64_t passed_ns = d->now_ns - d->cpu_at_ns, more_ns = used_ns - d->cpu_ns;
    d->cpu_at_ns = d->now_ns;
    d->cpu_ns = used_ns;
    return passed_ns ? (unsigned)(more_ns * 1000 / (uint64_t)(cores > 0 ? cores : 1) / passed_ns) : 0;
}

/* After the samples: what keeps each from being faster. */
static void judge(struct driver *d)
{
    const struct jobs *q = d->rooms.jobs;
    char until[UNIT_TEXT];
    struct limits_facts f = { .limit_bytes_per_s = d->limit_bytes_per_s, .cpu_permille = cpu_permille(d) };
    f.until = d->limit_until_unix_s == INT64_MAX ? NULL : timetable_clock(until, d->limit_until_unix_s);
    f.connections_max =
        d->rooms.settings->max_connections ? (uint32_t)d->rooms.settings->max_connections : CONNECTIONS_MAX;
    for (size_t i = 0; i < q->n; i++)
        f.all_rate_bytes_per_s +=
            job_running(q->list[i]) && q->list[i]->status ? q->list[i]->status->rate_bytes_per_s : 0;
    for (size_t i = 0; i < q->n; i++) {
        struct job *j = q->list[i];
        if (!job_running(j) || !j->status)
            continue;
        f.status = j->status;
        f.job_limit_bytes_per_s = j->ask.limit_bytes_per_s;
        f.moving_s = j->status->elapsed_ns / NS_PER_S;
        struct limits_verdict v = limits_judge(&f);
        snprintf(j->limited_by, sizeof j->limited_by, "%s", limited_text(v.what));
        memcpy(j->limited_text, v.text, sizeof j->limited_text);
    }
}

static uint64_t sample(struct driver *d)
{
    const struct jobs *q = d->rooms.jobs;
    if (jobs_running(q) == 0)
        return UINT64_MAX;
    if (d->now_ns < d->sampled_ns + SAMPLE_NS)
        return d->sampled_ns + SAMPLE_NS;
    d->sampled_ns = d->now_ns;
    bool keep = d->now_ns >= d->kept_ns + KEEP_NS;
    if (keep)
        d->kept_ns = d->now_ns;
    int64_t now_s = (int64_t)(unix_ms() / 1000);
    for (size_t i = 0; i < q->n; i++) {
        struct job *j = q->list[i];
        if (!job_running(j) || !j->status)
            continue;
        uint64_t limit = d->limit_bytes_per_s, own = j->ask.limit_bytes_per_s;
        if (j->samples)
            samples_add(j->samples, now_s, shown_bytes(j->status), own && (!limit || own < limit) ? own : limit);
        if (keep)
            store_put_job(d->rooms.store, j);
    }
    judge(d);
    return d->sampled_ns + SAMPLE_NS;
}

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

void driver_free(struct driver *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->rooms.jobs->n; i++) {
        struct job *j = d->rooms.jobs->list[i];
        if (j->engine)
            store_put_job(d->rooms.store, j);
    }
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
    take_events(d);
    for (struct job *j; (j = jobs_next(d->rooms.jobs, d->rooms.settings->parallel_jobs)) != NULL;)
        start(d, j);
    uint64_t next = tell(d), sample_at = sample(d), limit_at = limits(d, false);
    next = next < sample_at ? next : sample_at;
    return next < limit_at ? next : limit_at;
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
