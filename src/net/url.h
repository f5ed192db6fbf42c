/* net/url.h: making, joining and comparing URLs. Pure; any thread. */
#ifndef HFP_NET_URL_H
#define HFP_NET_URL_H

#include "base/err.h"

/* The longest URL that is asked for, more than what fits into URL_MAX: those of Xet name each range that they are
 * signed for, and servers split them only at about 8 KiB (hub-docs: xet/download-protocol.md). */
#define URL_ASKED_MAX 16384

/* Percent-encodes UTF-8 bytes outside the unreserved set; '/' is kept when keep_slash (file paths) and encoded
 * otherwise (revisions: refs/pr/1 is refs%2Fpr%2F1). False when it does not fit. */
bool url_encode(char *out, size_t out_size, const char *text, bool keep_slash);
/* Resolves location (absolute, relative, or scheme-relative) against base. http and https only, no credentials in it;
 * anything else is HFP_E_PROTO. */
int url_join(char *out, size_t out_size, const char *base, const char *location, struct hfp_err *err);
/* Same scheme, host (case-insensitive) and port (defaults filled in). HFP_E_NOMEM is no answer: taken for "another
 * origin" it would be a request without the token, and a refusal of what is allowed. */
int url_same_origin(bool *same, const char *a, const char *b);
/* host[:port] for people, and the parts for address choice. HFP_E_ARG for anything that is not http(s), HFP_E_NOMEM. */
int url_host(char *host, size_t host_size, uint16_t *port, bool *tls, const char *url);
/* Copies url without query, fragment and credentials, cut to fit: the only form that may be shown. */
void url_public(char *out, size_t out_size, const char *url);

#endif
