/* transfer/limit.h: a token bucket that may go into debt. Pure.
 *
 * Bytes arrive in pieces that cannot be cut, so a piece is taken whole whenever the balance is positive and the debt is
 * waited off: the mean is exact, a burst is one piece. */
#ifndef HFP_TRANSFER_LIMIT_H
#define HFP_TRANSFER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
    uint64_t bytes_per_s; /* 0: no limit */
    int64_t balance;      /* bytes */
    uint64_t at_ns;       /* balance is of this moment */
};

void limit_set(struct limit *l, uint64_t bytes_per_s, uint64_t now_ns);
bool limit_open(struct limit *l, uint64_t now_ns);
void limit_take(struct limit *l, uint64_t n);
/* Is it this limit that holds the line back? A slower line leaves the bucket full. */
bool limit_binds(const struct limit *l);
/* When it opens again; now_ns when it is open. */
uint64_t limit_opens_ns(const struct limit *l, uint64_t now_ns);

#endif
