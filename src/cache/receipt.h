/* cache/receipt.h: why a file in place may be believed without reading it.
 *
 * A receipt is a digests file with the stat of the published file in its header (docs/formats/receipt.md): hash, size,
 * mtime, inode, ctime as fstat said after the rename, and the block digests. It matches when all of them do; when only
 * size and mtime match (a copied cache) the file must be hashed once and the receipt renewed.
 * Blocking: on workers, one at a time for a place; who writes one holds the lock of the place, or locks are void, or
 * says of which file it is. */
#ifndef HFP_CACHE_RECEIPT_H
#define HFP_CACHE_RECEIPT_H

#include "cache/digests.h"
#include "cache/store.h"

enum receipt_verdict {
    RECEIPT_ABSENT,
    RECEIPT_HOLDS,
    RECEIPT_COPIED /* hash once */,
    RECEIPT_BROKEN /* file changed */
};

struct receipt_look {
    enum receipt_verdict verdict;
    bool file_present; /* the final name leads to a regular file of the right size (links followed) */
    bool file_wrong_size;
    bool other_revision; /* what lies there is proved, and another content: neither present nor damaged (--local-dir) */
    bool other_length;   /* absent, for the receipt of this content is of another length than the place */
    bool has_blocks;     /* block digests are there: repair can find the bad ones */
    int64_t proved_unix_s;
    struct stat st; /* of the file, when present */
};
/* A receipt that cannot be read is absent: then the file is hashed. Fails when it cannot be told what is there at all,
 * for that is no reason to call a file missing; *out is absent then. */
int receipt_look(struct receipt_look *out, const struct place *p, struct hfp_err *err);
/* Opens the block digests of a receipt for repair and verify; on success the caller owns *out (digests_close).
 * HFP_E_NO_FILE: there is no receipt, or it has none. */
int receipt_open(struct digests **out, const struct place *p, struct hfp_err *err);
/* Writes a receipt for the file now in place, whose hash was just proved. blocks may be NULL (count 0): then it has
 * none. Best effort for read-only caches: HFP_OK when store->writable is false. */
int receipt_write(const struct place *p, const uint8_t (*blocks)[BLAKE3_BYTES], uint64_t count, int64_t unix_s,
                  struct hfp_err *err);
/* The same of the file with this stat, for who does not hold the lock: another may have its name by now. */
int receipt_write_of(const struct place *p, const struct stat *st, const uint8_t (*blocks)[BLAKE3_BYTES],
                     uint64_t count, int64_t unix_s, struct hfp_err *err);
/* Turns the notebook of a published partial into its receipt by rename. */
int receipt_from_digests(const struct place *p, int digests_dir, const char *digests_name, struct digests *d,
                         int64_t unix_s, struct hfp_err *err);

#endif
