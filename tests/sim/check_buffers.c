#include "engine/blob.h"
#include "transfer/internal.h"

#include "sim.h"

/* Invariant 14: what is kept for the hash never leaves the head of a file without a buffer for longer than a moment.
 *
 * Seen red on purpose: nothing given back when the front is late (seed 358); a kept buffer that is counted for ever
 * (seed 25). */
#define MOMENT_NS (2500 * NS_PER_MS) /* what keeping.c gives a front whose block is being written, and some work */

static bool head_starves(const struct transfer *t)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        const struct runner *r = &t->runner[i];
        if (r->state != RUN_IDLE && r->held == HELD_BUFFER && r->segment && segment_is_head(r->segment))
            return true;
    }
    return false;
}

void check_buffers(const struct core *c)
{
    unsigned kept = 0, lent = 0, writes = 0, taken = pool_taken(c->pool);
    for (const struct job *job = c->jobs; job; job = job->next)
        for (const struct blob *b = job->blobs; b; b = b->next) {
            kept += b->kept_count;
            lent += b->lent;
            writes += b->writes;
        }
    if (taken > POOL_BUFFERS || kept + writes > taken || c->kept < kept || c->kept > kept + writes)
        sim_fail("P5: %u buffers taken of %d: %u kept of %u promised, %u being written", taken, POOL_BUFFERS, kept,
                 c->kept, writes);
    sim->dry |= !pool_has(c->pool, POOL_ANY);
    if (kept == lent || !head_starves(c->transfer) || pool_free_count(c->pool) > 0)
        sim->starves_ns = UINT64_MAX;
    else
        sim->starves_ns = MIN(sim->starves_ns, sim->now_ns);
    if (sim->starves_ns < sim->now_ns && sim->now_ns - sim->starves_ns > MOMENT_NS)
        sim_fail("P3: the head waits for a buffer, and %u are kept behind it", kept - lent);
}
