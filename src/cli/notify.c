/* --notify: the run's events to the addresses asked for (front/notify.h), and what could not be delivered to the screen.
 *
 * The log comes on the notifier's threads; it leaves its last words under a lock, and the next tick says them. */
#include "cli/views.h"

#include "front/disk_low.h"
#include "front/notify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define END_NS (12 * 1000000000ULL) /* at the end: one attempt (NOTIFY_ATTEMPT_S) and a little */
#define SIGNAL_END_NS 300000000ULL  /* after SIGINT there are 2 s for everything */

struct notify_view {
    struct view view;
    struct views *views;
    const struct options *options;
    struct notifier *notifier;
    struct disk_low disk;
    struct hfp_event last; /* texts: those below */
    char repo[REPO_MAX], revision[REVISION_MAX];
    pthread_mutex_t lock;
    char said[600]; /* by the notifier, not yet on the screen; "" nothing */
};

static void take_log(void *ctx, int level, const char *text)
{
    struct notify_view *v = ctx;
    (void)level;
    pthread_mutex_lock(&v->lock);
    snprintf(v->said, sizeof v->said, "%s", text);
    pthread_mutex_unlock(&v->lock);
}

static void say_log(struct notify_view *v)
{
    char text[sizeof v->said];
    pthread_mutex_lock(&v->lock);
    memcpy(text, v->said, sizeof text);
    v->said[0] = '\0';
    pthread_mutex_unlock(&v->lock);
    if (text[0])
        views_say(v->views, HFP_LOG_WARN, text);
}

static void event(struct view *view, const struct hfp_event *ev, uint64_t now_ns)
{
    struct notify_view *v = (struct notify_view *)view;
    (void)now_ns;
    notifier_event(v->notifier, ev, NULL);
    snprintf(v->repo, sizeof v->repo, "%s", ev->repo);
    snprintf(v->revision, sizeof v->revision, "%s", ev->revision);
    v->last = *ev;
    v->last.repo = v->repo;
    v->last.revision = v->revision;
}

static void look_at_disk(struct notify_view *v, uint64_t now_ns)
{
    const struct hfp_status *st = &v->last.status;
    const char *local = v->options->v[OPT_LOCAL_DIR].text;
    uint64_t to_come = st->total_bytes > st->recorded_bytes ? st->total_bytes - st->recorded_bytes : 0;
    struct notify_message m = { .event = NOTIFY_DISK_LOW,
                                .repo = v->repo,
                                .revision = v->revision,
                                .type = v->last.repo_type,
                                .status = st,
                                .to_come_bytes = to_come,
                                .unix_ms = v->last.unix_ms };
    if (st->state == HFP_DOWNLOADING &&
        disk_low_turn(&v->disk, local ? local : hub_folder(v->options), to_come, now_ns, &m.free_bytes))
        notifier_say(v->notifier, &m);
}

static void tick(struct view *view, uint64_t now_ns)
{
    struct notify_view *v = (struct notify_view *)view;
    look_at_disk(v, now_ns);
    say_log(v);
}

/* The one time that is waited for a delivery: the work is done, and who asked to be told shall be. */
static void end(struct view *view, const struct run_result *r)
{
    struct notify_view *v = (struct notify_view *)view;
    bool all = notifier_wait(v->notifier, r->signal ? SIGNAL_END_NS : END_NS);
    say_log(v);
    if (!all)
        views_say(v->views, HFP_LOG_WARN, "a notification could not be delivered in time and is dropped");
}

static void notify_view_free(struct view *view)
{
    struct notify_view *v = (struct notify_view *)view;
    notifier_free(v->notifier);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

int notify_view_new(struct view **out, struct views *views, const struct options *o, struct hfp_err *err)
{
    static const struct view_ops ops = { .event = event, .tick = tick, .end = end, .free = notify_view_free };
    struct notify_view *v = calloc(1, sizeof *v);
    if (!v)
        return fault_nomem(err);
    v->view.ops = &ops;
    v->views = views;
    v->options = o;
    pthread_mutex_init(&v->lock, NULL);
    struct notifier_config config = {
        .ca_file = o->v[OPT_CA_FILE].text, .ca_dir = o->ca_dir, .log = take_log, .log_ctx = v
    };
    notify_events_parse(&config.events, o->v[OPT_NOTIFY_ON].text);
    const struct option_value *to = &o->v[OPT_NOTIFY];
    int rc = notifier_new(&v->notifier, &config, err);
    for (size_t i = 0; rc == HFP_OK && i < to->list_n; i++)
        rc = notifier_add(v->notifier, to->list[i], true, err);
    if (rc)
        notify_view_free(&v->view);
    else
        *out = &v->view;
    return rc;
}
