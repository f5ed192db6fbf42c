#include "daemon/cache_json.h"

#include "front/status_json.h"

static void revision_json(struct out *o, const struct cache_view *view, const struct hfp_cached_repo *r,
                          const struct hfp_cached_revision *v)
{
    bool damaged = v->trust == HFP_TRUST_UNPROVED && damage_has(view->damage, r->type, r->repo, v->commit);
    out_object(o, NULL);
    out_text(o, "commit", v->commit);
    out_list(o, "refs");
    for (char *const *ref = v->refs; *ref; ref++)
        out_text(o, NULL, *ref);
    out_list_end(o);
    out_u64(o, "size_bytes", v->size_bytes);
    out_u64(o, "files", v->files);
    out_text(o, "proved", hfp_trust_text(damaged ? HFP_TRUST_DAMAGED : v->trust));
    out_u64(o, "freed_bytes", v->freed_bytes);
    out_object_end(o);
}

static void repo_json(struct out *o, const struct cache_view *view, const struct hfp_cached_repo *r)
{
    out_object(o, NULL);
    out_text(o, "repo", r->repo);
    out_text(o, "type", repo_type_text(r->type));
    out_u64(o, "size_bytes", r->size_bytes);
    if (r->used_unix_s > 0)
        out_u64(o, "last_used_unix_ms", (uint64_t)r->used_unix_s * 1000);
    else
        out_null(o, "last_used_unix_ms");
    out_bool(o, "closed", r->closed);
    out_list(o, "revisions");
    for (size_t i = 0; i < r->revisions; i++)
        revision_json(o, view, r, &r->revision[i]);
    out_list_end(o);
    out_object_end(o);
}

void cache_json(struct out *o, const struct cache_view *v)
{
    const struct hfp_cache *c = v->cache;
    out_object(o, NULL);
    out_text(o, "root", v->root);
    out_u64(o, "total_bytes", c->total_bytes);
    out_u64(o, "free_bytes", c->free_bytes);
    out_u64(o, "quota_bytes", v->quota_bytes);
    out_list(o, "repos");
    for (size_t i = 0; i < c->repos; i++)
        repo_json(o, v, &c->repo[i]);
    out_list_end(o);
    out_object_end(o);
}
