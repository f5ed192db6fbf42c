/* test_curl.c: the promises of net/http.h, kept by net/curl.c against a server that misbehaves on order.
 *
 * Seen red on purpose: an early hint was the answer; a truncated body was whole; headers went on for ever; an endless
 * header line was our lack of memory; a pause lost its bytes; cancel did not cancel; HTTP_STOP did not stop; redirects
 * were followed; the token stayed for the next request; a line break in a token was a header; signatures stood in
 * messages; connect_to went through a proxy; connections from before drop_idle came back, at once or seconds later;
 * gzip stayed on for the next request. */
#include "base/auto.h"
#include "base/clock.h"
#include "net/curl.h"
#include "net/curl_transfer.h"
#include "tap.h"
#include "tiny_server.h"

#include <signal.h>

#define TURN_LIMIT_NS (8 * NS_PER_S) /* no test below waits that long when all is well */

static struct tiny_server server;
static struct http_curl *loop;
static struct http *http;

enum where { NOWHERE, OPENED, ANSWERED, BODY, CLOSED };

struct probe {
    struct http_request request;
    char url[256];
    /* what to do */
    enum where cancel_in;
    bool stop_in_body;
    struct probe *cancel_other; /* in the same place */
    struct probe *start_in_closed;
    unsigned pause_every; /* body calls; 0: never */
    /* what happened */
    unsigned opened, answered, closed, calls, pauses;
    bool paused, wrong_order;
    struct http_peer peer;
    struct http_headers headers;
    uint64_t expect_at, bytes; /* offset of the first byte expected; bytes taken */
    bool wrong_bytes, any_bytes;
    char text[4096];
    struct hfp_err err;
};

static void act(struct probe *p, enum where where)
{
    if (p->cancel_in != where)
        return;
    if (p->cancel_other)
        http->cancel(http, &p->cancel_other->request);
    else
        http->cancel(http, &p->request);
}

static void on_opened(struct http_request *r, const struct http_peer *peer)
{
    struct probe *p = container_of(r, struct probe, request);
    p->wrong_order |= p->opened || p->answered || p->closed;
    p->opened++;
    p->peer = *peer;
    act(p, OPENED);
}

static void on_answered(struct http_request *r, const struct http_headers *headers)
{
    struct probe *p = container_of(r, struct probe, request);
    p->wrong_order |= !p->opened || p->answered || p->closed;
    p->answered++;
    p->headers = *headers;
    act(p, ANSWERED);
}

static enum http_take on_bytes(struct http_request *r, const uint8_t *bytes, size_t n)
{
    struct probe *p = container_of(r, struct probe, request);
    p->wrong_order |= !p->answered || p->closed || p->paused;
    if (p->pause_every && ++p->calls % p->pause_every == 0) {
        p->pauses++;
        p->paused = true;
        return HTTP_PAUSE;
    }
    for (size_t i = 0; i < n && !p->any_bytes; i++)
        p->wrong_bytes |= bytes[i] != pattern_byte(p->expect_at + p->bytes + i);
    if (p->bytes < sizeof p->text - 1)
        memcpy(p->text + p->bytes, bytes, MIN(n, sizeof p->text - 1 - (size_t)p->bytes));
    p->bytes += n;
    act(p, BODY);
    return p->stop_in_body ? HTTP_STOP : HTTP_TAKE;
}

static void start(struct probe *p);

static void on_closed(struct http_request *r, const struct hfp_err *err)
{
    struct probe *p = container_of(r, struct probe, request);
    p->wrong_order |= p->closed > 0;
    p->closed++;
    p->err = *err;
    act(p, CLOSED);
    if (p->start_in_closed)
        start(p->start_in_closed);
}

static void probe_init(struct probe *p, const char *path)
{
    memset(p, 0, sizeof *p);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u%s", server.port, path);
    p->request.url = p->url;
    p->request.opened = on_opened;
    p->request.answered = on_answered;
    p->request.body = on_bytes;
    p->request.closed = on_closed;
    p->err.code = HFP_E_INTERNAL;
}

static void start(struct probe *p)
{
    struct hfp_err err = { 0 };
    if (http->start(http, &p->request, &err))
        CHECK(false, "start %s: %s", p->url, err.message);
}

/* Turns until done(ctx) or the limit; resumes what paused. */
static bool turn_until(bool (*done)(struct probe *), struct probe *probes, unsigned n)
{
    uint64_t end_ns = clock_read().mono_ns + TURN_LIMIT_NS;
    struct hfp_err err = { 0 };
    while (clock_read().mono_ns < end_ns) {
        unsigned finished = 0;
        for (unsigned i = 0; i < n; i++) {
            finished += done(&probes[i]);
            if (probes[i].paused) {
                probes[i].paused = false;
                http->resume(http, &probes[i].request);
            }
        }
        if (finished == n)
            return true;
        if (http_curl_turn(loop, 50 * NS_PER_MS, &err))
            return CHECK(false, "turn: %s", err.message);
    }
    return false;
}

static bool is_closed(struct probe *p)
{
    return p->closed > 0;
}

static bool has_bytes(struct probe *p)
{
    return p->bytes > 0;
}

static void turns(unsigned n)
{
    struct hfp_err err = { 0 };
    while (n-- > 0)
        http_curl_turn(loop, 5 * NS_PER_MS, &err);
}

static void loop_new(const struct http_config *config)
{
    struct hfp_err err = { 0 };
    static const struct http_config plain = { .proxy = "" };
    if (!CHECK(http_curl_new(&loop, config ? config : &plain, &err) == HFP_OK, "a loop starts %s", err.message))
        exit(tap_end());
    http = http_curl_http(loop);
}

static void loop_free(void)
{
    http->free(http);
    loop = NULL;
}

static void run(struct probe *p, const char *path)
{
    probe_init(p, path);
    start(p);
    CHECK(turn_until(is_closed, p, 1), "%s ends", path);
}

static void test_answers(void)
{
    static const struct {
        const char *path;
        enum hfp_code code;
        int status;
        uint64_t bytes;
        bool any_bytes, answered;
    } rows[] = {
        { "/len/0", HFP_OK, 200, 0, false, true },
        { "/len/100", HFP_OK, 200, 100, false, true },
        { "/len/3000000", HFP_OK, 200, 3000000, false, true },
        { "/redirect", HFP_OK, 302, 4, true, true },
        { "/early", HFP_OK, 200, 2, true, true },
        { "/chunked", HFP_OK, 200, 5, true, true },
        { "/eof", HFP_OK, 200, 5000, false, true },
        { "/short", HFP_E_SHORT, 200, 400, false, true },
        { "/reset", HFP_E_RESET, 200, 100, false, true },
        { "/nothing", HFP_E_RESET, 0, 0, false, false },
        { "/garbage", HFP_E_PROTO, 0, 0, false, false },
        { "/headers-bytes", HFP_E_PROTO, 0, 0, false, false },
        { "/headers-lines", HFP_E_PROTO, 0, 0, false, false },
        { "/headers-line", HFP_E_PROTO, 0, 0, false, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe p;
        probe_init(&p, rows[i].path);
        p.any_bytes = rows[i].any_bytes;
        start(&p);
        CHECK(turn_until(is_closed, &p, 1), "%s ends", rows[i].path);
        CHECK(p.err.code == rows[i].code, "%s ends with %s (%s: %s)", rows[i].path, hfp_code_name(rows[i].code),
              hfp_code_name(p.err.code), p.err.message);
        CHECK(p.opened == 1 && p.answered == rows[i].answered && p.closed == 1 && !p.wrong_order,
              "%s: each callback once and in order", rows[i].path);
        CHECK_U64((unsigned)p.headers.status, (unsigned)rows[i].status, "%s: status", rows[i].path);
        CHECK_U64(p.bytes, rows[i].bytes, "%s: bytes", rows[i].path);
        CHECK(!p.wrong_bytes, "%s: the right bytes", rows[i].path);
        CHECK(p.request.impl == NULL, "%s: the request is free again", rows[i].path);
    }
}

static void test_headers_of_blocks(void)
{
    struct probe p;
    probe_init(&p, "/early");
    p.any_bytes = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK_STR(p.headers.etag, "late", "the final answer's headers count");
    CHECK_STR(p.headers.commit, "", "an early hint's do not");
    probe_init(&p, "/chunked");
    p.any_bytes = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK_STR(p.headers.etag, "", "trailers are not headers");
    CHECK(p.headers.content_length == UINT64_MAX, "a length beside chunks is void");
}

static void test_request_headers(void)
{
    struct probe p;
    probe_init(&p, "/echo");
    p.any_bytes = true;
    p.request.token = "hf_secret";
    p.request.ranged = true;
    p.request.first = 7;
    p.request.last = UINT64_MAX;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(strstr(p.text, "\r\nAuthorization: Bearer hf_secret\r\n"), "the token is sent when the owner gives it");
    CHECK(strstr(p.text, "\r\nRange: bytes=7-\r\n"), "an open range");
    CHECK(strstr(p.text, "\r\nAccept-Encoding: identity\r\n"), "no compression is asked for");
    CHECK(strstr(p.text, "\r\nUser-Agent: hf-pull/" HFP_VERSION "\r\n"), "the user agent");
    CHECK(strstr(p.text, "GET /echo HTTP/1.1\r\n") && !strstr(p.text, "Expect"), "HTTP/1.1, nothing expected");
    for (int i = 0; i < 3; i++) { /* the same easy handle serves again */
        probe_init(&p, "/echo");
        p.any_bytes = true;
        start(&p);
        turn_until(is_closed, &p, 1);
        CHECK(!strstr(p.text, "Authorization") && !strstr(p.text, "Range:"), "nothing stays for the next request");
    }
    probe_init(&p, "/echo");
    p.request.token = "a\r\nX-Evil: b";
    struct hfp_err err = { 0 };
    CHECK(http->start(http, &p.request, &err) == HFP_E_ARG && !strstr(err.message, "Evil"), "no line break in a token");
    p.request.token = NULL;
    p.request.url = "ftp://127.0.0.1/x";
    CHECK(http->start(http, &p.request, &err) == HFP_E_ARG && !p.request.impl, "only http and https");
}

static void test_gzip(void)
{
    struct probe p;
    probe_init(&p, "/echo");
    p.any_bytes = p.request.gzip = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(strstr(p.text, "\r\nAccept-Encoding: gzip\r\n") && !strstr(p.text, "identity"), "gzip is offered on demand");
    probe_init(&p, "/gzip");
    p.any_bytes = p.request.gzip = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.err.code == HFP_OK && p.bytes == 3000 && p.text[0] == 'a' && p.headers.gzip, "and comes unpacked");
    probe_init(&p, "/gzip");
    p.any_bytes = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.bytes < 100 && p.text[0] == 0x1f && p.headers.encoded, "not for the next request: that one is told");
}

static void test_range(void)
{
    struct probe p;
    probe_init(&p, "/range");
    p.request.ranged = true;
    p.request.first = p.expect_at = 100;
    p.request.last = 4999;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.err.code == HFP_OK && p.headers.status == 206 && !p.wrong_bytes, "a range: %s", p.err.message);
    CHECK_U64(p.bytes, 4900, "its bytes");
    CHECK(p.headers.range.present && p.headers.range.first == 100 && p.headers.range.total == 10000, "its own header");
}

static void test_peer_and_reuse(void)
{
    struct probe p;
    struct http_peer peer;
    unsigned before = atomic_load(&server.connections);
    run(&p, "/len/10");
    run(&p, "/len/10");
    CHECK(p.peer.reused, "a kept connection is known as such");
    CHECK_STR(p.peer.address, "127.0.0.1", "the peer's address");
    CHECK_U64(p.peer.port, server.port, "the peer's port");
    CHECK(!p.peer.ipv6 && !p.peer.proxied, "IPv4, direct");
    CHECK(!http->peer(http, &p.request, &peer), "no peer after the end");
    CHECK(atomic_load(&server.connections) - before <= 1, "two requests share a connection");

    probe_init(&p, "/len/10");
    p.request.fresh = true;
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(!p.peer.reused, "fresh means a new connection");

    probe_init(&p, "/stall");
    start(&p);
    turn_until(has_bytes, &p, 1);
    CHECK(http->peer(http, &p.request, &peer) && peer.rtt_us > 0, "round trip time of a running request");
    http->cancel(http, &p.request);

    http->drop_idle(http);
    run(&p, "/len/10");
    CHECK(!p.peer.reused, "dropped connections are not used again");
    usleep(2100000);
    run(&p, "/len/10");
    run(&p, "/len/10");
    CHECK(p.peer.reused, "later ones are");

    atomic_store(&server.hang_up_idle, true);
    run(&p, "/len/10");
    CHECK(p.err.code == HFP_OK && p.opened == 1, "a kept connection that died costs no failure: %s", p.err.message);
    atomic_store(&server.hang_up_idle, false);
}

static void test_drop_keeps_running(void)
{
    struct probe p;
    run(&p, "/len/10"); /* an old connection to be forgotten */
    usleep(1100000);
    http->drop_idle(http);
    usleep(2300000);
    run(&p, "/len/10");
    CHECK(!p.peer.reused, "a connection from before drop_idle is not used even seconds later");
}

static void test_connect_to(void)
{
    struct probe p;
    probe_init(&p, "/echo");
    p.any_bytes = true;
    p.request.connect_to = "127.0.0.2";
    snprintf(p.url, sizeof p.url, "http://name.invalid:%u/echo", server.port);
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.err.code == HFP_OK, "an address of our choice needs no DNS: %s", p.err.message);
    CHECK_STR(p.peer.address, "127.0.0.2", "it is the one used");
    CHECK(strstr(p.text, "\r\nHost: name.invalid:"), "the name stays in the request");
    run(&p, "/len/10");
    CHECK_STR(p.peer.address, "127.0.0.1", "and it is not used for the next request");
}

static void test_no_connection(void)
{
    struct probe p;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, not listening: refuses */
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
        abort();
    probe_init(&p, "/");
    snprintf(p.url, sizeof p.url, "http://127.0.0.1:%u/path?X-Amz-Signature=secret", ntohs(a.sin_port));
    start(&p);
    CHECK(turn_until(is_closed, &p, 1), "a refused port ends");
    CHECK(p.err.code == HFP_E_CONNECT && !p.opened, "and is E_CONNECT: %s", p.err.message);
    CHECK(!strstr(p.err.message, "secret") && strstr(p.err.message, "127.0.0.1"),
          "the host is named, the query is not");
    close(fd);
    probe_init(&p, "/");
    snprintf(p.url, sizeof p.url, "https://127.0.0.1:%u/len/10", server.port);
    start(&p);
    CHECK(turn_until(is_closed, &p, 1) && p.err.code == HFP_E_TLS, "TLS to a plain port is E_TLS: %s", p.err.message);
}

/* Some resolvers take long to say no: either it ends with E_DNS, or the cancel after the limit does. */
static void test_no_name(void)
{
    struct probe p;
    probe_init(&p, "/");
    snprintf(p.url, sizeof p.url, "http://nonexistent.invalid:%u/", server.port);
    start(&p);
    if (turn_until(is_closed, &p, 1)) {
        CHECK(p.err.code == HFP_E_DNS, "a name that does not exist is E_DNS: %s", p.err.message);
    } else {
        http->cancel(http, &p.request);
        turns(2);
        CHECK(p.closed == 0, "a hanging resolver can be cancelled");
    }
}

static void test_cancel(void)
{
    static const struct {
        const char *name;
        enum where where;
        bool stop;
    } rows[] = {
        { "opened", OPENED, false },
        { "answered", ANSWERED, false },
        { "body", BODY, false },
        { "HTTP_STOP", NOWHERE, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe p, other, both[2];
        probe_init(&p, "/len/200000");
        p.cancel_in = rows[i].where;
        p.stop_in_body = rows[i].stop;
        start(&p);
        turns(20);
        CHECK(p.opened == 1 && !p.closed && !p.request.impl, "cancel in %s: closed is not called", rows[i].name);
        CHECK(p.bytes <= 16384 && p.answered == (rows[i].where != OPENED), "cancel in %s: nothing follows",
              rows[i].name);
        start(&p); /* the same request may be used again, after what it saw is forgotten */
        http->cancel(http, &p.request);
        http->cancel(http, &p.request);
        turns(2);
        CHECK(!p.closed, "cancel before the first turn, twice");

        if (rows[i].stop)
            continue;
        probe_init(&other, "/stall");
        start(&other);
        turn_until(has_bytes, &other, 1);
        probe_init(&both[0], "/len/200000");
        both[0].cancel_in = rows[i].where;
        both[0].cancel_other = &other;
        start(&both[0]);
        CHECK(turn_until(is_closed, both, 1) && both[0].err.code == HFP_OK && both[0].bytes == 200000,
              "cancelling another in %s leaves this one whole", rows[i].name);
        CHECK(!other.closed && !other.request.impl, "and ends that one");
    }
    struct probe p, other;
    probe_init(&other, "/stall");
    start(&other);
    probe_init(&p, "/len/10");
    p.cancel_in = CLOSED;
    p.cancel_other = &other;
    start(&p);
    turn_until(is_closed, &p, 1);
    turns(5);
    CHECK(!other.closed && !other.request.impl, "cancel in closed");
    probe_init(&p, "/silent");
    start(&p);
    turns(5);
    http->cancel(http, &p.request);
    turns(2);
    CHECK(p.opened == 1 && !p.answered && !p.closed, "a silent request can be cancelled");
}

static void test_start_in_closed(void)
{
    struct probe chain[40];
    unsigned before = atomic_load(&server.connections);
    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        probe_init(&chain[i], "/len/1000");
        chain[i].start_in_closed = i + 1 < ARRAY_LEN(chain) ? &chain[i + 1] : NULL;
    }
    start(&chain[0]);
    CHECK(turn_until(is_closed, chain, ARRAY_LEN(chain)), "requests started from closed all end");
    unsigned good = 0;
    for (size_t i = 0; i < ARRAY_LEN(chain); i++)
        good += chain[i].err.code == HFP_OK && chain[i].bytes == 1000 && !chain[i].wrong_bytes;
    CHECK_U64(good, ARRAY_LEN(chain), "and are whole");
    CHECK(atomic_load(&server.connections) - before <= 1, "over one connection");
}

static void test_pause(void)
{
    static const struct {
        const char *path;
        uint64_t bytes;
        unsigned every;
    } rows[] = {
        { "/len/1", 1, 1 },
        { "/len/100000", 100000, 2 },
        { "/len/5000000", 5000000, 3 },
        { "/len/5000000", 5000000, 50 },
        { "/eof", 5000, 2 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe p;
        probe_init(&p, rows[i].path);
        p.pause_every = rows[i].every == 1 ? 2 : rows[i].every;
        p.calls = rows[i].every == 1 ? 1 : 0; /* pause at the very first byte */
        start(&p);
        CHECK(turn_until(is_closed, &p, 1), "%s with pauses ends", rows[i].path);
        CHECK(p.err.code == HFP_OK && p.bytes == rows[i].bytes && !p.wrong_bytes && !p.wrong_order,
              "%s: each byte once, in order, through %u pauses (%llu bytes, %s)", rows[i].path, p.pauses,
              (unsigned long long)p.bytes, p.err.message);
    }
    struct probe p;
    probe_init(&p, "/len/5000000");
    p.pause_every = 4;
    start(&p);
    while (!p.paused)
        turns(1);
    uint64_t bytes = p.bytes;
    turns(20);
    CHECK(p.bytes == bytes && !p.closed && !p.wrong_order, "nothing comes while paused");
    http->cancel(http, &p.request);
    turns(2);
    CHECK(!p.closed && p.bytes == bytes, "a paused request can be cancelled");
    probe_init(&p, "/len/10");
    http->resume(http, &p.request);
    start(&p);
    http->resume(http, &p.request);
    CHECK(turn_until(is_closed, &p, 1) && p.bytes == 10, "resume without pause has no effect");
}

static void test_many(void)
{
    static struct probe many[48];
    unsigned before = atomic_load(&server.connections), good = 0;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < ARRAY_LEN(many); i++) {
            probe_init(&many[i], "/len/70000");
            many[i].pause_every = i % 3 == 0 ? 3 : 0;
            start(&many[i]);
        }
        CHECK(turn_until(is_closed, many, ARRAY_LEN(many)), "round %d of %zu at once ends", round, ARRAY_LEN(many));
        for (size_t i = 0; i < ARRAY_LEN(many); i++)
            good += many[i].err.code == HFP_OK && many[i].bytes == 70000 && !many[i].wrong_bytes;
    }
    CHECK_U64(good, 4 * ARRAY_LEN(many), "all are whole");
    CHECK(atomic_load(&server.connections) - before <= ARRAY_LEN(many),
          "later rounds use the first one's connections (%u)", atomic_load(&server.connections) - before);
}

static void *wake_later(void *arg)
{
    usleep(100000);
    http_curl_wake(arg);
    return NULL;
}

static void test_wake(void)
{
    pthread_t thread;
    struct hfp_err err = { 0 };
    uint64_t began_ns = clock_read().mono_ns;
    if (pthread_create(&thread, NULL, wake_later, loop))
        abort();
    CHECK(http_curl_turn(loop, 5 * NS_PER_S, &err) == HFP_OK, "a turn with nothing to do");
    CHECK(clock_read().mono_ns - began_ns < 2 * NS_PER_S, "is ended by a wake-up from another thread");
    pthread_join(thread, NULL);
}

static void test_proxy(void)
{
    char proxy[64];
    struct probe p;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", server.port);
    struct http_config config = { .proxy = proxy };
    loop_new(&config);
    probe_init(&p, "/");
    p.any_bytes = true;
    p.request.connect_to = "127.0.0.9";
    snprintf(p.url, sizeof p.url, "http://far.invalid/echo");
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.err.code == HFP_OK && strncmp(p.text, "GET http://far.invalid/echo ", 28) == 0, "through the proxy: %s",
          p.err.message);
    CHECK(p.peer.proxied && strcmp(p.peer.address, "127.0.0.1") == 0, "the peer is the proxy, connect_to is not used");
    probe_init(&p, "/");
    snprintf(p.url, sizeof p.url, "https://far.invalid/");
    start(&p);
    turn_until(is_closed, &p, 1);
    CHECK(p.err.code == HFP_E_PROXY, "a proxy that refuses is E_PROXY: %s", p.err.message);
    loop_free();
}

static void test_config(void)
{
    char entry[64];
    struct probe p;
    snprintf(entry, sizeof entry, "static.invalid:%u:127.0.0.3", server.port);
    const char *const resolve[] = { entry, NULL };
    struct http_config config = { .proxy = "", .resolve = resolve, .user_agent = "other/1", .family = HFP_IPV4 };
    loop_new(&config);
    for (int i = 0; i < 2; i++) {
        probe_init(&p, "/");
        p.any_bytes = true;
        p.request.fresh = true;
        snprintf(p.url, sizeof p.url, "http://static.invalid:%u/echo", server.port);
        start(&p);
        turn_until(is_closed, &p, 1);
        CHECK(p.err.code == HFP_OK && strcmp(p.peer.address, "127.0.0.3") == 0, "a name given by --resolve: %s",
              p.err.message);
        CHECK(strstr(p.text, "\r\nUser-Agent: other/1\r\n"), "the user agent given");
    }
    loop_free();
}

static void test_outcomes(void)
{
    static const struct {
        CURLcode result;
        bool opened, proxied;
        enum hfp_code code;
    } rows[] = {
        { CURLE_COULDNT_RESOLVE_HOST, false, false, HFP_E_DNS },
        { CURLE_COULDNT_RESOLVE_PROXY, false, true, HFP_E_PROXY },
        { CURLE_COULDNT_CONNECT, false, true, HFP_E_PROXY },
        { CURLE_OPERATION_TIMEDOUT, false, false, HFP_E_TIMEOUT },
        { CURLE_PEER_FAILED_VERIFICATION, false, false, HFP_E_TLS },
        { CURLE_SEND_ERROR, true, false, HFP_E_RESET },
        { CURLE_RECV_ERROR, true, true, HFP_E_RESET },
        { CURLE_OUT_OF_MEMORY, false, false, HFP_E_NOMEM },
        { CURLE_WEIRD_SERVER_REPLY, true, false, HFP_E_PROTO },
        { CURLE_SSL_ENGINE_INITFAILED, false, false, HFP_E_RESET },
    };
    struct exchange_setup setup = { .user_agent = NULL };
    struct exchange *t = NULL;
    struct hfp_err err;
    if (!CHECK(exchange_new(&t, &setup, &err) == HFP_OK, "a transfer"))
        return;
    snprintf(t->host, sizeof t->host, "cdn.example");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        t->opened = rows[i].opened;
        t->proxied = rows[i].proxied;
        snprintf(t->words, sizeof t->words, "it broke at https://x/y?sig=secret");
        exchange_outcome(t, rows[i].result, &err);
        CHECK(err.code == rows[i].code, "libcurl's %d is %s", rows[i].result, hfp_code_name(rows[i].code));
        CHECK(strstr(err.message, "cdn.example: it broke") && !strstr(err.message, "secret"),
              "its words, without secrets");
        CHECK(!strstr(err.message, "--ca-file") == (rows[i].code != HFP_E_TLS), "certificates say what to do");
    }
    exchange_free(t);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the engine's thread blocks it; here TLS to a plain port may raise it */
    tiny_start(&server);
    loop_new(NULL);
    test_answers();
    test_headers_of_blocks();
    test_request_headers();
    test_gzip();
    test_range();
    test_peer_and_reuse();
    test_drop_keeps_running();
    test_connect_to();
    test_no_connection();
    test_no_name();
    test_cancel();
    test_start_in_closed();
    test_pause();
    test_many();
    test_wake();
    struct probe left;
    probe_init(&left, "/stall");
    start(&left);
    turns(5);
    loop_free();
    CHECK(!left.closed && !left.request.impl, "freeing the loop ends what runs without a word");
    test_proxy();
    test_config();
    test_outcomes();
    tiny_stop(&server);
    return tap_end();
}
