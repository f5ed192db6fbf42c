/* transfer/xet_seen.h: where the chunks of a file went that were put out, so that what is named again is copied.
 *
 * Chunks of a xorb that followed one another are one entry (64 bytes), and 12 bytes each for their lengths and the
 * beginning of their hashes: 192 KiB for 1 GiB of a fresh file. Bounded: when it is full all of it is forgotten, and
 * what is named again later comes again.
 * Loop thread; no I/O. What it says is where a chunk went, not that it can still be read there. */
#ifndef HFP_TRANSFER_XET_SEEN_H
#define HFP_TRANSFER_XET_SEEN_H

#include "xet/hash.h"

#include <stdbool.h>
#include <string.h>

#define XET_SEEN_CHUNKS_MAX (1u << 18) /* 3 MiB: 16 GiB of a file */
#define XET_SEEN_RUNS_MAX 16384u       /* 1 MiB */
#define XET_CHECK_BYTES 8u /* of a chunk's hash: against what a disk does. Who lies is found by the file's */

struct xet_seen_chunk {
    uint32_t bytes;
    uint8_t check[XET_CHECK_BYTES];
};
static inline struct xet_seen_chunk xet_seen_chunk(uint32_t bytes, const struct xet_hash *hash)
{
    struct xet_seen_chunk c = { .bytes = bytes };
    memcpy(c.check, hash->bytes, sizeof c.check);
    return c;
}

struct xet_seen;
struct xet_seen *xet_seen_new(void); /* NULL: no memory, and nothing is known */
void xet_seen_free(struct xet_seen *s);
void xet_seen_clear(struct xet_seen *s);
/* A chunk went there. One that is known stays where it was. Without memory it is not known. */
void xet_seen_add(struct xet_seen *s, const struct xet_hash *xorb, uint32_t index, uint64_t at,
                  const struct xet_seen_chunk *chunk);

/* Chunks that follow one another in the file as in the xorb. */
struct xet_seen_piece {
    uint64_t from, bytes;
    uint32_t chunks;
};
/* first and what follows it, up to end; false: first is not known. */
bool xet_seen_find(struct xet_seen_piece *out, const struct xet_seen *s, const struct xet_hash *xorb, uint32_t first,
                   uint32_t end);
/* Those of a piece that was just found, one after another; until the next is added. */
const struct xet_seen_chunk *xet_seen_chunks(const struct xet_seen *s, const struct xet_hash *xorb, uint32_t first);

#endif
