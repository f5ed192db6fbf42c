/* cache/chunk_reader.h: reads the chunks of a hit of the index, one after another, each proved by its hash.
 *
 * Lengths and hashes are those of the map, bytes those of the file; either may have changed since the index was made, and
 * what does not fit is an error and never a chunk. Embedded in its user, who ends what it has begun. Blocking: on one
 * worker, with the hit alone (its source lives as long as the index). */
#ifndef HFP_CACHE_CHUNK_READER_H
#define HFP_CACHE_CHUNK_READER_H

#include "cache/chunk_index.h"

struct chunk_reader {
    struct chunk_hit hit;
    int map, file;
    uint64_t run_number; /* in run; 0: none yet */
    struct chunk_run run;
};
void chunk_reader_begin(struct chunk_reader *r, const struct chunk_hit *hit);
void chunk_reader_end(struct chunk_reader *r);
/* The next chunk, proved by its hash. HFP_E_CONTENT: other bytes lie there (*bytes of them are missing). Anything else: the
 * source is of no use. Not after hit.count chunks. */
int chunk_reader_next(struct chunk_reader *r, uint8_t plain[XET_CHUNK_MAX], uint32_t *bytes, struct xet_hash *hash,
                      struct hfp_err *err);

#endif
