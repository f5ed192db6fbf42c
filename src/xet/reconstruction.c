#include "xet/reconstruction.h"

#include "base/json.h"
#include "xet/chunker.h"
#include "xet/record.h"

#include <assert.h>
#include <string.h>

/* A record has its header and at least one byte; what it can have at most follows from the limits of xet/record.h. */
#define RECORD_LEAST (XET_RECORD_HEADER + 1)
#define RECORD_MOST (XET_RECORD_HEADER + XET_STORED_MAX)

/* How much there is, counted before anything is kept: terms, fetches and URLs lie in one piece of memory. */
struct extent {
    size_t terms, fetches, url_bytes;
};

struct builder {
    struct reconstruction *r;
    struct reconstruction_term *terms;
    struct reconstruction_fetch *fetches;
    char *urls; /* where the next one goes */
    size_t fetch_count;
};

static int refuse(struct hfp_err *err, const char *what)
{
    return err_set(err, HFP_E_PROTO, "the Xet reconstruction %s", what);
}

/* ---- URLs ---- */

static bool url_char(char c)
{
    return c > ' ' && c < 0x7f && c != '\\' && c != '#';
}

/* By the letter only: the real parser is that of net/url.h, which stands where the request is made. */
static bool url_acceptable(const char *url, size_t *length)
{
    size_t n = strnlen(url, RECONSTRUCTION_URL_MAX), at;
    if (n == RECONSTRUCTION_URL_MAX)
        return false;
    if (strncmp(url, "https://", 8) == 0)
        at = 8;
    else if (strncmp(url, "http://", 7) == 0)
        at = 7;
    else
        return false;
    for (size_t i = 0; i < n; i++)
        if (!url_char(url[i]))
            return false;
    size_t authority = strcspn(url + at, "/?");
    *length = n;
    return authority > 0 && !memchr(url + at, '@', authority);
}

/* The field of the CDN's signature (hub-docs: xet/download-protocol.md). 0: none, or not a plain number of seconds. */
static int64_t url_expires_unix_s(const char *url)
{
    static const char key[] = "Expires=";
    const char *at = strchr(url, '?');
    while (at && strncmp(at + 1, key, sizeof key - 1) != 0)
        at = strchr(at + 1, '&');
    if (!at)
        return 0;
    uint64_t value = 0;
    const char *digit = at + sizeof key;
    for (; *digit >= '0' && *digit <= '9' && value < JSON_INTEGER_MAX / 10; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    return *digit == 0 || *digit == '&' ? (int64_t)value : 0;
}

/* ---- pieces that both spellings share ---- */

static const char *read_chunks(uint32_t *start, uint32_t *end, const struct cJSON *object, const char *key)
{
    const struct cJSON *range = json_object(object, key);
    uint64_t a, b;
    if (!range || !json_u64(&a, range, "start") || !json_u64(&b, range, "end"))
        return "has a chunk range that is none";
    if (a >= b)
        return "has an empty chunk range";
    if (b > XET_XORB_CHUNKS_MAX)
        return "names more chunks than a xorb can have";
    *start = (uint32_t)a;
    *end = (uint32_t)b;
    return NULL;
}

/* Can the records of that many chunks take that many bytes? */
static bool bytes_fit(uint64_t chunks, uint64_t bytes)
{
    return bytes >= chunks * RECORD_LEAST && bytes <= chunks * RECORD_MOST;
}

static const char *read_bytes(struct reconstruction_fetch *f, const struct cJSON *object, const char *key)
{
    const struct cJSON *range = json_object(object, key);
    if (!range || !json_u64(&f->first_byte, range, "start") || !json_u64(&f->last_byte, range, "end"))
        return "has a byte range that is none";
    if (f->first_byte > f->last_byte)
        return "has an empty byte range";
    if (!bytes_fit(f->chunk_start, f->first_byte) ||
        !bytes_fit(f->chunk_end - f->chunk_start, f->last_byte - f->first_byte + 1))
        return "has a byte range that does not fit its chunks";
    return NULL;
}

static bool read_hash(struct xet_hash *out, const char *text)
{
    return xet_hash_parse(out, text, strnlen(text, XET_HASH_TEXT));
}

/* ---- counting ---- */

static size_t count(const struct cJSON *list) /* at most JSON_VALUES_MAX */
{
    size_t n = 0;
    for (const struct cJSON *v = json_first(list); v; v = json_next(v))
        n++;
    return n;
}

static const char *count_entry(struct extent *x, const struct cJSON *entry, bool v1)
{
    const char *url;
    size_t length;
    if (!json_text(&url, entry, "url") || !url_acceptable(url, &length))
        return "has a URL that is none";
    x->url_bytes += length + 1;
    const struct cJSON *ranges = v1 ? NULL : json_list(entry, "ranges");
    if (!v1 && !ranges)
        return "has a URL without ranges";
    x->fetches += v1 ? 1 : count(ranges);
    return NULL;
}

static const char *count_all(struct extent *x, const struct cJSON *terms, const struct cJSON *xorbs, bool v1)
{
    x->terms = count(terms);
    if (x->terms == 0)
        return "has no terms for a file that is not empty";
    if (x->terms > RECONSTRUCTION_TERMS_MAX)
        return "has too many terms";
    for (const struct cJSON *xorb = json_first(xorbs); xorb; xorb = json_next(xorb)) {
        if (!json_is_array(xorb))
            return "has a xorb without a list of ranges";
        for (const struct cJSON *entry = json_first(xorb); entry; entry = json_next(entry)) {
            const char *fault = count_entry(x, entry, v1);
            if (fault)
                return fault;
        }
    }
    return NULL;
}

/* ---- fetches ---- */

static const char *add_fetch(struct builder *b, const struct xet_hash *xorb, const char *url,
                             const struct cJSON *object, bool v1)
{
    struct reconstruction_fetch *f = &b->fetches[b->fetch_count];
    const char *fault = read_chunks(&f->chunk_start, &f->chunk_end, object, v1 ? "range" : "chunks");
    if (!fault)
        fault = read_bytes(f, object, v1 ? "url_range" : "bytes");
    if (fault)
        return fault;
    f->xorb = *xorb;
    f->url = url;
    b->fetch_count++;
    return NULL;
}

static const char *add_entry(struct builder *b, const struct xet_hash *xorb, const struct cJSON *entry, bool v1)
{
    const char *text = "", *fault = NULL;
    json_text(&text, entry, "url"); /* it is one: count_entry() saw it */
    size_t n = strlen(text) + 1;
    const char *url = memcpy(b->urls, text, n);
    b->urls += n;
    int64_t expires = url_expires_unix_s(url);
    if (expires > 0 && (b->r->expires_unix_s == 0 || expires < b->r->expires_unix_s))
        b->r->expires_unix_s = expires;
    if (v1)
        return add_fetch(b, xorb, url, entry, true);
    for (const struct cJSON *range = json_first(json_list(entry, "ranges")); range && !fault; range = json_next(range))
        fault = add_fetch(b, xorb, url, range, false);
    return fault;
}

static const char *add_fetches(struct builder *b, const struct cJSON *xorbs, bool v1)
{
    const char *fault = NULL;
    for (const struct cJSON *xorb = json_first(xorbs); xorb; xorb = json_next(xorb)) {
        struct xet_hash hash;
        if (!read_hash(&hash, json_name(xorb)))
            return "has a xorb whose name is not 64 hex digits";
        for (const struct cJSON *entry = json_first(xorb); entry && !fault; entry = json_next(entry))
            fault = add_entry(b, &hash, entry, v1);
        if (fault)
            return fault;
    }
    return NULL;
}

/* Ranges that begin alike: the longest first, so that what lies inside another comes behind it. */
static int by_place(const void *a, const void *b)
{
    const struct reconstruction_fetch *x = a, *y = b;
    int order = memcmp(x->xorb.bytes, y->xorb.bytes, sizeof x->xorb.bytes);
    if (order)
        return order;
    if (x->chunk_start != y->chunk_start)
        return x->chunk_start < y->chunk_start ? -1 : 1;
    return (x->chunk_end < y->chunk_end) - (x->chunk_end > y->chunk_end);
}

bool reconstruction_borders_agree(uint32_t chunk_a, uint64_t byte_a, uint32_t chunk_b, uint64_t byte_b)
{
    if (chunk_a > chunk_b)
        return byte_a >= byte_b && bytes_fit(chunk_a - chunk_b, byte_a - byte_b);
    return byte_b >= byte_a && bytes_fit(chunk_b - chunk_a, byte_b - byte_a);
}

static const char *order_fetches(struct builder *b)
{
    size_t kept = 0, chunks = 0;
    if (b->fetch_count > 0)
        qsort(b->fetches, b->fetch_count, sizeof *b->fetches, by_place);
    for (size_t i = 0; i < b->fetch_count; i++) {
        struct reconstruction_fetch *f = &b->fetches[i], *before = kept > 0 ? &b->fetches[kept - 1] : NULL;
        if (before && !xet_hash_equal(&before->xorb, &f->xorb))
            before = NULL;
        if (before &&
            (!reconstruction_borders_agree(before->chunk_start, before->first_byte, f->chunk_start, f->first_byte) ||
             !reconstruction_borders_agree(before->chunk_end, before->last_byte + 1, f->chunk_end, f->last_byte + 1) ||
             !reconstruction_borders_agree(before->chunk_end, before->last_byte + 1, f->chunk_start, f->first_byte)))
            return "has ranges of one xorb that contradict each other";
        if (before && f->chunk_end <= before->chunk_end)
            continue;
        chunks += f->chunk_end - f->chunk_start;
        b->fetches[kept++] = *f;
    }
    if (chunks > RECONSTRUCTION_CHUNKS_MAX)
        return "names more chunks than a slice can have";
    b->r->fetch_count = kept;
    return NULL;
}

/* ---- terms ---- */

static const char *add_term(struct builder *b, const struct cJSON *object)
{
    struct reconstruction_term *t = &b->terms[b->r->term_count];
    const char *hash;
    uint64_t unpacked;
    if (!json_text(&hash, object, "hash") || !read_hash(&t->xorb, hash))
        return "has a term whose xorb is not 64 hex digits";
    const char *fault = read_chunks(&t->chunk_start, &t->chunk_end, object, "range");
    if (fault)
        return fault;
    uint32_t chunks = t->chunk_end - t->chunk_start;
    if (!json_u64(&unpacked, object, "unpacked_length") || unpacked < chunks ||
        unpacked > chunks * (uint64_t)XET_CHUNK_MAX)
        return "has a term whose length does not fit its chunks";
    t->unpacked_bytes = (uint32_t)unpacked;
    const struct reconstruction_fetch *f = reconstruction_find(b->r, &t->xorb, t->chunk_start, t->chunk_end);
    if (!f)
        return "has a term that no range holds";
    t->fetch = (uint32_t)(f - b->fetches);
    b->r->term_count++;
    return NULL;
}

/* No sum can overflow: a file has at most 2^63 bytes, and each step is looked at before the next. */
static const char *place_terms(struct builder *b, uint64_t offset)
{
    const struct reconstruction *r = b->r;
    if (offset > r->first_byte)
        return "begins before the file does";
    uint64_t at = r->first_byte - offset;
    for (size_t i = 0; i < r->term_count; i++) {
        struct reconstruction_term *t = &b->terms[i];
        t->file_offset = at;
        if (at > r->last_byte)
            return "goes on behind the slice that was asked for";
        if (t->unpacked_bytes > r->size_bytes - at)
            return "is longer than the file";
        at += t->unpacked_bytes;
        if (at <= r->first_byte)
            return "begins before the slice that was asked for";
    }
    return at > r->last_byte ? NULL : "is shorter than the slice that was asked for";
}

static const char *add_terms(struct builder *b, const struct cJSON *doc, const struct cJSON *terms)
{
    uint64_t offset;
    for (const struct cJSON *term = json_first(terms); term; term = json_next(term)) {
        const char *fault = add_term(b, term);
        if (fault)
            return fault;
    }
    if (!json_u64(&offset, doc, "offset_into_first_range"))
        return "has no offset";
    return place_terms(b, offset);
}

/* ---- the whole ---- */

static int build(struct reconstruction **out, const struct cJSON *doc, const struct reconstruction *slice,
                 struct hfp_err *err)
{
    const struct cJSON *terms = json_list(doc, "terms"), *xorbs = json_object(doc, "xorbs");
    bool v1 = !xorbs;
    struct extent x = { 0 };
    if (v1)
        xorbs = json_object(doc, "fetch_info");
    if (!terms || !xorbs)
        return refuse(err, "has no terms or no ranges");
    const char *fault = count_all(&x, terms, xorbs, v1);
    if (fault)
        return refuse(err, fault);
    size_t terms_at = sizeof **out, fetches_at = terms_at + x.terms * sizeof(struct reconstruction_term);
    size_t urls_at = fetches_at + x.fetches * sizeof(struct reconstruction_fetch);
    AUTO_FREE char *memory = malloc(urls_at + x.url_bytes);
    if (!memory)
        return err_nomem(err);
    struct builder b = { .r = (struct reconstruction *)memory,
                         .terms = (struct reconstruction_term *)(memory + terms_at),
                         .fetches = (struct reconstruction_fetch *)(memory + fetches_at),
                         .urls = memory + urls_at };
    *b.r = *slice;
    b.r->terms = b.terms;
    b.r->fetches = b.fetches;
    fault = add_fetches(&b, xorbs, v1);
    if (!fault)
        fault = order_fetches(&b);
    if (!fault)
        fault = add_terms(&b, doc, terms);
    if (fault)
        return refuse(err, fault);
    *out = (struct reconstruction *)ptr_steal(&memory);
    return HFP_OK;
}

int reconstruction_parse(struct reconstruction **out, const char *body, size_t n, uint64_t first_byte,
                         uint64_t last_byte, uint64_t size_bytes, bool *too_long, struct hfp_err *err)
{
    assert(first_byte <= last_byte && last_byte < size_bytes && size_bytes <= INT64_MAX &&
           n <= RECONSTRUCTION_BYTES_MAX);
    AUTO(json_freep) struct cJSON *doc = NULL;
    struct reconstruction slice = { .first_byte = first_byte, .last_byte = last_byte, .size_bytes = size_bytes };
    *too_long = false;
    int rc = json_parse(&doc, body, n, err);
    if (rc) {
        *too_long = json_too_many(body, n);
        err_wrap(err, "the Xet reconstruction");
        return rc;
    }
    return build(out, doc, &slice, err);
}

void reconstruction_free(struct reconstruction *r)
{
    free(r);
}

void reconstruction_freep(struct reconstruction **r)
{
    reconstruction_free(*r);
    *r = NULL;
}

const struct reconstruction_fetch *reconstruction_find(const struct reconstruction *r, const struct xet_hash *xorb,
                                                       uint32_t chunk_start, uint32_t chunk_end)
{
    size_t low = 0, high = r->fetch_count; /* of those that begin at or before chunk_start the last reaches farthest */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct reconstruction_fetch *f = &r->fetches[mid];
        int order = memcmp(f->xorb.bytes, xorb->bytes, sizeof xorb->bytes);
        if (order < 0 || (order == 0 && f->chunk_start <= chunk_start))
            low = mid + 1;
        else
            high = mid;
    }
    const struct reconstruction_fetch *f = low > 0 ? &r->fetches[low - 1] : NULL;
    return f && xet_hash_equal(&f->xorb, xorb) && f->chunk_end >= chunk_end ? f : NULL;
}
