#include "transfer/xet_internal.h"

/* A range is about to be asked for: has another file of the job brought some of it meanwhile, or asked for it? And will it
 * bring in time what stands between the terms of this range? */

static uint32_t shared(const struct xet_fetch *x, const struct reconstruction_term *t)
{
    uint32_t has = xet_held_holds(x, &t->xorb, t->chunk_start, t->chunk_end);
    return has >= MIN(XET_HELD_LEAST, t->chunk_end - t->chunk_start) ? has : 0;
}

bool xet_stream_shared(const struct xet_fetch *x, struct xet_slice *s, uint32_t step)
{
    uint32_t fetch = s->r->terms[step].fetch, end = step;
    bool some = false;
    for (bool last = false; !last && end < s->r->term_count; end++) {
        const struct reconstruction_term *t = &s->r->terms[end];
        if (s->steps[end].kind != XET_STEP_TAKE || t->fetch != fetch)
            continue;
        some |= shared(x, t) > 0;
        last = s->steps[end].closes;
    }
    for (uint32_t i = step; some && i < end; i++) {
        const struct reconstruction_term *t = &s->r->terms[i];
        if (s->steps[i].kind != XET_STEP_TAKE || t->fetch != fetch)
            continue;
        uint32_t has = shared(x, t);
        s->steps[i] = (struct xet_step){ .kind = has > 0 ? XET_STEP_HELD : XET_STEP_ASK,
                                         .next = t->chunk_start,
                                         .next_offset = t->file_offset,
                                         .partly = has < t->chunk_end - t->chunk_start };
    }
    return some;
}

bool xet_stream_waits(const struct xet_fetch *x, const struct xet_slice *s, uint32_t step)
{
    for (uint32_t i = step; i < s->r->term_count; i++) {
        const struct reconstruction_term *t = &s->r->terms[i];
        if (s->steps[i].kind == XET_STEP_HELD &&
            xet_held_state(x, &t->xorb, s->steps[i].next, t->chunk_end) == XET_SHARE_AWAITED)
            return true;
        if (s->steps[i].kind == XET_STEP_TAKE && t->fetch == s->r->terms[step].fetch && s->steps[i].closes)
            return false;
    }
    return false;
}
