/* test_xet_layout.c: the promises of xet/layout.h.
 *
 * A small store of xorbs and files is made up from a seed; its server answers slices as the CAS does; then slices are
 * added, units decoded and copies made in any order, on disks of the test's own. In the end each file must be right,
 * and no chunk fetched twice.
 *
 * Seen red on purpose: the shared chunk of two slices taken twice, slices joined that do not fit, contradicting slices,
 * units that overlap, a hold of unknown borders cut around, chunks copied that are nowhere, a place instead of a copy
 * for a chunk that has passed, an old unit made to wait, a unit ready before its offsets, lengths not compared, other
 * lengths at the second time, copies dropped, and copies before their chunks. */
#include "xet/layout.h"

#include "base/auto.h"
#include "tap.h"

#include <stdlib.h>

#define XORBS 3
#define CHUNKS 24
#define FILES 4 /* the last one is an older file, which holds come from */
#define FILE_MAX 8192
#define TERMS 40

struct chunk {
    uint32_t plain, at; /* at: of its record; one more entry than chunks */
};
struct term {
    int xorb;
    uint32_t start, end;
};
struct world {
    uint64_t seed;
    bool joins; /* the server joins ranges over small gaps */
    uint32_t chunks[XORBS];
    struct chunk chunk[XORBS][CHUNKS + 1];
    struct term terms[FILES][TERMS];
    uint32_t term_count[FILES];
    uint64_t size[FILES], asked[FILES]; /* asked: of the slices so far */
    uint8_t disk[FILES][FILE_MAX];
    bool written[FILES][FILE_MAX];
    bool held[XORBS][CHUNKS]; /* by a hold with known borders */
    bool any_unknown;
    struct layout *layout;
    unsigned copies, waits;
    bool ready[1024]; /* once, and so for good: its request may be on the wire */
    const char *fault;
};

static uint32_t pick(struct world *w, uint32_t n)
{
    uint64_t z = w->seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ z >> 31) % n);
}

static void fault(struct world *w, const char *what)
{
    if (!w->fault)
        w->fault = what;
}

static struct xet_hash name_of(int xorb)
{
    struct xet_hash h = { { (uint8_t)(xorb + 1) } };
    return h;
}

static int xorb_of(const struct xet_hash *h)
{
    return h->bytes[0] - 1;
}

static uint8_t content(int xorb, uint32_t chunk, uint32_t i)
{
    return (uint8_t)(1 + (xorb * 7919 + (int)chunk * 104729 + (int)i * 31) % 251);
}

static uint32_t span(const struct world *w, int xorb, uint32_t start, uint32_t end)
{
    uint32_t bytes = 0;
    for (uint32_t c = start; c < end; c++)
        bytes += w->chunk[xorb][c].plain;
    return bytes;
}

static void make(struct world *w, uint64_t seed)
{
    *w = (struct world){ .seed = seed };
    w->joins = pick(w, 4) == 0;
    for (int x = 0; x < XORBS; x++) {
        w->chunks[x] = 1 + pick(w, CHUNKS);
        for (uint32_t c = 0; c < w->chunks[x]; c++) {
            w->chunk[x][c].plain = 1 + pick(w, 20);
            w->chunk[x][c + 1].at = w->chunk[x][c].at + 9 + pick(w, 20);
        }
    }
    for (int f = 0; f < FILES; f++) {
        w->term_count[f] = 1 + pick(w, pick(w, 2) ? 4 : 12);
        for (uint32_t i = 0; i < w->term_count[f]; i++) {
            struct term *t = &w->terms[f][i];
            t->xorb = (int)pick(w, XORBS);
            t->start = pick(w, w->chunks[t->xorb]);
            t->end = t->start + 1 + pick(w, w->chunks[t->xorb] - t->start);
            w->size[f] += span(w, t->xorb, t->start, t->end);
        }
    }
    if (layout_new(&w->layout, NULL))
        fault(w, "no memory");
}

/* The slice's terms, trimmed to whole chunks; returns their number, *offset is what lies before the slice. */
static uint32_t slice_terms(const struct world *w, int f, uint64_t first, uint64_t last, struct term *out,
                            uint64_t *offset)
{
    uint32_t n = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < w->term_count[f]; i++) {
        const struct term *t = &w->terms[f][i];
        struct term cut = { t->xorb, 0, 0 };
        for (uint32_t c = t->start; c < t->end; c++) {
            uint64_t end = at + w->chunk[t->xorb][c].plain;
            if (end > first && at <= last) {
                if (cut.end == 0) {
                    cut.start = c;
                    if (n == 0)
                        *offset = first > at ? first - at : 0;
                }
                cut.end = c + 1;
            }
            at = end;
        }
        if (cut.end > 0)
            out[n++] = cut;
    }
    return n;
}

static size_t put_ranges(const struct world *w, char *body, size_t room, const bool *needed, int x)
{
    size_t n = 0;
    bool wanted[CHUNKS + 2] = { false };
    for (uint32_t c = 0; c < w->chunks[x]; c++)
        wanted[c] = needed[c] || (w->joins && c > 0 && wanted[c - 1] && c + 1 < w->chunks[x] && needed[c + 1]);
    for (uint32_t c = 0; c < w->chunks[x]; c++) {
        uint32_t end = c;
        while (end < w->chunks[x] && wanted[end])
            end++;
        if (end == c)
            continue;
        n += (size_t)snprintf(body + n, room - n,
                              "%s{\"chunks\":{\"start\":%u,\"end\":%u},\"bytes\":{\"start\":%u,\"end\":%u}}",
                              n ? "," : "", c, end, w->chunk[x][c].at, w->chunk[x][end].at - 1);
        c = end;
    }
    return n;
}

static struct reconstruction *answer(struct world *w, int f, uint64_t first, uint64_t last)
{
    static char body[65536];
    bool needed[XORBS][CHUNKS] = { { false } };
    struct term terms[TERMS];
    uint64_t offset = 0;
    uint32_t count = slice_terms(w, f, first, last, terms, &offset);
    char hex[XET_HASH_TEXT];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"offset_into_first_range\":%llu,\"terms\":[",
                                (unsigned long long)offset);
    for (uint32_t i = 0; i < count; i++) {
        struct xet_hash h = name_of(terms[i].xorb);
        xet_hash_text(hex, &h);
        n += (size_t)snprintf(body + n, sizeof body - n,
                              "%s{\"hash\":\"%s\",\"unpacked_length\":%u,\"range\":{\"start\":%u,\"end\":%u}}",
                              i ? "," : "", hex, span(w, terms[i].xorb, terms[i].start, terms[i].end), terms[i].start,
                              terms[i].end);
        for (uint32_t c = terms[i].start; c < terms[i].end; c++)
            needed[terms[i].xorb][c] = true;
    }
    n += (size_t)snprintf(body + n, sizeof body - n, "],\"xorbs\":{");
    for (int x = 0; x < XORBS; x++) {
        struct xet_hash h = name_of(x);
        xet_hash_text(hex, &h);
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"%s\":[{\"url\":\"https://x.test/\",\"ranges\":[",
                              x ? "," : "", hex);
        n += put_ranges(w, body + n, sizeof body - n, needed[x], x);
        n += (size_t)snprintf(body + n, sizeof body - n, "]}]");
    }
    n += (size_t)snprintf(body + n, sizeof body - n, "}}");
    struct reconstruction *r = NULL;
    bool too_long;
    struct hfp_err err = { 0 };
    if (reconstruction_parse(&r, body, n, first, last, w->size[f], &too_long, &err)) {
        printf("# %s\n# %s\n", err.message, body);
        fault(w, "an honest answer is refused");
    }
    return r;
}

static void write_chunk(struct world *w, uint32_t file, uint64_t offset, int xorb, uint32_t chunk)
{
    for (uint32_t i = 0; i < w->chunk[xorb][chunk].plain; i++) {
        if (file >= FILES || offset + i >= w->size[file]) {
            fault(w, "a write outside its file");
            return;
        }
        w->disk[file][offset + i] = content(xorb, chunk, i);
        w->written[file][offset + i] = true;
    }
}

/* Runs of the older file are in hand, with or without knowing where their records lie. */
static void hold_some(struct world *w)
{
    uint64_t at = 0;
    int f = FILES - 1;
    for (uint32_t i = 0; i < w->term_count[f]; i++) {
        const struct term *t = &w->terms[f][i];
        uint32_t lengths[CHUNKS];
        uint32_t start = t->start + pick(w, t->end - t->start), count = 1 + pick(w, t->end - start);
        bool unknown = pick(w, 3) == 0;
        struct layout_held h = { .xorb = name_of(t->xorb),
                                 .chunk_start = start,
                                 .count = count,
                                 .lengths = lengths,
                                 .first_byte = w->chunk[t->xorb][start].at,
                                 .last_byte = w->chunk[t->xorb][start + count].at - 1,
                                 .file = (uint32_t)f,
                                 .file_offset = at + span(w, t->xorb, t->start, start) };
        if (unknown)
            h.first_byte = h.last_byte = LAYOUT_BYTE_UNKNOWN;
        w->any_unknown |= unknown;
        uint64_t to = h.file_offset;
        for (uint32_t c = 0; c < count; c++) {
            lengths[c] = w->chunk[t->xorb][start + c].plain;
            write_chunk(w, (uint32_t)f, to, t->xorb, start + c);
            to += lengths[c];
            w->held[t->xorb][start + c] = true;
        }
        if (pick(w, 2) && layout_hold(w->layout, &h, NULL))
            fault(w, "no memory");
        at += span(w, t->xorb, t->start, t->end);
    }
}

static bool add_some(struct world *w)
{
    int f = (int)pick(w, FILES - 1);
    uint64_t left = w->size[f] - w->asked[f];
    if (left == 0)
        return false;
    uint64_t most = (left + 3) / (1 + pick(w, 4)), first = w->asked[f];
    uint64_t last = first + pick(w, (uint32_t)(most < left ? most : left));
    AUTO(reconstruction_freep) struct reconstruction *r = answer(w, f, first, last);
    struct hfp_err err = { 0 };
    if (!r)
        return true;
    if (layout_add(w->layout, (uint32_t)f, r, &err)) {
        printf("# %s\n", err.message);
        fault(w, "an honest slice is refused");
    }
    w->asked[f] = last + 1;
    return true;
}

static bool decode_some(struct world *w, uint32_t unit)
{
    struct layout_unit u;
    struct layout_walk walk;
    struct layout_write to;
    struct hfp_err err = { 0 };
    if (!layout_unit(w->layout, unit, &u) || u.next_chunk == u.chunk_end)
        return false;
    if (!layout_unit_ready(w->layout, unit)) {
        w->waits++;
        return false;
    }
    int x = xorb_of(&u.xorb);
    if (u.first_byte != w->chunk[x][u.chunk_start].at || u.last_byte != w->chunk[x][u.chunk_end].at - 1)
        fault(w, "a unit's bytes are not those of its chunks");
    uint32_t again = pick(w, 8) == 0 && u.next_chunk > u.chunk_start ? 1 : 0;
    uint32_t chunk = u.next_chunk - again, upto = chunk + 1 + pick(w, u.chunk_end - chunk);
    for (; chunk < upto; chunk++) {
        if (layout_chunk(&walk, w->layout, unit, chunk, w->chunk[x][chunk].plain, &err)) {
            printf("# %s\n", err.message);
            fault(w, "an honest chunk is refused");
            return true;
        }
        while (layout_write_next(w->layout, &walk, &to))
            write_chunk(w, to.file, to.offset, x, chunk);
    }
    return true;
}

static bool copy_some(struct world *w)
{
    struct layout_copy c;
    bool any = false;
    while (layout_copy_next(w->layout, &c)) {
        any = true;
        w->copies++;
        int x = xorb_of(&c.xorb);
        if (c.bytes != span(w, x, c.chunk_start, c.chunk_end))
            fault(w, "a copy has other bytes than its chunks");
        for (uint64_t i = 0; i < c.bytes; i++)
            if (!w->written[c.from_file][c.from_offset + i])
                fault(w, "a copy from where nothing was written");
        uint64_t at = c.from_offset;
        for (uint32_t k = c.chunk_start; k < c.chunk_end; k++)
            for (uint32_t i = 0; i < w->chunk[x][k].plain; i++)
                if (w->disk[c.from_file][at++] != content(x, k, i))
                    fault(w, "a copy from other bytes than its chunks");
        memmove(w->disk[c.to_file] + c.to_offset, w->disk[c.from_file] + c.from_offset, c.bytes);
        memset(w->written[c.to_file] + c.to_offset, true, c.bytes);
    }
    return any;
}

static void files_must_be_right(struct world *w)
{
    for (int f = 0; f < FILES - 1; f++) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < w->term_count[f]; i++)
            for (uint32_t c = w->terms[f][i].start; c < w->terms[f][i].end; c++)
                for (uint32_t k = 0; k < w->chunk[w->terms[f][i].xorb][c].plain; k++, at++)
                    if (!w->written[f][at] || w->disk[f][at] != content(w->terms[f][i].xorb, c, k))
                        fault(w, "a file is not what it should be");
    }
}

/* Two exceptions are promised: borders that are not known, and chunks that came along unneeded. */
static void nothing_twice(struct world *w)
{
    unsigned fetched[XORBS][CHUNKS] = { { 0 } };
    struct layout_unit u;
    for (uint32_t i = 0; i < layout_unit_count(w->layout); i++)
        if (layout_unit(w->layout, i, &u))
            for (uint32_t c = u.chunk_start; c < u.chunk_end; c++)
                fetched[xorb_of(&u.xorb)][c]++;
    for (int x = 0; x < XORBS; x++)
        for (uint32_t c = 0; c < w->chunks[x]; c++)
            if (fetched[x][c] > 1 && !w->any_unknown && !w->joins)
                fault(w, "a chunk is fetched twice");
}

static void ready_stays(struct world *w)
{
    for (uint32_t i = 0; i < layout_unit_count(w->layout) && i < ARRAY_LEN(w->ready); i++) {
        bool ready = layout_unit_ready(w->layout, i);
        if (w->ready[i] && !ready)
            fault(w, "a unit was ready, and is no more");
        w->ready[i] = ready;
    }
}

static void run(struct world *w)
{
    bool holds = pick(w, 2), all_first = pick(w, 4) == 0;
    if (holds)
        hold_some(w);
    for (unsigned turn = 0; turn < 100000 && !w->fault; turn++) {
        bool left = false;
        for (int f = 0; f < FILES - 1; f++)
            left |= w->asked[f] < w->size[f];
        if (left && (all_first || pick(w, 3) == 0)) {
            add_some(w);
            ready_stays(w);
            continue;
        }
        if (pick(w, 2))
            copy_some(w);
        uint32_t units = layout_unit_count(w->layout);
        bool moved = units > 0 && decode_some(w, pick(w, units));
        for (uint32_t i = 0; i < units && !moved; i++)
            moved = decode_some(w, i);
        if (moved || left)
            continue;
        while (copy_some(w))
            continue;
        if (!layout_idle(w->layout))
            fault(w, "nothing can be fetched, and yet it is not done");
        files_must_be_right(w);
        nothing_twice(w);
        return;
    }
    fault(w, "no end");
}

static void test_random(unsigned long long first, unsigned long long count)
{
    static struct world w;
    unsigned long long copies = 0, waits = 0, bad = 0;
    for (unsigned long long seed = first; seed < first + count; seed++) {
        make(&w, seed);
        run(&w);
        copies += w.copies;
        waits += w.waits;
        if (w.fault && bad++ < 5)
            CHECK(false, "seed %llu: %s", seed, w.fault);
        layout_free(w.layout);
    }
    CHECK(bad == 0, "%llu stores from seed %llu on: each file is right, nothing is fetched twice", count, first);
    CHECK(copies > count && waits > 0, "among them %llu copies, and units that waited %llu times", copies, waits);
}

#define HEX1 "0000000000000001000000000000000000000000000000000000000000000000"

static struct reconstruction *one_term(uint64_t first, uint64_t last, uint64_t size, unsigned offset, unsigned start,
                                       unsigned end, unsigned unpacked, unsigned first_byte, unsigned last_byte)
{
    char body[1024];
    struct reconstruction *r = NULL;
    bool too_long;
    struct hfp_err err = { 0 };
    snprintf(body, sizeof body,
             "{\"offset_into_first_range\":%u,\"terms\":[{\"hash\":\"" HEX1
             "\",\"unpacked_length\":%u,\"range\":{\"start\":%u,\"end\":%u}}],\"xorbs\":{\"" HEX1
             "\":[{\"url\":\"http://x/\",\"ranges\":[{\"chunks\":{\"start\":%u,\"end\":%u},\"bytes\":{\"start\":%u,"
             "\"end\":%u}}]}]}}",
             offset, unpacked, start, end, start, end, first_byte, last_byte);
    if (reconstruction_parse(&r, body, strlen(body), first, last, size, &too_long, &err))
        printf("# %s\n", err.message);
    return r;
}

/* The second of two slices, against the first: [0, 1000) of 2000, chunks 0 to 10, bytes 0 to 499 of the xorb. */
static const struct {
    const char *name;
    unsigned first, offset, start, end, unpacked, first_byte, last_byte;
    int rc;
    uint32_t units;
} seconds[] = {
    { "the chunks behind", 1000, 0, 10, 20, 1000, 500, 999, HFP_OK, 2 },
    { "the shared chunk and those behind", 1000, 50, 9, 20, 1050, 450, 999, HFP_OK, 2 },
    { "a gap in the file", 1500, 0, 10, 20, 500, 500, 999, HFP_OK, 2 },
    { "the same chunks again", 1000, 0, 0, 10, 1000, 0, 499, HFP_OK, 1 },
    { "a shared chunk that is another", 1000, 50, 7, 8, 1050, 350, 399, HFP_E_PROTO, 1 },
    { "a start before the seam, and no shared chunk", 1000, 50, 10, 20, 1050, 500, 999, HFP_E_PROTO, 1 },
    { "more than was shared", 1000, 900, 9, 10, 1900, 450, 499, HFP_E_PROTO, 1 },
    { "other bytes for a chunk behind", 1000, 0, 10, 20, 1000, 501, 999, HFP_E_PROTO, 1 },
    { "other bytes for a chunk of it", 1000, 0, 5, 20, 1000, 480, 999, HFP_E_PROTO, 1 },
};

static void test_seams(void)
{
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        AUTO(layout_freep) struct layout *l = NULL;
        AUTO(reconstruction_freep) struct reconstruction *a = one_term(0, 999, 2000, 0, 0, 10, 1000, 0, 499);
        AUTO(reconstruction_freep)
        struct reconstruction *b =
            one_term(seconds[i].first, 1999, 2000, seconds[i].offset, seconds[i].start, seconds[i].end,
                     seconds[i].unpacked, seconds[i].first_byte, seconds[i].last_byte);
        struct hfp_err err = { 0 };
        if (!a || !b || layout_new(&l, NULL) || layout_add(l, 7, a, NULL)) {
            CHECK(false, "%s: the rows are good", seconds[i].name);
            continue;
        }
        int rc = layout_add(l, 7, b, &err);
        CHECK(rc == seconds[i].rc && layout_unit_count(l) == seconds[i].units, "%s: %s, %u units (%s)", seconds[i].name,
              hfp_code_name(rc), layout_unit_count(l), err.message);
        CHECK(layout_bytes(l) < 8192 && !layout_full(l) && !layout_idle(l), "%s: little memory", seconds[i].name);
    }
}

static void test_lengths(void)
{
    AUTO(layout_freep) struct layout *l = NULL;
    AUTO(reconstruction_freep) struct reconstruction *r = one_term(0, 299, 300, 0, 0, 3, 300, 0, 499);
    struct layout_walk w;
    struct layout_write to = { 0 };
    struct hfp_err err = { 0 };
    if (!r || layout_new(&l, NULL) || layout_add(l, 0, r, NULL))
        return;
    CHECK(layout_chunk(&w, l, 0, 0, 299, &err) == HFP_E_PROTO, "a chunk that leaves no byte for the rest is refused");
    CHECK(layout_chunk(&w, l, 0, 0, 100, NULL) == HFP_OK && layout_write_next(l, &w, &to) && to.offset == 0 &&
              !layout_write_next(l, &w, &to),
          "the first goes to the front");
    CHECK(layout_chunk(&w, l, 0, 0, 99, NULL) == HFP_E_PROTO, "the same again must have the same length");
    CHECK(layout_chunk(&w, l, 0, 1, 50, NULL) == HFP_OK && layout_write_next(l, &w, &to) && to.offset == 100,
          "the second behind it");
    CHECK(layout_chunk(&w, l, 0, 2, 149, NULL) == HFP_E_PROTO && layout_chunk(&w, l, 0, 2, 151, NULL) == HFP_E_PROTO,
          "the last must end where the term does");
    CHECK(layout_chunk(&w, l, 0, 1, 50, NULL) == HFP_OK && layout_write_next(l, &w, &to) && to.offset == 100,
          "a repair goes where it was");
    CHECK(layout_chunk(&w, l, 0, 2, 150, NULL) == HFP_OK && layout_idle(l), "then all is done");
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        test_random(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
        return tap_end();
    }
    test_random(1, 10000);
    test_seams();
    test_lengths();
    layout_free(NULL);
    return tap_end();
}
