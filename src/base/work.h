/* base/work.h: blocking work, away from the loop.
 *
 * A task is a message that owns what it works on. run() executes on a worker of its lane and must touch nothing but
 * the task; done() executes later on the loop's thread, inside work_poll(). Lanes keep slow things from delaying quick
 * ones; tasks of one lane may run at the same time unless the lane has one worker. The simulator provides its own
 * struct work whose lanes run on simulated time. */
#ifndef HFP_BASE_WORK_H
#define HFP_BASE_WORK_H

#include "base/err.h"

enum work_lane {
    LANE_WRITE,   /* block writes and their BLAKE3 */
    LANE_HASH,    /* in-order file hashing, re-checks */
    LANE_FILES,   /* open, claim, links, scans: system calls that may wait for the disk */
    LANE_PUBLISH, /* final names: threads that wait for fdatasync most of their time, side by side */
    LANE_SYNC,    /* the periodic fdatasync of partials */
    LANE_NAMES,   /* getaddrinfo, which may hang for minutes */
    LANES
};

struct task {
    void (*run)(struct task *t);
    void (*done)(struct task *t);
    struct task *next;
};

struct work {
    void (*submit)(struct work *w, enum work_lane lane, struct task *t);
    /* Runs done() of finished tasks; true when there was one. Loop thread only. */
    bool (*poll)(struct work *w);
    /* Tasks handed in and not yet done(): 0 means it is safe to free what they use. */
    unsigned (*busy)(const struct work *w);
    void (*free)(struct work *w);
};

/* Real threads. wake(ctx) is called from a worker when a task has finished
 * and none was waiting for the poll already. All signals are blocked in workers. */
int work_threads_new(struct work **out, void (*wake)(void *ctx), void *ctx, struct hfp_err *err);

static inline void work_submit(struct work *w, enum work_lane lane, struct task *t)
{
    w->submit(w, lane, t);
}

#endif
