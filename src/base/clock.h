/* base/clock.h: the clocks, read once per loop turn and passed down.
 *
 * Durations and deadlines are monotonic nanoseconds. The wall clock is for people and HTTP dates. Any thread. */
#ifndef HFP_BASE_CLOCK_H
#define HFP_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

struct clock_now {
    uint64_t mono_ns; /* stands still while the machine sleeps */
    uint64_t boot_ns; /* runs on: the difference tells of a suspend */
    int64_t unix_ms;
};
struct clock_now clock_read(void);

/* 0 when then is later: a turn's now is older than what callbacks and starts of the same turn wrote down. */
static inline uint64_t ns_since(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

#endif
