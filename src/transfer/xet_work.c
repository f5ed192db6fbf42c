#include "transfer/xet_internal.h"

#include <stdlib.h>
#include <string.h>

/* The output's next bytes, on a worker: decoded from what a signed range brought, or copied from where they are.
 *
 * The first bytes of an output block mostly lie at the end of one stored block and the rest in the next. A task gets
 * both when both are there: on a fast line the way to a worker and back costs as much as the decoding. */
#define INPUTS 2

struct xet_work {
    struct task task;
    struct xet_fetch *x;
    struct xet_unit *unit; /* decode: the first one; NULL: copy */
    const uint8_t *input[INPUTS];
    size_t input_bytes[INPUTS];
    unsigned inputs, used; /* of these, those that are decoded to their end */
    size_t left;           /* bytes of the input after them */
    uint64_t from;         /* copy */
    size_t n;
    uint64_t was; /* decoder.out before */
    enum xet_decode_stop stop;
    struct hfp_err err;
};

/* Until it stops for anything but the next input that is here. Without any input a chunk in hand may still go out. */
static void decode_run(struct xet_work *w)
{
    struct xet_fetch *x = w->x;
    bool on = true;
    while (on) {
        const uint8_t *input = w->inputs > 0 ? w->input[w->used] : NULL;
        w->left = w->inputs > 0 ? w->input_bytes[w->used] : 0;
        w->err.code = xet_decode(&x->decoder, &w->stop, x->block, &input, &w->left, &w->err);
        bool all = w->err.code == HFP_OK && w->stop == XET_WANTS_INPUT && w->inputs > 0;
        w->used += all;
        on = all && w->used < w->inputs;
    }
}

static void work_run(struct task *t)
{
    struct xet_work *w = container_of(t, struct xet_work, task);
    struct xet_fetch *x = w->x;
    if (w->unit) {
        decode_run(w);
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

void xet_note_chunks(struct xet_fetch *x)
{
    struct xet_decoder *d = &x->decoder;
    uint32_t i = 0;
    for (; i < d->chunks && d->chunk[i].at + d->chunk[i].seen.bytes <= d->out; i++)
        xet_seen_add(x->seen, &d->term.xorb, d->chunk[i].index, d->chunk[i].at, &d->chunk[i].seen);
    if (i > 0 && i < d->chunks)
        d->chunk[0] = d->chunk[d->chunks - 1]; /* the one in hand */
    d->chunks = i < d->chunks;
}

uint64_t xet_count_out(struct xet_fetch *x, uint64_t was)
{
    uint64_t n = x->decoder.out - was;
    uint64_t again = MIN(n, x->debt_bytes);
    uint64_t counted = x->spec.uncounted ? 0 : n - again;
    x->debt_bytes -= again;
    x->group->stats.received_bytes += counted;
    return counted;
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

static size_t stored_bytes(const struct xet_unit *u, uint64_t block)
{
    return (size_t)MIN(BLOCK, u->size_bytes - block * BLOCK);
}

static void input_used(struct xet_fetch *x, struct xet_unit *u, const struct xet_work *w)
{
    for (unsigned i = 0; i < w->used; i++) {
        x->raw--;
        pool_put(x->spec.pool, ptr_steal(&u->raw[u->used]));
        u->used++;
        u->input_at = 0;
    }
    if (w->used < w->inputs)
        u->input_at += w->input_bytes[w->used] - w->left;
    if (w->used > 0 && u->used < u->blocks)
        fetch_front(u->fetch, u->used);
}

static void decoded(struct xet_fetch *x, const struct xet_work *w)
{
    struct xet_unit *u = w->unit;
    struct xet_slice *s = u->slice;
    input_used(x, u, w);
    switch (w->stop) {
    case XET_WANTS_INPUT:
        if (u->used == u->blocks)
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
        xet_note_chunks(x);
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
    xet_work_begin(x, &w->task);
    return true;
}

bool xet_work_decode(struct xet_fetch *x, struct xet_unit *u)
{
    struct xet_work w = { .unit = u };
    for (uint64_t b = u->used; b < u->blocks && u->raw[b] && w.inputs < INPUTS; b++) {
        size_t at = b == u->used ? u->input_at : 0;
        w.input[w.inputs] = u->raw[b] + at;
        w.input_bytes[w.inputs++] = stored_bytes(u, b) - at;
    }
    return begin(x, &w);
}

bool xet_work_copy(struct xet_fetch *x, uint64_t from, size_t n)
{
    return begin(x, &(struct xet_work){ .from = from, .n = n });
}
