/* The bytes of a xorb's range: first the number of chunks, a seed for where the bytes are split, and how much longer the
 * range claims to be; then the range. Split anywhere it gives the same records and the same end; each record is within
 * its bounds and unpacks as by other means; behind each of them a second stream can go on. */
#include "lz4_oracle.h"

#define RECORDS_MAX 512

struct reading {
    uint32_t n;
    int rc, end;
    struct xet_record r[RECORDS_MAX];
};

static size_t piece_of(uint32_t *seed, size_t left)
{
    *seed = *seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
    size_t piece = (*seed >> 24) % 37 + 1;
    return MIN(piece, left);
}

/* Each piece lies in memory of its own, which ends with it; a record is compared before the next call. */
static void read_split(struct reading *out, const uint8_t *data, size_t n, const struct xet_span *span, uint32_t seed)
{
    AUTO(xet_stream_freep) struct xet_stream *s = NULL;
    struct hfp_err err = { 0 };
    MUST(!xet_stream_new(&s, NULL), "memory");
    *out = (struct reading){ .n = 0 };
    out->rc = xet_stream_begin(s, span, &err);
    for (size_t at = 0; at < n && !out->rc;) {
        size_t piece = seed ? piece_of(&seed, n - at) : n - at;
        AUTO_FREE uint8_t *own = malloc(piece);
        const uint8_t *rest = memcpy(own, data + at, piece);
        at += piece;
        while (piece && !out->rc && out->n < RECORDS_MAX) {
            struct xet_record r;
            size_t before = piece;
            bool got;
            out->rc = xet_stream_next(s, &r, &got, &rest, &piece, &err);
            MUST(out->rc || piece < before, "bytes are taken");
            if (out->rc || !got)
                continue;
            MUST(r.range_at + XET_RECORD_HEADER + r.stored_bytes <= n, "a record lies in what came");
            MUST(memcmp(r.stored, data + r.range_at + XET_RECORD_HEADER, r.stored_bytes) == 0, "its bytes are those");
            r.stored = data + r.range_at + XET_RECORD_HEADER;
            out->r[out->n++] = r;
        }
        if (out->n == RECORDS_MAX)
            return;
    }
    if (out->rc)
        must_be_told(out->rc, &err);
    out->end = xet_stream_end(s, &err);
    MUST(!out->rc || out->end, "a range that was refused has no good end");
}

static void records_must_hold(const struct reading *whole, const struct xet_span *span)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < whole->n; i++) {
        const struct xet_record *r = &whole->r[i];
        MUST(r->index == span->first_chunk + i && r->index < span->end_chunk, "one record after the other");
        MUST(r->range_at == at, "where the last one ended");
        MUST(r->plain_bytes > 0 && r->plain_bytes <= XET_CHUNK_MAX && r->stored_bytes > 0 &&
                 r->stored_bytes <= XET_STORED_MAX && r->scheme <= XET_BG4_LZ4,
             "within bounds");
        at += XET_RECORD_HEADER + r->stored_bytes;
        MUST(at <= span->range_bytes, "inside the range");
    }
    MUST(whole->end || (whole->n == span->end_chunk - span->first_chunk), "a good end has all records");
}

static void same(const struct reading *a, const struct reading *b, uint32_t skipped)
{
    MUST(a->rc == b->rc && a->end == b->end && a->n - skipped == b->n, "the same end");
    for (uint32_t i = 0; i < b->n; i++) {
        const struct xet_record *x = &a->r[skipped + i], *y = &b->r[i];
        MUST(x->index == y->index && x->stored == y->stored && x->stored_bytes == y->stored_bytes &&
                 x->plain_bytes == y->plain_bytes && x->scheme == y->scheme,
             "the same records");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading whole, other;
    AUTO(xet_unpacker_freep) struct xet_unpacker *u = NULL;
    if (size < 3)
        return 0;
    struct xet_span span = { .first_chunk = 5, .end_chunk = 5u + data[0] };
    uint32_t seed = data[1] + 1u, more = data[2] % 8;
    data += 3;
    size -= 3;
    span.range_bytes = size + more;
    read_split(&whole, data, size, &span, 0);
    records_must_hold(&whole, &span);
    read_split(&other, data, size, &span, seed);
    same(&whole, &other, 0);
    MUST(!xet_unpacker_new(&u, NULL), "memory");
    for (uint32_t i = 0; i < whole.n; i++)
        unpack_must_hold(u, &whole.r[i]);
    for (uint32_t i = 1; i < whole.n && i < 8; i++) { /* a span that begins behind the first i records */
        struct xet_span rest = { whole.r[i].index, span.end_chunk, span.range_bytes - whole.r[i].range_at };
        read_split(&other, data + whole.r[i].range_at, size - whole.r[i].range_at, &rest, seed);
        same(&whole, &other, i);
    }
    return 0;
}
