/* test_xet_query.c: the promises of resolve/xet_query.h, against a scripted Hub and store.
 *
 * Seen red on purpose: two token requests at once, 401 not refreshed and refreshed without end, no v1, v1 not
 * remembered, a long answer that is final, the Hub's token to the store, a failure that those who wait do not hear of,
 * gzip not offered, any packing taken, an endless body read on, 416 as no such file, 501 retried, Retry-After
 * not heard. */
#include "fake_http.h"
#include "resolve/xet_query.h"

#include "tap.h"

#define HUB "http://hub.test"
#define STORE "http://cas.test"
#define HEX "0000000000000001000000000000000000000000000000000000000000000000"
#define SIZE (UINT64_C(3) << 30)

struct rig {
    uint64_t now_ns, random;
    int64_t unix_s;
    struct fake_http http;
    struct hosts *hosts;
    struct log log;
    struct deadlines deadlines;
    struct patience patience;
    struct answer_context context;
    struct xet_session *session;
    struct xet_query *query[2];
    void (*serve)(struct rig *r, const struct http_request *q, struct fh_answer *a);
    unsigned tokens, asked, answers, failed; /* asked: the store */
    uint64_t last_byte;                      /* of the last answer */
    struct hfp_err error;
    bool leaked, zipped;
    char body[2][1024];
};

static uint64_t rig_now(void *ctx)
{
    return ((struct rig *)ctx)->now_ns;
}

static int64_t rig_unix(void *ctx)
{
    struct rig *r = ctx;
    return r->unix_s + (int64_t)(r->now_ns / NS_PER_S);
}

/* The slice that was asked for, made of one chunk after another of a xorb of its own; as one term. */
static void good(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    static char body[1 << 20];
    uint64_t bytes = q->last - q->first + 1, at = 0;
    size_t n = (size_t)sprintf(body, "{\"offset_into_first_range\":0,\"terms\":[");
    for (; at < bytes; at += 1 << 26)
        n += (size_t)sprintf(body + n,
                             "%s{\"hash\":\"" HEX "\",\"unpacked_length\":%llu,\"range\":{\"start\":0,\"end\":8192}}",
                             at ? "," : "", (unsigned long long)MIN(bytes - at, 1u << 26));
    sprintf(body + n, "],\"xorbs\":{\"" HEX
                      "\":[{\"url\":\"http://signed.test/\",\"ranges\":[{\"chunks\":{\"start\":0,\"end\":8192},"
                      "\"bytes\":{\"start\":0,\"end\":99999}}]}]}}");
    fh_answer_text(a, 206, body);
    a->h.encoded = a->h.gzip = true;
    (void)r;
}

static void script(void *ctx, const struct http_request *q, struct fh_answer *a)
{
    struct rig *r = ctx;
    bool hub = strncmp(q->url, HUB, strlen(HUB)) == 0;
    const char *want = hub ? "hf_secret" : "cas_secret";
    r->leaked |= !q->token || strncmp(q->token, want, strlen(want)) != 0;
    r->zipped |= !hub && !q->gzip;
    *(hub ? &r->tokens : &r->asked) += 1;
    if (hub) {
        char *body = r->body[r->tokens % 2];
        snprintf(body, sizeof r->body[0], "{\"accessToken\":\"cas_secret%u\",\"casUrl\":\"" STORE "/\",\"exp\":%lld}",
                 r->tokens, (long long)rig_unix(r) + 600);
        fh_answer_text(a, 200, body);
    }
    r->serve(r, q, a);
}

static void on_answer(void *ctx, struct reconstruction *got)
{
    struct rig *r = ctx;
    r->answers++;
    r->last_byte = got->last_byte;
    reconstruction_free(got);
}

static void on_failed(void *ctx, const struct hfp_err *err)
{
    struct rig *r = ctx;
    r->failed++;
    r->error = *err;
}

static void ask(struct rig *r, int i)
{
    struct xet_hash file;
    xet_hash_parse(&file, HEX, 64);
    xet_query_ask(r->query[i], &file, SIZE, 0, SIZE - 1);
}

static void begin(struct rig *r, void (*serve)(struct rig *, const struct http_request *, struct fh_answer *))
{
    *r = (struct rig){ .now_ns = 1000 * NS_PER_S,
                       .unix_s = 1700000000,
                       .random = 1,
                       .serve = serve,
                       .deadlines = deadlines_default(),
                       .context = { .repo = "ns/name", .revision = "main", .page_url = HUB, .with_token = true } };
    fh_init(&r->http, &r->now_ns, script, r);
    hosts_new(&r->hosts, NULL, HFP_ANY_FAMILY, NULL);
    patience_init(&r->patience, 1, r->now_ns);
    struct xet_session_config c = { .hub = { .http = &r->http.base,
                                             .hosts = r->hosts,
                                             .log = &r->log,
                                             .deadlines = &r->deadlines,
                                             .endpoint = HUB,
                                             .token = "hf_secret",
                                             .now = rig_now,
                                             .now_ctx = r,
                                             .random = &r->random },
                                    .type = HFP_MODEL,
                                    .repo = "ns/name",
                                    .revision = "main",
                                    .context = &r->context,
                                    .patience = &r->patience,
                                    .unix_s = rig_unix };
    struct xet_query_events events = { .answer = on_answer, .failed = on_failed, .ctx = r };
    xet_session_new(&r->session, &c, NULL);
    for (int i = 0; i < 2; i++)
        xet_query_new(&r->query[i], r->session, &events, NULL);
    ask(r, 0);
}

static bool turn(void *ctx, uint64_t *next_ns)
{
    struct rig *r = ctx;
    if (!xet_query_busy(r->query[0]) && !xet_query_busy(r->query[1]))
        return false;
    uint64_t one_ns = xet_query_turn(r->query[0], r->now_ns), other_ns = xet_query_turn(r->query[1], r->now_ns);
    *next_ns = MIN(one_ns, other_ns);
    return true;
}

static double run(struct rig *r, double seconds)
{
    return fh_run(&r->http, &r->now_ns, seconds, turn, r);
}

static void end(struct rig *r)
{
    for (int i = 0; i < 2; i++)
        xet_query_free(r->query[i]);
    xet_session_free(r->session);
    CHECK(fh_running(&r->http) == 0, "nothing is left on the wire");
    hosts_free(r->hosts);
}

static bool to_store(const struct http_request *q)
{
    return strncmp(q->url, STORE, strlen(STORE)) == 0;
}

static void all_good(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    if (to_store(q))
        good(r, q, a);
}

static void status_once(struct rig *r, const struct http_request *q, struct fh_answer *a, int status)
{
    all_good(r, q, a);
    if (to_store(q) && r->asked == 1)
        fh_answer_text(a, status, "");
}

#define ONCE(name, status)                                                                                             \
    static void name(struct rig *r, const struct http_request *q, struct fh_answer *a)                                 \
    {                                                                                                                  \
        status_once(r, q, a, status);                                                                                  \
    }
ONCE(refused_once, 401)
ONCE(broken_once, 503)
ONCE(past_end_once, 416)

#define ALWAYS(name, status)                                                                                           \
    static void name(struct rig *r, const struct http_request *q, struct fh_answer *a)                                 \
    {                                                                                                                  \
        (void)r;                                                                                                       \
        if (to_store(q))                                                                                               \
            fh_answer_text(a, status, "");                                                                             \
    }
ALWAYS(always_401, 401)
ALWAYS(always_403, 403)
ALWAYS(always_400, 400)
ALWAYS(always_404, 404)
ALWAYS(always_416, 416)

static void no_v2(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (strstr(q->url, "/v2/"))
        fh_answer_text(a, 404, "");
}

static void v2_unknown(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (strstr(q->url, "/v2/"))
        fh_answer_text(a, 501, "");
}

static void cut_once(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q) && r->asked == 1)
        fh_answer_text(a, 206, "{\"terms\":[");
}

static void retry_after(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q) && r->asked == 1) {
        fh_answer_text(a, 429, "");
        a->h.retry_after_s = 60;
    }
}

/* Longer than an answer may be, unless a quarter of the first slice is asked for. */
static void too_long(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q) && q->last - q->first >= RECONSTRUCTION_SLICE_BYTES / 4) {
        a->text = NULL;
        a->length = UINT64_C(1) << 40;
    }
}

static void endless(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q)) {
        a->text = NULL;
        a->length = UINT64_C(1) << 40;
    }
}

static void other_packing(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q) && r->asked == 1)
        a->h.gzip = false;
}

static void redirect_out(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    all_good(r, q, a);
    if (to_store(q) && r->asked == 1)
        fh_answer_redirect(a, "http://evil.test/");
}

static void hub_refuses(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r;
    if (!to_store(q))
        fh_answer_text(a, 403, "");
}

static const struct {
    const char *name;
    void (*serve)(struct rig *, const struct http_request *, struct fh_answer *);
    enum hfp_code code; /* OK: answered */
    unsigned tokens, asked;
    double low, high; /* seconds */
} rows[] = {
    { "a good store", all_good, HFP_OK, 1, 1, 0, 0.1 },
    { "a token that is refused once", refused_once, HFP_OK, 2, 2, 0, 0.1 },
    { "a token that is refused for good", always_401, HFP_E_AUTH, 2, 2, 0, 0.1 },
    { "not allowed", always_403, HFP_E_FORBIDDEN, 1, 1, 0, 0.1 },
    { "a malformed request", always_400, HFP_E_ARG, 1, 1, 0, 0.1 },
    { "a file that nobody knows", always_404, HFP_E_NO_FILE, 1, 2, 0, 0.1 },
    { "no v2 here", no_v2, HFP_OK, 1, 2, 0, 0.1 },
    { "v2 not made yet", v2_unknown, HFP_OK, 1, 2, 0, 0.1 },
    { "a broken store", broken_once, HFP_OK, 1, 2, 0.7, 2 },
    { "JSON that is cut off", cut_once, HFP_OK, 1, 2, 0.7, 2 },
    { "Retry-After", retry_after, HFP_OK, 1, 2, 60, 61 },
    { "416 inside the known size, once", past_end_once, HFP_OK, 1, 2, 0.7, 2 },
    { "416 inside the known size", always_416, HFP_E_NET, 1, 4, 5, 12 },
    { "an answer that is too long", too_long, HFP_OK, 1, 3, 0, 0.1 },
    { "answers that are all too long", endless, HFP_E_PROTO, 1, 8, 0, 0.1 },
    { "another packing than gzip", other_packing, HFP_OK, 1, 2, 0.7, 2 },
    { "a redirect out of the store", redirect_out, HFP_OK, 1, 2, 0.7, 2 },
    { "no token from the Hub", hub_refuses, HFP_E_FORBIDDEN, 1, 0, 0, 0.1 },
};

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct rig r;
        begin(&r, rows[i].serve);
        double took = run(&r, 600);
        bool ok = rows[i].code == HFP_OK ? r.answers == 1 && !r.failed
                                         : r.failed == 1 && !r.answers && r.error.code == rows[i].code;
        if (!CHECK(ok && took >= rows[i].low && took <= rows[i].high && r.tokens == rows[i].tokens &&
                       r.asked == rows[i].asked,
                   "%s", rows[i].name))
            printf("# %.2f s, %u tokens, %u asked, answers %u, failed %u %s\n", took, r.tokens, r.asked, r.answers,
                   r.failed, r.error.message);
        CHECK(!r.leaked && !r.zipped, "%s: each token to its own host, gzip offered to the store", rows[i].name);
        end(&r);
    }
}

static void test_together(void)
{
    static struct rig r;
    begin(&r, all_good);
    ask(&r, 1);
    run(&r, 10);
    CHECK(r.answers == 2 && r.tokens == 1, "two queries share one token");
    CHECK(r.last_byte == RECONSTRUCTION_SLICE_BYTES - 1, "a slice is 1 GiB");
    CHECK(strstr(r.http.log[3], "0-1073741823 cas_secret1"), "asked for by its bytes: %s", r.http.log[3]);
    r.now_ns += 500 * NS_PER_S;
    ask(&r, 0);
    run(&r, 10);
    CHECK(r.answers == 3 && r.tokens == 1, "which holds for the next question");
    r.now_ns += 70 * NS_PER_S;
    ask(&r, 0);
    ask(&r, 1);
    run(&r, 10);
    CHECK(r.answers == 5 && r.tokens == 2, "until it is old: then one asks for another");
    end(&r);

    begin(&r, refused_once);
    ask(&r, 1);
    run(&r, 10);
    CHECK(r.answers == 2 && r.tokens == 2, "a refused token is replaced once for all");
    end(&r);

    begin(&r, no_v2);
    run(&r, 10);
    ask(&r, 0);
    run(&r, 10);
    CHECK(r.answers == 2 && r.asked == 3, "a store without v2 is remembered");
    end(&r);

    begin(&r, too_long);
    run(&r, 10);
    CHECK(r.last_byte == RECONSTRUCTION_SLICE_BYTES / 4 - 1, "half of half was short enough");
    ask(&r, 0);
    run(&r, 10);
    CHECK(r.answers == 2 && r.asked == 4, "and that is remembered");
    end(&r);

    begin(&r, hub_refuses);
    ask(&r, 1);
    run(&r, 10);
    CHECK(r.failed == 2 && r.tokens == 1, "all who wait hear of the failure");
    end(&r);
}

static void test_hold(void)
{
    static struct rig r;
    begin(&r, all_good);
    xet_query_hold(r.query[0], true);
    run(&r, 10);
    CHECK(r.tokens == 0 && xet_query_busy(r.query[0]), "on hold nothing is asked");
    xet_query_hold(r.query[0], false);
    run(&r, 10);
    CHECK(r.answers == 1, "afterwards it goes on");
    ask(&r, 0);
    xet_query_turn(r.query[0], r.now_ns);
    end(&r);
    xet_query_free(NULL);
    xet_session_free(NULL);
}

int main(void)
{
    test_rows();
    test_together();
    test_hold();
    return tap_end();
}
