/* Promises of xet/chunk_map: what was written is read back; a run that is torn, damaged, foreign or impossible is no
 * run, never a wrong one; docs/formats/chunks.md has the bytes that are written. Seen red on purpose: sums not compared
 * or without the file's name, each bound and the version not looked at, a run that grows over a gap, into another xorb or
 * beyond its room. */
#include "base/le.h"
#include "xet/chunk_map.h"
#include "xet_vectors.h"

#include <ctype.h>

#define SIZE UINT64_C(5000000)

static struct xet_hash hash_of(uint8_t n)
{
    struct xet_hash h;
    memset(h.bytes, n, sizeof h.bytes);
    return h;
}

static struct chunk_map_info sample(void)
{
    return (struct chunk_map_info){ .size_bytes = SIZE, .file = hash_of(0xF1) };
}

/* Chunks 7 to 7 + n - 1 of xorb 0xA0, at 1 MiB of the file. */
static struct chunk_run sample_run(uint32_t n)
{
    struct chunk_run run = { .count = 0 };
    struct xet_hash xorb = hash_of(0xA0);
    uint64_t at = 1 << 20;
    for (uint32_t i = 0; i < n; i++) {
        struct xet_hash h = hash_of((uint8_t)(i + 1));
        struct chunk_place p = { &xorb, &h, 7 + i, 65536 + i, at };
        chunk_run_add(&run, &p);
        at += p.bytes;
    }
    return run;
}

static bool same_run(const struct chunk_run *a, const struct chunk_run *b)
{
    bool ok = xet_hash_equal(&a->xorb, &b->xorb) && a->first_index == b->first_index && a->count == b->count &&
              a->file_offset == b->file_offset;
    for (uint32_t i = 0; ok && i < a->count; i++)
        ok = a->chunk[i].bytes == b->chunk[i].bytes && xet_hash_equal(&a->chunk[i].hash, &b->chunk[i].hash);
    return ok;
}

static void round_trip(void)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    struct chunk_map_info info = sample(), got;
    info.sealed_runs = 3;
    chunk_map_encode(unit, &info);
    CHECK(!chunk_map_decode(&got, unit) && got.size_bytes == SIZE && got.sealed_runs == 3 &&
              xet_hash_equal(&got.file, &info.file),
          "a header reads back");
    for (uint32_t n = 1; n <= CHUNK_RUN_MAX; n++) {
        struct chunk_run run = sample_run(n), back;
        chunk_run_encode(unit, &run, &info);
        CHECK(!chunk_run_decode(&back, unit, &info) && same_run(&run, &back), "a run of %u reads back", n);
        CHECK(chunk_run_offset(&back, 0) == 1 << 20 &&
                  chunk_run_offset(&back, n) == (1 << 20) + n * 65536 + n * (n - 1) / 2,
              "and says where each chunk lies");
    }
}

static void runs_grow(void)
{
    struct xet_hash a = hash_of(1), b = hash_of(2), h = hash_of(3);
    const struct {
        const char *name;
        struct chunk_place p;
        bool goes_on;
    } rows[] = {
        { "the next chunk at the next byte", { &a, &h, 8, 100, 1000 }, true },
        { "another xorb", { &b, &h, 8, 100, 1000 }, false },
        { "not the next chunk", { &a, &h, 9, 100, 1000 }, false },
        { "the same chunk again", { &a, &h, 7, 100, 1000 }, false },
        { "a gap in the file", { &a, &h, 8, 100, 1001 }, false },
        { "an overlap in the file", { &a, &h, 8, 100, 999 }, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chunk_run run = { .count = 0 };
        CHECK(chunk_run_add(&run, &(struct chunk_place){ &a, &h, 7, 500, 500 }), "a run begins with any chunk");
        CHECK(chunk_run_add(&run, &rows[i].p) == rows[i].goes_on && run.count == 1u + rows[i].goes_on, "%s: %s",
              rows[i].name, rows[i].goes_on ? "goes on" : "another run");
    }
    struct chunk_run full = sample_run(CHUNK_RUN_MAX);
    struct xet_hash xorb = hash_of(0xA0);
    CHECK(!chunk_run_add(&full, &(struct chunk_place){ &xorb, &h, 7 + CHUNK_RUN_MAX, 5,
                                                       chunk_run_offset(&full, CHUNK_RUN_MAX) }),
          "a full run takes no more");
}

static void damage(void)
{
    uint8_t good[CHUNK_MAP_UNIT], unit[CHUNK_MAP_UNIT];
    struct chunk_map_info info = sample(), other = sample(), got = { 0 };
    struct chunk_run run = sample_run(CHUNK_RUN_MAX), back = { .count = 0 };
    unsigned taken = 0;
    chunk_map_encode(good, &info);
    for (unsigned bit = 0; bit < 8 * CHUNK_MAP_UNIT; bit++) {
        memcpy(unit, good, sizeof unit);
        unit[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int rc = chunk_map_decode(&got, unit);
        taken += rc == HFP_OK || got.size_bytes || (rc == HFP_E_VERSION) != (bit / 8 == 8 || bit / 8 == 9);
    }
    CHECK(taken == 0, "a header with one wrong bit is no header");
    chunk_run_encode(good, &run, &info);
    for (unsigned bit = 0; bit < 8 * CHUNK_MAP_UNIT; bit++) {
        memcpy(unit, good, sizeof unit);
        unit[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += chunk_run_decode(&back, unit, &info) != HFP_E_CORRUPT || back.count;
    }
    CHECK(taken == 0, "a run with one wrong bit is no run");
    for (size_t cut = 0; cut < CHUNK_MAP_UNIT; cut++) { /* the rest was never written */
        memset(unit, 0, sizeof unit);
        memcpy(unit, good, cut);
        taken += chunk_run_decode(&back, unit, &info) != HFP_E_CORRUPT;
    }
    CHECK(taken == 0, "a torn run is no run");
    other.file = hash_of(0xF2);
    CHECK(chunk_run_decode(&back, good, &other) == HFP_E_CORRUPT, "a run of another file is no run of this one");
}

/* Runs whose sum is right and whose content cannot be: written by an error of ours, or with intent. */
static const struct {
    const char *name;
    int at, bytes;
    uint64_t value;
    bool ok;
} impossible[] = {
    { "as it was", 1, 1, 12, true },
    { "another kind", 0, 1, 2, false },
    { "no chunks", 1, 1, 0, false },
    { "more chunks than there is room for", 1, 1, 13, false },
    { "fewer chunks", 1, 1, 11, true },
    { "an index that no xorb has", 4, 4, 16384 - 11, false },
    { "the last index", 4, 4, 16384 - 12, true },
    { "an index that overflows", 4, 4, 0xffffffff, false },
    { "an offset behind the end", 8, 8, SIZE, false },
    { "the last offset", 8, 8, SIZE - (12 * 65536 + 66), true },
    { "one more", 8, 8, SIZE - (12 * 65536 + 66) + 1, false },
    { "an offset that overflows", 8, 8, UINT64_MAX, false },
    { "an empty chunk", 48 + 3 * 5, 3, 0, false },
    { "a chunk too long", 48 + 3 * 5, 3, 131073, false },
    { "the longest chunk", 48 + 3 * 5, 3, 131072, true },
};

static void impossible_runs(void)
{
    struct chunk_map_info info = sample();
    for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
        uint8_t unit[CHUNK_MAP_UNIT], summed[32 + 480];
        struct chunk_run run = sample_run(CHUNK_RUN_MAX), back;
        chunk_run_encode(unit, &run, &info);
        put_le(unit + impossible[i].at, impossible[i].value, impossible[i].bytes);
        memcpy(summed, info.file.bytes, 32);
        memcpy(summed + 32, unit, 480);
        blake3_of(unit + 480, summed, sizeof summed);
        CHECK(chunk_run_decode(&back, unit, &info) == (impossible[i].ok ? HFP_OK : HFP_E_CORRUPT), "%s: %s",
              impossible[i].name, impossible[i].ok ? "a run" : "no run");
    }
    static const struct {
        const char *name;
        int at;
        uint64_t value;
        int rc;
    } heads[] = {
        { "16 TiB", 16, CHUNK_MAP_SIZE_MAX, HFP_OK },
        { "more than 16 TiB", 16, CHUNK_MAP_SIZE_MAX + 1, HFP_E_CORRUPT },
        { "more runs than bytes", 24, SIZE + 1, HFP_E_CORRUPT },
        { "a newer version", 8, UINT64_C(0x02000002), HFP_E_VERSION },
        { "another header length", 8, UINT64_C(0x01000001), HFP_E_CORRUPT },
    };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        uint8_t unit[CHUNK_MAP_UNIT];
        struct chunk_map_info got;
        chunk_map_encode(unit, &info);
        put_le(unit + heads[i].at, heads[i].value, heads[i].at == 8 ? 4 : 8);
        blake3_of(unit + 480, unit, 480);
        CHECK(chunk_map_decode(&got, unit) == heads[i].rc, "a header with %s: %s", heads[i].name,
              heads[i].rc ? "refused" : "read");
    }
}

/* The example of docs/formats/chunks.md: lines "address  16 bytes  words", lines of zeros left out. */
static void documented(void)
{
    struct chunk_map_info info = sample();
    struct chunk_run run = sample_run(2);
    uint8_t made[2 * CHUNK_MAP_UNIT], doc[2 * CHUNK_MAP_UNIT] = { 0 };
    char line[256];
    unsigned lines = 0;
    FILE *f = fopen(XET_VECTORS "/../../../docs/formats/chunks.md", "r");
    chunk_map_encode(made, &info);
    chunk_run_encode(made + CHUNK_MAP_UNIT, &run, &info);
    while (f && fgets(line, sizeof line, f)) {
        char *s = line;
        unsigned long at = isxdigit((unsigned char)*s) ? strtoul(line, &s, 16) : 0;
        if (s != line + 3 || at + 16 > sizeof doc)
            continue;
        for (unsigned i = 0; i < 16; i++)
            doc[at + i] = (uint8_t)strtoul(s, &s, 16);
        lines++;
    }
    if (f)
        fclose(f);
    CHECK(lines > 10 && memcmp(made, doc, sizeof doc) == 0, "the documented bytes are the ones written");
    for (size_t i = 0; i < sizeof made && memcmp(made, doc, sizeof doc) != 0; i += 16) {
        printf("# %03zx ", i);
        for (size_t j = 0; j < 16; j++)
            printf("%s%02x", j == 8 ? "  " : " ", made[i + j]);
        printf("\n");
    }
}

int main(void)
{
    round_trip();
    runs_grow();
    damage();
    impossible_runs();
    documented();
    return tap_end();
}
