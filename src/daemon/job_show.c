/* What is to be seen of jobs: the list, one job, its files and its curve, from memory or from the store. */
#include "daemon/job_routes.h"

#include "daemon/job_json.h"
#include "daemon/reply.h"
#include "daemon/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST_DEFAULT 100

/* ---- the list ---- */

static bool in_list(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = list; *s;) {
        size_t len = strcspn(s, ",");
        if (len == n && memcmp(s, word, n) == 0)
            return true;
        s += len + (s[len] == ',');
    }
    return false;
}

static bool states_known(const char *list)
{
    for (const char *s = list; *s;) {
        size_t len = strcspn(s, ",");
        bool known = false;
        for (unsigned i = 0; i < HFP_STATE_COUNT; i++)
            known |= strlen(hfp_state_text((enum hfp_state)i)) == len &&
                     strncmp(hfp_state_text((enum hfp_state)i), s, len) == 0;
        if (!known)
            return false;
        s += len + (s[len] == ',');
    }
    return true;
}

/* A cursor is the id of the last job given; when that is gone, the place where it was. */
static size_t cursor_place(const struct jobs *q, const char *cursor)
{
    const char *dot = strchr(cursor, '.');
    for (size_t i = 0; dot && i < q->n; i++)
        if (strcmp(q->list[i]->id, dot + 1) == 0)
            return i + 1;
    return dot ? strtoul(cursor, NULL, 10) : q->n;
}

static bool fits(const struct job *j, const char *states, const char *text)
{
    return !j->removed && (!states || !*states || in_list(states, hfp_state_text(job_state(j)))) &&
           (!text || strcasestr(j->ask.repo, text));
}

void jobs_list_route(struct route_call *c)
{
    struct jobs *q = &c->daemon->jobs;
    struct out o = { 0 };
    const char *states = http_query(c->request, "state"), *text = http_query(c->request, "q");
    const char *cursor = http_query(c->request, "cursor");
    uint64_t limit;
    if (!route_number(c, "limit", LIST_DEFAULT, 1, FILES_PAGE, &limit))
        return;
    if (states && !states_known(states)) {
        reply_problem(c->request, 400, "E_ARG", "state: words of the field state, with commas between.");
        return;
    }
    jobs_sort(q);
    size_t given = 0, total = 0, from = cursor ? cursor_place(q, cursor) : 0, next = 0;
    out_object(&o, NULL);
    out_list(&o, "jobs");
    for (size_t i = 0; i < q->n; i++) {
        if (!fits(q->list[i], states, text))
            continue;
        total++;
        if (i < from || given > limit)
            continue;
        if (given++ == limit)
            continue; /* there is one more */
        job_json(&o, NULL, q->list[i], false);
        next = i;
    }
    out_list_end(&o);
    char mark[64];
    snprintf(mark, sizeof mark, "%zu.%s", next + 1, given ? q->list[next]->id : "");
    out_text(&o, "next_cursor", given > limit ? mark : NULL);
    out_u64(&o, "total", total);
    out_object_end(&o);
    reply_json(c->request, 200, &o, NULL);
}

/* ---- one job ---- */

static uint64_t rows_json(struct out *o, const char *name, const struct job_files *f, uint64_t offset, uint64_t limit)
{
    uint64_t n = f ? f->n : 0, i = offset;
    out_list(o, name);
    for (; i < n && i - offset < limit; i++)
        job_file_json(o, &f->row[i]);
    out_list_end(o);
    return i < n ? i : 0;
}

static void next_json(struct out *o, uint64_t next)
{
    if (next)
        out_u64(o, "files_next", next);
    else
        out_null(o, "files_next");
    out_object_end(o);
}

struct reading {
    struct daemon *daemon;
    struct http_request *request;
    char id[JOB_ID_SIZE];
    bool whole; /* the job too */
};

static void rows_read(void *ctx, const char *text, uint64_t next)
{
    struct reading *r = ctx;
    struct out o = { 0 };
    struct job *j = jobs_find(&r->daemon->jobs, r->id);
    if (!j || !text) {
        reply_problem(r->request, j ? 503 : 404, j ? "E_IO" : "no_such_job",
                      j ? "the job database cannot be read now." : "the job was taken off the list meanwhile.");
    } else {
        if (r->whole)
            job_json(&o, NULL, j, true);
        else
            out_object(&o, NULL);
        out_raw(&o, "files", text);
        next_json(&o, next);
        reply_json(r->request, 200, &o, NULL);
    }
    free(r);
}

static struct reading *reading_new(struct route_call *c, const struct job *j, bool whole)
{
    struct reading *r = calloc(1, sizeof *r);
    if (!r) {
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return NULL;
    }
    *r = (struct reading){ .daemon = c->daemon, .request = c->request, .whole = whole };
    memcpy(r->id, j->id, sizeof r->id);
    return r;
}

static void show(struct route_call *c, const struct job *j, bool whole, uint64_t offset, uint64_t limit)
{
    struct out o = { 0 };
    jobs_sort(&c->daemon->jobs);
    if (!j->files && j->started_ms && !j->engine) { /* they are in the store */
        struct reading *r = reading_new(c, j, whole);
        if (r)
            store_read_files(c->daemon->store, j->id, offset, limit, rows_read, r);
        return;
    }
    if (whole)
        job_json(&o, NULL, j, true);
    else
        out_object(&o, NULL);
    next_json(&o, rows_json(&o, "files", j->files, offset, limit));
    reply_json(c->request, 200, &o, NULL);
}

void job_show_route(struct route_call *c)
{
    struct job *j = route_job(c);
    if (j)
        show(c, j, true, 0, FILES_PAGE);
}

void job_files_route(struct route_call *c)
{
    uint64_t offset, limit;
    struct job *j = route_job(c);
    if (j && route_number(c, "offset", 0, 0, JOB_FILES_MAX, &offset) &&
        route_number(c, "limit", FILES_PAGE, 1, FILES_PAGE, &limit))
        show(c, j, false, offset, limit);
}

static void samples_read_back(void *ctx, const char *text, uint64_t next)
{
    struct reading *r = ctx;
    struct out o = { 0 };
    (void)next;
    out_fmt(&o, "%s", text ? text : "{\"step_s\":1,\"samples\":[],\"stalls\":[]}");
    reply_json(r->request, 200, &o, NULL);
    free(r);
}

void job_samples_route(struct route_call *c)
{
    struct out o = { 0 };
    struct job *j = route_job(c);
    if (!j)
        return;
    if (!j->samples) {
        struct reading *r = reading_new(c, j, false);
        if (r)
            store_read_samples(c->daemon->store, j->id, samples_read_back, r);
        return;
    }
    samples_json(&o, j->samples, time(NULL));
    reply_json(c->request, 200, &o, NULL);
}
