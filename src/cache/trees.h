/* cache/trees.h: where trees/<commit>.json lies, for its reader (trees_read.c) and its writer (trees_write.c).
 *
 * The form is that of huggingface_hub _tree_cache.py (1.22 to 2.4):
 *   {"format_version": 1, "files": {"<path>": {"size", "blob_id"[, "lfs_sha256", "lfs_size"][, "xet_hash"]}}}
 * Both ways it is a stream: a repository of 200,000 files makes 50 MB of it. Public side: cache/listing.h.
 * Pure; any thread. */
#ifndef HFP_CACHE_TREES_H
#define HFP_CACHE_TREES_H

#include "cache/listing.h"

#include <assert.h>
#include <stdio.h>

#define TREES_FORMAT_VERSION 1
#define TREES_WINDOW (64u << 10) /* read and written in pieces of this size */
#define TREES_NAME_MAX (sizeof "trees/.json" + COMMIT_HEX)

/* Below which folder the Python client looks, for each of the two shapes of a store; -1 when it is not there. */
static inline int trees_dir(const struct store *s)
{
    return s->is_local ? s->local_notes : s->repo_dir;
}

static inline void trees_name(char out[TREES_NAME_MAX], const char *commit)
{
    assert(name_is_commit(commit));
    snprintf(out, TREES_NAME_MAX, "trees/%s.json", commit);
}

#endif
