#include "sim.h"

#include "base/auto.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One run: a job from nothing to its end, through as many crashes as the seed says, and then as often as it takes with a
 * healthy world until it is done. */

#define TURNS_MAX 2000000
#define HEALTHY_TRIES 3

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
    uint64_t job;
};

static const char *const addresses[] = { "cdn.sim:80:10.0.1.1,10.0.1.2", "hub.sim:80:10.0.0.1", NULL };

static bool boot(struct machine *m)
{
    struct hfp_err err = { 0 };
    *m = (struct machine){ .http = wire_new(), .work = workers_new() };
    struct core_config config = {
        .user = { .endpoint = "http://hub.sim",
                  .hub_cache = "/cache",
                  .token = "hf_secret",
                  .resolve = addresses,
                  .max_rounds = 60,
                  .max_rounds_given = true,
                  .chunk_bytes = 8 * BLOCK_BYTES,
                  .log = log_line,
                  .log_level = sim->trace ? HFP_LOG_TRACE : -1 },
        .http = m->http,
        .work = m->work,
        .now = now,
        .seed = sim_random(UINT64_MAX),
    };
    struct hfp_job_spec spec = { .verb = HFP_PULL, .repo = "sim/repo" };
    if (events_new(&m->events, &err) != HFP_OK)
        return false;
    config.events = m->events;
    return core_new(&m->core, &config, &err) == HFP_OK && core_start(m->core, &spec, &m->job, &err) == HFP_OK;
}

static void listen(struct machine *m)
{
    for (const struct hfp_event *e; (e = events_next(m->events));)
        check_event(e);
}

/* Advances to the next thing that happens; false when nothing ever would. */
static bool advance(struct machine *m)
{
    uint64_t wants = core_turn(m->core), due = UINT64_MAX;
    check_buffers(m->core);
    listen(m);
    if (core_idle(m->core))
        return true;
    heap_next(&due);
    uint64_t next = MIN(wants, due);
    if (next == UINT64_MAX) {
        sim_fail("P3: nothing will ever happen again");
        return false;
    }
    sim->now_ns = MAX(sim->now_ns, next);
    heap_fire(sim->now_ns);
    m->work->poll(m->work);
    return true;
}

static void steer(struct machine *m)
{
    static const uint64_t limits[] = { 0, 1000, 100000, 10000000 };
    switch (sim_random(5)) {
    case 0:
        core_command(m->core, CORE_PAUSE, m->job, 0);
        break;
    case 1:
    case 2:
        core_command(m->core, CORE_RESUME, m->job, 0);
        break;
    default:
        core_command(m->core, CORE_LIMIT, sim_random(2) * m->job, limits[sim_random(4)]);
    }
}

/* What people do while it runs; the last word is always to go on. */
static void meddle(struct machine *m, uint64_t *next_ns)
{
    if (*next_ns == 0 || sim->now_ns < *next_ns)
        return;
    if (sim->now_ns >= sim->faults.until_ns) {
        core_command(m->core, CORE_RESUME, m->job, 0);
        core_command(m->core, CORE_LIMIT, m->job, 0);
        core_command(m->core, CORE_LIMIT, 0, 0);
        *next_ns = 0;
        return;
    }
    if (sim->faults.steer)
        steer(m);
    if (sim->faults.suspend && sim_random(4) == 0) {
        sim->slept_ns += 3600 * NS_PER_S;
        core_renew(m->core);
    }
    *next_ns = sim->now_ns + 1 + sim_random(20 * NS_PER_S);
}

static void wake_meddler(void *arg)
{
    (void)arg;
}

static void drive(struct machine *m)
{
    uint64_t start_ns = sim->now_ns, meddle_ns = sim->faults.steer || sim->faults.suspend ? sim->now_ns + 1 : 0;
    for (unsigned turn = 0; !sim->failed; turn++) {
        if (sim->dead || core_idle(m->core))
            return;
        if (meddle_ns)
            heap_add(meddle_ns, wake_meddler, NULL);
        if (!advance(m))
            return;
        meddle(m, &meddle_ns);
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
    core_free(m->core);
    heap_fire(UINT64_MAX);
    events_free(m->events);
    m->work->free(m->work);
    m->http->free(m->http);
    sim->dead = false;
}

static void incarnation(bool crash)
{
    struct machine m = { 0 };
    disk_new_process();
    check_incarnation_begins();
    sim->done = false;
    sim->ops_left = crash ? sim_random(sim_random(2) ? 40 : 1500) : UINT64_MAX;
    sim_trace("incarnation %u%s", sim->incarnation, crash ? ", to be killed" : "");
    if (boot(&m))
        drive(&m);
    bool killed = sim->dead;
    bury(&m);
    sim->ops_left = UINT64_MAX;
    if (killed && sim->faults.power)
        disk_power_loss();
    sim->incarnation++;
}

/* Which ends are honest in this world? */
static void check_verdict(bool healthy)
{
    bool lied = sim->lies_told > 0 || sim->faults.lying_address;
    bool disk = sim->faults.full_disk || sim->faults.disk_error;
    if (!sim->done || sim->code == HFP_OK)
        return;
    if (!healthy && sim->code == HFP_E_CONTENT && lied)
        return;
    if (!healthy && disk && hfp_exit_status(sim->code) == 7)
        return;
    sim_fail("P1: failed without a cause: %s: %s", hfp_code_name(sim->code), sim->message);
}

static void put_foreign(void)
{
    for (unsigned i = 0; i < sim->files; i++) {
        struct sim_file *f = &sim->file[i];
        if (f->size_bytes <= BLOCK_BYTES || sim_random(2))
            continue;
        char path[256];
        snprintf(path, sizeof path, "/cache/models--sim--repo/blobs/%s%s.incomplete", f->etag,
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

/* The file is damaged and its receipt no longer holds: the next pull notices and mends it. */
static void rot(void)
{
    char path[256];
    struct sim_file *f = &sim->file[sim_random(sim->files)];
    snprintf(path, sizeof path, "/cache/models--sim--repo/blobs/%s", f->etag);
    disk_rot(path, sim_random(f->size_bytes));
    sim->doubtful = true;
    sim->honest = false;
    incarnation(false);
    if (!sim->failed && !(sim->done && sim->code == HFP_OK))
        sim_fail("a damaged file is not mended: %s: %s", hfp_code_name(sim->code), sim->message);
    if (!sim->failed)
        check_end();
}

static void life(void)
{
    bool rots = sim->faults.rot;
    if (sim->faults.foreign)
        put_foreign();
    for (unsigned i = 0; i < sim->faults.crashes && !sim->failed && !(sim->done && sim->code == HFP_OK); i++) {
        incarnation(true);
        check_verdict(false);
    }
    if (!sim->failed && !(sim->done && sim->code == HFP_OK)) {
        incarnation(false);
        check_verdict(false);
    }
    if (!sim->failed)
        check_end();
    /* Whatever happened: with a healthy world the next run finishes. */
    sim->faults = (struct sim_faults){ 0 };
    disk_set_capacity(UINT64_MAX / 2);
    for (unsigned i = 0; i < HEALTHY_TRIES && !sim->failed && !(sim->done && sim->code == HFP_OK); i++)
        incarnation(false);
    if (!sim->failed && !(sim->done && sim->code == HFP_OK))
        sim_fail("the next run in a healthy world does not finish: %s: %s", hfp_code_name(sim->code), sim->message);
    if (!sim->failed)
        check_end();
    if (!sim->failed && rots)
        rot();
}

bool run_seed(uint64_t seed, bool trace)
{
    struct sim world = { .trace = trace };
    sim = &world;
    world_make(seed);
    disk_new(sim->faults.full_disk ? all_bytes() * sim_random(100) / 100 + 4096 : UINT64_MAX / 2);
    life();
    if (world.failed)
        fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, world.failure);
    disk_free();
    world_free();
    sim = NULL;
    return !world.failed;
}
