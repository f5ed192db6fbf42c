/* Promises of xet/hash and xet/tree: the names of chunks, xorbs, terms and files are those of the reference. Every row
 * of hex.json, keyed.json and merkle.json. Seen red on purpose: bytes turned round in fours, 65 digits taken, a bad
 * second digit taken, something written on refusal, keys exchanged, groups cut at their second node, cut at even words,
 * of 8 at the most, a single node left over not wrapped, an empty file hashed, a blank missing in a node's text. */
#include "xet/tree.h"
#include "xet_vectors.h"

static void text_forms(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("hex.json");
    const cJSON *row;
    cJSON_ArrayForEach (row, xv_get(doc, "examples")) {
        uint8_t raw[32];
        struct xet_hash got;
        const char *text = xv_text(row, "text");
        CHECK(hex_decode(raw, xv_text(row, "raw"), 32) && xet_hash_parse(&got, text, strlen(text)) &&
                  memcmp(raw, got.bytes, 32) == 0 && xv_is(&got, row, "text"),
              "%.16s.. is read and written", text);
        CHECK_U64(got.bytes[24] & 3u, xv_number(row, "mod4"), "its last word modulo 4");
    }
    static const char good[] = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918";
    static const struct {
        const char *name, *text;
        size_t n;
        bool ok;
    } rows[] = {
        { "capitals", "07060504030201000F0E0D0C0B0A090817161514131211101F1E1D1C1B1A1918", 64, true },
        { "one digit less", good, 63, false },
        { "one more", "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a19180", 65, false },
        { "a letter beyond f", "g7060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918", 64, false },
        { "a blank", "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a191 ", 64, false },
        { "0x before it", "0x060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918", 64, false },
        { "nothing", "", 0, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct xet_hash h = { { 42 } };
        CHECK(xet_hash_parse(&h, rows[i].text, rows[i].n) == rows[i].ok, "a name with %s: %s", rows[i].name,
              rows[i].ok ? "taken" : "refused");
        CHECK(rows[i].ok || h.bytes[0] == 42, "and nothing is written when it is refused");
    }
}

static void keyed_hashes(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("keyed.json");
    const cJSON *row;
    struct xet_hash key = xv_hash(doc, "key_text");
    cJSON_ArrayForEach (row, xv_get(doc, "examples")) {
        struct xet_hash chunk = xv_hash(row, "chunk_hash"), got;
        xet_hash_keyed(&got, key.bytes, &chunk);
        CHECK(xv_is(&got, row, "keyed"), "%.16s.. under a shard's key", xv_text(row, "chunk_hash"));
    }
}

static struct xet_tree_node leaf(uint64_t i, const char *variant)
{
    struct xet_tree_node node = { .size_bytes = 1000 + i * 7919 % 130000 };
    uint8_t number[8];
    for (int b = 0; b < 8; b++)
        number[b] = (uint8_t)(i >> (8 * b));
    xet_hash_chunk(&node.hash, number, sizeof number);
    if (strcmp(variant, "never") == 0)
        node.hash.bytes[24] |= 1;
    if (strcmp(variant, "always") == 0)
        node.hash.bytes[24] &= 0xfc;
    return node;
}

static void root_row(const cJSON *row)
{
    const char *variant = xv_text(row, "variant");
    uint64_t n = xv_number(row, "n");
    AUTO_FREE struct xet_hash *hashes = calloc(n + 1, sizeof *hashes);
    struct xet_tree t;
    struct xet_hash root, file, range, want = xv_hash(row, "xorb_hash");
    bool early = false;
    xet_tree_init(&t);
    for (uint64_t i = 0; i < n; i++) {
        struct xet_tree_node node = leaf(i, variant);
        hashes[i] = node.hash;
        early |= xet_tree_is(&t, &want);
        xet_tree_add(&t, &node.hash, (uint32_t)node.size_bytes);
    }
    xet_tree_root(&root, &t);
    xet_tree_file(&file, &t);
    xet_hash_range(&range, hashes, n);
    CHECK(xv_is(&root, row, "xorb_hash") && xv_is(&file, row, "file_hash") && xv_is(&range, row, "range_hash") &&
              t.size_bytes == xv_number(row, "total") && t.chunks == n,
          "%llu leaves, %s: xorb, file and range hash", (unsigned long long)n, variant);
    CHECK(!early && xet_tree_is(&t, &want) == (n > 0), "proved with the last of its chunks, not before");
}

static void tree_roots(void)
{
    AUTO(xv_json_freep) cJSON *doc = xv_json("merkle.json");
    const cJSON *row;
    uint64_t i = 0;
    cJSON_ArrayForEach (row, xv_get(doc, "first_leaves_plain")) {
        struct xet_tree_node node = leaf(i++, "plain");
        char text[XET_HASH_TEXT];
        xet_hash_text(text, &node.hash);
        CHECK(xv_at(row, 0) == node.size_bytes && strcmp(text, cJSON_GetArrayItem(row, 1)->valuestring) == 0,
              "leaf %llu is the vectors' own", (unsigned long long)i - 1);
    }
    cJSON_ArrayForEach (row, xv_get(doc, "roots"))
        root_row(row);
}

int main(void)
{
    text_forms();
    keyed_hashes();
    tree_roots();
    return tap_end();
}
