#include "transfer/xet_seen.h"

#include "base/auto.h"

#include <stdlib.h>
#include <string.h>

/* No two runs have a chunk in common. */
struct run {
    struct xet_hash xorb;
    uint32_t first, count;
    uint64_t at;    /* in the file, of first */
    uint32_t chunk; /* index, of first */
};

struct xet_seen {
    struct run *run; /* by xorb and first */
    uint32_t runs, run_room;
    struct xet_seen_chunk *chunk;
    uint32_t chunks, chunk_room;
    uint32_t last;    /* the run that was added to last: its chunks are the last ones */
    uint64_t last_at; /* where the chunk behind it would go */
};

struct xet_seen *xet_seen_new(void)
{
    return calloc(1, sizeof(struct xet_seen));
}

void xet_seen_clear(struct xet_seen *s)
{
    if (s)
        s->runs = s->chunks = 0;
}

void xet_seen_free(struct xet_seen *s)
{
    if (!s)
        return;
    free(s->run);
    free(s->chunk);
    free(s);
}

/* How many runs begin at or before it. */
static uint32_t runs_before(const struct xet_seen *s, const struct xet_hash *xorb, uint32_t index)
{
    uint32_t low = 0, high = s->runs;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct run *r = &s->run[middle];
        int order = memcmp(r->xorb.bytes, xorb->bytes, XET_HASH_BYTES);
        if (order < 0 || (order == 0 && r->first <= index))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct run *run_with(const struct xet_seen *s, const struct xet_hash *xorb, uint32_t index)
{
    uint32_t before = s ? runs_before(s, xorb, index) : 0;
    const struct run *r = before ? &s->run[before - 1] : NULL;
    return r && xet_hash_equal(&r->xorb, xorb) && index - r->first < r->count ? r : NULL;
}

/* The array with room for one more; NULL: it is full, or there is no memory. */
static void *grown(void *array, uint32_t n, uint32_t *room, uint32_t most, size_t size)
{
    if (n < *room)
        return array;
    uint32_t more = MIN(MAX(64, *room * 2), most);
    void *bigger = n < most ? realloc(array, more * size) : NULL;
    *room = bigger ? more : *room;
    return bigger;
}

static bool make_room(struct xet_seen *s)
{
    struct run *run = grown(s->run, s->runs, &s->run_room, XET_SEEN_RUNS_MAX, sizeof *run);
    s->run = run ? run : s->run;
    struct xet_seen_chunk *chunk = grown(s->chunk, s->chunks, &s->chunk_room, XET_SEEN_CHUNKS_MAX, sizeof *chunk);
    s->chunk = chunk ? chunk : s->chunk;
    return run && chunk;
}

void xet_seen_add(struct xet_seen *s, const struct xet_hash *xorb, uint32_t index, uint64_t at,
                  const struct xet_seen_chunk *chunk)
{
    if (!s || run_with(s, xorb, index))
        return;
    if (!make_room(s)) {
        xet_seen_clear(s);
        return;
    }
    struct run *last = s->runs ? &s->run[s->last] : NULL;
    if (last && index == last->first + last->count && at == s->last_at && xet_hash_equal(&last->xorb, xorb)) {
        last->count++;
    } else {
        s->last = runs_before(s, xorb, index);
        memmove(s->run + s->last + 1, s->run + s->last, (s->runs - s->last) * sizeof *s->run);
        s->run[s->last] = (struct run){ .xorb = *xorb, .first = index, .count = 1, .at = at, .chunk = s->chunks };
        s->runs++;
    }
    s->chunk[s->chunks++] = *chunk;
    s->last_at = at + chunk->bytes;
}

bool xet_seen_find(struct xet_seen_piece *out, const struct xet_seen *s, const struct xet_hash *xorb, uint32_t first,
                   uint32_t end)
{
    const struct run *r = run_with(s, xorb, first);
    if (!r || first >= end)
        return false;
    const struct xet_seen_chunk *chunk = s->chunk + r->chunk;
    uint64_t from = r->at, bytes = 0;
    for (uint32_t i = r->first; i < first; i++)
        from += (chunk++)->bytes;
    uint32_t chunks = MIN(end, r->first + r->count) - first;
    for (uint32_t i = 0; i < chunks; i++)
        bytes += (chunk++)->bytes;
    *out = (struct xet_seen_piece){ from, bytes, chunks };
    return true;
}

const struct xet_seen_chunk *xet_seen_chunks(const struct xet_seen *s, const struct xet_hash *xorb, uint32_t first)
{
    const struct run *r = run_with(s, xorb, first);
    return r ? s->chunk + r->chunk + (first - r->first) : NULL;
}
