#include "transfer/internal.h"

#include "base/auto.h"

#include <stdlib.h>

#define TICK_NS (250 * NS_PER_MS)      /* rates, deadlines: four looks a second are enough for limits of seconds */
#define PAUSE_KEEPS_NS (30 * NS_PER_S) /* a paused job holds its connections for so long */
#define SLOW_PEERS_MIN 2               /* slow is only ever said beside others: 5 KB/s on a 5 KB/s line is healthy */

static bool runner_streams(const struct runner *r)
{
    return r->state == RUN_BODY && r->segment && r->held == FLOWS;
}

static void rate_update(struct runner *r, uint64_t passed_ns)
{
    uint64_t rate = (uint64_t)((unsigned __int128)r->window_bytes * NS_PER_S / passed_ns);
    r->window_bytes = 0;
    r->rate_bytes_per_s = r->rate_bytes_per_s == 0 ? rate : (r->rate_bytes_per_s * 3 + rate) / 4;
}

static void fetch_rates(struct transfer *t, uint64_t passed_ns)
{
    for (struct group *g = t->groups; g; g = g->next)
        for (struct fetch *f = g->fetches; f; f = f->next) {
            uint64_t rate = (uint64_t)((unsigned __int128)f->window_bytes * NS_PER_S / passed_ns);
            f->window_bytes = 0;
            f->rate_bytes_per_s = (f->rate_bytes_per_s * 7 + rate) / 8; /* a mean of about 2 s */
        }
}

static int compare_rates(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median rate of the others on the same server; who was asked for the same range is none of them. The last one of a
 * file has none beside it: then what requests to this server gave so far, which each cut halves, so that a line that became
 * slow as a whole is soon the measure. */
static uint64_t peers_rate(const struct transfer *t, const struct runner *me, bool *alone)
{
    uint64_t rates[RUNNERS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &t->runner[i];
        if (r->segment != me->segment && r->state != RUN_IDLE && r->remote == me->remote && runner_streams(r))
            rates[n++] = r->rate_bytes_per_s;
    }
    *alone = n == 0;
    if (n < SLOW_PEERS_MIN)
        return *alone ? me->remote->rate_bytes_per_s : 0;
    qsort(rates, n, sizeof *rates, compare_rates);
    return rates[n / 2];
}

static void watch_slow(struct transfer *t, struct runner *r, uint64_t passed_ns, uint64_t now_ns)
{
    bool alone = false;
    uint64_t peers = runner_streams(r) ? peers_rate(t, r, &alone) : 0;
    if (peers == 0 && r->slow_since_ns != 0 && runner_streams(r))
        peers = r->peers_bytes_per_s; /* they have finished meanwhile; what they showed of the line still holds */
    r->peers_bytes_per_s = peers;
    /* Alone and silent is a matter of the silence deadlines: a line that pauses for 16 s is healthy. So a pause does not
     * count; but what trickles between two pauses does. */
    if (alone && ns_since(now_ns, r->last_byte_ns) >= t->config.deadlines.head_silence_ns) {
        if (r->slow_since_ns != 0)
            r->slow_since_ns += passed_ns;
        return;
    }
    if (r->rate_bytes_per_s * SLOW_RATIO >= peers) {
        r->slow_since_ns = 0;
        return;
    }
    if (r->slow_since_ns == 0)
        r->slow_since_ns = now_ns;
    if (ns_since(now_ns, r->slow_since_ns) < t->config.deadlines.slow_ns)
        return;
    struct hfp_err err;
    if (alone)
        r->remote->rate_bytes_per_s /= 2;
    err_set(&err, HFP_E_SLOW, "%s %s crept at a fraction of the other connections", r->remote->name,
            r->peer_now.address);
    runner_cut(r, &err);
}

/* Two are asked for its range, and it is no help: it fell silent before it brought a byte, and the other has moved
 * since, or is silent too, and has brought something: then a third one is worth more. Where a connection brings what is
 * wanted it wins at once; where the server knows no ranges it may skip for long. */
static bool helps_nobody(const struct runner *r, uint64_t silence_ns, uint64_t now_ns)
{
    const struct segment *s = r->segment;
    const struct runner *other = s->run[0] == r ? s->run[1] : s->run[0];
    if (r->bytes > 0 || !other || other->state != RUN_BODY)
        return false;
    return other->last_byte_ns > MAX(r->last_byte_ns, other->body_ns) || /* an answer alone is no byte */
           (other->bytes > 0 && ns_since(now_ns, other->last_byte_ns) > silence_ns);
}

static void watch_body(struct transfer *t, struct runner *r, uint64_t now_ns)
{
    const struct deadlines *d = &t->config.deadlines;
    if (r->held != FLOWS) { /* we ourselves do not read: that is not silence */
        r->last_byte_ns = now_ns;
        r->remote->limited = true;
        if (r->fetch->group->paused && ns_since(now_ns, r->fetch->group->paused_ns) > PAUSE_KEEPS_NS)
            runner_cut(r, NULL);
        return;
    }
    uint64_t silent_ns = ns_since(now_ns, r->last_byte_ns);
    bool no_hedge = t->config.max_connections != 0 && t->running >= t->config.max_connections;
    struct hfp_err err;
    if (silent_ns > d->cut_ns || ((no_hedge || helps_nobody(r, d->silence_ns, now_ns)) && silent_ns > d->silence_ns)) {
        err_set(&err, HFP_E_SILENT, "%s %s sent nothing for %llu s", r->remote->name, r->peer_now.address,
                (unsigned long long)(silent_ns / NS_PER_S));
        runner_cut(r, &err);
    }
}

static void watch_one(struct transfer *t, struct runner *r, uint64_t now_ns)
{
    const struct deadlines *d = &t->config.deadlines;
    uint64_t in_state_ns = ns_since(now_ns, r->since_ns);
    struct hfp_err err;
    switch (r->state) {
    case RUN_CONNECTING:
        if (in_state_ns > d->connect_ns) {
            err_set(&err, HFP_E_CONNECT, "no connection to %s within %llu s", r->remote->name,
                    (unsigned long long)(d->connect_ns / NS_PER_S));
            runner_cut(r, &err);
        }
        break;
    case RUN_ASKED:
        if (in_state_ns > d->first_byte_ns) {
            err_set(&err, HFP_E_TIMEOUT, "%s %s did not answer within %llu s", r->remote->name, r->peer_now.address,
                    (unsigned long long)(d->first_byte_ns / NS_PER_S));
            runner_cut(r, &err);
        }
        break;
    case RUN_DRAIN: /* nothing in it is wanted: neither silence nor a trickle may hold it up */
        if (ns_since(now_ns, r->last_byte_ns) > d->head_silence_ns || in_state_ns > d->first_byte_ns)
            runner_end_drain(r);
        break;
    case RUN_BODY:
        if (r->segment)
            watch_body(t, r, now_ns);
        else if (ns_since(now_ns, r->last_byte_ns) > d->head_silence_ns)
            runner_cut(r, NULL); /* its range is complete, only the end of the answer is missing */
        break;
    default:
        break;
    }
}

static void tick(struct transfer *t, uint64_t now_ns)
{
    uint64_t passed_ns = ns_since(now_ns, t->tick_ns);
    t->tick_ns = now_ns;
    fetch_rates(t, passed_ns);
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        struct runner *r = &t->runner[i];
        if (r->state == RUN_IDLE)
            continue;
        rate_update(r, passed_ns);
        t->config.http->peer(t->config.http, &r->request, &r->peer_now);
        watch_one(t, r, now_ns);
        if (r->state == RUN_BODY)
            watch_slow(t, r, passed_ns, now_ns);
    }
}

void watch_runners(struct transfer *t, uint64_t now_ns)
{
    if (ns_since(now_ns, t->tick_ns) >= TICK_NS)
        tick(t, now_ns);
}

/* A server that punishes many streams lets each of them creep until there are fewer. Nothing received is lost: the
 * ranges are asked for again from the next byte on, by those that stay. The youngest go first. */
static void shed(struct transfer *t, const struct remote *remote)
{
    while (remote->running > remote->learn.target) {
        struct runner *youngest = NULL;
        for (unsigned i = 0; i < RUNNERS_MAX; i++) {
            struct runner *r = &t->runner[i];
            if (r->state != RUN_IDLE && r->remote == remote && (!youngest || r->start_ns > youngest->start_ns))
                youngest = r;
        }
        if (!youngest)
            return;
        runner_cut(youngest, NULL);
    }
}

/* After the free places were filled: a host that has fewer requests now had nothing more to be asked for. */
void watch_learn(struct transfer *t, uint64_t now_ns)
{
    for (unsigned i = 0; i < t->remotes; i++) {
        struct remote *r = &t->remote[i];
        if (learn_tick(&r->learn, r->running, r->limited, r->latency_ns, now_ns))
            log_debug(t->config.log, "%s: %u connections", r->name, r->learn.target);
        if (r->learn.collapsed)
            shed(t, r);
        r->learn.collapsed = false;
        r->limited = false;
    }
}

static bool unhold_one(struct transfer *t, struct runner *r, uint64_t now_ns)
{
    if (r->state == RUN_IDLE || r->held == FLOWS || !r->segment)
        return false;
    if (r->held == HELD_PAUSE) {
        if (r->fetch->group->paused || r->fetch->held)
            return false;
    } else if (r->held == HELD_LIMIT) {
        if (!limit_open(&r->fetch->group->limit, now_ns) || !limit_open(&t->limit, now_ns))
            return false;
    } else if (!pool_has(t->config.pool, segment_use(r->segment))) {
        return false;
    }
    runner_unhold(r);
    return true;
}

/* Half-filled buffers of ranges that nobody works on, in how many; *last is the one that can best be done without. */
static unsigned gathered_idle(const struct transfer *t, struct segment **last)
{
    unsigned n = 0;
    bool paused = false;
    *last = NULL;
    for (const struct group *g = t->groups; g; g = g->next)
        for (const struct fetch *f = g->fetches; f; f = f->next)
            for (struct segment *s = f->segments; s; s = s->next) {
                if (s->state != SEG_WAIT || !s->buf)
                    continue;
                n++;
                if (g->paused || !paused)
                    *last = s;
                paused |= g->paused;
            }
    return n;
}

static unsigned gathered_running(const struct transfer *t, unsigned *starved)
{
    unsigned n = 0;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &t->runner[i];
        if (r->state == RUN_IDLE || !r->segment)
            continue;
        n += r->segment->buf && r->segment->run[0] == r;
        *starved += r->held == HELD_BUFFER;
    }
    return n;
}

/* The last connection of those that all wait for a buffer, not a head where there is another; NULL: one still moves. */
static struct runner *starved_last(struct transfer *t)
{
    struct runner *last = NULL;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        struct runner *r = &t->runner[i];
        if (r->state == RUN_IDLE || !r->segment)
            continue;
        if (r->held != HELD_BUFFER)
            return NULL;
        if (!last || !segment_is_head(r->segment))
            last = r;
    }
    return last;
}

/* A buffer that is being written or hashed comes back by itself; one that waits for a connection may wait for ever, for
 * the connections may all wait for a buffer. So when none is on its way back, a waiting one is emptied; and when there
 * is none (a pool smaller than its connections), one connection makes room for the head. */
static bool watch_reclaim(struct transfer *t, uint64_t now_ns)
{
    struct segment *last;
    unsigned starved = 0, idle = gathered_idle(t, &last);
    unsigned running = gathered_running(t, &starved);
    if (starved == 0 || pool_taken(t->config.pool) > idle + running + t->parked)
        return false;
    if (last)
        return segment_rewind(last);
    struct runner *r = starved_last(t);
    if (!r)
        return false;
    struct segment *s = r->segment;
    runner_cut(r, NULL);
    s->not_before_ns = now_ns + NS_PER_S;
    return true;
}

unsigned transfer_starving(const struct transfer *t)
{
    unsigned n = 0;
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        n += t->runner[i].state != RUN_IDLE && t->runner[i].held == HELD_BUFFER;
    return n;
}

static void unhold_starved(struct transfer *t, uint64_t now_ns)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        if (t->runner[i].held == HELD_BUFFER)
            unhold_one(t, &t->runner[i], now_ns);
}

/* Lets held connections go on where the reason is gone. For buffers the head of a window comes first, for it holds up
 * the hash; for the limit they take turns, or the last would be idle until its server hangs up. */
void watch_unhold(struct transfer *t, uint64_t now_ns)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        struct runner *r = &t->runner[i];
        bool head = r->state != RUN_IDLE && r->held == HELD_BUFFER && segment_is_head(r->segment);
        if (head || r->held == HELD_PAUSE)
            unhold_one(t, r, now_ns);
    }
    unhold_starved(t, now_ns);
    while (watch_reclaim(t, now_ns))
        unhold_starved(t, now_ns);
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        unsigned at = (t->unhold_at + i) % RUNNERS_MAX;
        if (t->runner[at].held == HELD_LIMIT && unhold_one(t, &t->runner[at], now_ns)) {
            t->unhold_at = at + 1;
            break; /* it may take all there is; if not, the next one follows in a millisecond */
        }
    }
}

uint64_t watch_next_ns(const struct transfer *t, uint64_t now_ns)
{
    uint64_t next = t->running > 0 ? t->tick_ns + TICK_NS : UINT64_MAX;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &t->runner[i];
        if (r->state == RUN_IDLE || r->held != HELD_LIMIT)
            continue;
        uint64_t opens = MAX(limit_opens_ns(&r->fetch->group->limit, now_ns), limit_opens_ns(&t->limit, now_ns));
        next = MIN(next, MAX(opens, now_ns + NS_PER_MS)); /* finer than a millisecond only costs wake-ups */
    }
    return next;
}
