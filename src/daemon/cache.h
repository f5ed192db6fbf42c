/* daemon/cache.h: the hub cache as a whole: what is in it, what leaves it when somebody asks, and what its quota makes go.
 *
 * Reading and deleting touch many files, so a worker of its own does that, one thing after the other. One scan serves all
 * who ask meanwhile, and its answer stands for a moment (LISTING_NS): 200 open pages are one scan. A job that ended, a
 * deletion or another quota make it stale at once; what other programs do is seen when it has grown old.
 *
 * While a revision leaves, no job of its repository begins (jobs.h, leaving): what a job finds in place stays in place.
 * What waits for its turn holds nobody: a revision whose repository a job works on by then does not leave, and one whose
 * turn does not come (TURN_MAX_S: a disk hangs) stays too. Loop's thread; root, jobs, settings and all the others
 * outlive it. */
#ifndef HFP_DAEMON_CACHE_H
#define HFP_DAEMON_CACHE_H

#include "daemon/askers.h"
#include "daemon/driver.h"
#include "daemon/ready.h"

#define LISTING_NS                                                                                                     \
    2000000000ULL /* an answer stands so long, or as long as it took to find: half the time is for others */

#define TURN_MAX_S 20 /* a scan of 100,000 revisions on a slow disk is over by then; nobody looks at a page longer */

struct cache;

struct cache_rooms {
    const char *root; /* the hub folder */
    struct jobs *jobs;
    struct feed *feed;
    const struct settings *settings;
    const struct ready *ready;
    const struct driver_counts *counts;
    const struct log *log;
    int wake_fd; /* for worker_new() */
};

int cache_new(struct cache **out, const struct cache_rooms *rooms, struct hfp_err *err);
/* What is under way is brought to its end, who waits is answered. Before http_free(). NULL is fine. */
void cache_free(struct cache *c);
/* After driver_turn(); returns when it wants the next turn. */
uint64_t cache_turn(struct cache *c, uint64_t now_ns);

/* Since the daemon began. */
struct cache_counts {
    uint64_t scans, freed_bytes;
};
const struct cache_counts *cache_counts(const struct cache *c);

/* The listing as JSON, or why there is none. May be called at once. */
void cache_list(struct cache *c, asker_fn *fn, void *ctx);

/* The job that works on a repository, paused ones too, or NULL. */
const struct job *cache_user(const struct jobs *jobs, enum hfp_repo_type type, const char *repo);
/* user: the job for whose sake it stays. Both NULL: it is gone. May be called at once. */
typedef void cache_deleted_fn(void *ctx, uint64_t freed_bytes, const struct job *user, const struct hfp_err *err);
void cache_delete(struct cache *c, enum hfp_repo_type type, const char *repo, const char *commit, cache_deleted_fn *fn,
                  void *ctx);

bool cache_leaving(const struct cache *c); /* something leaves, or waits for its turn to */
/* The same for why else it goes: a word for log and event. */
void cache_remove(struct cache *c, const char *why, enum hfp_repo_type type, const char *repo, const char *commit,
                  cache_deleted_fn *fn, void *ctx);

#endif
