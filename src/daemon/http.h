/* daemon/http.h: the only room that knows libmicrohttpd (http.c, http_request.c).
 *
 * It listens, reads requests within limits of size and time, and sends answers. All of it runs on the loop's thread:
 * http_fds() names what to poll for, http_turn() does what is due. The owner is told twice of a request: begin(), when
 * the head is there, may refuse it before a body is read; handle(), when the body is there, answers now or later. A
 * request lives until it is answered and for as long as a stream of it is open; nobody else frees it.
 *
 * A stream (server-sent events) never waits in a callback: the connection sleeps until http_stream_wake(). */
#ifndef HFP_DAEMON_HTTP_H
#define HFP_DAEMON_HTTP_H

#include "hfp/hfp.h"

#include <poll.h>
#include <sys/types.h>

/* Limits of one request; what is larger is refused, what is slower is cut. */
#define HTTP_BODY_MAX (256U << 10) /* a job that names 1,000 files has some 100 KB */
#define HTTP_HEAD_MAX (16U << 10)  /* the request line and all headers: libmicrohttpd's memory per connection */
#define HTTP_CONNECTIONS_MAX 512   /* per listener: 200 open pages, their calls, and room */
#define HTTP_HEAD_S 15             /* from the connection, or the answer before, to the end of the head */
#define HTTP_BODY_S 30             /* from there to the end of the body */
#define HTTP_ANSWER_S 120          /* and to the end of the answer, streams excepted */
#define HTTP_LISTENERS_MAX 8

struct http;
struct http_request;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_OTHER };

/* What a request says. Texts live as long as the request. */
struct http_view {
    enum http_method method;
    const char *method_text, *path; /* path: as sent, percent signs undecoded, without the query */
    const char *body;               /* NUL-terminated; "" when there is none */
    size_t body_n;
    bool has_body; /* the head announces one */
    bool loopback; /* the peer is this machine */
    bool local;    /* it came through a Unix socket */
    bool tls;
    uint16_t port; /* that it came to; 0: a Unix socket */
};

struct http_ops {
    void (*begin)(void *ctx, struct http_request *r);  /* may answer */
    void (*handle)(void *ctx, struct http_request *r); /* answers now or later */
    void *ctx;
};

struct http_listen {
    int fd; /* listening; owned by http after http_listen() succeeded */
    bool local;
    uint16_t port;
    const char *tls_cert, *tls_key; /* PEM texts; NULL: none */
};

int http_new(struct http **out, const struct http_ops *ops, struct hfp_err *err);
int http_listen(struct http *h, const struct http_listen *listen, struct hfp_err *err);
/* No new connections, the open ones are closed. NULL is fine. */
void http_free(struct http *h);
unsigned http_fds(const struct http *h, struct pollfd *fds, unsigned max);
/* Returns when it wants the next turn (mono ns); UINT64_MAX: when a descriptor is ready. */
uint64_t http_turn(struct http *h, uint64_t now_ns);
unsigned http_open(const struct http *h); /* connections */

const struct http_view *http_view(const struct http_request *r);
const char *http_header(const struct http_request *r, const char *name); /* NULL: absent */
/* Of a header that may be sent once only: true when it came more often. */
bool http_header_repeated(const struct http_request *r, const char *name);
const char *http_query(struct http_request *r, const char *name); /* decoded; NULL: absent. name lives on */

struct http_field {
    const char *name, *value;
};
struct http_answer {
    unsigned status;
    const char *type;  /* of the content; NULL: no content */
    char *body;        /* from malloc: http frees it; or NULL */
    const char *fixed; /* or content that lives for ever */
    size_t n;
    const struct http_field *fields; /* further headers, up to the first without a name; NULL: none */
};
/* Once a request. Headers every answer has (guard.h) are added here. */
void http_reply(struct http_request *r, const struct http_answer *a);

struct http_stream {
    /* Up to room bytes of what comes next; 0: nothing yet, sleep; -1: the end. */
    ssize_t (*read)(void *ctx, char *buf, size_t room);
    void (*closed)(void *ctx); /* the reader left, or it ended; ctx is the owner's to free */
    void *ctx;
};
/* Instead of http_reply(): an answer without an end. */
void http_stream(struct http_request *r, const char *type, const struct http_stream *stream);
void http_stream_wake(struct http_request *r);

#endif
