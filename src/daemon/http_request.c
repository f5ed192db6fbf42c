/* One request: its parts as they arrive, what it says, and its answer. */
#include "daemon/http_request.h"

#include "daemon/guard.h"
#include "front/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define STREAM_ROOM 16384U /* handed to the kernel at once */

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

/* ---- its parts ---- */

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

void http_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
                       enum MHD_RequestTerminationCode code)
{
    (void)cls, (void)connection, (void)code;
    struct http_request *r = *req_cls;
    if (!r)
        return;
    http_phase(r->conn, CONN_HEAD);
    r->conn->request = NULL;
    request_free(r);
    *req_cls = NULL;
}

static enum MHD_Result queue(struct http_request *r)
{
    if (r->queued)
        return MHD_YES;
    r->queued = true;
    http_phase(r->conn, r->stream.read ? CONN_STREAM : CONN_ANSWER);
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
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
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
        http_phase(r->conn, CONN_BODY);
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
        http_phase(r->conn, CONN_ANSWER);
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

void http_rouse(struct http_request *r)
{
    if (!r->asleep)
        return;
    r->asleep = false;
    MHD_resume_connection(r->connection);
}

static void cut(struct http_request *r)
{
    if (r->conn->fd >= 0)
        shutdown(r->conn->fd, SHUT_RDWR);
}

static void answer_with(struct http_request *r, struct MHD_Response *response, unsigned status)
{
    r->response = response;
    r->status = status;
    http_rouse(r);
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
    if (r->queued)
        http_rouse(r);
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
