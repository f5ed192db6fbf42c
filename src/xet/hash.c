#include "xet/hash.h"

#include <assert.h>
#include <blake3.h>
#include <string.h>

static_assert(BLAKE3_KEY_LEN == XET_HASH_BYTES && BLAKE3_OUT_LEN == XET_HASH_BYTES, "a hash can be a key");

/* xet-core: xet_core_structures/src/merklehash/data_hash.rs, metadata_shard/chunk_verification.rs. */
static const uint8_t data_key[BLAKE3_KEY_LEN] = {
    0x66, 0x97, 0xf5, 0x77, 0x5b, 0x95, 0x50, 0xde, 0x31, 0x35, 0xcb, 0xac, 0xa5, 0x97, 0x18, 0x1c,
    0x9d, 0xe4, 0x21, 0x10, 0x9b, 0xeb, 0x2b, 0x58, 0xb4, 0xd0, 0xb0, 0x4b, 0x93, 0xad, 0xf2, 0x29,
};
static const uint8_t node_key[BLAKE3_KEY_LEN] = {
    0x01, 0x7e, 0xc5, 0xc7, 0xa5, 0x47, 0x29, 0x96, 0xfd, 0x94, 0x66, 0x66, 0xb4, 0x8a, 0x02, 0xe6,
    0x5d, 0xdd, 0x53, 0x6f, 0x37, 0xc7, 0x6d, 0xd2, 0xf8, 0x63, 0x52, 0xe6, 0x4a, 0x53, 0x71, 0x3f,
};
static const uint8_t range_key[BLAKE3_KEY_LEN] = {
    0x7f, 0x18, 0x57, 0xd6, 0xce, 0x56, 0xed, 0x66, 0x12, 0x7f, 0xf9, 0x13, 0xe7, 0xa5, 0xc3, 0xf3,
    0xa4, 0xcd, 0x26, 0xd5, 0xb5, 0xdb, 0x49, 0xe6, 0x41, 0x24, 0x98, 0x7f, 0x28, 0xfb, 0x94, 0xc3,
};
static const uint8_t file_key[BLAKE3_KEY_LEN] = { 0 };

static void keyed(struct xet_hash *out, const uint8_t key[BLAKE3_KEY_LEN], const void *data, size_t n)
{
    blake3_hasher hasher;
    blake3_hasher_init_keyed(&hasher, key);
    blake3_hasher_update(&hasher, data, n);
    blake3_hasher_finalize(&hasher, out->bytes, XET_HASH_BYTES);
}

void xet_hash_chunk(struct xet_hash *out, const void *data, size_t n)
{
    keyed(out, data_key, data, n);
}

void xet_hash_node(struct xet_hash *out, const char *text, size_t n)
{
    keyed(out, node_key, text, n);
}

void xet_hash_range(struct xet_hash *out, const struct xet_hash *chunks, size_t n)
{
    keyed(out, range_key, chunks, n * sizeof *chunks);
}

void xet_hash_file(struct xet_hash *out, const struct xet_hash *root)
{
    keyed(out, file_key, root, sizeof *root);
}

void xet_hash_keyed(struct xet_hash *out, const uint8_t key[XET_HASH_BYTES], const struct xet_hash *chunk)
{
    keyed(out, key, chunk, sizeof *chunk);
}

/* The digits of byte i stand at position 2 * (i ^ 7): the order of bytes turns round inside each group of eight. */
void xet_hash_text(char out[XET_HASH_TEXT], const struct xet_hash *hash)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < XET_HASH_BYTES; i++) {
        out[2 * (i ^ 7)] = digits[hash->bytes[i] >> 4];
        out[2 * (i ^ 7) + 1] = digits[hash->bytes[i] & 15];
    }
    out[2 * XET_HASH_BYTES] = 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool xet_hash_parse(struct xet_hash *out, const char *hex64, size_t n)
{
    struct xet_hash hash;
    if (n != 2 * sizeof hash.bytes)
        return false;
    for (size_t i = 0; i < XET_HASH_BYTES; i++) {
        int high = digit_value(hex64[2 * (i ^ 7)]), low = digit_value(hex64[2 * (i ^ 7) + 1]);
        if (high < 0 || low < 0)
            return false;
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out = hash;
    return true;
}
