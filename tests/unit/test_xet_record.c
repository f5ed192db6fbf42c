/* Promises of xet/record: records come out of a range however its bytes are split, where the vectors have them; a range
 * that is not what its headers or its span say is refused; after a loss the stream says where to go on. Every record of
 * xorbs.json and reconstruction.json. Seen red on purpose: each check of a header and of a span left out, limits one
 * higher, a footer taken for a record or accepted outside its range, headers not counted, indices from 0, a record that
 * two pieces share taken from the second alone, a range read that was never begun, a version that nobody looks at. */
#include "xet/record.h"
#include "xet/tree.h"
#include "xet/unpack.h"
#include "xet_vectors.h"

#define RECORDS_MAX 64

struct seen {
    struct xet_record r[RECORDS_MAX];
    struct xet_hash hash[RECORDS_MAX]; /* of the stored bytes, to compare readings */
    size_t n;
    int rc, end;
    struct hfp_err err; /* of the reading */
};

/* Reads a range in pieces of block bytes; 0: of lengths that change. */
static struct seen read_range(const uint8_t *data, size_t n, struct xet_span span, size_t block)
{
    AUTO(xet_stream_freep) struct xet_stream *s = NULL;
    struct seen seen = { .n = 0 };
    uint64_t state = block + n;
    if (xet_stream_new(&s, NULL))
        xv_give_up("memory");
    seen.rc = xet_stream_begin(s, &span, &seen.err);
    for (size_t at = 0; at < n && !seen.rc;) {
        size_t most = block ? block : xv_splitmix(&state) % 30000 + 1, piece = MIN(n - at, most);
        AUTO_FREE uint8_t *own = malloc(piece); /* a sanitizer sees what is used after its time */
        memcpy(own, data + at, piece);
        const uint8_t *rest = own;
        at += piece;
        while (piece && !seen.rc) {
            struct xet_record r;
            bool got;
            seen.rc = xet_stream_next(s, &r, &got, &rest, &piece, &seen.err);
            if (!seen.rc && got && seen.n < RECORDS_MAX) {
                xet_hash_chunk(&seen.hash[seen.n], r.stored, r.stored_bytes);
                seen.r[seen.n++] = r;
            }
        }
    }
    seen.end = xet_stream_end(s, NULL);
    return seen;
}

static bool same(const struct seen *a, const struct seen *b)
{
    bool ok = a->n == b->n && a->rc == b->rc && a->end == b->end;
    for (size_t i = 0; ok && i < a->n; i++)
        ok = a->r[i].index == b->r[i].index && a->r[i].range_at == b->r[i].range_at &&
             a->r[i].scheme == b->r[i].scheme && a->r[i].plain_bytes == b->r[i].plain_bytes &&
             xet_hash_equal(&a->hash[i], &b->hash[i]);
    return ok;
}

static void same_in_pieces(const struct xv_bytes *b, struct xet_span span, const char *name)
{
    static const size_t blocks[] = { 1, 3, 8, 4096, 0 };
    struct seen whole = read_range(b->data, b->n, span, b->n);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct seen s = read_range(b->data, b->n, span, blocks[i]);
        CHECK(same(&s, &whole), "%s in pieces of %zu: the same records", name, blocks[i]);
    }
}

/* Goes on behind each record in turn, as after a lost connection. */
static void goes_on_anywhere(const struct xv_bytes *b, struct xet_span span, const struct seen *whole, const char *name)
{
    bool ok = true;
    for (size_t i = 1; i < whole->n; i++) {
        uint64_t at = whole->r[i].range_at;
        struct xet_span rest = { whole->r[i].index, span.end_chunk, span.range_bytes - at };
        struct seen s = read_range(b->data + at, b->n - at, rest, 0);
        ok = ok && !s.rc && !s.end && s.n == whole->n - i && xet_hash_equal(&s.hash[0], &whole->hash[i]) &&
             s.r[0].index == whole->r[i].index;
    }
    CHECK(ok, "%s: goes on behind any record", name);
}

static void xorb_file(const cJSON *row)
{
    const char *name = xv_text(row, "file");
    const cJSON *chunks = xv_get(row, "chunks"), *c = chunks->child;
    XV_BYTES b = xv_file(name);
    struct xet_span span = { 0, (uint32_t)cJSON_GetArraySize(chunks), b.n };
    struct seen s = read_range(b.data, b.n, span, b.n);
    bool ok = s.rc == HFP_OK && s.end == HFP_OK && s.n == span.end_chunk;
    CHECK(xv_sha256_is(&b, xv_text(row, "file_sha256")), "%s is the vectors' own", name);
    for (size_t i = 0; ok && i < s.n; i++, c = c->next)
        ok = s.r[i].index == i && s.r[i].range_at == xv_number(c, "offset") &&
             s.r[i].stored_bytes == xv_number(c, "compressed") && s.r[i].plain_bytes == xv_number(c, "uncompressed") &&
             s.r[i].scheme == xv_number(c, "scheme");
    CHECK(ok, "%s: %zu records where the vectors have them, then its footer", name, s.n);
    same_in_pieces(&b, span, name);
    goes_on_anywhere(&b, span, &s, name);

    span.range_bytes = xv_number(row, "footer_offset"); /* as a signed range has it: records, nothing else */
    s = read_range(b.data, span.range_bytes, span, 0);
    CHECK(!s.rc && !s.end && s.n == span.end_chunk, "%s without its footer", name);
    s = read_range(b.data, b.n, span, b.n);
    CHECK(s.rc == HFP_E_PROTO, "%s: a footer behind the end of the range is refused", name);
    span.end_chunk++;
    span.range_bytes = b.n;
    s = read_range(b.data, b.n, span, 0);
    CHECK(s.rc == HFP_E_PROTO && s.n + 1 == span.end_chunk && strstr(s.err.message, "the xorb ends before it"),
          "%s: a footer in a record's place is refused and called so", name);
}

static void xorb_files(void)
{
    AUTO(xv_json_freep) cJSON *xorbs = xv_json("xorbs.json");
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(xorbs, "xorbs"))
        xorb_file(row);
}

/* The two xorbs of reconstruction.json: records without a footer, and the xorb's name from the chunks. */
static void store_files(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("reconstruction.json");
    AUTO(xet_unpacker_freep) struct xet_unpacker *u = NULL;
    const cJSON *row;
    if (xet_unpacker_new(&u, NULL))
        xv_give_up("memory");
    cJSON_ArrayForEach (row, xv_get(doc, "xorbs")) {
        const cJSON *records = xv_get(row, "records_offset_compressed_scheme_uncompressed"), *r = records->child;
        XV_BYTES b = xv_file(xv_text(row, "file"));
        struct xet_span span = { 0, (uint32_t)cJSON_GetArraySize(records), b.n };
        struct seen s = read_range(b.data, b.n, span, 0);
        struct xet_tree t;
        struct xet_hash want = xv_hash(row, "hash"), h;
        bool ok = !s.rc && !s.end && s.n == span.end_chunk;
        xet_tree_init(&t);
        for (size_t i = 0; ok && i < s.n; i++, r = r->next) {
            const uint8_t *plain;
            s.r[i].stored = b.data + s.r[i].range_at + XET_RECORD_HEADER;
            ok = s.r[i].range_at == xv_at(r, 0) && s.r[i].stored_bytes == xv_at(r, 1) && s.r[i].scheme == xv_at(r, 2) &&
                 s.r[i].plain_bytes == xv_at(r, 3) && !xet_unpack(u, &plain, &s.r[i], NULL);
            if (ok) {
                xet_hash_chunk(&h, plain, s.r[i].plain_bytes);
                xet_tree_add(&t, &h, s.r[i].plain_bytes);
            }
        }
        CHECK(ok && xet_tree_is(&t, &want), "%s: its records, and the chunks prove the xorb", xv_text(row, "file"));
    }
}

/* The name that the chunks of a whole xorb give; false: refused on the way. */
static bool xorb_name(struct xet_tree *t, const uint8_t *data, size_t n, uint32_t chunks)
{
    AUTO(xet_stream_freep) struct xet_stream *s = NULL;
    AUTO(xet_unpacker_freep) struct xet_unpacker *u = NULL;
    struct xet_span span = { 0, chunks, n };
    if (xet_stream_new(&s, NULL) || xet_unpacker_new(&u, NULL))
        xv_give_up("memory");
    xet_tree_init(t);
    bool ok = xet_stream_begin(s, &span, NULL) == HFP_OK;
    while (ok && n > 0) {
        struct xet_record r;
        struct xet_hash hash;
        const uint8_t *plain;
        bool got;
        ok = xet_stream_next(s, &r, &got, &data, &n, NULL) == HFP_OK;
        if (ok && got && (ok = xet_unpack(u, &plain, &r, NULL) == HFP_OK)) {
            xet_hash_chunk(&hash, plain, r.plain_bytes);
            xet_tree_add(t, &hash, r.plain_bytes);
        }
    }
    return ok && xet_stream_end(s, NULL) == HFP_OK;
}

/* Every bit of every header, and of the payload every bit (of a small xorb) or one in some thousand. */
static void no_bit_flips_unseen(void)
{
    AUTO(xv_json_freep) cJSON *xorbs = xv_json("xorbs.json");
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(xorbs, "xorbs")) {
        XV_BYTES b = xv_file(xv_text(row, "file"));
        struct xet_hash want = xv_hash(row, "xorb_hash");
        uint32_t chunks = (uint32_t)cJSON_GetArraySize(xv_get(row, "chunks"));
        size_t n = xv_number(row, "footer_offset"), step = n < 4000 ? 1 : n / 200 | 1;
        const cJSON *c = xv_get(row, "chunks")->child;
        size_t head = c ? xv_number(c, "offset") : n;
        unsigned flips = 0, proved = 0, head_proved = 0;
        struct xet_tree t;
        for (size_t at = 0; at < n; at++) {
            bool in_head = at >= head && at < head + XET_RECORD_HEADER;
            if (at + 1 == head + XET_RECORD_HEADER)
                head = (c = c->next) ? xv_number(c, "offset") : n;
            for (unsigned bit = 0; bit < 8 && (in_head || at % step == 0); bit++) {
                b.data[at] ^= (uint8_t)(1u << bit);
                bool same = xorb_name(&t, b.data, n, chunks) && xet_tree_is(&t, &want);
                b.data[at] ^= (uint8_t)(1u << bit);
                flips++;
                proved += same;
                head_proved += same && in_head;
            }
        }
        /* LZ4 frames have bits that mean nothing for what comes out of them: the bytes are right then. */
        CHECK(flips > 60 && head_proved == 0 && proved <= flips / 50, "%s: %u bits flipped, %u of them meant nothing",
              xv_text(row, "file"), flips, proved);
        CHECK(xorb_name(&t, b.data, n, chunks) && xet_tree_is(&t, &want), "and unspoilt it has its name");
    }
}

/* One record of four plain bytes, then one of two, as they should be; each row spoils something. */
static const uint8_t two[] = { 0, 4, 0, 0, 0, 4, 0, 0, 'a', 'b', 'c', 'd', 0, 2, 0, 0, 0, 2, 0, 0, 'e', 'f' };
static const struct {
    const char *name;
    struct xet_span span;
    size_t at, given; /* which byte is changed (the last one: none), how many arrive */
    uint8_t to;
    int rc, end;
    size_t records;
} spoilt[] = {
    { "nothing spoilt", { 0, 2, 22 }, 22, 22, 0, HFP_OK, HFP_OK, 2 },
    { "from chunk 8190", { 8190, 8192, 22 }, 22, 22, 0, HFP_OK, HFP_OK, 2 },
    { "another version", { 0, 2, 22 }, 12, 22, 1, HFP_E_PROTO, HFP_E_PROTO, 1 },
    { "scheme 3", { 0, 2, 22 }, 4, 22, 3, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "scheme 99", { 0, 2, 22 }, 4, 22, 99, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "plain lengths that differ", { 0, 2, 22 }, 5, 22, 5, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "packed lengths may differ", { 0, 2, 22 }, 4, 22, 1, HFP_OK, HFP_OK, 2 },
    { "no bytes at all", { 0, 2, 22 }, 13, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 1 },
    { "more plain bytes than a chunk may have", { 0, 2, 22 }, 7, 22, 3, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "a record that would end outside", { 0, 2, 21 }, 22, 21, 0, HFP_E_PROTO, HFP_E_PROTO, 1 },
    { "a record that leaves no room for the next", { 0, 2, 20 }, 22, 20, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "the last byte missing", { 0, 2, 22 }, 22, 21, 0, HFP_OK, HFP_E_SHORT, 1 },
    { "half a header", { 0, 2, 22 }, 22, 15, 0, HFP_OK, HFP_E_SHORT, 1 },
    { "nothing came", { 0, 2, 22 }, 22, 0, 0, HFP_OK, HFP_E_SHORT, 0 },
    { "more records than named", { 0, 1, 22 }, 22, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 1 },
    { "fewer records than named", { 0, 2, 22 }, 22, 12, 0, HFP_OK, HFP_E_SHORT, 1 },
    { "a range longer than its records", { 0, 1, 22 }, 22, 12, 0, HFP_OK, HFP_E_PROTO, 1 },
    { "a span without chunks", { 2, 2, 22 }, 22, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "a span that runs back", { 2, 1, 22 }, 22, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "more chunks than a xorb may have", { 0, 16385, 1 << 20 }, 22, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "more chunks than bytes allow", { 0, 3, 26 }, 22, 22, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
    { "an empty range", { 0, 1, 0 }, 22, 0, 0, HFP_E_PROTO, HFP_E_PROTO, 0 },
};

static void spoilt_ranges(void)
{
    for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
        uint8_t bytes[sizeof two + 1];
        memcpy(bytes, two, sizeof two);
        bytes[spoilt[i].at] = spoilt[i].to;
        for (size_t block = 0; block < 2; block++) {
            struct seen s = read_range(bytes, spoilt[i].given, spoilt[i].span, block ? 1 : 64);
            CHECK(s.rc == spoilt[i].rc, "%s: %s", spoilt[i].name, spoilt[i].rc ? "refused" : "read");
            CHECK(s.end == spoilt[i].end && s.n == spoilt[i].records, "and its records and end are judged");
        }
    }
}

/* A record may say 2^24 - 1 stored bytes: refused from its 8 bytes of header, however long the range is said to be. */
static void lengths_are_bounded(void)
{
    uint8_t head[8] = { 0, 0xff, 0xff, 0xff, XET_LZ4, 0, 0, 2 };
    struct seen s = read_range(head, sizeof head, (struct xet_span){ 0, 1, 1 << 30 }, 8);
    CHECK(s.rc == HFP_E_PROTO, "16 MiB of stored bytes are refused");
    head[1] = head[2] = 0, head[3] = 4;
    s = read_range(head, sizeof head, (struct xet_span){ 0, 1, 1 << 30 }, 8);
    CHECK(s.rc == HFP_OK && s.end == HFP_E_SHORT, "256 KiB are what a record may have");
    head[1] = 1;
    s = read_range(head, sizeof head, (struct xet_span){ 0, 1, 1 << 30 }, 8);
    CHECK(s.rc == HFP_E_PROTO, "one more is refused");
    head[3] = 0, head[5] = 1;
    s = read_range(head, sizeof head, (struct xet_span){ 0, 1, 1 << 30 }, 8);
    CHECK(s.rc == HFP_E_PROTO, "131073 plain bytes are refused");
    head[5] = head[7] = 0;
    s = read_range(head, sizeof head, (struct xet_span){ 0, 1, 1 << 30 }, 8);
    CHECK(s.rc == HFP_E_PROTO, "an empty chunk is refused");
}

static void done_is_told(void)
{
    AUTO(xet_stream_freep) struct xet_stream *s = NULL;
    struct xet_record r;
    const uint8_t *data = two;
    size_t n = 20; /* the second record is still open */
    uint32_t next = 99;
    uint64_t bytes = 99;
    bool got = false;
    struct hfp_err err = { 0 };
    CHECK(!xet_stream_new(&s, &err) && xet_stream_next(s, &r, &got, &data, &n, &err) == HFP_E_PROTO,
          "no range was begun: nothing is read");
    CHECK(xet_stream_begin(s, &(struct xet_span){ 7, 7, 22 }, &err) == HFP_E_PROTO, "a range of no chunks is refused");
    CHECK(!xet_stream_begin(s, &(struct xet_span){ 7, 9, 22 }, &err), "chunks 7 and 8");
    while (n)
        xet_stream_next(s, &r, &got, &data, &n, &err);
    xet_stream_done(s, &next, &bytes);
    CHECK(next == 8 && bytes == 12, "goes on with chunk 8, at byte 12");
    CHECK(xet_stream_end(s, &err) == HFP_E_SHORT && strstr(err.message, "chunk 8 of 7 to 9"), "an early end: %s",
          err.message);
}

int main(void)
{
    xorb_files();
    store_files();
    no_bit_flips_unseen();
    spoilt_ranges();
    lengths_are_bounded();
    done_is_told();
    return tap_end();
}
