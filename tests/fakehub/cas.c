/* cas.c: the CAS: read tokens (asked of the Hub), reconstructions, and the signed xorb ranges that the CDN opens.
 *
 * As strict as production is said to be: the Hub's token opens nothing here, a read token opens the files of its own
 * repository and revision, and a location opens its signed ranges and nothing without a Range header. */
#include "server.h"

#include "base/auto.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES_PER_URL = 500 }; /* about 8 KiB of URL */

void token_answer(struct exchange *x)
{
    double life = MAX(0, fault_num(&x->fault, "expire_after_ms", (double)x->srv->opt.token_life_s * 1000));
    uint64_t until_ms = unix_ms() + (uint64_t)life;
    struct ticket t = { .opens = OPENS_CAS, .repo = x->repo, .commit = x->commit };
    AUTO_FREE char *token = issued_add(x->srv->issued, &t, until_ms);
    text_addf(&x->answer.text, "{\"accessToken\":\"%s\",\"casUrl\":\"%s\",\"exp\":%" PRIu64 "}", token,
              x->srv->cas_base, until_ms / 1000);
    struct fields *f = &x->answer.fields; /* the Python client reads these, others the JSON */
    fields_set(f, "X-Xet-Access-Token", token);
    fields_set(f, "X-Xet-Cas-Url", x->srv->cas_base);
    fields_setf(f, "X-Xet-Token-Expiration", "%" PRIu64, until_ms / 1000);
    answer_json(x, 200);
}

/* The id behind /v1/reconstructions/ or /v2/reconstructions/, or NULL. */
static const char *asked_id(const char *path)
{
    static const char tail[] = "/reconstructions/";
    bool known = !strncmp(path, "/v1", 3) || !strncmp(path, "/v2", 3);
    return known && !strncmp(path + 3, tail, strlen(tail)) ? path + 3 + strlen(tail) : NULL;
}

static const struct entry *entry_of(const struct commit *c, const char *id)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i].xet && !strcmp(c->entries[i].xet, id))
            return &c->entries[i];
    return NULL;
}

void cas_route(struct exchange *x)
{
    const char *a = fields_get(&x->req->fields, "Authorization"), *id = asked_id(x->req->path);
    x->kind = id ? KIND_RECON : KIND_OTHER;
    if (a && !strncmp(a, "Bearer ", 7))
        x->has_ticket = issued_find(x->srv->issued, a + 7, &x->ticket, &x->ticket_good);
    if (!x->has_ticket || !id)
        return;
    x->repo = content_repo(&x->srv->content, x->ticket.repo->type, x->ticket.repo->id);
    x->commit = x->ticket.commit;
    x->entry = entry_of(x->commit, id);
    if (x->entry)
        x->file = must_copy(x->entry->path);
}

static void refuse(struct exchange *x, int status, const char *message)
{
    struct answer *a = &x->answer;
    text_free(&a->text);
    text_add(&a->text, message);
    a->status = status;
    a->entry = NULL;
    a->first = 0;
    a->count = a->total = a->text.n;
    fields_set(&a->fields, "Content-Type", "text/plain; charset=utf-8");
}

static void add_terms(struct text *t, const struct plan *p)
{
    text_addf(t, "{\"offset_into_first_range\":%" PRIu64 ",\"terms\":[", p->offset);
    for (size_t i = 0; i < p->term_count; i++)
        text_addf(t, "%s{\"hash\":\"%s\",\"unpacked_length\":%" PRIu64 ",\"range\":{\"start\":%u,\"end\":%u}}",
                  i ? "," : "", p->terms[i].xorb->hash, term_bytes(&p->terms[i]), p->terms[i].first, p->terms[i].end);
    text_add(t, "]");
}

/* A location that opens these ranges of one xorb, as JSON text. */
static void add_url(struct exchange *x, const struct xorb *xorb, const struct span *spans, size_t count)
{
    double life = MAX(0, fault_num(&x->fault, "expire_after_ms", (double)x->srv->opt.url_life_s * 1000));
    struct ticket ticket = { .opens = OPENS_XORB, .repo = x->repo, .commit = x->commit, .xorb = xorb };
    ticket.spans = must_alloc(count * sizeof(*spans));
    memcpy(ticket.spans, spans, count * sizeof(*spans));
    ticket.span_count = count;
    AUTO_FREE char *target = issued_add(x->srv->issued, &ticket, unix_ms() + (uint64_t)life);
    const char *base = fault_text(&x->fault, "location_base");
    struct text url = { 0 };
    text_addf(&url, "%s%s", base ? base : x->srv->cdn_base, target);
    text_json(&x->answer.text, url.p);
    text_free(&url);
}

static void add_v2(struct exchange *x, const struct need *n)
{
    struct text *t = &x->answer.text;
    uint64_t asked = fault_count(&x->fault, "per_url");
    size_t most = asked ? (size_t)asked : RANGES_PER_URL;
    text_addf(t, "\"%s\":[", n->xorb->hash);
    for (size_t at = 0; at < n->count; at += most) {
        size_t count = MIN(most, n->count - at);
        text_add(t, at ? ",{\"url\":" : "{\"url\":");
        add_url(x, n->xorb, n->spans + at, count);
        text_add(t, ",\"ranges\":[");
        for (size_t i = at; i < at + count; i++)
            text_addf(t,
                      "%s{\"chunks\":{\"start\":%u,\"end\":%u},\"bytes\":{\"start\":%" PRIu64 ",\"end\":%" PRIu64 "}}",
                      i > at ? "," : "", n->spans[i].first, n->spans[i].end, n->spans[i].from, n->spans[i].last);
        text_add(t, "]}");
    }
    text_add(t, "]");
}

static void add_v1(struct exchange *x, const struct need *n)
{
    struct text *t = &x->answer.text;
    text_addf(t, "\"%s\":[", n->xorb->hash);
    for (size_t i = 0; i < n->count; i++) {
        const struct span *s = &n->spans[i];
        text_addf(t, "%s{\"range\":{\"start\":%u,\"end\":%u},\"url\":", i ? "," : "", s->first, s->end);
        add_url(x, n->xorb, s, 1);
        text_addf(t, ",\"url_range\":{\"start\":%" PRIu64 ",\"end\":%" PRIu64 "}}", s->from, s->last);
    }
    text_add(t, "]");
}

static void answer_recon(struct exchange *x, const struct xet_file *f)
{
    uint64_t first, count;
    if (request_range(x->req, f->size, &first, &count) == 416 && f->size) {
        refuse(x, 416, "Range not satisfiable");
        return;
    }
    bool v1 = !strncmp(x->req->path, "/v1", 3);
    struct text *t = &x->answer.text;
    struct plan p;
    plan_make(&p, f, first, f->size ? first + count - 1 : 0, fault_on(&x->fault, "separate"));
    add_terms(t, &p);
    text_add(t, v1 ? ",\"fetch_info\":{" : ",\"xorbs\":{");
    for (size_t i = 0; i < p.need_count; i++) {
        text_add(t, i ? "," : "");
        (v1 ? add_v1 : add_v2)(x, &p.needs[i]);
    }
    text_add(t, "}}");
    plan_free(&p);
    answer_json(x, 200);
    x->answer.may_gzip = true;
}

void cas_answer(struct exchange *x)
{
    if (fault_on(&x->fault, "expire") && x->has_ticket) {
        issued_revoke(x->srv->issued, x->ticket.serial);
        x->ticket_good = false;
    }
    const char *id = asked_id(x->req->path);
    const struct xet_file *f = id ? cas_file(&x->srv->cas, id) : NULL;
    if (!strcmp(x->req->method, "POST") && !strcmp(x->req->path, "/v1/telemetry"))
        answer_json(x, 200);
    else if (!x->has_ticket || x->ticket.opens != OPENS_CAS || !x->ticket_good)
        refuse(x, 401, "Unauthorized");
    else if (!id || strcmp(x->req->method, "GET") != 0)
        refuse(x, 404, "Not found");
    else if (!is_hex(id, XET_HASH_DIGITS))
        refuse(x, 400, "Invalid hash");
    else if (!f)
        refuse(x, 404, "File not found");
    else if (!x->entry)
        refuse(x, 403, "Forbidden");
    else
        answer_recon(x, f);
}

static bool is_signed(const struct exchange *x, uint64_t first, uint64_t last)
{
    bool exact = fault_on(&x->fault, "exact_range");
    for (size_t i = 0; i < x->ticket.span_count; i++) {
        const struct span *s = &x->ticket.spans[i];
        if (exact ? first == s->from && last == s->last : first >= s->from && last <= s->last)
            return true;
    }
    return false;
}

void xorb_answer(struct exchange *x)
{
    uint64_t first, last;
    const char *range = fields_get(&x->req->fields, "Range");
    bool one = request_range_asked(x->req, &first, &last);
    if (fields_get(&x->req->fields, "Authorization"))
        refuse(x, 400, "Only one auth mechanism allowed");
    else if (range && strchr(range, ','))
        refuse(x, 400, "one range at a time");
    else if (!one || !is_signed(x, first, last))
        refuse(x, 403, "Auth failed: invalid range");
    else {
        fields_set(&x->answer.fields, "Content-Type", "application/octet-stream");
        answer_file(x, "\"xorb\"");
    }
}
