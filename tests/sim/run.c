#include "sim.h"

#include "base/auto.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One life: jobs from nothing to their end, through as many crashes as the seed says, and then as often as it takes with
 * a healthy world until they are done. Then what is there is looked at again, and damaged and mended. */

#define TURNS_MAX 2000000
#define SPINS_MAX 10000 /* turns in which neither time passes nor anything happens */
#define HEALTHY_TRIES 3
#define AGAIN_ONE_IN 3

struct sim *sim;

uint64_t sim_random(uint64_t below)
{
    return below ? random_next(&sim->random) % below : 0;
}

bool sim_chance(unsigned per_mille)
{
    return per_mille > 0 && sim->now_ns < sim->faults.until_ns && sim_random(1000) < per_mille;
}

void sim_trace(const char *fmt, ...)
{
    if (!sim->trace)
        return;
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%12.6f ", (double)(sim->now_ns - SIM_START_NS) / 1e9);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

void sim_fail(const char *fmt, ...)
{
    if (sim->failed)
        return;
    sim->failed = true;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sim->failure, sizeof sim->failure, fmt, ap);
    va_end(ap);
    sim_trace("FAILED %s", sim->failure);
}

static struct clock_now now(void *ctx)
{
    (void)ctx;
    return (struct clock_now){ sim->now_ns, sim->now_ns + sim->slept_ns,
                               (int64_t)(1700000000000 + sim->now_ns / NS_PER_MS) };
}

static void log_line(void *ctx, int level, const char *text)
{
    (void)ctx;
    sim_trace("log %d %s", level, text);
}

struct machine {
    struct core *core;
    struct http *http;
    struct work *work;
    struct events *events;
    unsigned spins;
    uint64_t fired;
};

static const char *const addresses[] = { "cdn.sim:80:10.0.1.1,10.0.1.2", "hub.sim:80:10.0.0.1", "cas.sim:80:10.0.2.1",
                                         "xorb.sim:80:10.0.3.1,10.0.3.2", NULL };

static bool boot(struct machine *m)
{
    struct hfp_err err = { 0 };
    *m = (struct machine){ .http = wire_new(), .work = workers_new() };
    struct core_config config = {
        .user = { .endpoint = "http://hub.sim",
                  .hub_cache = "/cache",
                  .token = "hf_secret",
                  .resolve = addresses,
                  .max_connections = sim->max_connections,
                  .max_rounds = sim->max_rounds,
                  .max_rounds_given = sim->rounds_given,
                  .xet = sim->faults.xet == 2   ? HFP_XET_ON
                         : sim->faults.xet == 1 ? HFP_XET_AUTO
                                                : HFP_XET_OFF,
                  .chunk_bytes = 8 * BLOCK_BYTES,
                  .log = log_line,
                  .log_level = sim->trace ? HFP_LOG_TRACE : -1 },
        .http = m->http,
        .work = m->work,
        .now = now,
        .seed = sim_random(UINT64_MAX),
    };
    if (events_new(&m->events, &err) != HFP_OK)
        return false;
    config.events = m->events;
    return core_new(&m->core, &config, &err) == HFP_OK;
}

static void listen(struct machine *m)
{
    for (const struct hfp_event *e; (e = events_next(m->events));)
        check_event(e);
}

static void judge_spin(struct machine *m, bool time_passes)
{
    m->spins = time_passes || m->fired != sim->fired ? 0 : m->spins + 1;
    m->fired = sim->fired;
    if (m->spins > SPINS_MAX)
        sim_fail("P3: %u turns in which nothing happens", m->spins);
}

/* Advances to the next thing that happens. */
static void advance(struct machine *m)
{
    people_start_due(m->core);
    uint64_t wants = core_turn(m->core), due = UINT64_MAX, commands = sim->commands;
    check_buffers(m->core);
    listen(m);
    people_turn(m->core);
    if (!people_pending() || sim->commands != commands) /* a command wants a turn at once */
        return;
    heap_next(&due);
    uint64_t next = MIN(MIN(core_idle(m->core) ? UINT64_MAX : wants, due), people_next_ns());
    if (next == UINT64_MAX) {
        sim_fail("P3: nothing will ever happen again");
        return;
    }
    judge_spin(m, next > sim->now_ns);
    sim->now_ns = MAX(sim->now_ns, next);
    heap_fire(sim->now_ns);
    m->work->poll(m->work);
}

static void drive(struct machine *m)
{
    uint64_t start_ns = sim->now_ns;
    for (unsigned turn = 0; !sim->failed && !sim->dead && people_pending(); turn++) {
        advance(m);
        if (turn > TURNS_MAX || ns_since(sim->now_ns, start_ns) > SIM_PROMISED_NS)
            sim_fail("P3: no end after %u turns and %.1f hours", turn, (double)(sim->now_ns - start_ns) / 3.6e12);
    }
}

/* The killed process has no effect any more; letting it run out gives its memory back. */
static void bury(struct machine *m)
{
    sim->dead = true;
    if (m->core)
        core_cancel_all(m->core);
    for (unsigned i = 0; m->core && !core_idle(m->core) && i < TURNS_MAX; i++) {
        uint64_t due = UINT64_MAX, wants = core_turn(m->core);
        heap_next(&due);
        sim->now_ns = MAX(sim->now_ns, MIN(MIN(wants, due), sim->now_ns + NS_PER_S));
        heap_fire(sim->now_ns);
        m->work->poll(m->work);
    }
    while (sim->heap_n > 0) { /* late names and syncs of a core that is idle */
        heap_fire(UINT64_MAX);
        m->work->poll(m->work);
    }
    core_free(m->core);
    events_free(m->events);
    m->work->free(m->work);
    m->http->free(m->http);
    sim->dead = false;
}

static void incarnation(bool crash)
{
    struct machine m = { 0 };
    memory_begins();
    disk_new_process();
    check_incarnation_begins();
    sim->start_ns = sim->now_ns;
    sim->ops_left = crash ? sim_random(sim_random(2) ? 40 : 1500) : UINT64_MAX;
    sim_trace("incarnation %u%s", sim->incarnation, crash ? ", to be killed" : "");
    people_before();
    if (boot(&m))
        drive(&m);
    bool killed = sim->dead;
    bury(&m);
    memory_ends();
    sim->ops_left = UINT64_MAX;
    if (!sim->failed)
        check_disk();
    truth_note_recorded();
    if (killed && sim->faults.power) {
        sim->power_lost = true;
        disk_power_loss();
    }
    sim->incarnation++;
}

static void put_foreign(void)
{
    for (unsigned i = 0; i < sim->files; i++) {
        struct sim_file *f = &sim->file[i];
        if (f->size_bytes <= BLOCK_BYTES || sim_random(2))
            continue;
        char path[256];
        snprintf(path, sizeof path, "/cache/models--sim--%s/blobs/%s%s.incomplete", repo_names[0], f->etag,
                 sim_random(2) ? "" : ".0badc0de");
        uint64_t n = sim_random(f->size_bytes + BLOCK_BYTES);
        uint8_t *data = calloc(1, (size_t)n + 1);
        if (sim_random(3) > 0) /* a right prefix, else zeros */
            memcpy(data, f->content, (size_t)MIN(n, f->size_bytes));
        disk_put(path, data, (size_t)n);
        free(data);
    }
}

static uint64_t all_bytes(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < sim->files; i++)
        n += sim->file[i].size_bytes;
    return n;
}

/* One more job on its own, in a healthy world with everything in place. */
static enum hfp_code one_job(enum hfp_verb verb, bool offline)
{
    sim->jobs = 1;
    sim->job[0] = (struct sim_job){ .verb = verb, .offline = offline };
    incarnation(false);
    return sim->job[0].code;
}

/* What is complete is left alone: nothing is fetched, and the dry run changes nothing at all. */
static void look_again(void)
{
    static const enum hfp_verb verbs[] = { HFP_PULL, HFP_PULL, HFP_VERIFY, HFP_REPAIR, HFP_PLAN };
    unsigned choice = (unsigned)sim_random(ARRAY_LEN(verbs));
    uint64_t requests = sim->file_requests, changes = disk_changes();
    enum hfp_code code = one_job(verbs[choice], choice == 1);
    if (code != HFP_OK)
        sim_fail("P1: everything is in place, and verb %d says %s: %s", verbs[choice], hfp_code_name(code),
                 sim->job[0].message);
    if (sim->file_requests != requests)
        sim_fail("P2: everything is in place, and verb %d fetches", verbs[choice]);
    if (verbs[choice] == HFP_PLAN && disk_changes() != changes)
        sim_fail("P7: the dry run changed something on the disk");
}

/* A finished file is damaged, or only copied: verify notices, the next pull mends it; a copy without fault is read, not
 * fetched. */
static void rot(unsigned how)
{
    char path[256];
    struct sim_file *f = sim->tree[0].entry[sim_random(sim->tree[0].n)].file;
    snprintf(path, sizeof path, "/cache/models--sim--%s/blobs/%s", repo_names[0], f->etag);
    if (f->size_bytes == 0)
        return;
    disk_rot(path, sim_random(f->size_bytes), how);
    sim->doubtful = sim->rotten = true;
    sim->honest = false;
    enum hfp_code damaged = how < 3 ? HFP_E_CONTENT : HFP_OK, code = HFP_OK;
    uint64_t requests = sim->file_requests;
    if (sim_random(2) == 0 && (code = one_job(HFP_VERIFY, false)) != damaged)
        sim_fail("P1: damage of kind %u, and verify says %s: %s", how, hfp_code_name(code), sim->job[0].message);
    if (!sim->failed && (code = one_job(sim_random(3) ? HFP_PULL : HFP_REPAIR, false)) != HFP_OK)
        sim_fail("P1: a damaged file is not mended: %s: %s", hfp_code_name(code), sim->job[0].message);
    if (how == 3 && sim->file_requests != requests)
        sim_fail("P2: a copied file that is right is fetched again");
    sim->rotten = false;
    if (!sim->failed)
        check_disk();
}

static void life(void)
{
    unsigned rots = sim->faults.rot;
    if (sim->faults.foreign)
        put_foreign();
    for (unsigned i = 0; i < sim->faults.crash && !sim->failed && !people_done(); i++)
        incarnation(true);
    if (!sim->failed && !people_done())
        incarnation(false);
    world_healthy(); /* whatever happened: now the next run finishes */
    for (unsigned i = 0; i < HEALTHY_TRIES && !sim->failed && !people_done(); i++)
        incarnation(false);
    if (!sim->failed && !people_done())
        sim_fail("P1: the next run in a healthy world does not finish");
    if (!sim->failed && sim_random(AGAIN_ONE_IN) == 0)
        look_again();
    if (!sim->failed && rots)
        rot(rots);
}

static void trace_faults(void)
{
    for (unsigned i = 0; i < sim_fault_count; i++)
        if (*fault_at(&sim->faults, i))
            sim_trace("fault %s %u", sim_fault_names[i], *fault_at(&sim->faults, i));
}

bool run_world(uint64_t seed, const struct sim_switches *switches, bool trace, char *failure)
{
    struct sim world = { .trace = trace };
    sim = &world;
    world_make(seed, switches);
    trace_faults();
    disk_new(sim->faults.full_disk ? all_bytes() * sim_random(100) / 100 + 4096 : UINT64_MAX / 2);
    life();
    snprintf(failure, 512, "%s", world.failure);
    disk_free();
    world_free();
    sim = NULL;
    return !world.failed;
}
