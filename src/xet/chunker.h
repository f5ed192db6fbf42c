/* xet/chunker.h: cuts a file into chunks by its content, as the writers of Xet do.
 *
 * For files that are here already: a download is told its chunks by the records. Fed in pieces of any size, the cuts are
 * the same as for the whole. Pure, embedded in its owner, one thread at a time, no errors.
 * Two rules: files uploaded before 2025-09-10 were cut by the legacy one, which takes about one cut in a thousand earlier
 * (xet-core: pull request 487); a file composed on the server may mix both. So a file that gives another name than its
 * own is not damaged for that. (xet-core: xet_data/src/deduplication/chunking.rs, published parameters) */
#ifndef HFP_XET_CHUNKER_H
#define HFP_XET_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

#define XET_CHUNK_MIN 8192u   /* but the last of a file may be shorter */
#define XET_CHUNK_MAX 131072u /* the same limit holds for a record's plain bytes */

enum xet_rule { XET_RULE_CURRENT, XET_RULE_LEGACY };

struct xet_chunker {
    uint64_t gear;
    uint32_t bytes; /* of the chunk that is open */
    uint32_t first_cut;
};

void xet_chunker_init(struct xet_chunker *c, enum xet_rule rule);
/* Takes bytes up to the next cut, or all n of them: returns how many. *chunk is the length of the chunk that ended with
 * the last byte taken, 0 when none did. After an end the next call begins the next chunk. */
size_t xet_chunker_feed(struct xet_chunker *c, const uint8_t *data, size_t n, uint32_t *chunk);
/* The end of the file: the length of the last chunk, 0 when the file ended with a cut or is empty. */
uint32_t xet_chunker_end(struct xet_chunker *c);

#endif
