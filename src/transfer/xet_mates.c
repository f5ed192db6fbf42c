#include "transfer/xet_mates.h"

#include "transfer/xet_internal.h"

#include <stdlib.h>
#include <string.h>

struct xet_mate {
    struct xet_mates *of; /* NULL: it has left */
    struct xet_mate *next;
    uint32_t order;
    uint64_t joined_ns;
    struct xet_mate_file file; /* once it is ready */
    struct xet_seen *seen;
    struct xet_fetch *x;
    unsigned users; /* pieces of it that are out, and those that fetch it or did */
    bool ready, settling, bad;
};

static void really_free(struct xet_mate *m)
{
    fd_closep(&m->file.fd);
    fd_closep(&m->file.own_dir);
    chunk_index_free(m->file.own);
    xet_seen_free(m->seen);
    free(m);
}

int xet_mate_join(struct xet_mate **out, struct xet_mates *of, uint32_t order, uint64_t now_ns, struct hfp_err *err)
{
    struct xet_mate *m = calloc(1, sizeof *m);
    if (!m)
        return err_nomem(err);
    *m = (struct xet_mate){
        .of = of, .order = order, .joined_ns = now_ns, .file = { .fd = -1, .own_dir = -1 }, .seen = xet_seen_new()
    };
    struct xet_mate **at = &of->first;
    while (*at && (*at)->order <= order)
        at = &(*at)->next;
    m->next = *at;
    *out = *at = m;
    return HFP_OK;
}

void xet_mate_ready(struct xet_mate *m, const struct xet_mate_file *f)
{
    m->file = *f;
    m->ready = true;
}

void xet_mate_settle(struct xet_mate *m)
{
    unsigned n = 0;
    m->settling = true;
    for (const struct xet_mate *o = m->of->first; o; o = o->next)
        n += o->settling && o->seen;
    for (struct xet_mate *o = m->of->first; o && n > XET_MATES_SETTLING; o = o->next)
        if (o->settling && o->seen) {
            xet_seen_free(ptr_steal(&o->seen));
            n--;
        }
}

void xet_mate_leave(struct xet_mate *m)
{
    if (!m)
        return;
    struct xet_mate **at = &m->of->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    m->of = NULL;
    if (m->users == 0)
        really_free(m);
}

void xet_mate_fetched(struct xet_mate *m, struct xet_fetch *x)
{
    m->x = x;
    m->users++;
    xet_seen_clear(m->seen); /* its walk may not copy from what one before it put out further on */
}

void xet_mate_left(struct xet_mate *m)
{
    m->x = NULL;
}

void xet_mate_let_go(struct xet_mate *m)
{
    if (--m->users == 0 && !m->of)
        really_free(m);
}

struct xet_seen *xet_mate_seen(struct xet_mate *m)
{
    return m->seen;
}

struct chunk_index *xet_mate_own(struct xet_mate *m)
{
    return m->file.own;
}

/* A range that begins with chunks of its own is asked for whole, though others have asked for the rest: so the first file
 * in the order is the first to ask. */
bool xet_mates_first(const struct xet_mate *m, uint64_t now_ns)
{
    for (const struct xet_mate *o = m->of->first; o != m; o = o->next)
        if ((!o->ready && ns_since(now_ns, o->joined_ns) < XET_FIRST_WORD_NS) ||
            (o->x && !o->x->failed && !o->x->begun && o->x->wanted_count > 0 &&
             ns_since(now_ns, o->x->asked_ns) < XET_FIRST_WORD_NS))
            return true;
    return false;
}

/* ---- what one has ---- */

/* Does it lie in the block that is being filled, in part? A task may be at it, but writes only behind what was put out. */
static bool in_hand(const struct xet_mate *m, uint64_t end)
{
    return m->x && m->x->block && end > m->x->block_at;
}

static enum xet_share bytes_are(const struct xet_mate *m, uint64_t from, uint64_t bytes)
{
    uint64_t end = from + bytes, on_disk = in_hand(m, end) ? m->x->block_at : end;
    if (from >= on_disk)
        return XET_SHARE_HERE;
    enum xet_readable can = m->file.readable(m->file.ctx, from, on_disk);
    return can == XET_READABLE ? XET_SHARE_HERE : can == XET_READABLE_LATER ? XET_SHARE_SETTLING : XET_SHARE_NONE;
}

/* Those that were put out: so many as are alike. */
static enum xet_share seen_are(uint32_t *chunks, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                               uint32_t end)
{
    struct xet_seen_piece p;
    if (!xet_seen_find(&p, m->seen, xorb, first, end))
        return XET_SHARE_NONE;
    const struct xet_seen_chunk *c = xet_seen_chunks(m->seen, xorb, first);
    enum xet_share all = bytes_are(m, p.from, c->bytes);
    uint64_t from = p.from + c->bytes;
    for (*chunks = 1; *chunks < p.chunks && bytes_are(m, from, c[*chunks].bytes) == all; (*chunks)++)
        from += c[*chunks].bytes;
    return all;
}

/* What its open ranges will bring: the end of the term that holds the chunk; at: none does. */
static uint32_t asked_end(const struct xet_fetch *x, const struct xet_hash *xorb, uint32_t at)
{
    for (const struct xet_unit *u = x && !x->failed ? x->units : NULL; u; u = u->next) {
        const struct xet_slice *s = u->slice;
        if (!xet_hash_equal(&s->r->fetches[u->fetch_index].xorb, xorb))
            continue;
        for (uint32_t i = MAX(u->first_step, s->at); i < s->r->term_count; i++) {
            const struct reconstruction_term *t = &s->r->terms[i];
            if (s->steps[i].kind != XET_STEP_TAKE || t->fetch != u->fetch_index)
                continue;
            if (t->chunk_start <= at && at < t->chunk_end)
                return t->chunk_end;
            if (s->steps[i].closes)
                break;
        }
    }
    return at;
}

static enum xet_share one_has(uint32_t *chunks, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                              uint32_t end)
{
    enum xet_share seen = seen_are(chunks, m, xorb, first, end);
    if (seen == XET_SHARE_HERE)
        return seen;
    uint32_t own = chunk_index_holds(m->file.own, xorb, first, end);
    if (own > 0)
        *chunks = own;
    if (own > 0 || seen == XET_SHARE_SETTLING)
        return own > 0 && !m->settling ? XET_SHARE_HERE : XET_SHARE_SETTLING;
    if (seen != XET_SHARE_NONE)
        return seen;
    uint32_t asked = asked_end(m->x, xorb, first);
    *chunks = MIN(asked, end) - first;
    return asked > first ? XET_SHARE_AWAITED : XET_SHARE_NONE;
}

enum xet_share xet_mates_have(uint32_t *chunks, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                              uint32_t end)
{
    enum xet_share best = XET_SHARE_NONE;
    *chunks = 0;
    for (const struct xet_mate *o = m && first < end ? m->of->first : NULL; o; o = o->next) {
        uint32_t n = 0;
        enum xet_share has = o == m || o->bad ? XET_SHARE_NONE : one_has(&n, o, xorb, first, end);
        if (has > best) {
            best = has;
            *chunks = n;
        }
    }
    return best;
}

/* ---- reading ---- */

static bool seen_piece(struct xet_mate_piece *out, const struct xet_mate *m, const struct xet_hash *xorb,
                       uint32_t first, uint32_t end)
{
    struct xet_seen_piece p;
    uint32_t chunks = 0;
    if (seen_are(&chunks, m, xorb, first, end) != XET_SHARE_HERE || !xet_seen_find(&p, m->seen, xorb, first, end))
        return false;
    const struct xet_seen_chunk *c = xet_seen_chunks(m->seen, xorb, first);
    out->from = p.from;
    out->chunks = MIN(chunks, XET_MATE_READ_CHUNKS);
    memcpy(out->chunk, c, out->chunks * sizeof *c);
    uint64_t at = p.from + c->bytes;
    if (in_hand(m, at)) { /* the first is one by itself: its end is copied now, for the block goes on */
        uint64_t begin = MAX(p.from, m->x->block_at);
        out->chunks = 1;
        out->tail_bytes = (uint32_t)(at - begin);
        out->tail = malloc(out->tail_bytes);
        if (out->tail)
            memcpy(out->tail, m->x->block + (begin - m->x->block_at), out->tail_bytes);
        return out->tail != NULL;
    }
    uint32_t n = 1; /* and those on the disk with it */
    while (n < out->chunks && !in_hand(m, at + c[n].bytes))
        at += c[n++].bytes;
    out->chunks = n;
    return true;
}

bool xet_mate_piece(struct xet_mate_piece *out, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                    uint32_t end)
{
    for (struct xet_mate *o = m ? m->of->first : NULL; o; o = o->next) {
        if (o == m || o->bad)
            continue;
        *out = (struct xet_mate_piece){ .mate = o };
        bool own = !o->settling && chunk_index_find(&out->hit, o->file.own, xorb, first);
        if (own)
            out->index = o->file.own;
        if (own || seen_piece(out, o, xorb, first, end)) {
            o->users++;
            return true;
        }
    }
    *out = (struct xet_mate_piece){ 0 };
    return false;
}

void xet_mate_piece_done(struct xet_mate_piece *p, bool right)
{
    struct xet_mate *m = p->mate;
    free(ptr_steal(&p->tail));
    m->bad |= !right;
    if (--m->users == 0 && !m->of)
        really_free(m);
}

int xet_mate_read(struct xet_mate_piece *p, uint8_t plain[XET_CHUNK_MAX], uint32_t *bytes, struct xet_hash *hash,
                  struct hfp_err *err)
{
    const struct xet_seen_chunk *c = &p->chunk[p->at];
    uint32_t on_disk = c->bytes - p->tail_bytes;
    int rc = on_disk > 0 ? io_pread_all(p->mate->file.fd, plain, on_disk, p->from, err) : HFP_OK;
    if (rc)
        return rc;
    if (p->tail)
        memcpy(plain + on_disk, p->tail, p->tail_bytes);
    xet_hash_chunk(hash, plain, c->bytes);
    if (memcmp(hash->bytes, c->check, sizeof c->check) != 0)
        return err_set(err, HFP_E_CORRUPT, "a chunk has changed on the disk");
    *bytes = c->bytes;
    p->from += c->bytes;
    p->at++;
    return HFP_OK;
}
