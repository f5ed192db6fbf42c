/* The listening sockets, their connections, and the deadlines of these. */
#include "daemon/http.h"

#include "daemon/http_request.h"
#include "front/clock.h"
#include "front/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NS_PER_S 1000000000ULL
#define IDLE_S 60    /* libmicrohttpd's own: nothing moved at all */
#define TURNS_MAX 64 /* of libmicrohttpd in one of ours, before other rooms have theirs */

/* ---- connections and their deadlines ---- */

void http_phase(struct conn *c, enum conn_phase p)
{
    c->phase = p;
    c->since_ns = c->http->now_ns;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    struct listener *l = cls;
    struct http *h = l->http;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct conn *c = calloc(1, sizeof *c);
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        h->open++;
        *socket_ctx = c;
        if (!c)
            return; /* out of memory: on_access() turns it away */
        *c = (struct conn){ .next = h->conns, .at = &h->conns, .http = h, .fd = info ? info->connect_fd : -1 };
        if (c->next)
            c->next->at = &c->next;
        h->conns = c;
        http_phase(c, CONN_HEAD);
        return;
    }
    struct conn *c = *socket_ctx;
    h->open--;
    if (!c)
        return;
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    free(c);
    *socket_ctx = NULL;
}

/* A client that sends a byte now and then is never idle, and never done. It is cut where it stands. */
static uint64_t sweep(struct http *h)
{
    static const uint64_t allowed_s[] = {
        [CONN_HEAD] = HTTP_HEAD_S, [CONN_BODY] = HTTP_BODY_S, [CONN_ANSWER] = HTTP_ANSWER_S
    };
    uint64_t next = UINT64_MAX;
    for (struct conn *c = h->conns; c; c = c->next) {
        if (c->phase == CONN_STREAM || c->cut)
            continue;
        uint64_t until_ns = c->since_ns + allowed_s[c->phase] * NS_PER_S;
        if (h->now_ns >= until_ns && c->fd >= 0) {
            shutdown(c->fd, SHUT_RDWR);
            c->cut = true;
        } else if (until_ns < next) {
            next = until_ns;
        }
    }
    return next;
}

/* ---- the server ---- */

/* libmicrohttpd would decode the path before anybody could look at it. */
static size_t leave_as_is(void *cls, struct MHD_Connection *connection, char *s)
{
    (void)cls, (void)connection;
    return strlen(s);
}

int http_new(struct http **out, const struct http_ops *ops, struct hfp_err *err)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return fault_nomem(err);
    h->ops = *ops;
    *out = h;
    return HFP_OK;
}

static void quiet(void *cls, const char *fmt, va_list ap)
{
    (void)cls, (void)fmt, (void)ap; /* it speaks of clients that left; what matters is counted elsewhere */
}

int http_listen(struct http *h, const struct http_listen *listen, struct hfp_err *err)
{
    if (h->n == HTTP_LISTENERS_MAX)
        return fault(err, HFP_E_ARG, "more than %d addresses to listen on.", HTTP_LISTENERS_MAX);
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return fault_nomem(err);
    *l = (struct listener){ .http = h, .local = listen->local, .tls = listen->tls_cert != NULL, .port = listen->port };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (l->tls ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)listen->tls_cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)listen->tls_key },
        { MHD_OPTION_END, 0, NULL },
    };
    l->mhd = MHD_start_daemon(flags, 0, NULL, NULL, http_on_access, l, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
                              MHD_OPTION_LISTEN_SOCKET, listen->fd, MHD_OPTION_CONNECTION_LIMIT,
                              (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                              MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_MAX, MHD_OPTION_NOTIFY_COMPLETED,
                              http_on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
                              MHD_OPTION_UNESCAPE_CALLBACK, leave_as_is, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                              MHD_OPTION_ARRAY, l->tls ? tls : tls + 2, MHD_OPTION_END);
    if (!l->mhd) {
        free(l);
        return fault(err, HFP_E_INTERNAL, "the HTTP server does not start%s.",
                     listen->tls_cert ? ": look at the certificate and its key" : "");
    }
    l->epoll_fd = MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    h->listener[h->n++] = l;
    return HFP_OK;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    h->closing = true;
    for (struct conn *c = h->conns; c; c = c->next) /* sleepers must be awake when it stops */
        if (c->request)
            http_rouse(c->request);
    for (unsigned i = 0; i < h->n; i++) {
        MHD_run(h->listener[i]->mhd);
        MHD_stop_daemon(h->listener[i]->mhd);
        free(h->listener[i]);
    }
    free(h);
}

unsigned http_fds(const struct http *h, struct pollfd *fds, unsigned max)
{
    unsigned n = 0;
    for (; n < h->n && n < max; n++)
        fds[n] = (struct pollfd){ .fd = h->listener[n]->epoll_fd, .events = POLLIN };
    return n;
}

/* Edge-triggered below: until it says that nothing is left, it is asked again. */
static uint64_t run(struct http *h, struct MHD_Daemon *mhd)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    for (int i = 0; i < TURNS_MAX; i++) {
        MHD_run(mhd);
        if (MHD_get_timeout(mhd, &ms) != MHD_YES)
            return UINT64_MAX;
        if (ms > 0)
            return h->now_ns + ms * 1000000ULL;
    }
    return h->now_ns;
}

uint64_t http_turn(struct http *h, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    h->now_ns = now_ns;
    for (unsigned i = 0; i < h->n; i++)
        next = clock_sooner(next, run(h, h->listener[i]->mhd));
    return clock_sooner(next, sweep(h));
}

unsigned http_open(const struct http *h)
{
    return h->open;
}
