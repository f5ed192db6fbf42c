/* transfer/xet_steps.h: the walk through one reconstruction: a step for each term, in the order of the file. Pure.
 *
 * The file is put out in order, so a signed range can be taken as a stream only when its terms follow one another there
 * and use all of it: then bytes that arrive are used at once and nothing waits in memory. Chunks that the answer names
 * again are copied from where they went the first time. Whatever else an answer may hold (a range whose chunks are used
 * in another order, or with other terms between them) is asked for by itself when the walk comes to it: the CAS cuts
 * ranges to what is asked, so that answer is a stream. Each chunk is so fetched once. */
#ifndef HFP_TRANSFER_XET_STEPS_H
#define HFP_TRANSFER_XET_STEPS_H

#include "xet/reconstruction.h"

enum xet_step_kind { XET_STEP_TAKE, XET_STEP_COPY, XET_STEP_ASK };

struct xet_step {
    enum xet_step_kind kind;
    bool opens, closes; /* TAKE: the first, the last of its signed range */
    uint64_t from;      /* COPY: where in the file the same bytes are */
};

/* One step for each term of r; the caller frees *out. A reconstruction of one term is always a TAKE, whatever else its
 * range holds: what is not used is dropped. */
int xet_steps_new(struct xet_step **out, const struct reconstruction *r, struct hfp_err *err);

#endif
