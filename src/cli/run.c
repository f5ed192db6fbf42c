/* The loop: the engine's events and signals in, views out. */
#include "cli/cli.h"

#include "cli/client.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/views.h"
#include "front/clock.h"
#include "front/files.h"
#include "front/timetable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 250           /* moving lines four times a second; the engine sends no more either */
#define STOP_NS 1500000000ULL /* for recording what is finished after SIGINT, of the 2 s we may take in all */
#define STOP_SECONDS 2
#define SAME_NS 300000000ULL /* timeout(1) signals the process and then its group: still one request */

struct run {
    struct options *o;
    const struct targets *targets;
    struct job_result *jobs;
    struct hfp *engine;
    struct views views;
    int signals;
    int signal;          /* that asked to leave; 0: none */
    uint64_t stop_by_ns; /* then we no longer wait for the engine */
    uint64_t job;        /* the running one; 0: none */
    char **adopt;        /* the verb adopt: absolute paths, NULL-terminated */
    struct timetable limits;
    int64_t limit_change_unix_s; /* when the next of them begins */
    uint64_t limit_next_bytes_per_s;
};

int worse_status(int a, int b)
{
    static const int order[] = { 0, 9, 8, 3, 7, 6, 5, 2, 4, 1 };
    int at[2] = { 100, 100 }, asked[2] = { a, b };
    for (int i = 0; i < (int)(sizeof order / sizeof *order); i++)
        for (int k = 0; k < 2; k++)
            if (order[i] == asked[k])
                at[k] = i;
    return at[1] > at[0] ? b : a;
}

static void stop(struct run *r, int number, uint64_t now_ns)
{
    if (r->signal && now_ns < r->stop_by_ns - STOP_NS + SAME_NS)
        return;
    if (r->signal) { /* the second one: at once */
        screen_clear(&r->views.screen);
        _exit(128 + number);
    }
    r->signal = number;
    r->stop_by_ns = now_ns + STOP_NS;
    leave_within(STOP_SECONDS, 128 + number);
    screen_clear(&r->views.screen);
    if (r->job)
        hfp_cancel(r->engine, r->job);
}

static void take_signals(struct run *r, uint64_t now_ns)
{
    struct screen *s = &r->views.screen;
    for (int number; (number = signals_next(r->signals)) != 0;) {
        if (number == SIGTSTP) {
            screen_clear(s);
            kill(getpid(), SIGSTOP);
        } else if (number == SIGCONT || number == SIGWINCH) {
            screen_measure(s);
        } else {
            stop(r, number, now_ns);
        }
    }
}

static void note_finding(struct findings *f, const struct hfp_event *ev)
{
    if (f->n < FINDINGS_NAMED) {
        snprintf(f->name[f->n], sizeof f->name[0], "%s", ev->path ? ev->path : "");
        snprintf(f->text[f->n], sizeof f->text[0], "%s", ev->text ? ev->text : "");
    }
    f->n++;
}

static void take_event(struct run *r, struct job_result *j, const struct hfp_event *ev, uint64_t now_ns)
{
    j->status = ev->status;
    if (ev->type == HFP_EV_FILE && ev->file_state == HFP_FILE_DAMAGED)
        note_finding(&j->damaged, ev);
    if (ev->type == HFP_EV_FILE && ev->file_state == HFP_FILE_MISSING)
        note_finding(&j->missing, ev);
    if (ev->type == HFP_EV_FILE && ev->file_state == HFP_FILE_REPAIRED)
        note_finding(&j->repaired, ev);
    views_event(&r->views, ev, now_ns);
    if (ev->type != HFP_EV_DONE)
        return;
    r->job = 0;
    j->error = ev->status.error;
    if (ev->status.state == HFP_DONE)
        j->error.code = HFP_OK;
    else if (j->error.code == HFP_OK)
        j->error.code = ev->status.state == HFP_CANCELLED ? HFP_E_CANCELLED : HFP_E_INTERNAL;
    if (ev->snapshot && j->error.code == HFP_OK && !(j->snapshot = strdup(ev->snapshot)))
        fault_nomem(&j->error); /* a script that reads the path must not take nothing for it */
}

static void limits_begin(struct run *r)
{
    timetable_parse(&r->limits, r->o->v[OPT_LIMIT_RATE].text);
    r->limit_change_unix_s = timetable_change(&r->limit_next_bytes_per_s, &r->limits, time(NULL));
}

/* A clock that was set wrong and is put right moves the limit too, at the next change at the latest. */
static void limits_turn(struct run *r)
{
    int64_t now = time(NULL);
    char rate[UNIT_TEXT], until[UNIT_TEXT], text[128];
    if (now < r->limit_change_unix_s)
        return;
    uint64_t limit = timetable_limit(&r->limits, now);
    r->limit_change_unix_s = timetable_change(&r->limit_next_bytes_per_s, &r->limits, now);
    hfp_limit(r->engine, 0, limit);
    snprintf(text, sizeof text, "%s%s until %s (--limit-rate)", limit ? "limit " : "no limit",
             limit ? rate_text(rate, limit) : "", timetable_clock(until, r->limit_change_unix_s));
    views_say(&r->views, HFP_LOG_INFO, text);
}

static void drive(struct run *r, struct job_result *j)
{
    while (r->job) {
        struct pollfd fds[] = { { .fd = hfp_poll_fd(r->engine), .events = POLLIN },
                                { .fd = r->signals, .events = POLLIN },
                                { .fd = r->views.log[0] > 0 ? r->views.log[0] : -1, .events = POLLIN } };
        poll(fds, sizeof fds / sizeof *fds, TICK_MS);
        uint64_t now_ns = clock_mono_ns();
        take_signals(r, now_ns);
        limits_turn(r);
        views_log(&r->views);
        for (const struct hfp_event *ev; r->job && (ev = hfp_event_next(r->engine)) != NULL;)
            if (ev->status.job == r->job)
                take_event(r, j, ev, now_ns);
        if (!r->signal)
            views_tick(&r->views, now_ns);
        if (r->signal && now_ns >= r->stop_by_ns && r->job) {
            j->error = (struct hfp_err){ .code = HFP_E_CANCELLED };
            r->job = 0;
        }
    }
}

static void label(struct job_result *j)
{
    const struct spec *s = &j->target->spec;
    const char *kind = s->type == HFP_DATASET ? "datasets/" : s->type == HFP_SPACE ? "spaces/" : "";
    bool plain = strcmp(s->revision, "main") == 0;
    snprintf(j->label, sizeof j->label, "%s%s%s%s", kind, s->repo, plain ? "" : "@", plain ? "" : s->revision);
}

/* One line on standard output, and only for what is proved and in place. A reader that left does not matter. */
static void print_snapshot(struct run *r, const struct job_result *j)
{
    char line[PATH_MAX + 1]; /* a longer path could not be opened */
    if (!j->snapshot)
        return;
    int n = snprintf(line, sizeof line, "%s\n", j->snapshot);
    errno = ENAMETOOLONG;
    if ((n >= (int)sizeof line || !write_all(STDOUT_FILENO, line, (size_t)n)) && errno != EPIPE)
        screen_say(&r->views.screen, "hf-pull: the path could not be written to standard output: %s.", strerror(errno));
}

static void run_job(struct run *r, struct job_result *j)
{
    const struct options *o = r->o;
    struct hfp_job_spec spec = {
        .verb = o->verb,
        .type = j->target->spec.type,
        .repo = j->target->spec.repo,
        .revision = j->target->spec.revision,
        .paths = j->target->paths,
        .include = (const char *const *)o->v[OPT_INCLUDE].list,
        .exclude = (const char *const *)o->v[OPT_EXCLUDE].list,
        .local_dir = o->v[OPT_LOCAL_DIR].text,
        .adopt = (const char *const *)r->adopt,
        .force = option_on(o, OPT_FORCE_DOWNLOAD),
        .offline = option_on(o, OPT_OFFLINE),
    };
    j->ran = true;
    j->error = (struct hfp_err){ 0 };
    if (hfp_start(r->engine, &spec, &r->job, &j->error))
        r->job = 0;
    else
        drive(r, j);
    views_job_end(&r->views, j);
    print_snapshot(r, j);
}

static int outcome(const struct run *r)
{
    int status = 0;
    bool complete = true;
    for (size_t i = 0; i < r->targets->n; i++) {
        status = worse_status(status, hfp_exit_status(r->jobs[i].error.code));
        complete = complete && r->jobs[i].error.code == HFP_OK;
    }
    return r->signal && !complete ? 128 + r->signal : status;
}

static const struct job_result *stopped_job(const struct run *r)
{
    const struct job_result *last = NULL;
    for (size_t i = 0; i < r->targets->n; i++)
        if (r->jobs[i].ran && r->jobs[i].error.code)
            last = &r->jobs[i];
    return last;
}

static int run_all(struct run *r)
{
    for (size_t i = 0; i < r->targets->n; i++) {
        struct job_result *j = &r->jobs[i];
        j->target = &r->targets->t[i];
        j->verb = r->o->verb;
        j->status.verb = j->verb;
        j->error.code = HFP_E_CANCELLED; /* until it begins */
        label(j);
    }
    for (size_t i = 0; i < r->targets->n && !r->signal; i++) {
        take_signals(r, clock_mono_ns());
        if (!r->signal)
            run_job(r, &r->jobs[i]);
    }
    for (size_t i = 0; i < r->targets->n; i++)
        if (!r->jobs[i].ran)
            views_job_end(&r->views, &r->jobs[i]);
    int status = outcome(r);
    if (r->signal && status == 128 + r->signal && !r->views.json) {
        char name[16];
        say_signal(&r->views.screen, signal_name(r->signal, name), stopped_job(r));
    }
    struct run_result result = {
        .jobs = r->jobs, .n = r->targets->n, .exit_status = status, .signal = status > 128 ? r->signal : 0
    };
    views_end(&r->views, &result);
    return status;
}

static int adopt_paths(struct run *r, struct hfp_err *err)
{
    if (r->o->verb != HFP_ADOPT)
        return HFP_OK;
    r->adopt = calloc(r->o->args_n + 1, sizeof *r->adopt);
    for (size_t i = 0; r->adopt && i < r->o->args_n; i++)
        if (!(r->adopt[i] = path_absolute(r->o->args[i])))
            return fault_nomem(err);
    return r->adopt ? HFP_OK : fault_nomem(err);
}

static int run_open(struct run *r, struct hfp_err *err)
{
    if (adopt_paths(r, err))
        return err->code;
    struct hfp_config config;
    if (views_open(&r->views, r->o, r->targets->n > 1, err) || engine_config(&config, r->o, err))
        return err->code;
    r->signals = signals_open(r->views.screen.terminal);
    views_log_into(&r->views, &config, r->o);
    limits_begin(r);
    return hfp_open(&r->engine, &config, err);
}

int run_targets(struct options *o, const struct targets *targets)
{
    struct run r = { .o = o, .targets = targets, .signals = -1 };
    struct hfp_err err = { 0 };
    int status;
    screen_init(&r.views.screen, STDERR_FILENO, false, true); /* until the views have theirs */
    r.jobs = calloc(targets->n, sizeof *r.jobs);
    if (!r.jobs)
        fault_nomem(&err);
    if (!r.jobs || run_open(&r, &err)) {
        screen_say(&r.views.screen, "hf-pull: %s", err.message);
        status = hfp_exit_status(err.code);
    } else {
        status = run_all(&r);
    }
    hfp_close(r.engine);
    views_close(&r.views);
    for (size_t i = 0; r.jobs && i < targets->n; i++)
        free(r.jobs[i].snapshot);
    free(r.jobs);
    for (char **path = r.adopt; path && *path; path++)
        free(*path);
    free(r.adopt);
    if (r.signals >= 0)
        close(r.signals);
    return status;
}

/* hf-pulld lies beside this program, or on the path. It comes back only when it cannot be started. */
static int serve(int argc, char **argv)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "hf-pulld");
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    char **words = calloc((size_t)argc, sizeof *words);
    if (words) {
        words[0] = (char *)(uintptr_t) "hf-pulld";
        memcpy(words + 1, argv + 2, (size_t)(argc - 2) * sizeof *words);
        if (slash) {
            strcpy(slash + 1, "hf-pulld");
            execv(path, words);
        }
        execvp("hf-pulld", words);
    }
    fprintf(stderr, "hf-pull: hf-pulld: %s. It is part of hf-pull when that is built with libmicrohttpd and SQLite.\n",
            strerror(errno));
    free(words);
    return hfp_exit_status(HFP_E_ARG);
}

int cli_main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0) /* before the words are read: secrets in them go on to the daemon */
        return serve(argc, argv);
    struct options o = { 0 };
    struct targets targets = { 0 };
    struct hfp_err err = { 0 };
    int status;
    setlocale(LC_CTYPE, "");
    int rc = options_read(&o, argc, argv, &err);
    if (rc == HFP_OK && (o.want_help || o.want_version)) {
        if (o.want_help)
            options_help(stdout);
        else
            puts("hf-pull " HFP_VERSION);
        status = fflush(stdout) == 0 ? 0 : 1;
    } else if (rc || (o.command == COMMAND_SERVE && fault(&err, HFP_E_ARG, "serve has to be the first word.")) ||
               (o.command == COMMAND_NONE && targets_read(&targets, &o, &err))) {
        struct screen s;
        screen_init(&s, STDERR_FILENO, false, true);
        screen_say(&s, "hf-pull: %s", err.message);
        status = hfp_exit_status(err.code);
    } else if (o.command == COMMAND_WATCH) {
        status = watch_run(&o);
    } else if (o.command != COMMAND_NONE) {
        status = client_run(&o);
    } else {
        status = run_targets(&o, &targets);
    }
    targets_done(&targets);
    options_done(&o);
    return status;
}
