/* cache/chunk_index.h: which chunks of which xorbs lie somewhere on this disk, by the chunk maps of files that are here.
 *
 * In memory are stretches, not chunks: one entry (56 bytes) for all runs of a map that follow one another in file and xorb;
 * lengths and hashes are read from the map when they are needed. A fresh file has one a xorb: 1 TB takes 1 MB. When
 * there are more than CHUNK_STRETCHES_MAX, the shortest go. With CHUNK_SOURCES_MAX names: 15 MiB at the most.
 *
 * A map is a claim. A chunk is believed when its bytes have given its hash (cache/chunk_reader.h); what does not is told
 * back with chunk_index_forget(), so that nobody looks there again.
 * Threads: filled by one worker before anyone asks; then find, holds, merge and forget are the loop's. A hit names its
 * source, which lives as long as the index: a reader on a worker uses nothing else of it. */
#ifndef HFP_CACHE_CHUNK_INDEX_H
#define HFP_CACHE_CHUNK_INDEX_H

#include "cache/store.h"
#include "xet/chunk_map.h"

#define CHUNK_STRETCHES_MAX 196608u
#define CHUNK_SOURCES_MAX 16384u
#define CHUNK_SOURCE_BAD_MAX 8u /* chunks of a file that are not what its map says: then nothing of it is believed */

struct chunk_index;

/* A file and its map, in the folders they lie in. A reader on a worker uses it: all but `bad` stays as it is. */
struct chunk_source {
    int map_dir, file_dir;            /* of who made the index */
    const char *map_name, *file_name; /* behind the struct */
    struct chunk_map_info info;
    unsigned bad; /* the loop's: chunks that were not what the map says */
};

int chunk_index_new(struct chunk_index **out, struct hfp_err *err);
void chunk_index_free(struct chunk_index *ix); /* NULL is fine */

/* A map and the file it speaks of; the folders stay open as long as the index. recorded: of an open map, a bit per block
 * of the file, of size_bytes, that is on the disk; NULL: the map must be sealed, and the size is that of the file
 * there. What is no map of a file of that size adds nothing. */
struct chunk_index_file {
    int map_dir, file_dir;
    const char *map_name, *file_name;
    const uint8_t *recorded;
    uint64_t size_bytes; /* with recorded */
};
int chunk_index_add(struct chunk_index *ix, const struct chunk_index_file *f, struct hfp_err *err);
/* All sealed maps of a repository's cache whose blob is there. */
int chunk_index_add_blobs(struct chunk_index *ix, const struct store *s, struct hfp_err *err);
/* The sealed map of the file at a place, if there is one. At a place that is no blob it does not say whose it is. */
int chunk_index_add_place(struct chunk_index *ix, const struct place *p, struct hfp_err *err);
void chunk_index_ready(struct chunk_index *ix); /* all is added */
/* All of `from`, which is freed: maps of files that came meanwhile. On the loop. */
void chunk_index_merge(struct chunk_index *ix, struct chunk_index *from);
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

#endif
