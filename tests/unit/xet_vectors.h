/* xet_vectors.h: the vectors of tests/data/xet: files, JSON, and the inputs that are generated rather than stored
 * (tests/data/xet/README.md has the generators). What cannot be read ends the test. */
#ifndef HFP_TESTS_XET_VECTORS_H
#define HFP_TESTS_XET_VECTORS_H

#include "base/auto.h"
#include "base/digest.h"
#include "tap.h"
#include "xet/hash.h"

#include <cjson/cJSON.h>

#define XV_FILE_MAX (1u << 20)

struct xv_bytes {
    uint8_t *data;
    size_t n, room;
};
static inline void xv_bytes_done(struct xv_bytes *b)
{
    free(b->data);
}
#define XV_BYTES AUTO(xv_bytes_done) struct xv_bytes

__attribute__((noreturn)) static inline void xv_give_up(const char *what)
{
    printf("Bail out! %s\n", what);
    exit(1);
}

static inline struct xv_bytes xv_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, XET_VECTORS "/%s", name);
    FILE *f = fopen(path, "rb");
    struct xv_bytes b = { .data = malloc(XV_FILE_MAX), .room = XV_FILE_MAX };
    if (!f || !b.data)
        xv_give_up(path);
    b.n = fread(b.data, 1, XV_FILE_MAX, f);
    fclose(f);
    return b;
}

static inline cJSON *xv_json(const char *name)
{
    XV_BYTES text = xv_file(name);
    cJSON *doc = cJSON_ParseWithLength((const char *)text.data, text.n);
    if (!doc)
        xv_give_up(name);
    return doc;
}
static inline void xv_json_freep(cJSON **doc)
{
    cJSON_Delete(*doc);
}

static inline const cJSON *xv_get(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!v)
        xv_give_up(key);
    return v;
}
static inline const char *xv_text(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(xv_get(object, key));
    return text ? text : "";
}
static inline uint64_t xv_number(const cJSON *object, const char *key)
{
    return (uint64_t)xv_get(object, key)->valuedouble;
}
static inline uint64_t xv_at(const cJSON *array, int i)
{
    return (uint64_t)cJSON_GetArrayItem(array, i)->valuedouble;
}
static inline struct xet_hash xv_hash_of(const char *text)
{
    struct xet_hash h;
    if (!xet_hash_parse(&h, text, strlen(text)))
        xv_give_up(text);
    return h;
}
static inline struct xet_hash xv_hash(const cJSON *object, const char *key)
{
    return xv_hash_of(xv_text(object, key));
}
static inline bool xv_is(const struct xet_hash *got, const cJSON *object, const char *key)
{
    char text[XET_HASH_TEXT];
    xet_hash_text(text, got);
    return strcmp(text, xv_text(object, key)) == 0;
}

static inline bool xv_sha256_is(const struct xv_bytes *b, const char *hex)
{
    AUTO(digest_freep) struct digest *d = NULL;
    struct content_id id;
    char got[65] = "";
    if (!digest_new(&d, DIGEST_SHA256, 0, NULL) && !digest_add(d, b->data, b->n, NULL) && !digest_end(d, &id, NULL))
        content_id_hex(got, &id);
    return strcmp(got, hex) == 0;
}

static inline uint64_t xv_splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

static inline void xv_append(struct xv_bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->data = realloc(b->data, b->room);
    }
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void xv_prng(struct xv_bytes *b, uint64_t seed, size_t n)
{
    for (size_t at = 0; at < n; at += 8) {
        uint64_t r = xv_splitmix(&seed);
        xv_append(b, &r, MIN(8, n - at)); /* the vectors are little-endian, and so is every machine we build for */
    }
}
static inline void xv_floats(struct xv_bytes *b, uint64_t seed, size_t n)
{
    for (size_t at = 0; at < n; at += 4) {
        uint32_t r = 0x3F800000u | (uint32_t)(xv_splitmix(&seed) & 0x7fffff);
        xv_append(b, &r, MIN(4, n - at));
    }
}
static inline void xv_lines(struct xv_bytes *b, uint64_t seed, size_t n)
{
    char line[128];
    for (unsigned i = 0; n; i++) {
        int len = snprintf(line, sizeof line, "%08u the quick brown fox %016llx jumps over the lazy dog\n", i,
                           (unsigned long long)xv_splitmix(&seed));
        size_t part = MIN(n, (size_t)len);
        xv_append(b, line, part);
        n -= part;
    }
}
static inline void xv_repeat(struct xv_bytes *b, const void *unit, size_t unit_bytes, size_t n)
{
    for (; n; n -= MIN(n, unit_bytes))
        xv_append(b, unit, MIN(n, unit_bytes));
}

/* One term of a generator as the vectors spell it; returns what follows it, NULL when it is none. */
static inline const char *xv_term(struct xv_bytes *b, const char *s)
{
    unsigned long long seed, n, m;
    char unit[64];
    int used = 0;
    if (sscanf(s, "prng(%llu,%llu)%n", &seed, &n, &used) == 2 && used)
        xv_prng(b, seed, n);
    else if (sscanf(s, "floats(%llu,%llu)%n", &seed, &n, &used) == 2 && used)
        xv_floats(b, seed, n);
    else if (sscanf(s, "text(%llu,%llu)%n", &seed, &n, &used) == 2 && used)
        xv_lines(b, seed, n);
    else if (sscanf(s, "repeat(\"%63[^\"]\",%llu)%n", unit, &n, &used) == 2 && used)
        xv_repeat(b, unit, strlen(unit), n);
    else if (sscanf(s, "repeat(prng(%llu,%llu),%llu)%n", &seed, &m, &n, &used) == 3 && used) {
        XV_BYTES one = { 0 };
        xv_prng(&one, seed, m);
        xv_repeat(b, one.data, one.n, n);
    } else if (sscanf(s, "%llu zero bytes%n", &n, &used) == 1 && used)
        xv_repeat(b, "", 1, n);
    else if (strcmp(s, "no bytes") == 0)
        return s + strlen(s);
    else if (strcmp(s, "the single byte 0x41") == 0)
        xv_append(b, "A", 1), used = (int)strlen(s);
    return used ? s + used : NULL;
}

static inline struct xv_bytes xv_generate(const char *spelling)
{
    struct xv_bytes b = { .data = malloc(1), .room = 1 };
    for (const char *s = spelling; *s;) {
        const char *next = xv_term(&b, s);
        if (!next || !(*next == 0 || strncmp(next, " + ", 3) == 0))
            xv_give_up(spelling);
        s = *next ? next + 3 : next;
    }
    return b;
}

#endif
