/* net/deadline.h: every wait for the network has one of these names (P3). Plain data, set once from the config. */
#ifndef HFP_NET_DEADLINE_H
#define HFP_NET_DEADLINE_H

#include "base/clock.h"

struct deadlines {
    uint64_t connect_ns;      /* until the connection stands */
    uint64_t first_byte_ns;   /* from there to the answer's headers */
    uint64_t api_ns;          /* one whole API call */
    uint64_t head_silence_ns; /* no byte at the window's head: its range is asked for elsewhere too */
    uint64_t silence_ns;      /* the same anywhere else, and what is called stalled (--stall-timeout) */
    uint64_t cut_ns;          /* a silent connection ends (--timeout) */
    uint64_t slow_ns;         /* under 1/SLOW_RATIO of its peers for this long: its range goes to another */
    uint64_t hub_ns;          /* the Hub not reached since the start: use what is here */
};

#define SLOW_RATIO 4

static inline struct deadlines deadlines_default(void)
{
    return (struct deadlines){
        .connect_ns = 10 * NS_PER_S,
        .first_byte_ns = 15 * NS_PER_S,
        .api_ns = 30 * NS_PER_S,
        .head_silence_ns = 5 * NS_PER_S,
        .silence_ns = 30 * NS_PER_S,
        .cut_ns = 300 * NS_PER_S,
        .slow_ns = 10 * NS_PER_S,
        .hub_ns = 30 * NS_PER_S,
    };
}

#endif
