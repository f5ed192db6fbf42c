/* conn.h: one accepted connection: bytes in, bytes out, waiting, and the ways to end it.
 *
 * Owned by its thread. Everything blocks; conn_wait is the only place that waits for time, and it ends early when the
 * client is gone. TLS is the same calls. */
#ifndef FAKEHUB_CONN_H
#define FAKEHUB_CONN_H

#include "limiter.h"

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

struct conn {
    int fd;
    SSL *tls; /* NULL in clear */
    struct listener *from;
    uint64_t id;
    unsigned requests;   /* so far, this one included */
    uint64_t body_bytes; /* sent on this connection */
    struct limiter rate; /* of this connection alone */
    bool keep;           /* another request may follow */
    bool dead;           /* nothing can be sent any more */
    char *in;            /* received and not yet used */
    size_t in_bytes, in_cap;
};

enum { CONN_FOREVER = -1 };

bool conn_tls(struct conn *c, SSL_CTX *ctx);
/* Appends what arrives to c->in, at most up to max in all; false at the end, on error, or after idle_ms of silence. */
bool conn_read(struct conn *c, size_t max, int idle_ms);
void conn_used(struct conn *c, size_t n); /* drops the first n bytes of c->in */
bool conn_write(struct conn *c, const void *p, size_t n, bool more);
/* Plain connections only; file bytes without a copy. Sends up to n; the count, or -1. */
int64_t conn_sendfile(struct conn *c, int fd, uint64_t at, size_t n);
bool conn_wait_ms(struct conn *c, int64_t ms); /* CONN_FOREVER: until the client leaves; false when it left */
bool conn_wait_until(struct conn *c, uint64_t at_ns);
void conn_reset(struct conn *c); /* RST, after what was written has been acknowledged */
void conn_close(struct conn *c); /* in order: FIN, and close_notify under TLS */

#endif
