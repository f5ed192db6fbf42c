#include "daemon/worker.h"

#include "front/text.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
    struct worker_task *head, **tail;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the two lists and stop */
    pthread_cond_t more;
    struct list todo, over;
    bool stop;
    int wake_fd;
    size_t waiting; /* the loop's own count */
};

static void list_clear(struct list *l)
{
    l->head = NULL;
    l->tail = &l->head;
}

static void list_add(struct list *l, struct worker_task *t)
{
    t->next = NULL;
    *l->tail = t;
    l->tail = &t->next;
}

static struct worker_task *list_take(struct list *l)
{
    struct worker_task *t = l->head;
    if (t && !(l->head = t->next))
        l->tail = &l->head;
    return t;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        struct worker_task *t = list_take(&w->todo);
        if (!t && w->stop)
            break;
        if (!t) {
            pthread_cond_wait(&w->more, &w->mutex);
            continue;
        }
        pthread_mutex_unlock(&w->mutex);
        t->run(t);
        pthread_mutex_lock(&w->mutex);
        list_add(&w->over, t);
        uint64_t one = 1;
        if (write(w->wake_fd, &one, sizeof one) < 0)
            continue; /* full: it is readable, which is all we want */
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int worker_new(struct worker **out, int wake_fd, struct hfp_err *err)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return fault_nomem(err);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->more, NULL);
    list_clear(&w->todo);
    list_clear(&w->over);
    w->wake_fd = wake_fd;
    sigset_t all, old;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        free(w);
        return fault(err, HFP_E_INTERNAL, "start a thread: %s.", strerror(rc));
    }
    *out = w;
    return HFP_OK;
}

void worker_submit(struct worker *w, struct worker_task *t)
{
    w->waiting++;
    pthread_mutex_lock(&w->mutex);
    list_add(&w->todo, t);
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
}

size_t worker_waiting(const struct worker *w)
{
    return w->waiting;
}

void worker_turn(struct worker *w)
{
    pthread_mutex_lock(&w->mutex);
    struct list over = w->over;
    list_clear(&w->over);
    pthread_mutex_unlock(&w->mutex);
    while (over.head) {
        struct worker_task *t = over.head;
        over.head = t->next;
        w->waiting--;
        t->done(t);
    }
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    worker_turn(w);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}
