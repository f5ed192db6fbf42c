/* cache/leftovers.h: what earlier runs and other tools left for one place, and who still writes it.
 *
 * Reads only. One pass over the folder; the caller frees nothing but the array itself. For the rooms of a partial
 * (cache/partial*.c, sweep.c). Blocking: on workers. */
#ifndef HFP_CACHE_LEFTOVERS_H
#define HFP_CACHE_LEFTOVERS_H

#include "cache/digests.h"
#include "cache/store.h"

#define LEFTOVERS_MAX                                                                                                  \
    64 /* of one content; more means that something else is wrong, and the sweep takes them in turns */

/* One unfinished file: data, digests, or both. */
struct leftover {
    char data[192];    /* file name, "" when only digests are left */
    char digests[192]; /* file name, "" when there are none */
    bool damaged;      /* digests there but of no use: torn, of another content or of an unknown version */
    bool closed;       /* digests there that we may not read: another user's, to be left alone */
    bool alive;        /* somebody writes it */
    uint64_t recorded_blocks, guessed_blocks, data_bytes;
    uint64_t recorded_bytes;  /* of the recorded blocks: the last may be a short one */
    uint64_t disk_bytes;      /* what the data takes on the disk: space reserved ahead counts, holes do not */
    struct digests_info info; /* when digests are there and sound */
};

/* Folder of the partials. *own is what the caller must close: the same, or -1 when the folder is the store's. */
int leftovers_open_dir(int *dir, int *own, const struct place *p, struct hfp_err *err);
/* On success *out is an array of *n (free() it). locked: the caller holds the lock of the place, or locks are void;
 * false for a mere look, which must not touch the lock file. */
int leftovers_find(struct leftover **out, size_t *n, const struct place *p, int dir, bool locked, int64_t unix_s,
                   struct hfp_err *err);
/* For a caller that holds the lock of p or got none because locks are void: which of the two. */
bool leftovers_locks_work(const struct place *p);
/* No tool without an owner record wrote to a file of this age for so long that it is gone; used where locks are void. */
bool leftovers_quiet(const struct stat *st, int64_t unix_s);
/* Which whole blocks of the first size_bytes hold data (SEEK_DATA): bits may be NULL. The last, short block counts only
 * when it is there to its end. */
uint64_t leftovers_data_blocks(uint8_t *bits, int fd, uint64_t data_bytes, uint64_t size_bytes);

static inline bool bit_get(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}
static inline void bit_set(uint8_t *bits, uint64_t i)
{
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}
static inline void bit_clear(uint8_t *bits, uint64_t i)
{
    bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

#endif
