#include "resolve/api.h"

#include "base/auto.h"
#include "net/url.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOPS_MAX 5

enum api_state { API_IDLE, API_WAIT, API_ASK };

struct api_call {
    struct http_request request;
    struct api_config config;
    struct api_events events;
    const struct answer_context *context;
    struct patience *patience;
    enum api_state state;
    bool held, reached, opened, redirect, ranged;
    uint64_t first, last; /* when ranged */
    unsigned attempt, hops;
    uint64_t since_ns, not_before_ns, requests;
    struct buf body;
    struct hfp_err verdict;
    char url[URL_MAX], asked[URL_MAX], location[URL_MAX], next[URL_MAX];
    char host[HOST_KEY_MAX];
};

static void on_opened(struct http_request *q, const struct http_peer *peer);
static void on_answered(struct http_request *q, const struct http_headers *h);
static enum http_take on_body(struct http_request *q, const uint8_t *bytes, size_t n);
static void on_closed(struct http_request *q, const struct hfp_err *err);

static struct api_call *call_of(struct http_request *q)
{
    return container_of(q, struct api_call, request);
}

static uint64_t api_now(const struct api_call *c)
{
    return c->config.now(c->config.now_ctx);
}

int api_new(struct api_call **out, const struct api_config *config, const struct api_events *events,
            const struct answer_context *context, struct patience *patience, struct hfp_err *err)
{
    struct api_call *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err);
    c->config = *config;
    c->events = *events;
    c->context = context;
    c->patience = patience;
    buf_init(&c->body, ANSWER_BYTES_MAX);
    *out = c;
    return HFP_OK;
}

void api_free(struct api_call *c)
{
    if (!c)
        return;
    c->config.http->cancel(c->config.http, &c->request);
    buf_done(&c->body);
    free(c);
}

static void api_failed(struct api_call *c, const struct hfp_err *err)
{
    uint64_t now_ns = api_now(c);
    struct hfp_err copy = *err;
    log_debug(c->config.log, "%s: %s", c->host, err->message);
    c->patience->why = copy;
    if (code_retry(copy.code) == HFP_FINAL) {
        c->state = API_IDLE;
        c->events.failed(c->events.ctx, &copy);
        return;
    }
    c->state = API_WAIT;
    if (++c->attempt <= RETRY_ATTEMPTS) {
        c->not_before_ns = now_ns + retry_delay_ns(c->attempt, random_next(c->config.random));
        return;
    }
    c->attempt = 0;
    int rc = patience_round_over(c->patience, now_ns, random_next(c->config.random), &copy);
    if (rc) {
        c->state = API_IDLE;
        c->events.failed(c->events.ctx, &copy);
    } else {
        c->not_before_ns = c->patience->wait_until_ns;
    }
}

static void api_ask(struct api_call *c, const char *url)
{
    if (url != c->asked)
        snprintf(c->asked, sizeof c->asked, "%s", url);
    if (!hosts_key(c->host, c->asked))
        snprintf(c->host, sizeof c->host, "unknown:0"); /* start() will say why */
    hosts_sent(c->config.hosts, c->host, api_now(c));
    bool home = false;
    int rc = url_same_origin(&home, c->asked, c->config.endpoint);
    c->request = (struct http_request){ .url = c->asked,
                                        .token = home ? c->config.token : NULL,
                                        .ranged = c->ranged,
                                        .first = c->first,
                                        .last = c->last,
                                        .gzip = c->config.gzip,
                                        .opened = on_opened,
                                        .answered = on_answered,
                                        .body = on_body,
                                        .closed = on_closed };
    c->opened = c->redirect = false;
    c->verdict = (struct hfp_err){ 0 };
    c->next[0] = 0;
    buf_clear(&c->body);
    c->state = API_ASK;
    c->since_ns = api_now(c);
    c->requests++;
    struct hfp_err err;
    rc = rc ? err_nomem(&err) : c->config.http->start(c->config.http, &c->request, &err);
    if (rc)
        api_failed(c, &err);
}

void api_get(struct api_call *c, const char *url)
{
    c->ranged = false;
    snprintf(c->url, sizeof c->url, "%s", url);
    c->attempt = c->hops = 0;
    c->state = API_WAIT; /* the next turn asks, when the host takes requests */
    c->not_before_ns = 0;
    if (!hosts_key(c->host, url))
        snprintf(c->host, sizeof c->host, "unknown:0");
}

void api_get_range(struct api_call *c, const char *url, uint64_t first, uint64_t last)
{
    api_get(c, url);
    c->ranged = true;
    c->first = first;
    c->last = last;
}

void api_use(struct api_call *c, const char *endpoint, const char *token)
{
    assert(c->state != API_ASK);
    c->config.endpoint = endpoint;
    c->config.token = token;
}

static void on_opened(struct http_request *q, const struct http_peer *peer)
{
    (void)peer;
    call_of(q)->opened = true;
}

static void on_answered(struct http_request *q, const struct http_headers *h)
{
    struct api_call *c = call_of(q);
    hosts_answered(c->config.hosts, c->host, h, api_now(c));
    if (h->status >= 301 && h->status <= 308 && h->location[0]) {
        if (++c->hops > HOPS_MAX)
            err_http(&c->verdict, HFP_E_PROTO, h->status, "%s redirects in circles", c->host);
        else if (url_join(c->location, sizeof c->location, c->asked, h->location, &c->verdict) == HFP_OK) {
            bool home = false;
            if (url_same_origin(&home, c->location, c->config.endpoint))
                err_nomem(&c->verdict);
            else if (!home)
                err_http(&c->verdict, HFP_E_PORTAL, h->status, "%s sends API calls elsewhere, as a login page does",
                         c->host);
            else
                c->redirect = true;
        }
        return;
    }
    int rc = c->config.verdict ? c->config.verdict(c->config.verdict_ctx, h, &c->verdict)
                               : answer_verdict(h, c->context, &c->verdict);
    if (rc == HFP_OK && h->encoded && !(c->config.gzip && h->gzip))
        err_http(&c->verdict, HFP_E_PROTO, h->status, "%s sent a compressed answer", c->host);
    /* Taken for the last page, a list that goes on where we cannot follow would be a success with files missing. */
    if (c->verdict.code == HFP_OK && h->link_void)
        err_http(&c->verdict, HFP_E_PROTO, h->status, "%s continues its answer at a place that cannot be asked for",
                 c->host);
    c->reached |= c->verdict.code != HFP_OK && c->verdict.code != HFP_E_PORTAL; /* of a 200 the body tells */
    snprintf(c->next, sizeof c->next, "%s", h->link_next);
}

static enum http_take on_body(struct http_request *q, const uint8_t *bytes, size_t n)
{
    struct api_call *c = call_of(q);
    if (c->verdict.code != HFP_OK || c->redirect || buf_add(&c->body, bytes, n, &c->verdict) == HFP_OK)
        return HTTP_TAKE;
    /* Not a byte more of it: 4 KB on the wire can be 4 MB when it is unpacked, again and again. */
    c->config.http->cancel(c->config.http, q);
    c->reached = true;
    if (c->events.too_long && c->verdict.code == HFP_E_PROTO) {
        c->state = API_IDLE;
        c->events.too_long(c->events.ctx);
    } else {
        api_failed(c, &c->verdict);
    }
    return HTTP_STOP;
}

static void api_answered(struct api_call *c)
{
    struct buf body = c->body; /* the owner may begin the next call inside, which clears ours */
    char next[URL_MAX];
    struct hfp_err err = { 0 };
    memcpy(next, c->next, sizeof next);
    buf_init(&c->body, ANSWER_BYTES_MAX);
    c->state = API_IDLE;
    int rc = c->events.answer(c->events.ctx, &body, next, &err);
    buf_done(&body);
    c->reached |= rc != HFP_E_PORTAL;
    if (rc == HFP_OK)
        patience_progress(c->patience, api_now(c));
    else
        api_failed(c, &err);
}

static void on_closed(struct http_request *q, const struct hfp_err *err)
{
    struct api_call *c = call_of(q);
    if (c->verdict.code != HFP_OK) {
        api_failed(c, &c->verdict);
    } else if (c->redirect) {
        memcpy(c->asked, c->location, sizeof c->asked);
        api_ask(c, c->asked);
    } else if (err->code != HFP_OK) {
        api_failed(c, err);
    } else {
        api_answered(c);
    }
}

static void api_time_out(struct api_call *c, uint64_t limit_ns)
{
    struct hfp_err err;
    c->config.http->cancel(c->config.http, &c->request);
    err_set(&err, c->opened ? HFP_E_TIMEOUT : HFP_E_CONNECT,
            c->opened ? "%s did not answer within %llu s" : "no connection to %s within %llu s", c->host,
            (unsigned long long)(limit_ns / NS_PER_S));
    api_failed(c, c->verdict.code != HFP_OK ? &c->verdict : &err); /* what its headers said stands without its words */
}

uint64_t api_turn(struct api_call *c, uint64_t now_ns)
{
    if (c->state == API_IDLE || c->held)
        return UINT64_MAX;
    if (c->state == API_WAIT) {
        uint64_t due = MAX(c->not_before_ns, hosts_not_before(c->config.hosts, c->host, now_ns));
        due = MAX(due, c->patience->wait_until_ns);
        if (due > now_ns)
            return due;
        c->hops = 0;
        api_ask(c, c->url);
    }
    if (c->state != API_ASK)
        return now_ns;
    const struct deadlines *d = c->config.deadlines;
    uint64_t limit_ns = c->opened ? d->api_ns : MIN(d->connect_ns, d->api_ns);
    if (ns_since(now_ns, c->since_ns) >= limit_ns)
        api_time_out(c, limit_ns);
    return c->state == API_ASK ? c->since_ns + limit_ns : now_ns;
}

void api_hold(struct api_call *c, bool hold)
{
    c->held = hold;
    if (!hold || c->state != API_ASK)
        return;
    c->config.http->cancel(c->config.http, &c->request);
    c->state = API_WAIT;
    c->not_before_ns = 0;
}

bool api_busy(const struct api_call *c)
{
    return c->state != API_IDLE;
}

bool api_reached(const struct api_call *c)
{
    return c->reached;
}

uint64_t api_requests(const struct api_call *c)
{
    return c->requests;
}

uint64_t api_waits_until_ns(const struct api_call *c)
{
    return c->state == API_WAIT ? MAX(c->not_before_ns, c->patience->wait_until_ns) : 0;
}
