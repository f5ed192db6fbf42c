/* base/digest.h: sha256, sha1 (as git blobs use it) and BLAKE3, and hex.
 *
 * Contexts belong to one thread at a time. OpenSSL's EVP_MD are fetched once per process (thread-safe). */
#ifndef HFP_BASE_DIGEST_H
#define HFP_BASE_DIGEST_H

#include "base/err.h"

#define DIGEST_MAX 32
#define BLAKE3_BYTES 32

enum digest_kind { DIGEST_SHA256, DIGEST_GIT_SHA1 };

/* The Hub's own hash of a content: 32 bytes of sha256, or 20 of git blob sha1. */
struct content_id {
    uint8_t kind; /* enum digest_kind */
    uint8_t bytes[DIGEST_MAX];
};
static inline size_t digest_bytes(enum digest_kind kind)
{
    return kind == DIGEST_SHA256 ? 32 : 20;
}
bool content_id_equal(const struct content_id *a, const struct content_id *b);
/* 64 hex: sha256; 40 hex: git sha1. Lower case only, as the Hub writes it. HFP_E_ARG otherwise. */
int content_id_parse(struct content_id *out, const char *hex);
void content_id_hex(char out[65], const struct content_id *id);

struct digest;
/* size_bytes is hashed first for git blobs ("blob <size>\0") and ignored for sha256. */
int digest_new(struct digest **out, enum digest_kind kind, uint64_t size_bytes, struct hfp_err *err);
int digest_add(struct digest *d, const void *data, size_t n, struct hfp_err *err);
int digest_end(struct digest *d, struct content_id *out, struct hfp_err *err); /* may be called once */
void digest_free(struct digest *d);
void digest_freep(struct digest **d);
/* Of a content that is in memory as a whole. */
int digest_of(struct content_id *out, enum digest_kind kind, const void *data, size_t n, struct hfp_err *err);

void blake3_of(uint8_t out[BLAKE3_BYTES], const void *data, size_t n);

void hex_encode(char *out, const uint8_t *bytes, size_t n); /* 2n + 1 bytes */
/* Exactly n bytes from 2n hex digits of either case; false otherwise. */
bool hex_decode(uint8_t *out, const char *hex, size_t n);

#endif
