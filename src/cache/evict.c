/* Keeping to a quota: hfp_cache_evict() of hfp.h, by the listing (inventory.c) and deletions (removal.c). Blocking. */
#include "cache/names.h"
#include "hfp/hfp.h"

#include <stdlib.h>
#include <string.h>

#define EVICTIONS_MAX 100000 /* revisions in one call: all that a cache may have */

typedef bool keep_fn(void *ctx, const struct hfp_cached_repo *r, const struct hfp_cached_revision *v);

struct eviction {
    keep_fn *keep;
    void *ctx;
    char (*locked)[COMMIT_HEX + 1]; /* passed over in this call */
    size_t locked_n;
};

static bool stays(void *ctx, const struct hfp_cached_repo *repo, const struct hfp_cached_revision *v)
{
    const struct eviction *e = ctx;
    for (size_t i = 0; i < e->locked_n; i++)
        if (strcmp(e->locked[i], v->commit) == 0)
            return true;
    return e->keep && e->keep(e->ctx, repo, v);
}

static int pass_over(struct eviction *e, const char *commit, struct hfp_err *err)
{
    char(*more)[COMMIT_HEX + 1] = realloc(e->locked, (e->locked_n + 1) * sizeof *more);
    if (!more)
        return err_nomem(err);
    e->locked = more;
    memcpy(more[e->locked_n++], commit, COMMIT_HEX + 1);
    return HFP_OK;
}

/* One revision, or none any more: *more false. */
static int evict_one(bool *more, uint64_t *freed_bytes, struct eviction *e, const char *hub_cache, uint64_t quota_bytes,
                     struct hfp_err *err)
{
    struct hfp_cache *c = NULL;
    size_t repo, revision;
    uint64_t freed = 0;
    int rc = hfp_cache_list(&c, hub_cache, err);
    if (rc)
        return rc;
    *more = hfp_cache_next_to_go(&repo, &revision, c, quota_bytes, stays, e);
    if (*more) {
        const struct hfp_cached_repo *r = &c->repo[repo];
        const char *commit = r->revision[revision].commit;
        rc = hfp_cache_delete_revision(&freed, hub_cache, r->type, r->repo, commit, err);
        if (rc == HFP_E_LOCKED)
            rc = pass_over(e, commit, err);
    }
    hfp_cache_free(c);
    *freed_bytes += freed;
    return rc;
}

int hfp_cache_evict(uint64_t *freed_bytes, const char *hub_cache, uint64_t quota_bytes, keep_fn *keep, void *ctx,
                    struct hfp_err *err)
{
    struct eviction e = { .keep = keep, .ctx = ctx };
    uint64_t freed = 0;
    bool more = true;
    int rc = HFP_OK;
    for (unsigned i = 0; !rc && more && i < EVICTIONS_MAX; i++)
        rc = evict_one(&more, &freed, &e, hub_cache, quota_bytes, err);
    free(e.locked);
    if (freed_bytes)
        *freed_bytes = freed;
    return rc;
}
