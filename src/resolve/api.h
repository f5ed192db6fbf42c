/* resolve/api.h: one call to the Hub's API (or another) at a time, with deadlines, redirects and the retry policy.
 *
 * Loop thread only. The token goes only to the endpoint's own origin (P6). A redirect inside that origin is followed
 * (renamed repositories answer 307); one that leaves it is a captive portal as far as the API is concerned.
 *
 *   api_get --> ASK --answer understood--> IDLE
 *                ^  \--failure--> WAIT (1, 2, 5 s; then the job's rounds) --> ASK ...   final: failed() */
#ifndef HFP_RESOLVE_API_H
#define HFP_RESOLVE_API_H

#include "base/buf.h"
#include "base/log.h"
#include "net/deadline.h"
#include "net/hosts.h"
#include "net/http.h"
#include "net/retry.h"
#include "resolve/answers.h"

struct api_config {
    struct http *http;
    struct hosts *hosts;
    const struct log *log;
    const struct deadlines *deadlines;
    const char *endpoint, *token;
    uint64_t (*now)(void *ctx);
    void *now_ctx;
    uint64_t *random;
    /* For an API that is not the Hub's: what its statuses mean. NULL: answer_verdict() with the context. */
    int (*verdict)(void *ctx, const struct http_headers *h, struct hfp_err *err);
    void *verdict_ctx;
    bool gzip; /* offer it; what is bounded is the plain body */
};

struct api_events {
    /* The body of an answer with a good status, and the URL of the next page or "". HFP_OK: understood; the next call
     * may have been begun inside. Otherwise err is set and the retry policy goes on as if the request had failed. */
    int (*answer)(void *ctx, const struct buf *body, const char *next, struct hfp_err *err);
    void (*failed)(void *ctx, const struct hfp_err *err); /* the call has ended without an answer */
    /* The call has ended at more than ANSWER_BYTES_MAX, and another may be begun inside. NULL: a failure. */
    void (*too_long)(void *ctx);
    void *ctx;
};

struct api_call;
/* The pointers in config and context live as long as the call. */
int api_new(struct api_call **out, const struct api_config *config, const struct api_events *events,
            const struct answer_context *context, struct patience *patience, struct hfp_err *err);
void api_free(struct api_call *c); /* cancels; NULL is fine */
void api_get(struct api_call *c, const char *url);
void api_get_range(struct api_call *c, const char *url, uint64_t first, uint64_t last); /* last is included */
/* Another endpoint, another token, from the next request on; none runs now. They live as long as the call. */
void api_use(struct api_call *c, const char *endpoint, const char *token);
/* Cancels what runs and asks again at resume: pause, renewed connections. */
void api_hold(struct api_call *c, bool hold);
/* Deadlines and waits; returns when it wants the next turn. */
uint64_t api_turn(struct api_call *c, uint64_t now_ns);
bool api_busy(const struct api_call *c);
/* Did the Hub itself ever answer (5xx and 429 count, a captive portal does not)? */
bool api_reached(const struct api_call *c);
uint64_t api_requests(const struct api_call *c);
/* Between attempts: when the next one is due; 0 when a request is running. */
uint64_t api_waits_until_ns(const struct api_call *c);

#endif
