#include "xet/chunker.h"
#include "xet/layout_tables.h"

#include <assert.h>

/* The second half: chunks come in, places and copies go out. */

uint64_t layout_span(const struct layout *l, const struct unit *u, uint32_t chunk_start, uint32_t chunk_end)
{
    const uint32_t *length = l->lengths + u->lengths - u->what.chunk_start;
    uint64_t bytes = 0;
    for (uint32_t i = chunk_start; i < chunk_end; i++)
        bytes += length[i] & LENGTH_MASK;
    return bytes;
}

bool layout_settle(struct layout *l, uint32_t piece)
{
    for (;;) {
        struct piece *p = &l->pieces[piece];
        const struct unit *u = &l->units[p->unit];
        if (p->offset == OFFSET_UNKNOWN || u->what.next_chunk < p->chunk_end)
            return true;
        uint64_t end = p->offset + layout_span(l, u, p->chunk_start, p->chunk_end);
        if (p->follower == NONE ? end != p->limit : end >= p->limit)
            return false;
        if (p->copy) {
            p->next_ready = l->ready_copies;
            l->ready_copies = piece;
        }
        if (p->follower == NONE)
            return true;
        piece = p->follower;
        struct piece *f = &l->pieces[piece];
        f->offset = f->at = end;
        if (!f->copy)
            l->units[f->unit].blocked--;
    }
}

static bool holds(const struct piece *p, uint32_t chunk)
{
    return !p->copy && p->chunk_start <= chunk && chunk < p->chunk_end;
}

/* A term must keep a byte for each chunk that is still to come, and end where it was said to end. */
static bool would_fit(const struct layout *l, const struct unit *u, uint32_t chunk, uint32_t bytes)
{
    for (uint32_t i = u->pieces; i != NONE; i = l->pieces[i].next) {
        const struct piece *p = &l->pieces[i];
        if (!holds(p, chunk))
            continue;
        uint64_t end = p->at + bytes;
        uint32_t still = p->chunk_end - chunk - 1 + (p->follower != NONE);
        if (end > p->limit || (still ? p->limit - end < still : end < p->limit))
            return false;
    }
    return true;
}

static bool pass(struct layout *l, struct unit *u, uint32_t chunk, uint32_t bytes)
{
    bool fits = true;
    l->lengths[u->lengths + chunk - u->what.chunk_start] |= bytes;
    u->what.next_chunk = chunk + 1;
    l->undecoded -= u->what.next_chunk == u->what.chunk_end;
    for (uint32_t i = u->pieces; i != NONE; i = l->pieces[i].next) {
        struct piece *p = &l->pieces[i];
        if (holds(p, chunk))
            p->at += bytes;
        if (p->chunk_end == chunk + 1)
            fits = layout_settle(l, i) && fits;
    }
    return fits;
}

int layout_chunk(struct layout_walk *w, struct layout *l, uint32_t unit, uint32_t chunk, uint32_t bytes,
                 struct hfp_err *err)
{
    assert(unit < l->unit_count && layout_unit_ready(l, unit) && bytes > 0 && bytes <= XET_CHUNK_MAX);
    struct unit *u = &l->units[unit];
    assert(chunk >= u->what.chunk_start && chunk <= u->what.next_chunk && chunk < u->what.chunk_end);
    bool fits = chunk == u->what.next_chunk ? would_fit(l, u, chunk, bytes) && pass(l, u, chunk, bytes)
                                            : layout_span(l, u, chunk, chunk + 1) == bytes;
    if (!fits)
        return err_set(err, HFP_E_PROTO, "Xet chunks have other lengths than the reconstruction says");
    *w = (struct layout_walk){ .piece = u->pieces, .chunk = chunk, .bytes = bytes };
    return HFP_OK;
}

bool layout_write_next(const struct layout *l, struct layout_walk *w, struct layout_write *out)
{
    for (; w->piece != NONE; w->piece = l->pieces[w->piece].next) {
        const struct piece *p = &l->pieces[w->piece];
        const struct unit *u = &l->units[p->unit];
        if (!holds(p, w->chunk))
            continue;
        out->file = p->file;
        out->offset = w->chunk + 1 == u->what.next_chunk ? p->at - w->bytes
                                                         : p->offset + layout_span(l, u, p->chunk_start, w->chunk);
        w->piece = p->next;
        return true;
    }
    return false;
}

/* From the front of what is left of a copy, as much as one source place has. What is given is taken off its front. */
static bool copy_take(struct layout *l, struct piece *p, struct layout_copy *out)
{
    const struct unit *u = &l->units[p->unit];
    const struct piece *from = NULL;
    for (uint32_t i = u->pieces; i != NONE && !from; i = l->pieces[i].next)
        if (holds(&l->pieces[i], p->chunk_start))
            from = &l->pieces[i];
    assert(from && from->offset != OFFSET_UNKNOWN); /* layout_add() gave it to a new unit otherwise */
    uint32_t end = from->chunk_end < p->chunk_end ? from->chunk_end : p->chunk_end;
    *out = (struct layout_copy){ .from_file = from->file,
                                 .to_file = p->file,
                                 .from_offset = from->offset + layout_span(l, u, from->chunk_start, p->chunk_start),
                                 .to_offset = p->offset,
                                 .bytes = layout_span(l, u, p->chunk_start, end),
                                 .xorb = u->what.xorb,
                                 .chunk_start = p->chunk_start,
                                 .chunk_end = end };
    p->chunk_start = (uint16_t)end;
    p->offset += out->bytes;
    return out->from_file != out->to_file || out->from_offset != out->to_offset;
}

bool layout_copy_next(struct layout *l, struct layout_copy *out)
{
    while (l->ready_copies != NONE) {
        struct piece *p = &l->pieces[l->ready_copies];
        bool got = copy_take(l, p, out);
        if (p->chunk_start == p->chunk_end) {
            l->ready_copies = p->next_ready;
            l->owing--;
        }
        if (got)
            return true;
    }
    return false;
}

bool layout_unit_ready(const struct layout *l, uint32_t unit)
{
    assert(unit < l->unit_count);
    return l->units[unit].blocked == 0;
}

bool layout_idle(const struct layout *l)
{
    return l->undecoded == 0 && l->owing == 0;
}
