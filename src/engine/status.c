#include "engine/blob.h"

#include <stdio.h>
#include <string.h>

#define RATE_SAMPLES 20              /* 5 s */
#define ETA_MIN_SAMPLES RATE_SAMPLES /* none before 5 s of data */

/* What of a content counts as checked, before its end does. */
static uint64_t checked_of(const struct blob *b)
{
    switch (b->state) {
    case BLOB_NEW:
    case BLOB_END:
        return 0;
    case BLOB_PROVE:
        return atomic_load(&b->read_bytes);
    default:
        return b->counted_bytes - MIN(b->counted_bytes, b->counted_proved_bytes);
    }
}

static void count_checked(struct job *job)
{
    struct hfp_status *s = &job->status;
    uint64_t n = s->proved_bytes + job->unproved_bytes;
    for (const struct blob *b = job->blobs; b; b = b->next)
        n += checked_of(b);
    s->checked_bytes = MAX(s->checked_bytes, MIN(n, s->total_bytes));
}

/* The counts never run back (P8): what has to be fetched again is not subtracted, it shows as `repairing`. */
void status_counts(struct job *job)
{
    struct hfp_status *s = &job->status;
    s->elapsed_ns = ns_since(core_now(job->core), job->start_ns);
    memcpy(s->commit, job->commit, sizeof s->commit);
    s->stale = job->stale;
    s->rounds = job->patience.round;
    s->requests = job->api_requests + (job->api ? api_requests(job->api) : 0);
    if (job_proves_anew(job))
        count_checked(job);
    if (!job->group)
        return;
    const struct group_stats *g = group_stats(job->group);
    s->wire_bytes = g->wire_bytes;
    s->copied_bytes = g->copied_bytes + job->elsewhere_bytes;
    s->fetched_bytes = g->received_bytes - g->copied_bytes;
    s->requests += g->requests;
    s->connections_lost = g->lost;
    memcpy(s->errors, g->errors, sizeof s->errors);
    uint64_t received = job->base_received + g->received_bytes;
    received -= MIN(received, job->refetched_debt);
    received = MAX(received, s->recorded_bytes);
    s->received_bytes = MAX(s->received_bytes, MIN(received, s->total_bytes));
}

static const struct sample *sample_back(const struct job *job, unsigned n)
{
    return &job->sample[(job->sample_at + SAMPLES - n) % SAMPLES];
}

/* Of the last n samples. */
static struct sample gain(const struct job *job, unsigned n)
{
    const struct sample *a = sample_back(job, n), *b = sample_back(job, 0);
    return (struct sample){ b->ns - a->ns, b->received_bytes - a->received_bytes, b->checked_bytes - a->checked_bytes };
}

static uint64_t per_s(uint64_t bytes, uint64_t ns)
{
    return ns ? (uint64_t)((unsigned __int128)bytes * NS_PER_S / ns) : 0;
}

/* A range from the fastest and the slowest 5 s of the last minute, with the mean between them. */
static void eta(struct job *job)
{
    struct hfp_status *s = &job->status;
    s->eta_low_s = s->eta_high_s = UINT64_MAX;
    bool anew = job_proves_anew(job);
    uint64_t now = anew ? s->checked_bytes_per_s : s->rate_bytes_per_s;
    if (job->samples <= ETA_MIN_SAMPLES || s->stalled || now == 0)
        return;
    struct sample all = gain(job, MIN(job->samples, SAMPLES) - 1);
    uint64_t mean = per_s(anew ? all.checked_bytes : all.received_bytes, all.ns);
    uint64_t fast = MAX(mean, now), slow = MIN(mean, now);
    uint64_t rest = s->total_bytes - MIN(anew ? s->checked_bytes : s->received_bytes, s->total_bytes);
    if (slow == 0)
        return;
    s->eta_low_s = rest / fast;
    s->eta_high_s = (rest + slow - 1) / slow;
}

static void sample(struct job *job, uint64_t now_ns)
{
    job->sample_at = (job->sample_at + 1) % SAMPLES;
    job->sample[job->sample_at] = (struct sample){ now_ns, job->status.received_bytes, job->status.checked_bytes };
    job->samples++;
    struct sample last = gain(job, MIN(job->samples - 1, RATE_SAMPLES));
    job->status.rate_bytes_per_s = per_s(last.received_bytes, last.ns);
    job->status.checked_bytes_per_s = per_s(last.checked_bytes, last.ns);
    eta(job);
}

static void fronts(struct job *job)
{
    struct hfp_status *s = &job->status;
    s->fronts = 0;
    s->connections = s->connections_silent = s->connections_asked = s->connections_held = 0;
    struct group_look g;
    if (!job->group)
        return;
    group_look(&g, job->group);
    s->connections = g.running;
    s->connections_silent = g.silent;
    s->connections_asked = g.connecting;
    s->connections_held = g.held_limit + g.held_buffer;
    for (const struct blob *b = job->blobs; b && s->fronts < HFP_FRONTS; b = b->next) {
        struct fetch_look look;
        if (b->small || !sourcing_look(&look, b))
            continue;
        const struct peer_name *peer = transfer_peer(job->core->transfer, look.peer);
        struct hfp_front *front = &s->front[s->fronts++];
        *front = (struct hfp_front){ .size_bytes = b->file->size_bytes,
                                     .recorded_bytes = b->counted_bytes,
                                     .rate_bytes_per_s = look.rate_bytes_per_s,
                                     .rtt_us = look.rtt_us,
                                     .retransmits = look.retransmits };
        size_t n = strlen(b->file->path);
        if (n < sizeof front->path)
            memcpy(front->path, b->file->path, n + 1);
        else
            snprintf(front->path, sizeof front->path, "%.120s...%s", b->file->path, b->file->path + n - 120);
        snprintf(front->host, sizeof front->host, "%s", peer->host);
        snprintf(front->address, sizeof front->address, "%s", peer->address);
        front->family = !peer->address[0] ? HFP_ANY_FAMILY : strchr(peer->address, ':') ? HFP_IPV6 : HFP_IPV4;
    }
}

void status_tick(struct job *job, uint64_t now_ns)
{
    if (job->step == STEP_ENDED || ns_since(now_ns, job->tick_ns) < STATUS_TICK_NS)
        return;
    status_counts(job);
    fronts(job);
    sample(job, now_ns);
    waiting_look(job, now_ns);
    job->tick_ns = now_ns;
    if (!job->paused)
        note_state(job, HFP_EV_PROGRESS);
}

/* What is over does not wait. The speed of a job that ended before its second look is the mean of all of it. */
void status_last(struct job *job, uint64_t now_ns)
{
    struct hfp_status *s = &job->status;
    uint64_t passed_ns = ns_since(now_ns, job->start_ns);
    status_counts(job);
    s->stalled = false;
    s->wait = HFP_NOT_WAITING;
    s->wait_text[0] = 0;
    if (job->samples < 2 && passed_ns > 0 && s->received_bytes > job->base_received)
        s->rate_bytes_per_s = per_s(s->received_bytes - job->base_received, passed_ns);
}

/* No tick comes while nothing may move: the time of the pause is counted at its end, and no rate spans it. */
void status_paused(struct job *job, uint64_t now_ns)
{
    struct hfp_status *s = &job->status;
    s->wait = job->paused ? HFP_WAIT_PAUSED : HFP_NOT_WAITING;
    snprintf(s->wait_text, sizeof s->wait_text, "%s", job->paused ? "paused" : "");
    s->rate_bytes_per_s = s->checked_bytes_per_s = 0;
    s->eta_low_s = s->eta_high_s = UINT64_MAX;
    job->samples = 0;
    if (!job->paused)
        s->waited_ns[HFP_WAIT_PAUSED] += ns_since(now_ns, job->tick_ns);
    job->tick_ns = now_ns;
}

uint64_t status_next_ns(const struct job *job)
{
    return job->step == STEP_ENDED || (job->paused && !job->ending) ? UINT64_MAX : job->tick_ns + STATUS_TICK_NS;
}
