/* daemon/reply.h: answers as the API gives them: JSON, and problems as RFC 9457 has them. Loop's thread. */
#ifndef HFP_DAEMON_REPLY_H
#define HFP_DAEMON_REPLY_H

#include "daemon/http.h"
#include "front/out.h"

/* Takes the text out of o. fields: further headers or NULL. */
void reply_json(struct http_request *r, unsigned status, struct out *o, const struct http_field *fields);
void reply_text(struct http_request *r, unsigned status, const char *type, struct out *o);
void reply_empty(struct http_request *r, unsigned status);
/* code: the name of an HFP code or a word of the daemon's; both end up in the answer. */
void reply_problem(struct http_request *r, unsigned status, const char *code, const char *detail);
/* HFP_E_ARG: status; all else: 500 or 507. */
void reply_error(struct http_request *r, unsigned status, const struct hfp_err *err);

/* 507: what was asked for is done, and the store could not keep it. */
void reply_not_kept(struct http_request *r, const struct hfp_err *err);

/* An asker_fn (askers.h) whose ctx is the request. */
void reply_told(void *ctx, const char *json, size_t n, const struct hfp_err *err);

#endif
