/* limiter.h: bytes per second, shared by any number of threads. */
#ifndef FAKEHUB_LIMITER_H
#define FAKEHUB_LIMITER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct limiter {
    pthread_mutex_t lock;
    uint64_t next_ns; /* when the line is free again */
};

void limiter_init(struct limiter *l);
/* Books n bytes at this rate; returns the monotonic time at which they may go. */
uint64_t limiter_book(struct limiter *l, uint64_t bytes_per_s, size_t n);
/* The piece to send at once under a rate: a fiftieth of a second, so that a test sees a stream and not bursts. */
size_t limiter_piece(uint64_t bytes_per_s, size_t most);

uint64_t now_ns(void); /* CLOCK_MONOTONIC */
uint64_t unix_ms(void);

#endif
