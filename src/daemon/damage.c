#include "daemon/damage.h"

#include <stdlib.h>
#include <string.h>

static bool in_cache(const struct job *j)
{
    return !j->ask.local_dir && j->status && j->status->commit[0] && j->ask.verb != HFP_PLAN;
}

static bool found(const struct job *j)
{
    return in_cache(j) && j->end == HFP_FAILED && j->status->error.code == HFP_E_CONTENT;
}

static bool put_right(const struct job *j, const struct job *found)
{
    const struct job_ask *a = &j->ask;
    bool whole = !a->include && !a->exclude && !a->paths && a->verb != HFP_INDEX;
    return in_cache(j) && whole && j->end == HFP_DONE && j->ended_ms >= found->ended_ms && a->type == found->ask.type &&
           strcmp(a->repo, found->ask.repo) == 0 && strcmp(j->status->commit, found->status->commit) == 0;
}

static bool stands(const struct job *j, const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (put_right(jobs->list[i], j))
            return false;
    return true;
}

bool damage_collect(struct damage *out, const struct jobs *jobs)
{
    struct damage d = { 0 };
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        if (!found(j) || damage_has(&d, j->ask.type, j->ask.repo, j->status->commit) || !stands(j, jobs))
            continue;
        struct damaged *more = realloc(d.row, (d.n + 1) * sizeof *more);
        char *repo = strdup(j->ask.repo);
        d.row = more ? more : d.row;
        if (!more || !repo) {
            free(repo);
            damage_done(&d);
            return false;
        }
        struct damaged *row = &d.row[d.n++];
        *row = (struct damaged){ .type = j->ask.type, .repo = repo };
        memcpy(row->commit, j->status->commit, sizeof row->commit);
    }
    *out = d;
    return true;
}

void damage_done(struct damage *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->row[i].repo);
    free(d->row);
    *d = (struct damage){ 0 };
}

bool damage_has(const struct damage *d, enum hfp_repo_type type, const char *repo, const char *commit)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->row[i].type == type && strcmp(d->row[i].repo, repo) == 0 && strcmp(d->row[i].commit, commit) == 0)
            return true;
    return false;
}
