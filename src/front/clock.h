/* front/clock.h: what time it is, for the programs. Any thread. */
#ifndef HFP_FRONT_CLOCK_H
#define HFP_FRONT_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ns(void); /* of CLOCK_MONOTONIC: for what lasts and what is due */
uint64_t clock_cpu_ns(void);  /* that this thread has had */
int64_t clock_unix_ms(void);  /* for what is shown and kept */

/* Of two times at which something is due, the one that comes first; UINT64_MAX is never. */
static inline uint64_t clock_sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
