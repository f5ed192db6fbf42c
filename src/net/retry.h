/* net/retry.h: the one retry policy (P4). Pure: time and randomness come in as numbers.
 *
 * A request that fails without a byte is asked again after 1, 2 and 5 s. When nothing at all arrived in such a round,
 * the job waits 10, 30, 60, 120, 240, then 300 s each time and begins another. Any progress starts over from nothing.
 * A job of max_rounds rounds without progress gives up. */
#ifndef HFP_NET_RETRY_H
#define HFP_NET_RETRY_H

#include "base/clock.h"
#include "base/err.h"

#define RETRY_ATTEMPTS 3 /* after the first try */

/* Patience of one job: shared by its API calls and all its transfers. */
struct patience {
    uint32_t max_rounds;       /* 0: never gives up */
    uint32_t round;            /* rounds without progress so far */
    uint64_t last_progress_ns; /* mono; the job's start at first */
    uint64_t wait_until_ns;    /* between rounds: nothing is asked before */
    struct hfp_err why;        /* what the last failed request said */
};

/* attempt 1, 2, 3; random spreads it by a quarter to either side so that many clients do not knock at once. */
uint64_t retry_delay_ns(unsigned attempt, uint64_t random);
uint64_t retry_round_delay_ns(unsigned round, uint64_t random);

void patience_init(struct patience *p, uint32_t max_rounds, uint64_t now_ns);
void patience_progress(struct patience *p, uint64_t now_ns);
/* A round ended with nothing. HFP_OK: wait_until_ns is set. HFP_E_NET: that was the last one; err tells why. */
int patience_round_over(struct patience *p, uint64_t now_ns, uint64_t random, struct hfp_err *err);

/* splitmix64: jitter needs no better, and a seed replays. */
uint64_t random_next(uint64_t *state);

#endif
