#include "base/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

struct clock_now clock_read(void)
{
    return (struct clock_now){
        .mono_ns = read_ns(CLOCK_MONOTONIC),
        .boot_ns = read_ns(CLOCK_BOOTTIME),
        .unix_ms = (int64_t)(read_ns(CLOCK_REALTIME) / NS_PER_MS),
    };
}
