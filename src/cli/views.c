#include "cli/views.h"

#include "front/files.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum progress_kind progress_kind(const struct options *o, bool terminal)
{
    enum progress_kind asked = (enum progress_kind)o->v[OPT_PROGRESS].number;
    if (asked == PROGRESS_AUTO && option_on(o, OPT_QUIET))
        return PROGRESS_NONE;
    if (asked == PROGRESS_AUTO || asked == PROGRESS_BAR) /* a bar needs a terminal */
        return terminal ? PROGRESS_BAR : PROGRESS_LOG;
    return asked;
}

static int add(struct views *v, struct view *view, struct hfp_err *err)
{
    if (!view)
        return fault_nomem(err);
    v->view[v->n++] = view;
    return HFP_OK;
}

static int add_sentences(struct views *v, const struct options *o, bool several, struct hfp_err *err)
{
    struct talk_options talk = { .quiet = option_on(o, OPT_QUIET),
                                 .several = several,
                                 .offline_asked = option_on(o, OPT_OFFLINE),
                                 .verbose = (unsigned)o->v[OPT_VERBOSE].number,
                                 .endpoint = o->v[OPT_ENDPOINT].text };
    return add(v, talk_new(&v->screen, &talk), err);
}

void views_say(struct views *v, int level, const char *text)
{
    if (v->json)
        v->view[0]->ops->log(v->view[0], level, text);
    else if (!v->quiet || level <= HFP_LOG_ERROR)
        screen_say(&v->screen, "hf-pull: %s", text);
}

int views_open(struct views *v, const struct options *o, bool several, struct hfp_err *err)
{
    int rc = HFP_OK;
    v->quiet = option_on(o, OPT_QUIET);
    screen_init(&v->screen, STDERR_FILENO, true, o->no_color);
    enum progress_kind kind = progress_kind(o, v->screen.terminal);
    screen_init(&v->screen, STDERR_FILENO, kind == PROGRESS_BAR, o->no_color);
    v->json = kind == PROGRESS_JSON;
    if (kind == PROGRESS_BAR)
        rc = add(v, bar_new(&v->screen), err);
    else if (kind == PROGRESS_LOG)
        rc = add(v, lines_new(&v->screen, o->v[OPT_LOG_INTERVAL].number), err);
    else if (kind == PROGRESS_JSON)
        rc = add(v, json_new(&v->screen), err);
    if (rc == HFP_OK && o->v[OPT_PROGRESS_FILE].text)
        rc = add(v, progress_file_new(o->v[OPT_PROGRESS_FILE].text), err);
    if (rc == HFP_OK && o->v[OPT_REPORT].text) {
        struct hfp_err why = { 0 };
        rc = report_new(&v->report, o->v[OPT_REPORT].text, &why);
        if (rc)
            return fault(err, why.code, "--report: %s", why.message);
        v->view[v->n++] = v->report;
    }
    if (rc == HFP_OK && option_on(o, OPT_NOTIFY) && (rc = notify_view_new(&v->view[v->n], v, o, err)) == HFP_OK)
        v->n++;
    if (rc == HFP_OK && !v->json)
        rc = add_sentences(v, o, several, err);
    for (size_t i = 0; rc == HFP_OK && i < o->notices_n; i++)
        views_say(v, HFP_LOG_WARN, o->notices[i]);
    return rc;
}

/* One record: a level digit, the text, a line feed. */
static void log_record(void *ctx, int level, const char *text)
{
    const struct views *v = ctx;
    char line[PIPE_BUF];
    int n = snprintf(line, sizeof line - 1, "%d%s", level >= 0 && level <= 9 ? level : 9, text);
    size_t len = n < (int)sizeof line - 1 ? (size_t)n : sizeof line - 2;
    for (size_t i = 0; i < len; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[len] = '\n';
    if (write(v->log[1], line, len + 1) < 0)
        return; /* full: dropped */
}

void views_log_into(struct views *v, struct hfp_config *config, const struct options *o)
{
    uint64_t verbose = o->v[OPT_VERBOSE].number;
    if (verbose < 2 || pipe2(v->log, O_CLOEXEC | O_NONBLOCK) < 0)
        return;
    config->log = log_record;
    config->log_ctx = v;
    config->log_level = verbose == 2 ? HFP_LOG_DEBUG : HFP_LOG_TRACE;
}

static void hand_on(struct views *v, char *line)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->view[i]->ops->log && *line)
            v->view[i]->ops->log(v->view[i], line[0] - '0', line + 1);
}

void views_log(struct views *v)
{
    /* A pipe holds 64 KiB; a line never more than PIPE_BUF. What is left of a cut line comes first next time. */
    enum { ROUNDS = 16 };
    for (int i = 0; v->log[0] > 0 && i < ROUNDS; i++) {
        ssize_t got = read(v->log[0], v->pending + v->pending_n, sizeof v->pending - 1 - v->pending_n);
        if (got <= 0)
            return;
        v->pending_n += (size_t)got;
        v->pending[v->pending_n] = '\0';
        char *line = v->pending;
        for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            hand_on(v, line);
        }
        v->pending_n -= (size_t)(line - v->pending);
        memmove(v->pending, line, v->pending_n + 1);
    }
}

void views_event(struct views *v, const struct hfp_event *ev, uint64_t now_ns)
{
    for (size_t i = 0; i < v->n; i++)
        v->view[i]->ops->event(v->view[i], ev, now_ns);
}

void views_tick(struct views *v, uint64_t now_ns)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->view[i]->ops->tick)
            v->view[i]->ops->tick(v->view[i], now_ns);
}

void views_job_end(struct views *v, const struct job_result *r)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->view[i]->ops->job_end)
            v->view[i]->ops->job_end(v->view[i], r);
}

void views_end(struct views *v, const struct run_result *r)
{
    struct hfp_err err = { 0 };
    for (size_t i = 0; i < v->n; i++)
        if (v->view[i]->ops->end)
            v->view[i]->ops->end(v->view[i], r);
    /* The exit status says whether the files are proved and in place; a lost report does not change that. */
    if (v->report && report_error(v->report, &err) && !v->json)
        screen_say(&v->screen, "hf-pull: --report: %s", err.message);
}

void views_close(struct views *v)
{
    for (size_t i = 0; i < v->n; i++)
        view_free(v->view[i]);
    v->n = 0;
    if (v->log[0] > 0) {
        close(v->log[0]);
        close(v->log[1]);
    }
    screen_clear(&v->screen);
}
