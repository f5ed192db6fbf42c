/* The verb watch: other tools' downloads (front/foreign.h), as a table on a terminal, lines in a log, JSON lines for
 * programs (docs/formats/events.md). */
#include "cli/cli.h"

#include "cli/screen.h"
#include "cli/signals.h"
#include "front/clock.h"
#include "front/foreign.h"
#include "front/status_json.h"
#include "front/units.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 1000
#define SHOWN_MAX (LIVE_MAX - 1) /* on a terminal; one line says how many more there are */

/* What was said last of one download, to say what changes. */
struct said {
    char id[17], name[1100];
    bool stalled, here;
};

struct watch {
    struct screen screen;
    struct foreign *foreign;
    enum progress_kind kind;
    uint64_t seq, interval_ms;
    int64_t line_unix_ms;
    struct said said[FOREIGN_MAX];
    size_t n;
};

/* "acme/big:model.gguf" where it is known, else the path. */
static void name_of(char out[static 1100], const struct foreign_download *d)
{
    if (d->repo[0] && d->file[0])
        snprintf(out, 1100, "%s:%.800s", d->repo, d->file);
    else
        snprintf(out, 1100, "%.1000s", d->path);
}

static void add_figures(struct text *t, const struct foreign_download *d)
{
    char here[UNIT_TEXT], total[UNIT_TEXT], rate[UNIT_TEXT];
    struct size_unit unit = size_unit_for(d->total_bytes ? d->total_bytes : d->size_bytes);
    unsigned p = permille(d->size_bytes, d->total_bytes);
    if (d->total_bytes)
        text_fmt(t, "%u.%u%%  %s / %s", p / 10, p % 10, size_text_in(here, d->size_bytes, unit),
                 size_text_in(total, d->total_bytes, unit));
    else
        text_fmt(t, "%s", size_text_in(here, d->size_bytes, unit));
    text_fmt(t, "  %s", rate_text_log(rate, d->rate_bytes_per_s));
}

static void json_line(struct watch *w, const char *type, const struct said *s, const struct foreign_download *d)
{
    struct out o = { 0 };
    size_t n;
    out_object(&o, NULL);
    out_u64(&o, "seq", ++w->seq);
    out_i64(&o, "unix_ms", clock_unix_ms());
    out_text(&o, "type", type);
    if (d)
        foreign_json(&o, "download", d);
    else
        out_text(&o, "id", s->id);
    out_object_end(&o);
    out_put(&o, "\n", 1);
    char *text = out_take(&o, &n);
    if (text)
        screen_raw(&w->screen, text, n);
    free(text);
}

static void log_line(struct watch *w, const struct foreign_download *d)
{
    char name[1100];
    struct text t;
    name_of(name, d);
    text_clear(&t);
    text_fmt(&t, "  [");
    text_safe(&t, name);
    text_fmt(&t, "] ");
    add_figures(&t, d);
    if (d->pid) {
        text_fmt(&t, "  ");
        text_safe(&t, d->by);
        text_fmt(&t, " (%ld)", d->pid);
    }
    if (d->stalled)
        text_fmt(&t, "  %s", d->text);
    screen_print(&w->screen, &t);
}

static void say(struct watch *w, const char *type, const struct foreign_download *d)
{
    if (w->kind == PROGRESS_JSON)
        json_line(w, type, NULL, d);
    else if (w->kind == PROGRESS_LOG)
        log_line(w, d);
}

static void say_gone(struct watch *w, const struct said *s)
{
    if (w->kind == PROGRESS_JSON)
        json_line(w, "gone", s, NULL);
    else if (w->kind != PROGRESS_NONE)
        screen_say(&w->screen, "  [%s] is no longer under way: finished, or given up", s->name);
}

static struct said *find_said(struct watch *w, const char *id)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->said[i].id, id) == 0)
            return &w->said[i];
    return NULL;
}

static void say_changes(struct watch *w, const struct foreign_download *d)
{
    struct said *s = find_said(w, d->id);
    bool is_new = !s && w->n < FOREIGN_MAX;
    if (is_new) {
        s = &w->said[w->n++];
        memcpy(s->id, d->id, sizeof s->id);
        say(w, d->stalled ? "stalled" : "download", d);
    } else if (s && s->stalled != d->stalled) {
        say(w, d->stalled ? "stalled" : "recovered", d);
    }
    if (!s)
        return;
    name_of(s->name, d);
    s->stalled = d->stalled;
    s->here = true;
}

static void table_line(const struct screen *s, struct text *t, const struct foreign_download *d)
{
    char name[1100];
    struct text figures;
    name_of(name, d);
    text_clear(t);
    text_clear(&figures);
    text_fmt(&figures, "   ");
    if (d->stalled) {
        screen_color(s, &figures, COLOR_WAIT);
        text_fmt(&figures, "%s", d->text);
        screen_color(s, &figures, COLOR_NONE);
    } else {
        add_figures(&figures, d);
        text_fmt(&figures, "  %.40s", d->by);
    }
    text_fmt(t, "  ");
    text_shorten(t, name, s->cols > figures.cols + 12 ? s->cols - figures.cols - 3 : 9);
    text_append_if_fits(t, &figures, s->cols);
}

static void draw(struct watch *w)
{
    struct text lines[LIVE_MAX];
    size_t n = foreign_count(w->foreign), shown = n < SHOWN_MAX ? n : SHOWN_MAX;
    for (size_t i = 0; i < shown; i++)
        table_line(&w->screen, &lines[i], foreign_at(w->foreign, i));
    text_clear(&lines[shown]);
    if (n == 0)
        text_fmt(&lines[shown], "  no downloads of other tools here");
    else if (n > shown)
        text_fmt(&lines[shown], "  and %zu more", n - shown);
    screen_live(&w->screen, lines, (unsigned)(shown + (n == 0 || n > shown)));
}

static void look(struct watch *w)
{
    int64_t now = clock_unix_ms();
    screen_cursor(&w->screen);
    signals_deadly(true); /* a folder may hang; and what hangs there, no handler would get out */
    foreign_scan(w->foreign, now);
    signals_deadly(false);
    for (size_t i = 0; i < w->n; i++)
        w->said[i].here = false;
    for (size_t i = 0; i < foreign_count(w->foreign); i++)
        say_changes(w, foreign_at(w->foreign, i));
    size_t kept = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!w->said[i].here)
            say_gone(w, &w->said[i]);
        else
            w->said[kept++] = w->said[i];
    }
    w->n = kept;
    bool due = w->line_unix_ms && now - w->line_unix_ms >= (int64_t)w->interval_ms;
    for (size_t i = 0; due && i < foreign_count(w->foreign); i++)
        say(w, "download", foreign_at(w->foreign, i));
    if (due || !w->line_unix_ms)
        w->line_unix_ms = now;
    if (w->kind == PROGRESS_BAR)
        draw(w);
}

static int begin(struct watch *w, const struct options *o, struct hfp_err *err)
{
    screen_init(&w->screen, STDERR_FILENO, true, o->no_color);
    w->kind = (enum progress_kind)o->v[OPT_PROGRESS].number;
    if (w->kind == PROGRESS_AUTO || w->kind == PROGRESS_BAR)
        w->kind = w->screen.terminal ? PROGRESS_BAR : PROGRESS_LOG;
    screen_init(&w->screen, STDERR_FILENO, w->kind == PROGRESS_BAR, o->no_color);
    w->interval_ms = o->v[OPT_LOG_INTERVAL].number / 1000000;
    int rc = foreign_new(&w->foreign, err);
    for (size_t i = 0; rc == HFP_OK && i < o->args_n; i++)
        rc = foreign_add(w->foreign, o->args[i], err);
    if (rc == HFP_OK && o->args_n == 0)
        rc = foreign_add(w->foreign, hub_folder(o), err);
    if (rc == HFP_OK && o->args_n == 0)
        rc = foreign_add(w->foreign, ".", err);
    return rc;
}

/* The number of the signal that ends the watch; 0: none yet. */
static int take_signals(struct watch *w, int signals)
{
    for (int number; (number = signals_next(signals)) != 0;) {
        if (number == SIGWINCH || number == SIGCONT)
            screen_measure(&w->screen);
        else if (number == SIGTSTP) {
            screen_clear(&w->screen);
            kill(getpid(), SIGSTOP);
        } else {
            return number;
        }
    }
    return 0;
}

int watch_run(struct options *o)
{
    struct watch *w = calloc(1, sizeof *w); /* some 600 KiB: what was said of each */
    struct hfp_err err = { 0 };
    int number = 0;
    if (!w)
        return hfp_exit_status(HFP_E_NOMEM);
    int rc = begin(w, o, &err);
    int signals = rc ? -1 : signals_open(w->screen.terminal);
    if (rc)
        screen_say(&w->screen, "hf-pull: %s", err.message);
    while (!rc && number == 0) {
        look(w);
        struct pollfd p = { .fd = signals, .events = POLLIN };
        poll(&p, 1, LOOK_MS);
        number = take_signals(w, signals);
    }
    screen_clear(&w->screen);
    foreign_free(w->foreign);
    free(w);
    if (signals >= 0)
        close(signals);
    return rc ? hfp_exit_status((enum hfp_code)rc) : 128 + number;
}
