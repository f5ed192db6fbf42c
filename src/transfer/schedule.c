#include "transfer/internal.h"

#include "base/auto.h"

#include <string.h>

/* A half is worth a new request when the rest would take this many latencies, and at least this long. */
#define STEAL_LATENCIES 4
#define STEAL_MIN_NS NS_PER_S
/* A buffer that is being written or hashed comes back within this, or the disk is what all wait for. */
#define STARVED_NS NS_PER_S

static uint32_t connections_cap(const struct transfer *t)
{
    return t->config.max_connections != 0 ? MIN(t->config.max_connections, FIXED_MAX) : LEARN_MAX;
}

static bool runs(const struct fetch *f)
{
    for (const struct segment *s = f->segments; s; s = s->next)
        if (s->state == SEG_RUN)
            return true;
    return false;
}

/* Only one request at a time asks the Hub where a file is; the others wait for its answer. Where a signed part is, its
 * owner says. Where each answer is the whole file, only one request at a time makes sense at all. */
static bool may_ask(const struct fetch *f)
{
    bool where = f->location || (!f->locating && !f->is_signed);
    return where && !f->held && !(fetch_is_single(f) && runs(f));
}

/* A second request for a range, while the first is silent. */
static bool may_ask_again(const struct fetch *f)
{
    return !f->held && (f->location || !f->is_signed);
}

static bool remote_takes(const struct transfer *t, const struct fetch *f, uint64_t now_ns)
{
    return f->remote->running < f->remote->learn.target &&
           hosts_not_before(t->config.hosts, f->remote->name, now_ns) <= now_ns;
}

static struct segment *waiting_segment(struct fetch *f, uint64_t now_ns)
{
    for (struct segment *s = f->segments; s; s = s->next)
        if (s->state == SEG_WAIT && !s->exhausted && s->not_before_ns <= now_ns)
            return s;
    return NULL;
}

static bool group_any_exhausted(const struct group *g)
{
    for (const struct fetch *f = g->fetches; f; f = f->next)
        for (const struct segment *s = f->segments; s; s = s->next)
            if (s->exhausted)
                return true;
    return false;
}

/* What was lost first, then the window in order; files in the order they came. */
static struct segment *next_in_order(struct group *g, uint64_t now_ns)
{
    bool stuck = group_any_exhausted(g); /* the line gives nothing: do not open more of the window on it */
    for (struct fetch *f = g->fetches; f; f = f->next) {
        if (f->failed || !may_ask(f) || !remote_takes(g->transfer, f, now_ns))
            continue;
        struct segment *s = waiting_segment(f, now_ns);
        if (!s && !stuck)
            s = fetch_next_segment(f, now_ns);
        if (s && fetch_is_single(f))
            segment_absorb(s);
        if (s)
            return s;
    }
    return NULL;
}

static uint64_t rest_ns(const struct segment *s)
{
    const struct runner *r = s->run[0];
    uint64_t rate = MAX(r->rate_bytes_per_s, 1);
    unsigned __int128 ns = (unsigned __int128)(s->end - s->pos) * NS_PER_S / rate;
    return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* Nothing is left to hand out: take half of what will last longest. */
static struct segment *steal(struct group *g, uint64_t now_ns)
{
    struct segment *slowest = NULL;
    uint64_t longest_ns = 0;
    /* What we hold back ourselves comes no sooner over two connections than over one. */
    if (limit_binds(&g->limit) || limit_binds(&g->transfer->limit))
        return NULL;
    for (struct fetch *f = g->fetches; f; f = f->next) {
        if (f->failed || !f->location || !remote_takes(g->transfer, f, now_ns) || fetch_is_single(f))
            continue;
        uint64_t worth_ns = MAX(f->remote->latency_ns * STEAL_LATENCIES, STEAL_MIN_NS);
        for (struct segment *s = f->segments; s; s = s->next) {
            if (s->state != SEG_RUN || s->run[1] || s->run[0]->state != RUN_BODY || s->run[0]->held != FLOWS ||
                !segment_splits(s) || ns_since(now_ns, s->run[0]->start_ns) < worth_ns)
                continue;
            uint64_t ns = rest_ns(s);
            if (ns > worth_ns && ns > longest_ns) {
                longest_ns = ns;
                slowest = s;
            }
        }
    }
    return slowest ? segment_split(slowest, now_ns) : NULL;
}

static bool silent(const struct transfer *t, const struct segment *s, uint64_t now_ns)
{
    const struct runner *r = s->run[0];
    const struct deadlines *d = &t->config.deadlines;
    uint64_t patience_ns = segment_is_head(s) ? MIN(d->head_silence_ns, d->silence_ns) : d->silence_ns;
    return r->state == RUN_BODY && r->held == FLOWS && ns_since(now_ns, r->last_byte_ns) >= patience_ns;
}

/* A silent range is asked for elsewhere too; first bytes win. */
static struct segment *hedge(struct group *g, uint64_t now_ns)
{
    for (struct fetch *f = g->fetches; f; f = f->next)
        for (struct segment *s = f->segments; s; s = s->next)
            if (may_ask_again(f) && s->state == SEG_RUN && !s->run[1] && s->not_before_ns <= now_ns &&
                silent(g->transfer, s, now_ns) &&
                hosts_not_before(g->transfer->config.hosts, f->remote->name, now_ns) <= now_ns) {
                struct runner *r = s->run[0];
                s->lost_peer = r->peer;
                if (!r->peer_now.proxied)
                    hosts_failed(g->transfer->config.hosts, r->remote->name, r->peer_now.address, now_ns);
                return s;
            }
    return NULL;
}

/* A paused job's held connections give way to a job that runs. */
static void make_place(struct transfer *t)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        if (t->runner[i].state != RUN_IDLE && t->runner[i].fetch->group->paused) {
            runner_cut(&t->runner[i], NULL);
            return;
        }
}

/* The last connection to f's host that has long waited for a buffer and serves no head. */
static struct runner *long_starved(struct transfer *t, const struct fetch *f, uint64_t now_ns)
{
    for (unsigned i = RUNNERS_MAX; i-- > 0;) {
        struct runner *r = &t->runner[i];
        if (r->state == RUN_BODY && r->held == HELD_BUFFER && r->segment && r->remote == f->remote &&
            ns_since(now_ns, r->held_since_ns) >= STARVED_NS && !segment_is_head(r->segment))
            return r;
    }
    return NULL;
}

/* Where what arrives is used in order (Xet), buffers come back only through the head. When it has lost its connection
 * and all the others wait for a buffer, one of them gives up its place; what it has received stays. */
static void make_way_for_head(struct group *g, uint64_t now_ns)
{
    struct transfer *t = g->transfer;
    struct fetch *f = g->fetches;
    while (f && !f->segments)
        f = f->next;
    if (!f || f->failed || !may_ask(f) || waiting_segment(f, now_ns) != f->segments)
        return;
    struct runner *r;
    while ((f->remote->running >= f->remote->learn.target || t->running >= connections_cap(t)) &&
           (r = long_starved(t, f, now_ns))) {
        struct segment *s = r->segment;
        runner_cut(r, NULL);
        s->not_before_ns = now_ns + STARVED_NS;
    }
}

static bool group_start_one(struct group *g, uint64_t now_ns)
{
    struct transfer *t = g->transfer;
    uint32_t cap = connections_cap(t);
    if (t->running >= cap)
        make_place(t);
    make_way_for_head(g, now_ns);
    struct segment *s = NULL;
    uint32_t hedges = t->config.max_connections != 0 ? 0 : HEDGES;
    if (t->running < cap + hedges)
        s = hedge(g, now_ns);
    if (!s && t->running < cap)
        s = next_in_order(g, now_ns);
    if (!s && t->running < cap && !group_any_exhausted(g))
        s = steal(g, now_ns);
    return s && runner_start(t, s);
}

/* all: a round begins, and with it the question where each file is: a location may be dead without a word of it. */
static void revive(struct group *g, bool all, uint64_t now_ns)
{
    for (struct fetch *f = g->fetches; f; f = f->next) {
        if (all && f->location)
            fetch_forget_location(f, &g->patience->why);
        for (struct segment *s = f->segments; s; s = s->next)
            if (s->exhausted && (all || g->patience->last_progress_ns >= s->series_ns)) {
                s->exhausted = false;
                s->attempt = 0;
                s->not_before_ns = now_ns;
            }
    }
}

static bool group_all_exhausted(const struct group *g)
{
    bool any = false;
    for (const struct fetch *f = g->fetches; f; f = f->next)
        for (const struct segment *s = f->segments; s; s = s->next) {
            if (!s->exhausted)
                return false;
            any = true;
        }
    return any && g->running == 0;
}

/* A round ends when every range that is asked for has been refused often enough and nothing arrived meanwhile. */
static void group_rounds(struct group *g, uint64_t now_ns)
{
    revive(g, false, now_ns);
    if (!group_all_exhausted(g))
        return;
    struct hfp_err err;
    if (patience_round_over(g->patience, now_ns, random_next(&g->transfer->random), &err) == HFP_OK) {
        revive(g, true, now_ns);
        return;
    }
    g->over = true;
    g->events.gave_up(g->events.ctx, &err);
}

static bool group_may_start(const struct group *g, uint64_t now_ns)
{
    return !g->paused && !g->over && g->patience->wait_until_ns <= now_ns;
}

/* No job starves beside another: who has the fewest connections comes first, and then who has waited longest for a byte. */
static struct group *hungriest(struct transfer *t)
{
    struct group *best = NULL;
    for (struct group *g = t->groups; g; g = g->next) {
        if (g->served)
            continue;
        bool fewer = !best || g->running < best->running;
        if (fewer || (g->running == best->running && g->last_byte_ns < best->last_byte_ns))
            best = g;
    }
    return best;
}

void schedule(struct transfer *t, uint64_t now_ns)
{
    for (struct group *g = t->groups; g; g = g->next)
        if (group_may_start(g, now_ns))
            group_rounds(g, now_ns);
    for (struct group *g = t->groups; g; g = g->next)
        g->served = !group_may_start(g, now_ns);
    for (struct group *g; (g = hungriest(t));)
        g->served = !group_start_one(g, now_ns);
}

uint64_t schedule_next_ns(const struct transfer *t, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    for (const struct group *g = t->groups; g; g = g->next) {
        if (g->paused || g->over)
            continue;
        if (g->patience->wait_until_ns > now_ns) {
            next = MIN(next, g->patience->wait_until_ns);
            continue;
        }
        for (const struct fetch *f = g->fetches; f; f = f->next) {
            uint64_t host_ns = hosts_not_before(t->config.hosts, f->remote->name, now_ns);
            if (host_ns > now_ns && fetch_busy(f))
                next = MIN(next, host_ns);
            for (const struct segment *s = f->segments; s; s = s->next)
                if (s->state == SEG_WAIT && !s->exhausted && s->not_before_ns > now_ns)
                    next = MIN(next, s->not_before_ns);
        }
    }
    return next;
}
