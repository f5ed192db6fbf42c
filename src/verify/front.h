/* verify/front.h: the whole-file hash, in file order, while data still arrives.
 *
 * The front is the first block not yet hashed. Steps of a few blocks run as tasks, one at a time; a block comes from
 * the buffer it arrived in (handed) or is read back (followed, page cache). A block kept from an earlier run is checked
 * against its recorded digest on the way; a block another tool left gets its digest here. Called by engine/blob on the
 * loop; front_step_run on a hash worker touches only the step, the digest context and the two files. */
#ifndef HFP_VERIFY_FRONT_H
#define HFP_VERIFY_FRONT_H

#include "base/digest.h"
#include "base/work.h"
#include "cache/partial.h"

#define FRONT_STEP_BLOCKS 4 /* 2 ms of hashing: buffers come back in small helpings, a cancel is noticed at once */

enum front_source {
    FRONT_TRUST, /* written in this run: hash only */
    FRONT_CHECK, /* kept: compare with the recorded digest */
    FRONT_LEARN  /* a guess: record its digest */
};

struct front_item {
    uint8_t *buf; /* NULL: read it back */
    enum front_source source;
};

struct front_step {
    struct task task;
    void *owner;           /* the blob */
    struct digest *digest; /* lent by the front */
    const struct partial *partial;
    uint64_t first; /* block index of item 0 */
    unsigned count;
    struct front_item item[FRONT_STEP_BLOCKS];
    /* results */
    unsigned hashed;    /* items that went into the hash */
    bool bad;           /* item `hashed` does not match its record; its entry was cleared */
    struct hfp_err err; /* code OK unless the disk failed */
};

void front_step_run(struct task *t);
/* How many bytes block index of a file of size bytes has. */
size_t block_length(uint64_t size_bytes, uint64_t index);
/* Blocks *first to *end - 1 lie whole in bytes from to end_byte - 1 of such a file. */
void blocks_within(uint64_t *first, uint64_t *end, uint64_t size_bytes, uint64_t from, uint64_t end_byte);

#endif
