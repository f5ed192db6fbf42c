#define HFP_TESTS_SIM_MEMORY
#include "outside.h"

#include "sim.h"

#include "base/block.h"
#include "base/pool.h"

#include <errno.h>
#include <malloc.h>

/* P5, judged from outside: block buffers are what the library maps, the rest is its heap. What it may need does not depend
 * on the size of a file beyond a few bytes a block: the transfer with its slots and tables, and for each job its listing,
 * plan, tasks and contents under way. The worst seen in 300,000 worlds is in docs/reliability.md. */
#define HEAP_FIXED_MAX (2048u << 10)
#define HEAP_JOB_MAX (1024u << 10)
#define HEAP_XET_MAX (3072u << 10) /* and so much for each job that decodes: three files, each with its decoder */

static size_t held, most;
static unsigned buffers, spare_count;
static void *spare[POOL_BUFFERS];

static void count(void *p)
{
    held += p ? malloc_usable_size(p) : 0;
    if (held <= most)
        return;
    most = held;
    if (sim && held > HEAP_FIXED_MAX + sim->jobs * (size_t)(HEAP_JOB_MAX + (sim->faults.xet ? HEAP_XET_MAX : 0)))
        sim_fail("P5: %zu bytes of heap for %u jobs", held, sim->jobs);
}

void *sim_malloc(size_t n)
{
    void *p = malloc(n);
    count(p);
    return p;
}

void *sim_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    count(p);
    return p;
}

void *sim_realloc(void *old, size_t n)
{
    held -= old ? malloc_usable_size(old) : 0;
    void *p = realloc(old, n);
    count(p);
    return p;
}

char *sim_strdup(const char *s)
{
    char *p = strdup(s);
    count(p);
    return p;
}

void sim_release(void *p)
{
    held -= p ? malloc_usable_size(p) : 0;
    free(p);
}

void *sim_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    (void)at, (void)prot, (void)flags, (void)fd, (void)offset;
    if (n != BLOCK_BYTES || ++buffers > POOL_BUFFERS)
        sim_fail("P5: %u block buffers at once, one of %zu bytes", buffers, n);
    return spare_count > 0 ? spare[--spare_count] : aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
}

int sim_munmap(void *p, size_t n)
{
    (void)n;
    buffers--;
    if (spare_count < POOL_BUFFERS)
        spare[spare_count++] = p;
    else
        free(p);
    return 0;
}

int sim_eventfd(unsigned start, int flags)
{
    (void)start, (void)flags;
    return 1 << 20; /* no descriptor of this process */
}

ssize_t sim_read(int fd, void *buf, size_t n)
{
    (void)fd, (void)buf, (void)n;
    errno = EAGAIN;
    return -1;
}

ssize_t sim_write(int fd, const void *buf, size_t n)
{
    (void)fd, (void)buf;
    return (ssize_t)n;
}

void memory_begins(void)
{
    held = most = 0;
}

void memory_ends(void)
{
    sim_trace("heap: at most %zu bytes", most);
    if (!sim->failed && (held != 0 || buffers != 0))
        sim_fail("P5: %zu bytes and %u buffers never given back", held, buffers);
}
