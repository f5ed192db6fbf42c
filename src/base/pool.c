#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Sources beyond these are the first of their jobs: 24 buffers serve the one file each of sixteen jobs. */
#define HELD_BACK_EASY 6

struct pool {
    unsigned buffers, mapped, idle, held_back;
    uint8_t *idle_buffer[];
};

int pool_new(struct pool **out, unsigned buffers, struct hfp_err *err)
{
    struct pool *p = calloc(1, sizeof *p + buffers * sizeof *p->idle_buffer);
    if (!p)
        return err_nomem(err);
    p->buffers = buffers;
    *out = p;
    return HFP_OK;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    assert(p->idle == p->mapped && p->held_back == 0);
    pool_rest(p);
    free(p);
}

void pool_rest(struct pool *p)
{
    for (; p->idle > 0; p->mapped--)
        munmap(p->idle_buffer[--p->idle], BLOCK_BYTES);
}

unsigned pool_free_count(const struct pool *p)
{
    return p->idle + (p->buffers - p->mapped);
}

unsigned pool_taken(const struct pool *p)
{
    return p->mapped - p->idle;
}

bool pool_has(const struct pool *p, enum pool_use use)
{
    unsigned leave = use == POOL_OUTPUT ? 0 : use == POOL_HEAD ? p->held_back : p->held_back + POOL_RESERVED;
    return pool_free_count(p) > leave;
}

void pool_hold_back(struct pool *p, int change)
{
    p->held_back = (unsigned)((int)p->held_back + change);
}

bool pool_can_hold_back(const struct pool *p, bool first)
{
    return pool_has(p, POOL_ANY) && (first || p->held_back < HELD_BACK_EASY);
}

uint8_t *pool_get(struct pool *p, enum pool_use use)
{
    if (!pool_has(p, use))
        return NULL;
    if (p->idle > 0)
        return p->idle_buffer[--p->idle];
    void *b = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        return NULL; /* waits as if all were taken: memory may come back */
    p->mapped++;
    return b;
}

void pool_put(struct pool *p, uint8_t *buffer)
{
    if (!buffer)
        return;
    assert(p->idle < p->mapped);
    p->idle_buffer[p->idle++] = buffer;
}
