/* The CAS's answer how a slice of a file is made. The first line of the input is the slice and the file's size, three
 * numbers; the rest is the body. What is taken is what the header promises, means the same in both spellings, and turns
 * into steps that take each range whole. */
#include "fuzz.h"

#include "base/json.h"
#include "net/url.h"
#include "transfer/xet_steps.h"
#include "xet/chunker.h"
#include "xet/record.h"

#define FILE_BYTES_MOST (UINT64_C(1) << 40)

static void terms_must_hold(const struct reconstruction *r)
{
    uint64_t at = r->term_count ? r->terms[0].file_offset : 0;
    MUST(r->term_count > 0 && r->term_count <= RECONSTRUCTION_TERMS_MAX, "there are terms, but not too many");
    MUST(at <= r->first_byte, "the first begins before the slice");
    for (size_t i = 0; i < r->term_count; i++) {
        const struct reconstruction_term *t = &r->terms[i];
        MUST(t->file_offset == at && at <= r->last_byte, "terms lie side by side, and none behind the slice");
        MUST(t->chunk_start < t->chunk_end && t->chunk_end <= XET_XORB_CHUNKS_MAX, "a chunk range is one");
        uint32_t chunks = t->chunk_end - t->chunk_start;
        MUST(t->unpacked_bytes >= chunks && t->unpacked_bytes <= chunks * (uint64_t)XET_CHUNK_MAX, "a length is one");
        MUST(t->fetch < r->fetch_count, "a term names a fetch");
        const struct reconstruction_fetch *f = &r->fetches[t->fetch];
        MUST(xet_hash_equal(&f->xorb, &t->xorb) && f->chunk_start <= t->chunk_start && t->chunk_end <= f->chunk_end,
             "which holds it");
        MUST(reconstruction_find(r, &t->xorb, t->chunk_start, t->chunk_end) == f, "and is found by its chunks");
        at += t->unpacked_bytes;
        MUST(i > 0 || at > r->first_byte, "the first reaches the slice");
    }
    MUST(at > r->last_byte && at <= r->size_bytes, "the last reaches its end, and not that of the file");
}

static void fetches_must_hold(const struct reconstruction *r)
{
    for (size_t i = 0; i < r->fetch_count; i++) {
        const struct reconstruction_fetch *f = &r->fetches[i], *next = i + 1 < r->fetch_count ? f + 1 : NULL;
        uint64_t chunks = f->chunk_end - f->chunk_start;
        MUST(f->chunk_start < f->chunk_end && f->first_byte <= f->last_byte, "ranges are not empty");
        MUST(f->last_byte <= JSON_INTEGER_MAX && f->last_byte - f->first_byte + 1 >= 9 * chunks, "bytes fit chunks");
        MUST(strlen(f->url) < RECONSTRUCTION_URL_MAX && !has_controls(f->url) && !strchr(f->url, ' ') &&
                 strncmp(f->url, "http", 4) == 0,
             "a URL is one");
        int order = next ? memcmp(f->xorb.bytes, next->xorb.bytes, XET_HASH_BYTES) : -1;
        MUST(order < 0 || (order == 0 && f->chunk_start < next->chunk_start && f->chunk_end < next->chunk_end &&
                           f->first_byte < next->first_byte && f->last_byte < next->last_byte),
             "fetches are in order, none inside another");
    }
    MUST(r->expires_unix_s >= 0, "no URL ends before the clock began");
}

static size_t put_fetch(char *out, size_t room, const struct reconstruction_fetch *f, bool v1, bool first)
{
    char hex[XET_HASH_TEXT], url[2 * RECONSTRUCTION_URL_MAX], *to = url;
    xet_hash_text(hex, &f->xorb);
    for (const char *s = f->url; *s; s++) {
        if (*s == '"')
            *to++ = '\\';
        *to++ = *s;
    }
    *to = 0;
    const char *comma = first ? "" : ",";
    unsigned long long from = f->first_byte, to_byte = f->last_byte;
    if (v1)
        return (size_t)snprintf(out, room,
                                "%s\"%s\":[{\"url\":\"%s\",\"range\":{\"start\":%u,\"end\":%u},"
                                "\"url_range\":{\"start\":%llu,\"end\":%llu}}]",
                                comma, hex, url, f->chunk_start, f->chunk_end, from, to_byte);
    return (size_t)snprintf(out, room,
                            "%s\"%s\":[{\"url\":\"%s\",\"ranges\":[{\"chunks\":{\"start\":%u,\"end\":%u},"
                            "\"bytes\":{\"start\":%llu,\"end\":%llu}}]}]",
                            comma, hex, url, f->chunk_start, f->chunk_end, from, to_byte);
}

/* Written out in either spelling and read again: the same. A xorb's name comes once for each range; that is legal JSON,
 * and the reader takes each. */
static void must_read_again(const struct reconstruction *r, bool v1)
{
    const size_t room = 1 << 20;
    char hex[XET_HASH_TEXT];
    AUTO_FREE char *body = malloc(room);
    MUST(body != NULL, "memory for a body");
    size_t n = (size_t)snprintf(body, room, "{\"offset_into_first_range\":%llu,\"terms\":[",
                                (unsigned long long)(r->first_byte - r->terms[0].file_offset));
    for (size_t i = 0; i < r->term_count && n < room / 2; i++) {
        xet_hash_text(hex, &r->terms[i].xorb);
        n += (size_t)snprintf(body + n, room - n,
                              "%s{\"hash\":\"%s\",\"unpacked_length\":%u,\"range\":{\"start\":%u,\"end\":%u}}",
                              i ? "," : "", hex, r->terms[i].unpacked_bytes, r->terms[i].chunk_start,
                              r->terms[i].chunk_end);
    }
    n += (size_t)snprintf(body + n, room - n, "],\"%s\":{", v1 ? "fetch_info" : "xorbs");
    for (size_t i = 0; i < r->fetch_count && n < room - 4 * RECONSTRUCTION_URL_MAX; i++)
        n += put_fetch(body + n, room - n, &r->fetches[i], v1, i == 0);
    if (n >= room - 4 * RECONSTRUCTION_URL_MAX)
        return; /* no input of a fuzzer is that long */
    n += (size_t)snprintf(body + n, room - n, "}}");
    AUTO(reconstruction_freep) struct reconstruction *again = NULL;
    bool too_long;
    MUST(reconstruction_parse(&again, body, n, r->first_byte, r->last_byte, r->size_bytes, &too_long, NULL) == HFP_OK,
         "what is written out is read again");
    MUST(again->term_count == r->term_count && again->fetch_count == r->fetch_count &&
             memcmp(again->terms, r->terms, r->term_count * sizeof *r->terms) == 0,
         "and says the same of terms");
    for (size_t i = 0; i < r->fetch_count; i++) {
        const struct reconstruction_fetch *a = &r->fetches[i], *b = &again->fetches[i];
        MUST(xet_hash_equal(&a->xorb, &b->xorb) && a->chunk_start == b->chunk_start && a->chunk_end == b->chunk_end &&
                 a->first_byte == b->first_byte && a->last_byte == b->last_byte && strcmp(a->url, b->url) == 0,
             "and of fetches");
    }
}

/* The first chunk of term i is in an earlier one. */
static bool named_before(const struct reconstruction *r, uint32_t i)
{
    const struct reconstruction_term *t = &r->terms[i], *e = r->terms;
    while (e < t && (e->fetch != t->fetch || e->chunk_start > t->chunk_start || e->chunk_end <= t->chunk_start))
        e++;
    return e < t;
}

/* Each range is taken from its first chunk to its last by steps that follow one another, or not at all. */
static void steps_must_hold(const struct reconstruction *r)
{
    AUTO_FREE struct xet_step *steps = NULL;
    struct hfp_err err;
    MUST(xet_steps_new(&steps, r, &(struct xet_here){ 0 }, &err) == HFP_OK, "a slice can be walked");
    uint32_t open = UINT32_MAX, next = 0;
    for (uint32_t i = 0; i < r->term_count; i++) {
        const struct reconstruction_term *t = &r->terms[i];
        const struct reconstruction_fetch *f = &r->fetches[t->fetch];
        if (steps[i].kind == XET_STEP_COPY)
            MUST(named_before(r, i), "copied from what went before");
        if (steps[i].kind == XET_STEP_ASK || steps[i].partly)
            MUST(open == UINT32_MAX, "nothing is asked for inside a stream");
        if (steps[i].kind != XET_STEP_TAKE || r->term_count == 1)
            continue;
        MUST(steps[i].opens == (open == UINT32_MAX), "one range is open at a time");
        MUST(steps[i].opens || open == t->fetch, "and is taken to its end");
        MUST(t->chunk_start == (steps[i].opens ? f->chunk_start : next), "chunk after chunk");
        MUST(steps[i].closes == (t->chunk_end == f->chunk_end), "all of it");
        open = steps[i].closes ? UINT32_MAX : t->fetch;
        next = t->chunk_end;
    }
    MUST(open == UINT32_MAX, "every range is closed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    AUTO_FREE char *line = input_line(&in);
    unsigned long long first = 0, last = 999, whole = 1000;
    struct hfp_err err = { 0 };
    bool too_long;
    if (sscanf(line, "%llu %llu %llu", &first, &last, &whole) != 3 || first > last || last >= whole ||
        whole > FILE_BYTES_MOST || in.n > RECONSTRUCTION_BYTES_MAX)
        return 0;
    AUTO(reconstruction_freep) struct reconstruction *r = NULL;
    int rc = reconstruction_parse(&r, (const char *)in.at, in.n, first, last, whole, &too_long, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_PROTO && !r, "a bad answer is bad, and nothing comes of it");
        return 0;
    }
    MUST(r->first_byte == first && r->last_byte == last && r->size_bytes == whole,
         "the slice is the one that was asked for");
    terms_must_hold(r);
    fetches_must_hold(r);
    must_read_again(r, false);
    must_read_again(r, true);
    steps_must_hold(r);
    return 0;
}
