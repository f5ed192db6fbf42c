#include "transfer/xet_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What the CAS is asked, and what becomes of its answers. */

static void slice_free(struct xet_slice *s)
{
    reconstruction_free(s->r);
    free(s->steps);
    free(s);
}

void xet_slices_free(struct xet_fetch *x)
{
    struct xet_slice *s;
    while ((s = x->slices)) {
        x->slices = s->next;
        slice_free(s);
    }
}

/* The walk has come to the end of the first. */
bool xet_slice_over(struct xet_fetch *x)
{
    struct xet_slice *s = x->slices;
    x->slices = s->next;
    if (x->ask_slice == s) { /* a second connection brought what one was refused: its fresh URLs come too late */
        x->ask = XET_ASK_NONE;
        x->ask_slice = NULL;
    }
    slice_free(s);
    return true;
}

static void ask(struct xet_fetch *x, enum xet_ask what, struct xet_slice *s, uint64_t first, uint64_t last)
{
    if (xet_query_busy(x->query)) /* an answer is on its way, perhaps to a walk that is over */
        return;
    x->ask = what;
    x->ask_slice = s;
    x->asked_ns = transfer_now(x->group->transfer);
    xet_query_ask(x->query, &x->spec.file, x->spec.size_bytes, first, last);
}

static bool all_open(const struct xet_fetch *x)
{
    for (const struct xet_slice *s = x->slices; s; s = s->next)
        if (s->opened < s->r->term_count)
            return false;
    return true;
}

/* One answer ahead: asked for when all ranges of those that are here are open. */
void xet_ask_next(struct xet_fetch *x)
{
    if (x->asked_to >= x->decoder.end || !all_open(x))
        return;
    ask(x, XET_ASK_NEXT, NULL, x->asked_to, x->decoder.end - 1);
}

void xet_ask_inner(struct xet_fetch *x, struct xet_slice *s)
{
    uint64_t first = MAX(s->r->terms[s->at].file_offset, x->decoder.out);
    ask(x, XET_ASK_INNER, s, first, MIN(xet_inner_end(s), x->decoder.end) - 1);
}

void xet_ask_fresh(struct xet_fetch *x, struct xet_slice *s)
{
    ask(x, XET_ASK_FRESH, s, s->r->first_byte, s->r->last_byte);
}

static struct xet_slice *slice_new(const struct xet_fetch *x, struct reconstruction *r, enum xet_ask was,
                                   struct hfp_err *err)
{
    /* An inner question is about what is not known or cannot be read back, and fresh URLs are for the same steps. */
    struct xet_here here = { xet_held_holds, was == XET_ASK_NEXT ? xet_repeat_holds : NULL, x };
    AUTO_FREE struct xet_slice *s = calloc(1, sizeof *s);
    if (!s || xet_steps_new(&s->steps, r, &here, err) != HFP_OK) {
        reconstruction_free(r);
        err_nomem(err);
        return NULL;
    }
    const struct reconstruction_term *last = &r->terms[r->term_count - 1];
    s->r = r;
    s->refusals = x->refusals;
    xet_held_again(x, s);
    s->end_byte = last->file_offset + last->unpacked_bytes;
    return ptr_steal(&s);
}

static void append(struct xet_fetch *x, struct xet_slice *s)
{
    struct xet_slice **at = &x->slices;
    while (*at)
        at = &(*at)->next;
    *at = s;
    x->asked_to = s->end_byte;
}

/* The walk goes through the inner slice and then on behind the step that asked for it. Both say how long the term is. */
static void insert(struct xet_fetch *x, struct xet_slice *s, struct xet_slice *outer)
{
    struct hfp_err err;
    bool to_its_end = s->r->last_byte + 1 == xet_inner_end(outer);
    if (to_its_end && s->end_byte != s->r->last_byte + 1) {
        slice_free(s);
        err_set(&err, HFP_E_PROTO, "the CAS contradicts itself about the length of a term");
        xet_doubt(x, &err);
        return;
    }
    xet_inner_over(outer);
    outer->opened = MAX(outer->opened, outer->at);
    s->next = outer;
    x->slices = s;
}

static bool same_terms(const struct reconstruction *a, const struct reconstruction *b)
{
    static_assert(sizeof *a->terms == XET_HASH_BYTES + 24, "nothing lies between the members of a term");
    return a->term_count == b->term_count && memcmp(a->terms, b->terms, a->term_count * sizeof *a->terms) == 0;
}

/* Open ranges get the new URLs, and so do those that are opened later. The steps are those of the old terms. */
static void renew(struct xet_fetch *x, struct xet_slice *s, struct xet_slice *fresh)
{
    bool same = same_terms(s->r, fresh->r) && s->r->fetch_count == fresh->r->fetch_count;
    for (size_t i = 0; same && i < s->r->fetch_count; i++) {
        const struct reconstruction_fetch *a = &s->r->fetches[i], *b = &fresh->r->fetches[i];
        same = xet_hash_equal(&a->xorb, &b->xorb) && a->chunk_start == b->chunk_start && a->chunk_end == b->chunk_end;
    }
    for (struct xet_unit *u = x->units; u; u = u->next)
        if (u->slice == s && u->expired && !xet_unit_relocate(u, fresh->r))
            same = false;
    if (same) {
        struct reconstruction *old = s->r;
        s->r = fresh->r;
        s->refusals = x->refusals;
        fresh->r = old;
    } else {
        x->restart = true; /* its ranges are cut otherwise now */
    }
    slice_free(fresh);
}

void xet_slice_answered(void *ctx, struct reconstruction *r)
{
    struct xet_fetch *x = ctx;
    struct hfp_err err;
    enum xet_ask was = x->ask;
    x->ask = XET_ASK_NONE;
    if (was == XET_ASK_NONE || x->failed) { /* the walk began anew meanwhile */
        reconstruction_free(r);
        return;
    }
    struct xet_slice *s = slice_new(x, r, was, &err);
    if (!s)
        xet_fail(x, &err);
    else if (was == XET_ASK_NEXT)
        append(x, s);
    else if (was == XET_ASK_INNER)
        insert(x, s, x->ask_slice);
    else
        renew(x, x->ask_slice, s);
}

void xet_slice_unanswered(void *ctx, const struct hfp_err *err)
{
    xet_fail(ctx, err);
}
