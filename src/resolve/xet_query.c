#include "resolve/xet_query.h"

#include "base/auto.h"
#include "net/url.h"

#include <assert.h>
#include <string.h>

_Static_assert(ANSWER_BYTES_MAX <= RECONSTRUCTION_BYTES_MAX, "what a call brings can be read");

struct xet_session {
    struct xet_session_config config;
    struct xet_access access;
    struct api_call *hub;
    char url[URL_MAX];
    char v1_cas[URL_MAX]; /* this CAS answered v1 where it had not known v2; "" */
    uint64_t slice_bytes;
    uint32_t failures; /* token requests that ended without one, and why the last did */
    struct hfp_err failure;
};

enum query_state { QUERY_IDLE, QUERY_TOKEN, QUERY_ASK };

struct xet_query {
    struct xet_session *session;
    struct xet_query_events events;
    struct api_call *cas;
    enum query_state state;
    bool held, v1, refreshed; /* refreshed: a token was refused already */
    uint32_t serial, failures;
    struct xet_hash file;
    uint64_t size_bytes, first, last, wanted_last;
    char *token; /* copies: the session may get others meanwhile */
    char origin[URL_MAX];
};

/* ---- the session ---- */

static int64_t unix_now(const struct xet_session *s)
{
    return s->config.unix_s(s->config.hub.now_ctx);
}

static int token_answer(void *ctx, const struct buf *body, const char *next, struct hfp_err *err)
{
    struct xet_session *s = ctx;
    struct xet_token token;
    (void)next;
    int rc = xet_token_read(&token, body->data ? body->data : "", body->n, s->config.hub.endpoint, err);
    if (rc == HFP_OK)
        xet_access_got(&s->access, &token, unix_now(s));
    return rc;
}

static void token_failed(void *ctx, const struct hfp_err *err)
{
    struct xet_session *s = ctx;
    xet_access_failed(&s->access);
    s->failure = *err;
    err_wrap(&s->failure, "no Xet token");
    s->failures++;
}

int xet_session_new(struct xet_session **out, const struct xet_session_config *config, struct hfp_err *err)
{
    AUTO_FREE struct xet_session *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err);
    s->config = *config;
    s->slice_bytes = RECONSTRUCTION_SLICE_BYTES;
    struct api_events events = { .answer = token_answer, .failed = token_failed, .ctx = s };
    if (!xet_url_token(s->url, config->hub.endpoint, config->type, config->repo, config->revision))
        return err_set(err, HFP_E_ARG, "revision name too long");
    int rc = api_new(&s->hub, &config->hub, &events, config->context, config->patience, err);
    if (rc == HFP_OK)
        *out = ptr_steal(&s);
    return rc;
}

void xet_session_free(struct xet_session *s)
{
    if (!s)
        return;
    api_free(s->hub);
    xet_access_done(&s->access);
    free(s);
}

uint64_t xet_session_requests(const struct xet_session *s)
{
    return api_requests(s->hub);
}

/* ---- the query ---- */

static void query_ask_cas(struct xet_query *q)
{
    char url[URL_MAX];
    q->state = QUERY_ASK;
    /* Fits: both halves are checked URLs of less than half that length, or it is too long to be asked for. */
    if (xet_url_reconstruction(url, q->origin, q->v1 ? 1 : 2, &q->file)) {
        api_get_range(q->cas, url, q->first, q->last);
        return;
    }
    struct hfp_err err;
    err_set(&err, HFP_E_PROTO, "the URL of the Xet store is too long");
    q->state = QUERY_IDLE;
    q->events.failed(q->events.ctx, &err);
}

static void query_cut(struct xet_query *q)
{
    uint64_t most = q->first + (q->session->slice_bytes - 1);
    q->last = most < q->wanted_last ? most : q->wanted_last;
}

/* False: what was asked for is the least already. */
static bool query_halve(struct xet_query *q)
{
    uint64_t bytes = q->last - q->first + 1;
    if (bytes <= RECONSTRUCTION_SLICE_MIN_BYTES)
        return false;
    while (q->session->slice_bytes >= bytes)
        q->session->slice_bytes /= 2;
    query_cut(q);
    query_ask_cas(q);
    return true;
}

static int cas_answer(void *ctx, const struct buf *body, const char *next, struct hfp_err *err)
{
    struct xet_query *q = ctx;
    struct reconstruction *r;
    bool too_long;
    (void)next;
    int rc = xet_reconstruction_read(&r, body, q->first, q->last, q->size_bytes, &too_long, err);
    if (rc && too_long && query_halve(q))
        return HFP_OK;
    if (rc)
        return rc;
    if (q->v1)
        memcpy(q->session->v1_cas, q->origin, sizeof q->origin);
    q->state = QUERY_IDLE;
    q->events.answer(q->events.ctx, r);
    return HFP_OK;
}

static void cas_too_long(void *ctx)
{
    struct xet_query *q = ctx;
    struct hfp_err err;
    if (query_halve(q))
        return;
    err_set(&err, HFP_E_PROTO, "the Xet reconstruction of %llu bytes is longer than %u MiB",
            (unsigned long long)(q->last - q->first + 1), ANSWER_BYTES_MAX >> 20);
    q->state = QUERY_IDLE;
    q->events.failed(q->events.ctx, &err);
}

static void cas_failed(void *ctx, const struct hfp_err *err)
{
    struct xet_query *q = ctx;
    if (err->code == HFP_E_AUTH && !q->refreshed) {
        q->refreshed = true;
        xet_access_refused(&q->session->access, q->serial);
        q->failures = q->session->failures;
        q->state = QUERY_TOKEN;
    } else if (err->code == HFP_E_NO_FILE && !q->v1) {
        q->v1 = true;
        query_ask_cas(q);
    } else {
        q->state = QUERY_IDLE;
        q->events.failed(q->events.ctx, err);
    }
}

static int cas_verdict(void *ctx, const struct http_headers *h, struct hfp_err *err)
{
    struct xet_query *q = ctx;
    char shown[256];
    url_public(shown, sizeof shown, q->origin);
    return answer_cas_verdict(h, shown, err);
}

int xet_query_new(struct xet_query **out, struct xet_session *s, const struct xet_query_events *events,
                  struct hfp_err *err)
{
    AUTO_FREE struct xet_query *q = calloc(1, sizeof *q);
    if (!q)
        return err_nomem(err);
    q->session = s;
    q->events = *events;
    struct api_config config = s->config.hub;
    struct api_events answers = { .answer = cas_answer, .failed = cas_failed, .too_long = cas_too_long, .ctx = q };
    config.endpoint = q->origin;
    config.token = NULL; /* the Hub's does not go there; query_token_here() sets the CAS's */
    config.verdict = cas_verdict;
    config.verdict_ctx = q;
    config.gzip = true;
    int rc = api_new(&q->cas, &config, &answers, s->config.context, s->config.patience, err);
    if (rc == HFP_OK)
        *out = ptr_steal(&q);
    return rc;
}

void xet_query_free(struct xet_query *q)
{
    if (!q)
        return;
    api_free(q->cas);
    free(q->token);
    free(q);
}

void xet_query_ask(struct xet_query *q, const struct xet_hash *file, uint64_t size_bytes, uint64_t first, uint64_t last)
{
    assert(q->state == QUERY_IDLE && first <= last && last < size_bytes);
    q->file = *file;
    q->size_bytes = size_bytes;
    q->first = first;
    q->wanted_last = last;
    query_cut(q);
    q->refreshed = false;
    q->failures = q->session->failures;
    q->state = QUERY_TOKEN;
}

static void query_token_here(struct xet_query *q)
{
    const struct xet_token *t = &q->session->access.token;
    char *copy = strdup(t->access);
    struct hfp_err err;
    if (!copy) {
        err_nomem(&err);
        q->state = QUERY_IDLE;
        q->events.failed(q->events.ctx, &err);
        return;
    }
    memcpy(q->origin, t->cas, sizeof q->origin);
    api_use(q->cas, q->origin, copy);
    free(q->token);
    q->token = copy;
    q->serial = q->session->access.serial;
    q->v1 = strcmp(q->origin, q->session->v1_cas) == 0;
    query_ask_cas(q);
}

static void query_want_token(struct xet_query *q)
{
    struct xet_session *s = q->session;
    if (s->failures != q->failures) { /* while we waited */
        struct hfp_err err = s->failure;
        q->state = QUERY_IDLE;
        q->events.failed(q->events.ctx, &err);
        return;
    }
    switch (xet_access_need(&s->access, unix_now(s))) {
    case XET_USE:
        query_token_here(q);
        break;
    case XET_ASK:
        api_get(s->hub, s->url);
        break;
    case XET_WAIT:
        break;
    }
}

uint64_t xet_query_turn(struct xet_query *q, uint64_t now_ns)
{
    if (q->state == QUERY_IDLE || q->held)
        return UINT64_MAX;
    if (q->state == QUERY_TOKEN)
        query_want_token(q);
    if (q->state == QUERY_TOKEN)
        return api_turn(q->session->hub, now_ns);
    return q->state == QUERY_ASK ? api_turn(q->cas, now_ns) : now_ns;
}

void xet_query_hold(struct xet_query *q, bool hold)
{
    q->held = hold;
    api_hold(q->cas, hold);
}

bool xet_query_busy(const struct xet_query *q)
{
    return q->state != QUERY_IDLE;
}

uint64_t xet_query_requests(const struct xet_query *q)
{
    return api_requests(q->cas);
}

uint64_t xet_query_waits_until_ns(const struct xet_query *q)
{
    return q->state == QUERY_TOKEN ? api_waits_until_ns(q->session->hub) : api_waits_until_ns(q->cas);
}
