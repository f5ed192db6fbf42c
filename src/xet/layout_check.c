#include "xet/layout_tables.h"

#include "base/auto.h"

/* Everything about a slice that can be refused, before anything changes. */

struct reconstruction_term layout_term(const struct layout_slice *s, size_t i)
{
    struct reconstruction_term t = s->r->terms[i];
    if (i == s->first && s->trimmed) {
        t.unpacked_bytes -= (uint32_t)(s->seam->to - t.file_offset);
        t.file_offset = s->seam->to;
        t.chunk_start = s->seam->chunk_end;
    }
    return t;
}

/* A slice that begins inside a chunk names that chunk again. It belongs to the term before, so it is the same xorb and
 * the end of what is here; anything else is another file. */
static bool join(struct layout_slice *s)
{
    const struct reconstruction_term *t = &s->r->terms[0];
    const struct seam *seam = s->seam;
    if (!seam || t->file_offset >= seam->to)
        return true;
    uint64_t here = seam->to - t->file_offset;
    if (!xet_hash_equal(&t->xorb, &seam->xorb) || t->chunk_start >= seam->chunk_end || t->chunk_end < seam->chunk_end ||
        t->unpacked_bytes < here)
        return false;
    if (t->chunk_end == seam->chunk_end) {
        s->first = 1;
        return t->unpacked_bytes == here;
    }
    s->trimmed = true;
    return t->unpacked_bytes - here >= t->chunk_end - seam->chunk_end;
}

/* Does a border of a unit agree with both of f, and with the one before it? */
static bool border_agrees(const struct reconstruction_fetch *f, uint32_t *chunk, uint64_t *byte, uint32_t next_chunk,
                          uint64_t next_byte)
{
    bool agrees = reconstruction_borders_agree(*chunk, *byte, next_chunk, next_byte) &&
                  reconstruction_borders_agree(f->chunk_start, f->first_byte, next_chunk, next_byte) &&
                  reconstruction_borders_agree(f->chunk_end, f->last_byte + 1, next_chunk, next_byte);
    *chunk = next_chunk;
    *byte = next_byte;
    return agrees;
}

/* Does f agree with the units that it overlaps or touches? A xorb never changes. */
static bool agrees(const struct layout *l, const struct reconstruction_fetch *f)
{
    uint32_t chunk = f->chunk_start;
    uint64_t byte = f->first_byte;
    for (uint32_t i = layout_overlap(l, &f->xorb, chunk > 0 ? chunk - 1 : 0, f->chunk_end + 1); i != NONE;) {
        const struct layout_unit *u = &l->units[i].what;
        if (u->first_byte != LAYOUT_BYTE_UNKNOWN && !border_agrees(f, &chunk, &byte, u->chunk_start, u->first_byte))
            return false;
        if (u->last_byte != LAYOUT_BYTE_UNKNOWN && !border_agrees(f, &chunk, &byte, u->chunk_end, u->last_byte + 1))
            return false;
        i = u->chunk_end <= f->chunk_end ? layout_overlap(l, &f->xorb, u->chunk_end, f->chunk_end + 1) : NONE;
    }
    return true;
}

/* Has the term the length of its chunks, as far as they have passed? */
static bool length_fits(const struct layout *l, const struct reconstruction_term *t)
{
    uint64_t bytes = 0;
    for (uint32_t at = t->chunk_start; at < t->chunk_end;) {
        uint32_t unit = layout_overlap(l, &t->xorb, at, at + 1);
        const struct unit *u = unit == NONE ? NULL : &l->units[unit];
        uint32_t end = u ? MIN(t->chunk_end, u->what.chunk_end) : 0;
        if (!u || u->what.next_chunk < end)
            return bytes < t->unpacked_bytes;
        bytes += layout_span(l, u, at, end);
        at = end;
    }
    return bytes == t->unpacked_bytes;
}

int layout_check(const struct layout *l, struct layout_slice *s, struct hfp_err *err)
{
    size_t pieces = 0;
    uint32_t seen = NONE;
    if (!join(s))
        return err_set(err, HFP_E_PROTO, "the Xet reconstructions of two slices of one file do not fit together");
    for (size_t i = s->first; i < s->r->term_count; i++) {
        struct reconstruction_term t = layout_term(s, i);
        if (t.fetch != seen && !agrees(l, &s->r->fetches[t.fetch]))
            return err_set(err, HFP_E_PROTO, "two Xet reconstructions contradict each other about one xorb");
        seen = t.fetch;
        if (!length_fits(l, &t))
            return err_set(err, HFP_E_PROTO, "a Xet term has another length than its chunks");
        pieces++;
        for (uint32_t at = t.chunk_start; at < t.chunk_end && pieces <= LAYOUT_PIECES_MAX;) {
            uint32_t other = layout_overlap(l, &t.xorb, at, t.chunk_end);
            at = other == NONE ? t.chunk_end : l->units[other].what.chunk_end;
            pieces += other == NONE ? 0 : 2; /* it, and the gap behind it */
        }
        if (pieces > LAYOUT_PIECES_MAX)
            return err_set(err, HFP_E_PROTO, "a Xet reconstruction falls into more than %u pieces", LAYOUT_PIECES_MAX);
    }
    return HFP_OK;
}
