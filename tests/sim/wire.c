#include "sim.h"

#include "base/auto.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The Hub at hub.sim, the CDN at cdn.sim with two addresses. Each request is a small script decided by the seed: when it
 * opens, what it answers, how its body comes and where it breaks. */

#define BODY_MAX 16384

enum phase { OPENING, ASKING, SENDING };
enum broken { WHOLE, RESETS, SHORTENS, STALLS, PAUSES };

struct exchange {
    struct http_request *request; /* NULL: cancelled */
    unsigned pending;             /* heap events that point here */
    enum phase phase;
    bool held, streaming, creeps, cdn;
    unsigned address; /* last digit */
    struct http_headers headers;
    char *text; /* body of an API answer; NULL: bytes of a file */
    struct sim_file *file;
    uint64_t pos, end; /* of the body: offsets in text or in the file */
    enum broken broken;
    uint64_t break_at;
    uint64_t flip_at; /* offset in the file of a wrong bit, UINT64_MAX: none */
};

static void fire(void *arg);

static void later(struct exchange *x, uint64_t delay_ns)
{
    x->pending++;
    heap_add(sim->now_ns + delay_ns, fire, x);
}

static void let_go(struct exchange *x)
{
    if (x->streaming)
        sim->streams--;
    x->streaming = false;
    if (x->pending > 0 || x->request)
        return;
    free(x->text);
    free(x);
}

static void end(struct exchange *x, enum hfp_code code)
{
    struct hfp_err err = { .code = code };
    struct http_request *r = x->request;
    snprintf(err.message, sizeof err.message, "simulated %s", hfp_code_name(code));
    x->request = NULL;
    r->impl = NULL;
    sim->requests_open--;
    r->closed(r, &err);
}

/* ---- what is asked for ---- */

static void answer_text(struct exchange *x, int status, char *text)
{
    headers_init(&x->headers, status);
    x->text = text;
    x->pos = 0;
    x->end = strlen(text);
    x->headers.content_length = x->end;
}

static char *info_text(void)
{
    char *t;
    return asprintf(&t, "{\"id\":\"sim/repo\",\"sha\":\"%s\"}", sim->commit) < 0 ? NULL : t;
}

static char *tree_text(unsigned from, unsigned to)
{
    char *t = strdup("["), *next;
    for (unsigned i = from; i < to; i++) {
        const struct sim_file *f = &sim->file[i];
        char lfs[200] = "";
        if (f->lfs)
            snprintf(lfs, sizeof lfs, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":130}", f->etag,
                     f->size_bytes);
        if (asprintf(&next, "%s%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%" PRIu64 ",\"oid\":\"%.40s\"%s}", t,
                     i > from ? "," : "", f->path, f->size_bytes, f->etag, lfs) < 0)
            abort();
        free(t);
        t = next;
    }
    if (asprintf(&next, "%s]", t) < 0)
        abort();
    free(t);
    return next;
}

static void answer_tree(struct exchange *x, const char *url)
{
    const char *cursor = strstr(url, "cursor=");
    unsigned from = cursor ? (unsigned)strtoul(cursor + 7, NULL, 10) : 0, to = MIN(from + sim->page, sim->files);
    answer_text(x, 200, tree_text(from, to));
    if (to < sim->files)
        snprintf(x->headers.link_next, sizeof x->headers.link_next,
                 "http://hub.sim/api/models/sim/repo/tree/%s?cursor=%u", sim->commit, to);
}

static void answer_bytes(struct exchange *x, struct sim_file *f)
{
    const struct http_request *r = x->request;
    bool part = r->ranged && !sim_chance(sim->faults.ignore_range);
    x->file = f;
    check_request(f, r->ranged ? r->first : 0, r->ranged ? MIN(r->last, f->size_bytes - 1) : f->size_bytes - 1);
    headers_init(&x->headers, part ? 206 : 200);
    x->pos = part ? r->first : 0;
    x->end = part ? MIN(r->last + 1, f->size_bytes) : f->size_bytes;
    if (part && x->end > x->pos + 1 && sim_chance(20))
        x->end = x->pos + 1 + sim_random(x->end - x->pos); /* a shorter part than asked for, honestly announced */
    if (part && x->end > x->pos + 1 && sim_chance(sim->faults.shift_range))
        x->pos++; /* an honest answer to another question: must be refused */
    x->headers.content_length = sim_chance(sim->faults.lengthless) ? UINT64_MAX : x->end - x->pos;
    snprintf(x->headers.etag, sizeof x->headers.etag, "cdn-%s", f->etag);
    if (part)
        x->headers.range = (struct content_range){
            .present = true, .total_known = true, .first = x->pos, .last = x->end - 1, .total = f->size_bytes
        };
    x->flip_at = UINT64_MAX;
    bool lies = sim_chance(sim->faults.lie) || (sim->faults.lying_address && x->cdn && x->address == 2);
    if (lies && x->end > x->pos) {
        x->flip_at = x->pos + sim_random(x->end - x->pos);
        sim->lies_told++;
    }
}

static void answer_redirect(struct exchange *x, const struct sim_file *f)
{
    answer_text(x, 302, strdup("Found"));
    snprintf(x->headers.location, sizeof x->headers.location, "http://cdn.sim/blob/%s?sig=%u&f=%s", f->etag,
             sim->generation, f->path);
    snprintf(x->headers.linked_etag, sizeof x->headers.linked_etag, "%s", f->etag);
    x->headers.linked_size = f->size_bytes;
}

static void decide_hub(struct exchange *x, const char *url)
{
    const char *resolve = strstr(url, "/resolve/");
    if (strstr(url, "/revision/")) {
        answer_text(x, 200, info_text());
        return;
    }
    if (strstr(url, "/tree/")) {
        answer_tree(x, url);
        return;
    }
    const char *path = resolve ? strchr(resolve + 9, '/') : NULL;
    struct sim_file *f = path ? world_file(path + 1) : NULL;
    if (!f)
        sim_fail("asked for %s, which nobody named", url);
    else if (f->lfs && !sim->direct) {
        answer_redirect(x, f);
        return;
    }
    if (f && f->size_bytes > 0)
        answer_bytes(x, f);
    else
        answer_text(x, 404, strdup("no"));
}

static void decide_cdn(struct exchange *x, const char *url)
{
    const char *sig = strstr(url, "?sig="), *path = strstr(url, "&f=");
    struct sim_file *f = path ? world_file(path + 3) : NULL;
    if (x->request->token)
        sim_fail("P6: the token went to the CDN");
    if (sim_chance(sim->faults.expire))
        sim->generation++;
    if (!f || !sig || strtoul(sig + 5, NULL, 10) != sim->generation)
        answer_text(x, 403, strdup("expired"));
    else
        answer_bytes(x, f);
}

static void decide(struct exchange *x)
{
    const char *url = x->request->url;
    free(x->text);
    x->text = NULL;
    if (sim_chance(sim->faults.server_error)) {
        answer_text(x, 500 + (int)sim_random(4), strdup("trouble"));
    } else if (sim_chance(sim->faults.busy)) {
        answer_text(x, 429, strdup("busy"));
        if (sim_random(2) == 0)
            x->headers.retry_after_s = sim_random(90);
    } else if (sim_chance(sim->faults.portal)) {
        answer_text(x, 200, strdup("<html>log in</html>"));
        x->headers.html = true;
    } else if (x->cdn) {
        decide_cdn(x, url);
    } else {
        decide_hub(x, url);
    }
}

static void decide_break(struct exchange *x)
{
    static const enum broken kinds[] = { RESETS, SHORTENS, STALLS, PAUSES };
    const unsigned chances[] = { sim->faults.reset, sim->faults.shorten, sim->faults.stall, sim->faults.pause };
    x->broken = WHOLE;
    for (unsigned i = 0; i < ARRAY_LEN(kinds) && x->broken == WHOLE; i++)
        if (sim_chance(chances[i]))
            x->broken = kinds[i];
    x->break_at = x->pos + sim_random(x->end - x->pos + 1);
    x->creeps =
        sim_chance(sim->faults.creep) || (sim->faults.throttle_above && sim->streams > sim->faults.throttle_above);
}

/* ---- how it comes ---- */

static void next_piece(struct exchange *x, uint64_t n)
{
    uint64_t ns = n * NS_PER_S / (x->creeps ? 64 : sim->rate_bytes_per_s) + 1;
    sim->wire_free_ns = MAX(sim->wire_free_ns, sim->now_ns);
    if (!x->creeps)
        sim->wire_free_ns += ns; /* one line for all */
    later(x, x->creeps ? ns : sim->wire_free_ns - sim->now_ns);
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
        return true; /* silence for ever */
    default:
        x->broken = WHOLE;
        later(x, 16 * NS_PER_S);
        return true;
    }
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
    memcpy(piece, x->text ? (const uint8_t *)x->text + x->pos : x->file->content + x->pos, (size_t)n);
    if (!x->text && x->flip_at >= x->pos && x->flip_at < x->pos + n)
        piece[x->flip_at - x->pos] ^= 1;
    struct sim_file *file = x->text ? NULL : x->file;
    uint64_t at = x->pos;
    enum http_take take = x->request->body(x->request, piece, (size_t)n);
    if (file && take == HTTP_TAKE)
        check_taken(file, at, n);
    if (!x->request) /* cancelled inside */
        return;
    if (take == HTTP_PAUSE) {
        x->held = true;
        return;
    }
    sim->body_bytes += n;
    x->pos += n;
    if (take == HTTP_STOP) {
        x->request->impl = NULL;
        x->request = NULL;
        sim->requests_open--;
        return;
    }
    next_piece(x, n);
}

static void open_it(struct exchange *x)
{
    struct http_peer peer = { .port = 80, .rtt_us = (uint32_t)(sim->rtt_ns / 1000) };
    snprintf(peer.address, sizeof peer.address, "10.0.%u.%u", x->cdn ? 1 : 0, x->address);
    if (sim_chance(sim->faults.dns))
        end(x, HFP_E_DNS);
    else if (sim_chance(sim->faults.refuse))
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
    decide(x);
    decide_break(x);
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
    else if (sim->dead)
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

static int start(struct http *h, struct http_request *r, struct hfp_err *err)
{
    (void)h, (void)err;
    struct exchange *x = calloc(1, sizeof *x);
    x->request = r;
    x->cdn = strncmp(r->url, "http://cdn.sim/", 15) == 0;
    x->address = r->connect_to ? (unsigned)(r->connect_to[strlen(r->connect_to) - 1] - '0')
                 : x->cdn      ? 1 + (unsigned)sim_random(2)
                               : 1;
    r->impl = x;
    sim->requests++;
    if (++sim->requests_open > 24)
        sim_fail("P7: %u requests at once", sim->requests_open);
    later(x, sim->rtt_ns + (sim_chance(sim->faults.slow_open) ? sim_random(20 * NS_PER_S) : 0));
    return HFP_OK;
}

static void cancel(struct http *h, struct http_request *r)
{
    (void)h;
    struct exchange *x = r->impl;
    if (!x)
        return;
    r->impl = NULL;
    x->request = NULL;
    sim->requests_open--;
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
    free(h);
}

struct http *wire_new(void)
{
    struct http *h = calloc(1, sizeof *h);
    *h = (struct http){ start, cancel, resume, peer, drop_idle, http_free };
    return h;
}
