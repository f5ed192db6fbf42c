/* send.c: puts an answer on the wire, with every cut, stall and slip that was ordered for it. */
#include "server.h"

#include "base/auto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUFFER_BYTES = 256 << 10,
    SENDFILE_BYTES = 4 << 20, /* per call */
    LIMITED_BYTES = 64 << 10, /* largest piece under a rate */
};

/* The orders for one body; offsets count body bytes sent so far, UINT64_MAX is never. */
struct flow {
    uint64_t sent, left;
    uint64_t reset_at, close_at, stall_at, pause_every, pause_next;
    int64_t stall_ms, pause_ms;
    uint64_t creep, conn_rate;
    int64_t shift;
    const cJSON *flip, *garbage;
    struct limiter own; /* for creep and throttling */
    bool stream;        /* a file: counts as an open byte stream */
    uint8_t *buf;
};

static uint64_t offset_of(const struct fault *f, const char *action)
{
    double at = fault_num(f, action, -1);
    return at < 0 || at > 0x1p53 ? UINT64_MAX : (uint64_t)at;
}

static void flow_init(struct flow *w, const struct exchange *x)
{
    const struct fault *f = &x->fault;
    const cJSON *pause = fault_item(f, "pause");
    const cJSON *every = cJSON_GetObjectItem(pause, "every_bytes"), *ms = cJSON_GetObjectItem(pause, "ms");
    uint64_t reset_every = fault_count(f, "reset_every");
    *w = (struct flow){
        .left = x->answer.count,
        .stream = x->answer.entry != NULL,
        .reset_at = offset_of(f, "reset_after"),
        .close_at = offset_of(f, "close_after"),
        .stall_at = offset_of(f, "stall_after"),
        .stall_ms = (int64_t)fault_num(f, "stall_ms", CONN_FOREVER),
        .pause_every = whole_number(every),
        .pause_ms = (int64_t)whole_number(ms),
        .creep = fault_count(f, "creep"),
        .conn_rate = fault_count(f, "rate"),
        .shift = (int64_t)fault_num(f, "body_shift", 0),
        .flip = fault_item(f, "flip"),
        .garbage = fault_item(f, "garbage"),
    };
    uint64_t everyone = setting(&x->srv->opt.conn_rate);
    if (everyone && (!w->conn_rate || everyone < w->conn_rate))
        w->conn_rate = everyone;
    if (reset_every)
        w->reset_at = MIN(w->reset_at, reset_every - x->conn->body_bytes % reset_every);
    w->pause_next = w->pause_every ? w->pause_every : UINT64_MAX;
    limiter_init(&w->own);
}

/* The order that is due at this byte. False: the answer is over, and x->end says how. */
static bool due_orders(struct exchange *x, struct flow *w)
{
    if (w->sent == w->stall_at) {
        w->stall_at = UINT64_MAX;
        if (!conn_wait_ms(x->conn, w->stall_ms)) {
            x->end = "stalled";
            return false;
        }
    }
    if (w->sent == w->reset_at) {
        conn_reset(x->conn);
        x->end = "reset";
        return false;
    }
    if (w->sent == w->close_at) {
        x->conn->keep = false;
        x->end = "closed";
        return false;
    }
    if (w->sent == w->pause_next && w->left) {
        w->pause_next += w->pause_every;
        if (!conn_wait_ms(x->conn, w->pause_ms)) {
            x->end = "stalled";
            return false;
        }
    }
    return true;
}

/* What may go now: up to the next order, and no more than the slowest rate gives. Waits for its turn. */
static size_t next_piece(struct exchange *x, struct flow *w)
{
    uint64_t stop = MIN(MIN(w->reset_at, w->close_at), MIN(w->stall_at, w->pause_next));
    uint64_t n = MIN(w->left, stop - w->sent), all = setting(&x->srv->opt.rate), own = w->creep;
    uint64_t above = setting(&x->srv->opt.throttle_above);
    if (w->stream && above && atomic_load(&x->srv->open_streams) > above)
        own = setting(&x->srv->opt.throttle_to);
    const struct {
        uint64_t rate;
        struct limiter *line;
    } lines[] = { { all, &x->srv->rate }, { w->conn_rate, &x->conn->rate }, { own, &w->own } };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (lines[i].rate)
            n = MIN(n, (uint64_t)limiter_piece(lines[i].rate, LIMITED_BYTES));
    n = MIN(n, (uint64_t)SENDFILE_BYTES);
    uint64_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (lines[i].rate) {
            uint64_t booked = limiter_book(lines[i].line, lines[i].rate, (size_t)n); /* MAX would book twice */
            at = MAX(at, booked);
        }
    return conn_wait_until(x->conn, at) ? (size_t)n : 0;
}

static uint64_t member(const cJSON *object, const char *name)
{
    return whole_number(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* buf holds the n bytes from this offset of the file on. Both orders take one object or a list of them. */
static void spoil(const struct flow *w, uint64_t offset, uint8_t *buf, size_t n)
{
    for (const cJSON *f = cJSON_IsArray(w->flip) ? w->flip->child : w->flip; f;
         f = cJSON_IsArray(w->flip) ? f->next : NULL) {
        uint64_t at = member(f, "at");
        if (at >= offset && at - offset < n)
            buf[at - offset] ^= (uint8_t)(1u << (member(f, "bit") & 7));
    }
    for (const cJSON *g = cJSON_IsArray(w->garbage) ? w->garbage->child : w->garbage; g;
         g = cJSON_IsArray(w->garbage) ? g->next : NULL) {
        uint64_t from = MAX(offset, member(g, "from")), to = MIN(offset + n, member(g, "to"));
        for (; from < to; from++)
            buf[from - offset] = (uint8_t)~buf[from - offset]; /* never by chance the true byte */
    }
}

static bool send_copied(struct exchange *x, struct flow *w, size_t *n)
{
    struct answer *a = &x->answer;
    uint64_t offset = a->first + w->sent, from = offset;
    *n = MIN(*n, (size_t)BUFFER_BYTES);
    if (w->shift && a->total) {
        from = (uint64_t)(((int64_t)(offset % a->total) + w->shift % (int64_t)a->total + (int64_t)a->total) %
                          (int64_t)a->total);
        *n = (size_t)MIN((uint64_t)*n, a->total - from);
    }
    if (!w->buf)
        w->buf = must_alloc(BUFFER_BYTES);
    if (!source_read(&a->source, from, w->buf, *n)) {
        conn_reset(x->conn); /* the file shrank under us: the client must not take this for an end */
        x->end = "reset";
        return false;
    }
    spoil(w, offset, w->buf, *n);
    char size[32];
    int digits = snprintf(size, sizeof(size), "%zx\r\n", *n);
    return (!a->chunked || conn_write(x->conn, size, (size_t)digits, true)) &&
           conn_write(x->conn, w->buf, *n, a->chunked) && (!a->chunked || conn_write(x->conn, "\r\n", 2, false));
}

static bool send_piece(struct exchange *x, struct flow *w, size_t n)
{
    struct answer *a = &x->answer;
    bool plain = a->source.kind == SOURCE_DISK && !x->conn->tls && !w->flip && !w->garbage && !w->shift && !a->chunked;
    if (plain) {
        int64_t sent = conn_sendfile(x->conn, a->source.fd, a->first + w->sent, n);
        if (sent < 0)
            return false;
        n = (size_t)sent;
    } else if (!send_copied(x, w, &n)) {
        return false;
    }
    w->sent += n;
    w->left -= n;
    x->sent += n;
    x->conn->body_bytes += n;
    atomic_fetch_add(&x->conn->from->bytes, n);
    return true;
}

static void stream_opened(struct server *srv)
{
    unsigned now = atomic_fetch_add(&srv->open_streams, 1) + 1, peak = atomic_load(&srv->peak_streams);
    while (now > peak && !atomic_compare_exchange_weak(&srv->peak_streams, &peak, now))
        ;
}

static void send_body(struct exchange *x)
{
    struct flow w;
    flow_init(&w, x);
    if (w.stream)
        stream_opened(x->srv);
    bool going = due_orders(x, &w);
    while (going && w.left) {
        size_t n = next_piece(x, &w);
        going = n && send_piece(x, &w, n) && due_orders(x, &w);
    }
    if (going && x->answer.chunked)
        going = conn_write(x->conn, "0\r\n\r\n", 5, false);
    if (!going && !x->end)
        x->end = "client_gone";
    if (w.stream)
        atomic_fetch_sub(&x->srv->open_streams, 1);
    free(w.buf);
    pthread_mutex_destroy(&w.own.lock);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        { 200, "OK" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 416, "Range Not Satisfiable" },
        { 429, "Too Many Requests" },
        { 500, "Internal Server Error" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == status)
            return known[i].text;
    return "Answer";
}

static bool send_head(struct exchange *x, bool body_follows)
{
    struct text head = { 0 };
    text_addf(&head, "HTTP/1.1 %d %s\r\n", x->answer.status, reason(x->answer.status));
    for (size_t i = 0; i < x->answer.fields.count; i++)
        text_addf(&head, "%s: %s\r\n", x->answer.fields.list[i].name, x->answer.fields.list[i].value);
    text_add(&head, "\r\n");
    uint64_t cut = offset_of(&x->fault, "cut_head");
    bool whole = cut >= head.n;
    /* Held back to travel with the body, except under orders, which may be to stall right behind it. */
    bool ok = conn_write(x->conn, head.p, whole ? head.n : (size_t)cut, body_follows && whole && !x->fault.count);
    text_free(&head);
    if (ok && !whole) {
        conn_reset(x->conn);
        x->end = "reset";
    }
    return ok && whole;
}

void send_answer(struct exchange *x)
{
    struct answer *a = &x->answer;
    bool body = !x->req->head && a->status != 204 && a->status != 304;
    if (a->drop) {
        conn_reset(x->conn);
        x->end = "reset";
    } else if (a->silent) {
        (void)conn_wait_ms(x->conn, CONN_FOREVER);
        x->end = "stalled";
    } else if (!conn_wait_ms(x->conn, a->wait_ms) || !send_head(x, body && a->count)) {
        x->end = x->end ? x->end : "client_gone";
    } else if (body) {
        send_body(x);
    }
    x->end = x->end ? x->end : "done";
    if (strcmp(x->end, "done") != 0)
        x->conn->keep = false;
}
