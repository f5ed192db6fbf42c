#include "engine/blob.h"

#include "base/auto.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_NS 5000000000ULL /* jobs that come one after the other use the same buffers */

static uint64_t mono(void *ctx)
{
    return core_now(ctx);
}

static int core_parts(struct core *c, struct hfp_err *err)
{
    const struct hfp_config *u = &c->config.user;
    struct deadlines *d = &c->deadlines;
    *d = deadlines_default();
    d->cut_ns = u->timeout_ns ? u->timeout_ns : d->cut_ns;
    d->silence_ns = u->stall_timeout_ns ? u->stall_timeout_ns : d->silence_ns;
    d->api_ns = u->api_timeout_ns ? u->api_timeout_ns : d->api_ns;
    int rc = pool_new(&c->pool, POOL_BUFFERS, err);
    if (!rc)
        rc = hosts_new(&c->hosts, u->resolve, u->family, err);
    if (rc)
        return rc;
    struct transfer_config t = { .http = c->config.http,
                                 .pool = c->pool,
                                 .hosts = c->hosts,
                                 .log = &c->log,
                                 .deadlines = *d,
                                 .max_connections = u->max_connections,
                                 .chunk_bytes = u->chunk_bytes,
                                 .endpoint = u->endpoint,
                                 .token = u->token,
                                 .now = mono,
                                 .now_ctx = c,
                                 .seed = random_next(&c->random) };
    c->api = (struct api_config){ .http = c->config.http,
                                  .hosts = c->hosts,
                                  .log = &c->log,
                                  .deadlines = d,
                                  .endpoint = u->endpoint,
                                  .token = u->token,
                                  .now = mono,
                                  .now_ctx = c,
                                  .random = &c->random };
    rc = transfer_new(&c->transfer, &t, err);
    if (!rc)
        transfer_limit(c->transfer, u->limit_bytes_per_s);
    return rc;
}

static void hosts_on_disk(struct core *c, bool save)
{
    const char *path = c->config.user.state_dir;
    AUTO(fd_closep) int dir = -1;
    if (!path || io_open_dir(&dir, AT_FDCWD, path, save, NULL) != HFP_OK)
        return; /* a convenience: without it the line is simply learned again */
    struct hfp_err err;
    int rc = save ? hosts_save(c->hosts, dir, &err) : hosts_load(c->hosts, dir, &err);
    if (rc)
        log_debug(&c->log, "learned hosts: %s", err.message);
}

int core_new(struct core **out, const struct core_config *config, struct hfp_err *err)
{
    struct core *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err);
    c->config = *config;
    c->events = config->events;
    c->log = (struct log){ config->user.log, config->user.log_ctx, config->user.log_level };
    c->random = config->seed;
    c->next_id = 1;
    int rc = core_parts(c, err);
    if (rc) {
        core_free(c);
        return rc;
    }
    hosts_on_disk(c, false);
    *out = c;
    return HFP_OK;
}

void core_free(struct core *c)
{
    if (!c)
        return;
    transfer_free(c->transfer);
    if (c->hosts && c->learns && hosts_any_learned(c->hosts)) /* else what lies there, if anything, is no worse */
        hosts_on_disk(c, true);
    hosts_free(c->hosts);
    pool_free(c->pool);
    free(c);
}

int core_start(struct core *c, const struct hfp_job_spec *spec, uint64_t *id, struct hfp_err *err)
{
    struct job *job = NULL;
    int rc = job_new(&job, c, spec, err);
    if (rc)
        return rc;
    struct job **at = &c->jobs;
    while (*at)
        at = &(*at)->next;
    *at = job;
    *id = job->id;
    c->learns |= job->spec.verb != HFP_PLAN;
    return HFP_OK;
}

int core_command(struct core *c, enum core_verb verb, uint64_t id, uint64_t value)
{
    if (verb == CORE_CONNECTIONS) {
        transfer_connections(c->transfer, (uint32_t)value);
        return HFP_OK;
    }
    if (verb == CORE_LIMIT && id == 0) {
        transfer_limit(c->transfer, value);
        return HFP_OK;
    }
    for (struct job *job = c->jobs; job; job = job->next) {
        if (job->id != id)
            continue;
        if (verb == CORE_CANCEL)
            job_cancel(job);
        else if (verb != CORE_LIMIT)
            job_pause(job, verb == CORE_PAUSE);
        else if (job->group)
            group_limit(job->group, value);
        if (verb == CORE_LIMIT)
            job->spec.limit_bytes_per_s = value;
        return HFP_OK;
    }
    return HFP_E_ARG;
}

bool core_knows(const struct core *c, uint64_t id)
{
    for (const struct job *job = c->jobs; job; job = job->next)
        if (job->id == id)
            return true;
    return false;
}

void core_cancel_all(struct core *c)
{
    for (struct job *job = c->jobs; job; job = job->next) {
        job->mute = true; /* the one that calls will take no more events */
        job_cancel(job);
    }
}

void core_fail_all(struct core *c, const struct hfp_err *err)
{
    for (struct job *job = c->jobs; job; job = job->next)
        job_end(job, err);
}

/* The place of this host among n that are listed; n: it is not. */
static size_t listed(const struct hfp_host *list, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].host, key) == 0)
            return i;
    return n;
}

size_t core_hosts(struct core *c, struct hfp_host *out, size_t max)
{
    int64_t unix_ms = c->config.now(c->config.clock_ctx).unix_ms;
    uint64_t now_ns = core_now(c);
    struct host_learned learned;
    struct host_quota quota;
    char hub[HOST_KEY_MAX] = "";
    const char *key;
    size_t n = 0;
    hosts_key(hub, c->config.user.endpoint);
    for (size_t i = 0; n < max && (key = hosts_entry(c->hosts, i, &learned, &quota)) != NULL; i++) {
        if (learned.connections == 0 && quota.limit == 0)
            continue;
        out[n] = (struct hfp_host){ .connections = learned.connections,
                                    .rate_bytes_per_s = learned.rate_bytes_per_s,
                                    .quota = quota.limit,
                                    .quota_left = quota.left };
        out[n].quota_resets_unix_ms = unix_ms + ((int64_t)quota.resets_ns - (int64_t)now_ns) / 1000000;
        memcpy(out[n++].host, key, strlen(key) + 1);
    }
    for (size_t i = 0; (key = transfer_learns(c->transfer, i, &learned)) != NULL; i++) { /* newer than what is kept */
        size_t at = listed(out, n, key);
        if (learned.connections == 0 || at == max)
            continue;
        if (at == n) {
            out[n] = (struct hfp_host){ 0 };
            memcpy(out[n++].host, key, strlen(key) + 1);
        }
        out[at].connections = learned.connections;
        out[at].rate_bytes_per_s = learned.rate_bytes_per_s;
    }
    for (size_t i = 0; i < n; i++)
        out[i].hub = strcmp(out[i].host, hub) == 0;
    return n;
}

void core_renew(struct core *c)
{
    log_info(&c->log, "the machine or this process slept: connections are renewed");
    transfer_renew(c->transfer);
    for (struct job *job = c->jobs; job; job = job->next)
        job_renewed(job);
}

/* ---- names: getaddrinfo may hang for minutes, so it has its own lane ---- */

#define NAMES_MAX 16

struct names_task {
    struct task task;
    struct core *core;
    char key[HOST_KEY_MAX];
    int family;
    unsigned count;
    char address[NAMES_MAX][64];
};

static void names_run(struct task *t)
{
    struct names_task *n = container_of(t, struct names_task, task);
    char host[HOST_KEY_MAX];
    memcpy(host, n->key, sizeof host);
    char *colon = strrchr(host, ':');
    if (colon)
        *colon = 0;
    struct addrinfo hints = { .ai_family = n->family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return;
    for (struct addrinfo *a = list; a && n->count < NAMES_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, n->address[n->count], sizeof n->address[0], NULL, 0,
                        NI_NUMERICHOST) == 0)
            n->count++;
    freeaddrinfo(list);
}

static void names_done(struct task *t)
{
    AUTO_FREE struct names_task *n = container_of(t, struct names_task, task);
    struct core *c = n->core;
    c->names_busy--;
    for (unsigned i = 0; i < n->count; i++)
        hosts_add_address(c->hosts, n->key, n->address[i]);
}

static void ask_names(struct core *c)
{
    const char *key = transfer_wants_addresses(c->transfer);
    struct names_task *n = key ? calloc(1, sizeof *n) : NULL;
    if (!n)
        return;
    static const int families[] = { [HFP_ANY_FAMILY] = AF_UNSPEC, [HFP_IPV4] = AF_INET, [HFP_IPV6] = AF_INET6 };
    *n = (struct names_task){ .task = { .run = names_run, .done = names_done },
                              .core = c,
                              .family = families[c->config.user.family] };
    memcpy(n->key, key, strlen(key) + 1);
    hosts_asked(c->hosts, n->key, core_now(c));
    c->names_busy++;
    work_submit(c->config.work, LANE_NAMES, &n->task);
}

static void sweep_jobs(struct core *c)
{
    for (struct job **at = &c->jobs; *at;) {
        struct job *job = *at;
        if (job->step != STEP_ENDED) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job_free(job);
    }
}

/* Whoever waits for the next job, a daemon for days, does not hold the memory of the last. */
static uint64_t rest(struct core *c, uint64_t now_ns)
{
    if (c->jobs)
        c->rest_ns = now_ns + REST_NS;
    else if (now_ns < c->rest_ns)
        return c->rest_ns;
    else
        pool_rest(c->pool);
    return UINT64_MAX;
}

uint64_t core_turn(struct core *c)
{
    uint64_t now_ns = core_now(c);
    uint64_t next = UINT64_MAX;
    for (struct job *job = c->jobs; job; job = job->next) {
        uint64_t wants = job_turn(job, now_ns); /* a turn has effects: MIN would take two of them */
        next = MIN(next, wants);
    }
    sweep_jobs(c);
    ask_names(c);
    uint64_t kept = keeping_turn(c, now_ns), wants = transfer_turn(c->transfer);
    next = MIN(next, MIN(kept, wants));
    uint64_t rests = rest(c, now_ns);
    next = MIN(next, rests);
    for (const struct job *job = c->jobs; job; job = job->next)
        if (job->wake) /* what the transfer just told it: a refusal, the end of its patience */
            next = now_ns;
    return next;
}

bool core_idle(const struct core *c)
{
    return !c->jobs;
}
