/* Promises of xet/unpack: every record of the vectors becomes the plain bytes it was made from, whoever wrote its frame;
 * a frame that is not what its record says is refused. Every row of bg4.json, xorbs.json and frames.json. Seen red on
 * purpose: a context used again after a refused frame (liblz4 1.9.4 then refuses the next), too much, too little and
 * something behind the end accepted, dictionaries, skippable frames and claimed sizes accepted, a cut frame asked for more
 * without end, runs of a wrong length, the last odd byte lost, no ungrouping. */
#include "xet/tree.h"
#include "xet/unpack.h"
#include "xet_vectors.h"

#include <lz4frame.h>

static struct xet_unpacker *unpacker;

static void group(uint8_t *out, const uint8_t *in, size_t n)
{
    for (size_t run = 0; run < 4; run++)
        for (size_t i = run; i < n; i += 4)
            *out++ = in[i];
}

static void ungrouped(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("bg4.json");
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(doc, "examples")) {
        size_t n = xv_number(row, "length");
        const cJSON *hex = cJSON_GetObjectItem(row, "grouped");
        XV_BYTES plain = { 0 };
        XV_BYTES grouped = { .data = malloc(n + 1), .n = n };
        AUTO_FREE uint8_t *got = malloc(n + 1);
        if (hex)
            for (size_t i = 0; i < n; i++)
                xv_append(&plain, &(uint8_t){ (uint8_t)i }, 1);
        else
            plain = xv_generate(xv_text(row, "generator"));
        if (hex)
            hex_decode(grouped.data, hex->valuestring, n);
        else
            group(grouped.data, plain.data, n);
        CHECK(hex || xv_sha256_is(&grouped, xv_text(row, "grouped_sha256")), "%zu bytes are grouped by the test", n);
        got[n] = 0xA5;
        xet_bg4_ungroup(got, grouped.data, n);
        CHECK((n == 0 || memcmp(got, plain.data, n) == 0) && got[n] == 0xA5, "%zu grouped bytes are plain again", n);
    }
}

/* All records of a file to their plain bytes. */
static struct xv_bytes unpack_all(const struct xv_bytes *b, uint32_t chunks, struct xet_tree *t, bool *ok)
{
    AUTO(xet_stream_freep) struct xet_stream *s = NULL;
    struct xv_bytes plain = { .data = malloc(1), .room = 1 };
    struct xet_span span = { 0, chunks, b->n };
    const uint8_t *data = b->data;
    size_t n = b->n;
    xet_tree_init(t);
    *ok = !xet_stream_new(&s, NULL) && !xet_stream_begin(s, &span, NULL);
    while (*ok && n) {
        struct xet_record r;
        struct xet_hash h;
        const uint8_t *bytes;
        bool got;
        *ok = !xet_stream_next(s, &r, &got, &data, &n, NULL);
        if (!*ok || !got)
            continue;
        *ok = !xet_unpack(unpacker, &bytes, &r, NULL);
        if (*ok) {
            xv_append(&plain, bytes, r.plain_bytes);
            xet_hash_chunk(&h, bytes, r.plain_bytes);
            xet_tree_add(t, &h, r.plain_bytes);
        }
    }
    *ok = *ok && !xet_stream_end(s, NULL);
    return plain;
}

static void files_row(const cJSON *row)
{
    const char *name = xv_text(row, "file");
    XV_BYTES b = xv_file(name);
    struct xet_tree t;
    bool ok;
    XV_BYTES plain = unpack_all(&b, (uint32_t)cJSON_GetArraySize(xv_get(row, "chunks")), &t, &ok);
    CHECK(xv_sha256_is(&b, xv_text(row, "file_sha256")), "%s is the vectors' own", name);
    CHECK(ok && plain.n == xv_number(row, "raw_bytes") && xv_sha256_is(&plain, xv_text(row, "raw_sha256")),
          "%s: %zu plain bytes", name, plain.n);
    if (cJSON_GetObjectItem(row, "xorb_hash")) {
        struct xet_hash want = xv_hash(row, "xorb_hash");
        CHECK(xet_tree_is(&t, &want), "%s: its chunks prove the xorb", name);
    }
}

static void files(const char *json, const char *list)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json(json);
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(doc, list))
        files_row(row);
}

/* Frames of our own making, with preferences that no writer of Xet has. */
static size_t frame(uint8_t *out, size_t room, const void *plain, size_t n, LZ4F_preferences_t prefs)
{
    size_t made = LZ4F_compressFrame(out, room, plain, n, &prefs);
    if (LZ4F_isError(made))
        xv_give_up("cannot make a frame");
    return made;
}

static void legal_frames(const struct xv_bytes *plain)
{
    static const LZ4F_blockSizeID_t sizes[] = { LZ4F_max64KB, LZ4F_max256KB, LZ4F_max1MB, LZ4F_max4MB };
    uint8_t stored[XET_STORED_MAX];
    for (unsigned i = 0; i < 4 * 16; i++) {
        LZ4F_frameInfo_t info = { .blockSizeID = sizes[i / 16],
                                  .blockMode = i & 1 ? LZ4F_blockIndependent : LZ4F_blockLinked,
                                  .contentChecksumFlag = i & 2 ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum,
                                  .blockChecksumFlag = i & 4 ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum,
                                  .contentSize = i & 8 ? plain->n : 0 };
        size_t n = frame(stored, sizeof stored, plain->data, plain->n, (LZ4F_preferences_t){ .frameInfo = info });
        struct xet_record r = { .scheme = XET_LZ4, .stored_bytes = (uint32_t)n, .plain_bytes = (uint32_t)plain->n };
        const uint8_t *got;
        r.stored = stored;
        CHECK(!xet_unpack(unpacker, &got, &r, NULL) && memcmp(got, plain->data, plain->n) == 0,
              "frame %u of %zu bytes is unpacked", i, plain->n);
    }
}

enum spoil {
    NOTHING,
    DICTIONARY,
    CLAIMS_MORE,
    BYTE_BEHIND,
    CUT,
    SKIPPABLE,
    RAW_BLOCK,
    FLIPPED,
    TWO_FRAMES,
    HUGE_CLAIM
};
static const struct {
    const char *name;
    enum spoil spoil;
    int32_t plain_more; /* what the record says beyond the truth */
    const char *says;
} bad[] = {
    { "nothing spoilt", NOTHING, 0, NULL },
    { "one byte fewer than its record says", NOTHING, 1, "less in it" },
    { "one byte more than its record says", NOTHING, -1, "more in it" },
    { "a dictionary", DICTIONARY, 0, "dictionary" },
    { "a content size that is not its record's", CLAIMS_MORE, 0, "another size" },
    { "a content size of 2^63", HUGE_CLAIM, 0, "another size" },
    { "a byte behind its end", BYTE_BEHIND, 0, "ends before" },
    { "a second frame behind it", TWO_FRAMES, 0, "ends before" },
    { "its last byte missing", CUT, 0, "cut off" },
    { "a skippable frame", SKIPPABLE, 0, "skipped" },
    { "a block without its frame", RAW_BLOCK, 0, "no good header" },
    { "a flipped bit under its checksum", FLIPPED, 0, "ERROR_contentChecksum" },
};

static size_t spoilt_frame(uint8_t *out, size_t room, const struct xv_bytes *plain, enum spoil spoil)
{
    LZ4F_preferences_t prefs = { .frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled };
    if (spoil == DICTIONARY)
        prefs.frameInfo.dictID = 7;
    if (spoil == CLAIMS_MORE || spoil == HUGE_CLAIM)
        prefs.frameInfo.contentSize = plain->n;
    size_t n = frame(out, room, plain->data, plain->n, prefs);
    if (spoil == FLIPPED)
        out[n - 5 - 4 - 3] ^= 1; /* a literal: the block ends with some, then the end mark and the sum follow */
    if (spoil == SKIPPABLE)
        memcpy(out, "\x50\x2a\x4d\x18\x04\0\0\0abcd", n = 12);
    if (spoil == RAW_BLOCK)
        memmove(out, out + 11, n -= 11);
    if (spoil == TWO_FRAMES)
        n += frame(out + n, room - n, plain->data, plain->n, prefs);
    if (spoil == BYTE_BEHIND)
        out[n++] = 0;
    return spoil == CUT ? n - 1 : n;
}

/* The header's sum is over its flags and sizes: a frame whose claim is changed is made anew by liblz4. */
static void claim(uint8_t *out, size_t *n, uint64_t size)
{
    LZ4F_cctx *c;
    LZ4F_preferences_t prefs = { .frameInfo.contentSize = size };
    if (LZ4F_isError(LZ4F_createCompressionContext(&c, LZ4F_VERSION)))
        xv_give_up("memory");
    *n = LZ4F_compressBegin(c, out, LZ4F_HEADER_SIZE_MAX, &prefs);
    memset(out + *n, 0, 4);
    *n += 4;
    LZ4F_freeCompressionContext(c);
}

static void bad_frames(void)
{
    XV_BYTES plain = { 0 };
    uint8_t stored[65536];
    xv_lines(&plain, 61, 5000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t n = spoilt_frame(stored, sizeof stored, &plain, bad[i].spoil);
        if (bad[i].spoil == CLAIMS_MORE || bad[i].spoil == HUGE_CLAIM)
            claim(stored, &n, bad[i].spoil == HUGE_CLAIM ? UINT64_C(1) << 63 : plain.n + 1);
        struct xet_record r = { .scheme = i % 2 ? XET_LZ4 : XET_BG4_LZ4, .stored_bytes = (uint32_t)n, .index = 3 };
        struct hfp_err err = { 0 };
        AUTO_FREE uint8_t *own = malloc(n);
        const uint8_t *got = NULL;
        memcpy(own, stored, n);
        r.stored = own;
        r.plain_bytes = (uint32_t)((int32_t)plain.n + bad[i].plain_more);
        int rc = xet_unpack(unpacker, &got, &r, &err);
        CHECK(bad[i].says ? rc == HFP_E_PROTO && !got && strstr(err.message, bad[i].says) : rc == HFP_OK, "%s: %s",
              bad[i].name, bad[i].says ? err.message : "read");
    }
}

/* Unpacks to 4 MiB from a block of 16 KiB; the record may say 128 KiB at the most. */
static void bomb(void)
{
    const size_t room = 5u << 20; /* liblz4 wants it for the worst case */
    AUTO_FREE uint8_t *zeros = calloc(1, 4u << 20);
    AUTO_FREE uint8_t *stored = malloc(room);
    const uint8_t *got;
    LZ4F_preferences_t prefs = { .frameInfo.blockSizeID = LZ4F_max4MB };
    size_t n = frame(stored, room, zeros, 4u << 20, prefs);
    struct xet_record r = { .scheme = XET_LZ4, .stored_bytes = (uint32_t)n, .plain_bytes = XET_CHUNK_MAX };
    r.stored = stored;
    CHECK(xet_unpack(unpacker, &got, &r, NULL) == HFP_E_PROTO, "4 MiB of zeros in %zu bytes are refused", n);
    prefs.frameInfo.blockSizeID = LZ4F_max64KB;
    n = frame(stored, room, zeros, 4u << 20, prefs);
    r.stored_bytes = (uint32_t)n;
    CHECK(xet_unpack(unpacker, &got, &r, NULL) == HFP_E_PROTO, "and in blocks of 64 KiB too");
    r.stored_bytes = (uint32_t)frame(stored, room, zeros, XET_CHUNK_MAX, prefs);
    CHECK(!xet_unpack(unpacker, &got, &r, NULL), "the next record is read as if nothing had been");
}

int main(void)
{
    if (xet_unpacker_new(&unpacker, NULL))
        xv_give_up("memory");
    ungrouped();
    files("xorbs.json", "xorbs");
    files("frames.json", "files");
    XV_BYTES small = { 0 }, large = { 0 };
    xv_lines(&small, 62, 100);
    xv_lines(&large, 63, XET_CHUNK_MAX);
    legal_frames(&small);
    legal_frames(&large);
    bad_frames();
    bomb();
    xet_unpacker_freep(&unpacker);
    return tap_end();
}
