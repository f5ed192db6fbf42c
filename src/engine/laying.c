#include "engine/blob.h"

#include "base/auto.h"
#include "verify/rechunk.h"

#include <stdlib.h>

/* A file that is here, laid against its reconstruction: the CAS is asked slice by slice, each slice is cut on a worker
 * (verify/rechunk.h).
 *
 *   ASK -> CUT -> ASK -> ... -> CUT -> end(), on the worker -> over()                                                 */

struct laying {
    struct blob *blob;
    struct laying_events events;
    struct xet_query *query;
    struct xet_hash file;
    struct rechunk *rechunk;
    uint64_t asked_ns;
    bool failed; /* the question: the next turn says so */
    bool held;   /* at its last turn */
    struct hfp_err why;
};

struct laying_task {
    struct task task;
    struct laying *l;
    struct reconstruction *r;
    bool ended;
    struct hfp_err err;
};

void laying_free(struct laying *l)
{
    if (!l)
        return;
    xet_query_free(l->query);
    rechunk_free(l->rechunk);
    free(l);
}

/* ---- on a worker ---- */

static void laying_run(struct task *task)
{
    struct laying_task *t = container_of(task, struct laying_task, task);
    struct laying *l = t->l;
    struct rechunk_found found;
    int rc = HFP_OK;
    for (size_t i = 0; i < t->r->term_count && !rc; i++) {
        rc = rechunk_term(&found, l->rechunk, &t->r->terms[i], &t->err);
        if (!rc)
            rc = l->events.term(l->events.ctx, &t->r->terms[i], &found, &t->err);
    }
    t->ended = !rc && rechunk_at(l->rechunk) == l->blob->file->size_bytes;
    if (t->ended)
        rc = l->events.end(l->events.ctx, rechunk_is(l->rechunk, &l->file), &t->err);
    t->err.code = (enum hfp_code)rc;
}

/* ---- on the loop ---- */

static void ask(struct laying *l)
{
    uint64_t size_bytes = l->blob->file->size_bytes;
    l->asked_ns = core_now(l->blob->job->core);
    xet_query_ask(l->query, &l->file, size_bytes, rechunk_at(l->rechunk), size_bytes - 1);
    l->blob->job->wake = true;
}

static void laying_done(struct task *task)
{
    AUTO_FREE struct laying_task *t = container_of(task, struct laying_task, task);
    struct laying *l = t->l;
    struct blob *b = l->blob;
    reconstruction_free(t->r);
    b->busy--;
    b->job->busy--;
    b->job->wake = true;
    if (b->failed)
        return;
    if (t->err.code != HFP_OK || t->ended)
        l->events.over(l->events.ctx, &t->err);
    else
        ask(l);
}

static void on_failed(void *ctx, const struct hfp_err *err)
{
    struct laying *l = ctx; /* the query is not freed inside its own callback */
    l->failed = true;
    l->why = *err;
    l->blob->job->wake = true;
}

static void on_answer(void *ctx, struct reconstruction *r)
{
    struct laying *l = ctx;
    struct blob *b = l->blob;
    struct laying_task *t = calloc(1, sizeof *t);
    if (!t) {
        struct hfp_err err;
        reconstruction_free(r);
        err_nomem(&err);
        on_failed(l, &err);
        return;
    }
    *t = (struct laying_task){ .task = { .run = laying_run, .done = laying_done }, .l = l, .r = r };
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, LANE_HASH, &t->task);
}

int laying_new(struct laying **out, const struct laying_spec *spec, const struct laying_events *events,
               struct hfp_err *err)
{
    struct blob *b = spec->blob;
    struct laying *l = calloc(1, sizeof *l);
    if (!l)
        return err_nomem(err);
    *l = (struct laying){ .blob = b, .events = *events };
    xet_hash_listed(&l->file, b->file);
    struct rechunk_spec cut = { .fd = spec->fd,
                                .size_bytes = b->file->size_bytes,
                                .legacy_first = spec->legacy_first,
                                .stop = &b->job->stop,
                                .read_bytes = &b->job->read_bytes };
    struct xet_query_events answers = { on_answer, on_failed, l };
    int rc = sourcing_session(b->job, err);
    if (!rc)
        rc = rechunk_new(&l->rechunk, &cut, err);
    if (!rc)
        rc = xet_query_new(&l->query, b->job->xet, &answers, err);
    if (rc) {
        laying_free(l);
        return rc;
    }
    ask(l);
    *out = l;
    return HFP_OK;
}

bool laying_silent(const struct laying *l, uint64_t patience_ns, uint64_t now_ns)
{
    return xet_query_busy(l->query) && !l->held && ns_since(now_ns, l->asked_ns) >= patience_ns;
}

uint64_t laying_turn(struct laying *l, uint64_t now_ns)
{
    if (l->held && !l->blob->job->paused) /* what was asked is asked again */
        l->asked_ns = now_ns;
    l->held = l->blob->job->paused;
    xet_query_hold(l->query, l->held);
    uint64_t next = xet_query_turn(l->query, now_ns);
    if (!l->failed)
        return next;
    struct hfp_err why = l->why;
    l->events.over(l->events.ctx, &why); /* which may free it */
    return now_ns;
}
