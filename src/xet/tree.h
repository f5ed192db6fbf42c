/* xet/tree.h: the Merkle tree over chunks: the name of a xorb and of a file, worked out while chunks come.
 *
 * Chunks are added in order; the root may be asked for at any time and as often as wanted. Groups of 3 to 9 nodes become
 * one parent; where a group ends is decided by the nodes already in it, so a level only keeps its open group and the
 * whole state is sizeof(struct xet_tree), about 16 KiB, for any number of chunks. No heap, no errors; one thread at a
 * time. (xet-core: merklehash/aggregated_hashes.rs)
 *
 * Chunks 0 to k-1 of a xorb are proved when the root over them is the xorb's name: xet_tree_is(t, xorb). Until then, or
 * when a file uses only part of a xorb, nothing can be said of them. The same state proves a file, with the name from
 * xet_tree_file() over all its chunks in file order, repeats included. */
#ifndef HFP_XET_TREE_H
#define HFP_XET_TREE_H

#include "xet/hash.h"

#define XET_TREE_GROUP_MAX 9
#define XET_TREE_LEVELS 42 /* a level has at most a third of the nodes below it, rounded up: 3^41 > 2^64 */

struct xet_tree_node {
    struct xet_hash hash;
    uint64_t size_bytes; /* plain bytes below it */
};

struct xet_tree_level {
    struct xet_tree_node open[XET_TREE_GROUP_MAX];
    uint32_t open_count;
    bool closed_any; /* some group of this level has become a parent */
};

struct xet_tree {
    struct xet_tree_level level[XET_TREE_LEVELS];
    uint64_t chunks, size_bytes;
};

void xet_tree_init(struct xet_tree *t);
/* size_bytes is the chunk's plain length. The sum over a tree stays below 2^64: the caller has checked its lengths. */
void xet_tree_add(struct xet_tree *t, const struct xet_hash *chunk, uint32_t size_bytes);

/* 32 zero bytes while nothing was added; the chunk's own hash after one. */
void xet_tree_root(struct xet_hash *out, const struct xet_tree *t);
bool xet_tree_is(const struct xet_tree *t, const struct xet_hash *xorb);
/* The file's name: a keyed hash of the root, but 32 zero bytes for an empty file. */
void xet_tree_file(struct xet_hash *out, const struct xet_tree *t);

#endif
