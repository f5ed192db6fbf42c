#include "transfer/internal.h"

#include "base/auto.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

/* What the headers of an answer make of its runner: the body of a range, a redirect, or a refusal. */

static void remote_latency(struct remote *remote, uint64_t ns)
{
    remote->latency_ns = remote->latency_ns == 0 ? ns : (remote->latency_ns * 7 + ns) / 8;
    uint64_t best = remote->best_latency_ns;
    remote->best_latency_ns = best == 0 || ns < best ? ns : best + (ns - best) / 32;
}

/* Reads the rest of an answer that is not the file, so that the connection can be used again; acts when it ends. */
static void runner_drain(struct runner *r)
{
    runner_move(r, RUN_DRAIN);
}

static void answered_redirect(struct runner *r, const struct http_headers *h)
{
    uint64_t wait_ns = ns_since(r->last_byte_ns, r->asked_ns);
    learn_request(&r->remote->learn, wait_ns, wait_ns);
    if (++r->hops > HOPS_MAX)
        err_http(&r->verdict, HFP_E_PROTO, h->status, "%s redirects in circles", r->remote->name);
    else if (url_join(r->redirect_url, sizeof r->redirect_url, r->url, h->location, &r->verdict) == HFP_OK)
        r->redirect = true;
    runner_drain(r);
}

/* Within one host an ETag that changes under a file means that the parts are of two contents. */
static int check_etag(struct fetch *f, const struct runner *r, const struct http_headers *h, struct hfp_err *err)
{
    bool known = f->etag[0] && strcmp(f->etag_host, r->remote->name) == 0;
    bool same = !known || !h->etag[0] || strcmp(f->etag, h->etag) == 0;
    if (h->etag[0]) { /* the newer one is the measure from now on, or one odd edge would end the file */
        snprintf(f->etag, sizeof f->etag, "%s", h->etag);
        snprintf(f->etag_host, sizeof f->etag_host, "%s", r->remote->name);
    }
    return same ? HFP_OK : err_set(err, HFP_E_PROTO, "%s changed the file's ETag on the way", r->remote->name);
}

static void location_accepted(struct runner *r)
{
    struct fetch *f = r->fetch;
    if (r->locator && !f->location) {
        f->location = strdup(r->url); /* without memory for it the next segment simply asks again */
        r->location_number = ++f->location_number;
    }
    if (r->location_number == f->location_number)
        f->location_served = true;
    if (f->locating == r)
        f->locating = NULL;
}

static void answered_bytes(struct runner *r, const struct http_headers *h)
{
    struct fetch *f = r->fetch;
    struct range_want want = { .first = r->first,
                               .last = r->last,
                               .size_bytes = f->is_signed ? RANGE_SIZE_UNKNOWN : f->size_bytes,
                               .ranged = r->ranged,
                               .may_skip = f->ranges_ignored >= RANGES_IGNORED_MAX,
                               .path = f->path,
                               .host = r->remote->name };
    struct range_take take;
    int rc = range_check(&take, h, &want, &r->verdict);
    if (rc == HFP_OK)
        rc = check_etag(f, r, h, &r->verdict);
    if (r->ranged && h->status == 200 && (r->first > 0 || f->is_signed) && (rc != HFP_OK || take.whole))
        f->ranges_ignored = MIN(f->ranges_ignored + 1, RANGES_IGNORED_MAX);
    else if (h->status == 206)
        f->ranges_ignored = 0;
    if (rc != HFP_OK) {
        runner_drain(r);
        return;
    }
    location_accepted(r);
    if (!r->peer_now.proxied) /* then the address is the proxy's */
        hosts_ok(r->transfer->config.hosts, r->remote->name, r->peer_now.address, r->since_ns);
    r->skip = take.skip + (f->base + r->segment->pos - r->first);
    r->until = take.until == UINT64_MAX ? UINT64_MAX : take.until - f->base;
    runner_move(r, RUN_BODY);
    r->last_byte_ns = r->body_ns = r->since_ns;
}

void runner_answered(struct http_request *q, const struct http_headers *h)
{
    struct runner *r = runner_of(q);
    struct transfer *t = r->transfer;
    uint64_t now_ns = transfer_now(t);
    if (r->state == RUN_ASKED)
        remote_latency(r->remote, ns_since(now_ns, r->since_ns));
    r->last_byte_ns = now_ns;
    hosts_answered(t->config.hosts, r->remote->name, h, now_ns);
    r->verdict = (struct hfp_err){ 0 };
    if (h->status >= 301 && h->status <= 308 && h->status != 304 && h->location[0]) {
        answered_redirect(r, h);
    } else if (h->status == 200 || h->status == 206) {
        answered_bytes(r, h);
    } else {
        const struct answer_context *c = r->fetch->group->events.context;
        struct answer_context who = *c;
        who.path = r->fetch->path;
        if (r->at_hub)
            answer_verdict(h, &who, &r->verdict);
        else
            answer_cdn_verdict(h, r->remote->name, &r->verdict);
        runner_drain(r);
    }
}
