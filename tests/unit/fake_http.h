/* fake_http.h: a scripted server behind net/http.h, on a clock that the test moves.
 *
 * Each started request asks the script once what will happen to it; from then on it runs by itself: opened, answered,
 * body in pieces, closed, each at its time. Strict where the seam is strict: a request whose URL changes while it runs,
 * or that is started twice, ends the test. */
#ifndef HFP_TESTS_FAKE_HTTP_H
#define HFP_TESTS_FAKE_HTTP_H

#include "base/auto.h"
#include "base/clock.h"
#include "net/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FH_MAX 64
#define FH_NEVER UINT64_MAX
#define FH_PIECE (UINT64_C(256) << 10)

/* Bytes of a file: the same for the same seed, different at every offset a test could confuse. */
#define FH_PERIOD 1048583u /* prime, just above a block: block k is block 0 moved by 7k */
static inline void fh_content(uint8_t *out, uint64_t at, size_t n, unsigned seed)
{
    static uint8_t pattern[2 * FH_PERIOD];
    if (!pattern[0]) {
        uint64_t x = 88172645463325252u;
        for (size_t i = 0; i < sizeof pattern; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            pattern[i] = i < FH_PERIOD ? (uint8_t)(x >> 24 | 1) : pattern[i - FH_PERIOD];
        }
    }
    for (size_t done = 0; done < n;) {
        uint64_t from = (at + done + (uint64_t)seed * 4099) % FH_PERIOD;
        size_t k = MIN(n - done, sizeof pattern - from);
        memcpy(out + done, pattern + from, k);
        done += k;
    }
}

struct fh_answer {
    uint64_t open_ns, answer_ns; /* after the step before; FH_NEVER */
    enum hfp_code refused;       /* instead of opening */
    struct http_headers h;
    const char *text;       /* the body, or else */
    uint64_t first, length; /* these bytes of the file */
    unsigned seed;
    uint64_t bytes_per_s;      /* 0: all at once */
    uint64_t piece;            /* of the body; 0: FH_PIECE */
    uint64_t stall_at, cut_at; /* after so many bytes; FH_NEVER */
    uint64_t stall_ns;         /* FH_NEVER: for good */
    enum hfp_code end;         /* how it closes; HFP_OK when it keeps its word */
    const char *address;
};

enum fh_stage { FH_FREE, FH_OPENING, FH_ASKED, FH_BODY, FH_CLOSING };

struct fh_exchange {
    struct http_request *r;
    struct fh_answer answer;
    enum fh_stage stage;
    uint64_t at_ns, sent, number;
    bool paused;
    char url[256];
};

struct fake_http {
    struct http base;
    uint64_t *now_ns;
    void (*script)(void *ctx, const struct http_request *r, struct fh_answer *out);
    void *ctx;
    bool resumes_later; /* like libcurl: resume only notes; otherwise the body comes inside the call */
    uint64_t starts, drops;
    char log[64][300]; /* the last requests: "URL first-last token address" */
    struct fh_exchange ex[FH_MAX];
};

static inline unsigned fh_running(const struct fake_http *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FH_MAX; i++)
        n += f->ex[i].stage != FH_FREE;
    return n;
}

static inline void fh_answer_range(struct fh_answer *a, uint64_t first, uint64_t last, uint64_t total)
{
    headers_init(&a->h, 206);
    a->h.content_length = last - first + 1;
    a->h.range =
        (struct content_range){ .present = true, .total_known = true, .first = first, .last = last, .total = total };
    a->text = NULL;
    a->first = first;
    a->length = last - first + 1;
}

static inline void fh_answer_whole(struct fh_answer *a, uint64_t total)
{
    headers_init(&a->h, 200);
    a->h.content_length = total;
    a->text = NULL;
    a->first = 0;
    a->length = total;
}

static inline void fh_answer_text(struct fh_answer *a, int status, const char *text)
{
    headers_init(&a->h, status);
    a->h.content_length = strlen(text);
    a->text = text;
    a->length = strlen(text);
}

/* What a good server does. */
static inline void fh_answer_file(struct fh_answer *a, const struct http_request *r, uint64_t total)
{
    if (r->ranged)
        fh_answer_range(a, r->first, MIN(r->last, total - 1), total);
    else
        fh_answer_whole(a, total);
}

static inline void fh_answer_redirect(struct fh_answer *a, const char *to)
{
    fh_answer_text(a, 302, "elsewhere");
    snprintf(a->h.location, sizeof a->h.location, "%s", to);
}

static inline int fh_start(struct http *base, struct http_request *r, struct hfp_err *err)
{
    struct fake_http *f = (struct fake_http *)base;
    (void)err;
    assert(!r->impl && "started twice");
    struct fh_exchange *x = NULL;
    for (unsigned i = 0; i < FH_MAX && !x; i++)
        if (f->ex[i].stage == FH_FREE)
            x = &f->ex[i];
    assert(x && "more requests than any job may have");
    *x = (struct fh_exchange){ .r = r, .stage = FH_OPENING, .number = ++f->starts };
    x->answer = (struct fh_answer){ .open_ns = NS_PER_MS,
                                    .answer_ns = NS_PER_MS,
                                    .stall_at = FH_NEVER,
                                    .cut_at = FH_NEVER,
                                    .stall_ns = FH_NEVER,
                                    .address = "192.0.2.1" };
    headers_init(&x->answer.h, 500);
    snprintf(x->url, sizeof x->url, "%s", r->url);
    snprintf(f->log[f->starts % 64], sizeof f->log[0], "%s %llu-%llu %s %s", r->url, (unsigned long long)r->first,
             (unsigned long long)r->last, r->token ? r->token : "-", r->connect_to ? r->connect_to : "-");
    f->script(f->ctx, r, &x->answer);
    if (r->connect_to)
        x->answer.address = r->connect_to;
    x->at_ns = x->answer.open_ns == FH_NEVER ? FH_NEVER : *f->now_ns + x->answer.open_ns;
    r->impl = x;
    return HFP_OK;
}

static inline void fh_forget(struct fh_exchange *x)
{
    if (x->r)
        x->r->impl = NULL;
    x->r = NULL;
    x->stage = FH_FREE;
}

static inline void fh_cancel(struct http *base, struct http_request *r)
{
    (void)base;
    if (r->impl)
        fh_forget(r->impl);
}

static inline void fh_close(struct fh_exchange *x, enum hfp_code code)
{
    struct http_request *r = x->r;
    struct hfp_err err = { .code = code };
    if (code)
        snprintf(err.message, sizeof err.message, "fake %s", hfp_code_name(code));
    fh_forget(x);
    r->closed(r, &err);
}

/* The next piece, now. */
static inline void fh_body(struct fake_http *f, struct fh_exchange *x)
{
    struct fh_answer *a = &x->answer;
    static uint8_t piece[FH_PIECE];
    uint64_t number = x->number;
    uint64_t end = MIN(MIN(a->length, a->cut_at), x->sent <= a->stall_at ? a->stall_at : FH_NEVER);
    uint64_t n = MIN(end - MIN(end, x->sent), a->piece ? a->piece : FH_PIECE);
    if (n == 0 && x->sent == a->stall_at) {
        x->at_ns = a->stall_ns == FH_NEVER ? FH_NEVER : *f->now_ns + a->stall_ns;
        a->stall_at = FH_NEVER;
        return;
    }
    if (n == 0) {
        x->stage = FH_CLOSING;
        return;
    }
    if (a->text)
        memcpy(piece, a->text + x->sent, (size_t)n);
    else
        fh_content(piece, a->first + x->sent, (size_t)n, a->seed);
    struct http_request *r = x->r;
    enum http_take take = r->body(r, piece, (size_t)n);
    if (x->number != number || x->r != r) /* cancelled inside */
        return;
    if (take == HTTP_STOP) {
        fh_forget(x);
        return;
    }
    x->paused = take == HTTP_PAUSE;
    if (x->paused)
        x->at_ns = FH_NEVER;
    else {
        x->sent += n;
        x->at_ns = *f->now_ns + (a->bytes_per_s ? n * NS_PER_S / a->bytes_per_s : 0);
    }
}

static inline void fh_resume(struct http *base, struct http_request *r)
{
    struct fake_http *f = (struct fake_http *)base;
    struct fh_exchange *x = r->impl;
    if (!x || !x->paused)
        return;
    x->paused = false;
    x->at_ns = *f->now_ns;
    if (!f->resumes_later)
        fh_body(f, x);
}

static inline bool fh_peer(struct http *base, struct http_request *r, struct http_peer *out)
{
    (void)base;
    struct fh_exchange *x = r->impl;
    if (!x || x->stage < FH_ASKED)
        return false;
    *out = (struct http_peer){ .port = 80, .rtt_us = 1000 };
    snprintf(out->address, sizeof out->address, "%s", x->answer.address);
    return true;
}

static inline void fh_drop_idle(struct http *base)
{
    ((struct fake_http *)base)->drops++;
}

static inline void fh_init(struct fake_http *f, uint64_t *now_ns,
                           void (*script)(void *, const struct http_request *, struct fh_answer *), void *ctx)
{
    *f = (struct fake_http){ .base = { fh_start, fh_cancel, fh_resume, fh_peer, fh_drop_idle, NULL },
                             .now_ns = now_ns,
                             .script = script,
                             .ctx = ctx };
}

/* When the next thing happens; FH_NEVER: nothing will. */
static inline uint64_t fh_next_ns(const struct fake_http *f)
{
    uint64_t next = FH_NEVER;
    for (unsigned i = 0; i < FH_MAX; i++)
        if (f->ex[i].stage != FH_FREE)
            next = MIN(next, f->ex[i].at_ns);
    return next;
}

static inline void fh_open(struct fake_http *f, struct fh_exchange *x)
{
    struct http_request *r = x->r;
    struct http_peer peer = { .port = 80 };
    if (x->answer.refused) {
        fh_close(x, x->answer.refused);
        return;
    }
    snprintf(peer.address, sizeof peer.address, "%s", x->answer.address);
    x->stage = FH_ASKED;
    x->at_ns = x->answer.answer_ns == FH_NEVER ? FH_NEVER : *f->now_ns + x->answer.answer_ns;
    r->opened(r, &peer);
}

/* One step of one exchange that is due. False: none is. */
static inline bool fh_step(struct fake_http *f)
{
    struct fh_exchange *x = NULL;
    for (unsigned i = 0; i < FH_MAX; i++)
        if (f->ex[i].stage != FH_FREE && f->ex[i].at_ns <= *f->now_ns && (!x || f->ex[i].at_ns < x->at_ns))
            x = &f->ex[i];
    if (!x)
        return false;
    assert(strcmp(x->url, x->r->url) == 0 && "the URL changed while the request ran");
    switch (x->stage) {
    case FH_OPENING:
        fh_open(f, x);
        break;
    case FH_ASKED:
        x->stage = FH_BODY;
        x->r->answered(x->r, &x->answer.h);
        break;
    case FH_BODY:
        fh_body(f, x);
        break;
    case FH_CLOSING:
        fh_close(x, x->answer.end ? x->answer.end : x->sent < x->answer.length ? HFP_E_SHORT : HFP_OK);
        break;
    case FH_FREE:
        break;
    }
    return true;
}

/* Time passes until turn() says that nothing is under way, or so much of it is over; how much was. turn() gives the
 * request's owner its turn and says when it wants the next one. */
static inline double fh_run(struct fake_http *f, uint64_t *now_ns, double seconds,
                            bool (*turn)(void *ctx, uint64_t *next_ns), void *ctx)
{
    uint64_t begun_ns = *now_ns, end_ns = begun_ns + (uint64_t)(seconds * (double)NS_PER_S), next_ns;
    while (turn(ctx, &next_ns)) {
        next_ns = MAX(MIN(next_ns, fh_next_ns(f)), *now_ns);
        *now_ns = MIN(next_ns, end_ns);
        if (next_ns > end_ns)
            break;
        while (fh_step(f))
            continue;
    }
    return (double)(*now_ns - begun_ns) / (double)NS_PER_S;
}

#endif
