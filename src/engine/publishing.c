#include "engine/blob.h"

#include "base/auto.h"

#include <stdlib.h>

/* Proved contents get their names: in batches, each a task that syncs them together. */

#define PUBLISH_BATCH                                                                                                  \
    8 /* contents a task syncs one after the other: the first commits for all, the rest find little left */
#define PUBLISHERS_MAX                                                                                                 \
    8 /* tasks of a job at once, a thread each: syncs that wait side by side share the disk's flush */

struct publish_task {
    struct task task;
    struct job *job;
    unsigned count;
    int64_t unix_s;
    struct blob *blob[PUBLISH_BATCH];
    struct hfp_err err[PUBLISH_BATCH];
};

static int publish_one(struct job *job, struct blob *b, int64_t unix_s, struct hfp_err *err)
{
    delta_publish(b);
    int rc = publish_blob(&b->place, &b->partial, b->small ? b->small_block : NULL, unix_s, err);
    uint32_t first = links_come_last(&b->place) ? UINT32_MAX : job->plan->blob[b->index].file;
    for (uint32_t f = first; !rc && f != UINT32_MAX; f = job->plan->next_file[f])
        rc = publish_link(&b->place, job->commit, listing_at(job->listing, f)->path, unix_s, err);
    if (!rc)
        delta_named(b);
    if (!rc)
        partial_sweep(&b->place, unix_s);
    fd_closep(&b->lock_fd);
    return rc ? err_wrap(err, "%s", b->file->path) : HFP_OK;
}

static void publish_run(struct task *t)
{
    struct publish_task *p = container_of(t, struct publish_task, task);
    struct partial *pts[PUBLISH_BATCH];
    for (unsigned i = 0; i < p->count; i++)
        pts[i] = p->blob[i]->partial;
    publish_prepare(pts, p->count);
    for (unsigned i = 0; i < p->count; i++)
        publish_one(p->job, p->blob[i], p->unix_s, &p->err[i]);
}

static void publish_done(struct task *t)
{
    AUTO_FREE struct publish_task *p = container_of(t, struct publish_task, task);
    p->job->publishing--;
    p->job->busy--;
    for (unsigned i = 0; i < p->count; i++) {
        p->blob[i]->busy--;
        blob_published(p->blob[i], &p->err[i]);
    }
}

void publishing_add(struct blob *b)
{
    struct job *job = b->job;
    b->next_ready = NULL;
    job->unpublished++;
    b->queued = true;
    *job->ready_tail = b;
    job->ready_tail = &b->next_ready;
    job->wake = true;
}

/* Those that no other task uses (a periodic sync may still run); the rest wait for the next batch. */
static unsigned take_ready(struct job *job, struct blob **out)
{
    unsigned n = 0;
    struct blob **at = &job->ready;
    while (*at && n < PUBLISH_BATCH) {
        struct blob *b = *at;
        if (b->busy > 0) {
            at = &b->next_ready;
            continue;
        }
        *at = b->next_ready;
        out[n++] = b;
    }
    while (*at)
        at = &(*at)->next_ready;
    job->ready_tail = at;
    return n;
}

/* While the disk keeps up each content goes alone; when it does not, batches grow and their syncs get cheaper. */
bool publishing_batch(struct job *job)
{
    if (job->publishing == PUBLISHERS_MAX || !job->ready)
        return false;
    struct publish_task *p = calloc(1, sizeof *p);
    struct hfp_err err;
    if (!p) {
        err_nomem(&err);
        job_end(job, &err);
        return false;
    }
    p->count = take_ready(job, p->blob);
    if (p->count == 0) {
        free(p);
        return false;
    }
    p->task = (struct task){ .run = publish_run, .done = publish_done };
    p->job = job;
    p->unix_s = core_unix_s(job->core);
    for (unsigned i = 0; i < p->count; i++)
        p->blob[i]->busy++;
    job->publishing++;
    job->busy++;
    work_submit(job->core->config.work, LANE_PUBLISH, &p->task);
    return true;
}
