#include "engine/blob.h"

#include "base/auto.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const state_names[BLOB_STATES] = { "none",   "new",     "claim", "locked", "prove", "fetch",
                                                      "repair", "publish", "link",  "index",  "close", "end" };

/* NEW -> CLAIM -> FETCH -> PUBLISH -> END is the usual way. An empty cell is a bug in us. */
static const uint8_t blob_next[BLOB_STATES][BLOBEV_COUNT] = {
    [BLOB_NEW] = { [BLOBEV_CLAIM] = BLOB_CLAIM,
                   [BLOBEV_PRESENT] = BLOB_PROVE,
                   [BLOBEV_HERE] = BLOB_LINK,
                   [BLOBEV_INDEX] = BLOB_INDEX,
                   [BLOBEV_VERIFIED] = BLOB_END },
    [BLOB_CLAIM] = { [BLOBEV_LOCKED] = BLOB_LOCKED,
                     [BLOBEV_PRESENT] = BLOB_PROVE,
                     [BLOBEV_HERE] = BLOB_LINK,
                     [BLOBEV_CLAIMED] = BLOB_FETCH,
                     [BLOBEV_RIGHT] = BLOB_PUBLISH,
                     [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_LOCKED] = { [BLOBEV_CLAIM] = BLOB_CLAIM, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_PROVE] = { [BLOBEV_RIGHT] = BLOB_LINK,
                     [BLOBEV_WRONG] = BLOB_CLAIM,
                     [BLOBEV_INDEX] = BLOB_INDEX,
                     [BLOBEV_VERIFIED] = BLOB_END,
                     [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_FETCH] = { [BLOBEV_RIGHT] = BLOB_PUBLISH, [BLOBEV_WRONG] = BLOB_REPAIR, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_REPAIR] = { [BLOBEV_RIGHT] = BLOB_PUBLISH, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_PUBLISH] = { [BLOBEV_PUBLISHED] = BLOB_END, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_LINK] = { [BLOBEV_CLAIM] = BLOB_CLAIM, [BLOBEV_PUBLISHED] = BLOB_END, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_INDEX] = { [BLOBEV_VERIFIED] = BLOB_END, [BLOBEV_FAIL] = BLOB_CLOSE },
    [BLOB_CLOSE] = { [BLOBEV_CLOSED] = BLOB_END },
};

static void enter(struct blob *b);

void blob_move(struct blob *b, enum blob_event ev)
{
    enum blob_state to = blob_next[b->state][ev];
    assert(to != BLOB_NONE);
    log_trace(&b->job->core->log, "%s: %s -> %s", b->file->path, state_names[b->state], state_names[to]);
    b->state = to;
    enter(b);
}

bool blob_is_active(const struct blob *b)
{
    return b->state != BLOB_END;
}

struct blob *blob_new(struct job *job, uint32_t index)
{
    struct blob *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    const struct plan_blob *pb = &job->plan->blob[index];
    b->job = job;
    b->index = index;
    b->file = listing_at(job->listing, pb->file);
    b->state = BLOB_NEW;
    b->small = b->file->size_bytes <= BLOCK_BYTES;
    b->blocks = blocks_of(b->file->size_bytes);
    b->counted_bytes = pb->here_bytes;
    b->counted_proved = pb->action == PLAN_HERE && !job_proves_anew(job);
    b->lock_fd = b->share_fd = b->own_dir = -1;
    b->sync_ns = core_now(job->core);
    place_of(&b->place, job->store, &b->file->id, b->file->size_bytes, job->commit, b->file->path);
    return b;
}

void blob_free(struct blob *b)
{
    if (!b)
        return;
    assert(b->busy == 0 && b->kept_count == 0 && !b->partial);
    sourcing_end(b);
    repairing_end(b);
    delta_end(b);
    indexing_end(b);
    witness_free(b->witness);
    digest_free(b->digest);
    opinion_free(b->opinion);
    fd_closep(&b->lock_fd);
    free(b->mark);
    free(b->doubt);
    free(b->server);
    free(b);
}

static void enter_fetch(struct blob *b)
{
    struct hfp_err err;
    if (b->partial->adopted_from[0])
        note_text(b->job, HFP_LOG_INFO, b->file->path, "%s %s, to be proved",
                  b->elsewhere ? "copied from" : "taking over", b->partial->adopted_from);
    running_fetching(b);
    if (pipeline_begin(b, &err) != HFP_OK)
        blob_fail(b, &err);
    else
        pipeline_front(b);
}

static void enter_repair(struct blob *b)
{
    if (b->job->local_only) {
        blob_fail_offline(b, "not what the Hub lists");
        return;
    }
    if (!b->job->paused && !b->job->ending)
        job_move(b->job, HFP_REPAIRING);
    repairing_begin(b);
}

/* What a state does on arrival. */
static void enter(struct blob *b)
{
    switch (b->state) {
    case BLOB_CLAIM:
        delta_join(b);
        errand_begin(b, ERRAND_CLAIM);
        break;
    case BLOB_LOCKED:
        b->locked_retry_ns = core_now(b->job->core) + LOCK_RETRY_NS;
        break;
    case BLOB_PROVE:
        delta_leave(b);
        errand_begin(b, ERRAND_PROVE);
        break;
    case BLOB_LINK:
        delta_leave(b);
        errand_begin(b, ERRAND_LINK);
        break;
    case BLOB_FETCH:
        enter_fetch(b);
        break;
    case BLOB_REPAIR:
        enter_repair(b);
        break;
    case BLOB_PUBLISH:
        sourcing_end(b);
        repairing_end(b);
        delta_settle(b);
        running_ready(b);
        break;
    case BLOB_INDEX:
        indexing_begin(b);
        break;
    case BLOB_CLOSE:
        delta_leave(b);
        errand_begin(b, ERRAND_CLOSE);
        break;
    case BLOB_END:
        running_ended(b);
        break;
    default:
        break;
    }
}

void blob_begin(struct blob *b)
{
    const struct job *job = b->job;
    enum plan_action action = job->plan->blob[b->index].action;
    bool read_it = action == PLAN_HERE && job_proves_anew(job);
    if (job->spec.verb == HFP_INDEX && !indexing_wants(b))
        blob_move(b, BLOBEV_VERIFIED);
    else if (job->spec.verb == HFP_INDEX && action == PLAN_HERE)
        blob_move(b, BLOBEV_INDEX);
    else if ((action == PLAN_PROVE && !job->plan->blob[b->index].shared) || read_it)
        blob_move(b, BLOBEV_PRESENT);
    else if (action == PLAN_HERE)
        blob_move(b, BLOBEV_HERE);
    else
        blob_move(b, BLOBEV_CLAIM);
}

/* Stops what runs for it; closed, with what is recorded kept, as soon as no task uses it. */
void blob_fail(struct blob *b, const struct hfp_err *err)
{
    if (b->failed)
        return;
    b->failed = true;
    b->error = *err;
    b->job->wake = true;
}

void blob_fail_offline(struct blob *b, const char *what)
{
    struct hfp_err err;
    err_set(&err, HFP_E_OFFLINE, "offline, and incomplete: %s is %s", b->file->path, what);
    blob_fail(b, &err);
}

static bool closable(const struct blob *b)
{
    return b->state != BLOB_CLOSE && b->state != BLOB_END && b->state != BLOB_NEW;
}

static void lock_turn(struct blob *b, uint64_t now_ns)
{
    struct hfp_err err;
    uint64_t waited_ns = ns_since(now_ns, b->locked_since_ns);
    if (waited_ns >= LOCK_PATIENCE_NS) {
        err_set(&err, HFP_E_LOCKED,
                b->holder ? "%s is locked by process %ld, %llu s without growth"
                          : "%s is locked by another process%.0ld, %llu s without growth",
                b->file->path, b->holder, (unsigned long long)(waited_ns / NS_PER_S));
        blob_fail(b, &err);
    } else if (now_ns >= b->locked_retry_ns) {
        blob_move(b, BLOBEV_CLAIM);
    }
}

void blob_turn(struct blob *b, uint64_t now_ns)
{
    if (b->failed) {
        sourcing_end(b);
        repairing_end(b);
        if (b->busy == 0 && closable(b)) {
            keeping_drop(b);
            blob_move(b, BLOBEV_FAIL);
        }
        return;
    }
    if (b->state == BLOB_LOCKED)
        lock_turn(b, now_ns);
    if (b->state == BLOB_INDEX)
        b->source_next_ns = indexing_turn(b, now_ns);
    if (b->state == BLOB_FETCH || b->state == BLOB_REPAIR) {
        b->source_next_ns = b->state == BLOB_REPAIR ? repairing_turn(b, now_ns) : sourcing_turn(b, now_ns);
        pipeline_front(b);
        pipeline_sync(b, now_ns);
    }
}

/* The publish task has run for it. */
void blob_published(struct blob *b, const struct hfp_err *err)
{
    b->published = err->code == HFP_OK;
    delta_published(b);
    delta_leave(b);
    if (b->published)
        blob_move(b, BLOBEV_PUBLISHED);
    else
        blob_fail(b, err);
}
