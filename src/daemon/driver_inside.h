/* daemon/driver_inside.h: what the rooms of the driver share: commands (driver.c), the engine's events
 * (driver_events.c), what is told and kept (driver_tell.c), limits and figures (driver_pace.c). Loop's thread. */
#ifndef HFP_DAEMON_DRIVER_INSIDE_H
#define HFP_DAEMON_DRIVER_INSIDE_H

#include "daemon/driver.h"

#define NS_PER_S 1000000000ULL

struct driver {
    struct driver_rooms rooms;
    struct hfp *engine;
    struct driver_counts counts;
    uint64_t now_ns, told_ns, sampled_ns, kept_ns;
    uint64_t cpu_ns, cpu_at_ns;            /* used by this process, when it was looked at */
    uint64_t limits_ns, limit_bytes_per_s; /* when the limit is looked at again; the one in force */
    int64_t limit_until_unix_s;
    bool changed; /* some job is to be told of, or to be kept */
    bool order;   /* the queue's order is to be told */
};

/* The job is to be told of, and, with keep, to be kept. */
void driver_touch(struct driver *d, struct job *j, bool keep);
void driver_touch_order(struct driver *d);

/* driver_events.c */
void driver_take_events(struct driver *d);
void driver_start(struct driver *d, struct job *j);
void driver_ended(struct driver *d, struct job *j, enum hfp_state end);
void driver_requeue(struct job *j);
void driver_forget(struct driver *d, struct job *j);
void driver_stall_over(struct driver *d, struct job *j);

/* driver_tell.c */
void driver_tell_files(struct driver *d, struct job *j);
/* These say when they want to be called again (mono ns); UINT64_MAX: when something comes. */
uint64_t driver_tell(struct driver *d);
/* driver_pace.c */
void driver_curve_begin(struct driver *d, struct job *j); /* a new one, or what the store has of earlier runs */
void driver_curve_keep(struct driver *d, struct job *j);
uint64_t driver_sample(struct driver *d);
uint64_t driver_limits(struct driver *d, bool now);

#endif
