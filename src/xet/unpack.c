#include "xet/unpack.h"

#include "base/auto.h"

#include <assert.h>
#include <inttypes.h>
#include <lz4frame.h>

struct xet_unpacker {
    LZ4F_dctx *frame; /* NULL: the next frame makes one */
    uint8_t unpacked[XET_FRAME_BLOCK];
    uint8_t plain[XET_CHUNK_MAX];
};
static_assert(sizeof(struct xet_unpacker) <= XET_UNPACKER_BYTES, "as the header says");

int xet_unpacker_new(struct xet_unpacker **out, struct hfp_err *err)
{
    struct xet_unpacker *u = malloc(sizeof *u);
    if (!u)
        return err_nomem(err);
    u->frame = NULL;
    *out = u;
    return HFP_OK;
}

void xet_unpacker_freep(struct xet_unpacker **u)
{
    if (*u)
        LZ4F_freeDecompressionContext((*u)->frame); /* NULL is fine */
    free(*u);
    *u = NULL;
}

static int refuse(const struct xet_record *r, struct hfp_err *err, const char *what)
{
    return err_set(err, HFP_E_PROTO, "the LZ4 frame of chunk %" PRIu32 " %s", r->index, what);
}

/* Reads the frame's header, for which liblz4 takes no memory yet. */
static int frame_begin(struct xet_unpacker *u, const struct xet_record *r, LZ4F_frameInfo_t *info, size_t *header,
                       struct hfp_err *err)
{
    if (LZ4F_isError(LZ4F_getFrameInfo(u->frame, info, r->stored, header)))
        return refuse(r, err, "has no good header");
    if (info->frameType != LZ4F_frame)
        return refuse(r, err, "is one to be skipped");
    if (info->dictID)
        return refuse(r, err, "needs a dictionary");
    if (info->contentSize && info->contentSize != r->plain_bytes)
        return refuse(r, err, "has another size than its record says");
    return HFP_OK;
}

/* All of the frame is here, so liblz4 moves on with each call or has no room left for what comes out. */
static int frame_read(struct xet_unpacker *u, const struct xet_record *r, size_t at, struct hfp_err *err)
{
    size_t out = 0, hint = 1;
    while (hint) {
        size_t taken = r->stored_bytes - at, given = sizeof u->unpacked - out;
        hint = LZ4F_decompress(u->frame, u->unpacked + out, &given, r->stored + at, &taken, NULL);
        if (LZ4F_isError(hint))
            return refuse(r, err, LZ4F_getErrorName(hint));
        at += taken;
        out += given;
        if (out > r->plain_bytes)
            return refuse(r, err, "has more in it than its record says");
        if (hint && !taken && !given)
            return refuse(r, err, "is cut off");
    }
    if (out < r->plain_bytes)
        return refuse(r, err, "has less in it than its record says");
    return at == r->stored_bytes ? HFP_OK : refuse(r, err, "ends before its record does");
}

/* A frame that was read to its end leaves its context ready for the next. One that was given up does not, whatever is
 * reset: liblz4 1.9.4 keeps its content size and refuses the next frame for it. Memory for large blocks goes back too:
 * one frame may be hostile, but not what is kept. */
static void frame_end(struct xet_unpacker *u, const LZ4F_frameInfo_t *info, int rc)
{
    if (!rc && info->blockSizeID <= LZ4F_max256KB)
        return;
    LZ4F_freeDecompressionContext(u->frame);
    u->frame = NULL;
}

static int frame_unpack(struct xet_unpacker *u, const struct xet_record *r, struct hfp_err *err)
{
    LZ4F_frameInfo_t info = { .blockSizeID = LZ4F_default };
    size_t header = r->stored_bytes;
    if (!u->frame && LZ4F_isError(LZ4F_createDecompressionContext(&u->frame, LZ4F_VERSION)))
        return err_nomem(err);
    int rc = frame_begin(u, r, &info, &header, err);
    if (!rc)
        rc = frame_read(u, r, header, err);
    frame_end(u, &info, rc);
    return rc;
}

int xet_unpack(struct xet_unpacker *u, const uint8_t **plain, const struct xet_record *r, struct hfp_err *err)
{
    if (r->scheme == XET_PLAIN) {
        *plain = r->stored;
        return HFP_OK;
    }
    int rc = frame_unpack(u, r, err);
    if (rc)
        return rc;
    *plain = u->unpacked;
    if (r->scheme == XET_BG4_LZ4) {
        xet_bg4_ungroup(u->plain, u->unpacked, r->plain_bytes);
        *plain = u->plain;
    }
    return HFP_OK;
}

/* gcc vectorises the loop below only at -O3: 0.06 CPU seconds a GB in place of 0.20 (bench/xet_parts). clang comes to
 * 0.15 at -O2. Intrinsics gain nothing over gcc's own. */
#if defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((optimize("O3")))
#else
#define VECTORISED
#endif

VECTORISED static void ungroup_words(uint8_t *restrict out, const uint8_t *restrict a, const uint8_t *restrict b,
                                     const uint8_t *restrict c, const uint8_t *restrict d, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        out[4 * i] = a[i];
        out[4 * i + 1] = b[i];
        out[4 * i + 2] = c[i];
        out[4 * i + 3] = d[i];
    }
}

/* Four runs, of which the first n mod 4 are one byte longer (xet-core: byte_grouping/bg4.rs). */
void xet_bg4_ungroup(uint8_t *restrict out, const uint8_t *restrict grouped, size_t n)
{
    size_t words = n / 4, rest = n % 4, at = 0;
    const uint8_t *run[4];
    for (size_t i = 0; i < 4; i++) {
        run[i] = grouped + at;
        at += words + (i < rest);
    }
    ungroup_words(out, run[0], run[1], run[2], run[3], words);
    for (size_t i = 0; i < rest; i++)
        out[4 * words + i] = run[i][words];
}
