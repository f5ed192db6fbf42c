#include "engine/blob.h"

#include "base/auto.h"
#include "base/units.h"
#include "cache/lock.h"
#include "cache/shared.h"

#include <stdio.h>
#include <stdlib.h>

/* What a content needs done that waits for the disk: claimed, proved, linked, closed. A task each; the outcome moves it. */

struct errand_task {
    struct task task;
    struct blob *blob;
    enum errand errand;
    int64_t unix_s;
    /* results */
    enum blob_event outcome;
    struct partial_look look;
    long holder;
    struct prove prove;
    struct hfp_err err;
};

static int lock_place(struct blob *b, struct hfp_err *err)
{
    int rc = place_prepare(&b->place, err);
    return rc || b->lock_fd >= 0 ? rc : lock_try(&b->lock_fd, &b->place, err);
}

/* A note says what lies there: so under the lock, and when that is still what was proved. HFP_E_LOCKED: another process is
 * at it, or has put another revision into the folder. */
static int lock_to_link(struct blob *b, struct hfp_err *err)
{
    struct receipt_look look;
    int rc = b->lock_fd >= 0 ? HFP_OK : lock_place(b, err);
    if (!rc)
        rc = receipt_look(&look, &b->place, err);
    return rc || look.file_present ? rc : HFP_E_LOCKED;
}

static int link_all(struct blob *b, int64_t unix_s, struct hfp_err *err)
{
    const struct job *job = b->job;
    for (uint32_t f = job->plan->blob[b->index].file; f != UINT32_MAX; f = job->plan->next_file[f]) {
        const char *path = listing_at(job->listing, f)->path;
        bool linked = false;
        int rc = publish_linked(&linked, &b->place, job->commit, path, err);
        if (!rc && !linked)
            rc = lock_to_link(b, err);
        if (!rc && !linked)
            rc = publish_link(&b->place, job->commit, path, unix_s, err);
        if (rc)
            return rc;
    }
    return HFP_OK;
}

/* What others left is swept under the lock too; for the cache also at the end of the job. */
static void link_run(struct errand_task *e)
{
    struct blob *b = e->blob;
    bool later = links_come_last(&b->place);
    int rc = later ? HFP_OK : link_all(b, e->unix_s, &e->err);
    if (!rc && (b->lock_fd >= 0 || (!later && !b->small && lock_place(b, NULL) == HFP_OK)))
        partial_sweep(&b->place, e->unix_s);
    fd_closep(&b->lock_fd);
    e->outcome = rc == HFP_E_LOCKED ? BLOBEV_CLAIM : BLOBEV_PUBLISHED; /* from the beginning, under the lock */
    if (rc == HFP_E_LOCKED)
        e->err.code = HFP_OK;
}

/* What lies there is not the file that we read and found wrong: someone else has repaired it meanwhile. */
static bool replaced(const struct blob *b, const struct stat *now)
{
    return b->bad.st_ino != now->st_ino || b->bad.st_ctim.tv_sec != now->st_ctim.tv_sec ||
           b->bad.st_ctim.tv_nsec != now->st_ctim.tv_nsec;
}

/* Under the lock: someone else may have finished it while we waited. */
static int claim_locked(struct errand_task *e)
{
    struct blob *b = e->blob;
    const struct spec *spec = &b->job->spec;
    struct receipt_look look = { 0 };
    if (b->file->size_bytes == 0) {
        e->outcome = BLOBEV_HERE;
        return publish_empty(&b->place, e->unix_s, &e->err);
    }
    if (!spec->force) {
        int rc = receipt_look(&look, &b->place, &e->err);
        if (rc)
            return rc;
        if (look.file_present && (!b->damaged || replaced(b, &look.st))) {
            e->outcome = look.verdict == RECEIPT_HOLDS ? BLOBEV_HERE : BLOBEV_PRESENT;
            return HFP_OK;
        }
    }
    struct xet_hash file;
    if (b->job->plan->blob[b->index].shared && !b->damaged && xet_hash_listed(&file, b->file) &&
        shared_link(&b->place, &file)) {
        e->outcome = BLOBEV_PRESENT;
        return HFP_OK;
    }
    int rc = b->damaged || look.file_wrong_size
                 ? partial_demote(&b->partial, &b->place, b->job->commit, e->unix_s, &b->job->stop, &e->err)
                 : partial_claim(&b->partial, &b->place, b->job->commit, spec->force, e->unix_s, &e->err);
    if (!rc)
        rc = adopting_fill(b, &e->err);
    if (!rc)
        rc = elsewhere_fill(b, &e->err);
    bool copied = false;
    if (!rc && b->small && b->job->local_only && b->job->store->is_local)
        rc = elsewhere_copy_small(&copied, b, &e->err);
    e->outcome = copied ? BLOBEV_RIGHT : BLOBEV_CLAIMED;
    if (!rc && !b->small && b->job->core->config.user.direct_io != HFP_DIRECT_OFF)
        partial_open_direct(b->partial);
    if (!rc)
        delta_claimed(b);
    return rc;
}

static void claim_run(struct errand_task *e)
{
    struct blob *b = e->blob;
    int rc = lock_place(b, &e->err);
    if (!rc)
        rc = claim_locked(e);
    if (!rc)
        e->err.code = HFP_OK; /* of a try that was overcome */
    if (rc == HFP_E_LOCKED) {
        fd_closep(&b->lock_fd);
        partial_look(&e->look, &b->place, e->unix_s);
        e->holder = lock_holder(&b->place);
        e->outcome = BLOBEV_LOCKED;
        e->err.code = HFP_OK;
    }
}

static void prove_run(struct errand_task *e)
{
    struct blob *b = e->blob;
    e->prove = (struct prove){ .place = &b->place, .stop = &b->job->stop, .read_bytes = &b->read_bytes };
    if (prove_file(&e->prove, e->unix_s, &e->err) == HFP_OK)
        e->outcome = e->prove.verdict == PROVE_MATCHES ? BLOBEV_RIGHT : BLOBEV_WRONG;
}

static void close_run(struct errand_task *e)
{
    struct blob *b = e->blob;
    if (b->partial) {
        /* What is worth keeping the notebook tells: a batch that failed half-way has records that nobody counted. */
        if (!b->small)
            partial_sync(b->partial, e->unix_s, NULL);
        partial_close(b->partial, !b->small);
        b->partial = NULL;
    }
    fd_closep(&b->lock_fd);
    e->outcome = BLOBEV_CLOSED;
}

static void errand_run(struct task *t)
{
    struct errand_task *e = container_of(t, struct errand_task, task);
    switch (e->errand) {
    case ERRAND_CLAIM:
        claim_run(e);
        break;
    case ERRAND_PROVE:
        prove_run(e);
        break;
    case ERRAND_LINK:
        link_run(e);
        break;
    case ERRAND_CLOSE:
        close_run(e);
        break;
    }
}

static void locked(struct blob *b, const struct errand_task *e)
{
    uint64_t now_ns = core_now(b->job->core);
    bool grew = e->look.bytes_seen > b->holder_bytes;
    b->holder = e->holder;
    b->holder_bytes = e->look.bytes_seen;
    if (b->locked_since_ns == 0 || grew)
        b->locked_since_ns = now_ns;
}

static void proved(struct blob *b, const struct errand_task *e)
{
    struct job *job = b->job;
    if (e->outcome == BLOBEV_RIGHT) {
        pipeline_count(b, b->file->size_bytes - b->counted_bytes);
        return;
    }
    running_damaged(b);
    job->unproved_bytes += job->spec.verb == HFP_VERIFY && e->prove.verdict == PROVE_DIFFERS ? b->file->size_bytes : 0;
    b->bad = e->prove.st;
    char text[200], size[UNITS_TEXT], where[UNITS_TEXT];
    bool absent = e->prove.verdict == PROVE_ABSENT;
    uint64_t at = e->prove.first_bad * BLOCK_BYTES;
    if (e->prove.blocks_known && e->prove.bad_blocks == 1)
        snprintf(text, sizeof text, "block %llu (%s at %s)", (unsigned long long)e->prove.first_bad,
                 units_bytes(size, block_length(b->file->size_bytes, e->prove.first_bad)), units_bytes(where, at));
    else if (e->prove.blocks_known && e->prove.bad_blocks > 1)
        snprintf(text, sizeof text, "%llu of %llu blocks, the first is block %llu at %s",
                 (unsigned long long)e->prove.bad_blocks, (unsigned long long)b->blocks,
                 (unsigned long long)e->prove.first_bad, units_bytes(where, at));
    else
        snprintf(text, sizeof text, absent ? "missing" : "content is not what the Hub lists");
    note_file(b, b->file, absent ? HFP_FILE_MISSING : HFP_FILE_DAMAGED, text);
    if (job->spec.verb != HFP_VERIFY && !absent)
        note_text(job, HFP_LOG_WARN, b->file->path, "damaged: %s", text);
    job->files_missing += absent;
    job->files_damaged += !absent;
    running_name_file(job, b->file->path, text);
}

static void errand_done(struct task *t)
{
    AUTO_FREE struct errand_task *e = container_of(t, struct errand_task, task);
    struct blob *b = e->blob;
    b->busy--;
    b->job->busy--;
    b->job->read_bytes += atomic_exchange(&b->read_bytes, 0);
    if (e->errand == ERRAND_CLOSE) {
        blob_move(b, BLOBEV_CLOSED);
        return;
    }
    if (b->failed)
        return; /* blob_turn closes it */
    if (e->err.code != HFP_OK) {
        err_wrap(&e->err, "%s", b->file->path);
        blob_fail(b, &e->err);
        return;
    }
    if (e->outcome == BLOBEV_LOCKED)
        locked(b, e);
    else if (e->errand == ERRAND_CLAIM)
        b->locked_since_ns = 0;
    if (e->errand == ERRAND_CLAIM && e->outcome == BLOBEV_RIGHT) {
        pipeline_count(b, b->file->size_bytes);
        b->job->elsewhere_bytes += b->file->size_bytes;
    }
    if (e->errand == ERRAND_PROVE)
        proved(b, e);
    if (e->errand == ERRAND_PROVE && b->job->spec.verb == HFP_INDEX) {
        blob_move(b, e->outcome == BLOBEV_RIGHT ? BLOBEV_INDEX : BLOBEV_VERIFIED);
        return;
    }
    if (e->errand == ERRAND_PROVE && b->job->spec.verb == HFP_VERIFY) {
        running_verified(b, e->outcome == BLOBEV_RIGHT);
        return;
    }
    if (e->errand == ERRAND_PROVE && e->outcome == BLOBEV_WRONG && b->job->local_only) {
        blob_fail_offline(b, "not what the Hub lists");
        return;
    }
    blob_move(b, e->outcome);
}

void errand_begin(struct blob *b, enum errand what)
{
    struct errand_task *e = calloc(1, sizeof *e);
    if (!e &&
        what == ERRAND_CLOSE) { /* what lets go of things cannot wait for memory: here, late is better than never */
        struct errand_task here = { .blob = b, .unix_s = core_unix_s(b->job->core) };
        close_run(&here);
        blob_move(b, here.outcome);
        return;
    }
    if (!e) {
        struct hfp_err err;
        err_nomem(&err);
        blob_fail(b, &err);
        return;
    }
    *e = (struct errand_task){ .task = { .run = errand_run, .done = errand_done },
                               .blob = b,
                               .errand = what,
                               .unix_s = core_unix_s(b->job->core) };
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, what == ERRAND_PROVE ? LANE_HASH : LANE_FILES, &e->task);
}
