#include "transfer/internal.h"

#include "base/auto.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* A connection that gives a few bytes and dies must not be asked again in a tight loop: at most five times a second. */
#define RESTART_NS (200 * NS_PER_MS)

static const uint8_t segment_next[SEG_STATES][SEGEV_COUNT] = {
    [SEG_WAIT] = { [SEGEV_START] = SEG_RUN, [SEGEV_FULL] = SEG_DONE },
    [SEG_RUN] = { [SEGEV_START] = SEG_RUN, [SEGEV_LOST] = SEG_WAIT, [SEGEV_FULL] = SEG_DONE },
};

void segment_move(struct segment *s, enum segment_event ev)
{
    static const char *const names[SEG_STATES] = { "none", "wait", "run", "done" };
    enum segment_state to = segment_next[s->state][ev];
    assert(to != SEG_NONE);
    log_trace(s->fetch->group->transfer->config.log, "segment %" PRIu64 "-%" PRIu64 " of %s: %s -> %s", s->pos, s->end,
              s->fetch->path, names[s->state], names[to]);
    s->state = to;
}

bool segment_is_head(const struct segment *s)
{
    const struct fetch *f = s->fetch;
    for (const struct fetch *e = f->group->fetches; e != f; e = e->next)
        if (e->segments)
            return false;
    return f->segments == s;
}

/* The reserved buffers are for what is waited for. Of a range that is decoded that is the block it is decoded from
 * next: what follows would fill the buffers with stored bytes, and leave one of them at a time for what becomes of
 * those. */
enum pool_use segment_use(const struct segment *s)
{
    const struct fetch *f = s->fetch;
    bool waited_for = segment_is_head(s) && (!f->is_signed || s->pos / BLOCK <= f->front);
    return waited_for ? POOL_HEAD : POOL_ANY;
}

/* Is there a buffer for n more bytes? The block in hand may fill up inside them and another be begun. */
bool segment_room(struct segment *s, uint64_t n)
{
    struct transfer *t = s->fetch->group->transfer;
    enum pool_use use = segment_use(s);
    n = MIN(n, s->end - s->pos);
    if (n == 0)
        return true;
    if (!s->buf && !(s->buf = pool_get(t->config.pool, use)))
        return false;
    uint64_t room = BLOCK - s->pos % BLOCK;
    if (n > room && !s->spare)
        s->spare = pool_get(t->config.pool, use);
    return n <= room || s->spare;
}

static void segment_deliver(struct segment *s, uint16_t peer)
{
    struct fetch *f = s->fetch;
    uint64_t index = (s->pos - 1) / BLOCK;
    uint8_t *buf = ptr_steal(&s->buf);
    f->events.block(f->events.ctx, index, buf, (size_t)(s->pos - index * BLOCK), peer);
}

/* The room was checked before. Bytes beyond the segment's end are not looked at. */
void segment_take(struct segment *s, struct runner *r, const uint8_t *bytes, size_t n)
{
    struct fetch *f = s->fetch;
    while (n > 0 && s->pos < s->end) {
        if (!s->buf)
            s->buf = ptr_steal(&s->spare); /* segment_room put it there */
        assert(s->buf);
        uint64_t fill = s->pos % BLOCK;
        size_t k = (size_t)MIN(MIN(BLOCK - fill, s->end - s->pos), n);
        memcpy(s->buf + fill, bytes, k);
        bytes += k;
        n -= k;
        s->pos += k;
        if (!f->uncounted && s->pos > s->counted) {
            f->group->stats.received_bytes += s->pos - s->counted;
            s->counted = s->pos;
        }
        if (s->pos % BLOCK == 0 || s->pos == f->size_bytes)
            segment_deliver(s, r->peer);
    }
    s->attempt = 0;
    s->series_ns = 0;
}

/* When may it be asked for again, after a request that brought nothing? */
static void segment_back_off(struct segment *s, uint64_t now_ns)
{
    struct transfer *t = s->fetch->group->transfer;
    struct patience *p = s->fetch->group->patience;
    if (s->attempt == 0)
        s->series_ns = now_ns;
    s->attempt++;
    if (s->attempt <= RETRY_ATTEMPTS)
        s->not_before_ns = now_ns + retry_delay_ns(s->attempt, random_next(&t->random));
    else if (p->last_progress_ns >= s->series_ns) { /* others progress: the line lives, keep knocking */
        s->not_before_ns = now_ns + retry_delay_ns(RETRY_ATTEMPTS, random_next(&t->random));
        s->series_ns = now_ns; /* but when they are through, what they did is no reason to knock for ever */
    } else
        s->exhausted = true;
}

void segment_lost(struct segment *s, struct runner *r, const struct hfp_err *err)
{
    struct transfer *t = s->fetch->group->transfer;
    uint64_t now_ns = transfer_now(t);
    if (s->run[0] == r) {
        s->run[0] = s->run[1];
        s->run[1] = NULL;
    } else if (s->run[1] == r) {
        s->run[1] = NULL;
    }
    r->segment = NULL;
    s->lost_peer = err ? r->peer : 0;
    if (s->run[0]) { /* the other one goes on; a second that fails at once is not sent out again at once */
        s->not_before_ns = now_ns + retry_delay_ns(RETRY_ATTEMPTS, random_next(&t->random));
        return;
    }
    segment_move(s, SEGEV_LOST);
    s->not_before_ns = r->bytes > 0 ? MAX(now_ns, r->start_ns + RESTART_NS) : now_ns;
    if (err && r->bytes == 0)
        segment_back_off(s, now_ns);
}

/* Out of the fetch's list; nothing runs for it any more. */
void segment_remove(struct segment *s)
{
    struct fetch *f = s->fetch;
    for (struct segment **at = &f->segments; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    transfer_give_back(f->group->transfer, s->buf);
    transfer_give_back(f->group->transfer, s->spare);
    free(s);
}

/* The bytes of the block in hand are asked for again; they were counted and are not counted twice. */
bool segment_rewind(struct segment *s)
{
    if (!s->buf)
        return false;
    transfer_give_back(s->fetch->group->transfer, ptr_steal(&s->buf));
    s->pos = s->pos / BLOCK * BLOCK;
    return true;
}

/* For servers that know no ranges: each request brings the file from its first byte on, so one has to do. */
void segment_absorb(struct segment *s)
{
    struct segment *n;
    while ((n = s->next) && n->pos == s->end && n->state == SEG_WAIT && !n->buf && n->counted <= n->pos) {
        s->end = n->end;
        segment_remove(n);
    }
}

bool segment_splits(const struct segment *s)
{
    return blocks_up(s->end) > s->pos / BLOCK + 2; /* the block in hand stays, and there are two more */
}

/* The second half becomes a segment of its own; NULL when there is nothing worth splitting. */
struct segment *segment_split(struct segment *s, uint64_t now_ns)
{
    if (!segment_splits(s))
        return NULL;
    uint64_t first_block = s->pos / BLOCK + 1;
    uint64_t end_block = blocks_up(s->end);
    uint64_t middle = first_block + (end_block - first_block) / 2;
    struct segment *half = calloc(1, sizeof *half);
    if (!half)
        return NULL;
    *half = (struct segment){ .fetch = s->fetch,
                              .next = s->next,
                              .state = SEG_WAIT,
                              .pos = middle * BLOCK,
                              .end = s->end,
                              .counted = middle * BLOCK,
                              .not_before_ns = now_ns,
                              .avoid = s->avoid };
    s->next = half;
    s->end = middle * BLOCK;
    return half;
}
