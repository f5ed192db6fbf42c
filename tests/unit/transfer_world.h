/* transfer_world.h: a transfer, its fake wire and its clock, with every invariant looked at after every step. */
#ifndef HFP_TESTS_TRANSFER_WORLD_H
#define HFP_TESTS_TRANSFER_WORLD_H

#include "fake_http.h"
#include "transfer/internal.h"

#define HUB "http://hub.test"
#define CDN "http://cdn.test"
#define TW_FILES 6
#define TW_BLOCKS 80
#define TW_HELD 64
#define MB UINT64_C(1048576)

struct world;

struct tw_file {
    struct world *w;
    struct fetch *fetch;
    struct tw_group *group;
    char url[64], path[32];
    uint64_t size, base, object; /* base: a part of an object of so many bytes behind a signed URL */
    unsigned seed;
    bool wanted[TW_BLOCKS];
    unsigned delivered[TW_BLOCKS];
    uint16_t peer[TW_BLOCKS];
    unsigned failed;
    unsigned expired, unserved; /* signed: URLs that were refused; of those, that never gave a byte */
    struct hfp_err error;
};

struct tw_group {
    struct group *group;
    struct patience patience;
    unsigned gave_up;
    struct hfp_err error;
    uint64_t received;
};

struct tw_held {
    uint8_t *buf;
    uint64_t due_ns;
};

struct world {
    uint64_t now_ns;
    struct fake_http http;
    struct pool *pool;
    unsigned buffers;
    struct hosts *hosts;
    struct log log;
    struct transfer *t;
    struct tw_group group[3];
    struct tw_file file[TW_FILES];
    unsigned files;
    struct tw_held held[TW_HELD];
    unsigned held_count;
    uint64_t write_ns; /* how long the owner keeps a block */
    struct answer_context context;
    char fault[200]; /* the first broken invariant */
    bool stuck;      /* nothing would ever happen again */
    void (*serve)(struct world *w, const struct http_request *r, struct fh_answer *a);
    uint64_t number; /* of requests, for scripts */
    uint64_t random;
    unsigned param;
};

#define TW_EXPECT(cond, ...)                                                                                           \
    do {                                                                                                               \
        if (!(cond) && !w->fault[0])                                                                                   \
            snprintf(w->fault, sizeof w->fault, __VA_ARGS__);                                                          \
    } while (0)

static inline uint64_t tw_now(void *ctx)
{
    return ((struct world *)ctx)->now_ns;
}

static inline struct tw_file *tw_file_of(struct world *w, const char *url)
{
    const char *slash = strrchr(url, '/');
    for (unsigned i = 0; slash && i < w->files; i++)
        if (strncmp(slash + 1, w->file[i].path, strlen(w->file[i].path)) == 0)
            return &w->file[i];
    return NULL;
}

static inline void tw_script(void *ctx, const struct http_request *r, struct fh_answer *a)
{
    struct world *w = ctx;
    w->number++;
    w->serve(w, r, a);
}

static inline bool tw_at_cdn(const struct http_request *r)
{
    return strncmp(r->url, CDN, strlen(CDN)) == 0;
}

/* The Hub redirects to the CDN, the CDN serves. */
static inline void tw_good(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    struct tw_file *f = tw_file_of(w, r->url);
    char to[64];
    a->seed = f->seed;
    a->bytes_per_s = 20 * MB;
    if (tw_at_cdn(r)) {
        fh_answer_file(a, r, f->size);
        return;
    }
    snprintf(to, sizeof to, CDN "/%s?sig=%llu", f->path, (unsigned long long)w->number);
    fh_answer_redirect(a, to);
}

static inline void tw_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer)
{
    struct tw_file *f = ctx;
    struct world *w = f->w;
    static uint8_t want[BLOCK];
    fh_content(want, f->base + index * BLOCK, n, f->seed);
    TW_EXPECT(n == MIN(BLOCK, f->size - index * BLOCK), "block %llu of %s has %zu bytes", (unsigned long long)index,
              f->path, n);
    TW_EXPECT(memcmp(buf, want, n) == 0, "block %llu of %s has wrong content", (unsigned long long)index, f->path);
    TW_EXPECT(f->wanted[index], "block %llu of %s came unasked", (unsigned long long)index, f->path);
    f->delivered[index]++;
    f->peer[index] = peer;
    assert(w->held_count < TW_HELD);
    w->held[w->held_count++] = (struct tw_held){ buf, w->now_ns + w->write_ns };
}

static inline void tw_failed(void *ctx, const struct hfp_err *err)
{
    struct tw_file *f = ctx;
    f->failed++;
    f->error = *err;
}

static inline void tw_gave_up(void *ctx, const struct hfp_err *err)
{
    struct tw_group *g = ctx;
    g->gave_up++;
    g->error = *err;
}

static inline void tw_group_new(struct world *w, unsigned i, uint32_t max_rounds)
{
    struct hfp_err err;
    struct tw_group *g = &w->group[i];
    struct group_events events = { tw_gave_up, g, &w->context };
    patience_init(&g->patience, max_rounds, w->now_ns);
    int rc = group_new(&g->group, w->t, &events, &g->patience, &err);
    assert(rc == HFP_OK);
}

struct tw_options {
    unsigned buffers; /* 0: POOL_BUFFERS */
    uint32_t max_connections, max_rounds;
    uint64_t chunk_bytes, seed;
};

static inline void tw_begin(struct world *w,
                            void (*serve)(struct world *, const struct http_request *, struct fh_answer *),
                            struct tw_options o)
{
    struct hfp_err err;
    *w = (struct world){ .now_ns = 1000 * NS_PER_S,
                         .serve = serve,
                         .buffers = o.buffers ? o.buffers : POOL_BUFFERS,
                         .random = o.seed,
                         .context = { .repo = "ns/name", .revision = "main", .page_url = HUB } };
    fh_init(&w->http, &w->now_ns, tw_script, w);
    w->http.resumes_later = o.seed % 2;
    int rc = pool_new(&w->pool, w->buffers, &err);
    rc |= hosts_new(&w->hosts, NULL, HFP_ANY_FAMILY, &err);
    struct transfer_config c = { .http = &w->http.base,
                                 .pool = w->pool,
                                 .hosts = w->hosts,
                                 .log = &w->log,
                                 .deadlines = deadlines_default(),
                                 .max_connections = o.max_connections,
                                 .chunk_bytes = o.chunk_bytes ? o.chunk_bytes : 50 * MB,
                                 .endpoint = HUB,
                                 .token = "hf_secret",
                                 .now = tw_now,
                                 .now_ctx = w,
                                 .seed = o.seed };
    rc |= transfer_new(&w->t, &c, &err);
    assert(rc == HFP_OK);
    tw_group_new(w, 0, o.max_rounds);
}

static inline struct tw_file *tw_add(struct world *w, unsigned group, uint64_t size)
{
    struct hfp_err err;
    struct tw_file *f = &w->file[w->files];
    *f = (struct tw_file){ .w = w, .size = size, .seed = w->files + 1, .group = &w->group[group] };
    snprintf(f->path, sizeof f->path, "f%u.bin", w->files);
    snprintf(f->url, sizeof f->url, HUB "/ns/name/resolve/c/f%u.bin", w->files++);
    struct fetch_spec spec = { .url = f->url, .path = f->path, .size_bytes = size };
    struct fetch_events events = { .block = tw_block, .failed = tw_failed, .ctx = f };
    int rc = fetch_new(&f->fetch, f->group->group, &spec, &events, &err);
    assert(rc == HFP_OK && blocks_up(size) <= TW_BLOCKS);
    return f;
}

static inline void tw_expired(void *ctx, bool served, const struct hfp_err *err)
{
    struct tw_file *f = ctx;
    f->expired++;
    f->unserved += !served;
    f->error = *err;
}

/* All of a part, from byte base on, of an object of so many bytes. */
static inline struct tw_file *tw_add_signed(struct world *w, uint64_t base, uint64_t size, uint64_t object)
{
    struct hfp_err err;
    struct tw_file *f = &w->file[w->files];
    *f = (struct tw_file){ .w = w, .size = size, .base = base, .object = object, .seed = 1, .group = &w->group[0] };
    snprintf(f->path, sizeof f->path, "f%u.bin", w->files++);
    snprintf(f->url, sizeof f->url, HUB "/f%u.bin?sig=0", w->files - 1); /* of the Hub's own origin: still no token */
    struct fetch_spec spec = { .url = f->url, .path = f->path, .size_bytes = size, .is_signed = true, .base = base };
    struct fetch_events events = { .block = tw_block, .failed = tw_failed, .expired = tw_expired, .ctx = f };
    int rc = fetch_new(&f->fetch, f->group->group, &spec, &events, &err);
    assert(rc == HFP_OK && blocks_up(size) <= TW_BLOCKS);
    for (uint64_t b = 0; b < blocks_up(size); b++) {
        f->wanted[b] = true;
        fetch_want(f->fetch, b);
    }
    return f;
}

static inline void tw_want(struct tw_file *f, uint64_t block)
{
    f->wanted[block] = true;
    fetch_want(f->fetch, block);
}

static inline struct tw_file *tw_add_all(struct world *w, unsigned group, uint64_t size)
{
    struct tw_file *f = tw_add(w, group, size);
    for (uint64_t b = 0; b < blocks_up(size); b++)
        tw_want(f, b);
    return f;
}

/* ---- the invariants ---- */

static inline void tw_check_segment(struct world *w, const struct segment *s)
{
    bool runs = s->run[0] != NULL;
    TW_EXPECT(runs == (s->state == SEG_RUN), "segment at %llu: state %d, run %p", (unsigned long long)s->pos, s->state,
              (void *)s->run[0]);
    TW_EXPECT(s->run[0] || !s->run[1], "a second connection without a first");
    TW_EXPECT(s->pos < s->end && s->end <= s->fetch->size_bytes, "segment %llu-%llu", (unsigned long long)s->pos,
              (unsigned long long)s->end);
    TW_EXPECT(!s->next || s->end <= s->next->pos / BLOCK * BLOCK, "segments overlap");
    TW_EXPECT(s->buf || s->pos % BLOCK == 0, "bytes of a block without a buffer");
    TW_EXPECT(!s->spare, "a spare buffer is kept");
    for (int i = 0; i < 2; i++)
        TW_EXPECT(!s->run[i] ||
                      (s->run[i]->segment == s && s->run[i]->state != RUN_IDLE && s->run[i]->fetch == s->fetch),
                  "a segment's runner points elsewhere");
}

static inline void tw_check_cover(struct world *w, const struct tw_file *f)
{
    for (uint64_t b = 0; b < blocks_up(f->size); b++) {
        unsigned n = (f->fetch->wanted[b / 8] >> (b % 8) & 1) + (f->delivered[b] > 0);
        for (const struct segment *s = f->fetch->segments; s; s = s->next)
            n += b >= s->pos / BLOCK && b < blocks_up(s->end);
        TW_EXPECT(n == f->wanted[b] || f->fetch->failed, "block %llu of %s is in %u places", (unsigned long long)b,
                  f->path, n);
        TW_EXPECT(f->delivered[b] <= 1, "block %llu of %s came twice", (unsigned long long)b, f->path);
    }
}

static inline void tw_check_counts(struct world *w)
{
    unsigned running = 0, taken = w->held_count;
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &w->t->runner[i];
        running += r->state != RUN_IDLE;
        TW_EXPECT((r->state != RUN_IDLE) == (r->request.impl != NULL), "runner %u: state %d, request %s", i, r->state,
                  r->request.impl ? "runs" : "does not");
        TW_EXPECT(r->state == RUN_IDLE || !r->segment || r->segment->run[0] == r || r->segment->run[1] == r,
                  "a runner's segment does not know it");
    }
    TW_EXPECT(running == w->t->running && running == fh_running(&w->http), "%u run, counted %u, on the wire %u",
              running, w->t->running, fh_running(&w->http));
    unsigned by_group = 0, by_remote = 0;
    for (const struct group *g = w->t->groups; g; g = g->next)
        by_group += g->running;
    for (unsigned i = 0; i < w->t->remotes; i++)
        by_remote += w->t->remote[i].running;
    TW_EXPECT(by_group == running && by_remote == running, "%u run, by group %u, by server %u", running, by_group,
              by_remote);
    for (unsigned i = 0; i < w->files; i++)
        for (const struct segment *s = w->file[i].fetch ? w->file[i].fetch->segments : NULL; s; s = s->next)
            taken += (s->buf != NULL) + (s->spare != NULL);
    TW_EXPECT(taken == pool_taken(w->pool) && taken + pool_free_count(w->pool) == w->buffers,
              "buffers: %u in use, %u taken, %u free", taken, pool_taken(w->pool), pool_free_count(w->pool));
}

static inline void tw_check(struct world *w)
{
    tw_check_counts(w);
    for (unsigned i = 0; i < 3; i++) {
        struct tw_group *g = &w->group[i];
        uint64_t received = g->group ? group_stats(g->group)->received_bytes : 0;
        TW_EXPECT(received >= g->received, "the bytes received ran back");
        g->received = received;
    }
    for (unsigned i = 0; i < w->files; i++) {
        const struct tw_file *f = &w->file[i];
        if (!f->fetch)
            continue;
        for (const struct segment *s = f->fetch->segments; s; s = s->next)
            tw_check_segment(w, s);
        tw_check_cover(w, f);
        const struct runner *l = f->fetch->locating;
        TW_EXPECT(!l || (l->state != RUN_IDLE && l->fetch == f->fetch), "the locator is gone");
    }
}

/* ---- time ---- */

static inline bool tw_file_done(const struct tw_file *f)
{
    return !f->fetch || f->failed || f->group->gave_up || !fetch_busy(f->fetch);
}

static inline bool tw_done(const struct world *w)
{
    for (unsigned i = 0; i < w->files; i++)
        if (!tw_file_done(&w->file[i]))
            return false;
    return true;
}

static inline uint64_t tw_writes(struct world *w)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < w->held_count;) {
        if (w->held[i].due_ns > w->now_ns) {
            next = MIN(next, w->held[i].due_ns);
            i++;
            continue;
        }
        transfer_give_back(w->t, w->held[i].buf);
        w->held[i] = w->held[--w->held_count];
    }
    return next;
}

/* Until `seconds` have passed, or all is done. */
static inline bool tw_run(struct world *w, double seconds)
{
    uint64_t end_ns = w->now_ns + (uint64_t)(seconds * (double)NS_PER_S);
    w->stuck = false;
    while (!w->fault[0] && !tw_done(w)) {
        uint64_t next = transfer_turn(w->t);
        tw_check(w);
        next = MIN(next, MIN(fh_next_ns(&w->http), tw_writes(w)));
        if (next == UINT64_MAX) {
            w->stuck = !tw_done(w);
            break;
        }
        if (MAX(next, w->now_ns) > end_ns) {
            w->now_ns = end_ns;
            break;
        }
        w->now_ns = MAX(next, w->now_ns);
        for (unsigned n = 0; n < 8 && fh_step(&w->http); n++)
            tw_check(w);
    }
    return tw_done(w) && !w->fault[0] && !w->stuck;
}

/* Frees all; true when nothing leaked. */
static inline bool tw_end(struct world *w)
{
    for (unsigned i = 0; i < w->files; i++)
        fetch_free(ptr_steal(&w->file[i].fetch));
    tw_check_counts(w);
    TW_EXPECT(fh_running(&w->http) == 0 && w->t->running == 0, "requests are left over");
    for (unsigned i = 0; i < 3; i++)
        group_free(w->group[i].group);
    w->now_ns += 3600 * NS_PER_S;
    tw_writes(w);
    TW_EXPECT(pool_taken(w->pool) == 0, "buffers are left over");
    transfer_free(w->t);
    hosts_free(w->hosts);
    if (pool_taken(w->pool) == 0)
        pool_free(w->pool);
    return !w->fault[0];
}

#endif
