#include "daemon/routes.h"

#include "daemon/body.h"
#include "daemon/reply.h"
#include "front/text.h"

#include <stdio.h>
#include <string.h>

#define API "/api/v1"

static const unsigned none[] = { 0 };
static const unsigned missing[] = { 404, 0 };
static const unsigned creates[] = { 200, 400, 403, 409, 413, 415, 422, 503, 507, 0 };
static const unsigned adopts[] = { 200, 400, 403, 404, 409, 413, 415, 503, 507, 0 };
static const unsigned changes[] = { 400, 404, 409, 413, 415, 503, 507, 0 };
static const unsigned moves[] = { 404, 409, 415, 503, 507, 0 };
static const unsigned lists[] = { 400, 0 };
static const unsigned pages[] = { 400, 404, 503, 0 };
static const unsigned removes[] = { 400, 404, 409, 415, 503, 0 };
static const unsigned streams[] = { 503, 0 };
static const unsigned tests[] = { 409, 415, 503, 0 };

static const struct route_query list_query[] = {
    { "state", "StateList", "only jobs in these states, with commas between" },
    { "q", "SearchText", "only jobs whose repository contains this" },
    { "limit", "PageSize", "jobs on this page; 100 when absent" },
    { "cursor", "Cursor", "next_cursor of the page before" },
    { NULL, NULL, NULL },
};
static const struct route_query files_query[] = {
    { "offset", "Offset", "the first row" },
    { "limit", "PageSize", "rows on this page; 1000 when absent" },
    { NULL, NULL, NULL },
};
static const struct route_query history_query[] = {
    { "span", "Span", "how far back; an hour when absent" },
    { NULL, NULL, NULL },
};
static const struct route_query events_query[] = {
    { "after", "SearchText", "id of the last event seen, where Last-Event-ID cannot be sent" },
    { NULL, NULL, NULL },
};

const struct route routes[] = {
    { HTTP_GET, "/healthz", GUARD_OPEN, health_route, NULL, "Health", NULL, 200, streams, NULL,
      "whether the daemon works" },
    { HTTP_GET, "/readyz", GUARD_OPEN, ready_route, NULL, "Ready", NULL, 200, streams, NULL,
      "whether what is needed is here: --ready, or all jobs" },
    { HTTP_GET, "/metrics", GUARD_API, metrics_route, NULL, "Any", "text/plain", 200, none, NULL,
      "figures for Prometheus" },
    { HTTP_GET, "/openapi.json", GUARD_OPEN, openapi_route, NULL, "Any", NULL, 200, none, NULL, "this description" },
    { HTTP_GET, "/", GUARD_OPEN, page_route, NULL, "Any", "text/html", 200, missing, NULL, "the page" },
    { HTTP_GET, "/assets/{file}", GUARD_OPEN, page_route, NULL, "Any", "*/*", 200, missing, NULL,
      "a file of the page" },
    { HTTP_GET, "/assets/icons/{file}", GUARD_OPEN, page_route, NULL, "Any", "image/svg+xml", 200, missing, NULL,
      "a picture of the page" },
    { HTTP_GET, API "/jobs", GUARD_API, jobs_list_route, NULL, "JobPage", NULL, 200, lists, list_query,
      "jobs: running ones, the queue in its order, then ended ones, newest first" },
    { HTTP_POST, API "/jobs", GUARD_API, jobs_create_route, "JobAsk", "Job", NULL, 201, creates, NULL,
      "asks for a job; with an Idempotency-Key the same request again gives the same job" },
    { HTTP_GET, API "/jobs/{id}", GUARD_API, job_show_route, NULL, "JobWithFiles", NULL, 200, missing, NULL,
      "one job and its first 1,000 files" },
    { HTTP_PATCH, API "/jobs/{id}", GUARD_API, job_change_route, "JobChange", "Job", NULL, 200, changes, NULL,
      "changes priority or limit, at once" },
    { HTTP_DELETE, API "/jobs/{id}", GUARD_API, job_delete_route, NULL, NULL, NULL, 204, moves, NULL,
      "cancels it if it runs and takes it off the list; what was fetched stays" },
    { HTTP_GET, API "/jobs/{id}/files", GUARD_API, job_files_route, NULL, "FilePage", NULL, 200, pages, files_query,
      "files of a job, by pages" },
    { HTTP_GET, API "/jobs/{id}/samples", GUARD_API, job_samples_route, NULL, "Samples", NULL, 200, pages, NULL,
      "how fast it was, and when it stalled" },
    { HTTP_POST, API "/jobs/{id}/pause", GUARD_API, job_pause_route, NULL, "Job", NULL, 200, moves, NULL,
      "holds it; its place goes to the next" },
    { HTTP_POST, API "/jobs/{id}/resume", GUARD_API, job_resume_route, NULL, "Job", NULL, 200, moves, NULL,
      "goes on, as soon as there is a place" },
    { HTTP_POST, API "/jobs/{id}/cancel", GUARD_API, job_cancel_route, NULL, "Job", NULL, 200, moves, NULL,
      "ends it; what was fetched stays" },
    { HTTP_POST, API "/jobs/{id}/retry", GUARD_API, job_retry_route, NULL, "Job", NULL, 200, moves, NULL,
      "a failed or cancelled job goes into the queue again" },
    { HTTP_POST, API "/jobs/{id}/move", GUARD_API, job_move_route, "JobMove", "Job", NULL, 200, changes, NULL,
      "puts a queued job before another one, or last" },
    { HTTP_GET, API "/cache", GUARD_API, cache_list_route, NULL, "Cache", NULL, 200, streams, NULL,
      "the hub cache: repositories, revisions, what is proved, and what deleting a revision frees" },
    { HTTP_DELETE, API "/cache/{type}/{ns}/{name}/revisions/{commit}", GUARD_API, cache_delete_route, NULL,
      "CacheDeleted", NULL, 200, removes, NULL,
      "deletes a revision and what no other one uses; ns is - where the name has none" },
    { HTTP_GET, API "/foreign", GUARD_API, foreign_list_route, NULL, "ForeignList", NULL, 200, streams, NULL,
      "downloads of other tools in the hub cache and below --watch-dir" },
    { HTTP_POST, API "/foreign/{download}/adopt", GUARD_API, foreign_adopt_route, "Adopt", "Job", NULL, 201, adopts,
      NULL, "takes one over: a job that begins with its bytes" },
    { HTTP_GET, "/api/system/network", GUARD_API, network_now_route, NULL, "Network", NULL, 200, streams, NULL,
      "what the interfaces and the jobs carry now" },
    { HTTP_GET, API "/network/history", GUARD_API, network_history_route, NULL, "NetworkHistory", NULL, 200, lists,
      history_query, "what the interfaces carried in the last hour or day" },
    { HTTP_GET, API "/settings", GUARD_API, settings_show_route, NULL, "Settings", NULL, 200, none, NULL,
      "all settings" },
    { HTTP_PATCH, API "/settings", GUARD_API, settings_change_route, "SettingsChange", "Settings", NULL, 200, changes,
      NULL, "changes settings: all that are given, or none" },
    { HTTP_POST, API "/settings/notify-test", GUARD_API, settings_test_route, NULL, "NotifyResults", NULL, 200, tests,
      NULL, "sends a message to every address of the settings and of the start, and says what became of it" },
    { HTTP_GET, API "/events", GUARD_API, events_route, NULL, "Any", "text/event-stream", 200, streams, events_query,
      "server-sent events: hello, job, job_removed, files, queue, settings, cache, foreign, network, lost" },
};
const size_t routes_n = sizeof routes / sizeof *routes;

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One segment, decoded. What would be a path, a NUL or no text after it is refused. */
static bool take_segment(char out[static ROUTE_ARG_SIZE], const char *s, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n && at + 1 < ROUTE_ARG_SIZE; i++) {
        char c = s[i];
        if (c == '%') {
            int high = i + 2 < n ? hex(s[i + 1]) : -1, low = high >= 0 ? hex(s[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || c == '/')
            return false;
        out[at++] = c;
    }
    out[at] = '\0';
    return at > 0 && at + 1 < ROUTE_ARG_SIZE && strcmp(out, ".") != 0 && strcmp(out, "..") != 0 && text_plain(out);
}

bool route_match(char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE], const char *pattern, const char *path)
{
    unsigned n = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        if (n == ROUTE_ARGS_MAX || !take_segment(arg[n++], path, len))
            return false;
        path += len;
        pattern += strcspn(pattern, "}") + 1;
    }
    return *path == '\0';
}

/* The route, or NULL and whether the path is one for another method. HEAD is asked where GET is. */
static const struct route *find(struct route_call *c, const struct http_view *v, bool *other_method)
{
    enum http_method method = v->method == HTTP_HEAD ? HTTP_GET : v->method;
    *other_method = false;
    for (size_t i = 0; i < routes_n; i++) {
        if (!route_match(c->arg, routes[i].path, v->path))
            continue;
        if (routes[i].method == method)
            return &routes[i];
        *other_method = true;
    }
    return NULL;
}

/* The methods of a path, for Allow (RFC 9110 15.5.6). */
static void refuse_method(struct http_request *r, struct route_call *c, const char *path)
{
    static const char *const names[] = { "GET, HEAD", "", "POST", "PATCH", "DELETE" };
    char allow[64] = "";
    for (size_t i = 0; i < routes_n; i++)
        if (route_match(c->arg, routes[i].path, path))
            snprintf(allow + strlen(allow), sizeof allow - strlen(allow), "%s%s", *allow ? ", " : "",
                     names[routes[i].method]);
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "type", "about:blank");
    out_text(&o, "title", "Method Not Allowed");
    out_u64(&o, "status", 405);
    out_text(&o, "detail", "this path is not asked like that.");
    out_text(&o, "code", "method");
    out_object_end(&o);
    const struct http_field fields[] = { { "Allow", allow }, { NULL, NULL } };
    struct http_answer a = { .status = 405, .type = "application/problem+json", .fields = fields };
    a.body = out_take(&o, &a.n);
    http_reply(r, &a);
}

void routes_begin(void *ctx, struct http_request *r)
{
    struct daemon *d = ctx;
    struct route_call c;
    const struct http_view *v = http_view(r);
    bool other_method;
    d->requests++;
    const struct route *route = find(&c, v, &other_method);
    struct guard_facts facts = guard_facts(r, route ? route->area : GUARD_API);
    struct guard_verdict verdict = guard_check(&d->policy, &facts);
    if (verdict.status)
        reply_problem(r, verdict.status, verdict.code, verdict.detail);
    else if (!route && other_method)
        refuse_method(r, &c, v->path);
    else if (!route)
        reply_problem(r, 404, "no_such_path", "there is nothing here.");
}

void routes_handle(void *ctx, struct http_request *r)
{
    struct daemon *d = ctx;
    struct route_call c = { .daemon = d, .request = r };
    struct hfp_err err = { 0 };
    const struct http_view *v = http_view(r);
    bool other_method;
    const struct route *route = find(&c, v, &other_method);
    if (d->stop) /* its rooms are being closed */
        reply_problem(r, 503, "ending", "the daemon is ending.");
    else if (route->takes && body_parse(&c.body, v->body, v->body_n, &err))
        reply_error(r, 400, &err);
    else
        route->handler(&c);
    cJSON_Delete(c.body);
}
