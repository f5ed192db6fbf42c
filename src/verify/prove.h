/* verify/prove.h: does a file in place have the content the Hub says? Reads all of it. Blocking; any worker. */
#ifndef HFP_VERIFY_PROVE_H
#define HFP_VERIFY_PROVE_H

#include "cache/receipt.h"

#include <stdatomic.h>

enum prove_verdict { PROVE_MATCHES, PROVE_DIFFERS, PROVE_ABSENT };

struct prove {
    const struct place *place;
    const atomic_bool *stop;      /* checked every block; then HFP_E_CANCELLED */
    _Atomic uint64_t *read_bytes; /* grows as it reads, for progress; or NULL */
    /* results */
    enum prove_verdict verdict;
    uint64_t bad_blocks, first_bad; /* against the receipt's digests, when it has them */
    struct stat st;                 /* of the file that was read, as it was before; st_ino 0 when there was none */
    bool blocks_known;              /* the receipt had digests, so bad_blocks means something */
};

/* Fills the results. A matching file gets a fresh receipt (where the cache can be written), with digests of all blocks.
 * HFP_E_IO when the disk fails: that proves nothing either way. */
int prove_file(struct prove *p, int64_t unix_s, struct hfp_err *err);

#endif
