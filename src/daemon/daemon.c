#include "daemon/daemon.h"

#include "daemon/listen.h"
#include "daemon/routes.h"
#include "front/clock.h"
#include "front/files.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h> /* malloc_trim() */
#endif
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define FILES_WANTED 4096      /* 512 connections a listener, and those of the engine with the files they write */
#define LAST_WRITES 300        /* of 10 ms: what was told to the store is on disk before the end, unless that hangs */
#define REST_NS (8 * NS_PER_S) /* after the last job; the engine rests a little before */
#define LAST_TURNS 20          /* of 10 ms: answers under way go out before the end */

static void restore(void *ctx, const char *name, const char *value)
{
    struct daemon *d = ctx;
    settings_restore(&d->settings, name, value);
}

/* $XDG_STATE_HOME/hf-pull/daemon; nobody else has to look into it: the token may lie there. */
static int data_folder(char **out, const struct options *o, struct hfp_err *err)
{
    char *path = o->v[OPT_DATA].text ? path_absolute(o->v[OPT_DATA].text) : path_join(o->state_dir, "daemon");
    if (!path)
        return fault_nomem(err);
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0777); /* what is missing is told by the last one */
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        fault(err, HFP_E_IO, "%s: %s.", path, strerror(errno));
        free(path);
        return err->code;
    }
    *out = path;
    return HFP_OK;
}

static int open_engine(struct daemon *d, struct hfp_err *err)
{
    struct hfp_config config;
    struct options *o = d->options;
    if (engine_config(&config, o, err))
        return err->code;
    if (o->v[OPT_MAX_ATTEMPTS].source <= FROM_DEFAULT)
        config.max_rounds = 0; /* a daemon has time: it never gives up of itself */
    if (o->v[OPT_MAX_WORKERS].source > FROM_DEFAULT)
        d->settings.max_connections = config.max_connections;
    else
        config.max_connections = (uint32_t)d->settings.max_connections;
    const struct option_value *rate = &o->v[OPT_LIMIT_RATE];
    int64_t until;
    if (rate->source > FROM_DEFAULT)
        settings_restore(&d->settings, "timetable", rate->text);
    config.limit_bytes_per_s = settings_limit(&until, &d->settings, time(NULL));
    config.log = log_engine;
    config.log_ctx = &d->log;
    config.log_level = d->log.level > HFP_LOG_INFO ? d->log.level : HFP_LOG_ERROR; /* its notes come as events */
    const struct driver_rooms rooms = { .jobs = &d->jobs,
                                        .store = d->store,
                                        .feed = d->feed,
                                        .settings = &d->settings,
                                        .log = &d->log,
                                        .notifying = d->notifying,
                                        .token = d->options->token != NULL,
                                        .watch_dirs = d->options->v[OPT_WATCH_DIR].list,
                                        .other = ready_event,
                                        .other_ctx = &d->ready };
    return driver_new(&d->driver, &rooms, &config, err);
}

static int open_notifying(struct daemon *d, struct hfp_err *err)
{
    const struct notifying_rooms rooms = { .options = d->options,
                                           .settings = &d->settings,
                                           .jobs = &d->jobs,
                                           .store = d->store,
                                           .log = &d->log,
                                           .wake_fd = d->wake_fd };
    const struct option_value *on = &d->options->v[OPT_NOTIFY_ON];
    if (on->source > FROM_DEFAULT)
        settings_restore(&d->settings, "notify_on", on->text);
    return notifying_new(&d->notifying, &rooms, err);
}

static int open_signals(struct daemon *d, struct hfp_err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->signal_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (d->wake_fd < 0 || d->signal_fd < 0)
        return fault(err, HFP_E_INTERNAL, "signals: %s.", strerror(errno));
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return HFP_OK;
}

static int open_saying(struct daemon *d, struct hfp_err *err)
{
    const struct option_value *v = d->options->v, *ready = &v[OPT_READY];
    const struct saying_config saying = { .dir = v[OPT_PROGRESS_DIR].text && *v[OPT_PROGRESS_DIR].text
                                                     ? v[OPT_PROGRESS_DIR].text
                                                     : NULL,
                                          .interval_ns = v[OPT_LOG_INTERVAL].number,
                                          .wake_fd = d->wake_fd,
                                          .jobs = &d->jobs,
                                          .log = &d->log };
    if (ready_open(&d->ready, ready->list, ready->list_n, v[OPT_ENDPOINT].text, err))
        return err->code;
    ready_ask(&d->ready, d->driver);
    return saying_new(&d->saying, &saying, err);
}

static int open_cache(struct daemon *d, struct hfp_err *err)
{
    const struct cache_rooms rooms = { .root = hub_folder(d->options),
                                       .jobs = &d->jobs,
                                       .feed = d->feed,
                                       .settings = &d->settings,
                                       .ready = &d->ready,
                                       .counts = driver_counts(d->driver),
                                       .log = &d->log,
                                       .wake_fd = d->wake_fd };
    return cache_new(&d->cache, &rooms, err);
}

static int open_all(struct daemon *d, struct hfp_err *err)
{
    char *data = NULL;
    const struct http_ops ops = { routes_begin, routes_handle, d };
    settings_defaults(&d->settings);
    int rc = open_signals(d, err);
    if (rc == HFP_OK)
        rc = data_folder(&data, d->options, err);
    if (rc == HFP_OK)
        rc = worker_new(&d->disk, d->wake_fd, err);
    if (rc == HFP_OK)
        rc = worker_new(&d->folders, d->wake_fd, err);
    if (rc == HFP_OK)
        rc = feed_new(&d->feed, err);
    if (rc == HFP_OK)
        rc = http_new(&d->http, &ops, err);
    if (rc == HFP_OK)
        rc = store_attach(&d->store, data, d->disk, &d->jobs, restore, d, err);
    if (rc == HFP_OK)
        rc = open_notifying(d, err);
    if (rc == HFP_OK)
        rc = open_engine(d, err);
    if (rc == HFP_OK)
        rc = open_saying(d, err);
    if (rc == HFP_OK)
        rc = open_cache(d, err);
    const struct option_value *watch = &d->options->v[OPT_WATCH_DIR];
    const struct watching_config watching = { watch->list, watch->list_n, hub_folder(d->options), d->wake_fd, d->feed };
    if (rc == HFP_OK)
        rc = watching_new(&d->watching, &watching, err);
    if (rc == HFP_OK)
        rc = network_new(&d->network, err);
    if (rc == HFP_OK) /* last: who is answered meets a daemon that works */
        rc = listen_all(d, data, err);
    free(data);
    return rc;
}

/* What the jobs have taken from the heap goes back to the system, where the C library has a call for that; their buffers
 * the engine gives back itself. */
static uint64_t rest(struct daemon *d, uint64_t now_ns)
{
    if (jobs_running(&d->jobs) > 0)
        d->rest_ns = now_ns + REST_NS;
    if (d->rest_ns == 0 || now_ns < d->rest_ns)
        return d->rest_ns ? d->rest_ns : UINT64_MAX;
    d->rest_ns = 0;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    return UINT64_MAX;
}

static uint64_t turn(struct daemon *d)
{
    uint64_t now_ns = clock_mono_ns();
    worker_turn(d->disk);
    worker_turn(d->folders);
    uint64_t next = driver_turn(d->driver, now_ns);
    next = clock_sooner(next, cache_turn(d->cache, now_ns));
    next = clock_sooner(next, saying_turn(d->saying, now_ns));
    next = clock_sooner(next, notifying_turn(d->notifying, now_ns));
    next = clock_sooner(next, watching_turn(d->watching, now_ns));
    next = clock_sooner(next, network_turn(d, now_ns));
    next = clock_sooner(next, systemd_turn(&d->systemd, now_ns));
    next = clock_sooner(next, feed_turn(d->feed, now_ns));
    next = clock_sooner(next, rest(d, now_ns));
    next = clock_sooner(next, http_turn(d->http, now_ns));
    return clock_sooner(next, store_turn(d->store, now_ns)); /* last: what the others gave is written at once */
}

void daemon_again(struct daemon *d)
{
    uint64_t one = 1;
    if (write(d->wake_fd, &one, sizeof one) < 0)
        return; /* full: it is readable, which is all we want */
}

static void drain(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return; /* nothing in it */
}

static void wait_until(struct daemon *d, uint64_t next_ns)
{
    struct pollfd fds[HTTP_LISTENERS_MAX + 3];
    unsigned n = http_fds(d->http, fds, HTTP_LISTENERS_MAX);
    fds[n++] = (struct pollfd){ .fd = d->wake_fd, .events = POLLIN };
    fds[n++] = (struct pollfd){ .fd = d->signal_fd, .events = POLLIN };
    fds[n++] = (struct pollfd){ .fd = driver_fd(d->driver), .events = POLLIN };
    uint64_t now_ns = clock_mono_ns();
    struct timespec t = { 0 };
    if (next_ns > now_ns && next_ns != UINT64_MAX)
        t = (struct timespec){ (time_t)((next_ns - now_ns) / NS_PER_S), (long)((next_ns - now_ns) % NS_PER_S) };
    ppoll(fds, n, next_ns == UINT64_MAX ? NULL : &t, NULL);
    drain(d->wake_fd);
    struct signalfd_siginfo info;
    if (read(d->signal_fd, &info, sizeof info) == sizeof info)
        d->stop = true;
}

/* What ends the process if closing does not. */
struct bound {
    pthread_t thread;
    const struct daemon *daemon;
    int closed_fd; /* readable: it did */
};

static void *leave_behind(void *ctx)
{
    const struct bound *b = ctx;
    struct pollfd closed = { .fd = b->closed_fd, .events = POLLIN };
    if (poll(&closed, 1, CLOSE_MAX_S * 1000) != 0)
        return NULL;
    log_line(&b->daemon->log, HFP_LOG_WARN, NULL, "a disk seems to hang: ended without waiting any longer for %s",
             atomic_load(&b->daemon->closing));
    _exit(b->daemon->status);
}

static bool bound_begin(struct bound *b, const struct daemon *d)
{
    *b = (struct bound){ .daemon = d, .closed_fd = eventfd(0, EFD_CLOEXEC) };
    if (b->closed_fd >= 0 && pthread_create(&b->thread, NULL, leave_behind, b) == 0)
        return true;
    if (b->closed_fd >= 0)
        close(b->closed_fd);
    return false;
}

static void bound_end(struct bound *b)
{
    uint64_t one = 1;
    if (write(b->closed_fd, &one, sizeof one) == sizeof one)
        pthread_join(b->thread, NULL);
    close(b->closed_fd);
}

static void write_out(struct daemon *d)
{
    for (int i = 0; d->store && i < LAST_WRITES && !store_idle(d->store); i++) {
        store_turn(d->store, clock_mono_ns());
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        worker_turn(d->disk);
    }
}

static void close_all(struct daemon *d)
{
    struct bound bound;
    atomic_store(&d->closing, "the job database");
    bool bounded = bound_begin(&bound, d);
    if (d->driver)
        driver_keep(d->driver);
    write_out(d); /* first: what follows may wait for a disk that hangs */
    network_free(d->network);
    atomic_store(&d->closing, "the jobs that ran; what they had not recorded is fetched again");
    driver_free(d->driver);
    d->driver = NULL;
    atomic_store(&d->closing, "the look at a folder that was asked for");
    worker_free(d->folders);
    atomic_store(&d->closing, "the look at other tools' downloads");
    watching_free(d->watching);
    atomic_store(&d->closing, "what was read or deleted in the cache");
    cache_free(d->cache);
    atomic_store(&d->closing, "the job database; the last changes may be lost");
    worker_free(d->disk);
    atomic_store(&d->closing, "the notifications");
    notifying_free(
        d->notifying); /* after the store, which it waits for; before http: who waits for a test is answered */
    for (int i = 0; d->http && d->store && i < LAST_TURNS && http_open(d->http) > feed_readers(d->feed); i++) {
        http_turn(d->http, clock_mono_ns());
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    http_free(d->http);
    feed_free(d->feed);
    store_detach(d->store);
    jobs_done(&d->jobs);
    atomic_store(&d->closing, "the progress files");
    saying_free(d->saying);
    ready_done(&d->ready);
    listen_done(d);
    if (d->token)
        explicit_bzero(d->token, strlen(d->token));
    free(d->token);
    free(d->openapi);
    close(d->signal_fd);
    close(d->wake_fd);
    if (bounded)
        bound_end(&bound);
}

static int run(struct options *o)
{
    struct hfp_err err = { 0 };
    struct daemon d = { .options = o, .wake_fd = -1, .signal_fd = -1 };
    d.log =
        (struct log){ .json = o->v[OPT_LOG_FORMAT].number == LOG_JSON,
                      .level = option_on(o, OPT_QUIET) ? HFP_LOG_WARN : HFP_LOG_INFO + (int)o->v[OPT_VERBOSE].number };
    int rc = open_all(&d, &err);
    if (rc)
        log_line(&d.log, HFP_LOG_ERROR, NULL, "hf-pulld: %s", err.message);
    systemd_open(&d.systemd);
    if (rc == HFP_OK)
        systemd_say(&d.systemd, "READY=1");
    while (rc == HFP_OK && !d.stop)
        wait_until(&d, turn(&d));
    systemd_say(&d.systemd, "STOPPING=1");
    if (rc == HFP_OK)
        log_line(&d.log, HFP_LOG_INFO, NULL, "ending; jobs go on at the next start");
    d.status = hfp_exit_status((enum hfp_code)rc);
    close_all(&d);
    systemd_close(&d.systemd);
    return d.status;
}

int daemon_main(int argc, char **argv)
{
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    int rc = options_read(&o, argc, argv, &err), status;
    if (rc == HFP_OK && (o.args_n > 0 || o.verb_given))
        rc = fault(&err, HFP_E_ARG, "hf-pulld takes options only. Jobs are given by hf-pull add, or over its API.");
    if (rc) {
        fprintf(stderr, "hf-pulld: %s\n", err.message);
        status = hfp_exit_status((enum hfp_code)rc);
    } else if (o.want_help || o.want_version) {
        if (o.want_help)
            options_help(stdout);
        else
            puts("hf-pulld " HFP_VERSION);
        status = fflush(stdout) == 0 ? 0 : 1;
    } else {
        status = run(&o);
    }
    options_done(&o);
    return status;
}
