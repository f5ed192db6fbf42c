/* net/http.h: the seam to the wire.
 *
 * A request is embedded in what needs it and driven by callbacks on the loop's thread: opened -> answered -> body* ->
 * closed. closed comes exactly once for every started request that was not cancelled, and is always the last call.
 * net/curl.c is the real adaptor; the simulator has its own. No deadline lives below this line: the callers above watch
 * their own clocks and cancel. Redirects are never followed here; one request is one exchange on HTTP/1.1.
 *
 * Callbacks may start and cancel any request, their own included (returning HTTP_STOP from body is the same as a
 * cancel). The request's strings must live until closed or cancel. */
#ifndef HFP_NET_HTTP_H
#define HFP_NET_HTTP_H

#include "base/err.h"
#include "net/headers.h"

/* Who is at the other end, known once opened. Plain data. */
struct http_peer {
    char address[64]; /* numeric; the proxy's when proxied */
    uint16_t port;
    bool ipv6, proxied, reused; /* reused: a kept-alive connection, no new handshake */
    uint32_t rtt_us;            /* TCP_INFO, 0 when unknown */
    uint32_t retransmits;
};

enum http_take {
    HTTP_TAKE,  /* all bytes were taken */
    HTTP_PAUSE, /* none were taken: hand the same again after resume() */
    HTTP_STOP   /* no more of this: cancelled, closed will not be called */
};

struct http_request {
    /* set by the owner before start */
    const char *url;
    const char *token;      /* bearer token for this very URL, or NULL. The owner has checked the origin (P6) */
    const char *connect_to; /* numeric address to use instead of asking DNS, or NULL */
    bool ranged;
    uint64_t first, last; /* when ranged: bytes=first-last; last UINT64_MAX: to the end */
    bool gzip;            /* offer it; body() gets the plain bytes, which the owner bounds, and headers->gzip tells */
    bool fresh;           /* never reuse a kept connection: the old ones are suspect */

    void (*opened)(struct http_request *r, const struct http_peer *peer);
    void (*answered)(struct http_request *r, const struct http_headers *headers);
    enum http_take (*body)(struct http_request *r, const uint8_t *bytes, size_t n);
    /* err->code HFP_OK: the whole announced body came. Otherwise why not; E_SHORT, E_RESET, E_DNS ... */
    void (*closed)(struct http_request *r, const struct hfp_err *err);

    void *impl; /* the adaptor's; NULL when not running */
};

struct http {
    int (*start)(struct http *h, struct http_request *r, struct hfp_err *err);
    void (*cancel)(struct http *h, struct http_request *r); /* closed is not called; not running: no effect */
    void (*resume)(struct http *h, struct http_request *r); /* after HTTP_PAUSE; body may be called inside */
    /* Refreshes rtt_us and retransmits of a running request; false when not connected. */
    bool (*peer)(struct http *h, struct http_request *r, struct http_peer *out);
    void (*drop_idle)(struct http *h); /* closes kept-alive connections: after a suspend they are dead */
    void (*free)(struct http *h);
};

struct http_config {
    const char *user_agent, *proxy, *ca_file, *ca_dir;
    const char *const *resolve; /* as in hfp.h */
    enum hfp_family family;
};

struct http_curl; /* net/curl.h: the loop itself */

#endif
