/* net/curl.h: libcurl behind net/http.h.
 *
 * One multi handle on the engine's thread. HTTP/1.1 only, for all streams of HTTP/2 share one congestion window
 * (a byte connection must stand alone). BUFFERSIZE 512K cuts recv calls to a tenth; the write callback gets at most
 * 16 KiB whatever is set (libcurl 7.88). Only http_curl_wake() may come from elsewhere. The owner frees it by the free() of
 * its struct http. */
#ifndef HFP_NET_CURL_H
#define HFP_NET_CURL_H

#include "net/http.h"

/* The config's strings are copied. On failure *out is untouched. */
int http_curl_new(struct http_curl **out, const struct http_config *config, struct hfp_err *err);
struct http *http_curl_http(struct http_curl *c);
/* One turn: waits up to wait_ns for sockets or a wake-up, then moves transfers and calls their callbacks. */
int http_curl_turn(struct http_curl *c, uint64_t wait_ns, struct hfp_err *err);
void http_curl_wake(struct http_curl *c); /* any thread */

#endif
