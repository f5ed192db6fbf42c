#include "engine/blob.h"

#include "base/auto.h"

#include <stdlib.h>

/* The in-order hash of a file under way (verify/front.h): one step at a time on a hash worker, as far as blocks are
 * there. */

static unsigned front_items(struct blob *b, struct front_step *s)
{
    unsigned n = 0;
    while (n < FRONT_STEP_BLOCKS && b->front + n < b->blocks) {
        uint64_t i = b->front + n;
        enum mark mark = b->mark[i];
        if (mark != MARK_GUESS && mark != MARK_KEPT && mark != MARK_WRITTEN)
            break;
        s->item[n].source = b->rehash || mark == MARK_WRITTEN ? FRONT_TRUST
                            : mark == MARK_KEPT               ? FRONT_CHECK
                                                              : FRONT_LEARN;
        n++;
    }
    return n;
}

static void front_bad(struct blob *b, uint64_t index)
{
    struct job *job = b->job;
    size_t n = block_length(b->file->size_bytes, index);
    b->mark[index] = MARK_ABSENT;
    b->missing = index;
    job->refetched_debt += n;
    job->status.refetched_bytes += n;
    if (b->damaged)
        b->repaired_bytes += n;
    note_text(job, HFP_LOG_INFO, b->file->path, "block %llu changed on disk since it was recorded; fetched again",
              (unsigned long long)index);
    sourcing_want(b, index);
}

static void front_finish(struct blob *b)
{
    struct content_id id;
    struct hfp_err err;
    int rc = digest_end(b->digest, &id, &err);
    digest_free(ptr_steal(&b->digest));
    if (rc) {
        blob_fail(b, &err);
        return;
    }
    bool right = content_id_equal(&id, &b->place.id);
    if (b->state == BLOB_REPAIR)
        repairing_hashed(b, right);
    else
        blob_move(b, right ? BLOBEV_RIGHT : BLOBEV_WRONG);
}

/* Of a guess that was hashed: copied here in this run, taken over in this run, or left by an earlier run of ours. */
static void count_guess(struct blob *b, size_t n)
{
    struct job *job = b->job;
    pipeline_count(b, n);
    if (b->elsewhere)
        job->elsewhere_bytes += n;
    else if (b->partial->adopted_from[0])
        job->status.adopted_bytes += n;
    else
        job->status.kept_bytes += n;
}

static void front_hashed(struct blob *b, const struct front_step *s)
{
    for (unsigned i = 0; i < s->hashed; i++) {
        uint64_t index = s->first + i;
        if (s->item[i].source == FRONT_LEARN)
            count_guess(b, block_length(b->file->size_bytes, index));
        b->mark[index] = MARK_WRITTEN;
    }
    keeping_passed(b, b->front, b->front + s->hashed);
    b->front += s->hashed;
    b->front_ns = core_now(b->job->core);
    if (b->fetch)
        pipeline_missing(b);
}

static void front_done(struct task *t)
{
    AUTO_FREE struct front_step *s = container_of(t, struct front_step, task);
    struct blob *b = s->owner;
    b->hashing = 0;
    keeping_returned(b);
    b->busy--;
    b->job->busy--;
    if (b->failed)
        return;
    front_hashed(b, s);
    if (s->err.code != HFP_OK) {
        err_wrap(&s->err, "%s", b->file->path);
        blob_fail(b, &s->err);
    } else if (s->bad) {
        front_bad(b, b->front);
    } else {
        pipeline_front(b);
    }
}

void pipeline_front(struct blob *b)
{
    bool wants = b->state == BLOB_FETCH || (b->state == BLOB_REPAIR && b->rehash);
    if (!wants || b->hashing || b->failed || b->small || !b->digest)
        return;
    if (b->front == b->blocks) {
        front_finish(b);
        return;
    }
    struct front_step *s = calloc(1, sizeof *s);
    if (!s) {
        struct hfp_err err;
        err_nomem(&err);
        blob_fail(b, &err);
        return;
    }
    s->count = front_items(b, s);
    if (s->count == 0) {
        free(s);
        return;
    }
    s->task = (struct task){ .run = front_step_run, .done = front_done };
    s->owner = b;
    s->digest = b->digest;
    s->partial = b->partial;
    s->first = b->front;
    keeping_lend(b, s);
    b->hashing = s->count;
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, LANE_HASH, &s->task);
}

/* From the first block again, after blocks were replaced. */
int pipeline_rehash(struct blob *b, struct hfp_err *err)
{
    b->front = 0;
    b->rehash = true;
    digest_free(ptr_steal(&b->digest));
    int rc = digest_new(&b->digest, b->place.id.kind, b->place.size_bytes, err);
    if (!rc)
        pipeline_front(b);
    return rc;
}
