/* answer.c: the shapes that answers of Hub and CDN have in common. */
#include "server.h"

#include <inttypes.h>
#include <string.h>

void answer_json(struct exchange *x, int status)
{
    x->answer.status = status;
    fields_set(&x->answer.fields, "Content-Type", "application/json; charset=utf-8");
    x->answer.count = x->answer.total = x->answer.text.n;
}

void answer_error(struct exchange *x, int status, const char *code, const char *message)
{
    text_free(&x->answer.text);
    x->answer.entry = NULL;
    x->answer.first = 0;
    text_add(&x->answer.text, "{\"error\":");
    text_json(&x->answer.text, message);
    text_add(&x->answer.text, "}");
    if (code)
        fields_set(&x->answer.fields, "X-Error-Code", code);
    fields_set(&x->answer.fields, "X-Error-Message", message);
    answer_json(x, status);
}

void answer_file(struct exchange *x, const char *etag)
{
    struct answer *a = &x->answer;
    a->status = 200;
    a->entry = x->entry;
    a->count = a->total = x->entry->size;
    fields_set(&a->fields, "Accept-Ranges", "bytes");
    fields_set(&a->fields, "ETag", etag);
    int status = fault_on(&x->fault, "ignore_range") ? 0 : request_range(x->req, a->total, &a->first, &a->count);
    if (status == 206) {
        a->status = 206;
        fields_setf(&a->fields, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, a->first,
                    a->first + a->count - 1, a->total);
    } else if (status == 416) {
        answer_error(x, 416, NULL, "The requested range is not satisfiable");
        fields_setf(&a->fields, "Content-Range", "bytes */%" PRIu64, x->entry->size);
    }
}
