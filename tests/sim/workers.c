#include "sim.h"

#include <stdlib.h>

/* Tasks take simulated time, so completions of one lane overtake one another as threads would let them. */

struct job_slot {
    struct task *task;
    struct workers *workers;
};

struct workers {
    struct work base;
    struct task *finished, **tail;
    unsigned busy;
};

static void finish(void *arg)
{
    struct job_slot *s = arg;
    struct workers *w = s->workers;
    s->task->run(s->task);
    s->task->next = NULL;
    *w->tail = s->task;
    w->tail = &s->task->next;
    free(s);
}

static uint64_t duration(void)
{
    if (sim_chance(sim->faults.slow_disk))
        return sim_random(40 * NS_PER_S);
    return 1000 + sim_random(sim_random(20) == 0 ? 50 * NS_PER_MS : NS_PER_MS);
}

static void submit(struct work *base, enum work_lane lane, struct task *t)
{
    struct job_slot *s = malloc(sizeof *s);
    (void)lane;
    *s = (struct job_slot){ t, (struct workers *)base };
    s->workers->busy++;
    heap_add(sim->now_ns + duration(), finish, s);
}

static bool poll(struct work *base)
{
    struct workers *w = (struct workers *)base;
    struct task *t = w->finished;
    w->finished = NULL;
    w->tail = &w->finished;
    bool any = t != NULL;
    while (t) {
        struct task *next = t->next;
        w->busy--;
        t->done(t);
        t = next;
    }
    return any;
}

static unsigned busy(const struct work *base)
{
    return ((const struct workers *)base)->busy;
}

static void work_free(struct work *base)
{
    free(base);
}

struct work *workers_new(void)
{
    struct workers *w = calloc(1, sizeof *w);
    w->base = (struct work){ submit, poll, busy, work_free };
    w->tail = &w->finished;
    return &w->base;
}
