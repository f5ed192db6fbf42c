#include "transfer/xet_internal.h"

#include <stdlib.h>
#include <string.h>

/* Signed ranges, open a window ahead of the output. */

static void unit_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer)
{
    struct xet_unit *u = ctx;
    (void)n;
    u->raw[index] = buf;
    u->x->raw++;
    u->peer = peer;
}

static void unit_failed(void *ctx, const struct hfp_err *err)
{
    struct xet_unit *u = ctx; /* the next turn acts on it: the fetch may not go inside its own callback */
    u->x->why = *err;
    u->x->refusals = REFUSALS_MAX;
}

static void unit_expired(void *ctx, bool served, const struct hfp_err *err)
{
    struct xet_unit *u = ctx;
    struct xet_fetch *x = u->x;
    u->expired = true;
    if (served || u->refusals != x->refusals) /* asked for before one that has counted: both are one */
        return;
    x->why = *err;
    x->refusals++;
    x->whole |= x->refusals >= REFUSALS_MAX - 1; /* refused although fresh: perhaps for being less than signed */
}

static void unit_free(struct xet_unit *u)
{
    fetch_free(u->fetch);
    for (uint64_t i = 0; u->raw && i < u->blocks; i++) {
        u->x->raw -= u->raw[i] != NULL;
        pool_put(u->x->spec.pool, u->raw[i]);
    }
    free(u->raw);
    free(u);
}

void xet_units_stop(struct xet_fetch *x)
{
    for (struct xet_unit *u = x->units; u; u = u->next)
        fetch_free(ptr_steal(&u->fetch));
}

void xet_units_free(struct xet_fetch *x)
{
    struct xet_unit *u;
    while ((u = x->units)) {
        x->units = u->next;
        unit_free(u);
    }
    x->unit_count = 0;
}

void xet_unit_close(struct xet_fetch *x)
{
    struct xet_unit *u = x->units;
    x->units = u->next;
    x->unit_count--;
    unit_free(u);
}

static bool unit_open(struct xet_fetch *x, struct xet_slice *s, uint32_t step)
{
    const struct reconstruction_fetch *f = &s->r->fetches[s->r->terms[step].fetch];
    uint64_t size_bytes = f->last_byte - f->first_byte + 1;
    struct xet_unit *u = calloc(1, sizeof *u);
    if (!u)
        return false;
    *u = (struct xet_unit){ .x = x,
                            .slice = s,
                            .fetch_index = s->r->terms[step].fetch,
                            .refusals = s->refusals,
                            .first_step = step,
                            .size_bytes = size_bytes,
                            .blocks = blocks_up(size_bytes),
                            .raw = calloc(blocks_up(size_bytes), sizeof *u->raw) };
    struct fetch_spec spec = { .url = f->url,
                               .path = x->spec.path,
                               .size_bytes = size_bytes,
                               .uncounted = true,
                               .is_signed = true,
                               .base = f->first_byte };
    struct fetch_events events = { .block = unit_block, .failed = unit_failed, .expired = unit_expired, .ctx = u };
    if (!u->raw || fetch_new(&u->fetch, x->group, &spec, &events, NULL) != HFP_OK) {
        unit_free(u);
        return false;
    }
    if (x->whole && !fetch_relocate(u->fetch, f->url, true)) {
        unit_free(u);
        return false;
    }
    if (x->doubts > 0) /* what came from there did not decode */
        fetch_avoid(u->fetch, x->peer);
    for (uint64_t b = 0; b < u->blocks; b++)
        fetch_want(u->fetch, b);
    struct xet_unit **at = &x->units;
    while (*at)
        at = &(*at)->next;
    *at = u;
    x->unit_count++;
    return true;
}

/* Stored bytes that are asked for and not used yet. */
static uint64_t open_bytes(const struct xet_fetch *x)
{
    uint64_t bytes = 0;
    for (const struct xet_unit *u = x->units; u; u = u->next)
        bytes += u->size_bytes - MIN(u->used * BLOCK, u->size_bytes);
    return bytes;
}

/* May the walk have to wait there for another file? Then nothing behind it is asked for (xet_mates.h). */
static bool awaited(const struct xet_fetch *x, const struct xet_slice *s)
{
    const struct reconstruction_term *t = &s->r->terms[s->opened];
    const struct xet_step *step = &s->steps[s->opened];
    return step->next < t->chunk_end && xet_held_state(x, &t->xorb, step->next, t->chunk_end) <= XET_SHARE_AWAITED;
}

/* Opens the next range of this slice; false when there is none to be opened before the walk has come further. */
static bool slice_open_one(struct xet_fetch *x, struct xet_slice *s)
{
    while (s->opened < s->r->term_count) {
        const struct xet_step *step = &s->steps[s->opened];
        bool opens = step->kind == XET_STEP_TAKE && step->opens;
        if (opens && x->spec.mate && xet_stream_shared(x, s, s->opened))
            continue;
        if (step->kind == XET_STEP_ASK || step->partly ||
            step->missing_bytes > 0) /* its answer comes before what follows */
            return false;
        if (step->kind == XET_STEP_HELD && awaited(x, s))
            return false;
        if (opens && x->spec.mate && xet_stream_waits(x, s, s->opened)) {
            x->waits = !x->units && s == x->slices && s->at == s->opened; /* else the walk goes on first */
            return false;
        }
        if (opens) {
            if (!unit_open(x, s, s->opened))
                return false;
            s->opened++;
            return true;
        }
        s->opened++;
    }
    return false;
}

void xet_units_open(struct xet_fetch *x)
{
    struct xet_slice *s = x->slices;
    while (s && x->unit_count < UNITS_MAX) {
        if (x->units && open_bytes(x) >= fetch_window_bytes(x->units->fetch))
            return;
        if (slice_open_one(x, s))
            continue;
        if (s->opened < s->r->term_count) /* no memory, or a step that asks first */
            return;
        s = s->next;
    }
}

bool xet_unit_ready(const struct xet_unit *u)
{
    return u->used < u->blocks && u->raw[u->used];
}

/* A fresh answer's URL for the same bytes of the same xorb: found by xorb and chunk range, never by position. */
bool xet_unit_relocate(struct xet_unit *u, const struct reconstruction *fresh)
{
    const struct reconstruction_fetch *old = &u->slice->r->fetches[u->fetch_index];
    const struct reconstruction_fetch *f = reconstruction_find(fresh, &old->xorb, old->chunk_start, old->chunk_end);
    if (!f || f->first_byte != old->first_byte || f->last_byte != old->last_byte ||
        !fetch_relocate(u->fetch, f->url, u->x->whole))
        return false;
    u->expired = false;
    u->refusals = u->x->refusals;
    return true;
}
