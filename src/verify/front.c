#include "verify/front.h"

#include "base/auto.h"

#include <blake3.h>
#include <string.h>

#define PIECE (128u << 10) /* stays in the second-level cache between read, sha256 and BLAKE3 */

size_t block_length(uint64_t size_bytes, uint64_t index)
{
    uint64_t at = index * BLOCK_BYTES;
    return (size_t)MIN(BLOCK_BYTES, size_bytes - at);
}

void blocks_within(uint64_t *first, uint64_t *end, uint64_t size_bytes, uint64_t from, uint64_t end_byte)
{
    *first = from / BLOCK_BYTES + (from % BLOCK_BYTES != 0);
    *end = end_byte == size_bytes ? blocks_of(size_bytes) : end_byte / BLOCK_BYTES;
}

/* BLAKE3 of a block on disk. */
static int block_read_digest(uint8_t out[BLAKE3_BYTES], const struct partial *pt, uint64_t index, struct hfp_err *err)
{
    AUTO_FREE uint8_t *piece = malloc(PIECE);
    if (!piece)
        return err_nomem(err);
    size_t n = block_length(pt->size_bytes, index);
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    for (size_t at = 0; at < n; at += PIECE) {
        size_t k = MIN(PIECE, n - at);
        int rc = io_pread_all(pt->fd, piece, k, index * BLOCK_BYTES + at, err);
        if (rc)
            return rc;
        blake3_hasher_update(&hasher, piece, k);
    }
    blake3_hasher_finalize(&hasher, out, BLAKE3_BYTES);
    return HFP_OK;
}

static int hash_from_disk(struct front_step *s, uint64_t index, struct hfp_err *err)
{
    AUTO_FREE uint8_t *piece = malloc(PIECE);
    if (!piece)
        return err_nomem(err);
    size_t n = block_length(s->partial->size_bytes, index);
    for (size_t at = 0; at < n; at += PIECE) {
        size_t k = MIN(PIECE, n - at);
        int rc = io_pread_all(s->partial->fd, piece, k, index * BLOCK_BYTES + at, err);
        if (!rc)
            rc = digest_add(s->digest, piece, k, err);
        if (rc)
            return rc;
    }
    return HFP_OK;
}

/* Unreadable or cut off: that is no reason to stop, the block is fetched again. */
static int readable(uint8_t now[BLAKE3_BYTES], struct front_step *s, uint64_t index, bool *good, struct hfp_err *err)
{
    struct hfp_err why;
    int rc = block_read_digest(now, s->partial, index, &why);
    *good = rc != HFP_E_IO;
    if (!*good)
        return digests_set(s->partial->digests, index, NULL, err);
    if (rc)
        *err = why;
    return rc;
}

/* A kept block must be what was recorded before it may go into the hash: nothing can be taken out of it again. */
static int check_item(struct front_step *s, uint64_t index, bool *good, struct hfp_err *err)
{
    uint8_t now[BLAKE3_BYTES], recorded[1][BLAKE3_BYTES];
    int rc = readable(now, s, index, good, err);
    if (rc || !*good)
        return rc;
    rc = digests_get(s->partial->digests, index, 1, recorded, err);
    if (rc)
        return rc;
    *good = memcmp(now, recorded[0], BLAKE3_BYTES) == 0;
    /* Below the mark a block without a digest is a guess to the next run: there the one that does not fit stays. */
    bool guess = index < digests_info(s->partial->digests)->adopted_blocks;
    return *good || guess ? HFP_OK : digests_set(s->partial->digests, index, NULL, err);
}

static int learn_item(struct front_step *s, uint64_t index, bool *good, struct hfp_err *err)
{
    uint8_t now[BLAKE3_BYTES];
    int rc = readable(now, s, index, good, err);
    return rc || !*good ? rc : digests_set(s->partial->digests, index, now, err);
}

void front_step_run(struct task *t)
{
    struct front_step *s = container_of(t, struct front_step, task);
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t index = s->first + i;
        const struct front_item *item = &s->item[i];
        bool good = true;
        int rc = HFP_OK;
        if (item->source == FRONT_CHECK)
            rc = check_item(s, index, &good, &s->err);
        else if (item->source == FRONT_LEARN)
            rc = learn_item(s, index, &good, &s->err);
        if (!rc && !good) {
            s->bad = true;
            return;
        }
        if (!rc)
            rc = item->buf ? digest_add(s->digest, item->buf, block_length(s->partial->size_bytes, index), &s->err)
                           : hash_from_disk(s, index, &s->err);
        if (rc)
            return;
        s->hashed++;
    }
}
