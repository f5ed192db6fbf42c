#include "base/auto.h"
#include "cache/names.h"
#include "engine/core.h"
#include "engine/events.h"
#include "net/curl.h"
#include "net/url.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The engine's thread and the public calls. Calls leave a command in a list and wake the loop; the loop answers through
 * the event stream. */

#define SLEPT_NS (10 * NS_PER_S)    /* a turn that took so much longer than it wanted: SIGSTOP or a frozen machine */
#define SUSPENDED_NS (2 * NS_PER_S) /* BOOTTIME ran ahead of MONOTONIC: a suspend */
#define WAIT_MAX_NS (3600 * NS_PER_S)
/* libcurl could neither wait nor move a transfer, a second long: it is out of memory, or broken. */
#define BROKEN_TURNS_MAX 20
#define BROKEN_REST_NS (50 * NS_PER_MS)
#define HOSTS_NS (250 * NS_PER_MS) /* between two copies: as often as a job's progress is told */

struct command {
    struct command *next;
    enum core_verb verb;
    uint64_t job, value;
};

struct hfp {
    struct core *core;
    struct http_curl *curl;
    struct work *work;
    struct events *events;
    struct hfp_config config; /* strings owned */
    char **resolve;
    struct log log;
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* guards core_start, commands, stop and host */
    struct command *commands, **commands_tail;
    bool stop;
    struct hfp_host host[HFP_HOSTS_MAX]; /* copied by the loop, read by hfp_hosts(), both under the mutex */
    size_t hosts;
    uint64_t hosts_ns;
};

static struct clock_now now_system(void *ctx)
{
    (void)ctx;
    return clock_read();
}

static void wake(void *ctx)
{
    struct hfp *h = ctx;
    if (h->curl)
        http_curl_wake(h->curl);
}

static void config_done(struct hfp *h)
{
    struct hfp_config *c = &h->config;
    const char *const strings[] = { c->endpoint,   c->token, c->hub_cache, c->state_dir,
                                    c->user_agent, c->proxy, c->ca_file,   c->ca_dir };
    for (unsigned i = 0; i < ARRAY_LEN(strings); i++)
        free((void *)(uintptr_t)strings[i]);
    for (char **r = h->resolve; r && *r; r++)
        free(*r);
    free(h->resolve);
}

static bool copy(const char **out, const char *s)
{
    *out = s ? strdup(s) : NULL;
    return !s || *out;
}

static bool copy_resolve(struct hfp *h, const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    if (!(h->resolve = calloc(n + 1, sizeof *h->resolve)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(h->resolve[i] = strdup(list[i])))
            return false;
    h->config.resolve = (const char *const *)h->resolve;
    return true;
}

static int config_copy(struct hfp *h, const struct hfp_config *from, struct hfp_err *err)
{
    struct hfp_config *c = &h->config;
    *c = *from;
    c->resolve = NULL;
    /* Each is tried, whatever failed before: config_done() frees them all, and a string left as it came is the caller's. */
    bool ok = copy(&c->endpoint, from->endpoint ? from->endpoint : "https://huggingface.co");
    ok &= copy(&c->token, from->token && from->token[0] ? from->token : NULL);
    ok &= copy(&c->hub_cache, from->hub_cache);
    ok &= copy(&c->state_dir, from->state_dir);
    ok &= copy(&c->user_agent, from->user_agent ? from->user_agent : "hf-pull/" HFP_VERSION);
    ok &= copy(&c->proxy, from->proxy);
    ok &= copy(&c->ca_file, from->ca_file);
    ok &= copy(&c->ca_dir, from->ca_dir);
    ok &= copy_resolve(h, from->resolve);
    if (!ok)
        return err_nomem(err);
    char *end = (char *)(uintptr_t)c->endpoint;
    for (size_t n = strlen(end); n > 0 && end[n - 1] == '/'; n--)
        end[n - 1] = 0;
    if (c->chunk_bytes == 0)
        c->chunk_bytes = UINT64_C(50) << 20;
    return HFP_OK;
}

static int config_check(const struct hfp_config *c, struct hfp_err *err)
{
    char host[128];
    uint16_t port;
    bool tls;
    if (!c->hub_cache)
        return err_set(err, HFP_E_ARG, "hub_cache is missing");
    if ((unsigned)c->family > HFP_IPV6 || (unsigned)c->direct_io > HFP_DIRECT_OFF || (unsigned)c->xet > HFP_XET_OFF)
        return err_set(err, HFP_E_ARG, "family, direct_io or xet is none of the values hfp.h names");
    int rc = c->endpoint ? url_host(host, sizeof host, &port, &tls, c->endpoint) : HFP_OK;
    if (rc == HFP_E_NOMEM)
        return err_nomem(err);
    if (rc)
        return err_set(err, HFP_E_ARG, "endpoint is not an http or https URL");
    for (const char *t = c->token; t && *t; t++)
        if (*t < '!' || *t > '~')
            return err_set(err, HFP_E_ARG, "the token has characters that cannot be in a token");
    return HFP_OK;
}

/* The mutex is held: hfp_start() adds jobs under it. */
static void obey(struct hfp *h)
{
    struct command *c = h->commands;
    h->commands = NULL;
    h->commands_tail = &h->commands;
    if (h->stop)
        core_cancel_all(h->core);
    while (c) {
        struct command *next = c->next;
        core_command(h->core, c->verb, c->job, c->value);
        free(c);
        c = next;
    }
}

/* Did more time pass than the turn asked for, or did the machine sleep since the last look, in whatever call? */
static bool slept(const struct clock_now *last, const struct clock_now *before, const struct clock_now *after,
                  uint64_t wanted_ns)
{
    uint64_t took_ns = after->mono_ns - before->mono_ns;
    uint64_t boot_ns = after->boot_ns - last->boot_ns;
    return took_ns > wanted_ns + SLEPT_NS || boot_ns > after->mono_ns - last->mono_ns + SUSPENDED_NS;
}

/* A turn of libcurl's failed. Once may pass; for ever would be a wait without end, and without a name (P3). */
static void broken_turn(struct hfp *h, unsigned *turns, const struct hfp_err *err)
{
    log_at(&h->log, HFP_LOG_ERROR, "%s", err->message);
    if (++*turns >= BROKEN_TURNS_MAX) {
        pthread_mutex_lock(&h->mutex);
        core_fail_all(h->core, err);
        pthread_mutex_unlock(&h->mutex);
    }
    nanosleep(&(struct timespec){ .tv_nsec = BROKEN_REST_NS }, NULL);
}

/* What the hosts are like changes on the loop's thread, mostly without the mutex: so it makes the copy. */
static void look_at_hosts(struct hfp *h, bool idle)
{
    uint64_t now_ns = clock_read().mono_ns;
    if (!idle && now_ns < h->hosts_ns + HOSTS_NS)
        return;
    h->hosts_ns = now_ns;
    h->hosts = core_hosts(h->core, h->host, HFP_HOSTS_MAX);
}

static void *loop(void *arg)
{
    struct hfp *h = arg;
    struct hfp_err err;
    unsigned broken = 0;
    struct clock_now after = clock_read();
    for (;;) {
        struct clock_now last = after;
        pthread_mutex_lock(&h->mutex);
        obey(h);
        uint64_t next = core_turn(h->core);
        bool idle = core_idle(h->core);
        look_at_hosts(h, idle);
        bool end = h->stop && idle;
        pthread_mutex_unlock(&h->mutex);
        if (end)
            return NULL;
        struct clock_now before = clock_read();
        uint64_t wait_ns = next <= before.mono_ns ? 0 : MIN(next - before.mono_ns, WAIT_MAX_NS);
        if (http_curl_turn(h->curl, wait_ns, &err) != HFP_OK)
            broken_turn(h, &broken, &err);
        else
            broken = 0;
        after = clock_read();
        h->work->poll(h->work);
        if (!idle && slept(&last, &before, &after, wait_ns)) {
            pthread_mutex_lock(&h->mutex);
            core_renew(h->core);
            pthread_mutex_unlock(&h->mutex);
        }
    }
}

static int parts(struct hfp *h, struct hfp_err *err)
{
    const struct hfp_config *u = &h->config;
    struct http_config http = { .user_agent = u->user_agent,
                                .proxy = u->proxy,
                                .ca_file = u->ca_file,
                                .ca_dir = u->ca_dir,
                                .resolve = u->resolve,
                                .family = u->family };
    int rc = events_new(&h->events, err);
    if (!rc)
        rc = http_curl_new(&h->curl, &http, err);
    if (!rc)
        rc = work_threads_new(&h->work, wake, h, err);
    if (rc)
        return rc;
    struct clock_now now = clock_read();
    struct core_config core = { .user = *u,
                                .http = http_curl_http(h->curl),
                                .work = h->work,
                                .events = h->events,
                                .now = now_system,
                                .seed = now.mono_ns ^ (uint64_t)now.unix_ms << 20 };
    return core_new(&h->core, &core, err);
}

static int start_thread(struct hfp *h, struct hfp_err *err)
{
    sigset_t all, old;
    sigfillset(&all); /* the program's signals are the program's: none is delivered to the library's threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&h->thread, NULL, loop, h);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return err_sys(err, HFP_E_INTERNAL, rc, "start a thread");
    h->running = true;
    return HFP_OK;
}

int hfp_open(struct hfp **out, const struct hfp_config *config, struct hfp_err *err)
{
    int rc = config_check(config, err);
    if (rc)
        return rc;
    struct hfp *h = calloc(1, sizeof *h);
    if (!h)
        return err_nomem(err);
    pthread_mutex_init(&h->mutex, NULL);
    h->commands_tail = &h->commands;
    rc = config_copy(h, config, err);
    h->log = (struct log){ config->log, config->log_ctx, config->log_level };
    if (!rc)
        rc = parts(h, err);
    if (!rc)
        rc = start_thread(h, err);
    if (rc)
        hfp_close(h);
    else
        *out = h;
    return rc;
}

void hfp_close(struct hfp *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->mutex);
    h->stop = true;
    pthread_mutex_unlock(&h->mutex);
    if (h->running) {
        wake(h);
        pthread_join(h->thread, NULL);
    }
    if (h->work)
        h->work->free(h->work);
    core_free(h->core);
    if (h->curl) {
        struct http *http = http_curl_http(h->curl);
        http->free(http);
    }
    events_free(h->events);
    while (h->commands) {
        struct command *c = h->commands;
        h->commands = c->next;
        free(c);
    }
    config_done(h);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

int hfp_poll_fd(const struct hfp *h)
{
    return events_fd(h->events);
}

int hfp_check(const struct hfp_job_spec *spec, struct hfp_err *err)
{
    return core_check(spec, err);
}

int hfp_start(struct hfp *h, const struct hfp_job_spec *spec, uint64_t *job, struct hfp_err *err)
{
    pthread_mutex_lock(&h->mutex);
    int rc = core_start(h->core, spec, job, err);
    pthread_mutex_unlock(&h->mutex);
    wake(h);
    return rc;
}

const struct hfp_event *hfp_event_next(struct hfp *h)
{
    return events_next(h->events);
}

size_t hfp_hosts(struct hfp *h, struct hfp_host *out, size_t max)
{
    pthread_mutex_lock(&h->mutex);
    size_t n = h->hosts < max ? h->hosts : max;
    memcpy(out, h->host, n * sizeof *out);
    pthread_mutex_unlock(&h->mutex);
    return n;
}

static int command(struct hfp *h, enum core_verb verb, uint64_t job, uint64_t value)
{
    struct command *c = malloc(sizeof *c);
    if (!c)
        return HFP_E_NOMEM;
    *c = (struct command){ NULL, verb, job, value };
    pthread_mutex_lock(&h->mutex);
    bool known = ((verb == CORE_LIMIT || verb == CORE_CONNECTIONS) && job == 0) || core_knows(h->core, job);
    if (known) {
        *h->commands_tail = c;
        h->commands_tail = &c->next;
    }
    pthread_mutex_unlock(&h->mutex);
    if (!known) {
        free(c);
        return HFP_E_ARG;
    }
    wake(h);
    return HFP_OK;
}

int hfp_pause(struct hfp *h, uint64_t job)
{
    return command(h, CORE_PAUSE, job, 0);
}

int hfp_resume(struct hfp *h, uint64_t job)
{
    return command(h, CORE_RESUME, job, 0);
}

int hfp_cancel(struct hfp *h, uint64_t job)
{
    return command(h, CORE_CANCEL, job, 0);
}

int hfp_limit(struct hfp *h, uint64_t job, uint64_t bytes_per_s)
{
    return command(h, CORE_LIMIT, job, bytes_per_s);
}

int hfp_connections(struct hfp *h, uint32_t n)
{
    return command(h, CORE_CONNECTIONS, 0, n);
}
