/* /metrics: the text format of Prometheus, version 0.0.4. Nothing in it names a repository: labels stay few. */
#include "daemon/routes.h"

#include "daemon/reply.h"

#include <inttypes.h>

static void head(struct out *o, const char *name, const char *kind, const char *text)
{
    out_fmt(o, "# HELP hfpulld_%s %s\n# TYPE hfpulld_%s %s\n", name, text, name, kind);
}

static void value(struct out *o, const char *name, const char *kind, const char *text, uint64_t n)
{
    head(o, name, kind, text);
    out_fmt(o, "hfpulld_%s %" PRIu64 "\n", name, n);
}

static void by_state(struct out *o, const struct jobs *q)
{
    uint64_t count[HFP_STATE_COUNT] = { 0 };
    for (size_t i = 0; i < q->n; i++)
        count[job_state(q->list[i])]++;
    head(o, "jobs", "gauge", "Jobs on the list by state.");
    for (unsigned i = 0; i < HFP_STATE_COUNT; i++)
        out_fmt(o, "hfpulld_jobs{state=\"%s\"} %" PRIu64 "\n", hfp_state_text((enum hfp_state)i), count[i]);
}

static void running(struct out *o, const struct jobs *q)
{
    uint64_t rate = 0, connections = 0, silent = 0, stalled = 0, left = 0;
    for (size_t i = 0; i < q->n; i++) {
        const struct job *j = q->list[i];
        if (!job_running(j) || !j->status)
            continue;
        rate += j->status->rate_bytes_per_s;
        connections += j->status->connections;
        silent += j->status->connections_silent;
        stalled += j->status->stalled;
        left += j->status->total_bytes - j->status->recorded_bytes;
    }
    value(o, "rate_bytes_per_second", "gauge", "Distinct bytes received by running jobs, mean of 5 s.", rate);
    value(o, "left_bytes", "gauge", "Bytes that running jobs have yet to record.", left);
    value(o, "connections", "gauge", "Connections that carry bytes.", connections);
    value(o, "connections_silent", "gauge", "Of these without a byte for a while.", silent);
    value(o, "jobs_stalled", "gauge", "Running jobs that stall now.", stalled);
}

void metrics_route(struct route_call *c)
{
    const struct daemon *d = c->daemon;
    const struct driver_counts *n = driver_counts(d->driver);
    struct out o = { 0 };
    head(&o, "build_info", "gauge", "The version that runs.");
    out_fmt(&o, "hfpulld_build_info{version=\"" HFP_VERSION "\"} 1\n");
    by_state(&o, &d->jobs);
    running(&o, &d->jobs);
    value(&o, "received_bytes_total", "counter", "Distinct bytes fetched since the start.", n->received_bytes);
    value(&o, "wire_bytes_total", "counter", "Every body byte received since the start, repeats included.",
          n->wire_bytes);
    value(&o, "requests_total", "counter", "Requests sent to Hub and CDN since the start.", n->requests);
    value(&o, "connections_lost_total", "counter", "Connections lost since the start.", n->connections_lost);
    value(&o, "stalls_total", "counter", "Stalls since the start.", n->stalls);
    value(&o, "jobs_done_total", "counter", "Jobs done since the start.", n->done);
    value(&o, "jobs_failed_total", "counter", "Jobs failed since the start.", n->failed);
    value(&o, "jobs_cancelled_total", "counter", "Jobs cancelled since the start.", n->cancelled);
    value(&o, "limit_bytes_per_second", "gauge", "The limit of all jobs together; 0: none.",
          driver_limit_now(d->driver));
    value(&o, "api_requests_total", "counter", "Requests to this API since the start.", d->requests);
    value(&o, "api_connections", "gauge", "Open connections to this API.", http_open(d->http));
    value(&o, "event_readers", "gauge", "Open streams of events.", feed_readers(d->feed));
    value(&o, "events_total", "counter", "Events since the start.", feed_events(d->feed));
    value(&o, "cache_scans_total", "counter", "How often the cache was listed since the start.",
          cache_counts(d->cache)->scans);
    value(&o, "cache_freed_bytes_total", "counter", "Freed by deletions and the quota since the start.",
          cache_counts(d->cache)->freed_bytes);
    value(&o, "store_failing", "gauge", "1 while the job database cannot be written.", store_trouble(d->store) != NULL);
    reply_text(c->request, 200, "text/plain; version=0.0.4; charset=utf-8", &o);
}
