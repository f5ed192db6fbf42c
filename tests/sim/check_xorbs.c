#include "sim.h"

#include "base/auto.h"
#include "xet/reconstruction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* P2 for the Xet store: what several places need is fetched once for all of them, and nothing that was recorded is fetched
 * again. Judged in worlds that share chunks and have nothing that is a reason to ask again; of the reasons that ARCHITECTURE.md
 * names ("Two sources of blocks") these worlds have two, and both follow from the plan:
 *
 *   - A term of which something is known and not all of it, may bring that again: what is known stands behind chunks of its
 *     own, or is too little at its head. So a term that any other one overlaps without containing it may bring its chunks for
 *     itself. The CAS cuts terms at the ends of what is asked for: of slices, and behind a kill of what was recorded.
 *   - A file of one block shares with nobody but itself.
 *
 * All other terms bring theirs once, together. Behind a kill that interrupted a file only this is judged: what is needed in
 * no missing block does not come. For of its copies (cache/chunks.h) and at the edges of what is recorded too little is known. */

#define PLACES_MAX 8192
#define ANY_TIMES 1000000u

/* A term, as it is asked for in one piece. */
struct place {
    unsigned xorb, start, end;
};

struct places {
    struct place *place;
    unsigned n;
};

static struct sim_chunk *chunk_of(unsigned xorb, unsigned k)
{
    return &sim->file[xorb].xorb.chunk[k];
}

static bool recorded(const struct sim_file *f, unsigned repo, uint64_t first, uint64_t end)
{
    for (uint64_t b = first / BLOCK_BYTES; b * BLOCK_BYTES < end; b++)
        if (f->right[repo] || f->recorded[repo][b])
            return true;
    return false;
}

static void mark_known(const struct sim_file *f, unsigned repo)
{
    uint64_t at = 0;
    for (unsigned i = 0; i < f->terms; i++)
        for (unsigned k = f->term[i].start; k < f->term[i].end; k++) {
            struct sim_chunk *c = chunk_of(f->term[i].xorb, k);
            c->known |= recorded(f, repo, at, at + c->bytes);
            at += c->bytes;
        }
}

/* The terms of first .. end-1, cut to it; where the last chunk of them ends. */
static uint64_t add_slice(struct places *out, const struct sim_file *f, uint64_t first, uint64_t end)
{
    uint64_t at = 0;
    for (unsigned i = 0; i < f->terms && at < end; i++) {
        struct place p = { f->term[i].xorb, 0, 0 };
        for (unsigned k = f->term[i].start; k < f->term[i].end && at < end; k++) {
            at += chunk_of(p.xorb, k)->bytes;
            if (at <= first)
                continue;
            p.start = p.end ? p.start : k;
            p.end = k + 1;
        }
        if (p.end && out->n < PLACES_MAX)
            out->place[out->n++] = p;
    }
    return at;
}

static void add_file(struct places *out, const struct sim_file *f, unsigned repo)
{
    uint64_t blocks = blocks_of(f->size_bytes);
    for (uint64_t b = 0; b < blocks; b++) {
        if (f->recorded[repo][b])
            continue;
        uint64_t at = b * BLOCK_BYTES;
        while (b + 1 < blocks && !f->recorded[repo][b + 1])
            b++;
        for (uint64_t end = MIN((b + 1) * BLOCK_BYTES, f->size_bytes); at < end;)
            at = add_slice(out, f, at, MIN(end, at + RECONSTRUCTION_SLICE_BYTES));
    }
}

/* All of it is known or nothing, whatever came before. */
static bool is_whole(const struct places *of, const struct place *p)
{
    for (unsigned k = p->start; k < p->end; k++)
        if (chunk_of(p->xorb, k)->known)
            return false;
    for (unsigned i = 0; i < of->n; i++) {
        const struct place *q = &of->place[i];
        bool apart = q->xorb != p->xorb || q->end <= p->start || p->end <= q->start;
        if (!apart && (q->start > p->start || q->end < p->end))
            return false;
    }
    return true;
}

static bool interrupted(const struct sim_file *f, unsigned repo)
{
    return !f->right[repo] && memchr(f->recorded[repo], true, (size_t)blocks_of(f->size_bytes)) != NULL;
}

/* What these may bring, together. */
static void allow(const struct places *of)
{
    bool *together[SIM_FILES_MAX] = { 0 };
    for (unsigned i = 0; i < sim->files; i++)
        together[i] = calloc(sim->file[i].xorb.chunks + 1, sizeof(bool));
    for (unsigned i = 0; i < of->n; i++) {
        const struct place *p = &of->place[i];
        bool whole = is_whole(of, p);
        for (unsigned k = p->start; k < p->end; k++) {
            chunk_of(p->xorb, k)->may += !whole || !together[p->xorb][k];
            together[p->xorb][k] |= whole;
        }
    }
    for (unsigned i = 0; i < sim->files; i++)
        free(together[i]);
}

static void allow_any(void)
{
    for (unsigned i = 0; i < sim->files; i++)
        for (unsigned k = 0; k < sim->file[i].xorb.chunks; k++)
            chunk_of(i, k)->may *= ANY_TIMES;
}

static void forget(void)
{
    for (unsigned i = 0; i < sim->files; i++)
        for (unsigned k = 0; k < sim->file[i].xorb.chunks; k++) {
            struct sim_chunk *c = chunk_of(i, k);
            c->may = 0;
            c->known = false;
            c->came_bytes = 0;
        }
}

static bool listed(const struct sim_tree *t, const struct sim_file *f)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->entry[i].file == f)
            return true;
    return false;
}

void check_xorbs_begin(void)
{
    const struct sim_tree *t = &sim->tree[sim->job[0].tree]; /* the only job */
    struct places large = { .place = calloc(PLACES_MAX, sizeof *large.place) };
    forget();
    for (unsigned i = 0; sim->shares && i < sim->files; i++)
        mark_known(&sim->file[i], t->repo);
    for (unsigned i = 0; sim->shares && i < sim->files; i++) {
        const struct sim_file *f = &sim->file[i];
        if (!f->xet || f->right[t->repo] || !listed(t, f))
            continue;
        if (f->size_bytes > BLOCK_BYTES) {
            add_file(&large, f, t->repo);
            continue;
        }
        struct places small = { .place = calloc(f->terms + 1, sizeof *small.place) };
        add_file(&small, f, t->repo);
        allow(&small);
        free(small.place);
    }
    allow(&large);
    free(large.place);
    bool any = false;
    for (unsigned i = 0; i < sim->files; i++)
        any |= interrupted(&sim->file[i], t->repo);
    if (any)
        allow_any();
}

static const char *etag_of(const struct sim_xorb *o)
{
    return container_of(o, struct sim_file, xorb)->etag;
}

void check_xorb_taken(struct sim_xorb *o, uint64_t at, uint64_t n)
{
    if (!sim->shares || sim->torn)
        return;
    for (unsigned k = 0; k < o->chunks && n > 0; k++) {
        struct sim_chunk *c = &o->chunk[k];
        uint64_t end = k + 1 < o->chunks ? c[1].at : o->n;
        if (end <= at)
            continue;
        uint64_t bytes = MIN(n, end - at);
        c->came_bytes += bytes;
        at += bytes;
        n -= bytes;
        if (c->came_bytes > c->may * (end - c->at))
            sim_fail("P2: chunk %u of the xorb of %.12s may come %u times, and comes once more", k, etag_of(o), c->may);
    }
}
