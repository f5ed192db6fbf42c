/* cdn.c: the store behind the Hub. It knows signed locations and bytes, no tokens and no repositories. */
#include "server.h"

#include "hashes.h"

#include <stdio.h>
#include <string.h>

void cdn_route(struct exchange *x)
{
    x->kind = KIND_BODY;
    x->has_ticket = issued_find(x->srv->issued, x->req->target, &x->ticket, &x->ticket_good);
    if (!x->has_ticket || x->ticket.opens == OPENS_CAS) {
        x->has_ticket = false; /* a token is no location */
        return;
    }
    x->repo = content_repo(&x->srv->content, x->ticket.repo->type, x->ticket.repo->id);
    x->commit = x->ticket.commit;
    if (x->ticket.opens == OPENS_XORB) {
        x->kind = KIND_XORB;
        x->entry = &x->ticket.xorb->entry;
    } else {
        x->entry = x->ticket.entry;
    }
    x->file = must_copy(x->entry->path);
}

static void refuse(struct exchange *x, int status, const char *code, const char *message)
{
    struct answer *a = &x->answer;
    a->status = status;
    text_addf(&a->text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>",
              code, message);
    a->count = a->total = a->text.n;
    fields_set(&a->fields, "Content-Type", "application/xml");
}

void cdn_answer(struct exchange *x)
{
    struct answer *a = &x->answer;
    fields_set(&a->fields, "Server", "AmazonS3");
    fields_set(&a->fields, "Via", "1.1 fakehub (CloudFront)");
    fields_setf(&a->fields, "X-Amz-Cf-Id", "fake-%llu", (unsigned long long)x->id);
    if (!x->has_ticket && !strstr(x->req->target, "Signature=")) {
        refuse(x, 404, "NoSuchKey", "The specified key does not exist.");
        return;
    }
    if (!x->has_ticket || !x->ticket_good) {
        refuse(x, 403, "AccessDenied", "Access denied");
        return;
    }
    if (strcmp(x->req->method, "GET") != 0 && !x->req->head) {
        refuse(x, 405, "MethodNotAllowed", "The specified method is not allowed.");
        return;
    }
    if (x->kind == KIND_XORB) {
        xorb_answer(x);
        return;
    }
    /* Not the content's hash, as the ETag of a multipart upload is not: nobody may take it for one. */
    char md[65];
    sha256_hex(md, x->entry->sha256, strlen(x->entry->sha256));
    fields_set(&a->fields, "Content-Type", "application/octet-stream");
    fields_set(&a->fields, "Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT");
    fields_set(&a->fields, "Cache-Control", "public, max-age=604800, immutable, s-maxage=604800");
    fields_set(&a->fields, "X-Cache", "Hit from cloudfront");
    char etag[64];
    snprintf(etag, sizeof(etag), "\"%.32s-%llu\"", md, (unsigned long long)(x->entry->size / 8388608 + 1));
    answer_file(x, etag);
}
