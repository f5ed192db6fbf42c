/* net/hosts.h: what was learned about the hosts bytes come from.
 *
 * Which addresses fail, how long a host wants to be left alone, how many connections paid last time. Pure but for
 * hosts_load() and hosts_save(), which block; time is passed in (monotonic ns). Loop thread only.
 * A host is named by its key, "name:port" (hosts_key). Unknown keys are entered on first use. Bounded: HOSTS_MAX hosts of
 * HOST_ADDRESSES_MAX addresses, the longest unused dropped. */
#ifndef HFP_NET_HOSTS_H
#define HFP_NET_HOSTS_H

#include "net/addresses.h"
#include "net/headers.h"

#define HOSTS_MAX 64
#define HOST_KEY_MAX 264 /* a DNS name, a colon and a port */

/* CDN names change their addresses each minute; asking more often brings nothing new. */
#define HOST_ASK_AGAIN_NS (60 * NS_PER_S)
/* The Hub's windows are 5 min. What asks for more than an hour is asked again after it. */
#define HOST_GATE_MAX_NS (3600 * NS_PER_S)

struct hosts;

/* resolve: as in struct hfp_config, known at once and never asked for; or NULL. family limits what hosts_pick() gives. */
int hosts_new(struct hosts **out, const char *const *resolve, enum hfp_family family, struct hfp_err *err);
void hosts_free(struct hosts *h);
/* False for what is not an http or https URL. */
bool hosts_key(char out[HOST_KEY_MAX], const char *url);

/* Numeric addresses; anything else is ignored. */
void hosts_add_address(struct hosts *h, const char *key, const char *address);
/* Something is under suspicion and DNS has not been asked lately: call getaddrinfo on a worker, hosts_asked() now and
 * hosts_add_address() for what it finds. */
bool hosts_addresses_wanted(struct hosts *h, const char *key, uint64_t now_ns);
void hosts_asked(struct hosts *h, const char *key, uint64_t now_ns);
/* A stall, reset, failed connection or wrong answer of the address that was picked, or of the peer; "" when libcurl had
 * the choice and the connection never opened. */
void hosts_failed(struct hosts *h, const char *key, const char *address, uint64_t now_ns);
void hosts_ok(struct hosts *h, const char *key, const char *address, uint64_t now_ns);
/* The address to connect to, or NULL: let libcurl decide. NULL while nothing is under suspicion and avoid is empty, and
 * when no known address is left that is neither bad nor to be avoided. A family with a failure and no later success
 * comes last. The string lives until the next call that changes h; copy it into the request's owner. */
const char *hosts_pick(struct hosts *h, const char *key, const char *const *avoid, size_t avoid_n, uint64_t now_ns);

/* Reads Retry-After (status 400 and above) and RateLimit of an answer. */
void hosts_answered(struct hosts *h, const char *key, const struct http_headers *headers, uint64_t now_ns);
/* When the next request may be sent; not later than now_ns: at once. Tell hosts_sent() of each one. */
uint64_t hosts_not_before(struct hosts *h, const char *key, uint64_t now_ns);
void hosts_sent(struct hosts *h, const char *key, uint64_t now_ns);

/* What a finished job learned; 0 when nothing is known. */
struct host_learned {
    uint32_t connections;
    uint64_t rate_bytes_per_s;
};
void hosts_learn(struct hosts *h, const char *key, struct host_learned learned);
struct host_learned hosts_learned(const struct hosts *h, const char *key);

/* What a server told of its quota last; limit 0: nothing. */
struct host_quota {
    uint64_t limit, left;
    uint64_t resets_ns; /* mono */
};
/* The n-th entry, in no order: its key, or NULL when there are no more. */
const char *hosts_entry(const struct hosts *h, size_t n, struct host_learned *learned, struct host_quota *quota);

/* File "hosts" in dir (docs/formats/hosts.md). Missing: HFP_OK. An unknown version: HFP_E_VERSION, and hosts_save() will
 * leave that file alone. */
int hosts_load(struct hosts *h, int dir, struct hfp_err *err);
int hosts_save(const struct hosts *h, int dir, struct hfp_err *err);
bool hosts_any_learned(const struct hosts *h); /* false: a saved file would say nothing */

#endif
