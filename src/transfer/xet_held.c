#include "transfer/xet_internal.h"

#include "cache/chunk_reader.h"

#include <stdlib.h>

/* Terms whose chunks lie in files that are here, or come with another file of the job: read on a worker, hashed, put out.
 *
 *   HELD --chunk by chunk--> the term's end --> the next step
 *     |--a chunk is not what its map says--> ask for it alone --> on behind it
 *     '--no more chunks are held, or the file is gone--> ASK: the rest of the term                                     */

struct held_work {
    struct task task;
    struct xet_fetch *x;
    struct chunk_index *index;
    struct chunk_hit hit;
    struct xet_mate_piece piece; /* where it has a mate: of that, and index is the mate's or NULL */
    uint32_t end;                /* chunk; exclusive */
    uint64_t was;                /* decoder.out before */
    /* results */
    uint32_t next;
    uint32_t missing_bytes;
    struct hfp_err err;
};

uint32_t xet_held_holds(const void *ctx, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    const struct xet_fetch *x = ctx;
    uint32_t at = first, more = 1;
    while (at < end && more > 0) {
        more = 0;
        for (unsigned i = 0; i < XET_HELD_MAX && more == 0; i++)
            more = chunk_index_holds(x->spec.held[i], xorb, at, end);
        if (more == 0)
            xet_mates_have(&more, x->spec.mate, xorb, at, end);
        at += more;
    }
    return at - first;
}

enum xet_share xet_held_state(const struct xet_fetch *x, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    enum xet_share least = XET_SHARE_HERE;
    for (uint32_t at = first, more = 0; at < end && least > XET_SHARE_NONE; at += more) {
        more = 0;
        for (unsigned i = 0; i < XET_HELD_MAX && more == 0; i++)
            more = chunk_index_holds(x->spec.held[i], xorb, at, end);
        enum xet_share with = more > 0 ? XET_SHARE_HERE : xet_mates_have(&more, x->spec.mate, xorb, at, end);
        least = MIN(least, with);
    }
    return least;
}

uint64_t xet_inner_end(const struct xet_slice *s)
{
    const struct reconstruction_term *t = &s->r->terms[s->at];
    const struct xet_step *step = &s->steps[s->at];
    return step->kind == XET_STEP_HELD ? step->next_offset + step->missing_bytes : t->file_offset + t->unpacked_bytes;
}

void xet_inner_over(struct xet_slice *outer)
{
    struct xet_step *step = &outer->steps[outer->at];
    if (step->kind != XET_STEP_HELD) {
        outer->at++;
        return;
    }
    step->next++;
    step->next_offset += step->missing_bytes;
    step->missing_bytes = 0;
}

static void held_run(struct task *t)
{
    struct held_work *w = container_of(t, struct held_work, task);
    struct xet_decoder *d = &w->x->decoder;
    struct chunk_reader r = { .map = -1, .file = -1 };
    if (w->hit.source) /* NULL: the chunk in hand is the last that is held */
        chunk_reader_begin(&r, &w->hit);
    while (!xet_decoder_put(d, w->x->block)) {
        uint32_t bytes;
        struct xet_hash hash;
        if (d->plain_bytes > 0)
            continue;
        bool by_piece = w->piece.chunks > 0;
        if (w->next == w->end || (by_piece ? w->piece.at == w->piece.chunks : r.hit.count == 0))
            break;
        w->err.code = by_piece ? xet_mate_read(&w->piece, w->x->held_plain, &bytes, &hash, &w->err)
                               : chunk_reader_next(&r, w->x->held_plain, &bytes, &hash, &w->err);
        if (w->err.code == HFP_E_CONTENT)
            w->missing_bytes = bytes;
        if (w->err.code == HFP_OK)
            w->err.code = xet_decoder_chunk(d, w->next, w->x->held_plain, bytes, &hash, &w->err);
        if (w->err.code != HFP_OK)
            break;
        w->next++;
    }
    chunk_reader_end(&r);
}

void xet_held_again(const struct xet_fetch *x, struct xet_slice *s)
{
    const struct reconstruction_term *t = s->r->terms;
    const struct xet_missed *m = &x->missed;
    if (m->bytes == 0 || m->bytes > t->unpacked_bytes || t->chunk_start != m->index ||
        !xet_hash_equal(&t->xorb, &m->xorb))
        return;
    uint32_t rest = t->chunk_end - t->chunk_start - 1;
    if (rest > 0 && xet_held_holds(x, &t->xorb, t->chunk_start + 1, t->chunk_end) >= MIN(XET_HELD_LEAST, rest))
        s->steps[0] = (struct xet_step){ .kind = XET_STEP_HELD,
                                         .next = t->chunk_start,
                                         .next_offset = t->file_offset,
                                         .missing_bytes = m->bytes,
                                         .partly = true };
}

/* What was to be had there is not: it comes from the Xet store after all. An answer must not come between ranges that are
 * open, for a stream is decoded in one piece: then the walk begins anew. */
static void missed(struct xet_fetch *x, struct held_work *w, struct xet_slice *s)
{
    struct xet_step *step = &s->steps[s->at];
    const struct reconstruction_term *t = &s->r->terms[s->at];
    bool alone =
        w->err.code == HFP_E_CONTENT && step->next_offset + w->missing_bytes <= t->file_offset + t->unpacked_bytes;
    log_debug(x->group->transfer->config.log, "%s: %s", x->spec.path, w->err.message);
    if (w->index)
        chunk_index_forget(w->index, w->hit.source, &w->hit.xorb, w->next, !alone);
    x->term_begun = false;
    x->missed = (struct xet_missed){ t->xorb, w->next, alone ? w->missing_bytes : 0 };
    if (alone)
        step->missing_bytes = w->missing_bytes;
    else
        step->kind = XET_STEP_ASK;
    x->restart = x->units || !alone; /* other steps count on the same file */
}

static void held_done(struct task *t)
{
    AUTO_FREE struct held_work *w = container_of(t, struct held_work, task);
    struct xet_fetch *x = w->x;
    struct xet_decoder *d = &x->decoder;
    if (!x->dying && !x->failed) {
        struct xet_slice *s = x->slices;
        x->group->stats.copied_bytes += xet_count_out(x, w->was);
        xet_note_chunks(x);
        s->steps[s->at].next = w->next;
        s->steps[s->at].next_offset = d->at + d->plain_bytes;
        if (w->err.code != HFP_OK)
            missed(x, w, s);
        if (d->out > w->was && (d->out % BLOCK == 0 || d->out == d->end))
            xet_put_out(x);
    }
    if (w->piece.mate) /* the last look at its index, which forgets by itself */
        xet_mate_piece_done(&w->piece, w->index || w->err.code == HFP_OK);
    xet_work_over(x);
}

static bool begin(struct xet_fetch *x, const struct held_work *as)
{
    if (!x->held_plain)
        x->held_plain = malloc(XET_CHUNK_MAX);
    struct held_work *w = x->held_plain ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return false;
    *w = *as;
    w->task = (struct task){ .run = held_run, .done = held_done };
    w->x = x;
    w->was = x->decoder.out;
    xet_work_begin(x, &w->task);
    return true;
}

static bool find(struct held_work *w, const struct xet_fetch *x, const struct xet_hash *xorb, uint32_t index)
{
    for (unsigned i = 0; i < XET_HELD_MAX; i++)
        if (chunk_index_find(&w->hit, x->spec.held[i], xorb, index)) {
            w->index = x->spec.held[i];
            return true;
        }
    if (!xet_mate_piece(&w->piece, x->spec.mate, xorb, index, w->end))
        return false;
    w->index = w->piece.index;
    w->hit = w->piece.hit;
    return true;
}

/* What is not here comes with another file; who waits has no range open. */
static bool comes(struct xet_fetch *x, const struct reconstruction_term *t, const struct xet_step *step)
{
    uint32_t chunks;
    enum xet_share share = xet_mates_have(&chunks, x->spec.mate, &t->xorb, step->next, t->chunk_end);
    x->waits = share == XET_SHARE_SETTLING || (share == XET_SHARE_AWAITED && !x->units);
    return x->waits;
}

static void begin_term(struct xet_fetch *x, const struct reconstruction_term *t, const struct xet_step *step)
{
    xet_decoder_term(&x->decoder, &(struct xet_decode_term){ .xorb = t->xorb,
                                                             .chunk_start = t->chunk_start,
                                                             .chunk_end = t->chunk_end,
                                                             .file_offset = t->file_offset,
                                                             .unpacked_bytes = t->unpacked_bytes });
    x->decoder.at = step->next_offset;
    x->decoder.plain_bytes = 0;
    x->term_begun = true;
}

static bool over(struct xet_fetch *x, struct xet_slice *s)
{
    x->decoder.plain_bytes = 0; /* behind the end of the run */
    x->term_begun = false;
    s->at++;
    s->opened = MAX(s->opened, s->at); /* it may have held up the ranges behind it */
    return true;
}

bool xet_step_held(struct xet_fetch *x, struct xet_slice *s)
{
    const struct reconstruction_term *t = &s->r->terms[s->at];
    struct xet_step *step = &s->steps[s->at];
    uint64_t end = t->file_offset + t->unpacked_bytes;
    if (step->missing_bytes > 0 && x->decoder.out >= MIN(xet_inner_end(s), x->decoder.end))
        xet_inner_over(s); /* none of it is wanted */
    if (step->missing_bytes > 0)
        return xet_step_ask(x, s);
    if (x->decoder.out >= MIN(end, x->decoder.end))
        return over(x, s);
    if (!x->term_begun)
        begin_term(x, t, step);
    struct held_work w = { .end = t->chunk_end, .next = step->next };
    bool in_hand = x->decoder.plain_bytes > 0;
    bool more = step->next < t->chunk_end && find(&w, x, &t->xorb, step->next);
    if (!more && !in_hand && step->next < t->chunk_end && comes(x, t, step))
        return false;
    if (!more && !in_hand) {
        /* No more is held; or, at the last chunk, the CAS and the map do not agree how long the term is. */
        x->term_begun = false;
        step->kind = XET_STEP_ASK;
        x->restart = x->units || !step->partly;
        return true;
    }
    if (xet_has_block(x) && begin(x, &w))
        return true;
    if (w.piece.mate)
        xet_mate_piece_done(&w.piece, true);
    return false;
}
