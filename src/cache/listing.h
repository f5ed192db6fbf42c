/* cache/listing.h: every file of one commit, compactly, and trees/<commit>.json, its form on disk.
 *
 * A repository of 200,000 files takes 29 MiB: paths lie in an arena, entries are plain and never move. Filled by one
 * thread, then immutable and shared. trees/<commit>.json is written only from a complete, unfiltered listing (the
 * Python client reads it: huggingface_hub _tree_cache.py); both ways it is a stream, never whole in memory. */
#ifndef HFP_CACHE_LISTING_H
#define HFP_CACHE_LISTING_H

#include "base/digest.h"
#include "cache/store.h"

struct listed_file {
    const char *path; /* checked by name_check_path; owned by the listing */
    uint64_t size_bytes;
    struct content_id id; /* sha256 for LFS and Xet, git sha1 otherwise */
    uint8_t git_oid[20];  /* of the pointer for LFS: trees/ needs it */
    bool lfs, xet;
    uint8_t xet_hash[32]; /* when xet: as hex text order, bytes of the 64 hex digits */
};

struct listing;
int listing_new(struct listing **out, struct hfp_err *err);
void listing_free(struct listing *l);
void listing_freep(struct listing **l);
/* Checks and copies. A path seen twice, or a limit exceeded (LISTING_FILES_MAX), is an error. */
int listing_add(struct listing *l, const struct listed_file *f, struct hfp_err *err);
/* Forgets all but the first count files: a page that turned out bad leaves nothing behind. Before sealing. */
void listing_rewind(struct listing *l, size_t count);
/* Sorts by path; after that listing_find works and nothing may be added. Refuses a file that is also a folder. */
int listing_seal(struct listing *l, struct hfp_err *err);
size_t listing_count(const struct listing *l);
const struct listed_file *listing_at(const struct listing *l, size_t i);
const struct listed_file *listing_find(const struct listing *l, const char *path);

#define LISTING_FILES_MAX 2000000u

/* HFP_E_NO_FILE: not there. Any doubt about it (version, hash, name): HFP_E_CORRUPT, and the caller asks the Hub. */
int trees_read(struct listing **out, const struct store *s, const char *commit, struct hfp_err *err);
/* The same out of the hub cache, beside a local folder that has none. */
int trees_read_beside(struct listing **out, const struct store *s, const char *commit, struct hfp_err *err);
/* From a sealed, complete, unfiltered listing. HFP_OK without a word when the store is not writable. */
int trees_write(const struct store *s, const char *commit, const struct listing *l, struct hfp_err *err);

#endif
