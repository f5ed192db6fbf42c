#include "engine/blob.h"

#include "base/auto.h"

/* Where a content's blocks come from: ranges over HTTP, or the Xet store; and who takes over when one cannot go on.
 *
 *   HTTP <--the one that runs has failed, or nothing came of a round of it, or its CAS is silent--> XET
 *
 * What is recorded, being written or kept stays; the missing blocks are wanted from the other one. Without any progress
 * there is one change in a round of the retry policy, so that a dead line still ends as the policy says (P4). */

bool sourcing_xet_possible(const struct blob *b)
{
    struct xet_hash hash;
    return b->job->core->config.user.xet != HFP_XET_OFF && !b->xet_failed && xet_hash_listed(&hash, b->file);
}

/* Over Xet from the start? HTTP costs less where nothing is known of the chunks. */
static bool xet_first(const struct blob *b)
{
    return (b->job->core->config.user.xet == HFP_XET_ON || delta_possible(b)) && sourcing_xet_possible(b) &&
           !b->job->xet_down;
}

bool sourcing_decodes(const struct job *job, const struct listed_file *f)
{
    return job->core->config.user.xet == HFP_XET_ON && f->xet && f->size_bytes > 0;
}

/* ---- the two ---- */

static int open_http(struct blob *b, struct hfp_err *err)
{
    struct job *job = b->job;
    char url[URL_MAX];
    if (!hub_url_file(url, job->core->config.user.endpoint, job->spec.type, job->spec.repo, job->commit, b->file->path))
        return err_set(err, HFP_E_PROTO, "%s: name too long for a URL", b->file->path);
    struct fetch_spec spec = { .url = url, .path = b->file->path, .size_bytes = b->file->size_bytes };
    struct fetch_events events = { .block = pipeline_block, .failed = pipeline_failed, .ctx = b };
    return fetch_new(&b->fetch, job->group, &spec, &events, err);
}

static int64_t session_unix_s(void *ctx)
{
    return core_unix_s(ctx);
}

int sourcing_session(struct job *job, struct hfp_err *err)
{
    if (job->xet)
        return HFP_OK;
    patience_init(&job->xet_patience, 1, core_now(job->core));
    struct xet_session_config config = { .hub = job->core->api,
                                         .type = job->spec.type,
                                         .repo = job->spec.repo,
                                         .revision = job->commit,
                                         .context = &job->context,
                                         .patience = &job->xet_patience,
                                         .unix_s = session_unix_s };
    return xet_session_new(&job->xet, &config, err);
}

static void on_xet_failed(void *ctx, const struct hfp_err *err)
{
    struct blob *b = ctx;
    b->xet_failed = true;
    b->source_error = *err;
    b->job->wake = true; /* the next turn changes over: not inside the source's own callback */
}

static void on_proved(void *ctx, uint64_t first_byte, uint64_t end_byte)
{
    pipeline_proved(ctx, first_byte, end_byte);
}

static enum xet_readable on_readable(void *ctx, uint64_t first_byte, uint64_t end_byte)
{
    const struct blob *b = ctx;
    if (b->small)
        return XET_UNREADABLE; /* its only block is still being put together: never asked */
    for (uint64_t i = first_byte / BLOCK_BYTES; i * BLOCK_BYTES < end_byte; i++) {
        enum mark mark = b->mark[i];
        if (mark == MARK_WRITING)
            return XET_READABLE_LATER;
        if (mark != MARK_WRITTEN)
            return XET_UNREADABLE;
    }
    return XET_READABLE;
}

static int on_read(void *ctx, uint8_t *out, size_t n, uint64_t first_byte, struct hfp_err *err)
{
    const struct blob *b = ctx;
    return io_pread_all(b->partial->fd, out, n, first_byte, err);
}

static void on_busy(void *ctx, int change)
{
    struct blob *b = ctx;
    b->busy = (unsigned)((int)b->busy + change);
    b->xet_tasks = (unsigned)((int)b->xet_tasks + change);
    b->job->busy = (unsigned)((int)b->job->busy + change);
}

int sourcing_open_xet(struct xet_fetch **out, struct blob *b, bool uncounted, struct xet_fetch_events *events,
                      struct hfp_err *err)
{
    struct job *job = b->job;
    struct xet_fetch_spec spec = { .work = job->core->config.work,
                                   .pool = job->core->pool,
                                   .path = b->file->path,
                                   .size_bytes = b->file->size_bytes,
                                   .uncounted = uncounted };
    int rc = sourcing_session(job, err);
    if (rc)
        return rc;
    events->proved = on_proved;
    events->readable = events->readable ? events->readable : on_readable;
    events->read = on_read;
    events->busy = on_busy;
    events->ctx = b;
    spec.session = job->xet;
    xet_hash_listed(&spec.file, b->file);
    delta_source(b, &spec, events);
    return xet_fetch_new(out, job->group, &spec, events, err);
}

static int open_xet(struct blob *b, struct hfp_err *err)
{
    struct xet_fetch_events events = { .block = pipeline_block, .failed = on_xet_failed };
    return sourcing_open_xet(&b->xet, b, false, &events, err);
}

/* ---- what the pipeline asks of them ---- */

int sourcing_begin(struct blob *b, struct hfp_err *err)
{
    b->over_xet = xet_first(b);
    return b->over_xet ? open_xet(b, err) : open_http(b, err);
}

void sourcing_want(struct blob *b, uint64_t block)
{
    if (b->job->local_only)
        blob_fail_offline(b, "not all here");
    else if (b->over_xet)
        xet_fetch_want(b->xet, block);
    else
        fetch_want(b->fetch, block);
}

void sourcing_front(struct blob *b, uint64_t block)
{
    if (b->fetch)
        fetch_front(b->fetch, block);
}

unsigned sourcing_keeps(const struct blob *b)
{
    return b->fetch ? fetch_keeps(b->fetch) : 0;
}

void sourcing_end(struct blob *b)
{
    fetch_free(ptr_steal(&b->fetch));
    xet_fetch_free(ptr_steal(&b->xet));
}

bool sourcing_look(struct fetch_look *out, const struct blob *b)
{
    const struct fetch *f = b->fetch ? b->fetch : b->again;
    const struct xet_fetch *x = b->xet ? b->xet : b->again_xet;
    if (x)
        xet_fetch_look(out, x);
    else if (f)
        fetch_look(out, f);
    return x || f;
}

void sourcing_renewed(struct blob *b)
{
    if (b->xet && !b->job->paused) {
        xet_fetch_hold(b->xet, true);
        xet_fetch_hold(b->xet, false);
    }
}

/* ---- changing over ---- */

static void change(struct blob *b, const struct hfp_err *why)
{
    struct job *job = b->job;
    struct hfp_err err, was = *why;
    note_text(job, HFP_LOG_WARN, b->file->path, b->over_xet ? "going on over HTTP: %s" : "going on over Xet: %s",
              was.message);
    sourcing_end(b);
    job->xet_down |= b->over_xet && was.code != HFP_E_NO_FILE; /* that one is of this file alone */
    b->over_xet = !b->over_xet;
    b->changed_round = job->patience.round;
    b->changed_ns = core_now(job->core);
    if ((b->over_xet ? open_xet(b, &err) : open_http(b, &err)) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    for (uint64_t i = 0; i < b->blocks; i++)
        if (b->small || b->mark[i] == MARK_ABSENT)
            sourcing_want(b, i);
    sourcing_front(b, b->front);
}

/* One change in a round without progress. */
static bool may_change(const struct blob *b)
{
    const struct patience *p = &b->job->patience;
    return b->changed_ns == 0 || p->last_progress_ns > b->changed_ns || p->round != b->changed_round;
}

/* HTTP is refused for good. True: Xet takes over; the caller need not fail the file. */
bool sourcing_instead(struct blob *b, const struct hfp_err *err)
{
    if (b->over_xet || b->small || !sourcing_xet_possible(b))
        return false;
    b->http_failed = true;
    b->source_error = *err;
    b->job->wake = true;
    return true;
}

/* The source gives nothing, and the other one may be asked. */
static bool stuck(const struct blob *b, uint64_t now_ns, struct hfp_err *why)
{
    if (b->over_xet)
        return !b->http_failed && xet_fetch_stuck(b->xet, CAS_PATIENCE_NS, now_ns, why);
    return !b->small && b->fetch && fetch_stuck(b->fetch, why) && sourcing_xet_possible(b);
}

uint64_t sourcing_turn(struct blob *b, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    if (b->state != BLOB_FETCH || b->failed)
        return next;
    if (b->xet && !b->xet_failed) {
        xet_fetch_hold(b->xet, b->job->paused);
        next = xet_fetch_turn(b->xet, now_ns);
    }
    struct hfp_err why;
    if (b->over_xet && b->xet_failed && b->http_failed)
        blob_fail(b, &b->source_error);
    else if (b->over_xet ? b->xet_failed : b->http_failed)
        change(b, &b->source_error);
    else if (stuck(b, now_ns, &why) && may_change(b))
        change(b, &why);
    return b->failed || b->job->wake ? now_ns : next;
}
