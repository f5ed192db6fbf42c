/* /cache and what is below it. */
#include "daemon/routes.h"

#include "daemon/reply.h"
#include "front/status_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cache_list_route(struct route_call *c)
{
    cache_list(c->daemon->cache, reply_told, c->request);
    daemon_again(c->daemon); /* how long it waits is counted */
}

static unsigned status_of(enum hfp_code code)
{
    switch (code) {
    case HFP_E_ARG:
        return 400;
    case HFP_E_NO_REPO:
    case HFP_E_NO_REVISION:
        return 404;
    case HFP_E_LOCKED:
        return 409;
    default:
        return 503; /* the disk: read-only, not ours, or broken */
    }
}

static void refuse_used(struct http_request *r, const struct job *j)
{
    char detail[400];
    snprintf(detail, sizeof detail,
             "%s, a %s of %s that is %s, works on this repository. Wait for its end or cancel it.", j->id,
             verb_text(j->ask.verb), j->ask.repo, hfp_state_text(job_state(j)));
    reply_problem(r, 409, "in_use", detail);
}

static void deleted(void *ctx, uint64_t freed_bytes, const struct job *user, const struct hfp_err *err)
{
    struct http_request *r = ctx;
    struct out o = { 0 };
    if (user) {
        refuse_used(r, user);
        return;
    }
    if (err) {
        reply_problem(r, status_of(err->code), hfp_code_name(err->code), err->message);
        return;
    }
    out_object(&o, NULL);
    out_u64(&o, "freed_bytes", freed_bytes);
    out_object_end(&o);
    reply_json(r, 200, &o, NULL);
}

static bool type_parse(enum hfp_repo_type *out, const char *text)
{
    static const enum hfp_repo_type all[] = { HFP_MODEL, HFP_DATASET, HFP_SPACE };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(text, repo_type_text(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

/* The names are the library's to check: what it refuses is HFP_E_ARG, and nothing is touched. */
void cache_delete_route(struct route_call *c)
{
    char repo[2 * ROUTE_ARG_SIZE];
    const char *space = c->arg[1], *name = c->arg[2], *commit = c->arg[3];
    enum hfp_repo_type type;
    if (!type_parse(&type, c->arg[0])) {
        reply_problem(c->request, 400, "E_ARG", "the type is not one of model, dataset, space.");
        return;
    }
    bool bare = strcmp(space, "-") == 0; /* no name of the Hub begins or ends with a dash */
    snprintf(repo, sizeof repo, "%s%s%s", bare ? "" : space, bare ? "" : "/", name);
    const struct job *j = cache_user(&c->daemon->jobs, type, repo);
    if (j) { /* now, whenever its turn would come */
        refuse_used(c->request, j);
        return;
    }
    cache_delete(c->daemon->cache, type, repo, commit, deleted, c->request);
    daemon_again(c->daemon); /* how long it waits is counted */
}
