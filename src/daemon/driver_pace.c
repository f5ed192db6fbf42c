/* Settings and the limit that is in force; once a second the curve of each job and what keeps it from being faster. */
#include "daemon/driver_inside.h"

#include "daemon/cores.h"
#include "daemon/limits.h"
#include "daemon/samples.h"
#include "front/clock.h"
#include "front/progress.h"
#include "front/timetable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CONNECTIONS_MAX 16 /* what the engine learns up to (hfp.h) */
#define SAMPLE_NS NS_PER_S
#define CURVE_FIRST_NS (2 * NS_PER_S) /* a curve is kept when its job has run so long, twice as long, and so on, */
#define CURVE_NS (60 * NS_PER_S)      /* then every minute: that much of it a kill may take */
#define KEEP_NS (30 * NS_PER_S) /* figures of running jobs: what a kill may take from the summary, not from the files */

/* The wall clock is looked at once a minute while the timetable has another limit to come: one that was set wrong and is
 * put right moves the limit as well. */
uint64_t driver_limits(struct driver *d, bool now)
{
    int64_t unix_s = clock_unix_ms() / 1000, left;
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

/* What was learned of the servers bytes come from: the Hub's own answers are no figure for a line. */
static void hosts_json(struct out *o, const struct driver *d)
{
    struct hfp_host host[HFP_HOSTS_MAX];
    size_t n = driver_hosts(d, host, HFP_HOSTS_MAX);
    out_list(o, "hosts");
    for (size_t i = 0; i < n; i++) {
        if (host[i].connections == 0)
            continue;
        out_object(o, NULL);
        out_text(o, "host", host[i].host);
        out_u64(o, "connections", host[i].connections);
        out_u64(o, "rate_bytes_per_s", host[i].rate_bytes_per_s);
        out_object_end(o);
    }
    out_list_end(o);
}

void driver_settings_json(struct out *o, const struct driver *d)
{
    char at[UNIT_TEXT];
    settings_json(o, d->rooms.settings);
    out_u64(o, "limit_now_bytes_per_s", d->limit_bytes_per_s);
    out_text(o, "limit_until", d->limit_until_unix_s == INT64_MAX ? NULL : timetable_clock(at, d->limit_until_unix_s));
    notifying_json(o, d->rooms.notifying);
    out_text(o, "token", d->rooms.token ? "set" : "not set");
    out_list(o, "watch_dirs");
    for (char *const *dir = d->rooms.watch_dirs; dir && *dir; dir++)
        out_text(o, NULL, *dir);
    out_list_end(o);
    hosts_json(o, d);
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
    driver_limits(d, true);
    notifying_settings(d->rooms.notifying, before);
    if (before->max_connections != s->max_connections)
        hfp_connections(d->engine, (uint32_t)s->max_connections);
    out_object(&o, NULL);
    driver_settings_json(&o, d);
    out_object_end(&o);
    feed_push(d->rooms.feed, "settings", &o);
    d->changed = true;
}

/* ---- curves ---- */

struct curve_wait {
    struct jobs *jobs;
    char id[JOB_ID_SIZE];
};

static void curve_back(void *ctx, const char *text, uint64_t next)
{
    struct curve_wait *w = ctx;
    struct job *j = jobs_find(w->jobs, w->id);
    (void)next;
    if (j && j->engine && !j->samples) {
        j->samples = text ? samples_read(text) : NULL;
        if (!j->samples)
            j->samples = samples_new();
        if (j->samples)
            samples_gap(j->samples);
    }
    free(w);
}

void driver_curve_begin(struct driver *d, struct job *j)
{
    struct curve_wait *w = NULL;
    j->curve_since_ns = d->now_ns;
    j->curve_due_ns = d->now_ns + CURVE_FIRST_NS;
    if (j->samples)
        return;
    if (!j->started_ms || !(w = malloc(sizeof *w))) {
        j->samples = samples_new();
        return;
    }
    *w = (struct curve_wait){ .jobs = d->rooms.jobs };
    memcpy(w->id, j->id, sizeof w->id);
    store_read_samples(d->rooms.store, j->id, curve_back, w);
}

void driver_curve_keep(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    if (!j->samples)
        return;
    samples_json(&o, j->samples, clock_unix_ms() / 1000);
    char *json = out_take(&o, NULL);
    if (json)
        store_put_samples(d->rooms.store, j->id, json);
    uint64_t ran_ns = d->now_ns - j->curve_since_ns;
    j->curve_due_ns = d->now_ns + (ran_ns < CURVE_FIRST_NS ? CURVE_FIRST_NS : ran_ns < CURVE_NS ? ran_ns : CURVE_NS);
}

/* Of what we may use of the processors, since the last look. */
static unsigned cpu_permille(struct driver *d)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    uint64_t used_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_S +
                       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
    uint64_t passed_ns = d->now_ns - d->cpu_at_ns, more_ns = used_ns - d->cpu_ns;
    d->cpu_at_ns = d->now_ns;
    d->cpu_ns = used_ns;
    return passed_ns ? (unsigned)(more_ns * 1000 / cores_permille() * 1000 / passed_ns) : 0;
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

uint64_t driver_sample(struct driver *d)
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
    int64_t now_s = clock_unix_ms() / 1000;
    for (size_t i = 0; i < q->n; i++) {
        struct job *j = q->list[i];
        if (!job_running(j) || !j->status)
            continue;
        uint64_t limit = d->limit_bytes_per_s, own = j->ask.limit_bytes_per_s;
        if (j->samples)
            samples_add(j->samples, now_s, shown_bytes(j->status), own && (!limit || own < limit) ? own : limit);
        if (j->samples && j->stalled_since_s && j->status->stalled)
            samples_stall(j->samples, (int64_t)j->stalled_since_s, j->status->wait_text);
        if (d->now_ns >= j->curve_due_ns)
            driver_curve_keep(d, j);
        if (keep)
            store_put_job(d->rooms.store, j);
    }
    judge(d);
    return d->sampled_ns + SAMPLE_NS;
}
