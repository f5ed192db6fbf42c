/* Routes about the daemon itself: settings, events, health. */
#include "daemon/routes.h"

#include "daemon/reply.h"

#include <stdlib.h>

static void settings_out(const struct daemon *d, struct out *o)
{
    out_object(o, NULL);
    driver_settings_json(o, d->driver);
    out_object_end(o);
}

void settings_show_route(struct route_call *c)
{
    struct out o = { 0 };
    settings_out(c->daemon, &o);
    reply_json(c->request, 200, &o, NULL);
}

struct waiting {
    struct daemon *daemon;
    struct http_request *request;
};

static void kept(void *ctx, const struct hfp_err *err)
{
    struct waiting *w = ctx;
    struct out o = { 0 };
    if (err) {
        reply_not_kept(w->request, err);
    } else if (!w->daemon->driver) { /* kept, but who knows all of them is gone */
        reply_problem(w->request, 503, "ending", "the daemon is ending.");
    } else {
        settings_out(w->daemon, &o);
        reply_json(w->request, 200, &o, NULL);
    }
    free(w);
}

void settings_change_route(struct route_call *c)
{
    struct daemon *d = c->daemon;
    struct settings before = d->settings;
    struct hfp_err err = { 0 };
    if (settings_change(&d->settings, c->body, &err)) {
        reply_error(c->request, 400, &err);
        return;
    }
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        d->settings = before;
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return;
    }
    *w = (struct waiting){ d, c->request };
    driver_settings(d->driver, &before);
    store_sync(d->store, kept, w);
}

static void tested(void *ctx, char *text, size_t size)
{
    struct http_request *r = ctx;
    if (!text)
        reply_problem(r, 503, "E_NOMEM", "out of memory.");
    else
        http_reply(r, &(struct http_answer){ .status = 200, .type = "application/json", .body = text, .n = size });
}

void settings_test_route(struct route_call *c)
{
    if (!notifying_test(c->daemon->notifying, tested, c->request))
        reply_problem(c->request, 409, "test_under_way", "the addresses are being tested already.");
}

void events_route(struct route_call *c)
{
    const char *after = http_header(c->request, "Last-Event-ID");
    if (!after)
        after = http_query(c->request, "after");
    if (http_view(c->request)->method == HTTP_HEAD)
        reply_empty(c->request, 200);
    else if (feed_open(c->daemon->feed, c->request, after))
        daemon_again(c->daemon); /* somebody listens: there is more to look at */
    else
        reply_problem(c->request, 503, "too_many_readers", "400 readers of events are served already.");
}

void ready_route(struct route_call *c)
{
    struct out o = { 0 };
    size_t missing = ready_missing(&c->daemon->ready, &c->daemon->jobs);
    out_object(&o, NULL);
    out_bool(&o, "ready", missing == 0);
    out_u64(&o, "missing", missing);
    out_object_end(&o);
    reply_json(c->request, missing == 0 ? 200 : 503, &o, NULL);
}

void health_route(struct route_call *c)
{
    struct out o = { 0 };
    const char *trouble = store_trouble(c->daemon->store);
    out_object(&o, NULL);
    out_text(&o, "status", trouble ? "failing" : "ok");
    out_text(&o, "version", HFP_VERSION);
    out_object_end(&o);
    reply_json(c->request, trouble ? 503 : 200, &o, NULL);
}
