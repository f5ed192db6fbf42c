/* base/buf.h: bytes that arrive piece by piece, up to a hard limit: the body of an API answer.
 *
 * Embedded in its owner: buf_init/buf_done. One thread at a time. data is NUL-terminated as soon as something was
 * added, so that text can be read in place. */
#ifndef HFP_BASE_BUF_H
#define HFP_BASE_BUF_H

#include "base/err.h"

struct buf {
    char *data; /* NULL while empty */
    size_t n;   /* without the NUL */
    size_t cap, limit;
};

void buf_init(struct buf *b, size_t limit);
/* All of it or nothing. More than the limit: HFP_E_PROTO, for only a server can send that much. */
int buf_add(struct buf *b, const void *data, size_t n, struct hfp_err *err);
void buf_clear(struct buf *b); /* empty again, memory kept for the next page */
void buf_done(struct buf *b);

#endif
