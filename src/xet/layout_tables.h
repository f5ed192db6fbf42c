/* xet/layout_tables.h: what a layout keeps, for layout*.c alone.
 *
 * Tables of plain entries that refer to each other by number, for they move when they grow. Units of one xorb do not
 * overlap in the index, so a chunk is found in one of them at most. A unit that was left by the index lives on for the
 * places it has, and serves no new ones. */
#ifndef HFP_XET_LAYOUT_TABLES_H
#define HFP_XET_LAYOUT_TABLES_H

#include "xet/layout.h"

#define NONE UINT32_MAX
#define OFFSET_UNKNOWN UINT64_MAX
#define LENGTH_MASK 0x7fffffffu   /* of lengths[]; 0: not decoded yet */
#define LENGTH_PLACED 0x80000000u /* some place, not only copies, gets this chunk */

struct unit {
    struct layout_unit what;
    uint32_t lengths;             /* index of chunk_start's */
    uint32_t pieces;              /* list of all its places and copies */
    uint32_t blocked;             /* places whose offset is not known yet */
    uint32_t left, right, weight; /* index: a treap by (xorb, chunk_start) */
    bool held;
};

/* Chunks of one unit that lie side by side in a file: what a term has of that unit. */
struct piece {
    uint64_t offset; /* of its first chunk; OFFSET_UNKNOWN until the piece before it has its lengths */
    uint64_t at;     /* a place: where the unit's next chunk goes, once that is one of its */
    uint64_t limit;  /* the end of the term */
    uint32_t unit, file;
    uint32_t next;       /* of the unit */
    uint32_t follower;   /* the term goes on there */
    uint32_t next_ready; /* a copy that can be given */
    uint16_t chunk_start, chunk_end;
    bool copy;
};

/* Where a file's slices ended so far. */
struct seam {
    uint64_t to;
    struct xet_hash xorb;
    uint32_t chunk_end, file;
};

struct layout {
    struct unit *units;
    struct piece *pieces;
    uint32_t *lengths;
    struct seam *seams; /* of files that have more to come */
    size_t units_cap, pieces_cap, lengths_cap, seams_cap;
    uint32_t unit_count, piece_count, length_count, seam_count;
    uint32_t root;             /* of the index */
    uint32_t ready_copies;     /* list */
    uint32_t undecoded, owing; /* units that are not done; copies that were not given */
    uint64_t random;           /* for the treap alone */
};

/* One slice on its way in: its first terms may be here already, up to the seam. */
struct layout_slice {
    const struct reconstruction *r;
    struct seam *seam; /* NULL: the file's first */
    size_t first;      /* the first term that is not here, */
    bool trimmed;      /* and it begins at the seam */
    uint32_t file;
    uint32_t old_units; /* those below are older than this slice */
};

/* layout_check.c: HFP_E_PROTO, or first and trimmed are set. */
int layout_check(const struct layout *l, struct layout_slice *s, struct hfp_err *err);
struct reconstruction_term layout_term(const struct layout_slice *s, size_t i); /* as much of it as is not here */

/* layout_index.c */
int layout_room(void **table, size_t *cap, size_t entry_bytes, size_t wanted, struct hfp_err *err);
/* A unit with lengths, and in the index. what->next_chunk tells whether it is done. */
int layout_unit_new(uint32_t *out, struct layout *l, const struct layout_unit *what, bool held, struct hfp_err *err);
void layout_leave_index(struct layout *l, uint32_t unit);
/* The unit of that xorb in the index with the greatest chunk_start that is not above chunk; or the least that is not
 * below. NONE. */
uint32_t layout_floor(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk);
uint32_t layout_ceil(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk);
/* The first unit that overlaps the range from chunk on; NONE when nothing of it begins before end. */
uint32_t layout_overlap(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk, uint32_t end);

/* layout_chunks.c */
/* Bytes of these chunks of a unit, all decoded. */
uint64_t layout_span(const struct layout *l, const struct unit *u, uint32_t chunk_start, uint32_t chunk_end);
/* The piece's unit has passed it, or its offset has become known: what that settles for the term. False: the term would
 * not have its length. */
bool layout_settle(struct layout *l, uint32_t piece);

#endif
