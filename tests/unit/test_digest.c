/* test_digest.c: hashes agree with the published vectors, hex with itself (P1).
 *
 * Seen red on purpose: git's NUL was not hashed; hashes of any length were taken; more hex digits than bytes were
 * taken; kinds did not count. */
#include "base/auto.h"
#include "base/digest.h"
#include "tap.h"

/* FIPS 180-2 B.1, B.2; git hash-object of the same bytes. */
static const struct {
    enum digest_kind kind;
    const char *data, *hex;
} rows[] = {
    { DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { DIGEST_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { DIGEST_GIT_SHA1, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" },
    { DIGEST_GIT_SHA1, "hello\n", "ce013625030ba8dba906f756967f9e9ca394464a" },
};

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].data);
        for (size_t step = 1; step <= 64; step *= 8) {
            AUTO(digest_freep) struct digest *d = NULL;
            struct content_id id, want;
            struct hfp_err err = { 0 };
            char hex[65];
            CHECK(digest_new(&d, rows[i].kind, n, &err) == HFP_OK, "a digest: %s", err.message);
            for (size_t at = 0; at < n; at += step)
                digest_add(d, rows[i].data + at, MIN(step, n - at), &err);
            CHECK(digest_end(d, &id, &err) == HFP_OK, "ends");
            content_id_hex(hex, &id);
            CHECK_STR(hex, rows[i].hex, "vector %zu in steps of %zu", i, step);
            CHECK(content_id_parse(&want, rows[i].hex) == HFP_OK && content_id_equal(&id, &want), "and is read back");
        }
    }
    static const char blake3_empty[] =
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"; /* BLAKE3 test_vectors.json */
    uint8_t raw[BLAKE3_BYTES];
    char hex[65];
    blake3_of(raw, "", 0);
    hex_encode(hex, raw, sizeof raw);
    CHECK_STR(hex, blake3_empty, "BLAKE3 of nothing");
}

static void test_ids(void)
{
    static const struct {
        const char *name, *hex;
    } bad[] = {
        { "empty", "" },
        { "39 digits", "ce013625030ba8dba906f756967f9e9ca394464" },
        { "41 digits", "ce013625030ba8dba906f756967f9e9ca394464ab" },
        { "63 digits", "a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "65 digits", "bba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "upper case", "CE013625030BA8DBA906F756967F9E9CA394464A" },
        { "a slash", "ce013625030ba8dba906f756967f9e9ca39446/a" },
        { "a blank behind", "ce013625030ba8dba906f756967f9e9ca394464a " },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct content_id id = { .kind = 77 };
        CHECK(content_id_parse(&id, bad[i].hex) == HFP_E_ARG && id.kind == 77, "no hash: %s", bad[i].name);
    }
    struct content_id a = { .kind = DIGEST_GIT_SHA1 }, b = { .kind = DIGEST_SHA256 };
    CHECK(!content_id_equal(&a, &b), "kinds differ");
    b.kind = DIGEST_GIT_SHA1;
    b.bytes[25] = 1;
    CHECK(content_id_equal(&a, &b), "what lies behind a sha1 does not count");
    b.bytes[19] = 1;
    CHECK(!content_id_equal(&a, &b), "its last byte does");
}

static void test_hex(void)
{
    static const struct {
        const char *hex;
        bool ok;
    } hexes[] = {
        { "00ffAb", true },  { "00ffA", false }, { "00ffAb0", false },
        { "00ffAg", false }, { "", false },      { "0", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(hexes); i++) {
        uint8_t out[3] = { 0 };
        bool ok = hex_decode(out, hexes[i].hex, 3);
        CHECK(ok == hexes[i].ok, "hex '%s' for 3 bytes", hexes[i].hex);
        CHECK(!ok || (out[0] == 0 && out[1] == 0xFF && out[2] == 0xAB), "its value");
    }
    digest_free(NULL);
}

int main(void)
{
    test_vectors();
    test_ids();
    test_hex();
    return tap_end();
}
