/* daemon/eviction.h: keeps the hub cache to its quota, for cache.h.
 *
 * A look at the cache, which takes its time and holds up nobody; then, if still nobody wants what was found (quota.h), its
 * removal. So on, until a look finds nothing. Loop's thread. */
#ifndef HFP_DAEMON_EVICTION_H
#define HFP_DAEMON_EVICTION_H

#include "daemon/cache.h"
#include "daemon/worker.h"

#define EVICTIONS_MAX 10000 /* in one round: as many as one repository may have revisions */

struct eviction;

struct eviction_rooms {
    struct cache *cache;
    const struct cache_rooms *rooms;
    struct worker *worker;
};

/* It looks once at the first turn: the last run may have ended before it did. */
int eviction_new(struct eviction **out, const struct eviction_rooms *rooms, struct hfp_err *err);
void eviction_end(struct eviction *e);  /* nothing more is begun. Before worker_free() */
void eviction_free(struct eviction *e); /* after it. NULL is fine */
/* Something has changed that the quota hangs on. */
void eviction_want(struct eviction *e);
void eviction_turn(struct eviction *e);

#endif
