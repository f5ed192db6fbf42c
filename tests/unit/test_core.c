/* test_core.c: the whole engine on a fake wire, a fake clock and a real folder.
 *
 * Tasks run inside poll(), at once or after a time of their own, or on real threads (which is for ThreadSanitizer).
 * Seen red on purpose: counts that run back; a job that ends without DONE; a wake-up that never comes (the job then
 * hangs and the run is cut off); a wrong file that is published; a second pull that asks for bytes; recorded blocks
 * asked for again after a kill; a verify that makes files; a disk error that a verify swallows; requests missing in
 * the last event; a file counted twice as proved; a FILE event dropped when the list is full; a DONE that does not
 * wait for them, or waits when the handle closes, or makes other jobs wait, or can be cancelled while it does; planned
 * files told after they were fetched; a file whose lock is asked for again called a slow disk; a wait told of what is
 * over; what an earlier run of ours had copied said to be another tool's; equal files of a dry run dropped when the
 * list is full; a repair said to be a download; the time of a SIGSTOP taken for the Hub's, or for that of a lock's
 * holder, and that of a pause for the silence of the Xet store; what was here taken for speed; a verify that counts
 * what receipts say, or a file when all of it is read; a pull that ends while a deletion takes its contents; a
 * ref over links that an earlier run could not sync. */
#include "base/auto.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/work.h"
#include "engine/core.h"
#include "engine/events.h"
#include "fake_http.h"

#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUB "http://hub.test"
#define MB UINT64_C(1048576)
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* ---- the Hub ---- */

static const struct {
    const char *path;
    uint64_t size;
    unsigned seed;
    bool lfs;
} files[] = {
    { "config.json", 700, 1, false },      { "copy.bin", 6 * MB + 99, 2, true },       { "empty.txt", 0, 3, false },
    { "model.bin", 6 * MB + 99, 2, true }, { "sub/tokenizer.json", 300000, 4, false },
};
#define FILES ARRAY_LEN(files)

static char tree[4096];

static struct content_id id_of(unsigned i)
{
    struct digest *d = NULL;
    struct content_id id = { 0 };
    uint8_t *b = malloc((size_t)files[i].size + 1);
    fh_content(b, 0, (size_t)files[i].size, files[i].seed);
    digest_new(&d, files[i].lfs ? DIGEST_SHA256 : DIGEST_GIT_SHA1, files[i].size, NULL);
    digest_add(d, b, (size_t)files[i].size, NULL);
    digest_end(d, &id, NULL);
    digest_free(d);
    free(b);
    return id;
}

static void make_tree(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < FILES; i++) {
        char hex[65];
        struct content_id id = id_of(i);
        content_id_hex(hex, &id);
        n += (size_t)snprintf(tree + n, sizeof tree - n,
                              "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%" PRIu64 ",\"oid\":\"%s\"", i ? "," : "[",
                              files[i].path, files[i].size, files[i].lfs ? COMMIT : hex);
        if (files[i].lfs)
            n += (size_t)snprintf(tree + n, sizeof tree - n,
                                  ",\"lfs\":{\"oid\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":130}", hex,
                                  files[i].size);
        n += (size_t)snprintf(tree + n, sizeof tree - n, "}");
    }
    snprintf(tree + n, sizeof tree - n, "]");
}

/* ---- tasks without threads ---- */

struct fake_work {
    struct work base;
    uint64_t *now_ns, delay_ns;
    struct task *head, **tail;
    uint64_t due[4096];
    unsigned first, count;
};

static void fw_submit(struct work *base, enum work_lane lane, struct task *t)
{
    struct fake_work *w = (struct fake_work *)base;
    (void)lane;
    t->next = NULL;
    *w->tail = t;
    w->tail = &t->next;
    w->due[(w->first + w->count++) % ARRAY_LEN(w->due)] = *w->now_ns + w->delay_ns;
    assert(w->count < ARRAY_LEN(w->due));
}

static bool fw_poll(struct work *base)
{
    struct fake_work *w = (struct fake_work *)base;
    bool any = false;
    for (unsigned n = w->count; n > 0 && w->due[w->first] <= *w->now_ns; n--) {
        struct task *t = w->head;
        w->head = t->next;
        if (!w->head)
            w->tail = &w->head;
        w->first = (w->first + 1) % ARRAY_LEN(w->due);
        w->count--;
        t->run(t);
        t->done(t);
        any = true;
    }
    return any;
}

static unsigned fw_busy(const struct work *base)
{
    return ((const struct fake_work *)(const void *)base)->count;
}

/* ---- the rig ---- */

struct rig {
    uint64_t now_ns;
    struct fake_http http;
    struct fake_work fake;
    struct work *work;
    bool threads;
    struct events *events;
    struct core *core;
    void (*serve)(struct rig *r, const struct http_request *q, struct fh_answer *a);
    uint64_t file_bytes, file_requests, number;
    /* what was seen */
    unsigned done_events, plans, stalls;
    unsigned questions, unheard; /* to the Xet store; and given up */
    struct hfp_status last, before;
    bool ran_back, verify_fetches, verify_speeds;
    unsigned checked_steps, estimates; /* of the bytes that were looked at; events with an ETA */
    uint64_t proved_at_plan;
    unsigned files[HFP_FILE_PLANNED + 1];
    bool blind, each_file; /* takes no event; every file is told of */
    enum hfp_file_state first[FILES], latest[FILES];
    unsigned words[FILES]; /* about a file */
    uint64_t job;
};

static char root[64];

static struct clock_now rig_clock(void *ctx)
{
    const struct rig *r = ctx;
    return (struct clock_now){ r->now_ns, r->now_ns, 1800000000000 + (int64_t)(r->now_ns / NS_PER_MS) };
}

static void serve_good(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    (void)r;
    a->bytes_per_s = 20 * MB;
    if (strstr(q->url, "/revision/"))
        fh_answer_text(a, 200, "{\"sha\":\"" COMMIT "\"}");
    else if (strstr(q->url, "/tree/"))
        fh_answer_text(a, 200, tree);
    else
        for (unsigned i = 0; i < FILES; i++)
            if (strstr(q->url, files[i].path)) {
                a->seed = files[i].seed;
                fh_answer_file(a, q, files[i].size);
            }
}

static bool is_file(const struct http_request *q)
{
    return strstr(q->url, "/resolve/") != NULL;
}

static void script(void *ctx, const struct http_request *q, struct fh_answer *a)
{
    struct rig *r = ctx;
    r->number++;
    r->serve(r, q, a);
    r->file_requests += is_file(q);
    r->file_bytes += is_file(q) ? MIN(a->length, a->cut_at) : 0;
}

static void no_wake(void *ctx)
{
    (void)ctx;
}

static void begin(struct rig *r, void (*serve)(struct rig *, const struct http_request *, struct fh_answer *),
                  uint64_t delay_ns, bool threads)
{
    struct hfp_err err;
    *r = (struct rig){ .now_ns = 1000 * NS_PER_S, .serve = serve, .threads = threads };
    fh_init(&r->http, &r->now_ns, script, r);
    r->http.resumes_later = true;
    r->fake =
        (struct fake_work){ .base = { fw_submit, fw_poll, fw_busy, NULL }, .now_ns = &r->now_ns, .delay_ns = delay_ns };
    r->fake.tail = &r->fake.head;
    r->work = &r->fake.base;
    int rc = threads ? work_threads_new(&r->work, no_wake, NULL, &err) : HFP_OK;
    rc |= events_new(&r->events, &err);
    struct core_config c = {
        .user = { .endpoint = HUB, .token = "hf_secret", .hub_cache = root, .chunk_bytes = 4 * MB, .max_rounds = 3 },
        .http = &r->http.base,
        .work = r->work,
        .events = r->events,
        .now = rig_clock,
        .clock_ctx = r,
        .seed = 7
    };
    rc |= core_new(&r->core, &c, &err);
    assert(rc == HFP_OK);
}

static uint64_t start(struct rig *r, enum hfp_verb verb)
{
    struct hfp_err err;
    struct hfp_job_spec spec = { .verb = verb, .repo = "ns/name", .each_file = r->each_file };
    int rc = core_start(r->core, &spec, &r->job, &err);
    assert(rc == HFP_OK);
    return r->job;
}

static void look_at_file(struct rig *r, const struct hfp_event *ev)
{
    r->files[ev->file_state]++;
    for (unsigned i = 0; i < FILES; i++) {
        if (strcmp(files[i].path, ev->path) != 0)
            continue;
        if (r->words[i]++ == 0)
            r->first[i] = ev->file_state;
        r->latest[i] = ev->file_state;
    }
}

static void look(struct rig *r)
{
    for (const struct hfp_event *ev; !r->blind && (ev = events_next(r->events));) {
        const struct hfp_status *s = &ev->status;
        r->done_events += ev->type == HFP_EV_DONE;
        r->plans += ev->type == HFP_EV_PLAN;
        r->stalls += ev->type == HFP_EV_STALLED;
        r->unheard += ev->type == HFP_EV_NOTE && strstr(ev->text, "the Xet store cannot say");
        if (ev->type == HFP_EV_FILE)
            look_at_file(r, ev);
        r->verify_fetches |= s->verb == HFP_VERIFY && s->state == HFP_DOWNLOADING;
        r->verify_speeds |= s->verb == HFP_VERIFY && s->rate_bytes_per_s > 0;
        if (ev->type == HFP_EV_PLAN)
            r->proved_at_plan = s->proved_bytes + s->in_place_bytes + s->files_proved;
        r->checked_steps += s->checked_bytes != r->before.checked_bytes;
        r->estimates += s->eta_low_s != UINT64_MAX;
        if (s->job == r->before.job)
            r->ran_back |= s->received_bytes < r->before.received_bytes ||
                           s->recorded_bytes < r->before.recorded_bytes || s->proved_bytes < r->before.proved_bytes ||
                           s->in_place_bytes < r->before.in_place_bytes || s->received_bytes < s->recorded_bytes ||
                           s->recorded_bytes < s->proved_bytes || s->checked_bytes < r->before.checked_bytes ||
                           s->checked_bytes > s->total_bytes ||
                           (s->total_bytes && s->received_bytes > s->total_bytes) || s->files_proved > s->files;
        r->before = r->last = *s;
    }
}

/* Until the core is idle, or so much time has passed. */
static bool run(struct rig *r, double seconds)
{
    uint64_t end_ns = r->now_ns + (uint64_t)(seconds * (double)NS_PER_S);
    while (!core_idle(r->core) && r->now_ns < end_ns) {
        uint64_t next = core_turn(r->core);
        look(r);
        next = MIN(next, fh_next_ns(&r->http));
        if (r->threads && r->work->busy(r->work) > 0)
            next = MIN(next, r->now_ns + NS_PER_MS);
        else if (!r->threads && r->fake.count > 0)
            next = MIN(next, r->fake.due[r->fake.first]);
        if (next == UINT64_MAX)
            break;               /* nothing would ever happen again */
        if (!core_idle(r->core)) /* what it wants later, with no job left, is not waited for */
            r->now_ns = MIN(MAX(next, r->now_ns), end_ns);
        if (r->threads && r->work->busy(r->work) > 0)
            usleep(50);
        for (unsigned n = 0; n < 4 && fh_step(&r->http); n++)
            continue;
        r->work->poll(r->work);
    }
    look(r);
    return core_idle(r->core);
}

static void end(struct rig *r, const char *name)
{
    core_cancel_all(r->core);
    CHECK(run(r, 1000) && fh_running(&r->http) == 0 && r->work->busy(r->work) == 0, "%s: nothing is left over", name);
    CHECK(!r->ran_back, "%s: no count ran back, none above the total", name);
    if (r->threads)
        r->work->free(r->work);
    core_free(r->core);
    events_free(r->events);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void fresh(void)
{
    if (root[0])
        nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(root, sizeof root, "/tmp/hfp-core-XXXXXX");
    if (!mkdtemp(root))
        exit(99);
}

static const char *in_snapshot(const char *path)
{
    static char out[256];
    snprintf(out, sizeof out, "%s/models--ns--name/snapshots/" COMMIT "/%s", root, path);
    return out;
}

static bool right(unsigned i)
{
    FILE *f = fopen(in_snapshot(files[i].path), "rb");
    uint8_t *want = malloc((size_t)files[i].size + 1), *got = malloc((size_t)files[i].size + 1);
    size_t n = f ? fread(got, 1, (size_t)files[i].size + 1, f) : 0;
    fh_content(want, 0, (size_t)files[i].size, files[i].seed);
    bool ok = f && n == files[i].size && memcmp(want, got, n) == 0;
    if (f)
        fclose(f);
    free(want);
    free(got);
    return ok;
}

static bool all_right(void)
{
    for (unsigned i = 0; i < FILES; i++)
        if (!right(i))
            return false;
    return true;
}

/* Its content is in place, linked or not. */
static bool in_blobs(unsigned i)
{
    char hex[65], path[256];
    struct content_id id = id_of(i);
    content_id_hex(hex, &id);
    snprintf(path, sizeof path, "%s/models--ns--name/blobs/%s", root, hex);
    return access(path, F_OK) == 0;
}

#define CONTENT (6 * MB + 99 + 700 + 300000)

/* ---- the tests ---- */

static void test_pull(uint64_t delay_ns, bool threads, const char *name)
{
    struct rig r;
    fresh();
    begin(&r, serve_good, delay_ns, threads);
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.done_events == 1 && r.plans == 1 && r.last.state == HFP_DONE, "%s: a pull ends, once (%s)",
          name, r.last.error.message);
    CHECK(all_right() && r.last.proved_bytes == CONTENT && r.last.in_place_bytes == CONTENT &&
              r.last.files_proved == FILES,
          "%s: every file is in place and proved", name);
    CHECK(r.file_bytes == CONTENT && r.last.wire_bytes == CONTENT, "%s: equal contents came once: %" PRIu64, name,
          r.file_bytes);
    CHECK_U64(r.last.requests, r.http.starts, "%s: the last event counts every request", name);
    CHECK(r.last.rate_bytes_per_s > 0, "%s: it had a speed, however short it was", name);
    uint64_t before = r.http.starts;
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && r.http.starts == before + 1 && r.last.files_proved == FILES,
          "%s: a second pull asks for the revision and nothing else", name);
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && r.last.files_proved == FILES, "%s: verify reads it and agrees",
          name);
    CHECK(r.proved_at_plan == 0 && r.last.prove_bytes == CONTENT && r.last.proved_bytes == CONTENT && !r.verify_speeds,
          "%s: it counts what it has read, from nothing, and what was here is no speed", name);
    end(&r, name);
}

static void serve_slowly(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_good(r, q, a);
    a->bytes_per_s = 2 * MB;
}

/* kill -9 in the middle: a child that goes without a word. */
static void test_killed(void)
{
    struct rig r;
    fresh();
    pid_t child = fork();
    if (child == 0) {
        begin(&r, serve_slowly, NS_PER_MS, false);
        start(&r, HFP_PULL);
        run(&r, 1.5);
        _exit(r.last.recorded_bytes > 2 * MB && r.last.recorded_bytes < CONTENT ? 9 : 1);
    }
    int how = 0;
    waitpid(child, &how, 0);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 9, "a pull is killed in the middle");
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right(), "the next one ends it (%s)", r.last.error.message);
    CHECK(r.file_bytes + 2 * MB < CONTENT && r.last.kept_bytes >= 2 * MB,
          "and asks for no recorded block: %" PRIu64 " of %" PRIu64, r.file_bytes, (uint64_t)CONTENT);
    end(&r, "killed");
}

/* ---- whose bytes were here ---- */

#define MODEL 3 /* of files */
static const char *const other_blobs = "models--ns--other/blobs", *const own_blobs = "models--ns--name/blobs";

static void lay(const char *folder, const char *ending)
{
    char hex[65], path[400];
    struct content_id id = id_of(MODEL);
    size_t n = (size_t)files[MODEL].size;
    uint8_t *b = malloc(n);
    content_id_hex(hex, &id);
    fh_content(b, 0, n, files[MODEL].seed);
    int dir = open(root, O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%s/%s%s", folder, hex, ending);
    assert(dir >= 0 && io_mkdirs(dir, folder, NULL) == HFP_OK);
    FILE *f = fdopen(openat(dir, path, O_WRONLY | O_CREAT, 0600), "wb");
    assert(f && fwrite(b, 1, n, f) == n && fclose(f) == 0);
    close(dir);
    free(b);
}

/* Its bytes are in a partial of ours, and none is hashed. */
static bool is_claimed(void)
{
    char path[400];
    unsigned notebooks = 0;
    snprintf(path, sizeof path, "%s/%s", root, own_blobs);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        notebooks += strstr(e->d_name, ".digests") != NULL;
    if (d)
        closedir(d);
    return notebooks > 0;
}

static void test_whose_bytes(void)
{
    static const struct {
        const char *name;
        bool elsewhere, killed,
            gone;                   /* a source elsewhere, else another tool's partial; after a run of ours; no more */
        bool copied, adopted, kept; /* said of it */
    } rows[] = {
        { "another repository has it", true, false, false, true, false, false },
        { "another tool left it", false, false, false, false, true, false },
        { "a killed run of ours had copied it", true, true, false, false, false, true },
        { "the same, and its source is gone", true, true, true, false, false, true },
        { "a killed run of ours had taken it over", false, true, false, false, false, true },
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        fresh();
        lay(rows[i].elsewhere ? other_blobs : own_blobs, rows[i].elsewhere ? "" : ".incomplete");
        pid_t child = rows[i].killed ? fork() : -1;
        if (child == 0) {
            begin(&r, serve_good, 40 * NS_PER_MS, false);
            start(&r, HFP_PULL);
            for (unsigned k = 0; k < 1000 && !is_claimed(); k++)
                run(&r, 0.005);
            _exit(is_claimed() && !in_blobs(MODEL) ? 9 : 1);
        }
        int how = 9 << 8;
        if (rows[i].killed)
            waitpid(child, &how, 0);
        if (rows[i].gone) {
            char path[400];
            snprintf(path, sizeof path, "%s/models--ns--other", root);
            nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        }
        begin(&r, serve_good, 0, false);
        start(&r, HFP_PULL);
        uint64_t size = files[MODEL].size;
        const struct hfp_status *s = &r.last;
        CHECK(how == 9 << 8 && run(&r, 600) && s->state == HFP_DONE && all_right() && r.file_bytes == CONTENT - size,
              "%s: it is not fetched (%s)", rows[i].name, s->error.message);
        CHECK(s->copied_bytes == rows[i].copied * size && s->adopted_bytes == rows[i].adopted * size &&
                  s->kept_bytes == rows[i].kept * size,
              "%s: and that is said: copied %" PRIu64 ", taken over %" PRIu64 ", kept %" PRIu64, rows[i].name,
              s->copied_bytes, s->adopted_bytes, s->kept_bytes);
        end(&r, rows[i].name);
    }
}

static void test_cancel(void)
{
    for (unsigned i = 0; i < 60; i++) {
        struct rig r;
        fresh();
        begin(&r, serve_good, 3 * NS_PER_MS, false);
        uint64_t id = start(&r, i % 3 == 2 ? HFP_PLAN : HFP_PULL);
        run(&r, 0.008 * i);
        if (i % 4 == 1) {
            core_command(r.core, CORE_PAUSE, id, 0);
            run(&r, 0.05);
        }
        core_command(r.core, CORE_CANCEL, id, 0);
        bool ended = run(&r, 20);
        if (!ended || r.done_events != 1 || fh_running(&r.http) ||
            (r.last.state != HFP_CANCELLED && r.last.state != HFP_DONE))
            CHECK(false, "cancelled after %u ms: it ends at once (%s, %u)", i * 8, hfp_state_text(r.last.state),
                  r.done_events);
        core_free(r.core);
        events_free(r.events);
    }
    CHECK(true, "a job can be cancelled at every moment");
}

static void test_pause(void)
{
    for (unsigned i = 0; i < 40; i++) {
        struct rig r;
        fresh();
        begin(&r, serve_good, 2 * NS_PER_MS, false);
        uint64_t id = start(&r, HFP_PULL);
        run(&r, 0.012 * i);
        core_command(r.core, CORE_PAUSE, id, 0);
        run(&r, i % 2 ? 3 : 300);
        bool paused = r.done_events || r.last.state == HFP_PAUSED;
        core_command(r.core, CORE_RESUME, id, 0);
        bool ok = run(&r, 100) && r.done_events == 1 && r.last.state == HFP_DONE && all_right();
        if (!ok || !paused || r.last.wire_bytes != CONTENT)
            CHECK(false, "paused after %u ms: it goes on (%s, wire %" PRIu64 ")", i * 12, hfp_state_text(r.last.state),
                  r.last.wire_bytes);
        core_free(r.core);
        events_free(r.events);
    }
    CHECK(true, "a job can be paused at every moment, for long or short, and every byte comes once");
}

static void serve_wrong_block(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_good(r, q, a);
    if (is_file(q) && strstr(q->url, ".bin") && r->file_requests < 4)
        a->seed = 77; /* somebody else's bytes */
}

static void serve_liar(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_good(r, q, a);
    if (is_file(q) && strstr(q->url, ".bin"))
        a->seed = 77;
}

static void test_content(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_wrong_block, NS_PER_MS, false);
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right() && r.last.repaired_bytes > 0,
          "wrong blocks are found and replaced (%s)", r.last.error.message);
    end(&r, "wrong blocks");
    fresh();
    begin(&r, serve_liar, NS_PER_MS, false);
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_FAILED && r.last.error.code == HFP_E_CONTENT,
          "a source that always lies: %s", r.last.error.message);
    CHECK(right(0) && right(4) && !in_blobs(1) && access(in_snapshot("model.bin"), F_OK) != 0 &&
              access(in_snapshot("copy.bin"), F_OK) != 0 && r.last.files_proved == 3,
          "and no wrong file is ever in place, the others are");
    end(&r, "liar");
}

static void spoil(const char *path, long at)
{
    FILE *f = fopen(in_snapshot(path), "r+b");
    if (!f || fseek(f, at, SEEK_SET) || fputc(1, f) == EOF || fclose(f))
        exit(99);
}

static ssize_t no_pread(int fd, void *buf, size_t n, off_t at)
{
    struct stat st;
    bool big = fstat(fd, &st) == 0 && st.st_size > (off_t)(4 * MB);
    errno = EIO;
    return big ? -1 : io_system.pread(fd, buf, n, at);
}

static void test_disk_error(void)
{
    struct io_ops broken = io_system;
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    broken.pread = no_pread;
    io = &broken;
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.state == HFP_FAILED && r.last.error.code == HFP_E_IO,
          "a disk that cannot be read proves nothing: %s", r.last.error.message);
    io = &io_system;
    end(&r, "disk error");
}

/* The loop turns while a worker reads: four times a second, one second for each block. */
static struct rig *reading;

static ssize_t slow_pread(int fd, void *buf, size_t n, off_t at)
{
    struct rig *r = reading;
    for (unsigned i = 0; r && n == MB && i < 4; i++) {
        r->now_ns += NS_PER_S / 4;
        core_turn(r->core);
        look(r);
    }
    return io_system.pread(fd, buf, n, at);
}

static void test_slow_disk(void)
{
    struct io_ops slow = io_system;
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    CHECK_U64(r.last.checked_bytes, 0, "a pull checks nothing");
    spoil("model.bin", 3 * MB + 5);
    slow.pread = slow_pread;
    io = &slow;
    reading = &r;
    enum hfp_verb verbs[] = { HFP_VERIFY, HFP_REPAIR };
    for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *name = i ? "repair" : "verify";
        r.checked_steps = r.estimates = 0;
        start(&r, verbs[i]);
        CHECK(run(&r, 600) && r.last.checked_bytes == CONTENT, "%s looked at all of it, what is wrong included", name);
        CHECK(r.checked_steps >= 8, "%s moves within a file: %u steps", name, r.checked_steps);
        CHECK(r.estimates > 0, "and %s has an ETA", name);
    }
    CHECK(r.last.state == HFP_DONE && all_right(), "the slow one is repaired too");
    io = &io_system;
    reading = NULL;
    end(&r, "slow disk");
}

/* A bit that flips on the disk leaves no trace in the file's stat, until the block is written anew. */
static bool rotten;

static ssize_t rot_pread(int fd, void *buf, size_t n, off_t at)
{
    struct stat st;
    ssize_t got = io_system.pread(fd, buf, n, at);
    off_t bad = (off_t)(3 * MB + 5);
    if (rotten && fstat(fd, &st) == 0 && st.st_size > (off_t)(4 * MB) && at <= bad && at + got > bad)
        ((uint8_t *)buf)[bad - at] ^= 1;
    return got;
}

static ssize_t rot_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    if (n == MB && at == (off_t)(3 * MB))
        rotten = false;
    return io_system.pwrite(fd, buf, n, at);
}

static void test_rot(void)
{
    struct io_ops rot = io_system;
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    rot.pread = rot_pread;
    rot.pwrite = rot_pwrite;
    io = &rot;
    rotten = true;
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.error.code == HFP_E_CONTENT && r.last.files_proved == FILES - 2,
          "a bit that rotted under a receipt is found: %" PRIu64 " files proved, %s", r.last.files_proved,
          r.last.error.message);
    uint64_t before = r.file_bytes;
    start(&r, HFP_REPAIR);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && !rotten && r.file_bytes - before == MB,
          "and repaired by one block (%s)", r.last.error.message);
    CHECK(r.last.files_proved == FILES && r.last.proved_bytes == CONTENT, "nothing is counted twice");
    io = &io_system;
    end(&r, "rot");
}

static void test_verify_and_repair(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.error.code == HFP_E_OFFLINE && rmdir(root) == 0 && mkdir(root, 0700) == 0,
          "verify of nothing makes nothing: %s", r.last.error.message);
    CHECK(strstr(r.last.error.message, "4 of 5") != NULL, "and misses every content, the empty one too");
    start(&r, HFP_PULL);
    run(&r, 600);
    spoil("model.bin", 3 * MB + 5);
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.error.code == HFP_E_CONTENT && r.last.files_proved == FILES - 2 &&
              r.files[HFP_FILE_DAMAGED] == 1,
          "verify finds what changed: %s", r.last.error.message);
    CHECK_U64(r.last.proved_bytes, CONTENT - 6 * MB - 99, "and does not count it as proved");
    uint64_t before = r.file_bytes;
    start(&r, HFP_REPAIR);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right() && r.last.files_proved == FILES &&
              r.proved_at_plan == 0 && r.last.proved_bytes == CONTENT,
          "repair puts it right (%s), %" PRIu64 " proved of %" PRIu64, r.last.error.message, r.last.files_proved,
          r.last.files);
    CHECK_U64(r.file_bytes - before, MB, "and fetches the one block");
    unlink(in_snapshot("sub/tokenizer.json"));
    start(&r, HFP_VERIFY);
    CHECK(run(&r, 600) && r.last.error.code == HFP_E_OFFLINE, "verify misses a file that is not in the snapshot: %s",
          r.last.error.message);
    CHECK(!r.verify_fetches, "and never says that it downloads");
    end(&r, "verify and repair");
}

static void serve_nobody(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_good(r, q, a);
    a->refused = HFP_E_CONNECT;
}

static void serve_dead_file(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_good(r, q, a);
    if (is_file(q) && strstr(q->url, "tokenizer"))
        fh_answer_text(a, 503, "");
}

static void test_network(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_nobody, 0, false);
    start(&r, HFP_PULL);
    CHECK(run(&r, 6000) && r.last.state == HFP_FAILED && r.last.error.code == HFP_E_NET && r.done_events == 1,
          "nobody there: it gives up, once (%s)", r.last.error.message);
    r.serve = serve_good;
    start(&r, HFP_PULL);
    run(&r, 600);
    r.serve = serve_nobody;
    uint64_t at = r.now_ns;
    start(&r, HFP_PULL);
    CHECK(run(&r, 6000) && r.last.state == HFP_DONE && r.last.stale && r.now_ns - at < 32 * NS_PER_S,
          "complete here, and the Hub out of reach: done after 30 s, and it says so (%s %s, %.1f s)",
          hfp_state_text(r.last.state), r.last.error.message, (double)(r.now_ns - at) / 1e9);
    end(&r, "network");
    fresh();
    begin(&r, serve_dead_file, 0, false);
    start(&r, HFP_PULL);
    CHECK(run(&r, 6000) && r.last.state == HFP_FAILED && r.last.error.code == HFP_E_NET && in_blobs(3) &&
              r.last.stalled == false,
          "one file that never comes: the policy ends (%s)", r.last.error.message);
    end(&r, "one dead file");
}

/* SIGSTOP before the Hub was reached: the time in which we asked nobody is not the Hub's. */
static void test_stopped(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    r.serve = serve_nobody;
    start(&r, HFP_PULL);
    run(&r, 1);
    r.now_ns += 600 * NS_PER_S;
    core_renew(r.core);
    r.serve = serve_good;
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && !r.last.stale,
          "a process that was stopped asks the Hub when it goes on, before it calls it unreachable");
    end(&r, "stopped");
}

/* While a file is repaired the state says so, whatever people and other files do. */
static void serve_wrong_then_slow(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    serve_wrong_block(r, q, a);
    if (is_file(q))
        a->bytes_per_s = strstr(q->url, "tokenizer") ? MB / 10 : r->file_requests < 4 ? 4 * MB : MB / 4;
}

static void test_repairing(bool pause)
{
    struct rig r;
    unsigned other = 0, looks = 0;
    fresh();
    begin(&r, serve_wrong_then_slow, NS_PER_MS, false);
    uint64_t id = start(&r, HFP_PULL);
    while (r.last.state != HFP_REPAIRING && looks++ < 4000 && !core_idle(r.core))
        run(&r, 0.01);
    CHECK(r.last.state == HFP_REPAIRING && r.last.files_proved < FILES - 2,
          "a file is repaired, and another one comes");
    if (pause) {
        core_command(r.core, CORE_PAUSE, id, 0);
        run(&r, 1);
        core_command(r.core, CORE_RESUME, id, 0);
        run(&r, 0.01);
    }
    for (; r.latest[MODEL] != HFP_FILE_REPAIRED && !core_idle(r.core); run(&r, 0.01))
        other += r.last.state != HFP_REPAIRING;
    CHECK_U64(other, 0, "that is said %s", pause ? "again after a pause" : "when the other one is in place too");
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right(), "and it comes (%s)", r.last.error.message);
    end(&r, "repairing");
}

/* The other witness of a wrong file is asked, and says nothing. */
static void serve_mute_store(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    static char in_xet[sizeof tree + 400];
    serve_wrong_block(r, q, a);
    size_t n = 0;
    for (const char *at = tree, *next; strstr(q->url, "/tree/") && *at; at = next) {
        const char *lfs = strstr(at, "\"lfs\":");
        next = lfs ? lfs + 6 : at + strlen(at);
        n += (size_t)snprintf(in_xet + n, sizeof in_xet - n, "%.*s%s", (int)((lfs ? lfs : next) - at), at,
                              lfs ? "\"xetHash\":\"" COMMIT "0123456789abcdef01234567\",\"lfs\":" : "");
    }
    if (n > 0)
        fh_answer_text(a, 200, in_xet);
    if (strstr(q->url, "/xet-read-token/"))
        fh_answer_text(a, 200, "{\"accessToken\":\"t\",\"casUrl\":\"http://cas.test\",\"exp\":9999999999}");
    if (strstr(q->url, "/reconstructions/")) {
        a->answer_ns = FH_NEVER;
        r->questions++;
    }
}

static void test_mute_store(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_mute_store, NS_PER_MS, false);
    uint64_t id = start(&r, HFP_PULL);
    while (r.questions == 0 && !core_idle(r.core))
        run(&r, 0.05);
    core_command(r.core, CORE_PAUSE, id, 0);
    run(&r, 1);
    r.now_ns += 60 * NS_PER_S;
    core_command(r.core, CORE_RESUME, id, 0);
    run(&r, 15);
    CHECK(r.questions > 0 && r.unheard == 0,
          "a pause is not the silence of the store that is asked where a file is wrong");
    run(&r, 10);
    CHECK(r.unheard == 1, "20 s of its own are");
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right(), "and then HTTP alone repairs it (%s)",
          r.last.error.message);
    end(&r, "mute store");
}

static void test_two_jobs(void)
{
    struct rig r;
    struct hfp_err err;
    struct hfp_job_spec spec = { .repo = "ns/name", .revision = "other" };
    uint64_t second;
    fresh();
    begin(&r, serve_good, NS_PER_MS, false);
    start(&r, HFP_PULL);
    core_start(r.core, &spec, &second, &err);
    CHECK(run(&r, 600) && r.done_events == 2 && all_right(), "two jobs on one cache both end");
    CHECK_U64(r.file_bytes, CONTENT, "with one download");
    r.before.job = 0;
    end(&r, "two jobs");
}

/* The lock is asked for again and again, by tasks that take their time: that is no download, and no slow disk. */
static void test_locked(void)
{
    struct rig r;
    char hex[65], path[300];
    struct content_id id = id_of(3);
    unsigned looks = 0, other = 0;
    content_id_hex(hex, &id);
    fresh();
    snprintf(path, sizeof path, "%s/.locks", root);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/.locks/models--ns--name", root);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/.locks/models--ns--name/%s.lock", root, hex);
    int lock = open(path, O_RDWR | O_CREAT, 0644);
    assert(lock >= 0 && flock(lock, LOCK_EX) == 0);
    begin(&r, serve_good, 100 * NS_PER_MS, false);
    start(&r, HFP_PULL);
    while (r.last.state != HFP_WAITING && looks++ < 400)
        run(&r, 0.05);
    CHECK(r.last.wait == HFP_WAIT_LOCK, "somebody writes it: that is what is waited for (%s)", r.last.wait_text);
    for (looks = 0; looks < 200; looks++) {
        run(&r, 0.05);
        other += r.last.wait != HFP_WAIT_LOCK || r.last.state != HFP_WAITING;
    }
    CHECK_U64(other, 0, "and as long as that is so nothing else is said");
    r.now_ns += 700 * NS_PER_S; /* SIGSTOP: whoever has it may have gone on meanwhile */
    core_renew(r.core);
    run(&r, 2);
    CHECK(r.last.state == HFP_WAITING, "a process that was stopped waits on (%s)", r.last.error.message);
    close(lock);
    r.fake.delay_ns = 0; /* the rest comes between two ticks */
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right(), "then it comes");
    CHECK(r.last.wait == HFP_NOT_WAITING && !r.last.wait_text[0], "and what is over waits for nothing (%s)",
          r.last.wait_text);
    end(&r, "locked");
}

static int repository_lock(int op)
{
    char path[300];
    snprintf(path, sizeof path, "%s/.locks/models--ns--name/hf-pull.lock", root);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert(fd >= 0 && flock(fd, op) == 0);
    return fd;
}

static void test_the_end_is_locked(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    int lock = repository_lock(LOCK_SH | LOCK_NB);
    CHECK(lock >= 0, "a pull that is over holds no lock");
    unlink(in_snapshot("config.json"));
    start(&r, HFP_PULL);
    CHECK(run(&r, 5) && r.last.state == HFP_DONE && all_right(), "other pulls that end hold up none");
    close(lock);
    lock = repository_lock(LOCK_EX | LOCK_NB);
    start(&r, HFP_PULL);
    CHECK(run(&r, 5) && r.last.state == HFP_DONE, "nor does a deletion one that has nothing to do");
    unlink(in_snapshot("config.json"));
    start(&r, HFP_PULL);
    CHECK(!run(&r, 5) && r.last.wait == HFP_WAIT_LOCK && access(in_snapshot("config.json"), F_OK) != 0,
          "but the end of one that links: %s", r.last.wait_text);
    core_cancel_all(r.core);
    CHECK(run(&r, 5) && r.last.state == HFP_CANCELLED, "which can be cancelled");
    start(&r, HFP_PULL);
    CHECK(!run(&r, 500) && run(&r, 200) && r.last.error.code == HFP_E_LOCKED, "and does not wait for ever: %s",
          r.last.error.message);
    start(&r, HFP_PULL);
    run(&r, 5);
    close(lock);
    CHECK(run(&r, 5) && r.last.state == HFP_DONE && all_right(), "it goes on when the deletion is over");
    end(&r, "the end is locked");
}

/* The folder of the links cannot be synced; and whether it was, when the ref got its name. */
static struct {
    bool broken, synced, synced_before_ref;
} links;

static int links_fsync(int fd)
{
    struct stat st, snapshot;
    bool is = fstat(fd, &st) == 0 && stat(in_snapshot(""), &snapshot) == 0 && st.st_ino == snapshot.st_ino;
    if (is && links.broken)
        return errno = EIO, -1;
    links.synced |= is;
    return io_system.fsync(fd);
}

static int links_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (strcmp(to, "refs/main") == 0)
        links.synced_before_ref = links.synced;
    return io_system.renameat(from_dir, from, to_dir, to);
}

static void test_links_of_an_earlier_run(void)
{
    struct io_ops ops = io_system;
    struct rig r;
    fresh();
    begin(&r, serve_good, 0, false);
    ops.fsync = links_fsync;
    ops.renameat = links_renameat;
    io = &ops;
    memset(&links, 0, sizeof links);
    links.broken = true;
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.error.code == HFP_E_IO && access(in_snapshot("config.json"), F_OK) == 0,
          "links that cannot be synced end the run before the ref: %s", r.last.error.message);
    links.broken = false;
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && r.last.fetched_bytes == 0 && links.synced_before_ref,
          "the next run finds all in place, and syncs them before it writes the ref");
    io = &io_system;
    end(&r, "links of an earlier run");
}

/* While a deletion takes the first content away, a pull of another revision with the same contents comes to its end. */
#define OTHER "76543210fedcba9876543210fedcba9876543210"
static struct rig *beside;

static int unlinkat_beside(int dir, const char *path, int flags)
{
    struct rig *r = beside;
    if (r && strlen(path) == 64) {
        beside = NULL;
        start(r, HFP_PULL);
        run(r, 5);
    }
    return io_system.unlinkat(dir, path, flags);
}

static void test_a_deletion_beside(void)
{
    struct io_ops ops = io_system;
    struct rig r;
    char from[300], to[300];
    fresh();
    begin(&r, serve_good, 0, false);
    start(&r, HFP_PULL);
    run(&r, 600);
    snprintf(from, sizeof from, "%s/models--ns--name/snapshots/" COMMIT, root);
    snprintf(to, sizeof to, "%s/models--ns--name/snapshots/" OTHER, root);
    CHECK(rename(from, to) == 0, "the contents are another revision's");
    snprintf(from, sizeof from, "%s/models--ns--name/refs/main", root);
    unlink(from);
    snprintf(from, sizeof from, "%s/models--ns--name/snapshots/0123456789012345678901234567890123456789", root);
    mkdir(from, 0755);
    ops.unlinkat = unlinkat_beside;
    beside = &r;
    io = &ops;
    int rc = hfp_cache_delete_revision(NULL, root, HFP_MODEL, "ns/name", OTHER, NULL);
    CHECK(rc == HFP_OK && !beside, "it is deleted, and the pull came to its end meanwhile");
    io = &io_system;
    CHECK(r.last.state != HFP_DONE && r.last.wait == HFP_WAIT_LOCK, "which waits for the deletion: %s",
          r.last.wait_text);
    CHECK(run(&r, 600) && r.last.state == HFP_FAILED && r.last.error.code == HFP_E_IO && !all_right(),
          "and says that files are gone: %s", r.last.error.message);
    start(&r, HFP_PULL);
    CHECK(run(&r, 600) && r.last.state == HFP_DONE && all_right(), "the next pull brings them");
    end(&r, "a deletion beside");
}

/* Others' words fill the list, and nobody takes any of them. */
static void test_every_file_is_told_of(void)
{
    struct rig r;
    const struct hfp_event noise = { .type = HFP_EV_STATE };
    bool first = true, latest = true, here = true;
    fresh();
    begin(&r, serve_good, 40 * NS_PER_MS, false);
    r.each_file = true;
    start(&r, HFP_PULL);
    r.blind = true;
    for (unsigned i = 0; i < EVENTS_MAX; i++)
        events_push(r.events, &noise);
    CHECK(!run(&r, 600) && all_right(), "a reader that takes nothing holds up no file");
    struct hfp_err err;
    struct hfp_job_spec spec = { .repo = "ns/name" };
    uint64_t other = 0;
    CHECK(core_start(r.core, &spec, &other, &err) == HFP_OK && !run(&r, 600) && !core_knows(r.core, other) &&
              core_knows(r.core, 1),
          "nor another job, which takes the same locks and ends while the first waits to tell");
    core_command(r.core, CORE_CANCEL, 1, 0);
    r.blind = false;
    CHECK(run(&r, 1) && r.done_events == 2 && r.last.state == HFP_DONE,
          "the end comes with the files before it, and is none of a cancelled job");
    for (unsigned i = 0; i < FILES; i++) {
        first &= r.first[i] == HFP_FILE_PLANNED || r.first[i] == HFP_FILE_FETCHING || r.first[i] == HFP_FILE_PROVED;
        latest &= r.latest[i] == HFP_FILE_PROVED;
    }
    CHECK(first && latest && r.files[HFP_FILE_PROVED] == FILES, "and none of them is lost: %u proved",
          r.files[HFP_FILE_PROVED]);
    CHECK_U64(r.files[HFP_FILE_FETCHING], FILES - 1, "each but the empty one was said to be fetched");
    memset(r.words, 0, sizeof r.words);
    start(&r, HFP_PULL);
    run(&r, 600);
    for (unsigned i = 0; i < FILES; i++)
        here &= r.words[i] == 1 && r.latest[i] == HFP_FILE_PROVED;
    CHECK(here, "what a receipt proves is told once, as proved");
    memset(r.words, 0, sizeof r.words);
    start(&r, HFP_VERIFY);
    run(&r, 600);
    for (unsigned i = 0; i < FILES; i++)
        here &= r.first[i] == HFP_FILE_PLANNED && r.latest[i] == HFP_FILE_PROVED;
    CHECK(here, "what is read again is planned, then proved");
    start(&r, HFP_PULL);
    r.blind = true;
    for (unsigned i = 0; i < EVENTS_MAX; i++)
        events_push(r.events, &noise);
    CHECK(!run(&r, 600), "with nobody there it waits");
    core_cancel_all(r.core);
    CHECK(run(&r, 10), "but not where the handle closes");
    r.blind = false;
    end(&r, "every file");
}

/* One content under so many names that the list of events has no room for them. */
#define TWINS (EVENTS_MAX + 300)

static void serve_twins(struct rig *r, const struct http_request *q, struct fh_answer *a)
{
    static char twins[TWINS * 150];
    char hex[65];
    struct content_id id = id_of(0);
    size_t n = 0;
    serve_good(r, q, a);
    if (!strstr(q->url, "/tree/"))
        return;
    content_id_hex(hex, &id);
    for (unsigned i = 0; i < TWINS; i++)
        n += (size_t)snprintf(twins + n, sizeof twins - n,
                              "%s{\"type\":\"file\",\"path\":\"%u.json\",\"size\":700,\"oid\":\"%s\"}", i ? "," : "[",
                              i, hex);
    snprintf(twins + n, sizeof twins - n, "]");
    fh_answer_text(a, 200, twins);
}

static void test_twins_are_told_of(void)
{
    struct rig r;
    fresh();
    begin(&r, serve_twins, 0, false);
    start(&r, HFP_PLAN);
    r.blind = true;
    CHECK(!run(&r, 60), "a dry run waits for its reader");
    r.blind = false;
    CHECK(run(&r, 60) && r.last.state == HFP_DONE, "and goes on with it (%s)", r.last.error.message);
    CHECK_U64(r.files[HFP_FILE_PLANNED], TWINS, "each of many equal files is told of");
    end(&r, "twins");
}

int main(void)
{
    make_tree();
    test_pull(0, false, "tasks at once");
    test_pull(40 * NS_PER_MS, false, "slow tasks");
    test_pull(400 * NS_PER_MS, false, "tasks longer than a tick");
    test_pull(0, true, "threads");
    test_killed();
    test_whose_bytes();
    test_cancel();
    test_pause();
    test_content();
    test_verify_and_repair();
    test_disk_error();
    test_slow_disk();
    test_rot();
    test_network();
    test_stopped();
    test_repairing(false);
    test_repairing(true);
    test_mute_store();
    test_two_jobs();
    test_locked();
    test_the_end_is_locked();
    test_links_of_an_earlier_run();
    test_a_deletion_beside();
    test_every_file_is_told_of();
    test_twins_are_told_of();
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return tap_end();
}
