/* test_json.c: the promises of base/json.h.
 *
 * Seen red on purpose: escaped NUL let through, no depth limit, no value limit, text behind the end accepted, broken
 * UTF-8 accepted, integers up to 10^19, fractions as integers. */
#include "base/json.h"

#include "tap.h"

static void test_texts(void)
{
    static const struct {
        const char *name, *text;
        size_t n;
        bool good;
    } rows[] = {
        { "an object", "{\"a\":1}", 0, true },
        { "an array with space around", " \n[1, 2]\t\r\n", 0, true },
        { "escapes", "[\"\\u00e9 \\ud83d\\ude00 \\\\ \\\" { [\"]", 0, true },
        { "an escaped backslash before u0000", "[\"\\\\u0000\"]", 0, true },
        { "nothing", "", 0, false },
        { "blanks", "  ", 0, false },
        { "HTML", "<html>", 0, false },
        { "something behind", "{} x", 0, false },
        { "two texts", "{}{}", 0, false },
        { "an open object", "{\"a\":1", 0, false },
        { "an open object after a comma", "{\"1\":1,", 0, false },
        { "an open string", "[\"a", 0, false },
        { "a string that ends in a backslash", "[\"a\\", 0, false },
        { "a bracket too many", "{}}", 0, false },
        { "brackets of the wrong kind", "{]", 0, false },
        { "a raw NUL", "[\"a\0b\"]", 7, false },
        { "a NUL behind", "{}\0", 3, false },
        { "an escaped NUL in a value", "[\"a\\u0000b\"]", 0, false },
        { "an escaped NUL in a key", "{\"a\\u0000b\":1}", 0, false },
        { "a lone surrogate", "[\"\\ud800\"]", 0, false },
        { "a broken byte", "[\"\xff\"]", 0, false },
        { "an overlong form", "[\"\xc0\xaf\"]", 0, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_freep) struct cJSON *doc = NULL;
        struct hfp_err err = { 0 };
        size_t n = rows[i].n ? rows[i].n : strlen(rows[i].text);
        char *exact = malloc(n + !n); /* so that the sanitizer sees a read past the end */
        memcpy(exact, rows[i].text, n);
        int rc = json_parse(&doc, exact, n, &err);
        free(exact);
        CHECK(rows[i].good ? rc == HFP_OK && doc : rc == HFP_E_PROTO && !doc && err.message[0], "%s is %s",
              rows[i].name, rows[i].good ? "read" : "refused");
    }
}

static int parse_repeated(const char *left, const char *right, unsigned times)
{
    AUTO(json_freep) struct cJSON *doc = NULL;
    size_t l = strlen(left), r = strlen(right), n = 0;
    AUTO_FREE char *text = malloc((l + r) * times + 1);
    for (unsigned i = 0; i < times; i++, n += l)
        memcpy(text + n, left, l);
    for (unsigned i = 0; i < times; i++, n += r)
        memcpy(text + n, right, r);
    text[n] = 0;
    return json_parse(&doc, text, n, NULL);
}

static void test_limits(void)
{
    CHECK(parse_repeated("[", "]", JSON_DEPTH_MAX) == HFP_OK, "the deepest nesting allowed is read");
    CHECK(parse_repeated("[", "]", JSON_DEPTH_MAX + 1) == HFP_E_PROTO, "one deeper is refused");
    CHECK(parse_repeated("[", "]", 2000000) == HFP_E_PROTO, "a million deep costs no stack");
    CHECK(parse_repeated("{\"a\":", "}", 100) == HFP_E_PROTO, "objects count as depth too");
    char *many = malloc(3 * (size_t)JSON_VALUES_MAX + 8);
    for (unsigned extra = 0; extra < 2; extra++) {
        size_t n = 0;
        many[n++] = '[';
        for (size_t i = 0; i < JSON_VALUES_MAX + extra; i++) {
            many[n++] = '0';
            many[n++] = ',';
        }
        many[n - 1] = ']';
        AUTO(json_freep) struct cJSON *doc = NULL;
        CHECK(json_parse(&doc, many, n, NULL) == (extra ? HFP_E_PROTO : HFP_OK), "%u values more than allowed: %s",
              extra, extra ? "refused" : "read");
    }
    free(many);
}

static void test_getters(void)
{
    static const char text[] =
        "{\"s\":\"x\",\"e\":\"\",\"n\":5,\"neg\":-1,\"frac\":1.5,\"top\":9007199254740991,\"over\":9007199254740992,"
        "\"huge\":1e999,\"null\":null,\"t\":true,\"f\":false,\"o\":{\"k\":[1,2]},\"a\":[],\"num\":\"5\"}";
    AUTO(json_freep) struct cJSON *doc = NULL;
    if (!CHECK(json_parse(&doc, text, sizeof text - 1, NULL) == HFP_OK, "the sample is read"))
        return;
    const char *s = "kept";
    uint64_t n = 77;
    bool b = false;
    CHECK(json_text(&s, doc, "s") && strcmp(s, "x") == 0, "a text is a text");
    CHECK(json_text(&s, doc, "e") && s[0] == 0, "an empty one too");
    s = "kept";
    CHECK(!json_text(&s, doc, "n") && !json_text(&s, doc, "null") && !json_text(&s, doc, "gone") &&
              !json_text(&s, doc, "o") && strcmp(s, "kept") == 0,
          "nothing else is a text, and the output stays");
    CHECK(json_u64(&n, doc, "n") && n == 5, "a number is a number");
    CHECK(json_u64(&n, doc, "top") && n == JSON_INTEGER_MAX, "2^53 - 1 is exact");
    n = 77;
    static const char *const bad[] = { "over", "huge", "neg", "frac", "num", "null", "t", "gone", "a" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!json_u64(&n, doc, bad[i]) && n == 77, "%s is no integer of ours", bad[i]);
    CHECK(json_bool(&b, doc, "t") && b && json_bool(&b, doc, "f") && !b, "true and false are");
    CHECK(!json_bool(&b, doc, "n") && !json_bool(&b, doc, "null"), "nothing else is");
    CHECK(json_has(doc, "s") && !json_has(doc, "null") && !json_has(doc, "gone") && !json_has(doc, "S"),
          "null counts as absent, and keys have case");
    CHECK(json_object(doc, "o") && !json_object(doc, "a") && !json_object(doc, "s"), "an object is an object");
    const struct cJSON *k = json_first(json_object(doc, "o"));
    CHECK(k && strcmp(json_name(k), "k") == 0 && json_is_array(k) && !json_next(k), "members can be walked");
    CHECK(json_first(k) && json_next(json_first(k)) && !json_next(json_next(json_first(k))), "elements can be walked");
    CHECK(!json_text(&s, k, "s") && !json_u64(&n, json_first(k), "s"), "what is no object has no members");
    json_freep(&doc);
    json_freep(&doc);
}

int main(void)
{
    test_texts();
    test_limits();
    test_getters();
    return tap_end();
}
