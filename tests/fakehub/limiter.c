#include "limiter.h"

#include <time.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

void limiter_init(struct limiter *l)
{
    pthread_mutex_init(&l->lock, NULL);
    l->next_ns = 0;
}

uint64_t limiter_book(struct limiter *l, uint64_t bytes_per_s, size_t n)
{
    uint64_t now = now_ns();
    pthread_mutex_lock(&l->lock);
    uint64_t start = l->next_ns > now ? l->next_ns : now;
    l->next_ns = start + (uint64_t)((double)n * 1e9 / (double)bytes_per_s);
    uint64_t end = l->next_ns;
    pthread_mutex_unlock(&l->lock);
    return end; /* a piece goes when it is paid for, so the mean never exceeds the rate */
}

size_t limiter_piece(uint64_t bytes_per_s, size_t most)
{
    uint64_t piece = bytes_per_s / 50;
    return piece < 1 ? 1 : piece < most ? (size_t)piece : most;
}
