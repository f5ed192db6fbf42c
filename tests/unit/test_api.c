/* test_api.c: one call to the Hub's API, with deadlines, redirects and the retry policy.
 *
 * Seen red on purpose: no deadline for an answer that trickles; a
 * redirect out of the Hub followed, with or without the token; a body that is not understood taken for an answer; a hold that loses the call; a
 * final refusal that is asked again, or lost when its words do not end; Retry-After not waited for. */
#include "fake_http.h"
#include "resolve/api.h"

#include "tap.h"

#define HUB "http://hub.test"

struct rig {
    uint64_t now_ns, random;
    struct fake_http http;
    struct hosts *hosts;
    struct log log;
    struct deadlines deadlines;
    struct patience patience;
    struct answer_context context;
    struct api_call *call;
    void (*serve)(struct rig *r, const struct http_request *q, struct fh_answer *a);
    unsigned number, answers, failed, bad_bodies;
    char body[64], next[64];
    struct hfp_err error;
    const char *then; /* the next URL, asked for inside the answer */
};

static uint64_t rig_now(void *ctx)
{
    return ((struct rig *)ctx)->now_ns;
}

static void script(void *ctx, const struct http_request *q, struct fh_answer *a)
{
    struct rig *r = ctx;
    r->number++;
    r->serve(r, q, a);
}

static int on_answer(void *ctx, const struct buf *body, const char *next, struct hfp_err *err)
{
    struct rig *r = ctx;
    if (r->bad_bodies > 0) {
        r->bad_bodies--;
        return err_set(err, HFP_E_PORTAL, "not JSON");
    }
    r->answers++;
    snprintf(r->body, sizeof r->body, "%s", body->data ? body->data : "");
    snprintf(r->next, sizeof r->next, "%s", next);
    if (r->then)
        api_get(r->call, ptr_steal(&r->then));
    return HFP_OK;
}

static void on_failed(void *ctx, const struct hfp_err *err)
{
    struct rig *r = ctx;
    r->failed++;
    r->error = *err;
}

static void begin(struct rig *r, void (*serve)(struct rig *, const struct http_request *, struct fh_answer *),
                  uint32_t rounds)
{
    *r = (struct rig){ .now_ns = 1000 * NS_PER_S,
                       .random = 1,
                       .serve = serve,
                       .deadlines = deadlines_default(),
                       .context = { .repo = "ns/name", .revision = "main", .page_url = HUB, .with_token = true } };
    fh_init(&r->http, &r->now_ns, script, r);
    hosts_new(&r->hosts, NULL, HFP_ANY_FAMILY, NULL);
    patience_init(&r->patience, rounds, r->now_ns);
    struct api_config c = { .http = &r->http.base,
                            .hosts = r->hosts,
                            .log = &r->log,
                            .deadlines = &r->deadlines,
                            .endpoint = HUB,
                            .token = "hf_secret",
                            .now = rig_now,
                            .now_ctx = r,
                            .random = &r->random };
    struct api_events events = { .answer = on_answer, .failed = on_failed, .ctx = r };
    api_new(&r->call, &c, &events, &r->context, &r->patience, NULL);
    api_get(r->call, HUB "/api/models/ns/name");
}

static bool turn(void *ctx, uint64_t *next_ns)
{
    struct rig *r = ctx;
    if (!api_busy(r->call))
        return false;
    *next_ns = api_turn(r->call, r->now_ns);
    return true;
}

/* Until the call has ended, or so much time has passed. */
static double run(struct rig *r, double seconds)
{
    return fh_run(&r->http, &r->now_ns, seconds, turn, r);
}

static void end(struct rig *r)
{
    api_free(r->call);
    CHECK(fh_running(&r->http) == 0, "nothing is left on the wire");
    hosts_free(r->hosts);
}

static void good(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r, (void)q;
    fh_answer_text(a, 200, "{\"sha\":1}");
}

static void first_two(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number <= 2)
        fh_answer_text(a, 503, "sorry");
}

static void refused(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    a->refused = HFP_E_CONNECT;
}

static void never(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number == 1)
        a->open_ns = FH_NEVER;
}

static void mute(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number == 1)
        a->answer_ns = FH_NEVER;
}

static void trickle(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number > 1)
        return;
    a->text = NULL;
    a->length = 1 << 30;
    a->bytes_per_s = FH_PIECE / 8;
}

static void cut(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number == 1)
        a->cut_at = 4;
}

static void busy(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number > 1)
        return;
    fh_answer_text(a, 429, "");
    a->h.retry_after_s = 60;
}

static void zipped(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    a->h.encoded = r->number == 1;
}

static void page(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number > 1)
        return;
    fh_answer_text(a, 200, "<html>log in");
    a->h.html = true;
}

static void renamed(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number > 1)
        return;
    fh_answer_redirect(a, "/api/models/new/name");
    a->h.status = 307;
}

static void leaves(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    good(r, q, a);
    if (r->number <= 1)
        fh_answer_redirect(a, "http://login.test/");
}

static void gone(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r, (void)q;
    fh_answer_text(a, 404, "");
    snprintf(a->h.error_code, sizeof a->h.error_code, "RepoNotFound");
}

static void gone_on_and_on(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r, (void)q;
    fh_answer_text(a, 404, "{\"error\":\"Repository not found\"}");
    snprintf(a->h.error_code, sizeof a->h.error_code, "RepoNotFound");
    a->stall_at = 2;
    a->stall_ns = FH_NEVER;
}

static void circle(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r, (void)q;
    fh_answer_redirect(a, HUB "/api/again");
}

static const struct {
    const char *name;
    void (*serve)(struct rig *, const struct http_request *, struct fh_answer *);
    enum hfp_code code; /* OK: answered */
    double low, high;   /* seconds */
    uint64_t requests;
    bool reached;
} rows[] = {
    { "a good Hub", good, HFP_OK, 0, 0.1, 1, true },
    { "two failures", first_two, HFP_OK, 2, 4, 3, true },
    { "a connection that never opens", never, HFP_OK, 10.5, 12, 2, true },
    { "an answer that never comes", mute, HFP_OK, 30.5, 32, 2, true },
    { "an answer that trickles", trickle, HFP_OK, 30.5, 32, 2, true },
    { "an answer cut short", cut, HFP_OK, 0.7, 2, 2, true },
    { "429 with Retry-After", busy, HFP_OK, 60, 61, 2, true },
    { "a compressed answer", zipped, HFP_OK, 0.7, 2, 2, true },
    { "a login page", page, HFP_OK, 0.7, 2, 2, true },
    { "a renamed repository", renamed, HFP_OK, 0, 0.1, 2, true },
    { "a redirect out of the Hub is a login page", leaves, HFP_OK, 0.7, 2, 2, true },
    { "no such repository", gone, HFP_E_NO_REPO, 0, 0.1, 1, true },
    { "the same, and its words never end", gone_on_and_on, HFP_E_NO_REPO, 30, 31, 1, true },
    { "redirects in circles", circle, HFP_E_NET, 10, 60, 48, false },
    { "nobody there", refused, HFP_E_NET, 10, 60, 8, false },
};

static void test_rows(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        begin(&r, rows[i].serve, 2);
        double took = run(&r, 3600);
        bool ok = rows[i].code == HFP_OK ? r.answers == 1 && !r.failed && strcmp(r.body, "{\"sha\":1}") == 0
                                         : r.failed == 1 && !r.answers && r.error.code == rows[i].code;
        if (!CHECK(ok && took >= rows[i].low && took <= rows[i].high && api_requests(r.call) == rows[i].requests &&
                       api_reached(r.call) == rows[i].reached,
                   "%s", rows[i].name))
            printf("# %.2f s, %llu requests, answers %u, failed %u %s, reached %d\n", took,
                   (unsigned long long)api_requests(r.call), r.answers, r.failed, r.error.message, api_reached(r.call));
        bool leaked = false;
        for (unsigned k = 0; k < ARRAY_LEN(r.http.log); k++)
            leaked |= r.http.log[k][0] && strncmp(r.http.log[k], HUB, strlen(HUB)) != 0;
        CHECK(!leaked && strstr(r.http.log[1], "hf_secret"), "%s: the token goes to the endpoint alone", rows[i].name);
        end(&r);
    }
}

static void test_others(void)
{
    struct rig r;
    begin(&r, good, 0);
    r.then = HUB "/api/models/ns/name/page2";
    run(&r, 10);
    CHECK(r.answers == 2 && r.http.starts == 2, "the next page may be asked for inside the answer");
    end(&r);

    begin(&r, good, 0);
    r.bad_bodies = 2;
    double took = run(&r, 60);
    CHECK(r.answers == 1 && api_requests(r.call) == 3 && took > 2,
          "an answer that is not understood is asked for again");
    end(&r);

    begin(&r, mute, 0);
    run(&r, 1);
    api_hold(r.call, true);
    CHECK(fh_running(&r.http) == 0 && api_busy(r.call), "a pause takes the request off the wire");
    run(&r, 100);
    CHECK(r.answers == 0 && r.http.starts == 1, "and nothing is asked meanwhile");
    api_hold(r.call, false);
    run(&r, 1);
    CHECK(r.answers == 1, "the call goes on afterwards");
    end(&r);

    begin(&r, refused, 0);
    run(&r, 600);
    CHECK(r.patience.round >= 4 && api_waits_until_ns(r.call) > r.now_ns,
          "between rounds it says until when: %u rounds", r.patience.round);
    r.serve = good;
    run(&r, 600);
    CHECK(r.answers == 1 && r.patience.round == 0, "progress starts the rounds over");
    end(&r);

    begin(&r, good, 0);
    api_turn(r.call, r.now_ns);
    end(&r);
    api_free(NULL);
}

int main(void)
{
    test_rows();
    test_others();
    return tap_end();
}
