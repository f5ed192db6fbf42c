/* daemon/cache_json.h: the hub cache as GET /cache shows it. Pure; any thread. */
#ifndef HFP_DAEMON_CACHE_JSON_H
#define HFP_DAEMON_CACHE_JSON_H

#include "daemon/damage.h"
#include "front/out.h"

struct cache_view {
    const struct hfp_cache *cache;
    const char *root;
    uint64_t quota_bytes;
    const struct damage *damage; /* what jobs have found; a receipt that holds is newer */
};
void cache_json(struct out *o, const struct cache_view *v);

#endif
