/* The walk through a reconstruction: each chunk is fetched once, and nothing that is fetched has to wait in memory.
 *
 * Seen red on purpose: a gap in a range walked over; two terms of a range with another between them taken as a stream;
 * the rest of a range nobody uses forgotten; a held term that ends a
 * stream, and one that does not though the rest of it is asked for; the first chunks of a term not counted from its beginning; the middle of a term, chunks of two of them and of
 * earlier answers not known as repeats. */
#include "transfer/xet_steps.h"

#include "base/auto.h"
#include "tap.h"

#include <stdlib.h>

#define CHUNK 1000u /* bytes of each chunk in these rows */
#define MOST 8

struct piece {
    uint32_t fetch, start, end;
};

static const struct {
    const char *name;
    uint32_t fetch_end[MOST]; /* each fetch is [0, end) of its own xorb; 0: no more */
    struct piece term[MOST];  /* end 0: no more */
    const char *kinds;        /* T take, C copy, A ask, H held; c, h: partly; one each */
    const char *edges;        /* per step: o opens, c closes, b both, - neither */
    struct piece here;        /* chunks of the xorb of that fetch that lie in files here */
    struct piece before;      /* and those that went into this file before */
} rows[] = {
    { "a fresh file: whole xorbs, one after another",
      { 10, 7 },
      { { 0, 0, 10 }, { 1, 0, 7 } },
      "TT",
      "bb",
      { 0 },
      { 0 } },
    { "two terms that follow one another in a range are one stream",
      { 10 },
      { { 0, 0, 4 }, { 0, 4, 10 } },
      "TT",
      "oc",
      { 0 },
      { 0 } },
    { "what went out before is copied", { 10 }, { { 0, 0, 10 }, { 0, 0, 10 } }, "TC", "b-", { 0 }, { 0 } },
    { "the beginning of it too", { 10, 3 }, { { 1, 0, 3 }, { 0, 0, 10 }, { 0, 0, 2 } }, "TTC", "bb-", { 0 }, { 0 } },
    { "and its end", { 10 }, { { 0, 0, 10 }, { 0, 7, 10 } }, "TC", "b-", { 0 }, { 0 } },
    { "and its middle", { 10 }, { { 0, 0, 10 }, { 0, 3, 5 } }, "TC", "b-", { 0 }, { 0 } },
    { "a copy does not interrupt a stream",
      { 10 },
      { { 0, 0, 4 }, { 0, 0, 4 }, { 0, 4, 10 } },
      "TCT",
      "o-c",
      { 0 },
      { 0 } },
    { "another range does", { 10, 2 }, { { 0, 0, 4 }, { 1, 0, 2 }, { 0, 4, 10 } }, "ATA", "-b-", { 0 }, { 0 } },
    { "chunks used in another order are asked for", { 10 }, { { 0, 5, 10 }, { 0, 0, 5 } }, "AA", "--", { 0 }, { 0 } },
    { "of terms that overlap the second is copied and then asked for",
      { 10 },
      { { 0, 0, 6 }, { 0, 4, 10 } },
      "Ac",
      "--",
      { 0 },
      { 0 } },
    { "a range that is not used to its end is asked for",
      { 10, 2 },
      { { 0, 0, 6 }, { 1, 0, 2 } },
      "AT",
      "-b",
      { 0 },
      { 0 } },
    { "a gap in the middle of it too", { 10 }, { { 0, 0, 4 }, { 0, 6, 10 } }, "AA", "--", { 0 }, { 0 } },
    { "a copy of what is asked for is still a copy",
      { 10, 2 },
      { { 0, 0, 6 }, { 1, 0, 2 }, { 0, 0, 6 } },
      "ATC",
      "-b-",
      { 0 },
      { 0 } },
    { "the only term is taken, whatever else its range holds", { 10 }, { { 0, 2, 6 } }, "T", "b", { 0 }, { 0 } },
    { "what is here is not fetched", { 10, 7 }, { { 0, 0, 10 }, { 1, 0, 7 } }, "HT", "-b", { 0, 0, 10 }, { 0 } },
    { "nor the only term", { 10 }, { { 0, 2, 6 } }, "H", "-", { 0, 2, 6 }, { 0 } },
    { "it does not interrupt a stream",
      { 10, 5 },
      { { 1, 0, 2 }, { 0, 0, 4 }, { 1, 2, 5 }, { 0, 4, 10 } },
      "THTH",
      "o-c-",
      { 0, 0, 10 },
      { 0 } },
    { "but the question for the rest of it does",
      { 20, 5 },
      { { 1, 0, 2 }, { 0, 0, 20 }, { 1, 2, 5 } },
      "AhA",
      "---",
      { 0, 0, 16 },
      { 0 } },
    { "a range of which a part is here is asked for",
      { 10, 2 },
      { { 0, 0, 4 }, { 1, 0, 2 }, { 0, 4, 10 } },
      "HTA",
      "-b-",
      { 0, 0, 4 },
      { 0 } },
    { "a few chunks of a term are not worth a question",
      { 20, 2 },
      { { 0, 0, 20 }, { 1, 0, 2 } },
      "TT",
      "bb",
      { 0, 0, 15 },
      { 0 } },
    { "so many are, and the rest is asked for",
      { 20, 2 },
      { { 0, 0, 20 }, { 1, 0, 2 } },
      "hT",
      "-b",
      { 0, 0, 16 },
      { 0 } },
    { "a term whose first chunk is not here is fetched",
      { 20, 2 },
      { { 0, 0, 20 }, { 1, 0, 2 } },
      "TT",
      "bb",
      { 0, 1, 20 },
      { 0 } },
    { "chunks of two terms are copied",
      { 10, 2 },
      { { 0, 0, 5 }, { 0, 5, 10 }, { 1, 0, 2 }, { 0, 3, 8 } },
      "TTTC",
      "ocb-",
      { 0 },
      { 0 } },
    { "what an earlier answer put out is copied",
      { 10, 7 },
      { { 0, 0, 10 }, { 1, 0, 7 } },
      "CT",
      "-b",
      { 0 },
      { 0, 0, 10 } },
    { "its rest is asked for where that is worth a question",
      { 40, 7 },
      { { 0, 0, 40 }, { 1, 0, 7 } },
      "cT",
      "-b",
      { 0 },
      { 0, 0, 16 } },
    { "and else all of it comes again", { 40, 7 }, { { 0, 0, 40 }, { 1, 0, 7 } }, "TT", "bb", { 0 }, { 0, 0, 15 } },
    { "a repeat is copied although it is held", { 10 }, { { 0, 0, 10 } }, "C", "-", { 0, 0, 10 }, { 0, 0, 10 } },
    { "the only term begins in what is known, and is taken", { 10 }, { { 0, 0, 10 } }, "T", "b", { 0 }, { 0, 0, 5 } },
};

static uint32_t in(const struct piece *p, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    return xorb->bytes[0] == p->fetch && first >= p->start && first < p->end ? MIN(end, p->end) - first : 0;
}

static uint32_t held(const void *row, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    return in(&rows[*(const unsigned *)row].here, xorb, first, end);
}

static uint32_t repeated(const void *row, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    return in(&rows[*(const unsigned *)row].before, xorb, first, end);
}

int main(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct reconstruction_fetch fetch[MOST] = { 0 };
        struct reconstruction_term term[MOST] = { 0 };
        struct reconstruction r = { .terms = term, .fetches = fetch };
        for (; r.fetch_count < MOST && rows[i].fetch_end[r.fetch_count]; r.fetch_count++)
            fetch[r.fetch_count].chunk_end = rows[i].fetch_end[r.fetch_count];
        uint64_t at = 0;
        for (; r.term_count < MOST && rows[i].term[r.term_count].end; r.term_count++) {
            const struct piece *p = &rows[i].term[r.term_count];
            uint32_t bytes = (p->end - p->start) * CHUNK;
            term[r.term_count] = (struct reconstruction_term){ .file_offset = at,
                                                               .xorb = { { (uint8_t)p->fetch } },
                                                               .chunk_start = p->start,
                                                               .chunk_end = p->end,
                                                               .unpacked_bytes = bytes,
                                                               .fetch = p->fetch };
            at += bytes;
        }
        struct hfp_err err;
        AUTO_FREE struct xet_step *steps = NULL;
        struct xet_here here = { rows[i].here.end ? held : NULL, rows[i].before.end ? repeated : NULL, &i };
        int rc = xet_steps_new(&steps, &r, &here, &err);
        bool kinds = rc == HFP_OK, edges = kinds;
        for (unsigned k = 0; kinds && k < r.term_count; k++) {
            kinds = (steps[k].partly ? "tcah" : "TCAH")[steps[k].kind] == rows[i].kinds[k];
            edges &= "-ocb"[steps[k].opens + 2 * steps[k].closes] == rows[i].edges[k];
        }
        CHECK(kinds, "%s", rows[i].name);
        CHECK(edges, "%s: where ranges begin and end", rows[i].name);
    }
    return tap_end();
}
