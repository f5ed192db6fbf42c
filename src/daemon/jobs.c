#include "daemon/jobs.h"

#include "front/text.h"

#include <stdlib.h>
#include <string.h>

int jobs_add(struct jobs *q, struct job *j, struct hfp_err *err)
{
    if (!job_ended(j) && jobs_waiting(q) >= JOBS_MAX)
        return fault(err, HFP_E_ARG, "the queue is full: %d jobs.", JOBS_MAX);
    if (q->n == q->room) {
        size_t room = q->room ? 2 * q->room : 64;
        struct job **list = realloc(q->list, room * sizeof(struct job *));
        if (!list)
            return fault_nomem(err);
        q->list = list;
        q->room = room;
    }
    q->list[q->n++] = j;
    q->sorted = false;
    return HFP_OK;
}

void jobs_remove(struct jobs *q, struct job *j)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->list[i] != j)
            continue;
        memmove(q->list + i, q->list + i + 1, (q->n - i - 1) * sizeof(struct job *));
        q->n--;
        break;
    }
    q->sorted = false; /* positions move up */
    job_drop(j);
}

void jobs_done(struct jobs *q)
{
    for (size_t i = 0; i < q->n; i++)
        job_drop(q->list[i]);
    free(q->list);
    *q = (struct jobs){ 0 };
}

struct job *jobs_find(const struct jobs *q, const char *id)
{
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->list[i]->id, id) == 0)
            return q->list[i];
    return NULL;
}

struct job *jobs_find_engine(const struct jobs *q, uint64_t engine)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->list[i]->engine == engine)
            return q->list[i];
    return NULL;
}

struct job *jobs_find_key(const struct jobs *q, const char *key)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->list[i]->key && strcmp(q->list[i]->key, key) == 0)
            return q->list[i];
    return NULL;
}

struct job *jobs_find_same(const struct jobs *q, const struct job_ask *ask)
{
    for (size_t i = 0; i < q->n; i++)
        if (!job_ended(q->list[i]) && !q->list[i]->cancelling && job_ask_same(&q->list[i]->ask, ask))
            return q->list[i];
    return NULL;
}

/* 0 running, 1 waiting for its turn or paused, 2 ended */
static int section(const struct job *j)
{
    return job_ended(j) ? 2 : job_running(j) ? 0 : 1;
}

static int in_turn(const struct job *a, const struct job *b)
{
    if (a->ask.priority != b->ask.priority)
        return a->ask.priority > b->ask.priority ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return strcmp(a->id, b->id);
}

static int compare(const void *pa, const void *pb)
{
    const struct job *a = *(struct job *const *)pa, *b = *(struct job *const *)pb;
    int sa = section(a), sb = section(b);
    if (sa != sb)
        return sa - sb;
    if (sa != 2)
        return in_turn(a, b);
    if (a->ended_ms != b->ended_ms)
        return a->ended_ms > b->ended_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

void jobs_sort(struct jobs *q)
{
    if (q->sorted)
        return;
    if (q->n > 1)
        qsort(q->list, q->n, sizeof(struct job *), compare);
    uint64_t position = 0;
    for (size_t i = 0; i < q->n; i++)
        q->list[i]->position = job_state(q->list[i]) == HFP_QUEUED ? ++position : 0;
    q->sorted = true;
}

void jobs_changed(struct jobs *q)
{
    q->sorted = false;
}

static size_t running(const struct jobs *q, bool plans)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        n += job_running(q->list[i]) && (q->list[i]->ask.verb == HFP_PLAN) == plans;
    return n;
}

size_t jobs_running(const struct jobs *q)
{
    return running(q, false) + running(q, true);
}

size_t jobs_waiting(const struct jobs *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        n += !job_ended(q->list[i]);
    return n;
}

static bool held(const struct jobs *q, const struct job *j)
{
    return q->leaving && j->ask.type == q->leaving_type && strcmp(j->ask.repo, q->leaving) == 0;
}

struct job *jobs_next(struct jobs *q, size_t parallel)
{
    bool place = running(q, false) < parallel, plan_place = running(q, true) < PLANS_AT_ONCE;
    if (!place && !plan_place)
        return NULL;
    jobs_sort(q);
    for (size_t i = 0; i < q->n && !job_ended(q->list[i]); i++) {
        struct job *j = q->list[i];
        if (job_state(j) == HFP_QUEUED && !j->cancelling &&
            (j->ask.verb == HFP_PLAN ? plan_place : place && !held(q, j)))
            return j;
    }
    return NULL;
}

int64_t jobs_last_rank(const struct jobs *q)
{
    int64_t rank = 0;
    for (size_t i = 0; i < q->n; i++)
        if (q->list[i]->rank > rank)
            rank = q->list[i]->rank;
    return rank;
}

void jobs_move(struct jobs *q, struct job *j, const struct job *before)
{
    if (j == before)
        return;
    jobs_sort(q);
    const struct job *last = NULL;
    for (size_t i = 0; i < q->n; i++)
        if (q->list[i] != j && job_state(q->list[i]) == HFP_QUEUED)
            last = q->list[i];
    if (before)
        j->ask.priority = before->ask.priority;
    else if (last && last->ask.priority < j->ask.priority)
        j->ask.priority = last->ask.priority;
    /* Everybody of that priority gets a rank anew, with j in its place: 2, 4, 6 ... and j just before. */
    int64_t rank = 0;
    int64_t own = before ? -1 : jobs_last_rank(q) + 1;
    for (size_t i = 0; i < q->n; i++) {
        struct job *other = q->list[i];
        if (other == j || job_ended(other) || other->ask.priority != j->ask.priority || !before)
            continue;
        rank += 2;
        if (other == before)
            own = rank - 1;
        other->unsaved |= other->rank != rank;
        other->rank = rank;
    }
    j->rank = own;
    j->unsaved = true;
    q->sorted = false;
}

struct job *jobs_oldest(struct jobs *q)
{
    jobs_sort(q);
    size_t ended = q->n - jobs_waiting(q);
    return ended > JOBS_ENDED_MAX ? q->list[q->n - 1] : NULL;
}
