/* transfer/xet_steps.h: the walk through one reconstruction: a step for each term, in the order of the file. Pure.
 *
 * The file is put out in order, so a signed range can be taken as a stream only when its terms follow one another there
 * and use all of it: then bytes that arrive are used at once and nothing waits in memory. Chunks that the answer names
 * again, or that went into this file before, are copied from there, and chunks that lie in files that are here are read
 * from there: as far as a term's first chunks go, for of what comes behind a gap nobody knows where in the file it
 * begins. Whatever else an answer may hold (a range whose chunks are used in another order, or with other terms between
 * them) is asked for by itself when the walk comes to it: the CAS cuts ranges to what is asked, so that answer is a
 * stream. Each chunk is so fetched once, but for one that a term names again behind chunks of its own that are new, and
 * for fewer than XET_HELD_LEAST at the beginning of a term that is a stream otherwise. */
#ifndef HFP_TRANSFER_XET_STEPS_H
#define HFP_TRANSFER_XET_STEPS_H

#include "xet/reconstruction.h"

#define XET_HELD_LEAST 16u /* chunks, or all of the term: about what the question for the rest of it costs */

enum xet_step_kind { XET_STEP_TAKE, XET_STEP_COPY, XET_STEP_ASK, XET_STEP_HELD };

struct xet_step {
    enum xet_step_kind kind;
    bool opens, closes; /* TAKE: the first, the last of its signed range */
    /* HELD, COPY: how far it is */
    uint32_t next;          /* chunk */
    uint64_t next_offset;   /* of the file, where it goes */
    uint32_t missing_bytes; /* HELD: of it: it is not what it should be, and asked for alone */
    bool partly;            /* the rest of the term will be asked for */
};

/* How many chunks of the xorb are here, from first on; at most up to end. */
typedef uint32_t xet_holds(const void *ctx, const struct xet_hash *xorb, uint32_t first, uint32_t end);

struct xet_here {
    xet_holds *held;     /* in files that are here; or NULL */
    xet_holds *repeated; /* in this file, before what r is about; or NULL */
    const void *ctx;
};

/* One step for each term of r; the caller frees *out. A reconstruction of one term that is not held is
 * always a TAKE, whatever else its range holds: what is not used is dropped. */
int xet_steps_new(struct xet_step **out, const struct reconstruction *r, const struct xet_here *here,
                  struct hfp_err *err);

#endif
