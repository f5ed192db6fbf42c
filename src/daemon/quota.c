#include "daemon/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct need {
    enum hfp_repo_type type;
    char *repo;
};

struct quota {
    uint64_t quota_bytes;
    struct need *need;
    size_t needs;
    struct passed_over passed_over;
};

bool passed_over_add(struct passed_over *p, const char *commit)
{
    char(*more)[REVISION_HEX] = realloc(p->commit, (p->n + 1) * sizeof *more);
    if (!more)
        return false;
    p->commit = more;
    snprintf(more[p->n++], REVISION_HEX, "%s", commit);
    return true;
}

void passed_over_done(struct passed_over *p)
{
    free(p->commit);
    *p = (struct passed_over){ 0 };
}

void quota_free(struct quota *q)
{
    for (size_t i = 0; q && i < q->needs; i++)
        free(q->need[i].repo);
    if (q) {
        free(q->need);
        passed_over_done(&q->passed_over);
    }
    free(q);
}

static bool add_need(struct quota *q, enum hfp_repo_type type, const char *repo)
{
    char *copy = strdup(repo);
    if (copy)
        q->need[q->needs++] = (struct need){ type, copy };
    return copy != NULL;
}

static bool brought(const struct job *j)
{
    enum hfp_verb verb = j->ask.verb;
    return j->end == HFP_DONE && verb != HFP_PLAN && verb != HFP_VERIFY && verb != HFP_INDEX;
}

static bool add_jobs(struct quota *q, const struct jobs *jobs)
{
    const struct job *last = NULL;
    bool fine = true;
    for (size_t i = 0; fine && i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        if (!job_ended(j))
            fine = add_need(q, j->ask.type, j->ask.repo);
        else if (brought(j) && (!last || j->ended_ms > last->ended_ms))
            last = j;
    }
    return fine && (!last || add_need(q, last->ask.type, last->ask.repo));
}

struct quota *quota_new(uint64_t quota_bytes, const struct jobs *jobs, const struct ready *ready,
                        const struct passed_over *passed_over)
{
    struct quota *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->quota_bytes = quota_bytes;
    q->need = calloc(jobs->n + ready->n + 1, sizeof *q->need);
    bool fine = q->need && add_jobs(q, jobs);
    for (size_t i = 0; fine && i < ready->n; i++)
        fine = add_need(q, ready->repo[i].spec.type, ready->repo[i].spec.repo);
    for (size_t i = 0; fine && i < passed_over->n; i++)
        fine = passed_over_add(&q->passed_over, passed_over->commit[i]);
    if (fine)
        return q;
    quota_free(q);
    return NULL;
}

bool quota_keeps(const struct quota *q, enum hfp_repo_type type, const char *repo, const char *commit)
{
    for (size_t i = 0; i < q->needs; i++)
        if (q->need[i].type == type && strcmp(q->need[i].repo, repo) == 0)
            return true;
    for (size_t i = 0; i < q->passed_over.n; i++)
        if (strcmp(q->passed_over.commit[i], commit) == 0)
            return true;
    return false;
}

static bool keeps(void *ctx, const struct hfp_cached_repo *r, const struct hfp_cached_revision *v)
{
    return quota_keeps(ctx, r->type, r->repo, v->commit);
}

int quota_look(struct quota_next *out, const struct quota *q, const char *root, struct hfp_err *err)
{
    struct hfp_cache *c = NULL;
    struct quota_next next = { 0 };
    size_t repo, revision;
    int rc = hfp_cache_list(&c, root, err);
    if (rc)
        return rc;
    next.over_bytes = c->total_bytes > q->quota_bytes ? c->total_bytes - q->quota_bytes : 0;
    next.found = hfp_cache_next_to_go(&repo, &revision, c, q->quota_bytes, keeps, (void *)(uintptr_t)q);
    if (next.found) {
        next.type = c->repo[repo].type;
        snprintf(next.repo, sizeof next.repo, "%s", c->repo[repo].repo);
        memcpy(next.commit, c->repo[repo].revision[revision].commit, sizeof next.commit);
    }
    hfp_cache_free(c);
    *out = next;
    return HFP_OK;
}
