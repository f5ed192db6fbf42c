/* net/addresses.h: the addresses of one host, and which of them not to use for now.
 *
 * libcurl chooses (happy eyeballs) until something is under suspicion; then we choose. Pure data, embedded in net/hosts;
 * time is passed in (monotonic ns). */
#ifndef HFP_NET_ADDRESSES_H
#define HFP_NET_ADDRESSES_H

#include "base/clock.h"
#include "base/err.h"

#include <netinet/in.h>

#define HOST_ADDRESSES_MAX 16 /* the longest unused is dropped */

/* A bad address is left alone for 30 s, doubled by each failure in a row up to 10 min. */
#define HOST_BAD_MIN_NS (30 * NS_PER_S)
#define HOST_BAD_MAX_NS (600 * NS_PER_S)

struct suspicion {
    uint32_t fails;        /* in a row */
    uint64_t bad_until_ns; /* 0: never was bad */
};

struct address {
    char text[INET6_ADDRSTRLEN];
    bool ipv6;
    struct suspicion bad;
    uint64_t failed_ns, ok_ns; /* the last of each; 0: never */
    uint64_t used, picked;     /* counts of struct addresses: the smallest is dropped, or picked, first */
};

struct addresses {
    struct address entry[HOST_ADDRESSES_MAX];
    size_t count;
    uint64_t uses;
    struct suspicion curl_choice; /* failures of connections whose address nobody knows */
    enum hfp_family family;       /* the one that worked when the other did not */
};

/* Numeric addresses of any spelling; false for anything else. */
bool addresses_add(struct addresses *a, const char *text);
/* text "": the address is not known. */
void addresses_failed(struct addresses *a, const char *text, uint64_t now_ns);
void addresses_ok(struct addresses *a, const char *text, uint64_t now_ns);
bool addresses_suspected(const struct addresses *a, uint64_t now_ns);
/* An address of the family that is neither bad nor in avoid, the longest unpicked first; NULL: none. A family with a
 * failure and no success since comes last. */
const char *addresses_pick(struct addresses *a, enum hfp_family family, const char *const *avoid, size_t avoid_n,
                           uint64_t now_ns);

#endif
