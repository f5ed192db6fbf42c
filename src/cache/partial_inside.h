/* cache/partial_inside.h: what the rooms of a partial (cache/partial*.c) share; nobody else includes it.
 *
 * Called by whoever claims the partial, before anybody else has it. */
#ifndef HFP_CACHE_PARTIAL_INSIDE_H
#define HFP_CACHE_PARTIAL_INSIDE_H

#include "cache/partial.h"

/* The data file, for reading and writing; the descriptor is the caller's. Negative with errno set. */
int partial_open_data(int dir, const char *name, int flags);
/* The bitmaps of what is recorded and what is a guess, from digests and data. */
int partial_fill_bits(struct partial *pt, struct hfp_err *err);

#endif
