#include "sim.h"

#include "base/auto.h"

#include <inttypes.h>
#include <string.h>

/* The promises, each judged from the world's own truth and never from what the engine says of itself. P8 is in
 * progress.c, P5 in memory.c, P6 and P7 in hub.c and wire.c. */

/* ---- P2 ---- */

void check_taken(const struct exchange *x, uint64_t at, uint64_t n)
{
    uint16_t *to = x->file->taken_to[x->repo];
    for (uint64_t end = at + n; at < end;) {
        uint64_t b = at / BLOCK_BYTES, stop = MIN(end, (b + 1) * BLOCK_BYTES);
        to[b] = (uint16_t)MAX(to[b], stop - b * BLOCK_BYTES);
        at = stop;
    }
}

/* No byte that was received is asked for again: in worlds in which nothing may throw it away. Pauses and suspends may cut a
 * connection that held bytes back, answers that make no sense are thrown away, and where every buffer is taken a
 * half-filled one that waits is emptied (transfer/watch.c). */
static bool nothing_is_thrown_away(void)
{
    const struct sim_faults *f = &sim->faults;
    return sim->honest && !f->xet && !f->steer && !f->hold && !f->cancel && !f->suspend && !f->shift_range &&
           !f->ignore_range && !f->wrong_total && !f->crash && !f->full_disk && !f->slow_disk && !f->drag &&
           sim->incarnation == 0 && !sim->dry;
}

/* A block whose record was on the disk is not asked for again, as long as nobody lied. */
void check_request(const struct sim_file *f, unsigned repo, uint64_t first, uint64_t last)
{
    if (sim->lies_told > 0 || sim->doubtful ||
        sim->torn) /* records of a torn notebook are guesses, and may be asked for */
        return;
    for (uint64_t b = first / BLOCK_BYTES; b <= last / BLOCK_BYTES; b++) {
        uint64_t taken_to = b * BLOCK_BYTES + f->taken_to[repo][b];
        if (f->recorded[repo][b])
            sim_fail("P2: block %" PRIu64 " of %.12s was recorded and is asked for again", b, f->etag);
        else if (nothing_is_thrown_away() && f->taken_to[repo][b] && taken_to > MAX(first, b * BLOCK_BYTES))
            sim_fail("P2: %.12s was received up to byte %" PRIu64 " of block %" PRIu64
                     " and is asked for from byte %" PRIu64,
                     f->etag, taken_to, b, first);
    }
}

/* ---- P1 ---- */

/* Nothing wrong ever gets a final name, not even for a moment. */
void check_rename(int repo, const char *name, const uint8_t *data, uint64_t size_bytes)
{
    struct sim_file *f = world_etag(name);
    if (!f)
        return;
    if (!truth_is(f, data, size_bytes))
        sim_fail("P1: wrong content under the final name %.12s", name);
    if (repo >= 0)
        f->right[repo] = true;
    sim->named_ns = sim->now_ns;
}

static void check_blob(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx)
{
    struct sim_file *f = world_etag(name);
    unsigned repo = *(unsigned *)ctx;
    if (!f)
        return;
    f->right[repo] = truth_is(f, data, size_bytes);
    if (!f->right[repo] && !sim->rotten)
        sim_fail("P1: blob %.12s is wrong", name);
}

void check_disk(void)
{
    bool wrong = false;
    for (unsigned r = 0; r < SIM_REPOS; r++) {
        char folder[64];
        snprintf(folder, sizeof folder, "/cache/models--sim--%s/blobs", repo_names[r]);
        disk_each(folder, check_blob, &r);
    }
    for (unsigned i = 0; i < sim->trees && !sim->rotten; i++) {
        const struct sim_tree *t = &sim->tree[i];
        const char *missing = truth_ref(t) ? truth_missing(t, &wrong) : NULL;
        if (missing)
            sim_fail("P1: refs/%s is there, but %s is %s", t->revision, missing, wrong ? "wrong" : "missing");
    }
}

/* Done means that every file can be read and is right, and that the ref says so. */
static void check_done(const struct sim_job *j)
{
    const struct sim_tree *t = &sim->tree[j->tree];
    bool wrong = false;
    const char *missing = j->verb == HFP_PLAN ? NULL : truth_missing(t, &wrong);
    if (missing)
        sim_fail("P1: done, but %s is %s", missing, wrong ? "wrong" : "missing");
    if (j->verb == HFP_PULL && !j->by_commit && !truth_ref(t))
        sim_fail("P1: done, but refs/%s is not the commit", t->revision);
}

/* ---- P4: which ends are honest in this world? ---- */

static bool wire_is_bad(void)
{
    const struct sim_faults *f = &sim->faults;
    return f->refuse || f->black_hole || f->dns || f->slow_open || f->mute || f->server_error || f->busy || f->expire ||
           f->portal || f->garble || f->hop || f->reset || f->shorten || f->stall || f->outage || f->throttle ||
           f->ignore_range || f->shift_range || f->wrong_total || f->pause || f->creep;
}

static bool shares_repo(const struct sim_job *j)
{
    for (unsigned i = 0; i < sim->jobs; i++)
        if (&sim->job[i] != j && sim->tree[sim->job[i].tree].repo == sim->tree[j->tree].repo && sim->job[i].id)
            return true;
    return false;
}

static bool failed_honestly(const struct sim_job *j)
{
    bool reads = j->verb == HFP_VERIFY || j->offline, lied = sim->lies_told > 0;
    switch (hfp_exit_status(j->code)) {
    case 3:
        return wire_is_bad() && sim->max_rounds < 60;
    case 4:
        return j->verb == HFP_VERIFY ? sim->rotten || sim->doubtful : lied;
    case 7:
        return sim->faults.full_disk || sim->faults.disk_error;
    case 8:
        return shares_repo(j);
    case 9:
        return (reads && !j->was_whole) || (!sim->rounds_given && wire_is_bad()) || sim->faults.disk_error;
    case 130:
        return j->cancelled;
    default:
        return false;
    }
}

void check_verdict(const struct sim_job *j)
{
    if (j->code == HFP_OK)
        check_done(j);
    else if (!j->message[0])
        sim_fail("P4: failed without a word: %s", hfp_code_name(j->code));
    else if (!failed_honestly(j))
        sim_fail("P4: failed without a cause: %s: %s", hfp_code_name(j->code), j->message);
}

/* ---- events ---- */

void check_event(const struct hfp_event *e)
{
    struct sim_job *j = people_job(e->status.job);
    sim_trace("job %d: event %d %s %s %s %s", (int)(j - sim->job), e->type, hfp_state_text(e->status.state),
              e->status.wait_text, e->path ? e->path : "", e->text ? e->text : "");
    if (e->status.state == HFP_REPAIRING && sim->honest && sim->lies_told == 0 && j->verb != HFP_REPAIR)
        sim_fail("P1: bytes that nobody got wrong do not match: %s", e->text ? e->text : "");
    progress_event(j, e);
    if (e->type != HFP_EV_DONE)
        return;
    j->done = true;
    j->code = e->status.error.code;
    snprintf(j->message, sizeof j->message, "%s", e->status.error.message);
    check_verdict(j);
    j->succeeded |= j->code == HFP_OK;
    if (j->code == HFP_OK)
        return;
    truth_note_recorded();
    for (unsigned i = 0; i < sim->files; i++) { /* what it had of blocks went with it */
        size_t n = (size_t)blocks_of(sim->file[i].size_bytes);
        memset(sim->file[i].taken_to[sim->tree[j->tree].repo], 0, n * sizeof(uint16_t));
    }
}

void check_incarnation_begins(void)
{
    for (unsigned i = 0; i < sim->files; i++)
        for (unsigned r = 0; r < SIM_REPOS; r++) {
            size_t n = (size_t)blocks_of(sim->file[i].size_bytes);
            if (sim->faults.power) /* else what was recorded once stays so */
                memset(sim->file[i].recorded[r], 0, n);
            memset(sim->file[i].taken_to[r], 0, n * sizeof(uint16_t));
            sim->file[i].right[r] = false;
        }
    check_disk();
    truth_note_recorded();
    check_xorbs_begin();
}
