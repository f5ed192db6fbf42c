/* xet_world.h: a store of xorbs, a CAS that knows how files are made of them, and a server of signed ranges, all in
 * memory, behind transfer_world.h's wire and clock.
 *
 * The CAS cuts ranges as the real one does: whole chunks, what touches within one answer is one range. */
#ifndef HFP_TESTS_XET_WORLD_H
#define HFP_TESTS_XET_WORLD_H

#include "cache/chunks.h"
#include "transfer/xet_internal.h"
#include "transfer_world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <lz4frame.h>
#include <unistd.h>

#define XW_XORBS 6
#define XW_CHUNKS 400 /* a xorb */
#define XW_TERMS 160
#define XW_JSON (1u << 18)

struct xw_chunk {
    uint32_t seed, bytes;
    size_t at, stored; /* its record in the xorb */
};

struct xw_xorb {
    struct xet_hash hash;
    struct xw_chunk chunk[XW_CHUNKS];
    uint32_t chunks;
    uint8_t *data;
    size_t n;
    uint8_t *flipped; /* the same with a wrong bit in the header of every tenth record */
    uint8_t *sent;    /* per byte: how often it went over the wire, at most 255 */
};

struct xw_term {
    uint32_t xorb, start, end;
};

struct xw {
    struct world w;            /* first: scripts get it */
    struct world *world;       /* its own, or that of the file it comes beside */
    struct xw *store, *beside; /* whose xorbs and workers; who comes with it, or NULL */
    struct xet_mates *mates;   /* NULL: alone */
    struct xet_mate *mate;
    int mate_fd;
    struct xw_xorb xorb[XW_XORBS];
    unsigned xorbs;
    struct xw_term term[XW_TERMS];
    unsigned terms;
    uint64_t size;
    uint8_t *file; /* what the file is */
    /* faults */
    unsigned epoch;       /* of signed URLs; older ones are refused */
    unsigned urls_serve;  /* requests before an epoch ends; 0: for ever */
    unsigned served;      /* in this epoch */
    bool whole_only;      /* refuses less than a signed range */
    bool never;           /* refuses everything */
    unsigned flip_every;  /* a bit of a record's header flips in every nth answer; 0: never */
    unsigned cut_every;   /* every nth answer dies on the way */
    bool gone;            /* what was written cannot be read back */
    bool recut;           /* every other epoch ranges are cut as wide as the xorb */
    bool wide;            /* ranges are cut as wide as the xorb */
    unsigned bad_answers; /* so many answers of the CAS do not fit */
    unsigned turned;      /* so many answers with renewed URLs have their terms in another order */
    uint64_t slice_bytes; /* the longest slice that is asked for at once; 0: any */
    uint64_t rate;        /* bytes/s of each connection */
    uint64_t work_ns;     /* what a task takes, while the network goes on */
    /* the question that is out */
    struct xet_query *query;
    /* the fetch and what came of it */
    struct xet_fetch *x;
    bool wanted[TW_BLOCKS];
    unsigned delivered[TW_BLOCKS];
    bool written[TW_BLOCKS];
    uint64_t written_ns[TW_BLOCKS]; /* when it is on the disk */
    uint64_t proved, questions;
    unsigned failed;
    int tasks;
    struct hfp_err error;
    struct task *todo;
    struct work work;
    /* chunks that are here; held NULL: none */
    struct chunk_index *held;
    struct chunks *held_map;
    int held_dir, held_file;
    char held_folder[32];
    uint64_t held_bytes;
};

struct xet_query {
    struct xet_query_events events;
    struct xw *xw;
    bool busy, held;
    unsigned tries;
    uint64_t due_ns, first, last;
};

/* ---- the store ---- */

static inline void xw_plain(uint8_t *out, const struct xw_chunk *c)
{
    fh_content(out, c->seed * 977u, c->bytes, c->seed);
    if (c->seed % 4 == 1) /* something that packs */
        memset(out + c->bytes / 4, 7, c->bytes / 2);
}

static inline size_t xw_record(uint8_t *out, const struct xw_chunk *c)
{
    static uint8_t plain[XET_CHUNK_MAX], packed[2 * XET_CHUNK_MAX];
    xw_plain(plain, c);
    size_t n = LZ4F_compressFrame(packed, sizeof packed, plain, c->bytes, NULL);
    bool lz4 = !LZ4F_isError(n) && n < c->bytes;
    size_t stored = lz4 ? n : c->bytes;
    const uint8_t head[8] = { 0,   (uint8_t)stored,   (uint8_t)(stored >> 8),   (uint8_t)(stored >> 16),
                              lz4, (uint8_t)c->bytes, (uint8_t)(c->bytes >> 8), (uint8_t)(c->bytes >> 16) };
    memcpy(out, head, 8);
    memcpy(out + 8, lz4 ? packed : plain, stored);
    return 8 + stored;
}

static inline struct xw_xorb *xw_xorb_add(struct xw *s, uint32_t chunks)
{
    static uint8_t plain[XET_CHUNK_MAX];
    struct xw_xorb *o = &s->xorb[s->xorbs++];
    struct xet_tree tree;
    xet_tree_init(&tree);
    *o = (struct xw_xorb){ .chunks = chunks, .data = malloc((size_t)chunks * (XET_CHUNK_MAX + 8)) };
    for (uint32_t i = 0; i < chunks; i++) {
        struct xw_chunk *c = &o->chunk[i];
        c->seed = s->xorbs * 1000 + i;
        c->bytes = 8192 + (uint32_t)(random_next(&s->w.random) % (XET_CHUNK_MAX - 8192 + 1));
        c->at = o->n;
        c->stored = xw_record(o->data + o->n, c);
        o->n += c->stored;
        struct xet_hash hash;
        xw_plain(plain, c);
        xet_hash_chunk(&hash, plain, c->bytes);
        xet_tree_add(&tree, &hash, c->bytes);
    }
    o->sent = calloc(1, o->n);
    o->flipped = malloc(o->n);
    memcpy(o->flipped, o->data, o->n);
    for (uint32_t i = 0; i < chunks; i += 10)
        o->flipped[o->chunk[i].at + 4] |= 0x40; /* its scheme */
    xet_tree_root(&o->hash, &tree);
    return o;
}

static inline void xw_term_add(struct xw *s, uint32_t xorb, uint32_t start, uint32_t end)
{
    assert(s->terms < XW_TERMS);
    s->term[s->terms++] = (struct xw_term){ xorb, start, end };
    s->file = realloc(s->file, s->size + (size_t)(end - start) * XET_CHUNK_MAX);
    assert(s->file);
    for (uint32_t i = start; i < end; i++) {
        const struct xw_chunk *c = &s->xorb[xorb].chunk[i];
        xw_plain(s->file + s->size, c);
        s->size += c->bytes;
    }
}

/* ---- the CAS ---- */

struct xw_range {
    uint32_t xorb, start, end;
};

static inline unsigned xw_cut(struct xw_term *out, uint64_t *skip, const struct xw *s, uint64_t first, uint64_t last)
{
    unsigned n = 0;
    uint64_t at = 0;
    *skip = 0;
    for (unsigned t = 0; t < s->terms; t++) {
        struct xw_term cut = s->term[t];
        cut.end = cut.start;
        for (uint32_t i = s->term[t].start; i < s->term[t].end; i++) {
            uint32_t bytes = s->xorb[cut.xorb].chunk[i].bytes;
            bool in = at + bytes > first && at <= last;
            if (in && n == 0 && cut.end == cut.start)
                *skip = first > at ? first - at : 0;
            if (in && cut.end == cut.start)
                cut.start = i;
            if (in)
                cut.end = i + 1;
            at += bytes;
        }
        if (cut.end > cut.start)
            out[n++] = cut;
    }
    return n;
}

static inline int xw_by_place(const void *a, const void *b)
{
    const struct xw_range *x = a, *y = b;
    if (x->xorb != y->xorb)
        return x->xorb < y->xorb ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

static inline unsigned xw_ranges(struct xw_range *out, const struct xw *s, const struct xw_term *terms, unsigned n)
{
    unsigned k = 0;
    for (unsigned i = 0; i < n; i++)
        out[i] = s->wide || (s->recut && s->epoch % 2)
                     ? (struct xw_range){ terms[i].xorb, 0, s->xorb[terms[i].xorb].chunks }
                     : (struct xw_range){ terms[i].xorb, terms[i].start, terms[i].end };
    qsort(out, n, sizeof *out, xw_by_place);
    for (unsigned i = 0; i < n; i++)
        if (k > 0 && out[k - 1].xorb == out[i].xorb && out[i].start <= out[k - 1].end)
            out[k - 1].end = MAX(out[k - 1].end, out[i].end);
        else
            out[k++] = out[i];
    return k;
}

static inline void xw_answer(struct xw *s, struct buf *body, uint64_t first, uint64_t last)
{
    struct xw_term terms[XW_TERMS];
    struct xw_range ranges[XW_TERMS];
    uint64_t skip;
    unsigned n = xw_cut(terms, &skip, s, first, last), k = xw_ranges(ranges, s, terms, n);
    bool turn = s->turned > 0 && s->epoch > 0;
    s->turned -= turn;
    for (unsigned i = 0; turn && i < n / 2; i++) {
        struct xw_term t = terms[i];
        terms[i] = terms[n - 1 - i];
        terms[n - 1 - i] = t;
    }
    char text[400], hash[XET_HASH_TEXT];
    buf_init(body, XW_JSON);
#define PUT(...) (snprintf(text, sizeof text, __VA_ARGS__), buf_add(body, text, strlen(text), NULL))
    PUT("{\"offset_into_first_range\":%" PRIu64 ",\"terms\":[", skip);
    for (unsigned i = 0; i < n; i++) {
        uint32_t bytes = s->bad_answers > 0;
        for (uint32_t c = terms[i].start; c < terms[i].end; c++)
            bytes += s->xorb[terms[i].xorb].chunk[c].bytes;
        xet_hash_text(hash, &s->xorb[terms[i].xorb].hash);
        PUT("%s{\"hash\":\"%s\",\"unpacked_length\":%" PRIu32 ",\"range\":{\"start\":%" PRIu32 ",\"end\":%" PRIu32 "}}",
            i ? "," : "", hash, bytes, terms[i].start, terms[i].end);
    }
    PUT("],\"xorbs\":{");
    for (unsigned i = 0; i < k; i++) {
        const struct xw_xorb *o = &s->xorb[ranges[i].xorb];
        const struct xw_chunk *a = &o->chunk[ranges[i].start], *z = &o->chunk[ranges[i].end - 1];
        xet_hash_text(hash, &o->hash);
        bool same = i > 0 && ranges[i - 1].xorb == ranges[i].xorb;
        PUT("%s", same ? "," : i ? "],\"" : "\"");
        if (!same)
            PUT("%s\":[", hash);
        PUT("{\"url\":\"" CDN "/x%" PRIu32 "?epoch=%u&from=%zu&to=%zu\",\"ranges\":[{\"chunks\":{\"start\":%" PRIu32
            ",\"end\":%" PRIu32 "},\"bytes\":{\"start\":%zu,\"end\":%zu}}]}",
            ranges[i].xorb, s->epoch, a->at, z->at + z->stored - 1, ranges[i].start, ranges[i].end, a->at,
            z->at + z->stored - 1);
    }
    PUT("%s}}", k ? "]" : "");
#undef PUT
    if (s->bad_answers > 0)
        s->bad_answers--;
}

int xet_query_new(struct xet_query **out, struct xet_session *session, const struct xet_query_events *events,
                  struct hfp_err *err)
{
    struct xw *s = (struct xw *)session;
    (void)err;
    *out = s->query = calloc(1, sizeof **out);
    *s->query = (struct xet_query){ .events = *events, .xw = s };
    return HFP_OK;
}
void xet_query_free(struct xet_query *q)
{
    free(q);
}
void xet_query_ask(struct xet_query *q, const struct xet_hash *file, uint64_t size_bytes, uint64_t first, uint64_t last)
{
    (void)file;
    assert(!q->busy && first <= last && last < size_bytes && size_bytes == q->xw->size);
    q->busy = true;
    q->tries = 0;
    q->first = first;
    q->last = last;
    q->due_ns = q->xw->world->now_ns + 20 * NS_PER_MS;
    q->xw->questions++;
}
bool xet_query_busy(const struct xet_query *q)
{
    return q->busy;
}
void xet_query_hold(struct xet_query *q, bool hold)
{
    q->held = hold;
}
uint64_t xet_query_turn(struct xet_query *q, uint64_t now_ns)
{
    if (!q->busy || q->held)
        return UINT64_MAX;
    if (now_ns < q->due_ns)
        return q->due_ns;
    struct buf body;
    q->busy = false;
    if (q->xw->slice_bytes)
        q->last = MIN(q->last, q->first + q->xw->slice_bytes - 1);
    xw_answer(q->xw, &body, q->first, q->last);
    struct reconstruction *r;
    struct hfp_err err;
    bool too_long;
    int rc = reconstruction_parse(&r, body.data, body.n, q->first, q->last, q->xw->size, &too_long, &err);
    buf_done(&body);
    if (rc && q->tries++ < 3) { /* as the API's retries do */
        q->busy = true;
        q->due_ns = now_ns + NS_PER_S;
    } else if (rc) {
        q->events.failed(q->events.ctx, &err);
    } else {
        q->events.answer(q->events.ctx, r);
    }
    return now_ns;
}

/* ---- the server of signed ranges ---- */

static inline void xw_serve(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    struct xw *s = (struct xw *)w;
    unsigned xorb, epoch;
    size_t from, to;
    int n = sscanf(r->url, CDN "/x%u?epoch=%u&from=%zu&to=%zu", &xorb, &epoch, &from, &to);
    assert(n == 4);
    TW_EXPECT(r->ranged && !r->token, "a signed range wants a Range and no token");
    TW_EXPECT(r->first >= from && r->last <= to, "bytes %llu-%llu are not in the signed %zu-%zu",
              (unsigned long long)r->first, (unsigned long long)r->last, from, to);
    if (s->urls_serve && s->served >= s->urls_serve) {
        s->epoch++;
        s->served = 0;
    }
    bool less = r->first != from || r->last != to;
    if (epoch != s->epoch || s->never || (s->whole_only && less)) {
        fh_answer_text(a, 403, "not signed for this");
        return;
    }
    s->served++;
    struct xw_xorb *o = &s->xorb[xorb];
    fh_answer_range(a, r->first, r->last, o->n);
    a->bytes_per_s = s->rate;
    bool flip = s->flip_every && w->number % s->flip_every == 0;
    a->text = (const char *)(flip ? o->flipped : o->data) + r->first;
    if (s->cut_every && w->number % s->cut_every == 0)
        a->cut_at = random_next(&w->random) % (r->last - r->first + 1);
    for (uint64_t b = r->first; b <= MIN(r->last, r->first + MIN(a->length, a->cut_at) - 1); b++)
        o->sent[b] = (uint8_t)MIN(o->sent[b] + 1, 255);
}

/* ---- chunks that are here: a file of them and its map, in a folder of its own ---- */

#define XW_HELD_MOST (64u << 20)

static inline void xw_hold_begin(struct xw *s)
{
    struct chunk_map_info info = { .size_bytes = XW_HELD_MOST };
    char folder[] = "/tmp/hfp-held-XXXXXX";
    assert(mkdtemp(folder));
    s->held_dir = open(folder, O_RDONLY | O_DIRECTORY);
    s->held_file = openat(s->held_dir, "file", O_RDWR | O_CREAT, 0600);
    snprintf(s->held_folder, sizeof s->held_folder, "%s", folder);
    assert(s->held_file >= 0 && chunks_new(&s->held_map, s->held_dir, "map", &info, NULL) == HFP_OK);
}

static inline void xw_hold(struct xw *s, uint32_t xorb, uint32_t start, uint32_t end, unsigned rot_every)
{
    static uint8_t plain[XET_CHUNK_MAX];
    for (uint32_t i = start; i < end && s->held_bytes < XW_HELD_MOST - XET_CHUNK_MAX; i++) {
        const struct xw_chunk *c = &s->xorb[xorb].chunk[i];
        struct xet_hash hash;
        xw_plain(plain, c);
        xet_hash_chunk(&hash, plain, c->bytes);
        chunks_add(s->held_map, &(struct chunk_place){ &s->xorb[xorb].hash, &hash, i, c->bytes, s->held_bytes });
        plain[c->bytes / 2] ^= rot_every && i % rot_every == rot_every / 2;
        assert(pwrite(s->held_file, plain, c->bytes, (off_t)s->held_bytes) == (ssize_t)c->bytes);
        s->held_bytes += c->bytes;
    }
}

static inline void xw_hold_over(struct xw *s)
{
    uint8_t all[(XW_HELD_MOST >> HFP_BLOCK_SHIFT) / 8 + 1];
    struct chunk_index_file f = { .map_dir = s->held_dir,
                                  .file_dir = s->held_dir,
                                  .map_name = "map",
                                  .file_name = "file",
                                  .recorded = all,
                                  .size_bytes = XW_HELD_MOST };
    memset(all, 0xff, sizeof all);
    assert(chunk_index_new(&s->held, NULL) == HFP_OK && chunk_index_add(s->held, &f, NULL) == HFP_OK);
    chunk_index_ready(s->held);
}

static inline void xw_held_end(struct xw *s)
{
    if (!s->held_map)
        return;
    chunks_close(s->held_map);
    chunk_index_free(s->held);
    unlinkat(s->held_dir, "map", 0);
    unlinkat(s->held_dir, "file", 0);
    close(s->held_dir);
    close(s->held_file);
    rmdir(s->held_folder);
}

/* ---- the owner ---- */

static inline void xw_submit(struct work *work, enum work_lane lane, struct task *t)
{
    struct xw *s = container_of(work, struct xw, work);
    (void)lane;
    struct task **at = &s->todo;
    while (*at)
        at = &(*at)->next;
    t->next = NULL;
    *at = t;
}

static inline void xw_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer)
{
    struct xw *s = ctx;
    struct world *w = s->world;
    (void)peer;
    TW_EXPECT(n == MIN(BLOCK, s->size - index * BLOCK), "block %llu has %zu bytes", (unsigned long long)index, n);
    TW_EXPECT(memcmp(buf, s->file + index * BLOCK, n) == 0, "block %llu has wrong content", (unsigned long long)index);
    TW_EXPECT(s->wanted[index], "block %llu came unasked", (unsigned long long)index);
    s->delivered[index]++;
    s->written[index] = true;
    if (s->mate)
        TW_EXPECT(pwrite(s->mate_fd, buf, n, (off_t)(index * BLOCK)) == (ssize_t)n, "write");
    s->written_ns[index] = w->now_ns + w->write_ns;
    assert(w->held_count < TW_HELD);
    w->held[w->held_count++] = (struct tw_held){ buf, w->now_ns + w->write_ns };
}

static inline void xw_failed(void *ctx, const struct hfp_err *err)
{
    struct xw *s = ctx;
    s->failed++;
    s->error = *err;
}

static inline void xw_proved(void *ctx, uint64_t first, uint64_t end)
{
    ((struct xw *)ctx)->proved += end - first;
}

static inline enum xet_readable xw_readable(void *ctx, uint64_t first, uint64_t end)
{
    struct xw *s = ctx;
    if (s->gone)
        return XET_UNREADABLE;
    for (uint64_t b = first / BLOCK; b * BLOCK < end; b++)
        if (!s->written[b])
            return s->wanted[b] ? XET_READABLE_LATER : XET_UNREADABLE;
        else if (s->written_ns[b] > s->world->now_ns)
            return XET_READABLE_LATER;
    return XET_READABLE;
}

static inline int xw_read(void *ctx, uint8_t *out, size_t n, uint64_t first, struct hfp_err *err)
{
    struct xw *s = ctx;
    struct world *w = s->world;
    (void)err;
    for (uint64_t b = first / BLOCK; b * BLOCK < first + n; b++)
        TW_EXPECT(!s->gone && s->written[b] && s->written_ns[b] <= w->now_ns,
                  "block %llu is read back and is not there", (unsigned long long)b);
    memcpy(out, s->file + first, n);
    return HFP_OK;
}

static inline void xw_busy(void *ctx, int change)
{
    ((struct xw *)ctx)->tasks += change;
}

static inline void xw_begin(struct xw *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    tw_begin(&s->w, xw_serve, (struct tw_options){ .seed = seed });
    s->world = &s->w;
    s->store = s;
    s->work.submit = xw_submit;
    s->rate = 40 * MB;
}

/* Another file of the same job, of the xorbs that s has by now. */
static inline void xw_beside(struct xw *other, struct xw *s)
{
    memset(other, 0, sizeof *other);
    memcpy(other->xorb, s->xorb, sizeof s->xorb);
    other->xorbs = s->xorbs;
    other->world = s->world;
    other->store = s;
    s->beside = other;
}

static inline enum xet_readable xw_on_disk(void *ctx, uint64_t first, uint64_t end)
{
    const struct xw *s = ctx;
    for (uint64_t b = first / BLOCK; b * BLOCK < end; b++)
        if (!s->written[b])
            return XET_UNREADABLE;
        else if (s->written_ns[b] > s->world->now_ns)
            return XET_READABLE_LATER;
    return XET_READABLE;
}

/* Whose chunks the others get; on the disk is what is in the fd. */
static inline void xw_join(struct xw *s, struct xet_mates *mates)
{
    char name[] = "/tmp/hfp-mate-XXXXXX";
    s->mates = mates;
    s->mate_fd = mkstemp(name);
    assert(s->mate_fd >= 0 && unlink(name) == 0);
    struct xet_mate_file f = { .fd = s->mate_fd, .own_dir = -1, .readable = xw_on_disk, .ctx = s };
    assert(xet_mate_join(&s->mate, mates, s->store == s ? 1 : 2, s->world->now_ns, NULL) == HFP_OK);
    xet_mate_ready(s->mate, &f);
}

static inline void xw_open_with(struct xw *s, struct chunk_index *own)
{
    struct hfp_err err;
    struct xet_fetch_spec spec = { .session = (struct xet_session *)s,
                                   .work = &s->store->work,
                                   .pool = s->world->pool,
                                   .path = "f.bin",
                                   .size_bytes = s->size,
                                   .held = { own, s->held },
                                   .mate = s->mate };
    struct xet_fetch_events events = { .block = xw_block,
                                       .failed = xw_failed,
                                       .proved = xw_proved,
                                       .readable = xw_readable,
                                       .read = xw_read,
                                       .busy = xw_busy,
                                       .ctx = s };
    int rc = xet_fetch_new(&s->x, s->world->group[0].group, &spec, &events, &err);
    assert(rc == HFP_OK && blocks_up(s->size) <= TW_BLOCKS);
}

static inline void xw_open(struct xw *s)
{
    xw_open_with(s, NULL);
}

static inline void xw_want(struct xw *s, uint64_t block)
{
    s->wanted[block] = true;
    xet_fetch_want(s->x, block);
}

static inline void xw_want_all(struct xw *s)
{
    for (uint64_t b = 0; b < blocks_up(s->size); b++)
        xw_want(s, b);
}

static inline bool xw_done(const struct xw *s)
{
    bool done = !s->x || s->failed || !xet_fetch_busy(s->x) || s->world->group[0].gave_up;
    return done && (!s->beside || xw_done(s->beside));
}

static inline void xw_work(struct xw *s)
{
    struct task *t;
    while ((t = s->todo)) {
        s->todo = t->next;
        t->run(t);
        t->done(t);
    }
}

static inline uint64_t xw_turn(struct xw *s, uint64_t now_ns)
{
    return s && s->x ? xet_fetch_turn(s->x, now_ns) : UINT64_MAX;
}

/* Until all has come, or `seconds` have passed. */
static inline bool xw_run(struct xw *s, double seconds)
{
    struct world *w = &s->w;
    uint64_t end_ns = w->now_ns + (uint64_t)(seconds * (double)NS_PER_S);
    while (!w->fault[0] && !xw_done(s) && w->now_ns < end_ns) {
        uint64_t next = xw_turn(s->beside, w->now_ns); /* as a job: who came last first */
        next = MIN(next, xw_turn(s, w->now_ns));
        bool worked = s->todo != NULL;
        xw_work(s);
        next = MIN(next, transfer_turn(w->t));
        next = MIN(next, MIN(fh_next_ns(&w->http), tw_writes(w)));
        w->now_ns += worked ? s->work_ns : 0;
        for (unsigned n = 0; worked && n < 1000 && fh_next_ns(&w->http) <= w->now_ns && fh_step(&w->http); n++)
            ;
        if (worked)
            continue;
        if (next == UINT64_MAX) {
            w->stuck = !xw_done(s);
            break;
        }
        w->now_ns = MIN(MAX(next, w->now_ns), end_ns);
        for (unsigned n = 0; n < 8 && fh_step(&w->http); n++)
            ;
    }
    return xw_done(s) && !w->fault[0] && !w->stuck;
}

/* What still happens when nothing is wanted any more: the last range is judged. */
static inline void xw_settle(struct xw *s)
{
    for (unsigned i = 0; i < 8; i++) {
        xet_fetch_turn(s->x, s->w.now_ns);
        xw_work(s);
    }
}

static inline bool xw_all_came(const struct xw *s)
{
    for (uint64_t b = 0; b < blocks_up(s->size); b++)
        if (s->delivered[b] != s->wanted[b])
            return false;
    return true;
}

/* Stored bytes that went over the wire more than once, and those that went at least once. */
static inline uint64_t xw_repeats(const struct xw *s, uint64_t *once)
{
    uint64_t repeats = 0;
    *once = 0;
    for (unsigned i = 0; i < s->xorbs; i++)
        for (size_t b = 0; b < s->xorb[i].n; b++) {
            *once += s->xorb[i].sent[b] > 0;
            repeats += s->xorb[i].sent[b] > 1 ? s->xorb[i].sent[b] - 1u : 0;
        }
    return repeats;
}

static inline bool xw_end(struct xw *s)
{
    struct xw *o = s->beside;
    xet_fetch_free(ptr_steal(&s->x));
    if (o)
        xet_fetch_free(ptr_steal(&o->x));
    xw_work(s);
    xw_held_end(s);
    xet_mate_leave(s->mate);
    if (o)
        xet_mate_leave(o->mate);
    bool good = s->tasks == 0 && (!o || o->tasks == 0) && tw_end(&s->w);
    free(o ? o->file : NULL);
    for (unsigned i = 0; i < s->xorbs; i++) {
        free(s->xorb[i].data);
        free(s->xorb[i].flipped);
        free(s->xorb[i].sent);
    }
    free(s->file);
    return good;
}

#endif
