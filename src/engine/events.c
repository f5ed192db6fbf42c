#include "engine/events.h"

#include "base/auto.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SPARE_STRINGS 4096 /* a repository, a revision and a snapshot folder; longer ones are left out */

struct entry {
    struct entry *next;
    struct hfp_event event;
    char strings[]; /* repo, revision, path, hash, text, snapshot, host */
};

struct events {
    pthread_mutex_t mutex; /* guards the list and the count */
    struct entry *head, **tail;
    unsigned waiting;
    struct entry *spare; /* for the DONE that there is no memory for: who waits for it would wait for ever */
    int fd;
    /* caller's side */
    struct entry *taken;
    uint64_t seq;
};

int events_new(struct events **out, struct hfp_err *err)
{
    struct events *e = calloc(1, sizeof *e);
    if (!e)
        return err_nomem(err);
    e->spare = malloc(sizeof *e->spare + SPARE_STRINGS);
    e->fd = e->spare ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (e->fd < 0) {
        int rc = e->spare ? err_sys(err, HFP_E_INTERNAL, errno, "eventfd") : err_nomem(err);
        free(e->spare);
        free(e);
        return rc;
    }
    pthread_mutex_init(&e->mutex, NULL);
    e->tail = &e->head;
    *out = e;
    return HFP_OK;
}

void events_free(struct events *e)
{
    if (!e)
        return;
    while (e->head) {
        struct entry *n = e->head;
        e->head = n->next;
        free(n);
    }
    free(e->taken);
    free(e->spare);
    close(e->fd);
    pthread_mutex_destroy(&e->mutex);
    free(e);
}

int events_fd(const struct events *e)
{
    return e->fd;
}

static size_t length(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *keep(char **at, const char *s)
{
    if (!s)
        return NULL;
    size_t n = strlen(s) + 1;
    char *kept = memcpy(*at, s, n);
    *at += n;
    return kept;
}

static size_t strings_length(const struct hfp_event *ev)
{
    return length(ev->repo) + length(ev->revision) + length(ev->path) + length(ev->hash) + length(ev->text) +
           length(ev->snapshot) + length(ev->host);
}

static void entry_fill(struct entry *n, const struct hfp_event *ev)
{
    n->next = NULL;
    n->event = *ev;
    char *at = n->strings;
    n->event.repo = keep(&at, ev->repo);
    n->event.revision = keep(&at, ev->revision);
    n->event.path = keep(&at, ev->path);
    n->event.hash = keep(&at, ev->hash);
    n->event.text = keep(&at, ev->text);
    n->event.snapshot = keep(&at, ev->snapshot);
    n->event.host = keep(&at, ev->host);
}

static struct entry *entry_copy(const struct hfp_event *ev)
{
    struct entry *n = malloc(sizeof *n + strings_length(ev));
    if (n)
        entry_fill(n, ev);
    return n;
}

/* The mutex is held. */
static struct entry *entry_spare(struct events *e, const struct hfp_event *ev)
{
    struct entry *n = ev->type == HFP_EV_DONE ? ptr_steal(&e->spare) : NULL;
    if (!n)
        return NULL;
    struct hfp_event shorter = *ev;
    if (strings_length(ev) >
        SPARE_STRINGS) /* the state and the error are in the status; a snapshot path is not needed */
        shorter.repo = shorter.revision = shorter.path = shorter.hash = shorter.text = shorter.snapshot = shorter.host =
            NULL;
    entry_fill(n, &shorter);
    return n;
}

static bool may_drop(enum hfp_event_type type)
{
    return type == HFP_EV_FILE || type == HFP_EV_CHUNK || type == HFP_EV_NOTE || type == HFP_EV_PROGRESS;
}

/* The mutex is held. */
static void drop_old_progress(struct events *e, uint64_t job)
{
    for (struct entry **at = &e->head; *at; at = &(*at)->next) {
        struct entry *n = *at;
        if (n->event.type != HFP_EV_PROGRESS || n->event.status.job != job)
            continue;
        *at = n->next;
        if (!n->next)
            e->tail = at;
        e->waiting--;
        free(n);
        return; /* there is never more than one */
    }
}

void events_push(struct events *e, const struct hfp_event *event)
{
    struct entry *n = entry_copy(event);
    pthread_mutex_lock(&e->mutex);
    if (!n)
        n = entry_spare(e, event);
    else if (!e->spare)
        e->spare = malloc(sizeof *e->spare + SPARE_STRINGS);
    if (event->type == HFP_EV_PROGRESS)
        drop_old_progress(e, event->status.job);
    if (!n || (e->waiting >= EVENTS_MAX && may_drop(event->type))) {
        free(n);
    } else {
        *e->tail = n;
        e->tail = &n->next;
        e->waiting++;
    }
    pthread_mutex_unlock(&e->mutex);
    uint64_t one = 1;
    if (write(e->fd, &one, sizeof one) < 0)
        assert(errno == EAGAIN); /* the counter is full: it is readable, which is all we want */
}

bool events_room(struct events *e)
{
    pthread_mutex_lock(&e->mutex);
    bool room = e->waiting < EVENTS_MAX / 2;
    pthread_mutex_unlock(&e->mutex);
    return room;
}

const struct hfp_event *events_next(struct events *e)
{
    free(ptr_steal(&e->taken));
    pthread_mutex_lock(&e->mutex);
    struct entry *n = e->head;
    if (n) {
        e->head = n->next;
        e->waiting--;
        if (!e->head)
            e->tail = &e->head;
    } else {
        uint64_t count;
        if (read(e->fd, &count, sizeof count) < 0)
            assert(errno == EAGAIN);
    }
    pthread_mutex_unlock(&e->mutex);
    if (!n)
        return NULL;
    n->event.seq = ++e->seq;
    e->taken = n;
    return &n->event;
}
