/* base/pool.h: the block buffers, all the memory bytes may sit in (P5).
 *
 * A fixed number of page-aligned buffers of one block. The last POOL_RESERVED go only to those who say they serve the
 * head of a file, so that a late head never waits for others. Loop thread only; a worker may use a buffer it was given.
 * Buffers are mapped on first use and kept. */
#ifndef HFP_BASE_POOL_H
#define HFP_BASE_POOL_H

#include "base/block.h"
#include "base/err.h"

#define POOL_BUFFERS 24 /* 16 connections that gather, and 8 being written or hashed */
#define POOL_RESERVED 2

struct pool;
int pool_new(struct pool **out, unsigned buffers, struct hfp_err *err);
void pool_free(struct pool *p);                 /* every buffer must be back */
uint8_t *pool_get(struct pool *p, bool head);   /* NULL: none to be had now */
void pool_put(struct pool *p, uint8_t *buffer); /* NULL is fine */
unsigned pool_free_count(const struct pool *p);
unsigned pool_taken(const struct pool *p);

#endif
