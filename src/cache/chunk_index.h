/* cache/chunk_index.h: which chunks of which xorbs lie somewhere on this disk, by the chunk maps of files that are here.
 *
 * In memory are stretches, not chunks: one entry (56 bytes) for all runs of a map that follow one another in file and xorb;
 * lengths and hashes are read from the map when they are needed. A fresh file has one a xorb: 1 TB takes 1 MB. When there are
 * more than CHUNK_STRETCHES_MAX, the shortest go. With CHUNK_SOURCES_MAX names: 15 MiB at the most.
 *
 * A map is a claim. chunk_reader_next() gives a chunk only after its bytes have given its hash; what does not is told back
 * with chunk_index_forget(), so that nobody looks there again.
 * Threads: filled by one worker before anyone asks. Then find, holds and forget are the loop's; readers run on workers and use
 * only their hit, whose source lives as long as the index. */
#ifndef HFP_CACHE_CHUNK_INDEX_H
#define HFP_CACHE_CHUNK_INDEX_H

#include "cache/store.h"
#include "xet/chunk_map.h"

#define CHUNK_STRETCHES_MAX 196608u
#define CHUNK_SOURCES_MAX 16384u
#define CHUNK_SOURCE_BAD_MAX 8u /* chunks of a file that are not what its map says: then nothing of it is believed */

struct chunk_index;
struct chunk_source;

int chunk_index_new(struct chunk_index **out, struct hfp_err *err);
void chunk_index_free(struct chunk_index *ix); /* NULL is fine */

/* A map and the file it speaks of; the folders stay open as long as the index. recorded: of an open map, a bit per block
 * of the file that is on the disk; NULL: the map must be sealed. What is no map of a file of that size adds nothing. */
struct chunk_index_file {
    int map_dir, file_dir;
    const char *map_name, *file_name;
    const uint8_t *recorded;
};
int chunk_index_add(struct chunk_index *ix, const struct chunk_index_file *f, struct hfp_err *err);
/* All sealed maps of a repository's cache whose blob is there. Not for --local-dir, where a map does not say its file. */
int chunk_index_add_blobs(struct chunk_index *ix, const struct store *s, struct hfp_err *err);
void chunk_index_ready(struct chunk_index *ix); /* all is added */
uint32_t chunk_index_stretches(const struct chunk_index *ix);

/* Chunks of one xorb that follow one another in a file. */
struct chunk_hit {
    struct chunk_source *source;
    struct xet_hash xorb;
    uint32_t index, count; /* the first, and how many */
    uint64_t run;          /* of the map, with the first */
    uint32_t run_at;       /* chunk of the run */
};
/* ix may be NULL: nothing is held. */
bool chunk_index_find(struct chunk_hit *out, const struct chunk_index *ix, const struct xet_hash *xorb, uint32_t index);
/* How many of first .. end - 1 are held without a gap, from first on. */
uint32_t chunk_index_holds(const struct chunk_index *ix, const struct xet_hash *xorb, uint32_t first, uint32_t end);
/* This chunk is not there. whole: nor is anything else of its file. */
void chunk_index_forget(struct chunk_index *ix, struct chunk_source *source, const struct xet_hash *xorb,
                        uint32_t index, bool whole);

/* Reads the chunks of a hit, one after another. On one worker. */
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
