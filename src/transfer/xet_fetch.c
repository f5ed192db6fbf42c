#include "transfer/xet_internal.h"

#include <stdlib.h>
#include <string.h>

static bool bit_get(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

int xet_fetch_new(struct xet_fetch **out, struct group *g, const struct xet_fetch_spec *spec,
                  const struct xet_fetch_events *events, struct hfp_err *err)
{
    struct xet_fetch *x = calloc(1, sizeof *x);
    if (!x)
        return err_nomem(err);
    *x = (struct xet_fetch){ .group = g, .spec = *spec, .events = *events, .blocks = blocks_up(spec->size_bytes) };
    if (spec->mate)
        xet_mate_fetched(spec->mate, x);
    x->seen = spec->mate ? xet_mate_seen(spec->mate) : xet_seen_new();
    x->wanted = calloc(1, (size_t)(x->blocks / 8 + 1));
    struct xet_query_events answers = { xet_slice_answered, xet_slice_unanswered, x };
    int rc = x->wanted ? xet_query_new(&x->query, spec->session, &answers, err) : err_nomem(err);
    if (!rc)
        rc = xet_decoder_init(&x->decoder, err);
    if (rc) {
        xet_fetch_free(x);
        return rc;
    }
    x->asked_ns = transfer_now(g->transfer);
    x->decoder.seen = events->seen;
    x->decoder.seen_ctx = events->ctx;
    *out = x;
    return HFP_OK;
}

static void really_free(struct xet_fetch *x)
{
    xet_units_free(x);
    xet_slices_free(x);
    if (x->placed && !x->block)
        pool_hold_back(x->spec.pool, -1);
    pool_put(x->spec.pool, x->block);
    xet_decoder_done(&x->decoder);
    free(x->held_plain);
    if (x->spec.mate)
        xet_mate_let_go(x->spec.mate);
    else
        xet_seen_free(x->seen);
    free(x->wanted);
    free(x);
}

/* What no task works on waits for bytes that are still to come. */
static void tell_parked(struct xet_fetch *x)
{
    unsigned n = x->working || x->dying ? 0 : x->raw + (x->block != NULL);
    x->group->transfer->parked += n - x->parked;
    x->parked = n;
}

void xet_fetch_free(struct xet_fetch *x)
{
    if (!x)
        return;
    x->dying = true;
    if (x->spec.mate)
        xet_mate_left(x->spec.mate);
    x->group->decoders -= x->placed;
    tell_parked(x);
    xet_units_stop(x);
    xet_query_free(ptr_steal(&x->query));
    if (!x->working)
        really_free(x);
}

void xet_work_begin(struct xet_fetch *x, struct task *t)
{
    x->working = true;
    x->events.busy(x->events.ctx, 1);
    work_submit(x->spec.work, LANE_HASH, t);
}

void xet_work_over(struct xet_fetch *x)
{
    struct xet_fetch_events events = x->events;
    x->working = false;
    if (x->dying)
        really_free(x);
    events.busy(events.ctx, -1);
}

void xet_fail(struct xet_fetch *x, const struct hfp_err *err)
{
    if (x->failed)
        return;
    x->failed = true;
    xet_units_stop(x);
    x->events.failed(x->events.ctx, err);
}

void xet_doubt(struct xet_fetch *x, const struct hfp_err *err)
{
    bool same = x->doubts > 0 && x->doubt_at == x->decoder.out;
    struct hfp_err why = *err;
    log_debug(x->group->transfer->config.log, "%s: %s", x->spec.path, err->message);
    x->group->stats.errors[why.code]++;
    x->doubts = same ? x->doubts + 1 : 1;
    x->doubt_at = x->decoder.out;
    if (x->units)
        x->peer = x->units->peer;
    x->restart = true;
    if (x->doubts > DOUBTS_MAX)
        xet_fail(x, &why);
}

void xet_fetch_want(struct xet_fetch *x, uint64_t block)
{
    if (bit_get(x->wanted, block))
        return;
    x->wanted[block / 8] |= (uint8_t)(1u << (block % 8));
    x->wanted_count++;
    x->wanted_from = MIN(x->wanted_from, block);
    if (x->running && block < x->decoder.out / BLOCK) /* the hash waits for it: it comes before all others */
        x->rerun = true;
}

bool xet_fetch_busy(const struct xet_fetch *x)
{
    return x->wanted_count > 0;
}

void xet_fetch_hold(struct xet_fetch *x, bool hold)
{
    if (x->held && !hold) /* what was asked is asked again, and until now nobody listened */
        x->asked_ns = transfer_now(x->group->transfer);
    x->held = hold;
    for (struct xet_unit *u = x->units; u; u = u->next)
        if (u->fetch)
            fetch_hold(u->fetch, hold);
    xet_query_hold(x->query, hold);
}

bool xet_fetch_idle(const struct xet_fetch *x)
{
    return !x->working;
}

static void walk_over(struct xet_fetch *x)
{
    xet_units_free(x);
    xet_slices_free(x);
    x->ask = XET_ASK_NONE; /* an answer that is still on its way is of no use */
    x->ask_slice = NULL;
    x->term_begun = false;
    x->decoder.plain_bytes = 0;
    x->decoder.chunks = 0;
    x->asked_to = x->decoder.out;
    x->restart = false;
}

void xet_put_out(struct xet_fetch *x)
{
    uint64_t index = (x->decoder.out - 1) / BLOCK;
    size_t n = (size_t)(x->decoder.out - index * BLOCK);
    x->wanted[index / 8] &= (uint8_t) ~(1u << (index % 8));
    x->wanted_count--;
    x->refusals = 0;
    uint16_t peer = x->units ? x->units->peer : x->peer;
    pool_hold_back(x->spec.pool, 1); /* for the next one */
    x->events.block(x->events.ctx, index, ptr_steal(&x->block), n, peer);
}

/* The first wanted block and those that follow it without a gap. */
static void choose_run(struct xet_fetch *x)
{
    uint64_t first = x->wanted_from;
    while (!bit_get(x->wanted, first))
        first++;
    uint64_t end = first + 1;
    while (end < x->blocks && bit_get(x->wanted, end))
        end++;
    if (x->block) /* of a run that was left */
        x->debt_bytes += x->decoder.out % BLOCK;
    if (first * BLOCK < x->decoder.out) /* what went out behind it may come anew */
        xet_seen_clear(x->seen);
    x->wanted_from = first;
    x->run_from = x->decoder.out = x->block_at = first * BLOCK;
    x->decoder.end = MIN(end * BLOCK, x->spec.size_bytes);
    x->running = true;
    x->rerun = false;
    walk_over(x);
}

bool xet_has_block(struct xet_fetch *x)
{
    if (x->block)
        return true;
    x->block = pool_get(x->spec.pool, POOL_OUTPUT);
    if (!x->block)
        return false;
    x->block_at = x->decoder.out / BLOCK * BLOCK;
    /* It has what was held back for it. To ask for one more would keep the last buffer from the head that fills it. */
    pool_hold_back(x->spec.pool, -1);
    return true;
}

/* ---- steps: each returns true when something was begun or the walk went on ---- */

static bool begin_term(struct xet_fetch *x, struct xet_slice *s, struct xet_unit *u)
{
    const struct reconstruction_term *t = &s->r->terms[s->at];
    const struct reconstruction_fetch *f = &s->r->fetches[t->fetch];
    struct hfp_err err;
    if (!u->begun) {
        struct xet_span span = { f->chunk_start, f->chunk_end, u->size_bytes };
        if (xet_decoder_range(&x->decoder, &span, &err) != HFP_OK) {
            xet_doubt(x, &err);
            return false;
        }
        u->begun = true;
    }
    if (!x->term_begun)
        xet_decoder_term(&x->decoder, &(struct xet_decode_term){ .xorb = t->xorb,
                                                                 .chunk_start = t->chunk_start,
                                                                 .chunk_end = t->chunk_end,
                                                                 .file_offset = t->file_offset,
                                                                 .unpacked_bytes = t->unpacked_bytes });
    x->term_begun = true;
    return true;
}

static bool step_take(struct xet_fetch *x, struct xet_slice *s)
{
    struct xet_unit *u = x->units;
    if (!u || u->slice != s || u->fetch_index != s->r->terms[s->at].fetch || !begin_term(x, s, u))
        return false;
    bool over = x->decoder.next_chunk >= x->decoder.term.chunk_end; /* or its last chunk is in hand */
    if (!xet_unit_ready(u) && x->decoder.plain_bytes == 0 && !over)
        return false;
    return (x->decoder.out == x->decoder.end || xet_has_block(x)) && xet_work_decode(x, u);
}

bool xet_step_ask(struct xet_fetch *x, struct xet_slice *s)
{
    bool same = x->inners > 0 && x->inner_at == x->decoder.out;
    if (xet_query_busy(x->query))
        return false;
    x->inners = same ? x->inners + 1 : 1;
    x->inner_at = x->decoder.out;
    if (x->inners > INNERS_MAX) {
        struct hfp_err err;
        err_set(&err, HFP_E_PROTO, "the CAS does not say how bytes from %llu on are made",
                (unsigned long long)x->inner_at);
        xet_doubt(x, &err);
        return false;
    }
    xet_ask_inner(x, s);
    return false;
}

static bool step(struct xet_fetch *x)
{
    struct xet_slice *s = x->slices;
    if (!s)
        return false;
    if (s->at == s->r->term_count)
        return xet_slice_over(x);
    switch (s->steps[s->at].kind) {
    case XET_STEP_TAKE:
        return step_take(x, s);
    case XET_STEP_COPY:
        return xet_step_copy(x, s);
    case XET_STEP_ASK:
        return xet_step_ask(x, s);
    case XET_STEP_HELD:
        return xet_step_held(x, s);
    }
    return false;
}

static void renew_urls(struct xet_fetch *x)
{
    if (x->refusals >= REFUSALS_MAX) {
        xet_fail(x, &x->why);
        return;
    }
    for (struct xet_unit *u = x->units; u; u = u->next)
        if (u->expired) {
            xet_ask_fresh(x, u->slice);
            return;
        }
}

/* Nothing is asked for that could not be put out: bytes that wait for a block would keep it from those before them. */
static bool place(struct xet_fetch *x)
{
    if (x->placed || !pool_can_hold_back(x->spec.pool, x->group->decoders == 0))
        return x->placed;
    pool_hold_back(x->spec.pool, 1);
    x->group->decoders++;
    return x->placed = true;
}

/* A pause that has lost its connections keeps what they had brought, but not from others: it comes again then. */
static bool keeps_from_others(const struct xet_fetch *x)
{
    struct fetch_look look;
    if (!x->held || x->raw == 0 || pool_has(x->spec.pool, POOL_ANY))
        return false;
    xet_fetch_look(&look, x);
    return look.running == 0;
}

static bool pump(struct xet_fetch *x)
{
    if (x->restart || keeps_from_others(x))
        walk_over(x);
    if (x->running && !x->slices && x->decoder.out == x->decoder.end) {
        x->running = false;
        walk_over(x);
    }
    if (!x->running || x->rerun) {
        if (x->wanted_count == 0)
            return false;
        choose_run(x);
    }
    renew_urls(x);
    if (x->failed || x->held)
        return false;
    xet_ask_next(x);
    if (!place(x))
        return false;
    if (x->spec.mate && xet_mates_first(x->spec.mate, transfer_now(x->group->transfer)))
        x->looks = true;
    else
        xet_units_open(x);
    x->begun |= x->slices && !x->looks;
    return step(x);
}

uint64_t xet_fetch_turn(struct xet_fetch *x, uint64_t now_ns)
{
    bool on = true;
    x->waits = x->looks = false;
    while (on && !x->failed && !x->working)
        on = pump(x);
    tell_parked(x);
    if (x->failed)
        return UINT64_MAX;
    uint64_t next = xet_query_turn(x->query, now_ns);
    return x->waits || x->looks ? MIN(next, now_ns + WAIT_LOOK_NS) : next;
}

bool xet_fetch_stuck(const struct xet_fetch *x, uint64_t patience_ns, uint64_t now_ns, struct hfp_err *why)
{
    for (const struct xet_unit *u = x->units; u; u = u->next)
        if (u->fetch && fetch_stuck(u->fetch, why))
            return true;
    if (!xet_query_busy(x->query) || x->held || x->units || ns_since(now_ns, x->asked_ns) < patience_ns)
        return false;
    err_set(why, HFP_E_TIMEOUT, "the Xet store has not answered for %llu s",
            (unsigned long long)(ns_since(now_ns, x->asked_ns) / NS_PER_S));
    return true;
}

void xet_fetch_look(struct fetch_look *out, const struct xet_fetch *x)
{
    *out = (struct fetch_look){ 0 };
    for (const struct xet_unit *u = x->units; u; u = u->next) {
        struct fetch_look one;
        if (!u->fetch)
            continue;
        fetch_look(&one, u->fetch);
        out->rate_bytes_per_s += one.rate_bytes_per_s;
        out->running += one.running;
        out->retransmits += one.retransmits;
        out->rtt_us = one.running ? one.rtt_us : out->rtt_us;
        out->peer = one.running ? one.peer : out->peer;
    }
}
