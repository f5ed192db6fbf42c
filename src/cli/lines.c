/* Log lines: a contract with log scrapers, docs/formats/events.md.
 *
 *   [<repo>] 47.3%  10.41 GB / 22.02 GB  18.4 MB/s ETA 10m31s
 *   [<repo>] 47.3%  10.41 GB / 22.02 GB  0.0 MB/s STALLED 42s: <reason> */
#include "cli/lines.h"

#include "cli/view.h"
#include "front/units.h"

#include <stdlib.h>
#include <string.h>

void log_line(struct text *t, const char *repo, const struct hfp_status *st, uint64_t age_ns)
{
    char a[UNIT_TEXT], b[UNIT_TEXT], rate[UNIT_TEXT], time[UNIT_TEXT];
    uint64_t shown = shown_bytes(st);
    struct size_unit unit = size_unit_for(st->total_bytes);
    unsigned p = permille(shown, st->total_bytes);
    text_clear(t);
    text_fmt(t, "  [");
    text_safe(t, repo);
    text_fmt(t, "] %u.%u%%  %s / %s  %s", p / 10, p % 10, size_text_in(a, shown, unit),
             size_text_in(b, st->total_bytes, unit), rate_text_log(rate, shown_rate(st)));
    if (st->stalled) {
        text_fmt(t, " STALLED %s: ", duration_text(time, (st->quiet_ns + age_ns) / 1000000000ULL));
        text_safe(t, reason(st));
    } else if (eta_s(st) != UINT64_MAX) {
        text_fmt(t, " ETA %s", duration_text(time, eta_s(st)));
    }
}

struct lines {
    struct view view;
    struct screen *screen;
    uint64_t interval_ns, last_line_ns, last_event_ns;
    struct hfp_status last;
    char repo[REPO_MAX];
    enum hfp_wait waiting; /* the reason last said */
    bool running;          /* the plan is known, the job not over */
    bool said_all;         /* the last line had 100 % */
};

static void say(struct lines *l, uint64_t now_ns)
{
    struct text t;
    log_line(&t, l->repo, &l->last, now_ns - l->last_event_ns);
    screen_print(l->screen, &t);
    l->said_all = shown_bytes(&l->last) == l->last.total_bytes;
    l->last_line_ns = now_ns;
}

static void headline(struct lines *l, const struct hfp_event *ev)
{
    char size[UNIT_TEXT];
    struct text t;
    text_clear(&t);
    text_fmt(&t, "hf-pull " HFP_VERSION "  ");
    text_safe(&t, ev->repo);
    text_fmt(&t, "  ");
    revision_piece(&t, ev->revision, ev->status.commit);
    text_fmt(&t, "  ");
    files_piece(&t, &ev->status);
    if (ev->status.here_bytes)
        text_fmt(&t, ", here %s", size_text(size, ev->status.here_bytes));
    screen_print(l->screen, &t);
}

/* A wait that is no stall (the Hub asks to slow down, another process holds the lock) is said once, in its own words. */
static void say_wait(struct lines *l, const struct hfp_event *ev)
{
    const struct hfp_status *st = &ev->status;
    if (st->state != HFP_WAITING || st->wait == l->waiting) {
        l->waiting = st->state == HFP_WAITING ? st->wait : HFP_NOT_WAITING;
        return;
    }
    l->waiting = st->wait;
    screen_say(l->screen, "hf-pull: %s: waiting: %s", ev->repo, reason(st));
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    struct lines *l = (struct lines *)v;
    l->last = ev->status;
    l->last_event_ns = now_ns;
    if (ev->status.verb == HFP_PLAN)
        return;
    if (ev->type == HFP_EV_PLAN && (ev->status.fetch_bytes || ev->status.prove_bytes)) {
        struct text t;
        text_clear(&t);
        text_safe(&t, ev->repo);
        memcpy(l->repo, t.data, t.len < sizeof l->repo ? t.len + 1 : sizeof l->repo - 1);
        l->repo[sizeof l->repo - 1] = '\0';
        l->running = true;
        headline(l, ev);
        say(l, now_ns);
    } else if (ev->type == HFP_EV_DONE) {
        if (l->running && ev->status.state == HFP_DONE && !l->said_all)
            say(l, now_ns);
        l->running = false;
        l->waiting = HFP_NOT_WAITING;
    } else if (l->running && (ev->type == HFP_EV_STALLED || ev->type == HFP_EV_RECOVERED)) {
        say(l, now_ns);
    } else if (ev->type == HFP_EV_STATE || ev->type == HFP_EV_PROGRESS) {
        say_wait(l, ev);
    }
}

static void tick(struct view *v, uint64_t now_ns)
{
    struct lines *l = (struct lines *)v;
    if (l->running && now_ns - l->last_line_ns >= l->interval_ns)
        say(l, now_ns);
}

static void lines_free(struct view *v)
{
    free(v);
}

struct view *lines_new(struct screen *s, uint64_t interval_ns)
{
    static const struct view_ops ops = { .event = event, .tick = tick, .free = lines_free };
    struct lines *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->view.ops = &ops;
    l->screen = s;
    l->interval_ns = interval_ns;
    return &l->view;
}
