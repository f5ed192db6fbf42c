#include "transfer/xet_internal.h"

#include <stdlib.h>
#include <string.h>

/* The output's next bytes, on a worker: decoded from what a signed range brought, or copied from where they are. */

struct xet_work {
    struct task task;
    struct xet_fetch *x;
    struct xet_unit *unit; /* decode: the first one; NULL: copy */
    const uint8_t *begin, *input;
    size_t n; /* decode: of the input; copy: bytes */
    uint64_t from;
    uint64_t was; /* decoder.out before */
    enum xet_decode_stop stop;
    struct hfp_err err;
};

static void work_run(struct task *t)
{
    struct xet_work *w = container_of(t, struct xet_work, task);
    struct xet_fetch *x = w->x;
    if (w->unit) {
        w->err.code = xet_decode(&x->decoder, &w->stop, x->block, &w->input, &w->n, &w->err);
        return;
    }
    uint8_t *to = x->block + x->decoder.out % BLOCK;
    uint64_t block_at = x->decoder.out / BLOCK * BLOCK;
    size_t before = w->from < block_at ? (size_t)MIN(w->n, block_at - w->from) : 0;
    if (before > 0)
        w->err.code = x->events.read(x->events.ctx, to, before, w->from, &w->err);
    if (before < w->n) /* of the very block that is being filled */
        memcpy(to + before, x->block + (w->from + before - block_at), w->n - before);
    if (w->err.code == HFP_OK)
        x->decoder.out += w->n;
}

void xet_count_out(struct xet_fetch *x, uint64_t was)
{
    uint64_t n = x->decoder.out - was;
    uint64_t again = MIN(n, x->debt_bytes);
    x->debt_bytes -= again;
    x->group->stats.received_bytes += x->spec.uncounted ? 0 : n - again;
}

/* A range that is a whole xorb of the right name proves what was put out of it. */
static void range_over(struct xet_fetch *x, struct xet_unit *u)
{
    const struct xet_slice *s = u->slice;
    const struct reconstruction_fetch *f = &s->r->fetches[u->fetch_index];
    struct hfp_err err;
    bool proved = false;
    if (x->decoder.next_chunk == f->chunk_end &&
        xet_decoder_range_over(&x->decoder, &f->xorb, &proved, &err) != HFP_OK) {
        xet_doubt(x, &err);
        return;
    }
    for (uint32_t i = u->first_step; proved && i <= s->at; i++) {
        const struct reconstruction_term *t = &s->r->terms[i];
        uint64_t from = MAX(t->file_offset, x->run_from);
        uint64_t end = MIN(t->file_offset + t->unpacked_bytes, x->decoder.end);
        if (s->steps[i].kind == XET_STEP_TAKE && from < end)
            x->events.proved(x->events.ctx, from, end);
    }
    xet_unit_close(x);
}

static void decoded(struct xet_fetch *x, const struct xet_work *w)
{
    struct xet_unit *u = w->unit;
    struct xet_slice *s = u->slice;
    u->input_at += (size_t)(w->input - w->begin);
    switch (w->stop) {
    case XET_WANTS_INPUT:
        x->raw -= u->raw[u->used] != NULL;
        pool_put(x->spec.pool, ptr_steal(&u->raw[u->used]));
        u->used++;
        u->input_at = 0;
        if (u->used < u->blocks)
            fetch_front(u->fetch, u->used);
        else
            xet_doubt(x, &(struct hfp_err){ .code = HFP_E_SHORT, .message = "a range of a xorb ended inside a chunk" });
        break;
    case XET_WANTS_BLOCK:
        break;
    case XET_TERM_OVER:
        x->term_begun = false;
        if (s->steps[s->at].closes)
            range_over(x, u);
        s->at++;
        break;
    }
}

static void work_done(struct task *t)
{
    AUTO_FREE struct xet_work *w = container_of(t, struct xet_work, task);
    struct xet_fetch *x = w->x;
    if (!x->dying && !x->failed) {
        xet_count_out(x, w->was);
        if (w->err.code != HFP_OK)
            xet_doubt(x, &w->err);
        else if (w->unit)
            decoded(x, w);
        if (x->decoder.out > w->was && (x->decoder.out % BLOCK == 0 || x->decoder.out == x->decoder.end))
            xet_put_out(x);
    }
    xet_work_over(x);
}

static bool begin(struct xet_fetch *x, const struct xet_work *as)
{
    struct xet_work *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    *w = *as;
    w->task = (struct task){ .run = work_run, .done = work_done };
    w->x = x;
    w->was = x->decoder.out;
    x->working = true;
    x->events.busy(x->events.ctx, 1);
    work_submit(x->spec.work, LANE_HASH, &w->task);
    return true;
}

bool xet_work_decode(struct xet_fetch *x, struct xet_unit *u)
{
    struct xet_work w = { .unit = u };
    if (xet_unit_ready(u)) {
        size_t n = (size_t)MIN(BLOCK, u->size_bytes - u->used * BLOCK);
        w.begin = w.input = u->raw[u->used] + u->input_at;
        w.n = n - u->input_at;
    }
    return begin(x, &w);
}

bool xet_work_copy(struct xet_fetch *x, uint64_t from, size_t n)
{
    return begin(x, &(struct xet_work){ .from = from, .n = n });
}
