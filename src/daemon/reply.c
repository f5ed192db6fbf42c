#include "daemon/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_text(struct http_request *r, unsigned status, const char *type, struct out *o)
{
    struct http_answer a = { .status = status, .type = type };
    a.body = out_take(o, &a.n);
    if (!a.body && a.n > 0)
        a = (struct http_answer){ .status = 503 };
    http_reply(r, &a);
}

void reply_json(struct http_request *r, unsigned status, struct out *o, const struct http_field *fields)
{
    struct http_answer a = { .status = status, .type = "application/json", .fields = fields };
    a.body = out_take(o, &a.n);
    if (!a.body) /* out of memory */
        a = (struct http_answer){ .status = 503 };
    http_reply(r, &a);
}

void reply_empty(struct http_request *r, unsigned status)
{
    http_reply(r, &(struct http_answer){ .status = status });
}

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } rows[] = {
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 409, "Conflict" },
        { 411, "Length Required" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 503, "Service Unavailable" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].title;
    return "Internal Server Error";
}

void reply_problem(struct http_request *r, unsigned status, const char *code, const char *detail)
{
    struct out o = { 0 };
    static const struct http_field challenge[] = { { "WWW-Authenticate", "Bearer realm=\"hf-pulld\"" },
                                                   { NULL, NULL } };
    out_object(&o, NULL);
    out_text(&o, "type", "about:blank");
    out_text(&o, "title", title_of(status));
    out_u64(&o, "status", status);
    out_text(&o, "detail", detail);
    out_text(&o, "code", code);
    out_object_end(&o);
    struct http_answer a = { .status = status, .type = "application/problem+json" };
    a.fields = status == 401 ? challenge : NULL;
    a.body = out_take(&o, &a.n);
    http_reply(r, &a);
}

void reply_error(struct http_request *r, unsigned status, const struct hfp_err *err)
{
    unsigned own = err->code == HFP_E_ARG ? status : err->code == HFP_E_IO || err->code == HFP_E_NO_SPACE ? 507 : 500;
    reply_problem(r, own, hfp_code_name(err->code), err->message);
}

void reply_not_kept(struct http_request *r, const struct hfp_err *err)
{
    char text[sizeof err->message + 80];
    size_t n = strlen(err->message);
    snprintf(text, sizeof text, "%s%s It is in force, and forgotten when the daemon ends.", err->message,
             n && err->message[n - 1] == '.' ? "" : ".");
    reply_problem(r, 507, hfp_code_name(err->code), text);
}

void reply_told(void *ctx, const char *json, size_t n, const struct hfp_err *err)
{
    struct out o = { 0 };
    if (err) {
        reply_problem(ctx, 503, hfp_code_name(err->code), err->message);
        return;
    }
    out_put(&o, json, n);
    reply_json(ctx, 200, &o, NULL);
}
