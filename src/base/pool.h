/* base/pool.h: the block buffers, all the memory bytes may sit in (P5).
 *
 * A fixed number of page-aligned buffers of one block. The last POOL_RESERVED go only to those who serve the head of a
 * file, so that a late head never waits for others; and while a source that decodes what it receives has no
 * block to put it out, one goes only to that, so that stored bytes never fill the room they need to become something. A
 * source begins only when there is one to hold back for it: what is held back is there. Loop thread only; a
 * worker may use a buffer it was given. Buffers are mapped on first use and kept until pool_rest(). */
#ifndef HFP_BASE_POOL_H
#define HFP_BASE_POOL_H

#include "base/block.h"
#include "base/err.h"

#define POOL_BUFFERS 24 /* 16 connections that gather, and 8 being written or hashed */
#define POOL_RESERVED 2

enum pool_use { POOL_ANY, POOL_HEAD, POOL_OUTPUT };

struct pool;
int pool_new(struct pool **out, unsigned buffers, struct hfp_err *err);
void pool_free(struct pool *p);                         /* every buffer must be back, and nothing held back */
uint8_t *pool_get(struct pool *p, enum pool_use use);   /* NULL: none to be had now */
bool pool_has(const struct pool *p, enum pool_use use); /* pool_get would find one */
void pool_hold_back(struct pool *p, int change);        /* for POOL_OUTPUT alone: one more, one less */
/* Is there one that can be held back for a source that begins? Some are left to those who have none yet: first. */
bool pool_can_hold_back(const struct pool *p, bool first);
void pool_put(struct pool *p, uint8_t *buffer); /* NULL is fine */
void pool_rest(struct pool *p);                 /* gives free ones back to the system */
unsigned pool_free_count(const struct pool *p);
unsigned pool_taken(const struct pool *p);

#endif
