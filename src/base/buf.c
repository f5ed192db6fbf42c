#include "base/buf.h"

#include "base/auto.h"

#include <string.h>

#define BUF_FIRST 4096u /* repo info and small listings fit without growing */

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .limit = limit };
}

/* Room for n bytes more and the NUL. Doubling, but never past the limit. */
static int buf_grow(struct buf *b, size_t n, struct hfp_err *err)
{
    size_t need = b->n + n + 1;
    if (need <= b->cap)
        return HFP_OK;
    size_t cap = MAX(b->cap, BUF_FIRST);
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    cap = MIN(cap, b->limit + 1);
    char *data = realloc(b->data, cap);
    if (!data)
        return err_nomem(err);
    b->data = data;
    b->cap = cap;
    return HFP_OK;
}

int buf_add(struct buf *b, const void *data, size_t n, struct hfp_err *err)
{
    if (n > b->limit - b->n)
        return err_set(err, HFP_E_PROTO, "the answer is longer than %zu bytes", b->limit);
    int rc = buf_grow(b, n, err);
    if (rc)
        return rc;
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = 0;
    return HFP_OK;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    if (b->data)
        b->data[0] = 0;
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ .limit = b->limit };
}
