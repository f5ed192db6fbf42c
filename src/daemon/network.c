#include "daemon/routes.h"

#include "daemon/askers.h"
#include "daemon/job_json.h"
#include "daemon/reply.h"
#include "front/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define SAMPLE_NS NS_PER_S
#define LEAST_NS (NS_PER_S / 5) /* a rate over less than that is chance */
#define MOST_NS (5 * NS_PER_S)  /* and over more than that it is none of now */
#define MARKS_MAX 400           /* begins and ends of jobs in one answer, the newest */

struct network {
    struct traffic *traffic;
    struct netdevs reading, rates; /* at_ns 0: none */
    struct asker *askers;
    char *told; /* the last event */
};

int network_new(struct network **out, struct hfp_err *err)
{
    struct network *n = calloc(1, sizeof *n);
    if (!n)
        return fault_nomem(err);
    int rc = traffic_new(&n->traffic, err);
    if (rc)
        free(n);
    else
        *out = n;
    return rc;
}

/* ---- what is told ---- */

static void interfaces_json(struct out *o, const struct netdevs *r)
{
    out_u64(o, "rx_bytes_per_s", r->rx);
    out_u64(o, "tx_bytes_per_s", r->tx);
    out_list(o, "interfaces");
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->dev[i].name, "lo") == 0)
            continue;
        out_object(o, NULL);
        out_text(o, "name", r->dev[i].name);
        out_u64(o, "rx_bytes_per_s", r->dev[i].rx);
        out_u64(o, "tx_bytes_per_s", r->dev[i].tx);
        out_object_end(o);
    }
    out_list_end(o);
}

static void job_traffic_json(struct out *o, const struct job *j)
{
    const struct hfp_status *st = j->status;
    out_object(o, NULL);
    out_text(o, "id", j->id);
    out_object(o, "connections");
    out_u64(o, "open", st->connections);
    out_u64(o, "idle", st->connections_held);
    out_u64(o, "connecting", st->connections_asked);
    out_u64(o, "silent", st->connections_silent);
    out_object_end(o);
    job_fronts_json(o, j);
    job_waited_json(o, j);
    out_object_end(o);
}

static void quota_json(struct out *o, const struct daemon *d)
{
    struct hfp_host host[HFP_HOSTS_MAX];
    size_t n = driver_hosts(d->driver, host, HFP_HOSTS_MAX);
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    for (size_t i = 0; i < n; i++) {
        if (!host[i].hub || host[i].quota == 0 || host[i].quota_resets_unix_ms <= now_ms)
            continue;
        out_object(o, "hub_quota");
        out_u64(o, "remaining", host[i].quota_left);
        out_u64(o, "limit", host[i].quota);
        out_i64(o, "resets_s", (host[i].quota_resets_unix_ms - now_ms) / 1000);
        out_object_end(o);
        return;
    }
    out_null(o, "hub_quota");
}

static char *now_json(const struct daemon *d)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    interfaces_json(&o, &d->network->rates);
    out_list(&o, "jobs");
    for (size_t i = 0; i < d->jobs.n; i++)
        if (job_running(d->jobs.list[i]) && d->jobs.list[i]->status)
            job_traffic_json(&o, d->jobs.list[i]);
    out_list_end(&o);
    quota_json(&o, d);
    out_object_end(&o);
    return out_take(&o, NULL);
}

/* ---- reading ---- */

/* True when there are rates of now. */
static bool look(struct network *n, uint64_t now_ns)
{
    struct netdevs now = { 0 };
    if (!netdev_read(&now, now_ns)) {
        n->reading.at_ns = n->rates.at_ns = 0;
        return false;
    }
    uint64_t passed_ns = n->reading.at_ns ? now_ns - n->reading.at_ns : UINT64_MAX;
    bool rated = passed_ns >= LEAST_NS && passed_ns <= MOST_NS;
    if (rated)
        netdev_rates(&n->rates, &n->reading, &now);
    else
        n->rates.at_ns = 0;
    if (rated || passed_ns > MOST_NS)
        n->reading = now;
    if (rated && passed_ns >= SAMPLE_NS / 2)
        traffic_add(n->traffic, &n->rates, (int64_t)time(NULL));
    return rated;
}

static void answer_askers(struct network *n, const char *json)
{
    struct hfp_err err = { 0 };
    if (!json)
        fault(&err, HFP_E_IO, "the kernel's figures cannot be read (/proc/net/dev).");
    askers_tell(&n->askers, json, json ? strlen(json) : 0, json ? NULL : &err);
}

static void tell(struct daemon *d, const char *json)
{
    struct network *n = d->network;
    struct out o = { 0 };
    if (feed_readers(d->feed) == 0 || (n->told && strcmp(n->told, json) == 0))
        return;
    free(n->told);
    n->told = strdup(json);
    out_put(&o, json, strlen(json));
    feed_push(d->feed, "network", &o);
    feed_flush(d->feed);
}

uint64_t network_turn(struct daemon *d, uint64_t now_ns)
{
    struct network *n = d->network;
    if (!n->askers && feed_readers(d->feed) == 0 && jobs_running(&d->jobs) == 0)
        return UINT64_MAX;
    uint64_t every_ns = n->askers ? LEAST_NS : SAMPLE_NS, due_ns = n->reading.at_ns + every_ns;
    if (n->reading.at_ns && now_ns < due_ns)
        return due_ns;
    bool first = n->reading.at_ns == 0 || now_ns > n->reading.at_ns + MOST_NS;
    bool rated = look(n, now_ns);
    if (!rated && n->reading.at_ns && first)
        return now_ns + every_ns;
    char *json = rated ? now_json(d) : NULL;
    answer_askers(n, json);
    if (json)
        tell(d, json);
    free(json);
    return now_ns + SAMPLE_NS;
}

void network_free(struct network *n)
{
    if (!n)
        return;
    answer_askers(n, NULL);
    traffic_free(n->traffic);
    free(n->told);
    free(n);
}

/* ---- routes ---- */

void network_now_route(struct route_call *c)
{
    struct network *n = c->daemon->network;
    uint64_t now_ns = clock_mono_ns();
    if (!askers_add(&n->askers, reply_told, c->request, now_ns))
        return;
    if (n->rates.at_ns && now_ns < n->rates.at_ns + SAMPLE_NS * 3 / 2) {
        char *json = now_json(c->daemon);
        answer_askers(n, json);
        free(json);
    } else {
        daemon_again(c->daemon);
    }
}

struct mark {
    uint64_t unix_s;
    bool end;
    const struct job *job;
};

static int by_time(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    return x->unix_s < y->unix_s ? -1 : x->unix_s > y->unix_s;
}

static void marks_json(struct out *o, const struct jobs *q, uint64_t from_s)
{
    struct mark *mark = calloc(2 * q->n + 1, sizeof *mark);
    size_t n = 0;
    for (size_t i = 0; mark && i < q->n; i++) {
        const struct job *j = q->list[i];
        if (j->ask.verb == HFP_PLAN || j->removed)
            continue;
        if (j->started_ms / 1000 >= from_s)
            mark[n++] = (struct mark){ j->started_ms / 1000, false, j };
        if (j->started_ms && job_ended(j) && j->ended_ms / 1000 >= from_s)
            mark[n++] = (struct mark){ j->ended_ms / 1000, true, j };
    }
    if (mark)
        qsort(mark, n, sizeof *mark, by_time);
    out_list(o, "marks");
    for (size_t i = n > MARKS_MAX ? n - MARKS_MAX : 0; i < n; i++) {
        out_list(o, NULL);
        out_u64(o, NULL, mark[i].unix_s);
        out_text(o, NULL, mark[i].end ? "end" : "start");
        out_text(o, NULL, mark[i].job->id);
        out_text(o, NULL, mark[i].job->ask.repo);
        out_list_end(o);
    }
    out_list_end(o);
    free(mark);
}

void network_history_route(struct route_call *c)
{
    struct out o = { 0 };
    const char *span = http_query(c->request, "span");
    bool day = span && strcmp(span, "day") == 0;
    if (span && !day && strcmp(span, "hour") != 0) {
        reply_problem(c->request, 400, "E_ARG", "span: has to be hour or day.");
        return;
    }
    int64_t now_s = (int64_t)time(NULL), long_s = day ? 24 * 3600 : 3600;
    out_object(&o, NULL);
    traffic_json(&o, c->daemon->network->traffic, day, now_s);
    marks_json(&o, &c->daemon->jobs, (uint64_t)(now_s > long_s ? now_s - long_s : 0));
    out_object_end(&o);
    reply_json(c->request, 200, &o, NULL);
}
