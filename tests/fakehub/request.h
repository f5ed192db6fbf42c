/* request.h: one HTTP/1.1 request as it came.
 *
 * request_read takes it off the connection. All strings live until request_free. */
#ifndef FAKEHUB_REQUEST_H
#define FAKEHUB_REQUEST_H

#include "conn.h"
#include "fields.h"

enum {
    REQUEST_HEAD_MAX = 256 << 10, /* longer than any path a test would ask for */
    REQUEST_BODY_MAX = 64 << 20,  /* paths-info with 200 000 names fits */
    REQUEST_FIELDS_MAX = 200,
};

struct request {
    char method[16];
    char *target;       /* as sent */
    char *path, *query; /* split at '?', still encoded; query NULL when absent */
    struct fields fields;
    char *body; /* NUL-terminated; NULL without one */
    bool head;  /* the method is HEAD */
};

/* 1 read, 0 the connection is over, else the status to answer with before closing. */
int request_read(struct request *out, struct conn *c, int idle_ms);
void request_free(struct request *r);

/* Range: bytes=a-b, a-, -n over total. 0 no range to honour, 206 with first and count, 416. Several ranges: 0. */
int request_range(const struct request *r, uint64_t total, uint64_t *first, uint64_t *count);
/* The bounds as asked, for rules and log; last UINT64_MAX when open, first UINT64_MAX for a suffix. */
bool request_range_asked(const struct request *r, uint64_t *first, uint64_t *last);

#endif
