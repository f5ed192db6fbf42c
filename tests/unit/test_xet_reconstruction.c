/* test_xet_reconstruction.c: the promises of xet/reconstruction.h.
 *
 * Seen red on purpose: the offset ignored, a term past the file's end, a slice not covered, terms behind or before it,
 * an empty chunk range, chunks beyond any xorb, lengths of less or more than their chunks have, a byte range with its
 * end excluded or not compared with its chunks, ranges that contradict, ranges inside others kept, a term taken for
 * held by a range that it leaves, credentials and control characters in URLs, the latest end of a URL, and a body of
 * too many values like any bad one. */
#include "xet/reconstruction.h"

#include "base/json.h"
#include "xet/chunker.h"
#include "xet/record.h"
#include "xet_vectors.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define TERM(xorb, len, from, to)                                                                                      \
    "{\"hash\":\"" xorb "\",\"unpacked_length\":" len ",\"range\":{\"start\":" from ",\"end\":" to "}}"
#define RANGE(from, to, first, last)                                                                                   \
    "{\"chunks\":{\"start\":" from ",\"end\":" to "},\"bytes\":{\"start\":" first ",\"end\":" last "}}"
#define XORB(xorb, url, ranges) "\"" xorb "\":[{\"url\":\"" url "\",\"ranges\":[" ranges "]}]"
#define V2(offset, terms, xorbs) "{\"offset_into_first_range\":" offset ",\"terms\":[" terms "],\"xorbs\":{" xorbs "}}"
#define V1(offset, terms, xorbs)                                                                                       \
    "{\"offset_into_first_range\":" offset ",\"terms\":[" terms "],\"fetch_info\":{" xorbs "}}"
#define FETCH(from, to, url, first, last)                                                                              \
    "{\"range\":{\"start\":" from ",\"end\":" to "},\"url\":\"" url "\",\"url_range\":{\"start\":" first               \
    ",\"end\":" last "}}"
#define U "https://cas.test/x?s=1"
#define LONG16 "aaaaaaaaaaaaaaaa"
#define OK_RANGE RANGE("0", "2", "0", "999")
#define GOOD V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE))
/* A slice from byte 100 of a file of 10,000, its first term at 90. */
#define AT(offset, terms, xorbs) V2(offset, terms, xorbs), 100, 1099, 10000

static const struct {
    const char *name, *body;
    uint64_t first, last, size;
    const char *says; /* NULL: taken */
} rows[] = {
    { "one term", GOOD, 0, 999, 1000, NULL },
    { "a slice inside a term", AT("10", TERM(A, "1010", "0", "2"), XORB(A, U, OK_RANGE)), NULL },
    { "a tail behind the slice", AT("10", TERM(A, "1500", "0", "2"), XORB(A, U, OK_RANGE)), NULL },
    { "an offset of several chunks", AT("100", TERM(A, "1300", "0", "30"), XORB(A, U, RANGE("0", "30", "0", "999"))),
      NULL },
    { "one term twice", V2("0", TERM(A, "500", "0", "2") "," TERM(A, "500", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999,
      1000, NULL },
    { "terms that overlap in chunks",
      V2("0", TERM(A, "500", "0", "2") "," TERM(A, "500", "1", "3"), XORB(A, U, RANGE("0", "3", "0", "999"))), 0, 999,
      1000, NULL },
    { "a range that lies inside another",
      V1("0", TERM(A, "1000", "1", "2"),
         "\"" A "\":[" FETCH("1", "2", U, "500", "999") "," FETCH("0", "3", U, "0", "1999") "]"),
      0, 999, 1000, NULL },
    { "a term in the longer of two such",
      V1("0", TERM(A, "1000", "1", "3"),
         "\"" A "\":[" FETCH("1", "2", U, "500", "999") "," FETCH("0", "3", U, "0", "1999") "]"),
      0, 999, 1000, NULL },
    { "ranges that overlap",
      V2("0", TERM(A, "1000", "0", "3"), XORB(A, U, RANGE("2", "5", "200", "599") "," RANGE("0", "3", "0", "299"))), 0,
      999, 1000, NULL },
    { "a xorb in two entries",
      V2("0", TERM(A, "500", "0", "1") "," TERM(A, "500", "2", "3"),
         "\"" A "\":[{\"url\":\"" U
         "\",\"ranges\":[" RANGE("0", "1", "0", "99") "]},{\"url\":\"" U
                                                      "\",\"ranges\":[" RANGE("2", "3", "200", "299") "]}]"),
      0, 999, 1000, NULL },
    { "members that nobody knows", V2("0,\"x\":[1,{}]", TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      NULL },
    { "a xorb that nobody needs", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE) "," XORB(B, U, OK_RANGE)), 0,
      999, 1000, NULL },
    /* the whole */
    { "nothing", "", 0, 999, 1000, "nothing in it" },
    { "a list", "[]", 0, 999, 1000, "no terms" },
    { "cut off", "{\"terms\":[", 0, 999, 1000, "JSON" },
    { "no terms", V2("0", "", XORB(A, U, OK_RANGE)), 0, 999, 1000, "no terms for a file" },
    { "no xorbs", "{\"offset_into_first_range\":0,\"terms\":[" TERM(A, "1000", "0", "2") "]}", 0, 999, 1000,
      "no ranges" },
    { "no offset", "{\"terms\":[" TERM(A, "1000", "0", "2") "],\"xorbs\":{" XORB(A, U, OK_RANGE) "}}", 0, 999, 1000,
      "no offset" },
    /* where it lies in the file */
    { "too short", GOOD, 0, 1000, 2000, "shorter than the slice" },
    { "longer than the file", V2("0", TERM(A, "1001", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "longer than the file" },
    { "the whole file where a later slice was asked for", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE)), 500,
      999, 1000, "longer than the file" },
    { "a term behind the slice", AT("0", TERM(A, "1000", "0", "2") "," TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE)),
      "goes on behind" },
    { "a term before the slice", AT("50", TERM(A, "50", "0", "2") "," TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE)),
      "before the slice" },
    { "an offset before the file", AT("101", TERM(A, "1101", "0", "2"), XORB(A, U, OK_RANGE)), "before the file" },
    { "an offset beyond 2^53", AT("9007199254740992", TERM(A, "1101", "0", "2"), XORB(A, U, OK_RANGE)), "no offset" },
    { "an offset below zero", AT("-1", TERM(A, "1101", "0", "2"), XORB(A, U, OK_RANGE)), "no offset" },
    { "lengths that add up to more than a file can have",
      V2("0", TERM(A, "262144", "0", "2") "," TERM(A, "4294967295", "0", "2"), XORB(A, U, OK_RANGE)), 0, 262200,
      1 << 30, "length does not fit" },
    /* terms */
    { "a length of zero", V2("0", TERM(A, "0", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000, "length does not fit" },
    { "less than a byte for each chunk", V2("0", TERM(A, "1", "0", "2"), XORB(A, U, OK_RANGE)), 0, 0, 1,
      "length does not fit" },
    { "more than 128 KiB for each chunk", V2("0", TERM(A, "262145", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 300000,
      "length does not fit" },
    { "128 KiB for each chunk", V2("0", TERM(A, "262144", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 300000, NULL },
    { "a length that is a text", V2("0", TERM(A, "\"1000\"", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "length does not fit" },
    { "an empty chunk range", V2("0", TERM(A, "1000", "2", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "empty chunk range" },
    { "a chunk range that runs back", V2("0", TERM(A, "1000", "2", "1"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "empty chunk range" },
    { "a chunk beyond any xorb", V2("0", TERM(A, "1000", "0", "16385"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "more chunks than a xorb" },
    { "a chunk beyond u32", V2("0", TERM(A, "1000", "4294967296", "4294967298"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "more chunks than a xorb" },
    { "a term of a xorb without ranges", V2("0", TERM(B, "1000", "0", "2"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "no range holds" },
    { "a term that reaches out of its range", V2("0", TERM(A, "1000", "0", "3"), XORB(A, U, OK_RANGE)), 0, 999, 1000,
      "no range holds" },
    { "a term over two ranges",
      V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "1", "0", "99") "," RANGE("1", "2", "100", "999"))), 0,
      999, 1000, "no range holds" },
    { "a xorb of 63 digits",
      V2("0", "{\"hash\":\"aaa\",\"unpacked_length\":1000,\"range\":{\"start\":0,\"end\":2}}", XORB(A, U, OK_RANGE)), 0,
      999, 1000, "64 hex" },
    { "a term that is a number", V2("0", "1", XORB(A, U, OK_RANGE)), 0, 999, 1000, "64 hex" },
    /* ranges */
    { "a xorb whose name climbs", V2("0", TERM(A, "1000", "0", "2"), XORB("../../x", U, OK_RANGE)), 0, 999, 1000,
      "64 hex" },
    { "an empty byte range", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "1", "0"))), 0, 999, 1000,
      "empty byte range" },
    { "a byte range beyond 2^53",
      V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "0", "9007199254740993"))), 0, 999, 1000,
      "byte range that is none" },
    { "less bytes than records have", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "0", "16"))), 0,
      999, 1000, "not fit its chunks" },
    { "the fewest bytes that two records have",
      V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "0", "17"))), 0, 999, 1000, NULL },
    { "more bytes than records have", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "0", "524304"))), 0,
      999, 1000, "not fit its chunks" },
    { "chunk 0 that is not at the front", V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, RANGE("0", "2", "1", "999"))),
      0, 999, 1000, "not fit its chunks" },
    { "chunk 5 at the front", V2("0", TERM(A, "1000", "5", "7"), XORB(A, U, RANGE("5", "7", "0", "999"))), 0, 999, 1000,
      "not fit its chunks" },
    { "neighbours with a hole between",
      V2("0", TERM(A, "1000", "0", "2"), XORB(A, U, OK_RANGE "," RANGE("2", "3", "1001", "1999"))), 0, 999, 1000,
      "contradict" },
    { "a later chunk with earlier bytes",
      V2("0", TERM(A, "1000", "4", "6"), XORB(A, U, RANGE("4", "6", "500", "999") "," RANGE("7", "8", "400", "499"))),
      0, 999, 1000, "contradict" },
    { "one range with two places",
      V1("0", TERM(A, "1000", "1", "2"),
         "\"" A "\":[" FETCH("1", "2", U, "500", "999") "," FETCH("1", "2", U, "500", "998") "]"),
      0, 999, 1000, "contradict" },
    { "ranges that are no list",
      "{\"offset_into_first_range\":0,\"terms\":[" TERM(A, "1000", "0", "2") "],\"xorbs\":{\"" A "\":{}}}", 0, 999,
      1000, "without a list" },
    /* URLs */
    { "a URL of another kind", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "ftp://cas.test/x", OK_RANGE)), 0, 999, 1000,
      "URL" },
    { "a file", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "file:///etc/passwd", OK_RANGE)), 0, 999, 1000, "URL" },
    { "a relative URL", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "/x", OK_RANGE)), 0, 999, 1000, "URL" },
    { "a URL without a host", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https:///x", OK_RANGE)), 0, 999, 1000,
      "URL" },
    { "a URL with credentials", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://me:pw@cas.test/x", OK_RANGE)), 0,
      999, 1000, "URL" },
    { "an @ in the query is none", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://cas.test?a@b", OK_RANGE)), 0,
      999, 1000, NULL },
    { "a URL with a line break",
      V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://cas.test/x\\r\\nHost: y", OK_RANGE)), 0, 999, 1000, "URL" },
    { "a URL with a blank", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://cas.test/x y", OK_RANGE)), 0, 999, 1000,
      "URL" },
    { "a URL with a backslash", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://cas.test\\\\@y/", OK_RANGE)), 0,
      999, 1000, "URL" },
    { "a URL that is not ASCII", V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://cas.test/\\u00fc", OK_RANGE)), 0,
      999, 1000, "URL" },
    { "no URL", V2("0", TERM(A, "1000", "0", "2"), "\"" A "\":[{\"ranges\":[" OK_RANGE "]}]"), 0, 999, 1000, "URL" },
    { "a URL without ranges", V2("0", TERM(A, "1000", "0", "2"), "\"" A "\":[{\"url\":\"" U "\"}]"), 0, 999, 1000,
      "without ranges" },
};

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(reconstruction_freep) struct reconstruction *r = NULL;
        struct hfp_err err = { 0 };
        bool too_long = true;
        int rc = reconstruction_parse(&r, rows[i].body, strlen(rows[i].body), rows[i].first, rows[i].last, rows[i].size,
                                      &too_long, &err);
        if (rows[i].says)
            CHECK(rc == HFP_E_PROTO && !r && !too_long && strstr(err.message, rows[i].says), "%s: refused (%s)",
                  rows[i].name, err.message);
        else
            CHECK(rc == HFP_OK && r && !too_long, "%s: taken (%s)", rows[i].name, err.message);
    }
}

static struct reconstruction *parsed(const char *body, uint64_t first, uint64_t last, uint64_t size)
{
    struct reconstruction *r = NULL;
    bool too_long;
    struct hfp_err err = { 0 };
    if (reconstruction_parse(&r, body, strlen(body), first, last, size, &too_long, &err))
        printf("# %s\n", err.message);
    return r;
}

static void test_shape(void)
{
    AUTO(reconstruction_freep)
    struct reconstruction *r =
        parsed(V2("10", TERM(B, "500", "2", "4") "," TERM(A, "700", "0", "1"),
                  XORB(B, "https://b.test/?Expires=2000&x=1",
                       RANGE("1", "5", "50", "999")) "," XORB(A, "https://a.test/?k=1&Expires=1900",
                                                              OK_RANGE "," RANGE("7", "9", "5000", "5999"))),
               100, 1099, 10000);
    if (!CHECK(r && r->term_count == 2 && r->fetch_count == 3, "two terms, three ranges"))
        return;
    CHECK(r->first_byte == 100 && r->last_byte == 1099 && r->size_bytes == 10000, "the slice is kept");
    CHECK(r->terms[0].file_offset == 90 && r->terms[1].file_offset == 590,
          "terms lie side by side, from the first chunk on");
    CHECK(r->terms[0].fetch == 2 && r->terms[1].fetch == 0, "each names the range that holds it");
    CHECK(r->fetches[1].first_byte == 5000 && r->fetches[1].last_byte == 5999,
          "both ends of a byte range are included");
    CHECK_STR(r->fetches[1].url, "https://a.test/?k=1&Expires=1900", "two ranges of one entry share its URL");
    CHECK(r->fetches[0].url == r->fetches[1].url, "and its memory");
    CHECK(r->expires_unix_s == 1900, "the earliest end of a URL is told");
    CHECK(reconstruction_find(r, &r->terms[0].xorb, 1, 5) == &r->fetches[2], "a range is found by its chunks");
    CHECK(!reconstruction_find(r, &r->terms[0].xorb, 0, 2) && !reconstruction_find(r, &r->terms[0].xorb, 4, 6),
          "what reaches out of it is not");
    CHECK(!reconstruction_find(r, &(struct xet_hash){ { 1 } }, 0, 1), "nor what is of another xorb");
}

static void test_expires(void)
{
    static const struct {
        const char *query;
        int64_t unix_s;
    } urls[] = {
        { "", 0 },
        { "?Expires=5", 5 },
        { "?a=b&Expires=17&c", 17 },
        { "?X-Amz-Expires=5", 0 },
        { "?Expires=", 0 },
        { "?Expires=5x", 0 },
        { "?Expires=99999999999999999999", 0 },
        { "?a=Expires=5", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        char body[1024];
        snprintf(body, sizeof body, V2("0", TERM(A, "1000", "0", "2"), XORB(A, "https://a.test/%s", OK_RANGE)),
                 urls[i].query);
        AUTO(reconstruction_freep) struct reconstruction *r = parsed(body, 0, 999, 1000);
        CHECK(r && r->expires_unix_s == urls[i].unix_s, "\"%s\" ends at %lld", urls[i].query,
              (long long)urls[i].unix_s);
    }
}

static void test_too_long(void)
{
    AUTO_FREE char *body = malloc(RECONSTRUCTION_BYTES_MAX);
    size_t n = 0;
    memcpy(body, "[", 2);
    for (n = 1; n < 2 * (JSON_VALUES_MAX + 10); n += 2)
        memcpy(body + n, "0,", 3);
    struct reconstruction *r = NULL;
    bool too_long = false;
    memcpy(body + n - 1, "]", 2);
    int rc = reconstruction_parse(&r, body, n, 0, 999, 1000, &too_long, NULL);
    CHECK(rc == HFP_E_PROTO && too_long, "too many values ask for a shorter slice");
    rc = reconstruction_parse(&r, "[}", 2, 0, 999, 1000, &too_long, NULL);
    CHECK(rc == HFP_E_PROTO && !too_long, "other faults do not");
}

/* ---- the recorded answers ---- */

static const cJSON *xorb_of(const cJSON *store, const struct xet_hash *hash)
{
    const cJSON *xorb;
    char text[XET_HASH_TEXT];
    xet_hash_text(text, hash);
    cJSON_ArrayForEach (xorb, xv_get(store, "xorbs"))
        if (strcmp(xv_get(xorb, "hash")->valuestring, text) == 0)
            return xorb;
    return NULL;
}

static double record_field(const cJSON *xorb, uint32_t chunk, int field)
{
    const cJSON *record = cJSON_GetArrayItem(xv_get(xorb, "records_offset_compressed_scheme_uncompressed"), (int)chunk);
    return record ? cJSON_GetArrayItem(record, field)->valuedouble : -1;
}

static bool true_to_store(const struct reconstruction *r, const cJSON *store)
{
    for (size_t i = 0; i < r->term_count; i++) {
        const struct reconstruction_term *t = &r->terms[i];
        const cJSON *xorb = xorb_of(store, &t->xorb);
        double bytes = 0;
        for (uint32_t c = t->chunk_start; c < t->chunk_end; c++)
            bytes += record_field(xorb, c, 3);
        if (bytes != t->unpacked_bytes)
            return false;
    }
    for (size_t i = 0; i < r->fetch_count; i++) {
        const struct reconstruction_fetch *f = &r->fetches[i];
        const cJSON *xorb = xorb_of(store, &f->xorb);
        uint32_t last = f->chunk_end - 1;
        if ((double)f->first_byte != record_field(xorb, f->chunk_start, 0) ||
            (double)f->last_byte != record_field(xorb, last, 0) + 8 + record_field(xorb, last, 1) - 1)
            return false;
    }
    return true;
}

static bool same(const struct reconstruction *a, const struct reconstruction *b)
{
    if (a->term_count != b->term_count || a->fetch_count != b->fetch_count)
        return false;
    for (size_t i = 0; i < a->fetch_count; i++) {
        const struct reconstruction_fetch *x = &a->fetches[i], *y = &b->fetches[i];
        if (!xet_hash_equal(&x->xorb, &y->xorb) || x->chunk_start != y->chunk_start || x->chunk_end != y->chunk_end ||
            x->first_byte != y->first_byte || x->last_byte != y->last_byte)
            return false;
    }
    return memcmp(a->terms, b->terms, a->term_count * sizeof *a->terms) == 0;
}

static void one_query(const cJSON *store, const cJSON *file, const cJSON *query)
{
    uint64_t size = (uint64_t)xv_get(file, "size")->valuedouble, first = 0, last = size - 1;
    const cJSON *range = xv_get(query, "range");
    const char *name = range->valuestring ? range->valuestring : "whole";
    unsigned long long a, b;
    if (range->valuestring && sscanf(range->valuestring, "bytes=%llu-%llu", &a, &b) == 2) {
        first = a;
        last = MIN(b, size - 1);
    }
    if (xv_get(query, "v2_status")->valuedouble != 200)
        return;
    char *v1 = cJSON_PrintUnformatted(xv_get(query, "v1")), *v2 = cJSON_PrintUnformatted(xv_get(query, "v2"));
    AUTO(reconstruction_freep) struct reconstruction *one = parsed(v1, first, last, size);
    AUTO(reconstruction_freep) struct reconstruction *two = parsed(v2, first, last, size);
    CHECK(one && two && true_to_store(two, store), "%s %s: terms and ranges are those of the store",
          xv_get(file, "name")->valuestring, name);
    CHECK(one && two && same(one, two), "%s %s: v1 says the same as v2", xv_get(file, "name")->valuestring, name);
    CHECK(last - first + 1 == (uint64_t)xv_get(query, "data_length")->valuedouble, "%s %s: the slice is the data's",
          xv_get(file, "name")->valuestring, name);
    free(v1);
    free(v2);
}

static void test_vectors(void)
{
    AUTO(xv_json_freep) cJSON *store = xv_json("reconstruction.json");
    const cJSON *file, *query;
    unsigned seen = 0;
    cJSON_ArrayForEach (file, xv_get(store, "files"))
        cJSON_ArrayForEach (query, xv_get(file, "queries")) {
            one_query(store, file, query);
            seen++;
        }
    CHECK(seen >= 10, "%u recorded queries", seen);
}

int main(void)
{
    test_rows();
    test_shape();
    test_expires();
    test_too_long();
    test_vectors();
    reconstruction_free(NULL);
    return tap_end();
}
