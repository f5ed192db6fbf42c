/* --progress-file: the progress (front/progress.h) of the job that runs, once a second.
 *
 * A thread of its own writes: the file may lie on a disk that hangs, which is no reason to hold up signals, the screen or
 * the end. The latest text waits for it; one that was not written in time is replaced by the next. */
#include "cli/view.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_EVERY_NS 1000000000ULL
#define LAST_WRITE_S 2 /* the end waits so long for the last text; then the thread is left behind */

struct progress_file {
    struct view view;
    char *path;
    uint64_t written_ns;
    struct hfp_status last;
    bool known; /* the total of the job is */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    char text[PROGRESS_TEXT];
    size_t n; /* 0: nothing to write */
    bool stop;
};

static void *work(void *arg)
{
    struct progress_file *p = arg;
    char text[PROGRESS_TEXT];
    pthread_mutex_lock(&p->lock);
    while (p->n || !p->stop) {
        size_t n = p->n;
        if (!n) {
            pthread_cond_wait(&p->more, &p->lock);
            continue;
        }
        memcpy(text, p->text, n);
        p->n = 0;
        pthread_mutex_unlock(&p->lock);
        progress_write(p->path, text, n);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void write_now(struct progress_file *p, uint64_t now_ns)
{
    pthread_mutex_lock(&p->lock);
    p->n = progress_text(p->text, &p->last);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    p->written_ns = now_ns;
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    struct progress_file *p = (struct progress_file *)v;
    bool was_known = p->known;
    p->last = ev->status;
    p->known = ev->type != HFP_EV_DONE && (p->known || ev->type == HFP_EV_PLAN);
    if (was_known != p->known || (p->known && now_ns - p->written_ns >= PROGRESS_EVERY_NS))
        write_now(p, now_ns);
}

static void tick(struct view *v, uint64_t now_ns)
{
    struct progress_file *p = (struct progress_file *)v;
    if (p->known && now_ns - p->written_ns >= PROGRESS_EVERY_NS)
        write_now(p, now_ns);
}

static void progress_file_free(struct view *v)
{
    struct progress_file *p = (struct progress_file *)v;
    struct timespec until;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LAST_WRITE_S;
    if (pthread_timedjoin_np(p->thread, NULL, &until) == ETIMEDOUT)
        return; /* what it still uses stays */
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p->path);
    free(p);
}

static bool thread_begin(struct progress_file *p)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool begun = pthread_create(&p->thread, NULL, work, p) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return begun;
}

struct view *progress_file_new(const char *path)
{
    static const struct view_ops ops = { .event = event, .tick = tick, .free = progress_file_free };
    struct progress_file *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->view.ops = &ops;
    p->path = strdup(path);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    if (!p->path || !thread_begin(p)) {
        free(p->path);
        free(p);
        return NULL;
    }
    return &p->view;
}
