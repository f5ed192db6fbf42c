/* net/proxy.h: which proxy a URL goes through.
 *
 * The same rules as libcurl's own (7.88: lib/url.c detect_proxy, lib/noproxy.c), decided here because we must know the
 * answer: an address is chosen only for direct connections, and the peer shown to people is the proxy's otherwise.
 * The environment is read once, by proxy_rules_read(). Afterwards pure; any thread. */
#ifndef HFP_NET_PROXY_H
#define HFP_NET_PROXY_H

#include "base/err.h"

#define PROXY_URL_MAX 1024
#define NO_PROXY_MAX 4096

struct proxy_rules {
    char http[PROXY_URL_MAX], https[PROXY_URL_MAX]; /* "" for direct */
    char none[NO_PROXY_MAX];                        /* hosts that are always direct */
};

/* given NULL: http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY; "": none; else for both schemes.
 * no_proxy and NO_PROXY hold in each case. HFP_E_ARG: a value that is too long. */
int proxy_rules_read(struct proxy_rules *out, const char *given, struct hfp_err *err);
/* The proxy for host ("[::1]" for IPv6), or NULL for a direct connection. The string belongs to rules. */
const char *proxy_for(const struct proxy_rules *rules, const char *host, bool tls);

#endif
