#include "transfer/internal.h"

#include "base/auto.h"
#include "net/url.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void on_opened(struct http_request *q, const struct http_peer *peer);
static enum http_take on_body(struct http_request *q, const uint8_t *bytes, size_t n);
static void on_closed(struct http_request *q, const struct hfp_err *err);

/* IDLE -start-> CONNECTING -opened-> ASKED -answered-> BODY or DRAIN -closed-> IDLE; a cut goes to IDLE from anywhere. */
void runner_move(struct runner *r, enum runner_state to)
{
    r->state = to;
    r->since_ns = transfer_now(r->transfer);
}

/* On a fast line a request is over before the next tick looks: its own mean is what segment lengths are made from. */
static void remote_rate(struct runner *r)
{
    uint64_t took_ns = ns_since(r->last_byte_ns, r->body_ns);
    if (r->bytes < BLOCK || took_ns < NS_PER_MS)
        return;
    uint64_t rate = (uint64_t)((unsigned __int128)r->bytes * NS_PER_S / took_ns);
    uint64_t old = r->remote->rate_bytes_per_s;
    r->remote->rate_bytes_per_s = old == 0 ? rate : (old * 7 + rate) / 8;
    uint64_t best = r->remote->best_bytes_per_s;
    if (rate > best)
        r->remote->best_bytes_per_s = rate;
    else if (r->held_since_ns == 0) /* else it was we who were slow */
        r->remote->best_bytes_per_s = best - (best - rate) / 32;
}

static void runner_idle(struct runner *r)
{
    struct fetch *f = r->fetch;
    if (r->state == RUN_BODY) {
        remote_rate(r);
        learn_request(&r->remote->learn, ns_since(r->body_ns, r->asked_ns), ns_since(r->last_byte_ns, r->asked_ns));
    }
    if (f->locating == r)
        f->locating = NULL;
    r->remote->running--;
    f->group->running--;
    r->transfer->running--;
    runner_move(r, RUN_IDLE);
    r->fetch = NULL;
    r->segment = NULL;
}

static int runner_set_url(struct runner *r, const char *url, struct hfp_err *err)
{
    struct transfer *t = r->transfer;
    if (url != r->url)
        snprintf(r->url, sizeof r->url, "%s", url);
    int rc = url_same_origin(&r->at_hub, r->url, t->config.endpoint);
    r->at_hub = r->at_hub && !r->fetch->is_signed;
    struct remote *remote = remote_of(t, r->url, transfer_now(t));
    if (r->remote)
        r->remote->running--;
    remote->running++;
    r->remote = remote;
    r->fetch->remote = remote;
    return rc ? err_nomem(err) : HFP_OK;
}

/* What this server sent for the block was wrong, or so it seems: it shall come from another address. */
static void runner_suspect(struct runner *r, uint16_t peer)
{
    struct transfer *t = r->transfer;
    char name[sizeof r->remote->name];
    snprintf(name, sizeof name, "%s", r->remote->name);
    char *port = strrchr(name, ':');
    if (port)
        *port = 0;
    const struct peer_name *p = transfer_peer(t, peer);
    if (p->address[0] && strcmp(p->host, name) == 0)
        hosts_failed(t->config.hosts, r->remote->name, p->address, transfer_now(t));
}

/* Asks for what the segment still needs at r->url. */
static int runner_ask(struct runner *r, struct hfp_err *err)
{
    struct transfer *t = r->transfer;
    struct segment *s = r->segment;
    struct fetch *f = r->fetch;
    r->first = f->base + (f->whole ? 0 : s->pos);
    r->last = f->base + (f->whole ? f->size_bytes : s->end) - 1;
    /* A file of one block is asked for whole: servers cache and count that best. */
    r->ranged = f->is_signed || !(s->pos == 0 && s->end == f->size_bytes && f->size_bytes <= BLOCK);
    r->skip = 0;
    r->until = UINT64_MAX;
    r->drained = 0;
    r->redirect = false;
    r->peer = 0; /* of a redirect: who sent us on is not who serves */
    r->peer_now = (struct http_peer){ 0 };
    uint16_t avoid = s->avoid ? s->avoid : s->lost_peer;
    const char *avoided = transfer_peer(t, avoid)->address;
    uint64_t now_ns = transfer_now(t);
    const char *address = hosts_pick(t->config.hosts, r->remote->name, &avoided, avoided[0] != 0, now_ns);
    if (!address && s->avoid) /* no other is known: a suspicion makes DNS be asked */
        runner_suspect(r, s->avoid);
    hosts_sent(t->config.hosts, r->remote->name, now_ns);
    snprintf(r->connect_to, sizeof r->connect_to, "%s", address ? address : "");
    if (address)
        f->group->trying = strchr(address, ':') ? "another IPv6 address" : "another IPv4 address";
    r->request = (struct http_request){
        .url = r->url,
        .token = r->at_hub ? t->config.token : NULL,
        .connect_to = address ? r->connect_to : NULL,
        .ranged = r->ranged,
        .first = r->first,
        .last = r->last,
        .opened = on_opened,
        .answered = runner_answered,
        .body = on_body,
        .closed = on_closed,
    };
    runner_move(r, RUN_CONNECTING);
    f->group->stats.requests++;
    return t->config.http->start(t->config.http, &r->request, err);
}

bool runner_start(struct transfer *t, struct segment *s)
{
    struct runner *r = NULL;
    for (unsigned i = 0; i < RUNNERS_MAX && !r; i++)
        if (t->runner[i].state == RUN_IDLE)
            r = &t->runner[i];
    if (!r)
        return false;
    struct fetch *f = s->fetch;
    uint64_t now_ns = transfer_now(t);
    *r = (struct runner){ .transfer = t, .fetch = f, .segment = s, .start_ns = now_ns, .last_byte_ns = now_ns };
    s->run[s->run[0] ? 1 : 0] = r;
    segment_move(s, SEGEV_START);
    t->running++;
    f->group->running++;
    if (!f->location) {
        r->locator = true;
        f->locating = r;
    }
    r->location_number = f->location_number;
    struct hfp_err err;
    if (runner_set_url(r, f->location ? f->location : f->url, &err) || runner_ask(r, &err))
        runner_cut(r, &err);
    return true;
}

static bool blames_address(enum hfp_code code)
{
    return code == HFP_E_CONNECT || code == HFP_E_RESET || code == HFP_E_TIMEOUT || code == HFP_E_SILENT ||
           code == HFP_E_SLOW || code == HFP_E_PROTO || code == HFP_E_PORTAL || code == HFP_E_SHORT ||
           code == HFP_E_TLS;
}

/* A location that has served and is now refused has expired; one that was never accepted is a refusal that counts. */
static bool location_expired(struct runner *r, const struct hfp_err *err)
{
    struct fetch *f = r->fetch;
    if (r->location_number == f->location_number)
        fetch_forget_location(f, err);
    return f->last_served;
}

/* The request failed. The segment goes back to be asked for again, or the file or the job ends. */
static void runner_fail(struct runner *r, const struct hfp_err *err)
{
    struct fetch *f = r->fetch;
    struct group *g = f->group;
    struct segment *s = r->segment;
    enum hfp_code code = err->code;
    enum hfp_retry retry = code_retry(code);
    uint64_t now_ns = transfer_now(r->transfer);
    g->stats.errors[code]++;
    g->stats.lost += r->state == RUN_BODY;
    g->patience->why = *err;
    log_debug(r->transfer->config.log, "%s: %s", f->path, err->message);
    if (blames_address(code) && r->peer_now.address[0] && !r->peer_now.proxied)
        hosts_failed(r->transfer->config.hosts, r->remote->name, r->peer_now.address, now_ns);
    else if (code == HFP_E_CONNECT)
        hosts_failed(r->transfer->config.hosts, r->remote->name, r->connect_to, now_ns);
    if (code == HFP_E_RESET || code == HFP_E_CONNECT || code == HFP_E_SERVER || code == HFP_E_BUSY)
        learn_error(&r->remote->learn);
    bool blameless = retry == HFP_FRESH && location_expired(r, err);
    struct fetch *fetch = f;
    runner_idle(r);
    if (s)
        segment_lost(s, r, blameless ? NULL : err);
    if (retry == HFP_FINAL && code == HFP_E_NO_FILE)
        fetch_fail(fetch, err);
    else if (retry == HFP_FINAL && !g->over) {
        g->over = true;
        g->events.gave_up(g->events.ctx, err);
    }
}

void runner_cut(struct runner *r, const struct hfp_err *err)
{
    r->transfer->config.http->cancel(r->transfer->config.http, &r->request);
    if (err) {
        runner_fail(r, err);
        return;
    }
    struct segment *s = r->segment;
    runner_idle(r);
    if (s)
        segment_lost(s, r, NULL);
}

void runner_drop(struct runner *r)
{
    struct segment *s = r->segment;
    r->transfer->config.http->cancel(r->transfer->config.http, &r->request);
    if (s && s->run[1] == r)
        s->run[1] = NULL;
    else if (s && s->run[0] == r) {
        s->run[0] = s->run[1];
        s->run[1] = NULL;
    }
    runner_idle(r);
}

static void on_opened(struct http_request *q, const struct http_peer *peer)
{
    struct runner *r = runner_of(q);
    r->peer_now = *peer;
    r->peer = peer_number(r->transfer, r->url, peer->address);
    runner_move(r, RUN_ASKED);
    r->last_byte_ns = r->asked_ns = r->since_ns;
}

static void runner_count(struct runner *r, size_t n)
{
    struct group *g = r->fetch->group;
    uint64_t now_ns = transfer_now(r->transfer);
    g->stats.wire_bytes += n;
    g->last_byte_ns = now_ns;
    r->last_byte_ns = now_ns;
    r->window_bytes += n;
    r->fetch->window_bytes += n;
    learn_bytes(&r->remote->learn, n);
    limit_take(&g->limit, n);
    limit_take(&r->transfer->limit, n);
}

static enum http_take runner_hold(struct runner *r, enum runner_block why)
{
    if (r->held == FLOWS)
        r->held_since_ns = transfer_now(r->transfer);
    r->held = why;
    r->remote->limited = true;
    return HTTP_PAUSE;
}

/* First bytes win: the other request for the same range ends. */
static void runner_won(struct runner *r)
{
    struct segment *s = r->segment;
    struct runner *other = s->run[0] == r ? s->run[1] : s->run[0];
    if (!other)
        return;
    s->run[0] = r;
    s->run[1] = NULL;
    other->segment = NULL;
    runner_drop(other);
}

static enum http_take take_body(struct runner *r, const uint8_t *bytes, size_t n)
{
    struct segment *s = r->segment;
    struct group *g = r->fetch->group;
    uint64_t now_ns = transfer_now(r->transfer);
    if (g->paused || r->fetch->held)
        return runner_hold(r, HELD_PAUSE);
    if (!limit_open(&g->limit, now_ns) || !limit_open(&r->transfer->limit, now_ns))
        return runner_hold(r, HELD_LIMIT);
    size_t skip = (size_t)MIN(r->skip, n);
    if (n > skip && !segment_room(s, n - skip))
        return runner_hold(r, HELD_BUFFER);
    r->held = FLOWS;
    runner_count(r, n);
    r->skip -= skip;
    if (n == skip)
        return HTTP_TAKE;
    runner_won(r);
    patience_progress(g->patience, now_ns);
    uint64_t room = s->end - s->pos;
    r->bytes += MIN(n - skip, room);
    segment_take(s, r, bytes + skip, n - skip);
    if (s->pos < s->end)
        return HTTP_TAKE;
    bool more = n - skip > room || r->until > s->end; /* this answer goes on beyond what is wanted of it */
    s->run[0] = NULL;
    r->segment = NULL;
    segment_move(s, SEGEV_FULL);
    segment_remove(s);
    /* One too many since the target fell: idle, it would lose its pace, and libcurl would give the next request to it and
     * let one rest that has kept its own. */
    bool surplus = r->remote->running > r->remote->learn.target;
    if (!more && !surplus)
        return HTTP_TAKE; /* its end follows at once and keeps the connection */
    runner_idle(r);
    return HTTP_STOP;
}

static enum http_take on_body(struct http_request *q, const uint8_t *bytes, size_t n)
{
    struct runner *r = runner_of(q);
    if (r->state == RUN_BODY && r->segment)
        return take_body(r, bytes, n);
    runner_count(r, n);
    r->drained += (uint32_t)MIN(n, DRAIN_MAX);
    if (r->drained < DRAIN_MAX)
        return HTTP_TAKE;
    runner_end_drain(r); /* too long to be worth reading */
    return HTTP_STOP;
}

static void follow_redirect(struct runner *r)
{
    struct fetch *f = r->fetch;
    struct hfp_err err;
    int rc = runner_set_url(r, r->redirect_url, &err);
    if (!rc && !r->at_hub && r->locator && !f->location) {
        f->location = strdup(r->url);
        r->location_number = ++f->location_number;
        f->location_served = false;
        if (f->locating == r)
            f->locating = NULL; /* the others may go there now */
    }
    if (rc || runner_ask(r, &err))
        runner_cut(r, &err);
}

static void on_closed(struct http_request *q, const struct hfp_err *err)
{
    struct runner *r = runner_of(q);
    struct segment *s = r->segment;
    struct hfp_err why = *err;
    if (r->state == RUN_DRAIN) {
        if (r->redirect && s)
            follow_redirect(r);
        else
            runner_fail(r, &r->verdict);
        return;
    }
    if (!s) { /* its range is complete; how the connection ended does not matter */
        runner_idle(r);
        return;
    }
    if (why.code == HFP_OK && r->state == RUN_BODY && r->bytes > 0 && s->pos == r->until) {
        runner_cut(r, NULL); /* a shorter part than asked for, honestly announced: the rest is asked for next */
        return;
    }
    if (why.code == HFP_OK)
        err_set(&why, HFP_E_SHORT, "%s ended %s at byte %" PRIu64 " of %" PRIu64, r->remote->name, r->fetch->path,
                s->pos, s->end);
    runner_fail(r, &why);
}

void runner_end_drain(struct runner *r)
{
    r->transfer->config.http->cancel(r->transfer->config.http, &r->request);
    on_closed(&r->request, &(struct hfp_err){ 0 });
}

void runner_unhold(struct runner *r)
{
    r->held = FLOWS;
    r->last_byte_ns = transfer_now(r->transfer);
    r->transfer->config.http->resume(r->transfer->config.http, &r->request);
}
