#include "transfer/xet_steps.h"

#include "base/auto.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define LOOK_BACK_MAX 64 /* a chunk that is repeated is mostly the one before; a hostile answer shall not cost n * n */

/* What is known of one signed range while the terms are looked at. */
struct walk {
    uint32_t next_chunk; /* the first that no term has used */
    uint32_t last_take;  /* the step that used the one before it */
    uint32_t last_term;  /* the latest term with chunks of it; earlier ones by earlier[] */
    bool broken;         /* not a stream */
};

/* How many chunks of term t go into the file before it does, from its first on: with terms of this answer, or earlier. */
static uint32_t repeated(const struct reconstruction *r, const struct walk *w, const uint32_t *earlier,
                         const struct reconstruction_term *t, const struct xet_here *here)
{
    uint32_t at = t->chunk_start;
    for (uint32_t was = at - 1; at < t->chunk_end && was != at;) {
        was = at;
        if (here->repeated)
            at += here->repeated(here->ctx, &t->xorb, at, t->chunk_end);
        unsigned looks = 0;
        for (uint32_t i = w->last_term; i != NONE && looks < LOOK_BACK_MAX; i = earlier[i], looks++)
            if (r->terms[i].chunk_start <= at && at < r->terms[i].chunk_end)
                at = MIN(r->terms[i].chunk_end, t->chunk_end);
    }
    return at - t->chunk_start;
}

/* Takes term i, or says that its range is no stream. last_use: the latest step that is not a copy. */
static void walk_term(struct xet_step *step, struct walk *w, const struct reconstruction *r, uint32_t i,
                      uint32_t last_use)
{
    const struct reconstruction_term *t = &r->terms[i];
    const struct reconstruction_fetch *f = &r->fetches[t->fetch];
    bool first = w->last_take == NONE;
    if (t->chunk_start != w->next_chunk || (!first && w->last_take != last_use)) {
        w->broken = true;
        step->kind = XET_STEP_ASK;
        return;
    }
    *step = (struct xet_step){ .kind = XET_STEP_TAKE, .opens = first, .closes = t->chunk_end == f->chunk_end };
    w->next_chunk = t->chunk_end;
    w->last_take = i;
}

/* Marks the terms that are here, all or so much of their beginning that it is worth a question for the rest. */
static void mark_held(struct xet_step *steps, const struct reconstruction *r, const struct xet_here *here)
{
    for (uint32_t i = 0; here->held && i < r->term_count; i++) {
        const struct reconstruction_term *t = &r->terms[i];
        uint32_t held = here->held(here->ctx, &t->xorb, t->chunk_start, t->chunk_end);
        if (held >= MIN(XET_HELD_LEAST, t->chunk_end - t->chunk_start))
            steps[i] = (struct xet_step){ .kind = XET_STEP_HELD,
                                          .next = t->chunk_start,
                                          .next_offset = t->file_offset,
                                          .partly = held < t->chunk_end - t->chunk_start };
    }
}

/* Is it worth a step of its own to copy so many? All of it is; or enough for a question; or it is asked for anyway. */
static bool worth_copying(uint32_t repeats, const struct reconstruction_term *t, const struct walk *w)
{
    return repeats > 0 && (repeats >= MIN(XET_HELD_LEAST, t->chunk_end - t->chunk_start) ||
                           (w->last_take != NONE && t->chunk_start != w->next_chunk));
}

static void walk_all(struct xet_step *steps, struct walk *walks, uint32_t *earlier, const struct reconstruction *r,
                     const struct xet_here *here)
{
    uint32_t last_use = NONE;
    for (uint32_t i = 0; i < r->term_count; i++) {
        const struct reconstruction_term *t = &r->terms[i];
        struct walk *w = &walks[t->fetch];
        uint32_t repeats = repeated(r, w, earlier, t, here);
        bool all = repeats == t->chunk_end - t->chunk_start;
        if (all || (steps[i].kind != XET_STEP_HELD && worth_copying(repeats, t, w))) {
            steps[i] = (struct xet_step){
                .kind = XET_STEP_COPY, .next = t->chunk_start, .next_offset = t->file_offset, .partly = !all
            };
            if (!all) { /* the rest of its range is asked for */
                w->broken = true;
                last_use = i;
            }
        } else if (steps[i].kind != XET_STEP_HELD) {
            walk_term(&steps[i], w, r, i, last_use);
            last_use = i;
        } else if (steps[i].partly) { /* no stream goes on behind the question for the rest */
            last_use = i;
        }
        earlier[i] = w->last_term;
        w->last_term = i;
    }
    for (uint32_t i = 0; i < r->term_count; i++) {
        const struct walk *w = &walks[r->terms[i].fetch];
        if (steps[i].kind == XET_STEP_TAKE && (w->broken || w->next_chunk != r->fetches[r->terms[i].fetch].chunk_end))
            steps[i] = (struct xet_step){ .kind = XET_STEP_ASK };
    }
}

int xet_steps_new(struct xet_step **out, const struct reconstruction *r, const struct xet_here *here,
                  struct hfp_err *err)
{
    AUTO_FREE struct xet_step *steps = calloc(r->term_count, sizeof *steps);
    AUTO_FREE struct walk *walks = calloc(r->fetch_count, sizeof *walks);
    AUTO_FREE uint32_t *earlier = calloc(r->term_count, sizeof *earlier);
    if (!steps || !walks || !earlier)
        return err_nomem(err);
    for (size_t f = 0; f < r->fetch_count; f++)
        walks[f] = (struct walk){ .next_chunk = r->fetches[f].chunk_start, .last_take = NONE, .last_term = NONE };
    mark_held(steps, r, here);
    walk_all(steps, walks, earlier, r, here);
    if (r->term_count == 1 && steps[0].kind == XET_STEP_ASK)
        steps[0] = (struct xet_step){ .kind = XET_STEP_TAKE, .opens = true, .closes = true };
    *out = ptr_steal(&steps);
    return HFP_OK;
}
