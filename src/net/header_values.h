/* net/header_values.h: readers for the values of header fields, one each. Pure; any thread.
 *
 * For net/headers.h, and for its tests and fuzzers. They take outside bytes. False: not of that form, *out untouched.
 * Sources: RFC 9110 (14.4 Content-Range, 10.2.3 Retry-After), RFC 8288 (Link), docs/hub/rate-limits of the Hub (RateLimit,
 * RateLimit-Policy). */
#ifndef HFP_NET_HEADER_VALUES_H
#define HFP_NET_HEADER_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct content_range {
    bool present, total_known;
    uint64_t first, last, total; /* last inclusive; for "bytes * / N" (416) only total */
    bool unsatisfied;            /* the "*" form */
};

struct rate_limit {
    bool present;
    uint64_t remaining, reset_s; /* RateLimit: "api";r=..;t=.. */
    uint64_t quota, window_s;    /* RateLimit-Policy: q, w; 0 when absent */
};

bool content_range_read(struct content_range *out, const char *value, size_t n);
/* Is there a link of that relation, whatever its target? */
bool link_has(const char *value, size_t n, const char *rel);
/* The target of the first link of that relation. */
bool link_read(char *out, size_t out_size, const char *value, size_t n, const char *rel);
bool link_next_read(char *out, size_t out_size, const char *value, size_t n);
bool rate_limit_read(struct rate_limit *out, const char *value, size_t n);
bool rate_policy_read(struct rate_limit *out, const char *value, size_t n);
void etag_normalise(char *out, size_t out_size, const char *value, size_t n); /* "" when it does not fit */
bool retry_after_read(uint64_t *out_s, const char *value, size_t n, int64_t now_unix_s);
bool http_date_read(int64_t *out_unix_s, const char *value, size_t n);

#endif
