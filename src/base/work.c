#include "base/work.h"
#include "base/auto.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Threads start when their lane first gets work: a command that finds everything in place starts none of them.
 * Two writers and two hashers use two cores fully; more cores get one hasher each up to four, for files in parallel. */
#define LANE_THREADS_MAX 8
#define HASHERS_MAX 4

struct lane {
    pthread_cond_t more;
    struct task *head, **tail;
    unsigned threads, wanted, idle, running;
    unsigned queued; /* an idle worker counts as one until it has really woken up and taken something */
    pthread_t thread[LANE_THREADS_MAX];
};

struct work_threads {
    struct work base;
    pthread_mutex_t mutex; /* guards everything below */
    struct lane lane[LANES];
    struct task *finished, **finished_tail;
    unsigned busy;
    bool stop;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

struct worker_start {
    struct work_threads *work;
    struct lane *lane;
};

/* The mutex is held. One wake-up is enough for all that is there when the loop looks: it looks after every wake-up. */
static void finish(struct work_threads *w, struct task *t)
{
    bool first = !w->finished;
    t->next = NULL;
    *w->finished_tail = t;
    w->finished_tail = &t->next;
    if (first)
        w->wake(w->wake_ctx);
}

static struct task *lane_take(struct work_threads *w, struct lane *lane)
{
    while (!lane->head && !w->stop) {
        lane->idle++;
        pthread_cond_wait(&lane->more, &w->mutex);
        lane->idle--;
    }
    struct task *t = lane->head;
    if (!t)
        return NULL;
    lane->head = t->next;
    lane->queued--;
    if (!lane->head)
        lane->tail = &lane->head;
    return t;
}

static void *worker(void *arg)
{
    struct worker_start start = *(struct worker_start *)arg;
    free(arg);
    struct work_threads *w = start.work;
    pthread_mutex_lock(&w->mutex);
    for (struct task *t; (t = lane_take(w, start.lane));) {
        start.lane->running++;
        pthread_mutex_unlock(&w->mutex);
        t->run(t);
        pthread_mutex_lock(&w->mutex);
        start.lane->running--;
        finish(w, t);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* The mutex is held. Failing to start a further thread is fine while the lane has one. */
static void lane_grow(struct work_threads *w, struct lane *lane)
{
    struct worker_start *start = malloc(sizeof *start);
    if (!start)
        return;
    *start = (struct worker_start){ w, lane };
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&lane->thread[lane->threads], NULL, worker, start) == 0)
        lane->threads++;
    else
        free(start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void threads_submit(struct work *base, enum work_lane which, struct task *t)
{
    struct work_threads *w = (struct work_threads *)base;
    struct lane *lane = &w->lane[which];
    pthread_mutex_lock(&w->mutex);
    w->busy++;
    t->next = NULL;
    *lane->tail = t;
    lane->tail = &t->next;
    lane->queued++;
    if (lane->queued > lane->idle && lane->threads < lane->wanted)
        lane_grow(w, lane);
    bool nobody = lane->threads == 0;
    pthread_cond_signal(&lane->more);
    if (nobody) { /* no thread could be had at all: do it here, late is better than never */
        lane->head = t->next;
        lane->tail = &lane->head;
        lane->queued--;
    }
    pthread_mutex_unlock(&w->mutex);
    if (nobody) {
        t->run(t);
        pthread_mutex_lock(&w->mutex);
        finish(w, t); /* the loop may be about to wait */
        pthread_mutex_unlock(&w->mutex);
    }
}

static bool threads_poll(struct work *base)
{
    struct work_threads *w = (struct work_threads *)base;
    pthread_mutex_lock(&w->mutex);
    struct task *t = w->finished;
    w->finished = NULL;
    w->finished_tail = &w->finished;
    pthread_mutex_unlock(&w->mutex);
    bool any = t != NULL;
    while (t) {
        struct task *next = t->next;
        t->done(t);
        pthread_mutex_lock(&w->mutex);
        w->busy--;
        pthread_mutex_unlock(&w->mutex);
        t = next;
    }
    return any;
}

static unsigned threads_busy(const struct work *base)
{
    struct work_threads *w = (struct work_threads *)(uintptr_t)base;
    pthread_mutex_lock(&w->mutex);
    unsigned n = w->busy;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

static void wake_nobody(void *ctx)
{
    (void)ctx;
}

/* Waits for a lane's threads. A name look-up can hang for minutes and cannot be cut: its thread is left to itself, and
 * with it the little it still uses; false then. */
static bool lane_end(struct lane *lane, bool may_leave)
{
    for (unsigned j = 0; j < lane->threads; j++)
        if (may_leave)
            pthread_detach(lane->thread[j]);
        else
            pthread_join(lane->thread[j], NULL);
    return !may_leave;
}

static void threads_free(struct work *base)
{
    struct work_threads *w = (struct work_threads *)base;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    w->wake = wake_nobody;
    bool hangs = w->lane[LANE_NAMES].running > 0;
    for (int i = 0; i < LANES; i++)
        pthread_cond_broadcast(&w->lane[i].more);
    pthread_mutex_unlock(&w->mutex);
    bool all = true;
    for (int i = 0; i < LANES; i++)
        all &= lane_end(&w->lane[i], i == LANE_NAMES && hangs);
    if (!all)
        return;
    threads_poll(base); /* what finished last still owns memory */
    for (int i = 0; i < LANES; i++)
        pthread_cond_destroy(&w->lane[i].more);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

int work_threads_new(struct work **out, void (*wake)(void *ctx), void *ctx, struct hfp_err *err)
{
    struct work_threads *w = calloc(1, sizeof *w);
    if (!w)
        return err_nomem(err);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned hashers = cores < 2 ? 2 : cores > HASHERS_MAX ? HASHERS_MAX : (unsigned)cores;
    static const unsigned fixed[LANES] = {
        [LANE_WRITE] = 2, [LANE_FILES] = 3, [LANE_PUBLISH] = 8, [LANE_SYNC] = 1, [LANE_NAMES] = 2
    };
    w->base = (struct work){ threads_submit, threads_poll, threads_busy, threads_free };
    pthread_mutex_init(&w->mutex, NULL);
    w->finished_tail = &w->finished;
    w->wake = wake;
    w->wake_ctx = ctx;
    for (int i = 0; i < LANES; i++) {
        pthread_cond_init(&w->lane[i].more, NULL);
        w->lane[i].tail = &w->lane[i].head;
        w->lane[i].wanted = i == LANE_HASH ? hashers : fixed[i];
    }
    *out = &w->base;
    return HFP_OK;
}
