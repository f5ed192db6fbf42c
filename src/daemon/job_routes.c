/* Changing the jobs there are. A change is answered when it is safe on disk. */
#include "daemon/job_routes.h"

#include "daemon/body.h"
#include "daemon/job_json.h"
#include "daemon/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job *route_job(struct route_call *c)
{
    struct job *j = jobs_find(&c->daemon->jobs, c->arg[0]);
    if (!j || j->removed) {
        reply_problem(c->request, 404, "no_such_job", "there is no job of this id.");
        return NULL;
    }
    return j;
}

bool route_number(struct route_call *c, const char *name, uint64_t fallback, uint64_t least, uint64_t most,
                  uint64_t *out)
{
    const char *text = http_query(c->request, name);
    char detail[120];
    *out = fallback;
    if (!text)
        return true;
    size_t n = strspn(text, "0123456789");
    if (n > 0 && n < 19 && !text[n]) {
        *out = strtoull(text, NULL, 10);
        if (*out >= least && *out <= most)
            return true;
    }
    snprintf(detail, sizeof detail, "%s: has to be an integer from %llu to %llu.", name, (unsigned long long)least,
             (unsigned long long)most);
    reply_problem(c->request, 400, "E_ARG", detail);
    return false;
}

/* ---- answers that wait for the disk ---- */

struct waiting {
    struct daemon *daemon;
    struct http_request *request;
    char id[JOB_ID_SIZE];
    unsigned status; /* 201: new, and taken back when it cannot be kept; 204: no content */
};

static void answer_job(struct waiting *w, const struct job *j)
{
    struct out o = { 0 };
    char location[64];
    snprintf(location, sizeof location, "/api/v1/jobs/%s", w->id);
    const struct http_field fields[] = { { "Location", location }, { NULL, NULL } };
    jobs_sort(&w->daemon->jobs);
    job_json(&o, NULL, j, false);
    reply_json(w->request, w->status, &o, w->status == 201 ? fields : NULL);
}

static void kept(void *ctx, const struct hfp_err *err)
{
    struct waiting *w = ctx;
    struct job *j = jobs_find(&w->daemon->jobs, w->id);
    if (err && w->status == 201) {
        reply_problem(w->request, 507, hfp_code_name(err->code), err->message);
        if (j && w->daemon->driver)
            driver_remove(w->daemon->driver, j);
    } else if (err) {
        reply_not_kept(w->request, err);
    } else if (w->status == 204) {
        reply_empty(w->request, 204);
    } else if (!j) {
        reply_problem(w->request, 404, "no_such_job", "the job was taken off the list meanwhile.");
    } else {
        answer_job(w, j);
    }
    free(w);
}

void route_answer_kept(struct route_call *c, struct job *j, unsigned status)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return;
    }
    *w = (struct waiting){ .daemon = c->daemon, .request = c->request, .status = status };
    if (j)
        memcpy(w->id, j->id, sizeof w->id);
    driver_save(c->daemon->driver);
    store_sync(c->daemon->store, kept, w);
}

/* ---- changing ---- */

static void act(struct route_call *c, int (*what)(struct driver *d, struct job *j, struct hfp_err *err))
{
    struct hfp_err err = { 0 };
    struct job *j = route_job(c);
    if (!j)
        return;
    if (what(c->daemon->driver, j, &err))
        reply_error(c->request, 409, &err);
    else
        route_answer_kept(c, j, 200);
}

void job_pause_route(struct route_call *c)
{
    act(c, driver_pause);
}

void job_resume_route(struct route_call *c)
{
    act(c, driver_resume);
}

void job_cancel_route(struct route_call *c)
{
    act(c, driver_cancel);
}

void job_retry_route(struct route_call *c)
{
    act(c, driver_retry);
}

void job_change_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    struct body_change change;
    struct job *j = route_job(c);
    if (!j)
        return;
    if (body_change(&change, c->body, &err)) {
        reply_error(c->request, 400, &err);
        return;
    }
    if (change.has_priority)
        driver_priority(c->daemon->driver, j, change.priority);
    if (change.has_limit)
        driver_limit(c->daemon->driver, j, change.limit_bytes_per_s);
    route_answer_kept(c, j, 200);
}

void job_move_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    char id[JOB_ID_SIZE];
    struct job *j = route_job(c);
    if (!j)
        return;
    if (body_move(id, c->body, &err)) {
        reply_error(c->request, 400, &err);
        return;
    }
    const struct job *before = *id ? jobs_find(&c->daemon->jobs, id) : NULL;
    if (*id && !before)
        reply_problem(c->request, 409, "no_such_job", "before: there is no job of this id.");
    else if (driver_move(c->daemon->driver, j, before, &err))
        reply_error(c->request, 409, &err);
    else
        route_answer_kept(c, j, 200);
}

void job_delete_route(struct route_call *c)
{
    struct job *j = route_job(c);
    if (!j)
        return;
    driver_remove(c->daemon->driver, j);
    route_answer_kept(c, NULL, 204);
}
