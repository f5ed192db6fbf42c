/* verify/opinion.h: the whole-file hash is wrong; which block is? Pure.
 *
 * Blocks are asked for again, most doubtful first: what another witness says is wrong, what another tool left, then what
 * was kept from an earlier run, then the rest; last what stands under the name of a whole xorb. A block that comes back
 * different replaces the old one, and the file is hashed again after 1, 2, 4, 8 ... differences and at the end of each
 * class: one flipped bit costs one block and one hash, a junk gigabyte does not cost a thousand hashes. Blocks that differ
 * are asked a third time when all else failed; a file that is still wrong then has a source that lies. */
#ifndef HFP_VERIFY_OPINION_H
#define HFP_VERIFY_OPINION_H

#include "base/err.h"

enum doubt { DOUBT_PROVED, DOUBT_FETCHED, DOUBT_KEPT, DOUBT_ADOPTED, DOUBT_WRONG, DOUBTS };

#define OPINION_TRIES 3 /* versions of one block that are looked at */

struct opinion;
/* doubt: one byte per block (enum doubt); copied. */
int opinion_new(struct opinion **out, const uint8_t *doubt, uint64_t blocks, struct hfp_err *err);
void opinion_free(struct opinion *o);

/* The class whose blocks are asked for now; -1: those that differed, for a third opinion. */
int opinion_class(const struct opinion *o);
/* The next block to ask for in the present class; false: the class is finished (or all asked for and not answered). */
bool opinion_next(struct opinion *o, uint64_t *block);

enum opinion_step {
    OPINION_MORE,    /* ask on, or wait for what was asked */
    OPINION_REHASH,  /* hash the file again now */
    OPINION_HOPELESS /* every means is used up */
};
/* One answer: did the block differ from the one on disk? */
enum opinion_step opinion_answer(struct opinion *o, uint64_t block, bool differs);
/* The file was hashed again and is still wrong. */
enum opinion_step opinion_still_wrong(struct opinion *o);
/* Asked for but not answered (cancelled to hash early): they go back. */
void opinion_take_back(struct opinion *o);
uint64_t opinion_changed(const struct opinion *o); /* blocks that were replaced at least once */
bool opinion_first_changed(const struct opinion *o,
                           uint64_t *block); /* the one that changed most often, for the report */

#endif
