/* xet/layout.h: each range of chunks is fetched and decoded once, and written to every place that needs it.
 *
 * Reconstructions say of each slice of a file which chunks it is made of. A layout is that turned around, over all
 * slices and all files of a job that were added so far: what to fetch (units), where each decoded chunk goes (writes),
 * and what needs no fetch because its chunks are in a file already (copies).
 *
 *   layout_hold*  -> layout_add* -> for each unit, when layout_unit_ready(): fetch its byte range, and for each record
 *                                   layout_chunk(), then layout_write_next() until it says no
 *                    layout_copy_next() after adds and chunks: what may be copied now
 *
 * Pure: no clock, no I/O; one thread at a time (the loop's). Files are numbers of the caller's choice. Chunks are
 * always written whole, also where a slice begins or ends inside one: they are bytes of the file either way.
 *
 * Chunk lengths are not in a reconstruction; they come with the records. So only a term's first chunk has a known place
 * from the start and the rest runs on from there. Where a term begins in chunks of an earlier unit and goes on in a new
 * one, the new unit is not ready before the earlier one has come so far. Such waits go from lower chunks of a xorb to
 * higher ones, never back, so they end when the units are fetched.
 *
 * Never fetched twice: a chunk range of a unit, whether it is still to come (the new place is just added to it), passes
 * now, or is done (the new place becomes a copy). Two exceptions, each costs one more fetch of that range: a hold whose
 * borders in the xorb are not known cannot be cut around; and chunks that came along in a range which nobody needed
 * then.
 *
 * Memory: 56 bytes a term (and for each further unit the term reaches into), 104 a unit, 4 a chunk. A fresh file
 * costs 4.3 KB for each 64 MiB, one in pieces of 512 KiB 200 bytes for each of them. One layout_add() takes at most
 * 8 MiB (LAYOUT_PIECES_MAX, RECONSTRUCTION_CHUNKS_MAX). layout_full() says when to add no more: then let it run until
 * layout_idle(), free it and begin another. Chunks that both need are fetched in both. */
#ifndef HFP_XET_LAYOUT_H
#define HFP_XET_LAYOUT_H

#include "xet/reconstruction.h"

#define LAYOUT_FULL_BYTES (16u << 20) /* 240 GiB of a fresh file */
/* Pieces that the terms of one slice may fall into. The terms of a reconstruction are 21,845 at most, and hardly any
 * falls into two. */
#define LAYOUT_PIECES_MAX 65536u
#define LAYOUT_BYTE_UNKNOWN UINT64_MAX

struct layout;

int layout_new(struct layout **out, struct hfp_err *err);
void layout_free(struct layout *l);
void layout_freep(struct layout **l);

/* Chunks that are in a file already, of another revision, or recorded before a kill: lengths[0..count) from chunk
 * chunk_start of xorb on, side by side from file_offset of file on. first_byte and last_byte (included) are where their
 * records lie in the xorb; LAYOUT_BYTE_UNKNOWN each, where the caller does not know: then they still serve ranges that
 * lie inside them. What a unit or an earlier hold covers is left out. The caller has checked, or will while copying,
 * that the bytes are those chunks; when they are not: a new layout without this hold. HFP_E_NOMEM is its only error. */
struct layout_held {
    struct xet_hash xorb;
    uint32_t chunk_start, count; /* chunk_start + count <= XET_XORB_CHUNKS_MAX */
    const uint32_t *lengths;     /* 1 to XET_CHUNK_MAX each; only read during the call */
    uint64_t first_byte, last_byte;
    uint32_t file;
    uint64_t file_offset;
};
int layout_hold(struct layout *l, const struct layout_held *held, struct hfp_err *err);

/* One more slice. Slices of one file come in rising order; gaps are fine, and the chunk that two neighbours share is
 * taken once. HFP_E_PROTO: it contradicts what was added before, or falls into too many pieces; nothing has changed.
 * HFP_E_NOMEM: the layout may only be freed. r is not needed afterwards. */
int layout_add(struct layout *l, uint32_t file, const struct reconstruction *r, struct hfp_err *err);

/* What to fetch, in the order of first need. A unit's URL is reconstruction_find(r, &xorb, chunk_start, chunk_end) in
 * the reconstruction that added it, or in a fresh one of the same slice of the same file. That fetch may be longer than
 * the unit: ask for the unit's bytes, and where a server refuses less than it signed, for all of the fetch, and drop
 * the other chunks. */
struct layout_unit {
    struct xet_hash xorb;
    uint32_t chunk_start, chunk_end;
    uint64_t first_byte, last_byte; /* in the xorb, both included */
    uint32_t next_chunk;            /* the next one to decode; chunk_end: done */
    uint32_t file;                  /* who needed it first, */
    uint64_t file_offset;           /* and where in that file */
};
uint32_t layout_unit_count(const struct layout *l); /* grows with layout_add() only */
/* False: it is no unit but a hold, with nothing to fetch; *out is untouched. */
bool layout_unit(const struct layout *l, uint32_t unit, struct layout_unit *out);
/* Is every place of it known? Ready once, it stays so. */
bool layout_unit_ready(const struct layout *l, uint32_t unit);

/* The record of chunk has bytes decoded bytes (1 to XET_CHUNK_MAX). The unit is ready and chunk is next_chunk, or an
 * earlier one that was fetched again (a repair): then nothing changes, and bytes must be the same. Begins the list of
 * its places. HFP_E_PROTO: a term would not have the length that its reconstruction gave it. Nothing of this chunk may
 * be written, and what stands in the layout of that term cannot be believed: free it, and go on with a new one without
 * that file. */
struct layout_walk {
    uint32_t piece, chunk, bytes;
};
int layout_chunk(struct layout_walk *w, struct layout *l, uint32_t unit, uint32_t chunk, uint32_t bytes,
                 struct hfp_err *err);
/* The next place for all bytes of that chunk; false: no more (a chunk that nobody needs has none). Nothing else is
 * called on l before that. */
struct layout_write {
    uint32_t file;
    uint64_t offset;
};
bool layout_write_next(const struct layout *l, struct layout_walk *w, struct layout_write *out);

/* What can be copied now; each is given once. The source bytes are those of a hold or of writes that
 * layout_write_next() has given: the caller waits until they are in the file. Chunks are for the check on the way. A
 * place that holds its bytes already (same file and offset as the source) is not given. False: none now. */
struct layout_copy {
    uint32_t from_file, to_file;
    uint64_t from_offset, to_offset, bytes;
    struct xet_hash xorb;
    uint32_t chunk_start, chunk_end;
};
bool layout_copy_next(struct layout *l, struct layout_copy *out);

bool layout_full(const struct layout *l); /* LAYOUT_FULL_BYTES are in use */
bool layout_idle(const struct layout *l); /* every unit decoded, every copy given */
size_t layout_bytes(const struct layout *l);

#endif
