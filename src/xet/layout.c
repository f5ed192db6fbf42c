#include "xet/chunker.h"
#include "xet/layout_tables.h"
#include "xet/record.h"

#include "base/auto.h"

#include <assert.h>
#include <string.h>

/* The first half: slices come in, units and places are made. */

_Static_assert(XET_XORB_CHUNKS_MAX <= UINT16_MAX, "a piece counts chunks in 16 bits");

int layout_new(struct layout **out, struct hfp_err *err)
{
    struct layout *l = calloc(1, sizeof *l);
    if (!l)
        return err_nomem(err);
    l->root = l->ready_copies = NONE;
    *out = l;
    return HFP_OK;
}

void layout_free(struct layout *l)
{
    if (!l)
        return;
    free(l->units);
    free(l->pieces);
    free(l->lengths);
    free(l->seams);
    free(l);
}

void layout_freep(struct layout **l)
{
    layout_free(*l);
    *l = NULL;
}

static int piece_new(uint32_t *out, struct layout *l, const struct piece *p, struct hfp_err *err)
{
    int rc = layout_room((void **)&l->pieces, &l->pieces_cap, sizeof *l->pieces, (size_t)l->piece_count + 1, err);
    if (rc)
        return rc;
    struct unit *u = &l->units[p->unit];
    l->pieces[l->piece_count] = *p;
    l->pieces[l->piece_count].next = u->pieces;
    u->pieces = l->piece_count;
    if (p->copy)
        l->owing++;
    else
        for (uint32_t i = p->chunk_start; i < p->chunk_end; i++)
            l->lengths[u->lengths + i - u->what.chunk_start] |= LENGTH_PLACED;
    *out = l->piece_count++;
    return HFP_OK;
}

/* ---- holds ---- */

static uint64_t sum(const uint32_t *lengths, uint32_t n)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += lengths[i];
    return bytes;
}

static int hold_run(struct layout *l, const struct layout_held *h, uint32_t start, uint32_t end, struct hfp_err *err)
{
    uint32_t unit, piece, skip = start - h->chunk_start, held_end = h->chunk_start + h->count;
    uint64_t offset = h->file_offset + sum(h->lengths, skip);
    struct layout_unit what = { .xorb = h->xorb,
                                .chunk_start = start,
                                .chunk_end = end,
                                .first_byte = skip == 0 ? h->first_byte : LAYOUT_BYTE_UNKNOWN,
                                .last_byte = end == held_end ? h->last_byte : LAYOUT_BYTE_UNKNOWN,
                                .next_chunk = end,
                                .file = h->file,
                                .file_offset = offset };
    int rc = layout_unit_new(&unit, l, &what, true, err);
    if (rc)
        return rc;
    memcpy(l->lengths + l->units[unit].lengths, h->lengths + skip, (end - start) * sizeof *h->lengths);
    struct piece p = { .offset = offset,
                       .limit = offset + sum(h->lengths + skip, end - start),
                       .unit = unit,
                       .file = h->file,
                       .follower = NONE,
                       .chunk_start = (uint16_t)start,
                       .chunk_end = (uint16_t)end };
    return piece_new(&piece, l, &p, err);
}

int layout_hold(struct layout *l, const struct layout_held *h, struct hfp_err *err)
{
    assert(h->count <= XET_XORB_CHUNKS_MAX && h->chunk_start <= XET_XORB_CHUNKS_MAX - h->count);
    for (uint32_t i = 0; i < h->count; i++)
        assert(h->lengths[i] > 0 && h->lengths[i] <= XET_CHUNK_MAX);
    uint32_t end = h->chunk_start + h->count;
    for (uint32_t at = h->chunk_start; at < end;) {
        uint32_t other = layout_overlap(l, &h->xorb, at, end);
        uint32_t until = other == NONE ? end : l->units[other].what.chunk_start;
        uint32_t resume = other == NONE ? end : l->units[other].what.chunk_end;
        int rc = until > at ? hold_run(l, h, at, until, err) : HFP_OK;
        if (rc)
            return rc;
        at = resume;
    }
    return HFP_OK;
}

/* ---- units for what is not covered yet ---- */

static struct layout_unit gap_of(const struct reconstruction_fetch *f, const struct layout *l, uint32_t before,
                                 uint32_t behind)
{
    struct layout_unit gap = { .xorb = f->xorb,
                               .chunk_start = f->chunk_start,
                               .chunk_end = f->chunk_end,
                               .first_byte = f->first_byte,
                               .last_byte = f->last_byte };
    if (before != NONE) {
        const struct layout_unit *u = &l->units[before].what;
        gap.chunk_start = u->chunk_end;
        gap.first_byte = u->last_byte == LAYOUT_BYTE_UNKNOWN ? LAYOUT_BYTE_UNKNOWN : u->last_byte + 1;
    }
    if (behind != NONE) {
        const struct layout_unit *u = &l->units[behind].what;
        gap.chunk_end = u->chunk_start;
        gap.last_byte = u->first_byte == LAYOUT_BYTE_UNKNOWN ? LAYOUT_BYTE_UNKNOWN : u->first_byte - 1;
    }
    gap.next_chunk = gap.chunk_start;
    return gap;
}

/* The next part of f, from *before on, that no unit covers. False: none is left. */
static bool gap_next(struct layout_unit *gap, uint32_t *before, uint32_t *behind, const struct layout *l,
                     const struct reconstruction_fetch *f)
{
    uint32_t at = *before == NONE ? f->chunk_start : l->units[*before].what.chunk_end;
    while (at < f->chunk_end) {
        *behind = layout_overlap(l, &f->xorb, at, f->chunk_end);
        if (*behind == NONE || l->units[*behind].what.chunk_start > at) {
            *gap = gap_of(f, l, *before, *behind);
            return true;
        }
        *before = *behind;
        at = l->units[*before].what.chunk_end;
    }
    return false;
}

/* A hold with an unknown border beside a gap cannot be cut around: it leaves the index, and the gap grows over it. */
static bool leave_unknown_border(struct layout *l, const struct reconstruction_fetch *f)
{
    struct layout_unit gap;
    uint32_t before = NONE, behind;
    while (gap_next(&gap, &before, &behind, l, f)) {
        if (gap.first_byte == LAYOUT_BYTE_UNKNOWN || gap.last_byte == LAYOUT_BYTE_UNKNOWN) {
            layout_leave_index(l, gap.first_byte == LAYOUT_BYTE_UNKNOWN ? before : behind);
            return true;
        }
        if (behind == NONE)
            break;
        before = behind;
    }
    return false;
}

static int cover(struct layout *l, const struct reconstruction_fetch *f, uint32_t file, uint64_t file_offset,
                 struct hfp_err *err)
{
    struct layout_unit gap;
    uint32_t before = NONE, behind, unit;
    while (leave_unknown_border(l, f))
        continue;
    while (gap_next(&gap, &before, &behind, l, f)) {
        gap.file = file;
        gap.file_offset = file_offset;
        int rc = layout_unit_new(&unit, l, &gap, false, err);
        if (rc)
            return rc;
        before = unit;
    }
    return HFP_OK;
}

static struct seam *seam_of(const struct layout *l, uint32_t file)
{
    for (uint32_t i = 0; i < l->seam_count; i++)
        if (l->seams[i].file == file)
            return &l->seams[i];
    return NULL;
}

static bool all_placed(const struct layout *l, const struct unit *u, uint32_t start, uint32_t end)
{
    for (uint32_t i = start; i < end; i++)
        if (!(l->lengths[u->lengths + i - u->what.chunk_start] & LENGTH_PLACED))
            return false;
    return true;
}

/* Chunks that came along and that nobody needed are in no file: where they have passed, they must be fetched again. */
static void leave_lost(struct layout *l, const struct reconstruction_term *t)
{
    for (uint32_t at = t->chunk_start; at < t->chunk_end;) {
        uint32_t other = layout_overlap(l, &t->xorb, at, t->chunk_end);
        if (other == NONE)
            return;
        const struct unit *u = &l->units[other];
        uint32_t start = MAX(at, u->what.chunk_start), end = MIN(t->chunk_end, u->what.chunk_end);
        bool place = start == t->chunk_start && u->what.next_chunk <= start;
        if (!place && !all_placed(l, u, start, end))
            layout_leave_index(l, other);
        at = end;
    }
}

/* ---- places ---- */

/* A new unit waits for its offsets. An old one may be on the wire: it takes a place only while that chunk is to come
 * and the offset is known; otherwise the bytes are copied from where they are. */
static bool must_copy(const struct layout_slice *s, const struct layout *l, uint32_t unit, uint64_t offset,
                      uint32_t chunk)
{
    return unit < s->old_units && (offset == OFFSET_UNKNOWN || l->units[unit].what.next_chunk > chunk);
}

static int place_term(struct layout *l, const struct layout_slice *s, const struct reconstruction_term *t,
                      struct hfp_err *err)
{
    uint32_t first = NONE, before = NONE, piece;
    for (uint32_t at = t->chunk_start; at < t->chunk_end;) {
        uint32_t unit = layout_overlap(l, &t->xorb, at, at + 1);
        assert(unit != NONE); /* cover() has seen to it */
        uint32_t end = MIN(t->chunk_end, l->units[unit].what.chunk_end);
        uint64_t offset = first == NONE ? t->file_offset : OFFSET_UNKNOWN;
        struct piece p = { .offset = offset,
                           .at = offset,
                           .limit = t->file_offset + t->unpacked_bytes,
                           .unit = unit,
                           .file = s->file,
                           .follower = NONE,
                           .chunk_start = (uint16_t)at,
                           .chunk_end = (uint16_t)end,
                           .copy = must_copy(s, l, unit, offset, at) };
        int rc = piece_new(&piece, l, &p, err);
        if (rc)
            return rc;
        if (!p.copy && offset == OFFSET_UNKNOWN)
            l->units[unit].blocked++;
        if (first == NONE)
            first = piece;
        else
            l->pieces[before].follower = piece;
        before = piece;
        at = end;
    }
    bool fits = layout_settle(l, first);
    assert(fits); /* layout_check() has seen to it */
    return HFP_OK;
}

static int sew(struct layout *l, const struct layout_slice *s, struct hfp_err *err)
{
    const struct reconstruction_term *last = &s->r->terms[s->r->term_count - 1];
    uint64_t to = last->file_offset + last->unpacked_bytes;
    struct seam *seam = seam_of(l, s->file);
    if (to == s->r->size_bytes) {
        if (seam)
            *seam = l->seams[--l->seam_count];
        return HFP_OK;
    }
    if (!seam) {
        int rc = layout_room((void **)&l->seams, &l->seams_cap, sizeof *l->seams, (size_t)l->seam_count + 1, err);
        if (rc)
            return rc;
        seam = &l->seams[l->seam_count++];
    }
    *seam = (struct seam){ .to = to, .xorb = last->xorb, .chunk_end = last->chunk_end, .file = s->file };
    return HFP_OK;
}

int layout_add(struct layout *l, uint32_t file, const struct reconstruction *r, struct hfp_err *err)
{
    struct layout_slice s = { .r = r, .seam = seam_of(l, file), .file = file, .old_units = l->unit_count };
    int rc = layout_check(l, &s, err);
    if (rc)
        return rc;
    for (size_t i = s.first; i < r->term_count; i++) {
        struct reconstruction_term t = layout_term(&s, i);
        leave_lost(l, &t);
    }
    for (size_t i = s.first; i < r->term_count; i++) {
        struct reconstruction_term t = layout_term(&s, i);
        rc = cover(l, &r->fetches[t.fetch], file, t.file_offset, err);
        if (!rc)
            rc = place_term(l, &s, &t, err);
        if (rc)
            return rc;
    }
    return sew(l, &s, err);
}

/* ---- views ---- */

uint32_t layout_unit_count(const struct layout *l)
{
    return l->unit_count;
}

bool layout_unit(const struct layout *l, uint32_t unit, struct layout_unit *out)
{
    assert(unit < l->unit_count);
    if (!l->units[unit].held)
        *out = l->units[unit].what;
    return !l->units[unit].held;
}

size_t layout_bytes(const struct layout *l)
{
    return sizeof *l + l->units_cap * sizeof *l->units + l->pieces_cap * sizeof *l->pieces +
           l->lengths_cap * sizeof *l->lengths + l->seams_cap * sizeof *l->seams;
}

bool layout_full(const struct layout *l)
{
    return layout_bytes(l) >= LAYOUT_FULL_BYTES;
}
