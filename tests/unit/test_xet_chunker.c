/* Promises of xet/chunker: files are cut where the writers cut them, by both rules, fed in pieces of any size. Every
 * row of chunks.json and legacy.json, and the table of gear_table.json in a second, plain chunker. Seen red
 * on purpose: one rule for both, a window too short, the sum kept over a cut or lost between pieces, a mask of 15 bits,
 * no longest chunk. */
#include "xet/chunker.h"
#include "xet/tree.h"
#include "xet_vectors.h"

#define CUTS_MAX 256

struct cuts {
    uint32_t bytes[CUTS_MAX];
    size_t n;
};

/* Pieces of block bytes; 0: of lengths that change all the time. */
static struct cuts cut(const struct xv_bytes *b, enum xet_rule rule, size_t block)
{
    struct cuts c = { .n = 0 };
    struct xet_chunker chunker;
    uint64_t state = 1;
    xet_chunker_init(&chunker, rule);
    for (size_t at = 0; at < b->n;) {
        size_t most = block ? block : xv_splitmix(&state) % 20000 + 1, piece = MIN(b->n - at, most);
        while (piece) {
            uint32_t chunk;
            size_t taken = xet_chunker_feed(&chunker, b->data + at, piece, &chunk);
            at += taken;
            piece -= taken;
            if (chunk)
                c.bytes[c.n++] = chunk;
        }
    }
    uint32_t last = xet_chunker_end(&chunker);
    if (last)
        c.bytes[c.n++] = last;
    return c;
}

static void same_in_pieces(const struct xv_bytes *b, enum xet_rule rule, const char *name)
{
    static const size_t blocks[] = { 1, 7, 4096, 65537, 131072, 1048576, 0 };
    struct cuts whole = cut(b, rule, b->n + 1);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct cuts c = cut(b, rule, blocks[i]);
        CHECK(c.n == whole.n && memcmp(c.bytes, whole.bytes, c.n * sizeof *c.bytes) == 0,
              "%s in pieces of %zu: the same cuts", name, blocks[i]);
    }
}

/* Chunk lengths and hashes; then what is made of them. */
static void chunks_row(const cJSON *row)
{
    XV_BYTES b = xv_generate(xv_text(row, "generator"));
    const char *name = xv_text(row, "name");
    const cJSON *want = cJSON_GetArrayItem(xv_get(row, "chunks"), 0);
    struct cuts c = cut(&b, XET_RULE_CURRENT, b.n + 1);
    struct xet_hash hashes[CUTS_MAX], got;
    struct xet_tree t;
    bool same = true;
    size_t at = 0;
    CHECK(b.n == xv_number(row, "size") && xv_sha256_is(&b, xv_text(row, "sha256")), "%s is generated", name);
    xet_tree_init(&t);
    for (size_t i = 0; i < c.n && want; i++, want = want->next) {
        char text[XET_HASH_TEXT];
        xet_hash_chunk(&hashes[i], b.data + at, c.bytes[i]);
        xet_tree_add(&t, &hashes[i], c.bytes[i]);
        xet_hash_text(text, &hashes[i]);
        same = same && c.bytes[i] == xv_at(want, 0) && strcmp(text, cJSON_GetArrayItem(want, 1)->valuestring) == 0;
        at += c.bytes[i];
    }
    CHECK(same && !want && at == b.n && t.chunks == c.n, "%s: %zu chunks, each with its hash", name, c.n);
    xet_tree_root(&got, &t);
    CHECK(xv_is(&got, row, "xorb_hash"), "%s: xorb hash", name);
    xet_tree_file(&got, &t);
    CHECK(xv_is(&got, row, "file_hash"), "%s: file hash", name);
    xet_hash_range(&got, hashes, c.n);
    CHECK(xv_is(&got, row, "range_hash_all"), "%s: range hash", name);
    same_in_pieces(&b, XET_RULE_CURRENT, name);
}

static void legacy_rule(const cJSON *row, const struct xv_bytes *b, enum xet_rule rule, const char *key)
{
    const cJSON *want = xv_get(row, key), *length = xv_get(want, "lengths")->child;
    struct cuts c = cut(b, rule, b->n);
    struct xet_tree t;
    struct xet_hash h;
    bool same = true;
    size_t at = 0;
    xet_tree_init(&t);
    for (size_t i = 0; i < c.n && length; i++, length = length->next) {
        same = same && c.bytes[i] == length->valuedouble;
        xet_hash_chunk(&h, b->data + at, c.bytes[i]);
        xet_tree_add(&t, &h, c.bytes[i]);
        at += c.bytes[i];
    }
    xet_tree_file(&h, &t);
    CHECK(same && !length && t.chunks == c.n, "%s: the cuts of the %s rule", xv_text(row, "generator"), key);
    CHECK(xv_is(&h, want, "file_hash"), "and its file hash");
    same_in_pieces(b, rule, key);
}

/* The rule as it is written down: every byte is fed, nothing is skipped. */
static struct cuts cut_plainly(const struct xv_bytes *b, const uint64_t table[256])
{
    struct cuts c = { .n = 0 };
    uint64_t gear = 0;
    uint32_t size = 0;
    for (size_t i = 0; i < b->n; i++) {
        gear = (gear << 1) + table[b->data[i]];
        size++;
        if (i + 1 == b->n || size == 131072 || (size >= 8192 && (gear & 0xFFFF000000000000) == 0)) {
            c.bytes[c.n++] = size;
            gear = size = 0;
        }
    }
    return c;
}

static void second_chunker(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("gear_table.json");
    const cJSON *row, *value;
    uint64_t table[256];
    size_t n = 0;
    cJSON_ArrayForEach (row, xv_get(doc, "table"))
        cJSON_ArrayForEach (value, row)
            table[n++ % 256] = strtoull(value->valuestring, NULL, 16);
    CHECK(n == 256, "256 constants");
    for (uint64_t seed = 100; seed < 140; seed++) {
        XV_BYTES b = { 0 };
        xv_prng(&b, seed, 400000);
        struct cuts want = cut_plainly(&b, table), got = cut(&b, XET_RULE_CURRENT, 0);
        CHECK(got.n == want.n && memcmp(got.bytes, want.bytes, got.n * sizeof *got.bytes) == 0,
              "random bytes %llu: as a chunker that skips nothing", (unsigned long long)seed);
    }
}

int main(void)
{
    AUTO(xv_json_freep) cJSON *chunks = xv_json("chunks.json");
    AUTO(xv_json_freep) cJSON *legacy = xv_json("legacy.json");
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(chunks, "inputs"))
        chunks_row(row);
    cJSON_ArrayForEach (row, xv_get(legacy, "inputs")) {
        XV_BYTES b = xv_generate(xv_text(row, "generator"));
        CHECK(xv_sha256_is(&b, xv_text(row, "sha256")), "%s is generated", xv_text(row, "generator"));
        legacy_rule(row, &b, XET_RULE_CURRENT, "current");
        legacy_rule(row, &b, XET_RULE_LEGACY, "legacy");
    }
    second_chunker();
    return tap_end();
}
