#include "sim.h"

#include <stdlib.h>

/* Tasks take simulated time, and a lane has as many workers as the real one: completions overtake one another as threads
 * let them, and what the workers cannot take waits in the order of its coming. */

static const unsigned lane_workers[LANES] = {
    [LANE_WRITE] = 2, [LANE_HASH] = 2, [LANE_FILES] = 3, [LANE_PUBLISH] = 8, [LANE_SYNC] = 1, [LANE_NAMES] = 2
};

struct job_slot {
    struct task *task;
    struct workers *workers;
    enum work_lane lane;
    struct job_slot *next;
};

struct workers {
    struct work base;
    struct task *finished, **tail;
    struct job_slot *waiting[LANES], **waiting_tail[LANES];
    unsigned running[LANES];
    unsigned busy;
};

static void finish(void *arg);

static uint64_t duration(void)
{
    uint64_t ns = 1000 + sim_random(sim_random(20) == 0 ? 50 * NS_PER_MS : NS_PER_MS);
    if (sim->faults.drag && sim->now_ns < sim->faults.until_ns)
        ns += sim->faults.drag * NS_PER_MS;
    return sim_chance(sim->faults.slow_disk) ? sim_random(40 * NS_PER_S) : ns;
}

static void run_next(struct workers *w, enum work_lane lane)
{
    struct job_slot *s = w->waiting[lane];
    if (!s || w->running[lane] == lane_workers[lane])
        return;
    w->waiting[lane] = s->next;
    if (!s->next)
        w->waiting_tail[lane] = &w->waiting[lane];
    w->running[lane]++;
    heap_add(sim->now_ns + duration(), finish, s);
}

static void finish(void *arg)
{
    struct job_slot *s = arg;
    struct workers *w = s->workers;
    s->task->run(s->task);
    s->task->next = NULL;
    *w->tail = s->task;
    w->tail = &s->task->next;
    w->running[s->lane]--;
    sim->task_ns = sim->now_ns;
    run_next(w, s->lane);
    free(s);
}

static void submit(struct work *base, enum work_lane lane, struct task *t)
{
    struct workers *w = (struct workers *)base;
    struct job_slot *s = malloc(sizeof *s);
    *s = (struct job_slot){ t, w, lane, NULL };
    w->busy++;
    *w->waiting_tail[lane] = s;
    w->waiting_tail[lane] = &s->next;
    run_next(w, lane);
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
    for (unsigned i = 0; i < LANES; i++)
        w->waiting_tail[i] = &w->waiting[i];
    return &w->base;
}
