/* resolve/xet_query.h: how is this slice of that file made? One question at a time, with all that belongs to it.
 *
 * Loop thread only. A session is one repository and revision: it keeps the token that all its queries share, which
 * version a CAS understands, and how long slices may be. Deadlines, redirects and retries are those of resolve/api.h.
 *
 *   xet_query_ask --> TOKEN --session has one--> ASK --answer understood--> IDLE: answer()
 *                      ^  \--Hub refuses--> IDLE: failed()   |
 *                      '------401, once----------------------+--404 or 501 from v2--> ASK v1, and keep to it
 *                                                            +--too long--> ASK half of the slice
 *                                                            '--final--> IDLE: failed() */
#ifndef HFP_RESOLVE_XET_QUERY_H
#define HFP_RESOLVE_XET_QUERY_H

#include "resolve/api.h"
#include "resolve/xet.h"

struct xet_session_config {
    struct api_config hub; /* its token goes to its endpoint alone */
    enum hfp_repo_type type;
    const char *repo, *revision; /* the commit, so that the token is that of the listing */
    const struct answer_context *context;
    /* Of the Xet side alone: when it ends, HTTP goes on. */
    struct patience *patience;
    int64_t (*unix_s)(void *ctx); /* the wall clock, for the token's end; with hub.now_ctx */
};

struct xet_session;
/* The pointers in config live as long as the session, and the session as long as its queries. */
int xet_session_new(struct xet_session **out, const struct xet_session_config *config, struct hfp_err *err);
void xet_session_free(struct xet_session *s);
uint64_t xet_session_requests(const struct xet_session *s); /* for tokens */

struct xet_query_events {
    /* r is the callee's (reconstruction_free). It may be shorter than what was asked for: ask again from r->last_byte
     * + 1. The next question may be asked inside. */
    void (*answer)(void *ctx, struct reconstruction *r);
    /* The question has ended. HFP_E_NO_FILE: the CAS does not know the file; HFP_E_NET: patience is over; the code
     * says what else. The next question may be asked inside; the query is not freed inside. */
    void (*failed)(void *ctx, const struct hfp_err *err);
    void *ctx;
};

struct xet_query;
int xet_query_new(struct xet_query **out, struct xet_session *s, const struct xet_query_events *events,
                  struct hfp_err *err);
void xet_query_free(struct xet_query *q); /* cancels; NULL is fine */
/* Bytes first to last of a file of size_bytes (not empty), as much of them as one answer may hold. */
void xet_query_ask(struct xet_query *q, const struct xet_hash *file, uint64_t size_bytes, uint64_t first,
                   uint64_t last);
/* As api_hold(); a token that is on its way for others stays. */
void xet_query_hold(struct xet_query *q, bool hold);
/* Turns the session too. Returns when it wants the next turn. */
uint64_t xet_query_turn(struct xet_query *q, uint64_t now_ns);
bool xet_query_busy(const struct xet_query *q);
uint64_t xet_query_requests(const struct xet_query *q);
uint64_t xet_query_waits_until_ns(const struct xet_query *q); /* as api_waits_until_ns() */

#endif
