#include "daemon/http.h"

#include "daemon/guard.h"
#include "front/text.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define IDLE_S 60          /* libmicrohttpd's own: nothing moved at all */
#define STREAM_ROOM 16384U /* handed to the kernel at once */
#define TURNS_MAX 64       /* of libmicrohttpd in one of ours, before other rooms have theirs */

enum conn_phase { CONN_HEAD, CONN_BODY, CONN_ANSWER, CONN_STREAM };

/* One connection; requests come on it one after the other. */
struct conn {
    struct conn *next, **at;
    struct http *http;
    struct http_request *request; /* under way; or NULL */
    int fd;
    enum conn_phase phase;
    uint64_t since_ns; /* of the phase */
    bool cut;
};

struct listener {
    struct http *http;
    struct MHD_Daemon *mhd;
    int epoll_fd;
    bool local, tls;
    uint16_t port;
};

struct http {
    struct http_ops ops;
    struct listener *listener[HTTP_LISTENERS_MAX];
    unsigned n, open;
    struct conn *conns;
    uint64_t now_ns;
    bool closing;
};

struct query {
    struct query *next;
    const char *name; /* the caller's */
    char value[];
};

struct http_request {
    struct http *http;
    struct MHD_Connection *connection;
    struct conn *conn;
    struct http_view view;
    char *body;
    struct MHD_Response *response; /* waits to be queued */
    unsigned status;
    bool in_callback, asleep, begun, handled, queued;
    struct http_stream stream; /* read NULL: none */
    struct query *queries;     /* decoded once */
};

/* ---- connections and their deadlines ---- */

static void phase(struct conn *c, enum conn_phase p)
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
        phase(c, CONN_HEAD);
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

/* ---- requests ---- */

static enum http_method method_of(const char *text)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD", [HTTP_POST] = "POST", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE"
    };
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++)
        if (strcmp(names[i], text) == 0)
            return (enum http_method)i;
    return HTTP_METHOD_OTHER;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (!a)
        return false;
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    if (a->sa_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static struct http_request *request_new(struct listener *l, struct MHD_Connection *connection, const char *path,
                                        const char *method)
{
    const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const union MHD_ConnectionInfo *own = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_request *r = own && own->socket_context ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    r->http = l->http;
    r->connection = connection;
    r->conn = own->socket_context;
    r->conn->request = r;
    r->view = (struct http_view){ .method = method_of(method),
                                  .method_text = method,
                                  .path = path,
                                  .body = "",
                                  .local = l->local,
                                  .loopback = l->local || is_loopback(peer ? peer->client_addr : NULL),
                                  .tls = l->tls,
                                  .port = l->port };
    const char *length = http_header(r, "Content-Length");
    r->view.has_body = http_header(r, "Transfer-Encoding") || (length && strcmp(length, "0") != 0);
    return r;
}

static void request_free(struct http_request *r)
{
    if (r->stream.closed)
        r->stream.closed(r->stream.ctx);
    if (r->response)
        MHD_destroy_response(r->response);
    while (r->queries) {
        struct query *q = r->queries;
        r->queries = q->next;
        free(q);
    }
    free(r->body);
    free(r);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls, (void)connection, (void)code;
    struct http_request *r = *req_cls;
    if (!r)
        return;
    phase(r->conn, CONN_HEAD);
    r->conn->request = NULL;
    request_free(r);
    *req_cls = NULL;
}

static enum MHD_Result queue(struct http_request *r)
{
    if (r->queued)
        return MHD_YES;
    r->queued = true;
    phase(r->conn, r->stream.read ? CONN_STREAM : CONN_ANSWER);
    enum MHD_Result ok = MHD_queue_response(r->connection, r->status, r->response);
    MHD_destroy_response(r->response);
    r->response = NULL;
    return ok;
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t n)
{
    if (r->view.body_n + n > HTTP_BODY_MAX) /* begin() has refused what said so before */
        return MHD_NO;
    char *body = realloc(r->body, r->view.body_n + n + 1);
    if (!body)
        return MHD_NO;
    r->body = body;
    memcpy(body + r->view.body_n, data, n);
    r->view.body_n += n;
    body[r->view.body_n] = '\0';
    r->view.body = body;
    return MHD_YES;
}

/* Called for the head, for each piece of the body, at its end, and once more when a late answer has woken it. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *upload_data, size_t *upload_data_size, void **req_cls)
{
    (void)version;
    struct listener *l = cls;
    struct http *h = l->http;
    struct http_request *r = *req_cls;
    if (h->closing || (!r && !(r = *req_cls = request_new(l, connection, url, method))))
        return MHD_NO;
    if (!r->begun) {
        r->begun = r->in_callback = true;
        phase(r->conn, CONN_BODY);
        h->ops.begin(h->ops.ctx, r);
        r->in_callback = false;
        return r->response ? queue(r) : MHD_YES;
    }
    if (*upload_data_size > 0) {
        enum MHD_Result ok = take_body(r, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return ok;
    }
    if (!r->handled) {
        r->handled = r->in_callback = true;
        phase(r->conn, CONN_ANSWER);
        h->ops.handle(h->ops.ctx, r);
        r->in_callback = false;
    }
    if (r->response)
        return queue(r);
    r->asleep = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

/* ---- answers ---- */

static void cut(struct http_request *r)
{
    if (r->conn->fd >= 0)
        shutdown(r->conn->fd, SHUT_RDWR);
}

static void answer_with(struct http_request *r, struct MHD_Response *response, unsigned status)
{
    r->response = response;
    r->status = status;
    if (r->asleep) {
        r->asleep = false;
        MHD_resume_connection(r->connection);
    }
}

static void add_fields(struct MHD_Response *response, const char *type, const struct http_field *fields)
{
    for (const struct http_field *f = guard_answer_fields; f->name; f++)
        MHD_add_response_header(response, f->name, f->value);
    if (type)
        MHD_add_response_header(response, "Content-Type", type);
    bool cached = false;
    for (const struct http_field *f = fields; f && f->name; f++) {
        MHD_add_response_header(response, f->name, f->value);
        cached |= strcmp(f->name, "Cache-Control") == 0;
    }
    if (!cached)
        MHD_add_response_header(response, "Cache-Control", "no-store");
}

void http_reply(struct http_request *r, const struct http_answer *a)
{
    struct MHD_Response *response =
        a->body ? MHD_create_response_from_buffer(a->n, a->body, MHD_RESPMEM_MUST_FREE)
                : MHD_create_response_from_buffer(a->n, (void *)(uintptr_t)(a->fixed ? a->fixed : ""),
                                                  MHD_RESPMEM_PERSISTENT);
    if (!response) { /* out of memory */
        free(a->body);
        cut(r);
        return;
    }
    add_fields(response, a->type, a->fields);
    answer_with(r, response, a->status);
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    (void)pos;
    struct http_request *r = cls;
    if (r->http->closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    ssize_t n = r->stream.read(r->stream.ctx, buf, max);
    if (n > 0)
        return n;
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    r->asleep = true;
    MHD_suspend_connection(r->connection);
    return 0;
}

void http_stream(struct http_request *r, const char *type, const struct http_stream *stream)
{
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_ROOM, on_read, r, NULL);
    r->stream = *stream;
    if (!response) {
        cut(r);
        return;
    }
    add_fields(response, type, NULL);
    answer_with(r, response, MHD_HTTP_OK);
}

void http_stream_wake(struct http_request *r)
{
    if (!r->asleep || !r->queued)
        return;
    r->asleep = false;
    MHD_resume_connection(r->connection);
}

/* ---- what it says ---- */

const struct http_view *http_view(const struct http_request *r)
{
    return &r->view;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct count {
    const char *name;
    unsigned n;
};

static enum MHD_Result count_one(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind, (void)value;
    struct count *c = cls;
    c->n += strcasecmp(key, c->name) == 0;
    return MHD_YES;
}

bool http_header_repeated(const struct http_request *r, const char *name)
{
    struct count c = { .name = name };
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_one, &c);
    return c.n > 1;
}

const char *http_query(struct http_request *r, const char *name)
{
    const char *raw = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
    for (const struct query *q = r->queries; q; q = q->next)
        if (strcmp(q->name, name) == 0)
            return q->value;
    struct query *q = raw ? malloc(sizeof *q + strlen(raw) + 1) : NULL;
    if (!q)
        return NULL;
    q->name = name;
    strcpy(q->value, raw);
    MHD_http_unescape(q->value);
    q->next = r->queries;
    r->queries = q;
    return q->value;
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
    l->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_access, l, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
                              MHD_OPTION_LISTEN_SOCKET, listen->fd, MHD_OPTION_CONNECTION_LIMIT,
                              (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                              MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_MAX, MHD_OPTION_NOTIFY_COMPLETED,
                              on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
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
    for (struct conn *c = h->conns; c; c = c->next) { /* sleepers must be awake when it stops */
        if (c->request && c->request->asleep) {
            c->request->asleep = false;
            MHD_resume_connection(c->request->connection);
        }
    }
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
    for (unsigned i = 0; i < h->n; i++) {
        uint64_t at = run(h, h->listener[i]->mhd);
        next = at < next ? at : next;
    }
    uint64_t cut = sweep(h);
    return cut < next ? cut : next;
}

unsigned http_open(const struct http *h)
{
    return h->open;
}
