/* test_keeping.c: which written blocks keep their buffer until the hash has passed them, and who gives one back when
 * connections wait (ARCHITECTURE.md, invariant 14).
 *
 * Seen red on purpose: a block far behind a re-check that is kept; blocks kept beyond what slow connections leave; the
 * nearest given back instead of the farthest; a buffer taken from under a hash; none given back though the front is late;
 * given back though it is not; four blocks spared behind a
 * hashing step of two. */
#include "engine/blob.h"
#include "transfer/internal.h"

#include "fake_http.h"
#include "tap.h"

static uint64_t now_ns = 1000 * NS_PER_S;

static struct clock_now fixed_clock(void *ctx)
{
    (void)ctx;
    return (struct clock_now){ now_ns, now_ns, 1 };
}

static uint64_t fixed_now(void *ctx)
{
    (void)ctx;
    return now_ns;
}

static struct core core;
static struct job job;
static struct blob blob;
static uint8_t absent[1000];
static struct listed_file file = { .size_bytes = 1000 * BLOCK_BYTES };
static struct fake_http http;
static struct patience patience;

static void script(void *ctx, const struct http_request *q, struct fh_answer *a)
{
    (void)ctx, (void)q, (void)a;
}

static void begin(uint64_t rate)
{
    struct hfp_err err;
    core = (struct core){ .config = { .now = fixed_clock } };
    fh_init(&http, &now_ns, script, NULL);
    pool_new(&core.pool, POOL_BUFFERS, &err);
    hosts_new(&core.hosts, NULL, HFP_ANY_FAMILY, &err);
    static struct log log;
    struct transfer_config c = { .http = &http.base,
                                 .pool = core.pool,
                                 .hosts = core.hosts,
                                 .log = &log,
                                 .endpoint = "http://hub.test",
                                 .chunk_bytes = 50 * BLOCK_BYTES,
                                 .now = fixed_now };
    transfer_new(&core.transfer, &c, &err);
    patience_init(&patience, 1, now_ns);
    job = (struct job){ .core = &core, .blobs = &blob };
    core.jobs = &job;
    static struct group_events group_events;
    static struct fetch_events fetch_events;
    group_new(&job.group, core.transfer, &group_events, &patience, &err);
    blob = (struct blob){
        .job = &job, .file = &file, .state = BLOB_FETCH, .blocks = 1000, .mark = absent, .front_ns = now_ns
    };
    struct fetch_spec spec = { .url = "http://hub.test/f", .path = "f", .size_bytes = file.size_bytes };
    fetch_new(&blob.fetch, job.group, &spec, &fetch_events, &err);
    blob.fetch->remote->best_bytes_per_s = rate;
}

static void starve(unsigned n)
{
    for (unsigned i = 0; i < RUNNERS_MAX; i++) {
        core.transfer->runner[i].state = i < n ? RUN_BODY : RUN_IDLE;
        core.transfer->runner[i].held = i < n ? HELD_BUFFER : FLOWS;
    }
}

static void keep(uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        core.kept++;
        keeping_add(&blob, i, pool_get(core.pool, true));
    }
}

static void end(const char *name)
{
    starve(0);
    keeping_drop(&blob);
    CHECK(blob.kept_count == 0 && core.kept == 0 && pool_taken(core.pool) == 0, "%s: every buffer is back", name);
    group_free(job.group);
    transfer_free(core.transfer);
    hosts_free(core.hosts);
    pool_free(core.pool);
}

#define MB BLOCK_BYTES
static const struct {
    const char *name;
    uint64_t rate, front, missing, index, late_ms;
    unsigned kept, running;
    bool want;
} rows[] = {
    { "in flight, fast line", 500 * MB, 10, 12, 20, 0, 18, 4, true },
    { "as far as the reach", 500 * MB, 10, 12, 10 + KEEP_REACH - 1, 0, 0, 4, true },
    { "beyond the reach", 500 * MB, 10, 12, 10 + KEEP_REACH, 0, 0, 4, false },
    { "next in line but behind a long re-check", 500 * MB, 0, 501, 500, 0, 0, 4, false },
    { "next in line, all buffers taken, front late", 1 * MB, 10, 11, 10, 9000, 30, 16, true },
    { "the front is late", 500 * MB, 10, 12, 20, 250, 0, 4, false },
    { "the front was late, not yet enough", 500 * MB, 10, 12, 20, 249, 0, 4, true },
    { "slow line, 4 connections, room", 1 * MB, 10, 12, 20, 0, 15, 4, true },
    { "slow line, 4 connections, no room", 1 * MB, 10, 12, 20, 0, 16, 4, false },
    { "slow line, 16 connections, room", 1 * MB, 10, 12, 20, 0, 3, 16, true },
    { "slow line, 16 connections, no room", 1 * MB, 10, 12, 20, 0, 4, 16, false },
};

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(rows[i].rate);
        blob.front = rows[i].front;
        blob.missing = rows[i].missing;
        blob.front_ns = now_ns - rows[i].late_ms * NS_PER_MS;
        core.kept = rows[i].kept;
        core.transfer->running = rows[i].running;
        CHECK(keeping_wants(&blob, rows[i].index) == rows[i].want, "%s: %s", rows[i].name,
              rows[i].want ? "kept" : "not kept");
        core.kept = core.transfer->running = 0;
        end(rows[i].name);
    }
    begin(500 * MB);
    blob.state = BLOB_REPAIR;
    CHECK(!keeping_wants(&blob, 0), "a second opinion is not kept");
    end("second opinion");

    begin(500 * MB);
    blob.front = blob.missing = 10;
    keep(11, 30);
    starve(2);
    CHECK(keeping_turn(&core, now_ns) == blob.front_ns + 250 * NS_PER_MS && blob.kept_count == 20,
          "who waits for a buffer waits a moment for the front, and is woken then");
    now_ns += 250 * NS_PER_MS;
    keeping_turn(&core, now_ns);
    CHECK(blob.kept_count == 18 && !blob.kept[30 % KEEP_REACH] && !blob.kept[29 % KEEP_REACH] &&
              blob.kept[11 % KEEP_REACH],
          "then as many are given back as connections wait, the farthest first");
    starve(0);
    keeping_turn(&core, now_ns);
    CHECK(blob.kept_count == 18, "none when none waits");
    blob.front = 11;
    blob.hashing = 2;
    starve(16);
    keeping_turn(&core, now_ns);
    keeping_turn(&core, now_ns);
    CHECK(blob.kept_count == 2 && blob.kept[11 % KEEP_REACH] && blob.kept[12 % KEEP_REACH],
          "what is being hashed stays, and nothing behind it");
    blob.hashing = 0;
    end("a late front");

    uint8_t marks[1000] = { [11] = MARK_WRITING };
    begin(500 * MB);
    blob.front = blob.missing = 11;
    blob.mark = marks;
    blob.front_ns = now_ns - NS_PER_S;
    keep(12, 20);
    starve(3);
    CHECK(keeping_wants(&blob, 20) && keeping_turn(&core, now_ns) == now_ns + NS_PER_S && blob.kept_count == 9,
          "a front that waits for the disk has two seconds");
    now_ns += NS_PER_S;
    keeping_turn(&core, now_ns);
    CHECK(!keeping_wants(&blob, 20) && blob.kept_count == 6, "and no more");
    end("a busy disk");

    begin(500 * MB);
    keep(0, 20);
    struct front_step step = { .first = 0, .count = FRONT_STEP_BLOCKS };
    core.lent = 10; /* of other files */
    keeping_lend(&blob, &step);
    CHECK(step.item[0].buf && step.item[1].buf && !step.item[2].buf && blob.lent == 2 && blob.kept_count == 19,
          "steps that wait for a worker hold at most half of all buffers; beyond, blocks are read back");
    keeping_returned(&blob);
    CHECK(core.lent == 10 && blob.lent == 0, "what was lent is counted back");
    keeping_passed(&blob, 0, 4);
    CHECK(blob.kept_count == 17 && blob.kept[4], "what the front has passed is free");
    end("lent");
    return tap_end();
}
