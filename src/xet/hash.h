/* xet/hash.h: the 32-byte hashes of Xet, all keyed BLAKE3, and their text form.
 *
 * Pure and without state; any thread. Lengths and sizes are the caller's. What a hash is taken over:
 *   chunk  the plain bytes of one chunk; compression never enters it
 *   node   the text of an inner node of the tree (xet/tree.h)
 *   range  the chunk hashes of one term, side by side
 *   file   the root of the tree over all chunks of a file (xet/tree.h)
 *   keyed  a chunk hash under the key of a shard
 * The text form is what URLs, JSON and tree nodes have: the bytes as four little-endian words, each printed as 16 hex
 * digits, so the bytes of each group of eight come out reversed (xet-core: merklehash/data_hash.rs). It is not
 * hex_encode(). */
#ifndef HFP_XET_HASH_H
#define HFP_XET_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XET_HASH_BYTES 32u
#define XET_HASH_TEXT 65u /* 64 digits and the NUL */

struct xet_hash {
    uint8_t bytes[XET_HASH_BYTES];
};

static inline bool xet_hash_equal(const struct xet_hash *a, const struct xet_hash *b)
{
    return __builtin_memcmp(a->bytes, b->bytes, XET_HASH_BYTES) == 0;
}

/* Exactly 64 hex digits, n of them given; either case, as the Python client takes them. false leaves *out alone. */
bool xet_hash_parse(struct xet_hash *out, const char *hex64, size_t n);
void xet_hash_text(char out[XET_HASH_TEXT], const struct xet_hash *hash); /* lower case */

void xet_hash_chunk(struct xet_hash *out, const void *data, size_t n);
void xet_hash_node(struct xet_hash *out, const char *text, size_t n);
void xet_hash_range(struct xet_hash *out, const struct xet_hash *chunks, size_t n);
void xet_hash_file(struct xet_hash *out, const struct xet_hash *root); /* not for an empty file: see tree.h */
void xet_hash_keyed(struct xet_hash *out, const uint8_t key[XET_HASH_BYTES], const struct xet_hash *chunk);

#endif
