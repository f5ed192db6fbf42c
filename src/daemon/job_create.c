/* POST /jobs: what may be asked for, and whether it was asked for before. */
#include "daemon/job_routes.h"

#include "daemon/body.h"
#include "daemon/job_json.h"
#include "daemon/reply.h"
#include "front/clock.h"
#include "front/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 200 /* of an Idempotency-Key */

/* Below one of --local-root, with what is there of the path resolved: a link must not lead out. May wait for a disk. */
static bool folder_allowed(const struct option_value *roots, const char *folder)
{
    char path[PATH_MAX], real[PATH_MAX];
    if (*folder != '/' || strlen(folder) >= sizeof path || strstr(folder, "/../") || strstr(folder, "/./"))
        return false;
    size_t n = strlen(folder);
    if (n >= 3 && strcmp(folder + n - 3, "/..") == 0)
        return false;
    strcpy(path, folder);
    while (!realpath(path, real)) { /* the deepest part that exists */
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || !slash || slash == path)
            return false;
        *slash = '\0';
    }
    for (size_t i = 0; i < roots->list_n; i++) {
        char root[PATH_MAX];
        size_t len = realpath(roots->list[i], root) ? strlen(root) : 0;
        if (len > 0 && strncmp(real, root, len) == 0 && (real[len] == '/' || !real[len] || len == 1))
            return true;
    }
    return false;
}

/* What came with a key, so that the same key with something else is noticed. FNV-1a over the canonical request. */
static void digest(char out[static 17], const struct job_ask *a)
{
    struct out o = { 0 };
    uint64_t h = UINT64_C(14695981039346656037);
    job_ask_json(&o, NULL, a);
    char *text = out_take(&o, NULL);
    for (const char *s = text ? text : ""; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    free(text);
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

/* A job that was asked for already: by the same key, or by the same words while it has not ended. */
static bool answer_known(struct route_call *c, const char *key, const char *sum, const struct job_ask *ask)
{
    struct job *j = key ? jobs_find_key(&c->daemon->jobs, key) : NULL;
    if (j && strcmp(j->key_digest, sum) != 0) {
        reply_problem(c->request, 422, "key_reused", "this Idempotency-Key came with another request before.");
        return true;
    }
    if (!j)
        j = jobs_find_same(&c->daemon->jobs, ask);
    if (j)
        route_answer_kept(c, j, 200);
    return j != NULL;
}

static void create(struct route_call *c, struct job_ask *ask, const char *key, const char *sum)
{
    struct hfp_err err = { 0 };
    struct job *j = NULL;
    int rc = job_make(&j, ask, (uint64_t)clock_unix_ms(), &err);
    if (rc == HFP_OK && key && (!(j->key = strdup(key)) || !(j->key_digest = strdup(sum))))
        rc = fault_nomem(&err);
    if (rc == HFP_OK)
        rc = driver_add(c->daemon->driver, j, &err);
    if (rc) {
        job_drop(j);
        reply_error(c->request, 409, &err);
        return;
    }
    route_answer_kept(c, j, 201);
}

void route_create(struct daemon *d, struct http_request *r, struct job_ask *ask)
{
    struct route_call c = { .daemon = d, .request = r };
    if (!answer_known(&c, NULL, NULL, ask))
        create(&c, ask, NULL, NULL);
}

static void answer(struct route_call *c, struct job_ask *ask, const char *key, const char *sum, bool allowed)
{
    if (!allowed)
        reply_problem(c->request, 403, "folder_refused", "local_dir: not below a folder that --local-root allows.");
    else if (!answer_known(c, key, sum, ask))
        create(c, ask, key, sum);
}

/* A job that goes to a folder waits until somebody has looked at that. */
struct folder_look {
    struct worker_task task;
    struct daemon *daemon;
    struct http_request *request;
    struct job_ask ask;
    const char *key; /* the request's, or NULL */
    char sum[17];
    bool allowed;
};

static void look_run(struct worker_task *task)
{
    struct folder_look *l = (struct folder_look *)task;
    l->allowed = folder_allowed(&l->daemon->options->v[OPT_LOCAL_ROOT], l->ask.local_dir);
}

static void look_done(struct worker_task *task)
{
    struct folder_look *l = (struct folder_look *)task;
    struct route_call c = { .daemon = l->daemon, .request = l->request };
    if (l->daemon->stop)
        reply_problem(l->request, 503, "ending", "the daemon is ending.");
    else
        answer(&c, &l->ask, l->key, l->sum, l->allowed);
    job_ask_done(&l->ask);
    free(l);
}

/* Takes *ask over. */
static void look(struct route_call *c, struct job_ask *ask, const char *key, const char *sum)
{
    struct folder_look *l = calloc(1, sizeof *l);
    if (!l) {
        job_ask_done(ask);
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return;
    }
    *l = (struct folder_look){ .task = { .run = look_run, .done = look_done },
                               .daemon = c->daemon,
                               .request = c->request,
                               .ask = *ask,
                               .key = key };
    memcpy(l->sum, sum, sizeof l->sum);
    worker_submit(c->daemon->folders, &l->task);
}

void jobs_create_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    struct job_ask ask = { 0 };
    char sum[17];
    const char *key = http_header(c->request, "Idempotency-Key");
    if (key && (!*key || strlen(key) > KEY_MAX || !text_plain(key))) {
        reply_problem(c->request, 400, "E_ARG", "Idempotency-Key: 1 to 200 bytes without control characters.");
        return;
    }
    if (body_ask(&ask, c->body, c->daemon->options->v[OPT_ENDPOINT].text, &err)) {
        reply_error(c->request, 400, &err);
        return;
    }
    if (ask.verb == HFP_ADOPT || cJSON_GetObjectItemCaseSensitive(c->body, "adopt")) {
        job_ask_done(&ask);
        reply_problem(c->request, 400, "E_ARG", "adopt: only what /foreign shows is taken over, by its id.");
        return;
    }
    const struct hfp_job_spec spec = job_ask_spec(&ask);
    if (hfp_check(&spec, &err)) {
        job_ask_done(&ask);
        reply_error(c->request, 400, &err);
        return;
    }
    digest(sum, &ask);
    if (ask.local_dir) {
        look(c, &ask, key, sum);
        return;
    }
    answer(c, &ask, key, sum, true);
    job_ask_done(&ask);
}
