/* test_patterns.c: the promises of resolve/patterns.h. The judge is Python's own fnmatchcase (patterns_oracle.py).
 *
 * Seen red on purpose: empty ranges kept, a dash after '!' or before ']' taken for a range, ']' never a member, '!' that
 * comes first only after an empty range not negating, backslash and trailing slash left alone, a star that steps by
 * bytes, names ignored. */
#include "resolve/patterns.h"

#include "base/clock.h"
#include "tap.h"

static const struct {
    const char *pattern, *path;
    bool match;
} cases[] = {
#include "patterns_cases.inc"
};

static void test_oracle(void)
{
    unsigned wrong = 0;
    size_t n = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < n; i++) {
        if (pattern_match(cases[i].pattern, cases[i].path) == cases[i].match)
            continue;
        if (wrong++ < 20)
            printf("# \"%s\" on \"%s\": Python says %d\n", cases[i].pattern, cases[i].path, cases[i].match);
    }
    CHECK(wrong == 0, "%zu cases: the answer is Python's fnmatchcase's (%u differ)", n, wrong);
}

/* Bytes that are no UTF-8 are characters of their own, as Python's surrogateescape has them. */
static void test_broken_utf8(void)
{
    static const struct {
        const char *name, *pattern, *path;
        bool match;
    } rows[] = {
        { "a broken byte is one character", "a?b",
          "a\xff"
          "b",
          true },
        { "and equals itself", "a\xff*",
          "a\xff"
          "b",
          true },
        { "and no other", "a\xfe*",
          "a\xff"
          "b",
          false },
        { "a cut sequence is so many characters", "??", "\xe2\x82", true },
        { "an overlong form is not the character", "[/]", "\xc0\xaf", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(pattern_match(rows[i].pattern, rows[i].path) == rows[i].match, "%s", rows[i].name);
}

/* Patterns that cost 2^n or n^3 elsewhere. Here it is pattern times path at most: 2,000 x 4,000 signs, far under 1 s. */
static void test_work_is_bounded(void)
{
    enum { SIGNS = 2000, PATH = 4000 };
    static const struct {
        const char *part;
        char path;
    } rows[] = {
        { "*a", 'a' }, { "a", 'a' },  { "*?", 'a' },    { "[ab]", 'a' },
        { "[", '[' },  { "[!", '[' }, { "*[!b]", 'a' }, { "?*", 'a' },
    };
    char pattern[SIGNS * 5 + 3], path[PATH + 1];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = strlen(rows[i].part), used = 1;
        pattern[0] = '*';
        for (int k = 0; k < SIGNS; k++, used += n)
            memcpy(pattern + used, rows[i].part, n);
        memcpy(pattern + used, "c", 2);
        memset(path, rows[i].path, PATH);
        path[PATH] = 0;
        uint64_t start = clock_read().mono_ns;
        bool match = pattern_match(pattern, path);
        uint64_t ms = (clock_read().mono_ns - start) / NS_PER_MS;
        /* 1 s here, 6 s under sanitizers; matching that tries all ways would not end in a lifetime. */
        CHECK(!match && ms < 20000, "\"*\", %d times \"%s\" and \"c\" against %d times '%c': bounded work (%llu ms)",
              SIGNS, rows[i].part, PATH, rows[i].path, (unsigned long long)ms);
    }
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_filter(void)
{
    static const char *const none[] = { NULL };
    const struct {
        const char *name;
        struct filter f;
        const char *path;
        bool wanted;
    } rows[] = {
        { "no filter wants all", { 0 }, "a/b", true },
        { "empty lists want all", { none, none, none }, "a/b", true },
        { "a name is exact", { .paths = LIST("a.json") }, "a.json", true },
        { "a name is no pattern", { .paths = LIST("*.json") }, "a.json", false },
        { "a name is no prefix", { .paths = LIST("a") }, "a/b", false },
        { "a folder takes all below", { .paths = LIST("x", "a/") }, "a/b/c", true },
        { "a folder is not a name's beginning", { .paths = LIST("a/") }, "ab", false },
        { "with names, include is not looked at", { .paths = LIST("a"), .include = LIST("b") }, "a", true },
        { "with names, exclude is not looked at", { .paths = LIST("a"), .exclude = LIST("a") }, "a", true },
        { "one include is enough", { .include = LIST("*.x", "*.json") }, "a/b.json", true },
        { "without an include that matches: no", { .include = LIST("*.x") }, "a/b.json", false },
        { "exclude wins over include", { .include = LIST("*"), .exclude = LIST("*.bin") }, "a.bin", false },
        { "an exclude that does not match changes nothing", { .exclude = LIST("*.bin") }, "a.json", true },
        { "a trailing slash in a pattern means below", { .include = LIST("onnx/") }, "onnx/a/model.onnx", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(filter_wants(&rows[i].f, rows[i].path) == rows[i].wanted, "%s", rows[i].name);
}

int main(void)
{
    test_oracle();
    test_broken_utf8();
    test_work_is_bounded();
    test_filter();
    return tap_end();
}
