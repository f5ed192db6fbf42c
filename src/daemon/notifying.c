#include "daemon/notifying.h"

#include "daemon/addresses.h"
#include "daemon/notifying_disk.h"
#include "daemon/worker.h"
#include "front/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LAST_NS 300000000ULL /* at the end: what is being said anyway; a dead address must not hold the daemon up */

struct test;

/* What waits for the store. */
struct news {
    struct news *next;
    char job[JOB_ID_SIZE];
    enum notify_event event;
    struct hfp_status status;
    int64_t unix_ms;
};

struct notifying {
    struct notifying_rooms rooms;
    struct notifier *notifier;
    struct worker *worker; /* of tests and looks at disks */
    struct notifying_disks disks;
    struct test *test;         /* under way, or NULL */
    struct news *news, **last; /* in the order of the store's answers */
    atomic_bool stop;
};

static void take_log(void *ctx, int level, const char *text)
{
    log_line(ctx, level, NULL, "%s", text);
}

int notifying_new(struct notifying **out, const struct notifying_rooms *rooms, struct hfp_err *err)
{
    const struct option_value *v = rooms->options->v, *fixed = &v[OPT_NOTIFY];
    struct notify_target t;
    struct hfp_err why = { 0 };
    if (fixed->list_n > NOTIFY_TARGETS_MAX)
        return fault(err, HFP_E_ARG, "notify: more than %d addresses.", NOTIFY_TARGETS_MAX);
    for (size_t i = 0; i < fixed->list_n; i++)
        if (notify_target_parse(&t, fixed->list[i], true, &why))
            return fault(err, HFP_E_ARG, "notify: %s.", why.message);
    struct notifying *n = calloc(1, sizeof *n);
    if (!n)
        return fault_nomem(err);
    n->rooms = *rooms;
    n->last = &n->news;
    const struct notifier_config config = { .events = NOTIFY_ALL,
                                            .allow_local = option_on(rooms->options, OPT_NOTIFY_LOCAL),
                                            .ca_file = v[OPT_CA_FILE].text,
                                            .ca_dir = rooms->options->ca_dir,
                                            .log = take_log,
                                            .log_ctx = (void *)(uintptr_t)rooms->log };
    if (notifier_new(&n->notifier, &config, err) || worker_new(&n->worker, rooms->wake_fd, err)) {
        notifying_free(n);
        return err->code;
    }
    *out = n;
    return HFP_OK;
}

static struct news *news_take(struct notifying *n)
{
    struct news *w = n->news;
    if (!(n->news = w->next))
        n->last = &n->news;
    return w;
}

void notifying_free(struct notifying *n)
{
    if (!n)
        return;
    atomic_store(&n->stop, true);
    worker_free(n->worker);
    if (n->notifier)
        notifier_wait(n->notifier, LAST_NS);
    notifier_free(n->notifier);
    notifying_disks_done(&n->disks);
    while (n->news)
        free(news_take(n));
    free(n);
}

/* ---- saying ---- */

static void say_to(struct notifying *n, const char *target, bool trusted, const struct notify_message *m)
{
    struct hfp_err err = { 0 };
    if (notifier_say_to(n->notifier, target, trusted, m, &err))
        log_line(n->rooms.log, HFP_LOG_WARN, m->job, "notification dropped: %s", err.message);
}

static bool in_list(const char *const *list, const char *text)
{
    for (; list && *list; list++)
        if (strcmp(*list, text) == 0)
            return true;
    return false;
}

static unsigned wanted(const struct notifying *n, const struct job *j)
{
    unsigned bits = 0;
    if (!j->ask.notify_on)
        return events_bits(n->rooms.settings->notify_on);
    for (char **word = j->ask.notify_on; *word; word++)
        bits |= events_bits(*word);
    return bits;
}

static void say(struct notifying *n, const struct job *j, struct notify_message *m)
{
    struct addresses all;
    const struct option_value *fixed = &n->rooms.options->v[OPT_NOTIFY];
    if (j->removed || j->ask.verb == HFP_PLAN || !(wanted(n, j) & 1U << m->event))
        return;
    m->repo = j->ask.repo;
    m->revision = j->ask.revision;
    m->type = j->ask.type;
    m->job = j->id;
    addresses_split(&all, n->rooms.settings->notify);
    for (size_t i = 0; i < fixed->list_n; i++)
        say_to(n, fixed->list[i], true, m);
    for (size_t i = 0; all.list[i]; i++)
        say_to(n, all.list[i], false, m);
    for (char **own = j->ask.notify; own && *own; own++)
        if (!in_list(all.list, *own))
            say_to(n, *own, false, m);
}

static void kept(void *ctx, const struct hfp_err *err)
{
    struct notifying *n = ctx;
    struct news *w = news_take(n);
    struct notify_message m = { .event = w->event, .status = &w->status, .unix_ms = w->unix_ms };
    const struct job *j = jobs_find(n->rooms.jobs, w->job);
    (void)err;
    if (j)
        say(n, j, &m);
    free(w);
}

void notifying_tell(struct notifying *n, const struct job *j, enum notify_event what)
{
    struct news *w = j->status ? malloc(sizeof *w) : NULL;
    if (!w)
        return;
    *w = (struct news){ .event = what, .status = *j->status, .unix_ms = clock_unix_ms() };
    memcpy(w->job, j->id, sizeof w->job);
    *n->last = w;
    n->last = &w->next;
    store_sync(n->rooms.store, kept, n);
}

void notifying_settings(struct notifying *n, const struct settings *before)
{
    struct addresses was, is;
    addresses_split(&was, before->notify);
    addresses_split(&is, n->rooms.settings->notify);
    for (size_t i = 0; was.list[i]; i++)
        if (!in_list(is.list, was.list[i]))
            notifier_drop(n->notifier, was.list[i]);
}

void notifying_json(struct out *o, const struct notifying *n)
{
    addresses_list_json(o, "notify_fixed", (const char *const *)n->rooms.options->v[OPT_NOTIFY].list);
}

/* ---- disks ---- */

static void fell(void *ctx, const char *job, uint64_t free_bytes, uint64_t to_come_bytes)
{
    struct notifying *n = ctx;
    struct notify_message m = { .event = NOTIFY_DISK_LOW, .free_bytes = free_bytes, .to_come_bytes = to_come_bytes };
    const struct job *j = jobs_find(n->rooms.jobs, job);
    if (!j || !j->status)
        return;
    m.status = j->status;
    m.unix_ms = clock_unix_ms();
    log_line(n->rooms.log, HFP_LOG_WARN, job, "%s: the disk has less room than what is still to come", j->ask.repo);
    say(n, j, &m);
}

uint64_t notifying_turn(struct notifying *n, uint64_t now_ns)
{
    worker_turn(n->worker);
    return notifying_disks_turn(&n->disks, n->rooms.jobs, hub_folder(n->rooms.options), n->worker, now_ns, fell, n);
}

/* ---- a test ---- */

struct probe {
    pthread_t thread;
    bool started;
    char target[NOTIFY_URL_MAX], shown[ADDRESS_SHOWN_SIZE];
    struct notify_way way;
    enum notify_outcome outcome;
    struct hfp_err err;
};

struct test {
    struct worker_task task;
    struct notifying *owner;
    notifying_test_fn *fn;
    void *ctx;
    size_t n;
    struct probe probe[2 * NOTIFY_TARGETS_MAX];
};

static void *probe_run(void *ctx)
{
    struct probe *p = ctx;
    p->outcome = notify_test(p->target, &p->way, &p->err);
    return NULL;
}

/* Side by side: one that hangs holds up nobody but itself. */
static void test_run(struct worker_task *task)
{
    struct test *t = (struct test *)task;
    for (size_t i = 0; i < t->n; i++) {
        struct probe *p = &t->probe[i];
        p->started = pthread_create(&p->thread, NULL, probe_run, p) == 0;
        if (!p->started)
            probe_run(p);
    }
    for (size_t i = 0; i < t->n; i++)
        if (t->probe[i].started)
            pthread_join(t->probe[i].thread, NULL);
}

static void test_done(struct worker_task *task)
{
    struct test *t = (struct test *)task;
    struct out o = { 0 };
    out_object(&o, NULL);
    out_list(&o, "results");
    for (size_t i = 0; i < t->n; i++) {
        const struct probe *p = &t->probe[i];
        out_object(&o, NULL);
        out_text(&o, "url", p->shown);
        out_bool(&o, "ok", p->outcome == NOTIFY_SENT);
        out_text(&o, "message", p->outcome == NOTIFY_SENT ? "" : p->err.message);
        out_object_end(&o);
    }
    out_list_end(&o);
    out_object_end(&o);
    size_t size = 0;
    char *text = out_take(&o, &size);
    t->owner->test = NULL;
    t->fn(t->ctx, text, size);
    explicit_bzero(t->probe, sizeof t->probe);
    free(t);
}

static void test_add(struct test *t, const char *const *list, bool trusted)
{
    struct notifying *n = t->owner;
    const struct options *o = n->rooms.options;
    for (size_t i = 0; list && list[i]; i++) {
        struct probe *p = &t->probe[t->n++];
        strncpy(p->target, list[i], sizeof p->target - 1);
        address_shown(p->shown, list, i);
        p->way = (struct notify_way){ .trusted = trusted,
                                      .allow_local = option_on(o, OPT_NOTIFY_LOCAL),
                                      .ca_file = o->v[OPT_CA_FILE].text,
                                      .ca_dir = o->ca_dir,
                                      .stop = &n->stop };
    }
}

bool notifying_test(struct notifying *n, notifying_test_fn *fn, void *ctx)
{
    struct addresses all;
    struct test *t = n->test ? NULL : calloc(1, sizeof *t);
    if (!t)
        return false;
    t->task = (struct worker_task){ .run = test_run, .done = test_done };
    t->owner = n;
    t->fn = fn;
    t->ctx = ctx;
    addresses_split(&all, n->rooms.settings->notify);
    test_add(t, (const char *const *)n->rooms.options->v[OPT_NOTIFY].list, true);
    test_add(t, all.list, false);
    n->test = t;
    worker_submit(n->worker, &t->task);
    return true;
}
