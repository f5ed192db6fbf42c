#include "sim.h"

#include "base/auto.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What Hub, CDN and Xet store answer: hub.sim, cdn.sim, cas.sim and xorb.sim. The seed decides when they are busy, broken or lying. */

static void answer_text(struct exchange *x, int status, char *text)
{
    headers_init(&x->headers, status);
    x->text = text;
    x->pos = 0;
    x->end = strlen(text);
    if (status == 200 && x->end > 1 && sim_chance(sim->faults.garble))
        x->end = 1 + sim_random(x->end - 1);
    x->headers.content_length = x->end;
}

static char *tree_text(const struct sim_tree *t, unsigned from, unsigned to)
{
    char *text = strdup("["), *next;
    for (unsigned i = from; i < to; i++) {
        const struct sim_file *f = t->entry[i].file;
        char lfs[200] = "", xet[90] = "", hash[XET_HASH_TEXT];
        if (f->lfs)
            snprintf(lfs, sizeof lfs, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":130}", f->etag,
                     f->size_bytes);
        xet_hash_text(hash, &f->xet_hash);
        if (f->xet)
            snprintf(xet, sizeof xet, ",\"xetHash\":\"%s\"", hash);
        if (asprintf(&next, "%s%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%" PRIu64 ",\"oid\":\"%.40s\"%s%s}", text,
                     i > from ? "," : "", t->entry[i].path, f->size_bytes, f->etag, lfs, xet) < 0)
            abort();
        free(text);
        text = next;
    }
    if (asprintf(&next, "%s]", text) < 0)
        abort();
    free(text);
    return next;
}

static void answer_tree(struct exchange *x, const struct sim_tree *t, const char *rest)
{
    const char *cursor = strstr(rest, "cursor=");
    unsigned from = cursor ? (unsigned)strtoul(cursor + 7, NULL, 10) : 0, to = MIN(from + sim->page, t->n);
    answer_text(x, 200, tree_text(t, from, to));
    if (to < t->n)
        snprintf(x->headers.link_next, sizeof x->headers.link_next,
                 "http://hub.sim/api/models/sim/%s/tree/%s?cursor=%u", repo_names[t->repo], t->commit, to);
}

/* Some of the ways in which an answer is not what was asked for; all but the lie can be seen in its headers. */
static void bend_range(struct exchange *x, bool part)
{
    if (part && x->end > x->pos + 1 && !sim->shares && sim_chance(20))
        x->end = x->pos + 1 + sim_random(x->end - x->pos); /* a shorter part than asked for, honestly announced; the
                                                            * block that waits for its rest may be given up */
    if (part && x->end > x->pos + 1 && sim_chance(sim->faults.shift_range))
        x->pos++; /* an honest answer to another question: must be refused */
}

/* Most such servers forget now and then; some do not know ranges at all. */
static bool ignores_range(void)
{
    return sim_chance(sim->faults.ignore_range > 80 ? 1000 : sim->faults.ignore_range);
}

/* The range that was asked for, of a file or of a xorb. */
static void answer_object(struct exchange *x, const uint8_t *bytes, uint64_t n)
{
    const struct http_request *r = x->request;
    bool part = r->ranged && !ignores_range();
    x->bytes = bytes;
    headers_init(&x->headers, part ? 206 : 200);
    x->pos = part ? r->first : 0;
    x->end = part ? MIN(r->last + 1, n) : n;
    bend_range(x, part);
    x->headers.content_length = sim_chance(sim->faults.lengthless) ? UINT64_MAX : x->end - x->pos;
    bool other = sim_chance(sim->faults.wrong_total); /* the part of an object of another size */
    if (part)
        x->headers.range = (struct content_range){ .present = true,
                                                   .total_known = true,
                                                   .first = x->pos,
                                                   .last = x->end - 1,
                                                   .total = n + (other ? 1 + sim_random(9) : 0) };
    bool lies = sim_chance(sim->faults.lie) ||
                (sim->faults.lying_address && (x->at == AT_CDN || x->at == AT_XORBS) && x->address == 2);
    if (lies && x->end > x->pos) {
        x->flip_at = x->pos + sim_random(x->end - x->pos);
        sim->lies_told++;
    }
}

static void answer_bytes(struct exchange *x, struct sim_file *f)
{
    x->file = f;
    answer_object(x, f->content, f->size_bytes);
    snprintf(x->headers.etag, sizeof x->headers.etag, "cdn-%.48s", f->etag);
}

static void answer_redirect(struct exchange *x, const struct sim_file *f, unsigned hop)
{
    answer_text(x, 302, strdup("Found"));
    snprintf(x->headers.location, sizeof x->headers.location, "http://cdn.sim/blob/%s?sig=%u&r=%u&hop=%u", f->etag,
             sim->generation, x->repo, hop);
    snprintf(x->headers.linked_etag, sizeof x->headers.linked_etag, "%s", f->etag);
    x->headers.linked_size = f->size_bytes;
}

static struct sim_tree *revision_of(const char *url)
{
    const char *revision = strstr(url, "/revision/") + 10;
    size_t n = strcspn(revision, "?");
    for (unsigned i = 0; i < sim->trees; i++) {
        char repo[16];
        snprintf(repo, sizeof repo, "/sim/%s/", repo_names[sim->tree[i].repo]);
        if (strstr(url, repo) && strlen(sim->tree[i].revision) == n && memcmp(revision, sim->tree[i].revision, n) == 0)
            return &sim->tree[i];
    }
    return NULL;
}

static void decide_info(struct exchange *x, const char *url)
{
    const struct sim_tree *t = revision_of(url);
    char *text = NULL;
    if (!t)
        sim_fail("asked for %s, which nobody named", url);
    else if (asprintf(&text, "{\"id\":\"sim/%s\",\"sha\":\"%s\"}", repo_names[t->repo], t->commit) < 0)
        abort();
    answer_text(x, t ? 200 : 404, t ? text : strdup("no"));
}

static void decide_token(struct exchange *x)
{
    char *text = NULL;
    uint64_t ends_s = 1700000000 + sim->now_ns / NS_PER_S + sim_random(3600); /* run.c has this wall clock */
    if (asprintf(&text, "{\"accessToken\":\"cas_%u\",\"casUrl\":\"http://cas.sim/%s\",\"exp\":%" PRIu64 "}",
                 sim->cas_token, repo_names[x->repo], ends_s) < 0)
        abort();
    answer_text(x, 200, text);
}

static void decide_hub(struct exchange *x, const char *url)
{
    const char *rest = NULL;
    if (!x->request->token || strcmp(x->request->token, "hf_secret") != 0)
        sim_fail("P6: the Hub gets the token %s", x->request->token ? x->request->token : "of nobody");
    if (strstr(url, "/xet-read-token/")) {
        decide_token(x);
        return;
    }
    if (strstr(url, "/revision/")) {
        decide_info(x, url);
        return;
    }
    struct sim_tree *t = world_tree(url, &rest);
    if (t && strstr(url, "/tree/")) {
        answer_tree(x, t, rest);
        return;
    }
    struct sim_file *f = t && *rest == '/' ? tree_file(t, rest + 1) : NULL;
    if (!f)
        sim_fail("asked for %s, which nobody named", url);
    if (f && f->lfs && !sim->direct)
        answer_redirect(x, f, 0);
    else if (f && f->size_bytes > 0)
        answer_bytes(x, f);
    else
        answer_text(x, 404, strdup("no"));
}

static void decide_cdn(struct exchange *x, const char *url)
{
    const char *sig = strstr(url, "?sig="), *hop = strstr(url, "&hop=");
    struct sim_file *f = hub_asked_for(url, &x->repo);
    unsigned hops = hop ? (unsigned)strtoul(hop + 5, NULL, 10) : 0;
    if (x->request->token)
        sim_fail("P6: the token went to the CDN");
    if (sim_chance(sim->faults.expire))
        sim->generation++;
    if (!f || !sig || strtoul(sig + 5, NULL, 10) != sim->generation)
        answer_text(x, 403, strdup("expired"));
    else if (sim_chance(sim->faults.hop))
        answer_redirect(x, f, hops + 1);
    else
        answer_bytes(x, f);
}

static void decide_cas(struct exchange *x, const char *url)
{
    const struct http_request *r = x->request;
    char token[32];
    struct sim_file *f = xorbs_file(url);
    if (!r->token || strncmp(r->token, "cas_", 4) != 0)
        sim_fail("P6: the CAS gets the token %s", r->token ? r->token : "of nobody");
    if (sim_chance(sim->faults.expire))
        sim->cas_token++;
    snprintf(token, sizeof token, "cas_%u", sim->cas_token);
    if (r->token && strcmp(r->token, token) != 0)
        answer_text(x, 401, strdup("over"));
    else if (!f || (r->ranged && r->first >= f->size_bytes))
        answer_text(x, 404, strdup("no"));
    else
        answer_text(x, 200,
                    xorbs_reconstruction(f, x->repo, r->ranged ? r->first : 0,
                                         r->ranged ? MIN(r->last, f->size_bytes - 1) : f->size_bytes - 1));
}

static void decide_xorb(struct exchange *x, const char *url)
{
    const struct http_request *r = x->request;
    struct sim_signed s;
    struct sim_xorb *o = xorbs_signed(url, &s);
    if (r->token)
        sim_fail("P6: the token %s went to a signed location", r->token);
    if (o && (!r->ranged || r->first < s.first || r->last > s.last))
        sim_fail("P7: bytes %" PRIu64 " to %" PRIu64 " are not in the signed range", r->first, r->last);
    if (sim_chance(sim->faults.expire))
        sim->generation++;
    if (!o || s.generation != sim->generation)
        answer_text(x, 403, strdup("expired"));
    else
        answer_object(x, o->data, o->n);
    x->xorb = o;
}

struct sim_file *hub_asked_for(const char *url, unsigned *repo)
{
    char etag[65] = "";
    const char *rest = NULL, *r = strstr(url, "&r=");
    if (strncmp(url, "http://cdn.sim/blob/", 20) == 0) {
        snprintf(etag, sizeof etag, "%.*s", (int)strcspn(url + 20, "?"), url + 20);
        *repo = r ? MIN((unsigned)strtoul(r + 3, NULL, 10), SIM_REPOS - 1) : 0;
        return world_etag(etag);
    }
    struct sim_signed s;
    if (xorbs_signed(url, &s)) {
        *repo = s.repo;
        return NULL;
    }
    struct sim_tree *t = strstr(url, "/resolve/") ? world_tree(url, &rest) : NULL;
    *repo = t ? t->repo : 0;
    return t && *rest == '/' ? tree_file(t, rest + 1) : NULL;
}

/* A host that takes so many streams and no more. */
static bool punished(struct exchange *x)
{
    if (!sim->faults.throttle || sim->now_ns >= sim->faults.until_ns || sim->streams < sim->faults.throttle)
        return false;
    switch (sim->faults.punish) {
    case PUNISH_NEW_CREEPS:
        x->creeps = true;
        return false;
    case PUNISH_BUSY:
        answer_text(x, 429, strdup("too many"));
        return true;
    case PUNISH_RESET:
        x->broken = RESETS;
        return false;
    default: /* they all creep: wire.c */
        return false;
    }
}

static void decide_break(struct exchange *x)
{
    const unsigned chances[] = { [RESETS] = sim->faults.reset,
                                 [SHORTENS] = sim->faults.shorten,
                                 [STALLS] = sim->faults.stall,
                                 [PAUSES] = sim->faults.pause };
    for (unsigned i = RESETS; i <= PAUSES && x->broken == WHOLE; i++)
        if (sim_chance(chances[i]))
            x->broken = i;
    x->break_at = x->pos + sim_random(x->end - x->pos + 1);
    x->creeps |= sim_chance(sim->faults.creep);
}

void hub_decide(struct exchange *x)
{
    const char *url = x->request->url;
    free(x->text);
    x->text = NULL;
    x->flip_at = UINT64_MAX;
    x->broken = WHOLE;
    if (punished(x)) {
        ;
    } else if (sim_chance(sim->faults.server_error)) {
        answer_text(x, 500 + (int)sim_random(4), strdup("trouble"));
    } else if (sim_chance(sim->faults.busy)) {
        answer_text(x, 429, strdup("busy"));
        if (sim_random(2) == 0)
            x->headers.retry_after_s = sim_random(90);
    } else if (sim_chance(sim->faults.portal)) {
        answer_text(x, 200, strdup("<html>log in</html>"));
        x->headers.html = true;
    } else if (x->at == AT_CDN) {
        decide_cdn(x, url);
    } else if (x->at == AT_CAS) {
        decide_cas(x, url);
    } else if (x->at == AT_XORBS) {
        decide_xorb(x, url);
    } else {
        decide_hub(x, url);
    }
    decide_break(x);
}
