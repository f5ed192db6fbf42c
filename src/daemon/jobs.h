/* daemon/jobs.h: the queue: all jobs, their order, and whose turn it is. Pure but for memory: no clock, no I/O.
 *
 *   queued --turn--> running --pause--> paused --resume--> queued (or running at once, when there is a place)
 *      \                \--engine's end--> done, failed, cancelled --retry--> queued
 *       \--cancel--> cancelled
 *
 * Order: higher priority first, then lower rank. A paused job gives its place away. The dry run takes no place, for it
 * is over in a moment and somebody looks at the screen. */
#ifndef HFP_DAEMON_JOBS_H
#define HFP_DAEMON_JOBS_H

#include "daemon/job.h"

#define JOBS_MAX 10000      /* not ended; more is a mistake, not a wish */
#define JOBS_ENDED_MAX 1000 /* kept to look at; older ones are forgotten */
#define PLANS_AT_ONCE 4     /* dry runs beside the others */

struct jobs {
    struct job **list; /* in the order of jobs_sort() */
    size_t n, room;
    bool sorted;
    const char *leaving; /* a revision of it leaves the cache: no job of it begins but dry runs (cache.h); NULL: none */
    enum hfp_repo_type leaving_type;
};

int jobs_add(struct jobs *q, struct job *j, struct hfp_err *err); /* owns it on success */
void jobs_remove(struct jobs *q, struct job *j);                  /* frees it */
void jobs_done(struct jobs *q);
struct job *jobs_find(const struct jobs *q, const char *id);
struct job *jobs_find_engine(const struct jobs *q, uint64_t engine);
struct job *jobs_find_key(const struct jobs *q, const char *key);
struct job *jobs_find_same(const struct jobs *q, const struct job_ask *ask); /* one that has not ended */
/* Running ones, then the paused and queued in the order of their turn, then ended ones, newest first. Numbers positions. */
void jobs_sort(struct jobs *q);
void jobs_changed(struct jobs *q); /* something the order hangs on */
size_t jobs_running(const struct jobs *q);
size_t jobs_waiting(const struct jobs *q); /* not ended */
/* The next that may run now, or NULL. */
struct job *jobs_next(struct jobs *q, size_t parallel);
/* Puts a queued job before another one, or last (NULL); it takes the priority of the place. Ranks of others may change:
 * they are marked unsaved. */
void jobs_move(struct jobs *q, struct job *j, const struct job *before);
int64_t jobs_last_rank(const struct jobs *q);
/* The one ended longest ago when there are too many, or NULL. */
struct job *jobs_oldest(struct jobs *q);

#endif
