/* xet_parts.c: what the parts of a download over Xet cost on this machine, each measured alone, in one thread.
 *
 *   xet_parts MIB
 *
 * MIB of plain bytes pass through each part in chunks of 64 KiB, out of regions larger than the caches, with the code
 * that hf-pull runs. Bytes like a bf16 model: a mantissa byte at random, an exponent byte of few values.
 *   stream   records cut out of pieces of 512 KiB (xet/record)
 *   plain    and unpacked, stored plain       lz4   one LZ4 frame each       bg4   grouped, one LZ4 frame each
 *   ungroup  xet_bg4_ungroup() alone          hash  chunk hash and tree      cut   chunker, both rules
 * One line of JSON: CPU seconds per GB (10^9 plain bytes) of each, the best of five rounds, and how far LZ4 shrank them. */
#include "base/le.h"
#include "xet/tree.h"
#include "xet/unpack.h"

#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 65536u
#define PIECE (512u << 10)
#define ROUNDS 5
#define MIB_MAX 1024u

static double cpu_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *taken(size_t n)
{
    void *p = malloc(n);
    if (!p) {
        fprintf(stderr, "xet_parts: out of memory\n");
        exit(1);
    }
    memset(p, 1, n);
    return p;
}

static void need(int rc)
{
    if (rc) {
        fprintf(stderr, "xet_parts: a record of our own making was refused\n");
        exit(1);
    }
}

static void model_bytes(uint8_t *out, size_t n)
{
    uint64_t state = 1;
    for (size_t i = 0; i < n; i += 2) {
        state = state * 6364136223846793005 + 1442695040888963407; /* Knuth's MMIX generator */
        uint64_t r = state >> 33;
        out[i] = (uint8_t)r;
        out[i + 1] = (uint8_t)(0x3c - __builtin_ctzll(r >> 8 | 64) + (r >> 30 & 1 ? 0x80 : 0)); /* halves as often */
    }
}

/* The records of a xorb made of these bytes; returns their length. */
static size_t records(uint8_t *out, const uint8_t *plain, size_t n, enum xet_scheme scheme)
{
    static uint8_t grouped[CHUNK];
    LZ4F_preferences_t prefs = { .frameInfo = { .blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent } };
    size_t at = 0;
    for (size_t i = 0; i < n; i += CHUNK) {
        const uint8_t *in = plain + i;
        uint8_t *head = out + at;
        size_t stored = CHUNK;
        at += XET_RECORD_HEADER;
        for (size_t j = 0; scheme == XET_BG4_LZ4 && j < CHUNK; j++)
            grouped[j % 4 * (CHUNK / 4) + j / 4] = in[j];
        if (scheme == XET_PLAIN)
            memcpy(out + at, in, CHUNK);
        else
            stored = LZ4F_compressFrame(out + at, 2 * CHUNK, scheme == XET_BG4_LZ4 ? grouped : in, CHUNK, &prefs);
        need(LZ4F_isError(stored));
        put_le(head, 0, 1);
        put_le(head + 1, stored, 3);
        put_le(head + 4, scheme, 1);
        put_le(head + 5, CHUNK, 3);
        at += stored;
    }
    return at;
}

/* One range after the other, as it would be asked for: 1024 chunks each, in pieces as they would arrive. */
static void unpack_all(struct xet_stream *s, struct xet_unpacker *u, const uint8_t *stored, size_t n, size_t chunks)
{
    struct xet_span span = { 0, (uint32_t)chunks, n };
    need(xet_stream_begin(s, &span, NULL));
    for (size_t at = 0; at < n; at += PIECE) {
        const uint8_t *piece = stored + at;
        size_t left = n - at < PIECE ? n - at : PIECE;
        while (left) {
            struct xet_record r;
            const uint8_t *plain;
            bool got;
            need(xet_stream_next(s, &r, &got, &piece, &left, NULL));
            if (got && u)
                need(xet_unpack(u, &plain, &r, NULL));
        }
    }
    need(xet_stream_end(s, NULL));
}

struct bench {
    uint8_t *plain, *stored, *out;
    size_t n, stored_bytes;
    struct xet_stream *stream;
    struct xet_unpacker *unpacker;
};

static void part_stream(struct bench *b)
{
    unpack_all(b->stream, NULL, b->stored, b->stored_bytes, b->n / CHUNK);
}
static void part_unpack(struct bench *b)
{
    unpack_all(b->stream, b->unpacker, b->stored, b->stored_bytes, b->n / CHUNK);
}
static void part_ungroup(struct bench *b)
{
    for (size_t at = 0; at < b->n; at += CHUNK)
        xet_bg4_ungroup(b->out + at % (1u << 20), b->plain + at, CHUNK);
}
static void part_hash(struct bench *b)
{
    struct xet_tree t;
    xet_tree_init(&t);
    for (size_t at = 0; at < b->n; at += CHUNK) {
        struct xet_hash h;
        xet_hash_chunk(&h, b->plain + at, CHUNK);
        xet_tree_add(&t, &h, CHUNK);
    }
    xet_tree_root((struct xet_hash *)b->out, &t);
}
static void cut(struct bench *b, enum xet_rule rule)
{
    struct xet_chunker c;
    uint32_t chunk;
    xet_chunker_init(&c, rule);
    for (size_t at = 0; at < b->n;)
        at += xet_chunker_feed(&c, b->plain + at, b->n - at, &chunk);
}
static void part_cut(struct bench *b)
{
    cut(b, XET_RULE_CURRENT);
}
static void part_cut_legacy(struct bench *b)
{
    cut(b, XET_RULE_LEGACY);
}

static const struct {
    const char *name;
    void (*run)(struct bench *b);
    enum xet_scheme scheme;
} parts[] = {
    { "stream", part_stream, XET_PLAIN },   { "plain", part_unpack, XET_PLAIN },
    { "lz4", part_unpack, XET_LZ4 },        { "bg4", part_unpack, XET_BG4_LZ4 },
    { "ungroup", part_ungroup, XET_PLAIN }, { "hash", part_hash, XET_PLAIN },
    { "cut", part_cut, XET_PLAIN },         { "cut_legacy", part_cut_legacy, XET_PLAIN },
};

int main(int argc, char **argv)
{
    unsigned long mib = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (mib == 0 || mib > MIB_MAX) {
        fprintf(stderr, "usage: xet_parts MIB, at most %u\n", MIB_MAX);
        return 2;
    }
    struct bench b = { .n = mib << 20 };
    b.plain = taken(b.n);
    b.stored = taken(b.n + b.n / 8 + CHUNK);
    b.out = taken(1u << 20);
    model_bytes(b.plain, b.n);
    need(xet_stream_new(&b.stream, NULL) || xet_unpacker_new(&b.unpacker, NULL));
    printf("{");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double best = 0;
        b.stored_bytes = records(b.stored, b.plain, b.n, parts[i].scheme);
        for (unsigned round = 0; round < ROUNDS; round++) {
            double begun = cpu_now_s();
            parts[i].run(&b);
            double cpu = cpu_now_s() - begun;
            best = round == 0 || cpu < best ? cpu : best;
        }
        printf("%s\"%s\": %.3f", i ? ", " : "", parts[i].name, best / ((double)b.n / 1e9));
        if (parts[i].scheme != XET_PLAIN)
            printf(", \"%s_ratio\": %.3f", parts[i].name, (double)b.stored_bytes / (double)b.n);
    }
    printf("}\n");
    xet_unpacker_freep(&b.unpacker);
    xet_stream_freep(&b.stream);
    free(b.plain);
    free(b.stored);
    free(b.out);
    return 0;
}
