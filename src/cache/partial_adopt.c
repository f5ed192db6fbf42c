#include "cache/leftovers.h"
#include "cache/partial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Blocks of the source from first on that hold data and that the partial has not: one run of them. */
static uint64_t next_run(uint64_t *first, const struct partial *pt, const uint8_t *there)
{
    uint64_t n = 0;
    while (*first < pt->blocks &&
           (!bit_get(there, *first) || bit_get(pt->recorded, *first) || bit_get(pt->guessed, *first)))
        ++*first;
    while (*first + n < pt->blocks && bit_get(there, *first + n) && !bit_get(pt->recorded, *first + n) &&
           !bit_get(pt->guessed, *first + n))
        n++;
    return n;
}

/* The header follows the copy: bytes without digests below its mark are guesses, also to who finds them after a kill.
 * Where a file system knows no holes, what was not copied yet would look like such bytes. */
#define MARK_EVERY 64u /* blocks; after a kill at most so many are copied again */

static int mark_to(struct partial *pt, uint64_t blocks, struct hfp_err *err)
{
    struct digests_info info = *digests_info(pt->digests);
    if (blocks <= info.adopted_blocks)
        return HFP_OK;
    info.adopted_blocks = blocks;
    return digests_set_info(pt->digests, &info, err);
}

static int copy_block(struct partial *pt, const struct partial_source *from, uint64_t index, uint8_t *buf,
                      struct hfp_err *err)
{
    size_t n = (size_t)MIN(pt->size_bytes - index * BLOCK_BYTES, BLOCK_BYTES), got = 0;
    if (atomic_load(from->stop))
        return err_set(err, HFP_E_CANCELLED, "cancelled");
    int rc = io_pread_some(from->fd, buf, n, index * BLOCK_BYTES, &got, err);
    if (!rc && got == n) /* it got shorter meanwhile: the block is absent */
        rc = io_pwrite_all(pt->fd, buf, n, index * BLOCK_BYTES, err);
    if (rc)
        return rc;
    atomic_fetch_add(from->read_bytes, got);
    if (got == n) {
        bit_set(pt->guessed, index);
        pt->guessed_blocks++;
    }
    return HFP_OK;
}

int partial_adopt(struct partial *pt, const struct partial_source *from, struct hfp_err *err)
{
    struct stat st;
    size_t bytes = (size_t)((pt->blocks + 7) / 8);
    AUTO_FREE uint8_t *there = calloc(1, bytes), *buf = malloc(BLOCK_BYTES);
    if (!pt->guessed)
        pt->guessed = calloc(1, bytes);
    if (!there || !buf || !pt->guessed)
        return err_nomem(err);
    if (io->fstat(from->fd, &st) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", from->name);
    leftovers_data_blocks(there, from->fd, MIN((uint64_t)st.st_size, pt->size_bytes), pt->size_bytes);
    int rc = HFP_OK;
    uint64_t first = 0;
    for (uint64_t n; !rc && (n = next_run(&first, pt, there)) > 0; first += n)
        for (uint64_t i = 0; !rc && i < n; i++) {
            rc = copy_block(pt, from, first + i, buf, err);
            if (!rc && ((i + 1) % MARK_EVERY == 0 || i + 1 == n))
                rc = mark_to(pt, first + i + 1, err);
        }
    if (!rc)
        snprintf(pt->adopted_from, sizeof pt->adopted_from, "%.*s", (int)sizeof pt->adopted_from - 1, from->name);
    return rc;
}
