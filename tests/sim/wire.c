#include "sim.h"

#include "base/auto.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How answers come: the Hub has one address, the CDN two, and one line carries it all. Each request is a small script
 * decided by the seed: when it opens, how its body comes and where it breaks. What it says is in hub.c. */

#define BODY_MAX 16384
#define PLACES_MAX                                                                                                     \
    40 /* learned concurrency, hedges, calls of the API for each job and of the CAS for each file stay below */
/* design 5: a silent range is asked for elsewhere after 5 or 30 s. So long after its last byte it was, or it is cut. */
#define SILENCE_MAX_NS (65 * NS_PER_S)

struct wire {
    struct http base;
    struct exchange *open[PLACES_MAX];
};

static void fire(void *arg);

static void later(struct exchange *x, uint64_t delay_ns)
{
    x->pending++;
    heap_add(sim->now_ns + delay_ns, fire, x);
}

static void let_go(struct exchange *x)
{
    if (!x->request) {
        sim->streams -= x->streaming;
        sim->silent -= x->silent;
        x->streaming = x->silent = false;
    }
    if (x->pending > 0 || x->request)
        return;
    free(x->text);
    free(x);
}

static struct http_request *part(struct exchange *x)
{
    struct http_request *r = x->request;
    x->request = NULL;
    r->impl = NULL;
    sim->requests_open--;
    return r;
}

static void end(struct exchange *x, enum hfp_code code)
{
    struct hfp_err err = { .code = code };
    struct http_request *r = part(x);
    sim->byte_ns[x->repo] = code == HFP_OK ? sim->now_ns : sim->byte_ns[x->repo]; /* the end is news too */
    snprintf(err.message, sizeof err.message, "simulated %s", hfp_code_name(code));
    r->closed(r, &err);
}

/* ---- silence ---- */

/* Where nobody else could be asked, or nobody should: other judges look at those. */
static bool silence_is_excused(const struct exchange *x)
{
    const struct sim_faults *f = &sim->faults;
    return sim->silent > 2 || sim->dead || f->xet || f->steer || f->hold || f->suspend || f->slow_disk || f->drag ||
           f->busy || f->throttle || f->refuse || f->black_hole || f->dns || f->outage || f->cancel ||
           sim->max_rounds < 60 || x->held;
}

/* P3: a connection that fails its deadline loses its range to another one. */
static void judge_silence(void *arg)
{
    struct exchange *x = arg;
    if (x->request && x->silent && x->file && !x->second && !silence_is_excused(x))
        sim_fail("P3: byte %" PRIu64 " of %.12s was not asked for elsewhere %.0f s after its connection fell silent",
                 x->pos, x->file->etag, (double)(sim->now_ns - x->silent_ns) / 1e9);
    x->pending--;
    let_go(x);
}

static void fall_silent(struct exchange *x)
{
    x->silent = true;
    x->silent_ns = sim->now_ns;
    sim->silent++;
    x->pending++;
    heap_add(sim->now_ns + SILENCE_MAX_NS, judge_silence, x);
}

/* Somebody else is asked for what a silent one owes. Two are enough: when the second falls silent too, both live on until
 * their time is over (design: the silent one lives until --timeout). True: this is a second. */
static bool asked_elsewhere(const struct wire *w, const struct sim_file *f, unsigned repo, uint64_t first,
                            uint64_t last)
{
    bool second = false;
    for (unsigned i = 0; i < PLACES_MAX; i++) {
        struct exchange *x = w->open[i];
        if (!x || !x->request || x->silent_ns == 0 || x->file != f || x->repo != repo)
            continue;
        uint64_t owes = MAX(x->pos, x->request->ranged ? x->request->first : 0); /* before it is what it skips */
        if (owes < first || owes > last)
            continue;
        second = true;
        sim->silent -= x->silent;
        x->silent = false;
    }
    return second;
}

/* ---- how it comes ---- */

static bool creeps(const struct exchange *x)
{
    const struct sim_faults *f = &sim->faults;
    bool all = f->throttle && f->punish == PUNISH_ALL_CREEP && sim->streams > f->throttle;
    return x->creeps || (all && sim->now_ns < f->until_ns);
}

static void next_piece(struct exchange *x, uint64_t n)
{
    bool slow = creeps(x);
    uint64_t ns = n * NS_PER_S / (slow ? 64 : sim->rate_bytes_per_s) + 1;
    sim->wire_free_ns = MAX(sim->wire_free_ns, sim->now_ns);
    if (!slow)
        sim->wire_free_ns += ns; /* one line for all */
    later(x, slow ? ns : sim->wire_free_ns - sim->now_ns);
}

static bool breaks_here(struct exchange *x)
{
    if (x->broken == WHOLE || x->pos < x->break_at)
        return false;
    switch (x->broken) {
    case RESETS:
        end(x, HFP_E_RESET);
        return true;
    case SHORTENS:
        end(x, x->headers.content_length == UINT64_MAX ? HFP_OK : HFP_E_SHORT);
        return true;
    case STALLS:
        fall_silent(x);
        return true;
    default:
        x->broken = WHOLE;
        later(x, 16 * NS_PER_S);
        return true;
    }
}

/* What the engine did with a piece. */
static void handed(struct exchange *x, enum http_take take, uint64_t n)
{
    if (take == HTTP_TAKE && x->file)
        check_taken(x, x->pos, n);
    if (take == HTTP_TAKE && x->xorb && !sim->dead)
        check_xorb_taken(x->xorb, x->pos, n);
    if (take != HTTP_PAUSE) {
        sim->byte_ns[x->repo] = sim->now_ns;
        sim->got_bytes[x->repo] += x->text ? 0 : n;
    }
    if (!x->request) /* cancelled inside */
        return;
    if (take == HTTP_PAUSE) {
        x->held = true;
        return;
    }
    x->pos += n;
    if (take == HTTP_STOP)
        part(x);
    else
        next_piece(x, n);
}

static void send_piece(struct exchange *x)
{
    uint8_t piece[BODY_MAX];
    if (breaks_here(x))
        return;
    if (x->pos == x->end) {
        end(x, HFP_OK);
        return;
    }
    uint64_t n = 1 + sim_random(3000);
    n = MIN(n, x->end - x->pos);
    if (x->broken != WHOLE)
        n = MIN(n, x->break_at - x->pos);
    const uint8_t *from = x->text ? (const uint8_t *)x->text : x->bytes;
    memcpy(piece, from + x->pos, (size_t)n);
    if (!x->text && x->flip_at >= x->pos && x->flip_at < x->pos + n)
        piece[x->flip_at - x->pos] ^= 1;
    handed(x, x->request->body(x->request, piece, (size_t)n), n);
}

static bool dark(void)
{
    return sim->now_ns >= sim->faults.dark_ns && sim->now_ns < sim->faults.bright_ns;
}

static void open_it(struct exchange *x)
{
    struct http_peer peer = { .port = 80, .rtt_us = (uint32_t)(sim->rtt_ns / 1000) };
    snprintf(peer.address, sizeof peer.address, "10.0.%u.%u", x->at, x->address);
    if (sim_chance(sim->faults.dns))
        end(x, HFP_E_DNS);
    else if (dark() || sim_chance(sim->faults.refuse))
        end(x, HFP_E_CONNECT);
    else if (!sim_chance(sim->faults.black_hole)) {
        x->phase = ASKING;
        x->request->opened(x->request, &peer);
        if (x->request && !sim_chance(sim->faults.mute))
            later(x, sim->rtt_ns + sim_random(50 * NS_PER_MS));
    }
}

static void answer_it(struct exchange *x)
{
    hub_decide(x);
    x->phase = SENDING;
    x->streaming = true;
    sim->streams++;
    struct http_headers h = x->headers;
    x->request->answered(x->request, &h);
    if (x->request)
        next_piece(x, 1);
}

static void fire(void *arg)
{
    struct exchange *x = arg; /* this event still counts as pending: callbacks may cancel while we look at it */
    if (!x->request)
        ;
    else if (sim->dead || (dark() && x->phase != OPENING))
        end(x, HFP_E_RESET);
    else if (x->phase == OPENING)
        open_it(x);
    else if (x->phase == ASKING)
        answer_it(x);
    else if (!x->held)
        send_piece(x);
    x->pending--;
    let_go(x);
}

/* ---- struct http ---- */

static void remember(struct wire *w, struct exchange *x)
{
    for (unsigned i = 0; i < PLACES_MAX; i++)
        if (!w->open[i]) {
            w->open[i] = x;
            return;
        }
    sim_fail("P7: more than %d requests at once", PLACES_MAX);
}

static void forget_ended(struct wire *w)
{
    for (unsigned i = 0; i < PLACES_MAX; i++)
        if (w->open[i] && !w->open[i]->request) {
            w->open[i]->pending--;
            let_go(w->open[i]);
            w->open[i] = NULL;
        }
}

static unsigned at_of(const char *url)
{
    static const char *const hosts[] = { "http://hub.sim/", "http://cdn.sim/", "http://cas.sim/", "http://xorb.sim/" };
    for (unsigned i = 0; i < ARRAY_LEN(hosts); i++)
        if (strncmp(url, hosts[i], strlen(hosts[i])) == 0)
            return i;
    sim_fail("asked for %s, which nobody named", url);
    return AT_HUB;
}

static int start(struct http *h, struct http_request *r, struct hfp_err *err)
{
    struct wire *w = (struct wire *)h;
    (void)err;
    struct exchange *x = calloc(1, sizeof *x);
    unsigned repo = 0;
    const struct sim_file *f = hub_asked_for(r->url, &repo);
    for (unsigned i = 0; i < SIM_REPOS && !f; i++) /* of the API: .../models/sim/one/... */
        repo = strstr(r->url, repo_names[i]) ? i : repo;
    x->repo = repo;
    x->request = r;
    x->at = at_of(r->url);
    x->address = r->connect_to                          ? (unsigned)(r->connect_to[strlen(r->connect_to) - 1] - '0')
                 : x->at == AT_CDN || x->at == AT_XORBS ? 1 + (unsigned)sim_random(2)
                                                        : 1;
    r->impl = x;
    x->pending++; /* for the list */
    forget_ended(w);
    remember(w, x);
    sim->requests++;
    sim->requests_open++;
    if (f && f->size_bytes > 0 && !sim->dead) {
        uint64_t first = r->ranged ? r->first : 0,
                 last = r->ranged ? MIN(r->last, f->size_bytes - 1) : f->size_bytes - 1;
        sim->file_requests++;
        check_request(f, repo, first, last);
        x->second = asked_elsewhere(w, f, repo, first, last);
    }
    sim->file_requests += x->at == AT_XORBS && !sim->dead;
    later(x, sim->rtt_ns + (sim_chance(sim->faults.slow_open) ? sim_random(20 * NS_PER_S) : 0));
    return HFP_OK;
}

static void cancel(struct http *h, struct http_request *r)
{
    (void)h;
    struct exchange *x = r->impl;
    if (!x)
        return;
    part(x);
    let_go(x);
}

static void resume(struct http *h, struct http_request *r)
{
    (void)h;
    struct exchange *x = r->impl;
    if (!x || !x->held)
        return;
    x->held = false;
    later(x, 1);
}

static bool peer(struct http *h, struct http_request *r, struct http_peer *out)
{
    (void)h, (void)r, (void)out;
    return false;
}

static void drop_idle(struct http *h)
{
    (void)h;
}

static void http_free(struct http *h)
{
    forget_ended((struct wire *)h);
    free(h);
}

struct http *wire_new(void)
{
    struct wire *w = calloc(1, sizeof *w);
    w->base = (struct http){ start, cancel, resume, peer, drop_idle, http_free };
    return &w->base;
}
