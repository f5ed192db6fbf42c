#include "transfer/internal.h"

#include "base/auto.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How far the window reaches beyond the front: far enough that a late head does not stop the others for some seconds,
 * near enough that hashing ends with the last byte (facts: static ranges leave 2 s of hashing, a moving window 0.01 s). */
#define WINDOW_MIN_BYTES (32 * BLOCK)
#define SEGMENT_MIN_BYTES (4 * BLOCK)
/* The gap between two requests is about one latency; at this many latencies of bytes it costs under 2 %. */
#define SEGMENT_LATENCIES 50
/* Per connection: a block takes 30 ms at most, so who waits for the head's does not wait long, and CPU is what is short. */
#define FAST_BYTES_PER_S (32 * BLOCK)
/* What is in flight, of 24 buffers: best so much, for the rest is being written and hashed; at most so much. */
#define FAST_IN_FLIGHT (16 * BLOCK)
#define FAST_IN_FLIGHT_MAX (24 * BLOCK)
/* On a fast line the other connections fill one's gap, up to this: a tenth of its time. TCP does not fill more: each gap
 * fills a queue on the way when it is over, and with longer ones 1 Gbit/s of 50 ms lost a tenth. Where all of them bring
 * more than this, a block that has to be read back costs more than a gap: then up to a third. */
#define FAST_LATENCIES 10
#define BUSY_BYTES_PER_S (512 * BLOCK)
#define BUSY_LATENCIES 2
/* Of a piece of a signed range, as far as it stays short: then the gap is a quarter of its time. */
#define SIGNED_LATENCIES 3
/* What one connection brings is then all that two cores decode, hash and write. */
#define DEAR_BYTES_PER_S (256 * BLOCK)
#define WRITERS 2 /* buffers on their way to the disk */

static bool bit_get(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint64_t i, bool on)
{
    if (on)
        bits[i / 8] |= (uint8_t)(1u << (i % 8));
    else
        bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

int fetch_new(struct fetch **out, struct group *g, const struct fetch_spec *spec, const struct fetch_events *events,
              struct hfp_err *err)
{
    assert(spec->size_bytes > 0);
    struct fetch *f = calloc(1, sizeof *f);
    uint64_t blocks = blocks_up(spec->size_bytes);
    uint8_t *wanted = calloc(1, (size_t)(blocks / 8 + 1));
    char *url = strdup(spec->url), *location = spec->is_signed ? strdup(spec->url) : NULL;
    if (!f || !wanted || !url || (spec->is_signed && !location)) {
        free(f);
        free(wanted);
        free(url);
        free(location);
        return err_nomem(err);
    }
    *f = (struct fetch){ .group = g,
                         .events = *events,
                         .url = url,
                         .path = spec->path,
                         .size_bytes = spec->size_bytes,
                         .blocks = blocks,
                         .base = spec->base,
                         .uncounted = spec->uncounted,
                         .is_signed = spec->is_signed,
                         .location = location,
                         .wanted = wanted,
                         .lowest_wanted = blocks };
    f->remote = remote_of(g->transfer, url, transfer_now(g->transfer));
    struct fetch **at = &g->fetches;
    while (*at)
        at = &(*at)->next;
    *at = f;
    *out = f;
    return HFP_OK;
}

static void fetch_stop(struct fetch *f)
{
    struct transfer *t = f->group->transfer;
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        if (t->runner[i].state != RUN_IDLE && t->runner[i].fetch == f)
            runner_drop(&t->runner[i]);
    while (f->segments)
        segment_remove(f->segments);
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    fetch_stop(f);
    for (struct fetch **at = &f->group->fetches; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    free(f->wanted);
    free(f->avoid_of);
    free(f->url);
    free(f->location);
    free(f);
}

/* A final no for this file. The owner hears of it once. */
void fetch_fail(struct fetch *f, const struct hfp_err *err)
{
    if (f->failed)
        return;
    f->failed = true;
    fetch_stop(f);
    memset(f->wanted, 0, (size_t)(f->blocks / 8 + 1));
    f->wanted_count = 0;
    f->events.failed(f->events.ctx, err);
}

void fetch_want(struct fetch *f, uint64_t block)
{
    assert(block < f->blocks);
    if (bit_get(f->wanted, block))
        return;
    bit_set(f->wanted, block, true);
    if (f->avoid_of)
        f->avoid_of[block] = f->avoid;
    f->wanted_count++;
    f->lowest_wanted = MIN(f->lowest_wanted, block);
}

void fetch_avoid(struct fetch *f, uint16_t peer)
{
    f->avoid = peer;
    if (peer != 0 && !f->avoid_of) /* without memory for it any server will do */
        f->avoid_of = calloc((size_t)f->blocks, sizeof *f->avoid_of);
}

void fetch_forget_location(struct fetch *f, const struct hfp_err *err)
{
    bool had = f->location != NULL;
    free(ptr_steal(&f->location));
    f->location_number++;
    f->last_served = f->location_served;
    f->location_served = false;
    if (!f->is_signed)
        f->remote = remote_of(f->group->transfer, f->url, transfer_now(f->group->transfer));
    else if (had)
        f->events.expired(f->events.ctx, f->last_served, err);
}

bool fetch_relocate(struct fetch *f, const char *url, bool whole)
{
    char *location = strdup(url);
    if (!location)
        return false;
    f->whole |= whole;
    free(f->location);
    f->location = location;
    f->location_number++;
    f->location_served = false;
    f->remote = remote_of(f->group->transfer, url, transfer_now(f->group->transfer));
    return true;
}

bool fetch_is_single(const struct fetch *f)
{
    return f->whole || f->ranges_ignored >= RANGES_IGNORED_MAX;
}

static uint16_t avoided_of(const struct fetch *f, uint64_t block)
{
    return f->avoid_of ? f->avoid_of[block] : 0;
}

void fetch_hold(struct fetch *f, bool hold)
{
    struct transfer *t = f->group->transfer;
    f->held = hold;
    for (unsigned i = 0; hold && i < RUNNERS_MAX; i++) /* who waited for a buffer does not want one now */
        if (t->runner[i].state != RUN_IDLE && t->runner[i].fetch == f && t->runner[i].held == HELD_BUFFER)
            t->runner[i].held = HELD_PAUSE;
}

void fetch_front(struct fetch *f, uint64_t block)
{
    f->front = block;
}

bool fetch_busy(const struct fetch *f)
{
    return f->wanted_count > 0 || f->segments != NULL;
}

static bool is_fast(const struct remote *r)
{
    return r->best_bytes_per_s >= FAST_BYTES_PER_S;
}

static uint64_t bytes_in(uint64_t bytes_per_s, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)bytes_per_s * ns / NS_PER_S);
}

/* A server that works long for each request and then sends faster than we prove: the official local CAS server reads a
 * whole xorb for each. More requests only take its time, and two connections are as good as sixteen. */
static bool is_dear(const struct remote *r)
{
    return r->best_bytes_per_s >= DEAR_BYTES_PER_S &&
           bytes_in(r->best_bytes_per_s, r->best_latency_ns) >= FAST_IN_FLIGHT_MAX / 2;
}

/* What comes of a signed range is used in file order, so what is in flight has to fit into the buffers, whatever the line
 * is: with short pieces all connections flow until their turn comes. A dear server is asked once for each range, a xorb at
 * most: one connection brings what is used now, and the next one fills the buffers that it leaves. */
static uint64_t signed_blocks(const struct fetch *f)
{
    const struct remote *r = f->remote;
    if (is_dear(r))
        return f->blocks;
    uint64_t most = MIN(MAX(f->group->transfer->config.chunk_bytes, BLOCK), FAST_IN_FLIGHT_MAX / 2);
    uint64_t gap_bytes = bytes_in(r->best_bytes_per_s, r->best_latency_ns);
    uint64_t least = r->best_bytes_per_s == 0 ? SEGMENT_MIN_BYTES : BLOCK;
    uint64_t share = MAX(FAST_IN_FLIGHT / MAX(r->learn.target, 1), least);
    uint64_t pays = MAX(gap_bytes, MIN(gap_bytes * SIGNED_LATENCIES, SEGMENT_MIN_BYTES));
    return MIN(blocks_up(MAX(share, pays)), most / BLOCK);
}

uint64_t segment_length(const struct fetch *f)
{
    const struct transfer *t = f->group->transfer;
    const struct remote *r = f->remote;
    uint64_t most = MAX(t->config.chunk_bytes / BLOCK * BLOCK, BLOCK);
    if (f->is_signed)
        return signed_blocks(f) * BLOCK;
    /* What one connection could have brought while it waited for an answer. */
    uint64_t gap_bytes = bytes_in(r->rate_bytes_per_s, r->best_latency_ns);
    uint64_t bytes = MAX(gap_bytes * SEGMENT_LATENCIES, SEGMENT_MIN_BYTES);
    /* All that is in flight fits into the buffers: then every block can wait there for the hash. */
    uint64_t connections = MAX(r->learn.target, 1);
    bool busy = r->rate_bytes_per_s >= BUSY_BYTES_PER_S / connections;
    uint64_t share = MAX(FAST_IN_FLIGHT / connections, gap_bytes * (busy ? BUSY_LATENCIES : FAST_LATENCIES));
    if (is_fast(r) && share * connections <= FAST_IN_FLIGHT_MAX)
        bytes = MIN(bytes, share);
    bytes = MIN(bytes, most);
    return blocks_up(bytes) * BLOCK;
}

unsigned fetch_keeps(const struct fetch *f)
{
    if (is_fast(f->remote))
        return POOL_BUFFERS;
    unsigned busy = f->group->transfer->running + POOL_RESERVED + WRITERS;
    return busy < POOL_BUFFERS ? POOL_BUFFERS - busy : 0;
}

bool fetch_stuck(const struct fetch *f, struct hfp_err *why)
{
    for (const struct segment *s = f->segments; s; s = s->next)
        if (s->exhausted) {
            *why = f->group->patience->why;
            return true;
        }
    return false;
}

uint64_t fetch_window_bytes(const struct fetch *f)
{
    if (f->is_signed && is_dear(f->remote)) /* the next range fills the buffers that the present one leaves */
        return WINDOW_MIN_BYTES;
    return MAX(2 * segment_length(f) * f->remote->learn.target, WINDOW_MIN_BYTES);
}

static uint64_t window_end(const struct fetch *f)
{
    return f->front + fetch_window_bytes(f) / BLOCK;
}

static struct segment *segment_new(struct fetch *f, uint64_t first, uint64_t end, uint64_t now_ns)
{
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    *s = (struct segment){ .fetch = f,
                           .state = SEG_WAIT,
                           .pos = first * BLOCK,
                           .end = MIN(end * BLOCK, f->size_bytes),
                           .counted = first * BLOCK,
                           .not_before_ns = now_ns,
                           .avoid = avoided_of(f, first) };
    for (uint64_t b = first; b < end; b++)
        bit_set(f->wanted, b, false);
    f->wanted_count -= end - first;
    f->lowest_wanted = f->wanted_count > 0 ? end : f->blocks;
    struct segment **at = &f->segments;
    while (*at && (*at)->pos < s->pos)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    return s;
}

/* Towards the end of the file ranges get shorter, so that all connections end at about the same time: the last of sixteen
 * long ones would have the line to itself, and a single connection does not fill it. Behind a signed range the next
 * follows. */
static uint64_t next_blocks(const struct fetch *f)
{
    if (f->is_signed)
        return segment_length(f) / BLOCK;
    uint64_t share = f->wanted_count / (2 * (uint64_t)MAX(f->remote->learn.target, 1));
    return MIN(segment_length(f) / BLOCK, MAX(share, SEGMENT_MIN_BYTES / BLOCK));
}

/* The next run of wanted blocks inside the window, as a new segment; NULL when there is none to be had now. */
struct segment *fetch_next_segment(struct fetch *f, uint64_t now_ns)
{
    if (f->wanted_count == 0)
        return NULL;
    bool single = fetch_is_single(f);
    if (single && f->segments)
        return NULL;
    while (f->lowest_wanted < f->blocks && !bit_get(f->wanted, f->lowest_wanted))
        f->lowest_wanted++;
    uint64_t first = f->lowest_wanted;
    uint64_t window = window_end(f);
    if (first >= f->blocks || (first >= window && f->segments))
        return NULL;
    uint64_t most = single ? f->blocks : next_blocks(f);
    uint64_t end = first + 1;
    while (end < f->blocks && end - first < most && bit_get(f->wanted, end) &&
           avoided_of(f, end) == avoided_of(f, first))
        end++;
    struct segment *s = segment_new(f, first, end, now_ns);
    struct hfp_err err;
    if (!s) {
        err_nomem(&err);
        fetch_fail(f, &err);
    }
    return s;
}

void fetch_look(struct fetch_look *out, const struct fetch *f)
{
    *out = (struct fetch_look){ .rate_bytes_per_s = f->rate_bytes_per_s };
    const struct transfer *t = f->group->transfer;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &t->runner[i];
        if (r->state == RUN_IDLE || r->fetch != f)
            continue;
        out->running++;
        if (r->peer != 0) {
            out->peer = r->peer;
            out->rtt_us = r->peer_now.rtt_us;
            out->retransmits += r->peer_now.retransmits;
        }
    }
}
