#include "front/notify.h"

#include "front/clock.h"
#include "front/notify_letter.h"
#include "front/progress.h"
#include "front/text.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define QUEUE_MAX 64             /* messages waiting for one target; with more, the oldest is no news any more */
#define KEEP_NS (900 * NS_PER_S) /* how old a message may get */

static const unsigned delays_s[] = { 1, 5, 30, 60, 120, 300 };
#define DELAYS (sizeof delays_s / sizeof *delays_s)

struct waiting {
    struct letter *letter;
    uint64_t since_ns, next_ns;
    unsigned tries;
};

/* The lock guards the queue, sending and over; the rest is the thread's, or never changes. */
struct channel {
    struct notifier *notifier;
    char *text;   /* of a passing one: its address as it came; NULL: it lasts */
    bool over;    /* a passing one whose thread has ended or will at once */
    bool dropped; /* nothing of it is to be said any more */
    struct notify_target target;
    struct notify_way way;
    pthread_t thread;
    bool started;
    struct waiting queue[QUEUE_MAX];
    size_t n;
    bool sending; /* the first of the queue: it stays there meanwhile */
};

struct notifier {
    struct notifier_config config;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a queue, or stop */
    atomic_bool stop;
    struct channel *channel[NOTIFY_TARGETS_MAX];
    size_t channels;
    struct channel *passing[NOTIFY_PASSING_MAX];
    size_t passings;
};

static void wait_until(struct notifier *n, uint64_t ns)
{
    struct timespec until = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
    if (ns == UINT64_MAX)
        pthread_cond_wait(&n->changed, &n->lock);
    else
        pthread_cond_timedwait(&n->changed, &n->lock, &until);
}

static void log_text(const struct notifier *n, int level, const char *text)
{
    if (n->config.log)
        n->config.log(n->config.log_ctx, level, text);
}

/* With the lock held. */
static void drop_first(struct channel *c)
{
    letter_free(c->queue[0].letter);
    c->n--;
    memmove(c->queue, c->queue + 1, c->n * sizeof *c->queue);
    pthread_cond_broadcast(&c->notifier->changed);
}

/* Of the first failure one line, and of the end; what happens in between is nobody's news. */
static void log_failure(const struct notifier *n, bool gone, const struct hfp_err *err)
{
    char text[sizeof err->message + 64];
    snprintf(text, sizeof text, "notification not delivered%s: %s", gone ? ", given up" : ", tried again",
             err->message);
    log_text(n, HFP_LOG_WARN, text);
}

/* With the lock held, but not while it sends or logs. The message leaves the queue when all is said about it: who waits
 * for an empty queue then knows how it ended. */
static void attempt(struct channel *c)
{
    struct notifier *n = c->notifier;
    struct hfp_err err = { 0 };
    struct waiting w = c->queue[0];
    c->sending = true;
    pthread_mutex_unlock(&n->lock);
    enum notify_outcome outcome = notify_send(&c->target, &w.letter->said, &c->way, &err);
    w.next_ns = clock_mono_ns() + delays_s[w.tries < DELAYS ? w.tries : DELAYS - 1] * NS_PER_S;
    bool gone = outcome != NOTIFY_AGAIN || w.next_ns - w.since_ns >= KEEP_NS;
    if (outcome != NOTIFY_SENT && (gone || w.tries == 0) && !atomic_load(&n->stop))
        log_failure(n, gone, &err);
    w.tries++;
    pthread_mutex_lock(&n->lock);
    c->sending = false;
    if (gone)
        drop_first(c);
    else
        c->queue[0] = w;
}

static void *deliver(void *ctx)
{
    struct channel *c = ctx;
    struct notifier *n = c->notifier;
    pthread_mutex_lock(&n->lock);
    while (!atomic_load(&n->stop)) {
        if (c->dropped || (c->n == 0 && c->text))
            break;
        if (c->n == 0)
            wait_until(n, UINT64_MAX);
        else if (c->queue[0].next_ns > clock_mono_ns())
            wait_until(n, c->queue[0].next_ns);
        else
            attempt(c);
    }
    c->over = true;
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(struct channel *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c->started = pthread_create(&c->thread, NULL, deliver, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return c->started;
}

int notifier_new(struct notifier **out, const struct notifier_config *config, struct hfp_err *err)
{
    struct notifier *n = calloc(1, sizeof *n);
    pthread_condattr_t monotonic;
    if (!n)
        return fault_nomem(err);
    n->config = *config;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out = n;
    return HFP_OK;
}

static int channel_new(struct channel **out, struct notifier *n, const char *target, bool trusted, struct hfp_err *err)
{
    struct channel *c = calloc(1, sizeof *c);
    if (!c)
        return fault_nomem(err);
    if (notify_target_parse(&c->target, target, trusted, err)) {
        free(c);
        return err->code;
    }
    c->notifier = n;
    c->way = (struct notify_way){ .trusted = trusted,
                                  .allow_local = n->config.allow_local,
                                  .ca_file = n->config.ca_file,
                                  .ca_dir = n->config.ca_dir,
                                  .stop = &n->stop };
    *out = c;
    return HFP_OK;
}

static void channel_free(struct channel *c)
{
    if (c->started)
        pthread_join(c->thread, NULL);
    for (size_t i = 0; i < c->n; i++)
        letter_free(c->queue[i].letter);
    free(c->text);
    free(c);
}

int notifier_add(struct notifier *n, const char *target, bool trusted, struct hfp_err *err)
{
    struct channel *c;
    if (n->channels == NOTIFY_TARGETS_MAX)
        return fault(err, HFP_E_ARG, "more than %d addresses", NOTIFY_TARGETS_MAX);
    if (channel_new(&c, n, target, trusted, err))
        return err->code;
    pthread_mutex_lock(&n->lock);
    n->channel[n->channels++] = c;
    pthread_mutex_unlock(&n->lock);
    return HFP_OK;
}

/* With the lock held. The first one may be on its way: it is not dropped. */
static void enqueue(struct channel *c, struct letter *letter)
{
    uint64_t now = clock_mono_ns();
    if (c->n == QUEUE_MAX) {
        size_t oldest = c->sending ? 1 : 0;
        letter_free(c->queue[oldest].letter);
        c->n--;
        memmove(c->queue + oldest, c->queue + oldest + 1, (c->n - oldest) * sizeof *c->queue);
    }
    c->queue[c->n++] = (struct waiting){ .letter = letter, .since_ns = now, .next_ns = now };
}

static bool put(struct channel *c, const struct notify_message *m)
{
    struct notifier *n = c->notifier;
    struct letter *letter = letter_new(m);
    if (!letter)
        return false;
    pthread_mutex_lock(&n->lock);
    enqueue(c, letter);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    return c->started || start_thread(c);
}

void notifier_say(struct notifier *n, const struct notify_message *m)
{
    if ((unsigned)m->event < NOTIFY_EVENT_COUNT && !(n->config.events & 1U << m->event))
        return;
    for (size_t i = 0; i < n->channels; i++)
        if (!put(n->channel[i], m))
            log_text(n, HFP_LOG_WARN, "notification dropped: no memory or thread for it");
}

/* Those that are over are taken away. A thread that says so has nothing left to wait for: the join is at once. */
static struct channel *passing_find(struct notifier *n, const char *target)
{
    struct channel *found = NULL, *gone[NOTIFY_PASSING_MAX];
    size_t left = 0, gones = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->passings; i++) {
        struct channel *c = n->passing[i];
        if (c->over) {
            gone[gones++] = c;
            continue;
        }
        n->passing[left++] = c;
        if (strcmp(c->text, target) == 0)
            found = c;
    }
    n->passings = left;
    pthread_mutex_unlock(&n->lock);
    for (size_t i = 0; i < gones; i++)
        channel_free(gone[i]);
    return found;
}

int notifier_say_to(struct notifier *n, const char *target, bool trusted, const struct notify_message *m,
                    struct hfp_err *err)
{
    struct channel *c = passing_find(n, target);
    struct letter *letter = letter_new(m);
    if (!letter)
        return fault_nomem(err);
    pthread_mutex_lock(&n->lock);
    bool lives = c && !c->over && !c->dropped; /* it may have ended since */
    if (lives) {
        enqueue(c, letter);
        pthread_cond_broadcast(&n->changed);
    }
    pthread_mutex_unlock(&n->lock);
    if (lives)
        return HFP_OK;
    c = NULL;
    if (n->passings == NOTIFY_PASSING_MAX)
        fault(err, HFP_E_ARG, "messages wait for %d other addresses", NOTIFY_PASSING_MAX);
    else if (channel_new(&c, n, target, trusted, err) == HFP_OK && !(c->text = strdup(target)))
        fault_nomem(err);
    if (!c || !c->text) {
        letter_free(letter);
        if (c)
            channel_free(c);
        return err->code;
    }
    enqueue(c, letter); /* nobody else knows it yet */
    if (!start_thread(c)) {
        channel_free(c);
        return fault(err, HFP_E_INTERNAL, "no thread for a notification");
    }
    pthread_mutex_lock(&n->lock);
    n->passing[n->passings++] = c;
    pthread_mutex_unlock(&n->lock);
    return HFP_OK;
}

void notifier_drop(struct notifier *n, const char *target)
{
    struct channel *c = passing_find(n, target);
    if (!c)
        return;
    pthread_mutex_lock(&n->lock);
    c->dropped = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
}

bool notify_meaning(enum notify_event *out, const struct hfp_event *ev)
{
    const struct hfp_status *st = &ev->status;
    if (st->verb == HFP_PLAN) /* a question, not a job */
        return false;
    if (ev->type == HFP_EV_PLAN && (st->fetch_bytes || st->prove_bytes))
        *out = NOTIFY_STARTED;
    else if (ev->type == HFP_EV_STALLED)
        *out = NOTIFY_STALLED;
    else if (ev->type == HFP_EV_RECOVERED)
        *out = NOTIFY_RECOVERED;
    else if (ev->type == HFP_EV_DONE && st->state == HFP_DONE)
        *out = NOTIFY_DONE;
    else if (ev->type == HFP_EV_DONE && st->state == HFP_FAILED)
        *out = NOTIFY_FAILED;
    else
        return false; /* who cancels a job knows it */
    return true;
}

void notifier_event(struct notifier *n, const struct hfp_event *ev, const char *job)
{
    struct notify_message m = { .repo = ev->repo,
                                .revision = ev->revision,
                                .type = ev->repo_type,
                                .job = job,
                                .status = &ev->status,
                                .unix_ms = ev->unix_ms };
    if (notify_meaning(&m.event, ev))
        notifier_say(n, &m);
}

bool notifier_wait(struct notifier *n, uint64_t ns)
{
    uint64_t until = clock_mono_ns() + ns;
    pthread_mutex_lock(&n->lock);
    for (;;) {
        size_t left = 0;
        for (size_t i = 0; i < n->channels; i++)
            left += n->channel[i]->n;
        for (size_t i = 0; i < n->passings; i++)
            left += n->passing[i]->n;
        if (left == 0 || clock_mono_ns() >= until) {
            pthread_mutex_unlock(&n->lock);
            return left == 0;
        }
        wait_until(n, until);
    }
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    atomic_store(&n->stop, true);
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    for (size_t i = 0; i < n->channels; i++)
        channel_free(n->channel[i]);
    for (size_t i = 0; i < n->passings; i++)
        channel_free(n->passing[i]);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

enum notify_outcome notify_test(const char *target, const struct notify_way *way, struct hfp_err *err)
{
    struct notify_target t;
    if (notify_target_parse(&t, target, way->trusted, err))
        return NOTIFY_REFUSED;
    struct notify_message m = { .event = NOTIFY_EVENT_COUNT, .repo = "hf-pull", .unix_ms = (int64_t)time(NULL) * 1000 };
    struct letter *letter = letter_new(&m);
    if (!letter) {
        fault_nomem(err);
        return NOTIFY_AGAIN;
    }
    enum notify_outcome outcome = notify_send(&t, &letter->said, way, err);
    letter_free(letter);
    return outcome;
}
