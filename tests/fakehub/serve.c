/* serve.c: one connection from accept to close: read, route, judge, answer, log. */
#include "server.h"

#include "log.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void exchange_done(struct exchange *x)
{
    free(x->type);
    free(x->repo_id);
    free(x->rev);
    free(x->file);
    fields_free(&x->answer.fields);
    text_free(&x->answer.text);
    source_done(&x->answer.source);
    fault_free(&x->fault);
}

static void judge(struct exchange *x)
{
    uint64_t first = 0, last;
    bool ranged = request_range_asked(x->req, &first, &last);
    char *url_path = must_copy(x->req->path);
    struct sight s = {
        .on = role_name[x->conn->from->role],
        .kind = kind_name[x->kind],
        .method = x->req->method,
        .file = x->file,
        .repo = x->repo ? x->repo->id : x->repo_id,
        .addr = x->conn->from->host,
        .conn_nth = x->conn->requests,
        .ranged = ranged,
        .first = ranged && first != UINT64_MAX ? first : 0,
        .url_path = url_decode(url_path, false) ? url_path : NULL,
    };
    rules_judge(x->srv->rules, &s, &x->fault);
    free(url_path);
}

static void handle(struct exchange *x)
{
    static const struct {
        void (*route)(struct exchange *), (*answer)(struct exchange *);
    } rooms[ROLES] = { { hub_route, hub_answer }, { cdn_route, cdn_answer }, { cas_route, cas_answer } };
    enum role role = x->conn->from->role;
    rooms[role].route(x);
    atomic_fetch_add(&x->srv->kinds[x->kind], 1);
    judge(x);
    log_begin(x->srv->log, x);
    rooms[role].answer(x);
    faults_apply(x);
    send_answer(x);
    log_end(x->srv->log, x);
}

static void handle_control(struct exchange *x)
{
    x->kind = KIND_CONTROL;
    control_answer(x);
    faults_apply(x);
    x->answer.wait_ms = 0; /* orders to the server itself are never slow */
    send_answer(x);
}

static bool serve_one(struct server *srv, struct conn *c)
{
    struct request req;
    int rc = request_read(&req, c, (int)srv->opt.keepalive_ms);
    if (rc == 0) {
        request_free(&req);
        return false;
    }
    struct exchange x = { .srv = srv, .conn = c, .req = &req, .start_ns = now_ns() };
    x.answer.source.fd = -1;
    if (rc > 1) {
        c->keep = false;
        answer_error(&x, rc, NULL, "Bad request");
        faults_apply(&x);
        send_answer(&x);
    } else if (!strncmp(req.path, "/_fake/", 7)) {
        handle_control(&x);
    } else {
        x.id = atomic_fetch_add(&srv->next_request, 1) + 1;
        handle(&x);
    }
    exchange_done(&x);
    request_free(&req);
    return c->keep && !c->dead;
}

/* Orders for the connection itself, before TLS and before a byte is read. False when it is over. */
static bool admit_connection(struct server *srv, struct conn *c)
{
    struct fault f;
    struct sight s = { .on = role_name[c->from->role], .kind = kind_name[KIND_CONNECT], .addr = c->from->host };
    rules_judge(srv->rules, &s, &f);
    bool go = conn_wait_ms(c, (int64_t)fault_count(&f, "delay_ms"));
    const cJSON *ms = cJSON_GetObjectItem(fault_item(&f, "refuse"), "ms");
    if (fault_on(&f, "refuse"))
        listener_close(c->from, (int64_t)whole_number(ms));
    if (go && fault_on(&f, "accept_only"))
        go = conn_wait_ms(c, CONN_FOREVER);
    if (go && (fault_item(&f, "reset_after") || fault_on(&f, "refuse"))) {
        conn_reset(c);
        go = false;
    }
    go = go && !fault_item(&f, "close_after");
    fault_free(&f);
    return go;
}

void serve(struct server *srv, struct listener *from, int fd)
{
    struct conn c = { .fd = fd, .from = from, .id = atomic_fetch_add(&srv->next_conn, 1) + 1 };
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    limiter_init(&c.rate);
    atomic_fetch_add(&from->conns, 1);
    unsigned now = atomic_fetch_add(&srv->open_conns, 1) + 1, peak = atomic_load(&srv->peak_conns);
    while (now > peak && !atomic_compare_exchange_weak(&srv->peak_conns, &peak, now))
        ;
    if (admit_connection(srv, &c) && conn_tls(&c, srv->tls))
        while (serve_one(srv, &c))
            ;
    conn_close(&c);
    atomic_fetch_sub(&srv->open_conns, 1);
}
