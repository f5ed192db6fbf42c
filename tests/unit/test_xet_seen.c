/* Where chunks went: what was put in is found, in runs as long as the file and the xorb agree; a chunk stays where it went first;
 * nothing is found that was not put in; when it is full all is forgotten and it goes on.
 *
 * Seen red on purpose: a run that goes on over a gap in the file; a chunk known twice; lengths counted from the run's second
 * chunk. */
#include "transfer/xet_seen.h"

#include "tap.h"

#define BYTES(i) (1000u + (i) % 7u)

static struct xet_hash xorb(unsigned n)
{
    return (struct xet_hash){ { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16) } };
}

static uint64_t add(struct xet_seen *s, unsigned x, uint32_t first, uint32_t end, uint64_t at)
{
    struct xet_hash h = xorb(x);
    for (uint32_t i = first; i < end; i++) {
        struct xet_hash own = xorb(i);
        struct xet_seen_chunk c = xet_seen_chunk(BYTES(i), &own);
        xet_seen_add(s, &h, i, at, &c);
        at += BYTES(i);
    }
    return at;
}

static uint64_t length(uint32_t first, uint32_t end)
{
    uint64_t bytes = 0;
    for (uint32_t i = first; i < end; i++)
        bytes += BYTES(i);
    return bytes;
}

static bool finds(const struct xet_seen *s, unsigned x, uint32_t first, uint32_t end, uint64_t from, uint32_t chunks)
{
    struct xet_hash h = xorb(x);
    struct xet_seen_piece p = { 0 };
    bool found = xet_seen_find(&p, s, &h, first, end);
    if (chunks == 0)
        return !found;
    const struct xet_seen_chunk *c = xet_seen_chunks(s, &h, first);
    for (uint32_t i = first; found && i < first + chunks; i++, c++) {
        struct xet_hash own = xorb(i);
        found = c->bytes == BYTES(i) && memcmp(c->check, own.bytes, XET_CHECK_BYTES) == 0;
    }
    return found && p.from == from && p.chunks == chunks && p.bytes == length(first, first + chunks);
}

int main(void)
{
    struct xet_seen *s = xet_seen_new();
    CHECK(finds(s, 1, 0, 1, 0, 0) && finds(NULL, 1, 0, 1, 0, 0), "nothing is known at first");
    uint64_t end = add(s, 1, 10, 40, 500);
    CHECK(finds(s, 1, 10, 40, 500, 30) && finds(s, 1, 20, 25, 500 + length(10, 20), 5) &&
              finds(s, 1, 39, 60, end - BYTES(39), 1),
          "a run is found from its beginning, in its middle and at its end");
    CHECK(finds(s, 1, 9, 12, 0, 0) && finds(s, 1, 40, 41, 0, 0) && finds(s, 2, 10, 11, 0, 0), "and nothing beside it");
    end = add(s, 0, 0, 5, end);
    add(s, 1, 40, 44, end);
    CHECK(finds(s, 1, 38, 44, 500 + length(10, 38), 2) && finds(s, 1, 40, 44, end, 4),
          "what goes on after other chunks is a run of its own");
    add(s, 3, 0, 2, 100000);
    add(s, 3, 2, 4, 200000);
    CHECK(finds(s, 3, 0, 4, 100000, 2) && finds(s, 3, 2, 4, 200000, 2),
          "and so is what goes on in the xorb and not in the file");
    add(s, 1, 5, 20, 900000);
    CHECK(finds(s, 1, 5, 20, 900000, 5) && finds(s, 1, 10, 12, 500, 2), "a chunk stays where it went first");
    for (unsigned i = 0; i < XET_SEEN_RUNS_MAX; i++)
        add(s, 10 + i % 4096, 2 * (i / 4096), 2 * (i / 4096) + 1, 1000000 + 2000 * i);
    CHECK(finds(s, 1, 10, 40, 0, 0), "when it is full all is forgotten");
    add(s, 1, 0, 3, 7);
    CHECK(finds(s, 1, 1, 3, 7 + BYTES(0), 2), "and it goes on");
    xet_seen_clear(s);
    CHECK(finds(s, 1, 0, 3, 0, 0), "nothing is known once it is cleared");
    xet_seen_free(s);
    xet_seen_free(NULL);
    return tap_end();
}
