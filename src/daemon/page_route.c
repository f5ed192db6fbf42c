/* The page and its files. */
#include "daemon/routes.h"

#include "daemon/page.h"
#include "daemon/reply.h"

#define FOR_EVER "public, max-age=31536000, immutable" /* a year; RFC 8246 */

void page_route(struct route_call *c)
{
    struct http_request *r = c->request;
    const struct page_file *f = page_find(http_view(r)->path);
    if (!f && !page_here()) {
        reply_problem(
            r, 404, "no_page",
            "this hf-pulld was built without its page. /openapi.json tells the API; hf-pull top shows the jobs.");
        return;
    }
    if (!f) {
        reply_problem(r, 404, "no_such_path", "there is nothing here.");
        return;
    }
    bool gzip = page_takes_gzip(http_header(r, "Accept-Encoding"));
    const struct http_field fields[] = { { "ETag", f->etag },
                                         { "Vary", "Accept-Encoding" },
                                         { "Cache-Control", f->named_by_content ? FOR_EVER : "no-cache" },
                                         { gzip ? "Content-Encoding" : NULL, "gzip" },
                                         { NULL, NULL } };
    struct http_answer a = { .status = 200, .type = f->type, .fields = fields };
    if (page_same(http_header(r, "If-None-Match"), f->etag)) {
        a.status = 304;
        a.type = NULL;
    } else {
        a.fixed = gzip ? f->gzip : f->plain;
        a.n = gzip ? f->gzip_n : f->plain_n;
    }
    http_reply(r, &a);
}
