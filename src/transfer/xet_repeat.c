#include "transfer/xet_internal.h"

#include <assert.h>

/* Terms whose chunks went into this file before: copied from there, run by run as they went.
 *
 *   COPY --run by run--> the term's end --> the next step
 *     '--the next chunk is not known, or cannot be read back--> ASK: the rest of the term                              */

#define PENDING_LOOKS 256u /* terms: of a fresh file the window has a few; a hostile answer shall not cost n * n */

/* The end of the chunks from `at` on that a term of an earlier answer will put out before; at: none does. */
static uint32_t pending_end(const struct xet_fetch *x, const struct xet_hash *xorb, uint32_t at)
{
    unsigned looks = 0;
    for (const struct xet_slice *s = x->slices; s; s = s->next)
        for (size_t i = s->at; i < s->r->term_count && looks < PENDING_LOOKS; i++, looks++) {
            const struct reconstruction_term *t = &s->r->terms[i];
            if (t->chunk_start <= at && at < t->chunk_end && xet_hash_equal(&t->xorb, xorb))
                return t->chunk_end;
        }
    return at;
}

uint32_t xet_repeat_holds(const void *ctx, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    const struct xet_fetch *x = ctx;
    struct xet_seen_piece p;
    uint32_t at = first;
    for (uint32_t was = at - 1; at < end && was != at;) {
        was = at;
        at = xet_seen_find(&p, x->seen, xorb, at, end) ? at + p.chunks : MIN(end, pending_end(x, xorb, at));
    }
    return at - first;
}

/* The run that the output stands in, those behind which it is passed over. */
static bool find(struct xet_seen_piece *p, const struct xet_fetch *x, const struct reconstruction_term *t,
                 struct xet_step *step)
{
    while (xet_seen_find(p, x->seen, &t->xorb, step->next, t->chunk_end)) {
        if (step->next_offset + p->bytes > x->decoder.out)
            return true;
        if (x->events.copied)
            x->events.copied(x->events.ctx, p->from, step->next_offset, p->bytes);
        step->next += p->chunks;
        step->next_offset += p->bytes;
    }
    return false;
}

/* It is asked for itself, before anything that follows, or all that follows again. */
static bool ask_rest(struct xet_fetch *x, struct xet_step *step)
{
    step->kind = XET_STEP_ASK;
    x->restart = x->units != NULL;
    return true;
}

bool xet_step_copy(struct xet_fetch *x, struct xet_slice *s)
{
    const struct reconstruction_term *t = &s->r->terms[s->at];
    struct xet_step *step = &s->steps[s->at];
    uint64_t end = MIN(t->file_offset + t->unpacked_bytes, x->decoder.end);
    uint64_t out = x->decoder.out, block_at = out / BLOCK * BLOCK;
    struct xet_seen_piece p;
    bool known = find(&p, x, t, step);
    if (out >= end) {
        s->at++;
        s->opened = MAX(s->opened, s->at);
        return true;
    }
    if (!known)
        return ask_rest(x, step);
    uint64_t from = p.from + (out - step->next_offset);
    uint64_t n = MIN(MIN(end, step->next_offset + p.bytes) - out, block_at + BLOCK - out);
    enum xet_readable can = XET_READABLE;
    assert(from + n <= out);
    if (from < block_at)
        can = x->events.readable(x->events.ctx, from, MIN(from + n, block_at));
    if (can == XET_UNREADABLE) {
        xet_seen_clear(x->seen);
        return ask_rest(x, step);
    }
    return can == XET_READABLE && xet_has_block(x) && xet_work_copy(x, from, (size_t)n);
}
