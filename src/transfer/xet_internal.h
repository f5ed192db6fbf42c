/* transfer/xet_internal.h: the structs behind xet_fetch.h, for the files of this folder that begin with xet_.
 *
 * An xet_fetch owns its slices, units and question. Loop thread, but for a task of xet_work.c or xet_held.c: while one
 * runs (working), the decoder, its input and the rest of the block are the task's; mates read what was put out before. */
#ifndef HFP_TRANSFER_XET_INTERNAL_H
#define HFP_TRANSFER_XET_INTERNAL_H

#include "base/auto.h"
#include "transfer/internal.h"
#include "transfer/xet_fetch.h"
#include "transfer/xet_seen.h"
#include "transfer/xet_steps.h"

#define UNITS_MAX 64   /* signed ranges open at once: more than connections, so that short ones follow without a gap */
#define REFUSALS_MAX 3 /* fresh URLs that never gave a byte: the second time all of the range is asked for */
#define DOUBTS_MAX 3   /* fresh starts at one byte of the file: then this source cannot give it */
#define WAIT_LOOK_NS (50 * NS_PER_MS) /* who waits for a mate that lets go without a sound looks so often */
#define INNERS_MAX 8                  /* questions for one step: an honest CAS needs one */

/* What one answer of the CAS said, and how far the walk through it is. */
struct xet_slice {
    struct xet_slice *next;
    struct reconstruction *r;
    struct xet_step *steps;
    uint32_t at;       /* the step the output stands in */
    uint32_t opened;   /* steps before it have their ranges open */
    uint64_t end_byte; /* exclusive: where the next slice begins; chunks are whole, so not where it was asked to end */
    unsigned refusals; /* of the fetch when its URLs came */
};

/* A signed range on its way: stored bytes in order of arrival, used in order. */
struct xet_unit {
    struct xet_unit *next;
    struct xet_fetch *x;
    struct xet_slice *slice;
    uint32_t fetch_index; /* in slice->r */
    uint32_t first_step;
    struct fetch *fetch;
    uint64_t size_bytes, blocks, used; /* used: blocks before it went through the decoder */
    uint8_t **raw;                     /* per block; NULL: not here yet, or used */
    size_t input_at;                   /* of block `used`: so much went through */
    uint16_t peer;                     /* who sent what came last */
    bool begun, expired;
    unsigned refusals; /* of the fetch when its URL came */
};

enum xet_ask { XET_ASK_NONE, XET_ASK_NEXT, XET_ASK_INNER, XET_ASK_FRESH };

struct xet_fetch {
    struct group *group;
    struct xet_fetch_spec spec;
    struct xet_fetch_events events;
    uint64_t blocks, wanted_count, wanted_from; /* wanted_from: none before it is wanted */
    uint8_t *wanted;                            /* bitmap; a bit goes when its block has come out */
    bool held, failed, dying;
    bool placed;         /* it has its output block, or one is held back for it */
    bool whole;          /* ranges are asked for whole: its server refuses less */
    bool restart, rerun; /* begin anew at the output's byte; at the first wanted block */
    struct hfp_err why;  /* the last refusal */
    /* the run that is put out: from decoder.out to decoder.end */
    bool running;
    uint64_t run_from;
    struct xet_slice *slices; /* the first holds the output */
    uint64_t asked_to;        /* exclusive: so far the slices reach */
    struct xet_unit *units;   /* in the order of use */
    unsigned unit_count;
    unsigned refusals, doubts, inners;
    uint64_t doubt_at, inner_at;
    /* the question that is out */
    struct xet_query *query;
    enum xet_ask ask;
    uint64_t asked_ns;
    struct xet_slice *ask_slice; /* FRESH: whose URLs; INNER: whose step */
    /* the output */
    struct xet_decoder decoder;
    struct xet_seen *seen; /* the mate's, if there is one */
    uint8_t *block;
    uint64_t block_at; /* of the file: where the block begins that is being filled */
    bool term_begun;
    bool begun; /* it has gone through an answer: what it needs first is asked for */
    bool looks; /* whether those before it have asked */
    bool waits; /* for a mate, since its last turn: no task runs */
    struct xet_missed {
        struct xet_hash xorb;
        uint32_t index, bytes; /* 0: none */
    } missed;            /* the last held chunk that was not what it should be: its length is known all the same */
    uint8_t *held_plain; /* the chunk of a held step that is in hand; NULL: none was needed yet */
    uint64_t debt_bytes; /* counted as received, then dropped: not counted again */
    uint16_t peer;
    bool working;         /* a task has the decoder, the block and its input */
    unsigned raw, parked; /* buffers in its units; told to the transfer as parked */
};

/* xet_slice.c */
void xet_slices_free(struct xet_fetch *x);
bool xet_slice_over(struct xet_fetch *x);
void xet_ask_next(struct xet_fetch *x);                       /* a question, where one is due */
void xet_ask_inner(struct xet_fetch *x, struct xet_slice *s); /* the rest of its step, or one chunk */
void xet_ask_fresh(struct xet_fetch *x, struct xet_slice *s); /* URLs of its open ranges */
void xet_slice_answered(void *ctx, struct reconstruction *r);
void xet_slice_unanswered(void *ctx, const struct hfp_err *err);

/* xet_unit.c */
void xet_units_open(struct xet_fetch *x); /* as far ahead as the window goes */
void xet_units_stop(struct xet_fetch *x); /* nothing is asked any more; what came stays until it is freed */
void xet_units_free(struct xet_fetch *x);
void xet_unit_close(struct xet_fetch *x); /* the first one: it is used up */
bool xet_unit_ready(const struct xet_unit *u);
bool xet_unit_relocate(struct xet_unit *u, const struct reconstruction *fresh);

/* xet_work.c */
/* Begins a task for the step the output stands in; false: no memory for it now. */
bool xet_work_decode(struct xet_fetch *x, struct xet_unit *u);
bool xet_work_copy(struct xet_fetch *x, uint64_t from, size_t n);
void xet_note_chunks(struct xet_fetch *x); /* those of the task that has ended are known from now on */
/* decoder.out has grown since: how much of that was counted as received, for the first time. */
uint64_t xet_count_out(struct xet_fetch *x, uint64_t was);

/* xet_repeat.c */
uint32_t xet_repeat_holds(const void *x, const struct xet_hash *xorb, uint32_t first, uint32_t end); /* xet_holds */
bool xet_step_copy(struct xet_fetch *x, struct xet_slice *s);

/* xet_held.c */
uint32_t xet_held_holds(const void *x, const struct xet_hash *xorb, uint32_t first, uint32_t end); /* xet_holds */
bool xet_step_held(struct xet_fetch *x, struct xet_slice *s);
enum xet_share xet_held_state(const struct xet_fetch *x, const struct xet_hash *xorb, uint32_t first, uint32_t end);
void xet_held_again(const struct xet_fetch *x, struct xet_slice *s); /* a slice that begins with the missed chunk */
uint64_t xet_inner_end(const struct xet_slice *s); /* of what its step asks for by itself: exclusive */
void xet_inner_over(struct xet_slice *outer);      /* that was answered: where the walk goes on behind the answer */

/* xet_shared.c */
/* Turns the stream that begins with this step into steps of their own, if a mate has some of it; false: none has. */
bool xet_stream_shared(const struct xet_fetch *x, struct xet_slice *s, uint32_t step);
/* Does something between the terms of this stream still come with a mate? Who waits has no range open: so it is opened
 * later. */
bool xet_stream_waits(const struct xet_fetch *x, const struct xet_slice *s, uint32_t step);

/* xet_fetch.c */
bool xet_step_ask(struct xet_fetch *x, struct xet_slice *s);
bool xet_has_block(struct xet_fetch *x);
void xet_doubt(struct xet_fetch *x, const struct hfp_err *err); /* begins anew at the output's byte, DOUBTS_MAX times */
void xet_fail(struct xet_fetch *x, const struct hfp_err *err);
void xet_put_out(struct xet_fetch *x);                    /* the block is full, or the run is at its end */
void xet_work_begin(struct xet_fetch *x, struct task *t); /* hands decoder, input and the rest of the block to it */
void xet_work_over(struct xet_fetch *x);                  /* the task has ended; x may be gone afterwards */

#endif
