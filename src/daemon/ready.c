#include "daemon/ready.h"

#include <stdlib.h>
#include <string.h>

int ready_open(struct ready *r, char *const *names, size_t n, const char *endpoint, struct hfp_err *err)
{
    if (n > READY_MAX)
        return fault(err, HFP_E_ARG, "--ready: more than %d repositories.", READY_MAX);
    r->repo = n ? calloc(n, sizeof *r->repo) : NULL;
    if (n && !r->repo)
        return fault_nomem(err);
    for (; r->n < n; r->n++) {
        struct spec *s = &r->repo[r->n].spec;
        if (spec_parse(s, names[r->n], endpoint, err))
            return err->code;
        if (!s->revision[0])
            strcpy(s->revision, "main");
    }
    return HFP_OK;
}

void ready_ask(struct ready *r, struct driver *d)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct spec *s = &r->repo[i].spec;
        const char *paths[] = { s->path, NULL };
        const struct hfp_job_spec spec = { .verb = HFP_PULL,
                                           .type = s->type,
                                           .repo = s->repo,
                                           .revision = s->revision,
                                           .paths = s->path[0] ? paths : NULL,
                                           .offline = true };
        r->repo[i].engine = driver_ask(d, &spec);
    }
}

void ready_event(void *ctx, const struct hfp_event *ev)
{
    struct ready *r = ctx;
    for (size_t i = 0; i < r->n; i++)
        if (r->repo[i].engine == ev->status.job && ev->type == HFP_EV_DONE) {
            r->repo[i].here = ev->status.state == HFP_DONE;
            r->repo[i].engine = 0;
        }
}

/* Whether a job brings or proves what is asked for: all of it, or just that path. */
static bool covers(const struct job *j, const struct spec *s)
{
    const struct job_ask *a = &j->ask;
    bool whole = !a->include && !a->exclude && !a->paths;
    bool path = s->path[0] && a->paths && strcmp(a->paths[0], s->path) == 0;
    return a->verb != HFP_PLAN && a->verb != HFP_INDEX && !a->local_dir && a->type == s->type &&
           strcmp(a->repo, s->repo) == 0 && strcmp(a->revision, s->revision) == 0 && (whole || path);
}

/* The last job that came to a verdict has it; one that is under way, or was cancelled, has none. */
static bool is_ready(const struct ready_repo *r, const struct jobs *jobs)
{
    const struct job *last = NULL;
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        if ((j->end == HFP_DONE || j->end == HFP_FAILED) && covers(j, &r->spec) &&
            (!last || j->ended_ms >= last->ended_ms))
            last = j;
    }
    return last ? last->end == HFP_DONE : r->here;
}

size_t ready_missing(const struct ready *r, const struct jobs *jobs)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += !is_ready(&r->repo[i], jobs);
    for (size_t i = 0; r->n == 0 && i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        n += !j->removed && j->end != HFP_DONE && j->end != HFP_CANCELLED && j->ask.verb != HFP_PLAN;
    }
    return n;
}

void ready_done(struct ready *r)
{
    free(r->repo);
    *r = (struct ready){ 0 };
}
