#include "sim.h"

#include <inttypes.h>

/* P8: what is shown of progress, held against what came. */

#define RATE_REMEMBERS_NS (6 * NS_PER_S) /* the mean of 5 s, and a tick */
#define STALL_SAID_NS (31 * NS_PER_S)    /* 30 s, and a tick */

void progress_begins(struct sim_job *j)
{
    j->received = j->recorded = j->proved = j->in_place = j->checked = 0;
    j->planned = false;
    j->moved_ns = sim->now_ns;
}

static bool alone_in_repo(const struct sim_job *j)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (&sim->job[i] != j && sim->job[i].id && sim->tree[sim->job[i].tree].repo == sim->tree[j->tree].repo)
            return false;
    return true;
}

/* No count runs back, and none claims more than the one before it. */
static void check_counts(struct sim_job *j, const struct hfp_status *s)
{
    if (s->received_bytes < j->received || s->recorded_bytes < j->recorded || s->proved_bytes < j->proved ||
        s->in_place_bytes < j->in_place)
        sim_fail("P8: a count ran back: received %" PRIu64 " recorded %" PRIu64 " proved %" PRIu64 " in place %" PRIu64,
                 s->received_bytes, s->recorded_bytes, s->proved_bytes, s->in_place_bytes);
    if (s->received_bytes > s->total_bytes || s->recorded_bytes > s->received_bytes ||
        s->proved_bytes > s->recorded_bytes || s->in_place_bytes > s->proved_bytes)
        sim_fail("P8: received %" PRIu64 " of %" PRIu64 ", recorded %" PRIu64 ", proved %" PRIu64 ", in place %" PRIu64,
                 s->received_bytes, s->total_bytes, s->recorded_bytes, s->proved_bytes, s->in_place_bytes);
    if (s->checked_bytes < j->checked || s->checked_bytes > s->total_bytes)
        sim_fail("P8: checked %" PRIu64 " after %" PRIu64 " of %" PRIu64, s->checked_bytes, j->checked, s->total_bytes);
    j->checked = s->checked_bytes;
    if (s->received_bytes != j->received)
        j->moved_ns = sim->now_ns;
    j->received = s->received_bytes;
    j->recorded = s->recorded_bytes;
    j->proved = s->proved_bytes;
}

/* What is said to be in place has its final name and is right. */
static void check_in_place(struct sim_job *j, const struct hfp_status *s)
{
    const struct sim_tree *t = &sim->tree[j->tree];
    uint64_t there = 0;
    if (s->in_place_bytes == j->in_place)
        return;
    j->in_place = s->in_place_bytes;
    for (unsigned i = 0; i < sim->files; i++) {
        bool listed = false;
        for (unsigned k = 0; k < t->n; k++)
            listed |= t->entry[k].file == &sim->file[i];
        /* Two files may be made of the same chunks: they are one content, and one blob. */
        const struct sim_file *content = listed ? world_etag(sim->file[i].etag) : NULL;
        there += content && content->right[t->repo] ? sim->file[i].size_bytes : 0;
    }
    if (s->in_place_bytes > there && !sim->rotten)
        sim_fail("P8: %" PRIu64 " bytes said to be in place, %" PRIu64 " are", s->in_place_bytes, there);
}

/* Received is what was here, what was proved where it lay, what the wire brought, what another repository had, and what an
 * earlier run had copied from there and not recorded. */
static void check_received(struct sim_job *j, const struct hfp_event *e)
{
    const struct hfp_status *s = &e->status;
    unsigned repo = sim->tree[j->tree].repo;
    if (sim->doubtful || sim->rotten || !alone_in_repo(j))
        return;
    if (e->type == HFP_EV_PLAN) {
        j->planned = true;
        j->plan_bytes = s->here_bytes + s->prove_bytes;
        j->wire_at_plan = sim->got_bytes[repo];
        j->kept_at_plan = s->kept_bytes;
        uint64_t truth = truth_recorded_bytes(&sim->tree[j->tree]);
        if (s->recorded_bytes > truth)
            sim_fail("P8: %" PRIu64 " bytes said to be recorded, %" PRIu64 " are on the disk", s->recorded_bytes,
                     truth);
    }
    bool guesses = sim->torn || sim->power_lost; /* blocks whose record was torn or lost, and that prove right */
    bool copies = sim->faults.xet > 0;           /* chunks that came and stand twice */
    if (j->planned && !guesses && !copies &&
        s->received_bytes > j->plan_bytes + sim->got_bytes[repo] - j->wire_at_plan + s->copied_bytes +
                                s->adopted_bytes + s->kept_bytes - j->kept_at_plan)
        sim_fail("P8: received %" PRIu64 ", but %" PRIu64 " were here and %" PRIu64 " came", s->received_bytes,
                 j->plan_bytes, sim->got_bytes[repo] - j->wire_at_plan);
}

static bool moving_state(enum hfp_state s)
{
    return s == HFP_RESOLVING || s == HFP_DOWNLOADING || s == HFP_VERIFYING || s == HFP_REPAIRING || s == HFP_WAITING;
}

/* Nothing at all has happened for this job for so long: no byte, no task's end, no command. */
static uint64_t truly_quiet_ns(const struct sim_job *j)
{
    uint64_t last_ns = MAX(sim->byte_ns[sim->tree[j->tree].repo], sim->start_ns + j->after_ns);
    return ns_since(sim->now_ns, MAX(MAX(last_ns, sim->task_ns), j->commanded_ns));
}

static void check_stall(const struct sim_job *j, const struct hfp_event *e)
{
    const struct hfp_status *s = &e->status;
    uint64_t quiet_ns = truly_quiet_ns(j);
    if (e->type == HFP_EV_STALLED && !s->wait_text[0])
        sim_fail("P8: stalled, and no reason named");
    if (e->type == HFP_EV_STALLED && sim->calm && !sim->rotten && alone_in_repo(j))
        sim_fail("P8: called stalled in a healthy world: %s", s->wait_text);
    /* A Hub that is given up for what the cache knows (30 s) is a step onwards that no byte tells of. */
    uint64_t said_ns = s->state == HFP_RESOLVING ? 2 * STALL_SAID_NS : STALL_SAID_NS;
    if (e->type != HFP_EV_PROGRESS || !moving_state(s->state) || !alone_in_repo(j) || quiet_ns < said_ns)
        return;
    if (s->wait == HFP_NOT_WAITING || !s->wait_text[0])
        sim_fail("P8: quiet for %.0f s in state %s, and no reason named", (double)quiet_ns / 1e9,
                 hfp_state_text(s->state));
    else if (!s->stalled && !j->limited)
        sim_fail("P8: quiet for %.0f s and not called stalled: %s", (double)quiet_ns / 1e9, s->wait_text);
}

/* The limit of another job, or one that was taken away, holds nobody. */
static void check_limit(const struct sim_job *j, const struct hfp_status *s)
{
    if (s->wait == HFP_WAIT_LIMIT && !j->limited && ns_since(sim->now_ns, j->commanded_ns) > NS_PER_S)
        sim_fail("P8: held by a limit that nobody set: %s", s->wait_text);
}

/* Speed falls to zero when nothing moves. */
static void check_rate(const struct sim_job *j, const struct hfp_event *e)
{
    const struct hfp_status *s = &e->status;
    uint64_t byte_ns = sim->byte_ns[sim->tree[j->tree].repo];
    if ((e->type != HFP_EV_PROGRESS && e->type != HFP_EV_STALLED) || s->rate_bytes_per_s == 0)
        return;
    if (ns_since(sim->now_ns, MAX(byte_ns, j->moved_ns)) > RATE_REMEMBERS_NS)
        sim_fail("P8: %" PRIu64 " bytes/s, though nothing came for %.1f s", s->rate_bytes_per_s,
                 (double)ns_since(sim->now_ns, byte_ns) / 1e9);
}

static void check_end(const struct hfp_status *s)
{
    bool all = s->received_bytes == s->total_bytes && s->recorded_bytes == s->total_bytes &&
               s->proved_bytes == s->total_bytes && s->in_place_bytes == s->total_bytes;
    if (s->state == HFP_DONE && (s->verb == HFP_PULL || s->verb == HFP_REPAIR) && !all)
        sim_fail("P8: done with received %" PRIu64 ", recorded %" PRIu64 ", proved %" PRIu64 ", in place %" PRIu64
                 " of %" PRIu64,
                 s->received_bytes, s->recorded_bytes, s->proved_bytes, s->in_place_bytes, s->total_bytes);
    if (s->state == HFP_DONE && (s->verb == HFP_VERIFY || s->verb == HFP_REPAIR) && s->checked_bytes != s->total_bytes)
        sim_fail("P8: done with %" PRIu64 " of %" PRIu64 " checked", s->checked_bytes, s->total_bytes);
    if (s->stalled || (s->state != HFP_DONE && s->state != HFP_FAILED && s->state != HFP_CANCELLED))
        sim_fail("P8: over, and still %s", s->stalled ? "stalled" : hfp_state_text(s->state));
}

void progress_event(struct sim_job *j, const struct hfp_event *e)
{
    if (sim->dead)
        return;
    check_counts(j, &e->status);
    check_in_place(j, &e->status);
    check_received(j, e);
    check_rate(j, e);
    check_stall(j, e);
    check_limit(j, &e->status);
    if (e->type == HFP_EV_DONE)
        check_end(&e->status);
    bool closing = ns_since(sim->now_ns, j->commanded_ns) < 60 * NS_PER_S; /* it was over before the pause came */
    if (j->held && j->paused && !closing && e->type == HFP_EV_PROGRESS)
        sim_fail("P8: a paused job says that it moves");
}
