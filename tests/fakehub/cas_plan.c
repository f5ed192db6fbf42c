/* cas_plan.c: which chunks of which xorbs a slice of a file needs. */
#include "cas.h"

#include "base/auto.h"
#include "text.h"

#include <stdlib.h>

static struct need *need_of(struct plan *p, const struct xorb *x)
{
    for (size_t i = 0; i < p->need_count; i++)
        if (p->needs[i].xorb == x)
            return &p->needs[i];
    p->needs = must_grow(p->needs, (p->need_count + 1) * sizeof(*p->needs));
    p->needs[p->need_count] = (struct need){ .xorb = x };
    return &p->needs[p->need_count++];
}

static void add_term(struct plan *p, const struct term *t)
{
    p->terms = must_grow(p->terms, (p->term_count + 1) * sizeof(*p->terms));
    p->terms[p->term_count++] = *t;
    struct need *n = need_of(p, t->xorb);
    n->spans = must_grow(n->spans, (n->count + 1) * sizeof(*n->spans));
    n->spans[n->count++] = (struct span){ .first = t->first, .end = t->end };
}

static int by_first(const void *a, const void *b)
{
    const struct span *s = a, *t = b;
    return s->first != t->first ? (s->first < t->first ? -1 : 1) : (s->end > t->end) - (s->end < t->end);
}

/* Overlapping and touching ones become one; with separate only equal ones do. */
static void join(struct need *n, bool separate)
{
    qsort(n->spans, n->count, sizeof(*n->spans), by_first);
    size_t kept = 0;
    for (size_t i = 0; i < n->count; i++) {
        struct span *s = &n->spans[i], *last = kept ? &n->spans[kept - 1] : NULL;
        if (last && (separate ? s->first == last->first && s->end == last->end : s->first <= last->end))
            last->end = MAX(last->end, s->end);
        else
            n->spans[kept++] = *s;
    }
    n->count = kept;
    for (size_t i = 0; i < kept; i++) {
        struct span *s = &n->spans[i];
        s->from = s->first ? n->xorb->record_end[s->first - 1] : 0;
        s->last = n->xorb->record_end[s->end - 1] - 1;
    }
}

/* What of a term that begins at this offset of the file lies in first..last. False: nothing does. */
static bool trim(struct term *t, uint64_t at, uint64_t first, uint64_t last, uint64_t *skipped)
{
    *skipped = 0;
    while (t->first < t->end && at + t->xorb->plain[t->first] <= first) {
        at += t->xorb->plain[t->first];
        *skipped += t->xorb->plain[t->first++];
    }
    uint32_t end = t->first;
    for (; end < t->end && at <= last; end++)
        at += t->xorb->plain[end];
    t->end = end;
    return t->first < t->end;
}

void plan_make(struct plan *out, const struct xet_file *f, uint64_t first, uint64_t last, bool separate)
{
    *out = (struct plan){ 0 };
    uint64_t at = 0, skipped;
    for (size_t i = 0; i < f->count; i++) {
        struct term t = f->terms[i];
        uint64_t bytes = term_bytes(&t);
        if (trim(&t, at, first, last, &skipped)) {
            if (!out->term_count)
                out->offset = first - at - skipped;
            add_term(out, &t);
        }
        at += bytes;
    }
    for (size_t i = 0; i < out->need_count; i++)
        join(&out->needs[i], separate);
}

void plan_free(struct plan *p)
{
    for (size_t i = 0; i < p->need_count; i++)
        free(p->needs[i].spans);
    free(p->needs);
    free(p->terms);
}
