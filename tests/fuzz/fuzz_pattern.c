/* --include and --exclude: a pattern and a path, each on its line. The oracle is a second matcher, slow and plain: it
 * makes of the pattern what CPython's fnmatch.translate() makes of it and fills a table. Python itself is asked for
 * thousands of rows in tests/unit/patterns_cases.inc; the oracle answers those first. */
#include "fuzz.h"

#include "resolve/patterns.h"

#define SIGNS_MAX 512
#define SET_MAX 512

/* One sign of a pattern: any run, any one, or one of (not of) some ranges. */
struct sign {
    enum { RUN, ONE, SET } kind;
    bool negated;
    size_t ranges;
    uint32_t low[SET_MAX], high[SET_MAX];
};

static size_t continuation(const uint8_t *s, size_t n, uint32_t *c)
{
    for (size_t i = 1; i < n; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF) /* the NUL at the end stops here too */
            return 0;
        *c = *c * 64 + (s[i] - 0x80u);
    }
    return n;
}

/* Code points as Python reads arguments: bytes that are not UTF-8 become U+DC80 to U+DCFF; a backslash is a slash. */
static size_t decode(uint32_t *out, const char *text)
{
    size_t count = 0;
    for (const uint8_t *s = (const uint8_t *)text; *s; count++) {
        uint32_t c = *s;
        size_t n = 1;
        if (c >= 0xC2 && c <= 0xDF) {
            c -= 0xC0;
            n = continuation(s, 2, &c);
        } else if (c >= 0xE0 && c <= 0xEF) {
            c -= 0xE0;
            n = continuation(s, 3, &c);
            n = c < 0x800 || (c >= 0xD800 && c <= 0xDFFF) ? 0 : n;
        } else if (c >= 0xF0 && c <= 0xF4) {
            c -= 0xF0;
            n = continuation(s, 4, &c);
            n = c < 0x10000 || c > 0x10FFFF ? 0 : n;
        } else if (c >= 0x80) {
            n = 0;
        }
        out[count] = n == 0 ? 0xDC00u + *s : c == '\\' ? '/' : c;
        s += n ? n : 1;
    }
    return count;
}

static void set_add(struct sign *set, uint32_t low, uint32_t high)
{
    set->low[set->ranges] = low;
    set->high[set->ranges++] = high;
}

/* translate() cuts the inside at the hyphens that make ranges, throws empty ranges away with both their ends, puts the
 * pieces together again and only then looks for '!' in front. at[i] >= 0: a hyphen of a range between i and i + 1. */
struct inside {
    uint32_t c[SET_MAX];
    bool range[SET_MAX]; /* c[i] and c[i + 1] are the ends of one */
    size_t n;
};

static void inside_cut(struct inside *in, const uint32_t *p, size_t n)
{
    /* Hyphens are searched from the second sign on, after '!' from the third, and after each found one again from the
     * third sign on; one at the very end is a member. */
    size_t begin = 0, search = n > 0 && p[0] == '!' ? 2 : 1;
    in->n = 0;
    for (;;) {
        size_t k = search;
        while (k < n && p[k] != '-')
            k++;
        bool range = k + 1 < n; /* a chunk behind it is not empty */
        size_t end = range ? k : n;
        for (size_t i = begin; i < end; i++) {
            in->range[in->n] = false;
            in->c[in->n++] = p[i];
        }
        if (!range)
            return;
        in->range[in->n - 1] = true;
        begin = k + 1;
        search = k + 3;
    }
}

static void inside_drop_empty(struct inside *in)
{
    for (size_t i = in->n; i-- > 1;) {
        if (!in->range[i - 1] || in->c[i - 1] <= in->c[i])
            continue;
        /* chunks[k-1][:-1] + chunks[k][1:]: both ends go; what follows keeps its hyphens. */
        memmove(in->c + i - 1, in->c + i + 1, (in->n - i - 1) * sizeof in->c[0]);
        memmove(in->range + i - 1, in->range + i + 1, (in->n - i - 1) * sizeof in->range[0]);
        in->n -= 2;
    }
}

static void set_read(struct sign *set, const uint32_t *p, size_t n)
{
    static struct inside in;
    inside_cut(&in, p, n);
    inside_drop_empty(&in);
    /* What is left is spelled out as a regular expression would read it. */
    uint32_t text[2 * SET_MAX];
    bool dash[2 * SET_MAX];
    size_t m = 0, at = 0;
    for (size_t i = 0; i < in.n; i++) {
        dash[m] = false;
        text[m++] = in.c[i];
        if (i + 1 < in.n && in.range[i]) {
            dash[m] = true;
            text[m++] = '-';
        }
    }
    set->kind = SET;
    set->ranges = 0;
    set->negated = m > 0 && text[0] == '!';
    for (at = set->negated; at < m; at++) {
        if (at + 2 < m && dash[at + 1] && !dash[at]) {
            set_add(set, text[at], text[at + 2]);
            at += 2;
        } else {
            set_add(set, text[at], text[at]);
        }
    }
}

static size_t translate(struct sign *out, const uint32_t *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; count++) {
        uint32_t c = p[i++];
        struct sign *s = &out[count];
        s->kind = c == '*' ? RUN : c == '?' ? ONE : SET;
        s->negated = false;
        s->ranges = 0;
        if (s->kind != SET)
            continue;
        size_t j = i;
        if (c == '[') {
            j += j < n && p[j] == '!';
            j += j < n && p[j] == ']';
            while (j < n && p[j] != ']')
                j++;
        }
        if (c != '[' || j >= n) {
            set_add(s, c, c);
            continue;
        }
        set_read(s, p + i, j - i);
        i = j + 1;
    }
    return count;
}

static bool sign_takes(const struct sign *s, uint32_t c)
{
    bool hit = false;
    for (size_t i = 0; i < s->ranges; i++)
        hit |= s->low[i] <= c && c <= s->high[i];
    return s->kind == ONE || hit != s->negated;
}

/* reach[j]: the signs so far can take the first j code points. */
static bool oracle(const char *pattern, const char *path)
{
    static struct sign signs[SIGNS_MAX + 1];
    static uint32_t p[SIGNS_MAX + 1], t[SIGNS_MAX];
    static bool reach[SIGNS_MAX + 1];
    size_t n = decode(p, pattern), m = decode(t, path);
    if (n > 0 && p[n - 1] == '/')
        p[n++] = '*';
    n = translate(signs, p, n);
    memset(reach, 0, sizeof reach);
    reach[0] = true;
    for (size_t i = 0; i < n; i++) {
        if (signs[i].kind == RUN) {
            for (size_t j = 1; j <= m; j++)
                reach[j] |= reach[j - 1];
            continue;
        }
        for (size_t j = m; j > 0; j--)
            reach[j] = reach[j - 1] && sign_takes(&signs[i], t[j - 1]);
        reach[0] = false;
    }
    return reach[m];
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
#include "patterns_cases.inc"
    };
    (void)argc, (void)argv;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (oracle(cases[i].pattern, cases[i].path) != cases[i].match) {
            fprintf(stderr, "\"%s\" on \"%s\": Python says %d\n", cases[i].pattern, cases[i].path, cases[i].match);
            MUST(false, "the oracle agrees with Python");
        }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    AUTO_FREE char *pattern = input_line(&in);
    AUTO_FREE char *path = input_line(&in);
    if (strlen(pattern) >= SIGNS_MAX || strlen(path) >= SIGNS_MAX)
        return 0;
    bool want = oracle(pattern, path);
    MUST(pattern_match(pattern, path) == want, "the answer is fnmatchcase's");
    const char *const list[] = { pattern, NULL };
    MUST(filter_wants(&(struct filter){ .include = list }, path) == want, "included when it matches");
    MUST(filter_wants(&(struct filter){ .exclude = list }, path) == !want, "excluded when it matches");
    return 0;
}
