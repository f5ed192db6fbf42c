/* lz4_oracle.h: an LZ4 frame read in another way than xet/unpack does: by pieces of a few bytes through liblz4, and
 * only then compared with what its record says. */
#ifndef HFP_TESTS_LZ4_ORACLE_H
#define HFP_TESTS_LZ4_ORACLE_H

#include "base/le.h"
#include "fuzz.h"
#include "xet/unpack.h"

#include <lz4frame.h>

#define ORACLE_PIECE 11u

/* How many bytes come out of the one whole frame that src is; -1 when it is none, or more than room come out. */
static inline long oracle_frame(uint8_t *out, size_t room, const uint8_t *src, size_t n)
{
    LZ4F_dctx *c = NULL;
    size_t at = 0, made = 0, hint = 1;
    MUST(!LZ4F_isError(LZ4F_createDecompressionContext(&c, LZ4F_VERSION)), "memory");
    while (hint && !LZ4F_isError(hint)) {
        size_t taken = MIN(n - at, ORACLE_PIECE), given = room - made;
        hint = LZ4F_decompress(c, out + made, &given, src + at, &taken, NULL);
        if (LZ4F_isError(hint) || (hint && !taken && !given))
            break;
        at += taken;
        made += given;
    }
    LZ4F_freeDecompressionContext(c);
    return hint == 0 && at == n ? (long)made : -1;
}

/* A dictionary and a skippable frame are no matter of liblz4's; here they are refused. */
static inline bool oracle_refuses(const struct xet_record *r)
{
    if (r->stored_bytes < 7 || get_le(r->stored, 4) != LZ4F_MAGICNUMBER)
        return true;
    return r->stored[4] & 1; /* flag byte: a dictionary id follows */
}

static inline bool oracle_record(uint8_t *out, const struct xet_record *r)
{
    static uint8_t grouped[XET_CHUNK_MAX + 1];
    if (r->scheme == XET_PLAIN) {
        memcpy(out, r->stored, r->plain_bytes);
        return true;
    }
    if (oracle_refuses(r) || oracle_frame(grouped, sizeof grouped, r->stored, r->stored_bytes) != (long)r->plain_bytes)
        return false;
    for (size_t run = 0, at = 0; run < 4; run++)
        for (size_t i = run; i < r->plain_bytes && r->scheme == XET_BG4_LZ4; i += 4)
            out[i] = grouped[at++];
    if (r->scheme == XET_LZ4)
        memcpy(out, grouped, r->plain_bytes);
    return true;
}

/* What xet_unpack() makes of a record is what the oracle makes of it, or both refuse. */
static inline void unpack_must_hold(struct xet_unpacker *u, const struct xet_record *r)
{
    static uint8_t want[XET_CHUNK_MAX];
    struct hfp_err err = { 0 };
    const uint8_t *plain = NULL;
    bool good = oracle_record(want, r);
    int rc = xet_unpack(u, &plain, r, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_PROTO && !plain, "a bad record is a server's, and nothing is given out");
    }
    MUST(good == (rc == HFP_OK), "a record is good for both, or for none");
    MUST(rc || memcmp(plain, want, r->plain_bytes) == 0, "and has the same bytes in it");
}

#endif
