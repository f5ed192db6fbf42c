#include "transfer/internal.h"

#include "base/auto.h"

#include <stdlib.h>
#include <string.h>

int transfer_new(struct transfer **out, const struct transfer_config *config, struct hfp_err *err)
{
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err);
    t->config = *config;
    t->config.max_connections = MIN(config->max_connections, FIXED_MAX);
    t->random = config->seed;
    t->peers = 1;
    t->tick_ns = transfer_now(t);
    *out = t;
    return HFP_OK;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->remotes; i++)
        if (t->remote[i].rate_bytes_per_s > 0)
            hosts_learn(t->config.hosts, t->remote[i].name,
                        (struct host_learned){ t->remote[i].learn.target, t->remote[i].rate_bytes_per_s });
    free(t);
}

const char *transfer_wants_addresses(struct transfer *t)
{
    for (unsigned i = 0; i < t->remotes; i++)
        if (hosts_addresses_wanted(t->config.hosts, t->remote[i].name, transfer_now(t)))
            return t->remote[i].name;
    return NULL;
}

const char *transfer_learns(const struct transfer *t, size_t n, struct host_learned *out)
{
    if (n >= t->remotes)
        return NULL;
    const struct remote *r = &t->remote[n];
    *out = (struct host_learned){ r->rate_bytes_per_s > 0 ? r->learn.target : 0, r->rate_bytes_per_s };
    return r->name;
}

uint64_t transfer_turn(struct transfer *t)
{
    uint64_t now_ns = transfer_now(t);
    if (t->running == 0)
        t->tick_ns = now_ns; /* nothing to rate; the first tick after a rest must not span it */
    watch_runners(t, now_ns);
    watch_unhold(t, now_ns);
    schedule(t, now_ns);
    watch_learn(t, now_ns);
    return MIN(watch_next_ns(t, now_ns), schedule_next_ns(t, now_ns));
}

void transfer_limit(struct transfer *t, uint64_t bytes_per_s)
{
    limit_set(&t->limit, bytes_per_s, transfer_now(t));
}

void transfer_connections(struct transfer *t, uint32_t n)
{
    uint64_t now_ns = transfer_now(t);
    t->config.max_connections = MIN(n, FIXED_MAX);
    for (unsigned i = 0; i < t->remotes; i++)
        learn_init(&t->remote[i].learn, t->config.max_connections, t->remote[i].learn.target, now_ns);
}

void transfer_renew(struct transfer *t)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        if (t->runner[i].state != RUN_IDLE)
            runner_cut(&t->runner[i], NULL);
    t->config.http->drop_idle(t->config.http);
}

void transfer_give_back(struct transfer *t, uint8_t *buffer)
{
    pool_put(t->config.pool, buffer);
}

int group_new(struct group **out, struct transfer *t, const struct group_events *events, struct patience *patience,
              struct hfp_err *err)
{
    struct group *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(err);
    *g = (struct group){ .transfer = t, .events = *events, .patience = patience, .last_byte_ns = transfer_now(t) };
    struct group **at = &t->groups;
    while (*at)
        at = &(*at)->next;
    *at = g;
    *out = g;
    return HFP_OK;
}

void group_free(struct group *g)
{
    if (!g)
        return;
    while (g->fetches)
        fetch_free(g->fetches);
    for (struct group **at = &g->transfer->groups; *at; at = &(*at)->next)
        if (*at == g) {
            *at = g->next;
            break;
        }
    free(g);
}

/* Connections are held, not cut: what is on its way stays in the sockets and nothing is fetched twice. A pause that lasts
 * cuts them (watch.c), for a server should not be kept waiting for hours. */
void group_pause(struct group *g, bool paused)
{
    uint64_t now_ns = transfer_now(g->transfer);
    g->paused = paused;
    g->paused_ns = now_ns;
    g->last_byte_ns = now_ns;
}

void group_limit(struct group *g, uint64_t bytes_per_s)
{
    limit_set(&g->limit, bytes_per_s, transfer_now(g->transfer));
}

const struct group_stats *group_stats(const struct group *g)
{
    return &g->stats;
}

static void look_runner(struct group_look *out, const struct runner *r, const struct deadlines *d, uint64_t now_ns)
{
    out->running++;
    if (r->state == RUN_CONNECTING || r->state == RUN_ASKED)
        out->connecting++;
    else if (r->held == HELD_LIMIT)
        out->held_limit++;
    else if (r->held == HELD_BUFFER)
        out->held_buffer++;
    else if (ns_since(now_ns, r->last_byte_ns) >= d->head_silence_ns)
        out->silent++;
    else
        out->streaming++;
}

void group_look(struct group_look *out, const struct group *g)
{
    const struct transfer *t = g->transfer;
    uint64_t now_ns = transfer_now(t);
    *out = (struct group_look){ .last_byte_ns = g->last_byte_ns, .why = g->patience->why, .trying = g->trying };
    for (unsigned i = 0; i < RUNNERS_MAX; i++)
        if (t->runner[i].state != RUN_IDLE && t->runner[i].fetch->group == g)
            look_runner(out, &t->runner[i], &t->config.deadlines, now_ns);
    out->between_rounds = g->patience->wait_until_ns > now_ns;
    out->until_ns = g->patience->wait_until_ns;
    for (const struct fetch *f = g->fetches; f; f = f->next) {
        for (const struct segment *s = f->segments; s; s = s->next)
            out->waiting += s->state == SEG_WAIT;
        uint64_t host_ns = hosts_not_before(t->config.hosts, f->remote->name, now_ns);
        if (host_ns > now_ns && fetch_busy(f)) {
            out->host_busy = true;
            out->until_ns = MAX(out->until_ns, host_ns);
        }
    }
}
