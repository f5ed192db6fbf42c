#include "sim.h"

#include <string.h>

/* Jobs, and what people do to them: they start at different times, are paused, resumed, limited, cancelled - now and then
 * just when a file gets its final name - and one may stay paused until all others have ended. */

#define HELD_LOOK_NS (120 * NS_PER_S)    /* a paused job is looked at so long after everything else is over */
#define PAUSE_SETTLES_NS (60 * NS_PER_S) /* an answer that is not a file may still be read to its end */

static uint64_t next_ns;        /* of the next meddling; 0: none */
static uint64_t seen_named_ns;  /* the last final name that people looked at */
static uint64_t others_over_ns; /* since when only the held job is left; 0: not yet */

static bool essential(const struct sim_job *j)
{
    return j->verb == HFP_PULL && !j->offline;
}

static bool wanted(const struct sim_job *j)
{
    return !j->done && !j->succeeded && (essential(j) || !j->message[0]);
}

bool people_pending(void)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (wanted(&sim->job[i]))
            return true;
    return false;
}

bool people_done(void)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (essential(&sim->job[i]) && !sim->job[i].succeeded)
            return false;
    return true;
}

struct sim_job *people_job(uint64_t id)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (sim->job[i].id == id)
            return &sim->job[i];
    sim_fail("P9: an event of job %llu, which nobody started", (unsigned long long)id);
    return &sim->job[0];
}

void people_before(void)
{
    const struct sim_faults *f = &sim->faults;
    for (unsigned i = 0; i < sim->jobs; i++) {
        struct sim_job *j = &sim->job[i];
        j->id = j->commanded_ns = 0;
        j->done = j->paused = j->held = j->cancelled = j->limited = false;
        j->code = HFP_OK;
    }
    if (f->hold)
        sim->job[sim_random(sim->jobs)].held = true;
    next_ns = f->steer || f->hold || f->cancel || f->suspend ? sim->now_ns + 1 + sim_random(10 * NS_PER_S) : 0;
    seen_named_ns = sim->named_ns;
    others_over_ns = 0;
}

/* Complete on the disk, and known to be: then what only reads must say so. */
static bool whole(const struct sim_job *j)
{
    const struct sim_tree *t = &sim->tree[j->tree];
    bool wrong, pulled = false;
    for (unsigned i = 0; i < sim->jobs; i++)
        pulled |= sim->job[i].succeeded && sim->job[i].verb == HFP_PULL && sim->job[i].tree == j->tree;
    return pulled && (j->by_commit || truth_ref(t)) && !truth_missing(t, &wrong);
}

static void start(struct core *c, struct sim_job *j)
{
    const struct sim_tree *t = &sim->tree[j->tree];
    char repo[16];
    struct hfp_err err = { 0 };
    snprintf(repo, sizeof repo, "sim/%s", repo_names[t->repo]);
    struct hfp_job_spec spec = {
        .verb = j->verb, .repo = repo, .revision = j->by_commit ? t->commit : t->revision, .offline = j->offline
    };
    j->was_whole = whole(j);
    progress_begins(j);
    sim_trace("job %d: %s@%s, verb %d%s", (int)(j - sim->job), repo, spec.revision, j->verb,
              j->offline ? ", offline" : "");
    if (core_start(c, &spec, &j->id, &err) != HFP_OK)
        sim_fail("P1: a job that makes sense is refused: %s", err.message);
    if (j->held) {
        j->commanded_ns = sim->now_ns;
        j->paused = sim_random(3) == 0; /* from the first moment; else when it is under way */
        if (j->paused)
            core_command(c, CORE_PAUSE, j->id, 0);
    }
}

static uint64_t starts_ns(const struct sim_job *j)
{
    return sim->start_ns + j->after_ns;
}

void people_start_due(struct core *c)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (wanted(&sim->job[i]) && !sim->job[i].id && starts_ns(&sim->job[i]) <= sim->now_ns)
            start(c, &sim->job[i]);
}

uint64_t people_next_ns(void)
{
    uint64_t next = next_ns ? next_ns : UINT64_MAX;
    for (unsigned i = 0; i < sim->jobs; i++)
        if (wanted(&sim->job[i]) && !sim->job[i].id)
            next = MIN(next, starts_ns(&sim->job[i]));
    return others_over_ns ? MIN(next, others_over_ns + HELD_LOOK_NS) : next;
}

/* ---- meddling ---- */

static void command(struct core *c, struct sim_job *j, enum core_verb verb, uint64_t value)
{
    if (!j->id || j->done)
        return;
    static const char *const names[] = { "pause", "resume", "cancel", "limit" };
    sim_trace("job %d: %s %llu", (int)(j - sim->job), names[verb], (unsigned long long)value);
    core_command(c, verb, j->id, value);
    sim->commands++;
    j->commanded_ns = sim->now_ns;
    j->cancelled |= verb == CORE_CANCEL;
    j->paused = verb == CORE_PAUSE || (j->paused && verb != CORE_RESUME);
    if (verb == CORE_LIMIT)
        j->limited |= value != 0;
}

static void limit_all(struct core *c, uint64_t value)
{
    core_command(c, CORE_LIMIT, 0, value);
    sim->commands++;
    for (unsigned i = 0; i < sim->jobs; i++) {
        sim->job[i].limited |= value != 0;
        sim->job[i].commanded_ns = sim->now_ns;
    }
}

static void steer(struct core *c, struct sim_job *j)
{
    static const uint64_t limits[] = { 0, 1000, 100000, 10000000 };
    switch (sim_random(6)) {
    case 0:
        command(c, j, CORE_PAUSE, 0);
        break;
    case 1:
    case 2:
        command(c, j, CORE_RESUME, 0);
        break;
    case 3:
        limit_all(c, limits[sim_random(4)]);
        break;
    default:
        command(c, j, CORE_LIMIT, limits[sim_random(4)]);
    }
}

/* The last word is always to go on. */
static void go_on(struct core *c)
{
    limit_all(c, 0);
    for (unsigned i = 0; i < sim->jobs; i++) {
        struct sim_job *j = &sim->job[i];
        command(c, j, CORE_LIMIT, 0);
        if (!j->held)
            command(c, j, CORE_RESUME, 0);
        j->limited = false;
    }
}

static void meddle(struct core *c)
{
    const struct sim_faults *f = &sim->faults;
    struct sim_job *j = &sim->job[sim_random(sim->jobs)];
    if (sim->now_ns >= f->until_ns) {
        go_on(c);
        next_ns = 0;
        return;
    }
    if (j->held && !j->paused)
        command(c, j, CORE_PAUSE, 0);
    else if (f->cancel && sim_random(6) == 0)
        command(c, j, CORE_CANCEL, 0);
    else if (f->steer && !j->held)
        steer(c, j);
    if (f->suspend && sim_random(4) == 0) {
        sim->slept_ns += 3600 * NS_PER_S;
        core_renew(c);
        sim->commands++;
    }
    next_ns = sim->now_ns + 1 + sim_random(20 * NS_PER_S);
}

/* Just after a final name: in the middle of publishing, for a batch of files is under way. */
static void cancel_while_publishing(struct core *c)
{
    if (seen_named_ns == sim->named_ns || !sim->faults.cancel)
        return;
    seen_named_ns = sim->named_ns;
    if (sim_random(4) == 0)
        command(c, &sim->job[sim_random(sim->jobs)], CORE_CANCEL, 0);
}

static struct sim_job *only_the_held_one(void)
{
    struct sim_job *held = NULL;
    for (unsigned i = 0; i < sim->jobs; i++) {
        struct sim_job *j = &sim->job[i];
        if (wanted(j) && !(j->held && j->paused))
            return NULL;
        if (wanted(j))
            held = j;
    }
    return held;
}

/* It outlived everything and did not move; now it goes on, or is cancelled. */
static void release(struct core *c)
{
    struct sim_job *j = only_the_held_one();
    if (!j || !j->id) {
        others_over_ns = 0;
        return;
    }
    if (others_over_ns == 0) {
        others_over_ns = sim->now_ns;
        return;
    }
    if (sim->now_ns < others_over_ns + HELD_LOOK_NS)
        return;
    uint64_t byte_ns = sim->byte_ns[sim->tree[j->tree].repo];
    if (byte_ns > MAX(others_over_ns, j->commanded_ns) + PAUSE_SETTLES_NS)
        sim_fail("P3: a paused job goes on receiving");
    j->held = false;
    others_over_ns = 0;
    command(c, j, sim_random(2) ? CORE_RESUME : CORE_CANCEL, 0);
}

static void judge_cancelled(void)
{
    uint64_t patience_ns = (sim->faults.slow_disk || sim->faults.drag ? 600 : 5) * NS_PER_S;
    for (unsigned i = 0; i < sim->jobs; i++) {
        const struct sim_job *j = &sim->job[i];
        if (j->cancelled && !j->done && ns_since(sim->now_ns, j->commanded_ns) > patience_ns)
            sim_fail("P3: cancelled and not over after %.1f s", (double)(sim->now_ns - j->commanded_ns) / 1e9);
    }
}

void people_turn(struct core *c)
{
    cancel_while_publishing(c);
    judge_cancelled();
    if (next_ns && sim->now_ns >= next_ns)
        meddle(c);
    release(c);
}
