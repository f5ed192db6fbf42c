/* /jobs and what is below it. A change is answered when it is safe on disk. */
#include "daemon/routes.h"

#include "daemon/body.h"
#include "daemon/job_json.h"
#include "daemon/reply.h"
#include "daemon/samples.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LIST_DEFAULT 100
#define KEY_MAX 200 /* of an Idempotency-Key */

static struct job *find(struct route_call *c)
{
    struct job *j = jobs_find(&c->daemon->jobs, c->arg[0]);
    if (!j || j->removed) {
        reply_problem(c->request, 404, "no_such_job", "there is no job of this id.");
        return NULL;
    }
    return j;
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
    if (err) {
        reply_problem(w->request, 507, hfp_code_name(err->code), err->message);
        if (j && w->status == 201 && w->daemon->driver)
            driver_remove(w->daemon->driver, j);
    } else if (w->status == 204) {
        reply_empty(w->request, 204);
    } else if (!j) {
        reply_problem(w->request, 404, "no_such_job", "the job was taken off the list meanwhile.");
    } else {
        answer_job(w, j);
    }
    free(w);
}

static void answer_when_kept(struct route_call *c, struct job *j, unsigned status)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return;
    }
    *w = (struct waiting){ .daemon = c->daemon, .request = c->request, .status = status };
    if (j)
        memcpy(w->id, j->id, sizeof w->id);
    if (j && j->unsaved) {
        j->unsaved = false;
        store_put_job(c->daemon->store, j);
    }
    store_sync(c->daemon->store, kept, w);
}

/* ---- creating ---- */

/* Below one of --local-root, with what is there of the path resolved: a link must not lead out. */
static bool folder_allowed(const struct daemon *d, const char *folder)
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
    const struct option_value *roots = &d->options->v[OPT_LOCAL_ROOT];
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
        answer_when_kept(c, j, 200);
    return j != NULL;
}

static uint64_t unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void create(struct route_call *c, struct job_ask *ask, const char *key, const char *sum)
{
    struct hfp_err err = { 0 };
    struct job *j = NULL;
    int rc = job_make(&j, ask, unix_ms(), &err);
    if (rc == HFP_OK && key && (!(j->key = strdup(key)) || !(j->key_digest = strdup(sum))))
        rc = fault_nomem(&err);
    if (rc == HFP_OK)
        rc = driver_add(c->daemon->driver, j, &err);
    if (rc) {
        job_drop(j);
        reply_error(c->request, 409, &err);
        return;
    }
    answer_when_kept(c, j, 201);
}

void jobs_create_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    struct job_ask ask = { 0 };
    char sum[17];
    const char *key = http_header(c->request, "Idempotency-Key");
    if (key && (!*key || strlen(key) > KEY_MAX || !body_plain(key))) {
        reply_problem(c->request, 400, "E_ARG", "Idempotency-Key: 1 to 200 bytes without control characters.");
        return;
    }
    if (body_ask(&ask, c->body, &err)) {
        reply_error(c->request, 400, &err);
        return;
    }
    const struct hfp_job_spec spec = job_ask_spec(&ask);
    if (hfp_check(&spec, &err)) {
        job_ask_done(&ask);
        reply_error(c->request, 400, &err);
        return;
    }
    digest(sum, &ask);
    if (ask.local_dir && !folder_allowed(c->daemon, ask.local_dir))
        reply_problem(c->request, 403, "folder_refused", "local_dir: not below a folder that --local-root allows.");
    else if (!answer_known(c, key, sum, &ask))
        create(c, &ask, key, sum);
    job_ask_done(&ask);
}

/* ---- listing ---- */

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

static bool query_number(struct route_call *c, const char *name, uint64_t fallback, uint64_t least, uint64_t most,
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
    if (!query_number(c, "limit", LIST_DEFAULT, 1, FILES_PAGE, &limit))
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
    struct job *j = find(c);
    if (j)
        show(c, j, true, 0, FILES_PAGE);
}

void job_files_route(struct route_call *c)
{
    uint64_t offset, limit;
    struct job *j = find(c);
    if (j && query_number(c, "offset", 0, 0, JOB_FILES_MAX, &offset) &&
        query_number(c, "limit", FILES_PAGE, 1, FILES_PAGE, &limit))
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
    struct job *j = find(c);
    if (!j)
        return;
    if (!j->samples) {
        struct reading *r = reading_new(c, j, false);
        if (r)
            store_read_samples(c->daemon->store, j->id, samples_read_back, r);
        return;
    }
    samples_json(&o, j->samples);
    reply_json(c->request, 200, &o, NULL);
}

/* ---- changing ---- */

static void act(struct route_call *c, int (*what)(struct driver *d, struct job *j, struct hfp_err *err))
{
    struct hfp_err err = { 0 };
    struct job *j = find(c);
    if (!j)
        return;
    if (what(c->daemon->driver, j, &err))
        reply_error(c->request, 409, &err);
    else
        answer_when_kept(c, j, 200);
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
    struct job *j = find(c);
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
    answer_when_kept(c, j, 200);
}

void job_move_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    char id[JOB_ID_SIZE];
    struct job *j = find(c);
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
        answer_when_kept(c, j, 200);
}

void job_delete_route(struct route_call *c)
{
    struct job *j = find(c);
    if (!j)
        return;
    driver_remove(c->daemon->driver, j);
    answer_when_kept(c, NULL, 204);
}
