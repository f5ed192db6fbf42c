/* faults.c: turns the honest answer into the ordered one. What happens while bytes flow is in send.c. */
#include "server.h"

#include "base/auto.h"
#include "gzip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GZIP_MAX_BYTES = 256 << 20 }; /* an encoded body is made in memory */

static const char portal[] = "<!DOCTYPE html><html><head><title>Welcome to the guest network</title></head>"
                             "<body><h1>Please log in</h1><p>Accept the terms to go online.</p></body></html>\n";

static void set_text(struct exchange *x, const char *body)
{
    struct answer *a = &x->answer;
    text_free(&a->text);
    text_add(&a->text, body);
    a->entry = NULL;
    a->first = 0;
    a->count = a->total = a->text.n;
}

/* An answer that is not about the file any more says nothing about it. */
static void forget_file(struct exchange *x)
{
    static const char *const gone[] = { "Content-Range", "ETag",          "Accept-Ranges", "X-Repo-Commit",
                                        "X-Linked-Etag", "X-Linked-Size", "Location",      "Link",
                                        "Last-Modified", "Cache-Control", "X-Cache",       "X-Xet-Hash" };
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        fields_set(&x->answer.fields, gone[i], NULL);
}

/* A JSON value as the text of a header; NULL (JSON null) removes it. Numbers keep all their digits up to 2^53. */
static void set_field(struct fields *f, const char *name, const cJSON *value)
{
    if (cJSON_IsString(value))
        fields_set(f, name, value->valuestring);
    else if (cJSON_IsNumber(value))
        fields_setf(f, name, "%.0f", value->valuedouble);
    else if (cJSON_IsArray(value)) {
        const cJSON *one;
        fields_set(f, name, NULL);
        cJSON_ArrayForEach (one, value)
            if (cJSON_IsString(one))
                fields_add(f, name, one->valuestring);
    } else {
        fields_set(f, name, NULL);
    }
}

static void override_one(struct exchange *x, const char *action, const char *field)
{
    const cJSON *value = fault_item(&x->fault, action);
    if (value)
        set_field(&x->answer.fields, field, value);
}

static void apply_429(struct exchange *x)
{
    const cJSON *o = fault_item(&x->fault, "http429"), *after = cJSON_GetObjectItem(o, "retry_after"),
                *t = cJSON_GetObjectItem(o, "t");
    if (!fault_on(&x->fault, "http429"))
        return;
    forget_file(x);
    answer_error(x, 429, NULL,
                 "We had to rate limit your IP. To continue using our service, create a HF account or login.");
    if (after)
        set_field(&x->answer.fields, "Retry-After", after);
    if (!cJSON_IsNumber(t))
        return;
    const char *name = x->kind == KIND_RESOLVE || x->kind == KIND_BODY ? "resolvers" : "api";
    const cJSON *r = cJSON_GetObjectItem(o, "r");
    fields_setf(&x->answer.fields, "RateLimit", "\"%s\";r=%.0f;t=%.0f", name, r ? r->valuedouble : 0, t->valuedouble);
    fields_setf(&x->answer.fields, "RateLimit-Policy", "\"fixed window\";\"%s\";q=500;w=300", name);
}

static void apply_forbidden(struct exchange *x)
{
    bool location = x->has_ticket && x->ticket.opens != OPENS_CAS; /* a token that ends is a 401, said by the CAS */
    if (fault_on(&x->fault, "expire") && location)
        issued_revoke(x->srv->issued, x->ticket.serial);
    if (!fault_on(&x->fault, "forbid_forever") && !(fault_on(&x->fault, "expire") && location))
        return;
    set_text(x, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>Request has "
                "expired</Message></Error>");
    x->answer.status = 403;
    forget_file(x);
    fields_set(&x->answer.fields, "Content-Type", "application/xml");
}

static void apply_status(struct exchange *x)
{
    int status = (int)MIN(fault_count(&x->fault, "status"), (uint64_t)999);
    const char *body = fault_text(&x->fault, "body");
    if (body || status >= 300)
        set_text(x, body ? body : "ordered by a rule\n");
    if (status)
        x->answer.status = status;
    if (status >= 400)
        forget_file(x);
    if (body || status >= 300) {
        fields_set(&x->answer.fields, "Content-Range", NULL);
        fields_set(&x->answer.fields, "Content-Type", body && *body == '{' ? "application/json" : "text/plain");
    }
}

static void apply_html(struct exchange *x)
{
    if (!fault_on(&x->fault, "html"))
        return;
    const char *text = fault_text(&x->fault, "html"), *length = fault_text(&x->fault, "html_length");
    struct answer *a = &x->answer;
    bool right = length && !strcmp(length, "right");
    uint64_t count = a->count, total = a->total;
    int status = a->status;
    set_text(x, text ? text : portal);
    const char *type = fault_text(&x->fault, "html_type");
    fields_set(&a->fields, "Content-Type", type ? type : "text/html; charset=utf-8");
    a->status = right ? status : 200;
    if (right) { /* padded with blanks, or cut */
        a->count = count;
        a->total = total;
        return;
    }
    forget_file(x);
}

static void apply_range_lies(struct exchange *x)
{
    struct answer *a = &x->answer;
    uint64_t shorter = fault_count(&x->fault, "short");
    if (shorter && a->status < 300) {
        a->count -= MIN(shorter, a->count);
        if (a->status == 206 && a->count)
            fields_setf(&a->fields, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, a->first,
                        a->first + a->count - 1, a->total);
    }
    int64_t shift = (int64_t)fault_num(&x->fault, "content_range_shift", 0);
    if (shift && a->status == 206)
        fields_setf(&a->fields, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRIu64, (int64_t)a->first + shift,
                    (int64_t)(a->first + a->count) - 1 + shift, a->total);
    override_one(x, "content_range", "Content-Range");
}

static void open_source(struct exchange *x)
{
    struct answer *a = &x->answer;
    if (!a->entry) {
        source_text(&a->source, text_str(&a->text), a->text.n, a->total);
    } else if (!source_file(&a->source, a->entry)) {
        answer_error(x, 500, NULL, "the file is gone from the server");
        source_text(&a->source, a->text.p, a->text.n, a->total);
    }
}

/* What the other side accepts is used where production does so, else only on order. */
static bool wants_gzip(const struct exchange *x)
{
    const char *accepts = fields_get(&x->req->fields, "Accept-Encoding");
    if (fault_item(&x->fault, "gzip"))
        return fault_on(&x->fault, "gzip");
    return fault_on(&x->fault, "blanks") || (x->answer.may_gzip && accepts && strstr(accepts, "gzip"));
}

/* Really encoded, so that a client that asked for the plain bytes sees what an eager middle box does. */
static void apply_gzip(struct exchange *x)
{
    struct answer *a = &x->answer;
    if (!wants_gzip(x) || a->status >= 300)
        return;
    fields_set(&a->fields, "Content-Encoding", "gzip");
    const char *how = fault_text(&x->fault, "gzip");
    if ((how && !strcmp(how, "label")) || a->count > GZIP_MAX_BYTES)
        return;
    uint8_t *plain = must_alloc((size_t)a->count);
    struct text packed = { 0 };
    if (source_read(&a->source, a->first, plain, (size_t)a->count))
        gzip_wrap(&packed, plain, (size_t)a->count, fault_count(&x->fault, "blanks"));
    free(plain);
    text_free(&a->text);
    a->text = packed;
    a->entry = NULL;
    a->first = 0;
    a->count = a->total = packed.n;
    source_done(&a->source);
    source_text(&a->source, text_str(&a->text), packed.n, packed.n);
}

static void add_standard_fields(struct exchange *x)
{
    struct answer *a = &x->answer;
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    fields_set(&a->fields, "Date", date);
    if (!fields_get(&a->fields, "Content-Type"))
        fields_set(&a->fields, "Content-Type", "text/plain; charset=utf-8");
    if (x->conn->from->role != ROLE_CDN)
        fields_setf(&a->fields, "X-Request-Id", "Root=1-fake-%" PRIu64, x->id);
    a->chunked = fault_on(&x->fault, "chunked");
    a->no_length = !a->chunked && fault_on(&x->fault, "no_length");
    if (a->chunked)
        fields_set(&a->fields, "Transfer-Encoding", "chunked");
    else if (!a->no_length && a->status != 204)
        fields_setf(&a->fields, "Content-Length", "%" PRIu64, a->count);
    if (a->no_length)
        x->conn->keep = false;
    fields_set(&a->fields, "Connection", x->conn->keep ? "keep-alive" : "close");
}

static void apply_refuse(struct exchange *x)
{
    const cJSON *refuse = fault_item(&x->fault, "refuse"), *ms = cJSON_GetObjectItem(refuse, "ms");
    if (!fault_on(&x->fault, "refuse"))
        return;
    listener_close(x->conn->from, (int64_t)whole_number(ms));
    x->answer.drop = true;
}

void faults_apply(struct exchange *x)
{
    struct answer *a = &x->answer;
    a->silent = fault_on(&x->fault, "accept_only");
    a->wait_ms = (int64_t)setting(&x->srv->opt.latency_ms) + (int64_t)fault_count(&x->fault, "delay_ms");
    apply_refuse(x);
    edit_apply(x);
    apply_429(x);
    apply_forbidden(x);
    apply_status(x);
    apply_html(x);
    apply_range_lies(x);
    override_one(x, "etag", "ETag");
    override_one(x, "linked_etag", "X-Linked-Etag");
    override_one(x, "linked_size", "X-Linked-Size");
    override_one(x, "commit", "X-Repo-Commit");
    override_one(x, "location", "Location");
    open_source(x);
    apply_gzip(x);
    add_standard_fields(x);
    const cJSON *headers = fault_item(&x->fault, "headers"), *one;
    cJSON_ArrayForEach (one, headers)
        set_field(&a->fields, one->string, one);
}
