/* test_transfer.c: ranges over a few connections, whatever the server does.
 *
 * Each row is a server; after every step of every run all invariants of transfer_world.h hold.
 * Seen red on purpose: a lost range asked for again from its block's start; the hedge's loser not dropped; a location kept
 * after 403; a refused fresh location not counted as a failure; the token sent to every host; running counts left up
 * after a cut; a knock for ever beside a finished file; a hedge without a pause between tries; parts of one byte without
 * a pause; a drain without an end; no buffer taken back from ranges nobody works on; a limit that never opens again; a
 * group's pause that stops the other one; avoid kept for the last block only; held connections that do not take turns;
 * the location kept over rounds; several whole answers at once from a server without ranges; a redirect's server that
 * inherits the Hub's address; no stealing, no hedge; a silent one kept beside one that trickles, or
 * beside one that is silent too; peers forgotten that
 * have finished before one that creeps; pauses that start a trickle's time anew, or count as slow; a second that is a
 * peer of the first; a measure that no cut halves; segments as long on a fast line as on a long one, or short on both;
 * every free connection for the first job; signed ranges cut as files are, four blocks at least, or never whole; a line
 * slow by our own limit; a held file read, or its connections cut for a buffer. */
#include "transfer_world.h"

#include "tap.h"

#include <inttypes.h>

static unsigned long long ms(const struct world *w)
{
    return (w->now_ns - 1000 * NS_PER_S) / NS_PER_MS;
}

static const struct group_stats *stats(const struct world *w)
{
    return group_stats(w->group[0].group);
}

/* ---- servers ---- */

static void bad_at_cdn(struct world *w, const struct http_request *r, struct fh_answer *a, unsigned every,
                       void (*fault)(struct fh_answer *))
{
    tw_good(w, r, a);
    if (tw_at_cdn(r) && w->param++ % every == 0)
        fault(a);
}

static void late(struct fh_answer *a)
{
    a->open_ns = 8 * NS_PER_S;
}
static void never(struct fh_answer *a)
{
    a->open_ns = FH_NEVER;
}
static void refused(struct fh_answer *a)
{
    a->refused = HFP_E_CONNECT;
}
static void mute(struct fh_answer *a)
{
    a->answer_ns = FH_NEVER;
}
static void reset(struct fh_answer *a)
{
    a->cut_at = 300000, a->end = HFP_E_RESET;
}
static void reset_at_once(struct fh_answer *a)
{
    a->cut_at = 0, a->end = HFP_E_RESET;
}
static void shorter(struct fh_answer *a)
{
    a->cut_at = 700000;
}
static void stall(struct fh_answer *a)
{
    a->stall_at = 1500000;
}
static void nap(struct fh_answer *a)
{
    a->stall_at = 1500000, a->stall_ns = 16 * NS_PER_S;
}
static void creep(struct fh_answer *a)
{
    a->bytes_per_s = 1000;
}
static void busy(struct fh_answer *a)
{
    fh_answer_text(a, 429, ""), a->h.retry_after_s = 7;
}
static void broken(struct fh_answer *a)
{
    fh_answer_text(a, 503, "sorry");
}
static void moved(struct fh_answer *a)
{
    fh_answer_text(a, 403, "expired");
}
static void portal(struct fh_answer *a)
{
    fh_answer_text(a, 200, "<html>log in</html>"), a->h.html = true;
}
static void shifted(struct fh_answer *a)
{
    a->h.range.first++;
}
static void other_file(struct fh_answer *a)
{
    a->h.range.total++;
}
static void zipped(struct fh_answer *a)
{
    a->h.encoded = true;
}
static void half(struct fh_answer *a)
{
    if (a->length > MB)
        fh_answer_range(a, a->first, a->first + a->length / 2 - 1, a->h.range.total);
}

#define SERVER(name, every)                                                                                            \
    static void serve_##name(struct world *w, const struct http_request *r, struct fh_answer *a)                       \
    {                                                                                                                  \
        bad_at_cdn(w, r, a, every, name);                                                                              \
    }
SERVER(late, 3)
SERVER(never, 5)
SERVER(refused, 3)
SERVER(mute, 5)
SERVER(reset, 1)
SERVER(reset_at_once, 3)
SERVER(shorter, 2)
SERVER(stall, 4)
SERVER(nap, 1)
SERVER(creep, 6)
SERVER(busy, 4)
SERVER(broken, 3)
SERVER(moved, 4)
SERVER(portal, 4)
SERVER(shifted, 4)
SERVER(other_file, 4)
SERVER(zipped, 4)
SERVER(half, 1)

static void serve_no_ranges(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r))
        fh_answer_whole(a, tw_file_of(w, r->url)->size);
}

/* One location serves four requests. */
static void serve_short_lived(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (!tw_at_cdn(r))
        w->param = 0;
    else if (w->param++ >= 4)
        moved(a);
}

static void serve_relative(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    struct tw_file *f = tw_file_of(w, r->url);
    a->seed = f->seed;
    a->bytes_per_s = 20 * MB;
    if (strstr(r->url, "/api/resolve-cache/"))
        fh_answer_file(a, r, f->size);
    else {
        char to[64];
        snprintf(to, sizeof to, "/api/resolve-cache/%s", f->path);
        fh_answer_redirect(a, to);
        a->h.status = 307;
    }
}

static void serve_direct(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    fh_answer_file(a, r, tw_file_of(w, r->url)->size);
}

static void serve_503(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    (void)w, (void)r;
    broken(a);
}

static void serve_404(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    (void)w, (void)r;
    fh_answer_text(a, 404, "Entry not found");
    snprintf(a->h.error_code, sizeof a->h.error_code, "EntryNotFound");
}

static void serve_gated(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    (void)w, (void)r;
    fh_answer_text(a, 403, "");
    snprintf(a->h.error_code, sizeof a->h.error_code, "GatedRepo");
}

static void serve_always_403(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r))
        moved(a);
}

static void serve_circle(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    fh_answer_redirect(a, w->number % 2 ? HUB "/a/f0.bin" : HUB "/b/f0.bin");
}

static void serve_strange(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    static const int statuses[] = { 204, 206, 300, 301, 304, 308, 399, 400, 405, 416, 418, 511, 599, 600, 999, 100, 0 };
    (void)r;
    fh_answer_text(a, statuses[w->number % ARRAY_LEN(statuses)], "");
}

/* The error's body trickles for ever. */
static void serve_trickle(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (!tw_at_cdn(r) || w->number > 3)
        return;
    fh_answer_text(a, 503, "");
    a->length = UINT64_MAX;
    a->text = NULL;
    a->piece = 100;
    a->bytes_per_s = 25;
}

enum outcome { WHOLE, NO_FILE, GAVE_UP };

static const struct {
    const char *name;
    void (*serve)(struct world *, const struct http_request *, struct fh_answer *);
    uint64_t size;
    enum outcome outcome;
    enum hfp_code code;
    double seconds;    /* at most */
    uint64_t requests; /* at most */
    uint64_t extra;    /* bytes beyond the file's own */
} rows[] = {
    { "a good server", tw_good, 30 * MB + 5, WHOLE, 0, 2, 20, 100 },
    { "a file of one byte", tw_good, 1, WHOLE, 0, 1, 2, 9 },
    { "a file of exactly a block", tw_good, MB, WHOLE, 0, 1, 2, 9 },
    { "the Hub serves it itself", serve_direct, 10 * MB, WHOLE, 0, 2, 8, 0 },
    { "a relative redirect", serve_relative, 10 * MB, WHOLE, 0, 2, 8, 50 },
    { "connections that open late", serve_late, 20 * MB, WHOLE, 0, 30, 30, 100 },
    { "connections that never open", serve_never, 20 * MB, WHOLE, 0, 40, 30, 100 },
    { "connections refused", serve_refused, 20 * MB, WHOLE, 0, 10, 40, 200 },
    { "answers that never come", serve_mute, 20 * MB, WHOLE, 0, 60, 30, 100 },
    { "a reset every 300 KB costs no byte twice", serve_reset, 10 * MB, WHOLE, 0, 30, 60, 100 },
    { "a reset before the first byte", serve_reset_at_once, 20 * MB, WHOLE, 0, 20, 40, 100 },
    { "answers cut short", serve_shorter, 20 * MB, WHOLE, 0, 20, 60, 100 },
    { "connections that fall silent", serve_stall, 20 * MB, WHOLE, 0, 80, 30, 100 },
    { "a pause of 16 s kills nobody", serve_nap, 4 * MB, WHOLE, 0, 40, 6, 5 * MB },
    { "one that creeps among fast ones", serve_creep, 60 * MB, WHOLE, 0, 60, 60, 1 * MB },
    { "429 with Retry-After", serve_busy, 20 * MB, WHOLE, 0, 90, 40, 200 },
    { "503 now and then", serve_broken, 20 * MB, WHOLE, 0, 30, 40, 200 },
    { "403 of a location that has served", serve_short_lived, 60 * MB, WHOLE, 0, 10, 60, 500 },
    { "403 now and then", serve_moved, 20 * MB, WHOLE, 0, 30, 40, 400 },
    { "a captive portal now and then", serve_portal, 20 * MB, WHOLE, 0, 30, 40, 500 },
    { "a range that is not the one asked for", serve_shifted, 20 * MB, WHOLE, 0, 30, 60, 2 * MB },
    { "another file's total", serve_other_file, 20 * MB, WHOLE, 0, 30, 60, 2 * MB },
    { "compressed bytes", serve_zipped, 20 * MB, WHOLE, 0, 30, 60, 2 * MB },
    { "parts shorter than asked for", serve_half, 20 * MB, WHOLE, 0, 10, 60, 100 },
    { "the whole file for every range", serve_no_ranges, 20 * MB, WHOLE, 0, 40, 20, 45 * MB },
    { "a refusal that trickles for ever", serve_trickle, 8 * MB, WHOLE, 0, 40, 10, 2000 },
    { "503 for ever", serve_503, 8 * MB, GAVE_UP, HFP_E_NET, 200, 24, 120 },
    { "no such file", serve_404, 8 * MB, NO_FILE, HFP_E_NO_FILE, 1, 1, 100 },
    { "gated", serve_gated, 8 * MB, GAVE_UP, HFP_E_GATED, 1, 1, 0 },
    { "every new location refused", serve_always_403, 40 * MB, GAVE_UP, HFP_E_NET, 300, 400, 4000 },
    { "redirects in circles", serve_circle, 8 * MB, GAVE_UP, HFP_E_NET, 300, 200, 2000 },
    { "statuses that make no sense", serve_strange, 8 * MB, GAVE_UP, 0, 300, 40, 200 },
};

static void test_rows(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        tw_begin(&w, rows[i].serve, (struct tw_options){ .max_rounds = 3, .seed = i });
        struct tw_file *f = tw_add_all(&w, 0, rows[i].size);
        bool ended = tw_run(&w, 3600);
        enum outcome outcome = f->failed ? NO_FILE : w.group[0].gave_up ? GAVE_UP : WHOLE;
        enum hfp_code code = f->failed ? f->error.code : w.group[0].error.code;
        uint64_t size = outcome == WHOLE ? rows[i].size : 0;
        bool ok = ended && outcome == rows[i].outcome && (rows[i].code == 0 || code == rows[i].code) &&
                  f->failed <= 1 && w.group[0].gave_up <= 1;
        if (!CHECK(ok, "%s: comes to the right end", rows[i].name))
            printf("# %s %s %s %s\n", w.fault, w.stuck ? "stuck" : "", hfp_code_name(code), w.group[0].error.message);
        if (!CHECK((double)ms(&w) <= rows[i].seconds * 1000 && stats(&w)->requests <= rows[i].requests &&
                       stats(&w)->wire_bytes <= size + rows[i].extra &&
                       (outcome != WHOLE || stats(&w)->received_bytes == size),
                   "%s: in time, with few requests and bytes", rows[i].name))
            printf("# %llu ms, %" PRIu64 " requests, wire %" PRIu64 ", received %" PRIu64 "\n", ms(&w),
                   stats(&w)->requests, stats(&w)->wire_bytes, stats(&w)->received_bytes);
        if (!CHECK(tw_end(&w), "%s: nothing is left over", rows[i].name))
            printf("# %s\n", w.fault);
    }
}

/* ---- one at a time ---- */

static void serve_first_silent(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (!tw_at_cdn(r))
        return;
    bool first = w->param++ == 0;
    if (first) {
        a->stall_at = 500000;
        a->stall_ns = w->random % 2 ? 6 * NS_PER_S : FH_NEVER; /* it wakes up while the other one is opening */
    } else if (w->random % 2) {
        a->open_ns = 9 * NS_PER_S;
    }
    a->address = first ? "192.0.2.1" : "192.0.2.2";
}

static void test_hedge(void)
{
    for (unsigned seed = 2; seed < 4; seed++) { /* odd: the first one wins */
        struct world w;
        tw_begin(&w, serve_first_silent, (struct tw_options){ .max_rounds = 3, .seed = seed });
        struct tw_file *f = tw_add_all(&w, 0, 2 * MB); /* too short to be shared out */
        bool done = tw_run(&w, 60);
        uint16_t winner = peer_number(w.t, CDN, seed % 2 ? "192.0.2.1" : "192.0.2.2");
        CHECK(done && ms(&w) < 7000 && stats(&w)->requests == 3 && f->peer[0] == winner,
              "a silent head is asked for elsewhere after 5 s, first bytes win: %llu ms, seed %u %s", ms(&w), seed,
              w.fault);
        CHECK(fh_running(&w.http) <= 1, "the loser is off the wire");
        CHECK_U64(stats(&w)->wire_bytes, 2 * MB + 9, "and the loser costs no byte");
        CHECK(tw_end(&w), "hedge: nothing is left over %s", w.fault);
    }
}

/* The first connection is silent, every other one is refused at once. */
static void serve_hedge_refused(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r) && w->param++ > 0)
        refused(a);
    else
        a->stall_at = 500000;
}

static void test_hedge_refused(void)
{
    struct world w;
    tw_begin(&w, serve_hedge_refused, (struct tw_options){ .max_rounds = 1 });
    tw_add_all(&w, 0, 4 * MB);
    tw_run(&w, 60);
    CHECK(stats(&w)->requests < 25,
          "a second connection that is refused is not tried in a loop: %" PRIu64 " in a minute", stats(&w)->requests);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void test_no_ranges(void)
{
    struct world w;
    unsigned most = 0;
    tw_begin(&w, serve_reset, (struct tw_options){ 0 });
    struct tw_file *f = tw_add_all(&w, 0, 60 * MB);
    tw_run(&w, 0.1); /* ranges with some bytes in hand, when the answers change */
    w.serve = serve_no_ranges;
    for (int i = 0; i < 3000 && !tw_done(&w) && !w.fault[0]; i++) {
        tw_run(&w, 0.01);
        unsigned runs = 0;
        for (const struct segment *s = f->fetch->segments; s; s = s->next)
            runs += s->state == SEG_RUN && s->run[0]->state == RUN_BODY;
        most = MAX(most, runs);
    }
    CHECK(tw_done(&w) && most == 1, "a server without ranges sends the whole once at a time, not %u times %s", most,
          w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void serve_tiny_parts(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r))
        fh_answer_range(a, r->first, r->first, tw_file_of(w, r->url)->size);
}

static void test_tiny_parts(void)
{
    struct world w;
    tw_begin(&w, serve_tiny_parts, (struct tw_options){ .max_connections = 1 });
    tw_add_all(&w, 0, 4 * MB);
    tw_run(&w, 10);
    CHECK(stats(&w)->requests <= 60, "parts of one byte are asked for five times a second: %" PRIu64 " in 10 s",
          stats(&w)->requests);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void serve_one_slow(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r))
        a->bytes_per_s = w->param++ == 0 ? MB / 2 : 20 * MB;
}

static void test_steal(void)
{
    struct world w;
    tw_begin(&w, serve_one_slow, (struct tw_options){ 0 });
    tw_add_all(&w, 0, 40 * MB);
    bool done = tw_run(&w, 60);
    CHECK(done && ms(&w) < 6000, "idle connections take over from a slow one: %llu ms", ms(&w));
    CHECK(stats(&w)->wire_bytes <= 40 * MB + FH_PIECE * 8, "at the price of what was on its way");
    CHECK(tw_end(&w), "steal: nothing is left over %s", w.fault);
}

/* Two of the first four: then neither is ever alone, and never has two others beside it at the end. */
static void serve_two_creep(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    a->piece = 4096;
    if (!tw_at_cdn(r))
        return;
    a->bytes_per_s = w->param == 1 || w->param == 2 ? 4096 : 5 * MB;
    w->param++;
}

static void test_creeps_on(void)
{
    struct world w;
    tw_begin(&w, serve_two_creep, (struct tw_options){ .max_connections = 4 });
    tw_add_all(&w, 0, 40 * MB);
    bool done = tw_run(&w, 3600);
    CHECK(done && ms(&w) < 16000, "those that creep are left although their peers have long finished: %llu ms %s",
          ms(&w), w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* All answers are whole files. The first trickles in what it skips, the second falls silent there. */
static void serve_skips(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_no_ranges(w, r, a);
    unsigned n = tw_at_cdn(r) ? w->param++ : UINT32_MAX;
    if (n == 0)
        a->piece = 1000, a->bytes_per_s = 40;
    else if (n == 1)
        a->stall_at = MB;
}

static void test_silent_beside_a_trickle(void)
{
    struct world w;
    tw_begin(&w, serve_skips, (struct tw_options){ 0 });
    struct tw_file *f = tw_add(&w, 0, 8 * MB);
    tw_want(f, 7);
    f->fetch->ranges_ignored = RANGES_IGNORED_MAX;
    bool done = tw_run(&w, 3600);
    CHECK(done && ms(&w) < 60000, "one that fell silent gives way where the other one only trickles: %llu ms", ms(&w));
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* After a fast range: a piece in 10 s, of one connection or of each. */
static void serve_one_trickles(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r) && w->param++ == 1)
        a->piece = 1000, a->bytes_per_s = 100;
}

static void serve_all_trickle(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (tw_at_cdn(r) && w->param++ > 0)
        a->piece = 200000, a->bytes_per_s = 20000;
}

static void test_trickles_alone(void)
{
    struct world w;
    tw_begin(&w, serve_one_trickles, (struct tw_options){ .max_connections = 1 });
    tw_add_all(&w, 0, 20 * MB);
    bool done = tw_run(&w, 3600);
    CHECK(done && ms(&w) < 60000, "a piece in 10 s is not a line that pauses: %llu ms", ms(&w));
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
    tw_begin(&w, serve_all_trickle, (struct tw_options){ .max_connections = 1 });
    tw_add_all(&w, 0, 20 * MB);
    done = tw_run(&w, 3600);
    CHECK(done && stats(&w)->lost < 10 && stats(&w)->wire_bytes < 20 * MB + 100,
          "a line that has become like that is soon left in peace: %" PRIu64 " cuts", stats(&w)->lost);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* After a fast file the line pauses for 16 s and goes on at half its speed, and who is asked to help says nothing at all. */
static void serve_pauses(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (!tw_at_cdn(r) || tw_file_of(w, r->url) == w->file)
        return;
    a->bytes_per_s = 10 * MB;
    if (r->first % MB != 0)
        a->stall_at = 0;
    else
        nap(a);
}

static void test_pauses_alone(void)
{
    struct world w;
    for (uint32_t most = 0; most < 2; most++) {
        tw_begin(&w, serve_pauses, (struct tw_options){ .max_connections = most });
        tw_add_all(&w, 0, 4 * MB);
        tw_run(&w, 60);
        tw_add_all(&w, 0, 4 * MB);
        bool done = tw_run(&w, 60);
        CHECK(done && stats(&w)->lost == 0, "a pause of 16 s is nothing that creeps, %s: %" PRIu64 " cuts, %llu ms",
              most ? "alone" : "with a second that is silent", stats(&w)->lost, ms(&w));
        CHECK(tw_end(&w), "nothing is left over %s", w.fault);
    }
}

/* The first brings something and falls silent, the second falls silent in what it skips. */
static void serve_two_silent(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_no_ranges(w, r, a);
    unsigned n = tw_at_cdn(r) ? w->param++ : UINT32_MAX;
    if (n < 2)
        a->stall_at = n == 0 ? 3 * MB : MB;
}

static void test_two_silent(void)
{
    struct world w;
    tw_begin(&w, serve_two_silent, (struct tw_options){ 0 });
    struct tw_file *f = tw_add(&w, 0, 8 * MB);
    for (uint64_t b = 0; b < 8; b++)
        tw_want(f, b);
    f->fetch->ranges_ignored = RANGES_IGNORED_MAX;
    bool done = tw_run(&w, 3600);
    CHECK(done && ms(&w) < 90000, "where both fell silent a third one is asked: %llu ms", ms(&w));
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void test_pause(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .seed = 1 });
    tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 0.2);
    group_pause(w.group[0].group, true);
    tw_run(&w, 1);
    uint64_t at = stats(&w)->wire_bytes;
    tw_run(&w, 20);
    CHECK(at > 0 && stats(&w)->wire_bytes == at, "nothing comes while it is paused");
    group_pause(w.group[0].group, false);
    CHECK(tw_run(&w, 5), "it goes on after a short pause %s", w.fault);
    CHECK_U64(stats(&w)->wire_bytes, 40 * MB + 9, "and every byte came exactly once");
    CHECK(tw_end(&w), "pause: nothing is left over %s", w.fault);

    tw_begin(&w, tw_good, (struct tw_options){ .seed = 2 });
    tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 0.2);
    group_pause(w.group[0].group, true);
    tw_run(&w, 120);
    CHECK(w.t->running == 0, "a long pause lets its connections go");
    group_pause(w.group[0].group, false);
    CHECK(tw_run(&w, 5), "it goes on after a long pause %s", w.fault);
    CHECK_U64(stats(&w)->wire_bytes, 40 * MB + 9, "and every byte came exactly once");
    CHECK(tw_end(&w), "long pause: nothing is left over %s", w.fault);
}

static void test_buffers(void)
{
    static const struct {
        unsigned buffers;
        double write_s;
    } r[] = { { 3, 0 }, { 4, 0.05 }, { 24, 0.3 } };
    for (unsigned i = 0; i < ARRAY_LEN(r); i++) {
        struct world w;
        tw_begin(&w, tw_good, (struct tw_options){ .buffers = r[i].buffers, .seed = i });
        w.write_ns = (uint64_t)(r[i].write_s * (double)NS_PER_S);
        tw_add_all(&w, 0, 40 * MB);
        tw_add_all(&w, 0, 10 * MB);
        bool done = tw_run(&w, 60);
        CHECK(done, "%u buffers and a disk of %.2f s a block: it ends in %llu ms %s", r[i].buffers, r[i].write_s,
              ms(&w), w.fault);
        CHECK(tw_end(&w), "buffers: nothing is left over %s", w.fault);
    }
}

/* For a minute the first range gives nothing, the second and third a piece each and then nothing, the rest is good. */
static void serve_hoarders(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_direct(w, r, a);
    unsigned which = (unsigned)(r->first / (4 * MB));
    if (ms(w) > 60000 || which > 2)
        return;
    a->cut_at = which > 0 && !(w->param >> which & 1) ? 300000 : 0;
    a->end = HFP_E_RESET;
    w->param |= 1u << which;
}

/* The only connection waits for a buffer, the buffers for a connection. */
static void test_hoarded(void)
{
    struct world w;
    tw_begin(&w, serve_hoarders, (struct tw_options){ .buffers = 4, .max_connections = 1, .chunk_bytes = 4 * MB });
    struct tw_file *f = tw_add_all(&w, 0, 20 * MB);
    tw_run(&w, 50);
    CHECK(f->delivered[12] && f->delivered[19], "a range that can move gets a buffer from one that cannot %s", w.fault);
    CHECK(tw_run(&w, 60) && stats(&w)->received_bytes == 20 * MB, "and what was emptied is counted once %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void serve_head_lost(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_direct(w, r, a);
    if (w->number == 1) {
        a->cut_at = 300000;
        a->end = HFP_E_RESET;
    }
}

/* What is put out in order keeps what came early: the buffers come back through the head, which has lost its connection
 * to ranges that now wait for buffers. */
static void test_way_for_head(void)
{
    struct world w;
    tw_begin(&w, serve_head_lost, (struct tw_options){ .buffers = 8, .max_connections = 2, .chunk_bytes = 4 * MB });
    w.write_ns = 600 * NS_PER_S;
    struct tw_file *f = tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 5);
    CHECK(f->delivered[0] && f->delivered[1], "the head gets the place of one that waits for a buffer %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* Its owner takes nothing for now, and has all the buffers: no connection is cut for that. */
static void test_hold(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .buffers = 8 });
    struct tw_file *f = tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 0.06);
    fetch_hold(f->fetch, true);
    uint64_t had = stats(&w)->received_bytes;
    tw_run(&w, 5);
    CHECK(had > 0 && had < 40 * MB && stats(&w)->received_bytes == had, "a file that is held takes no byte %s",
          w.fault);
    fetch_hold(f->fetch, false);
    CHECK(tw_run(&w, 60) && stats(&w)->wire_bytes <= 40 * MB + 100, "and none comes twice %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);

    tw_begin(&w, tw_good, (struct tw_options){ .buffers = 8 });
    w.write_ns = 600 * NS_PER_S;
    f = tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 1);
    unsigned asked = (unsigned)w.number, starving = transfer_starving(w.t);
    fetch_hold(f->fetch, true);
    w.t->parked = 8;
    tw_run(&w, 10);
    w.t->parked = 0;
    fetch_hold(f->fetch, false);
    tw_run(&w, 3);
    CHECK(starving > 1 && w.number == asked, "of %u that waited for a buffer none is cut while it is held %s", starving,
          w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* Ranges of a paused job keep their half-filled buffers only as long as nobody else needs them. */
static void test_reclaim(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .buffers = 6 });
    tw_group_new(&w, 1, 0);
    tw_add_all(&w, 0, 40 * MB);
    tw_run(&w, 0.06);
    group_pause(w.group[0].group, true);
    w.number = 0;
    tw_run(&w, 60);
    unsigned kept = pool_taken(w.pool);
    struct tw_file *b = tw_add_all(&w, 1, 20 * MB);
    tw_run(&w, 60);
    CHECK(kept >= 4 && tw_file_done(b), "a paused job does not keep the buffers another one needs (%u of 6) %s", kept,
          w.fault);
    group_pause(w.group[0].group, false);
    CHECK(tw_run(&w, 60), "and goes on when it may %s", w.fault);
    CHECK(stats(&w)->received_bytes == 40 * MB, "what was emptied is not counted twice");
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void test_limit(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .seed = 1 });
    transfer_limit(w.t, 2 * MB);
    struct tw_file *f = tw_add_all(&w, 0, 20 * MB);
    tw_run(&w, 1);
    struct remote *cdn = f->fetch->remote;
    cdn->best_bytes_per_s = 1000 * MB; /* as of an earlier file */
    bool done = tw_run(&w, 60);
    CHECK(done && ms(&w) > 9300 && ms(&w) < 10600, "a limit of 2 MB/s holds: 20 MB in %llu ms %s", ms(&w), w.fault);
    CHECK(stats(&w)->wire_bytes <= 20 * MB + 100 && stats(&w)->lost == 0, "and costs no connection");
    CHECK(cdn->best_bytes_per_s == 1000 * MB, "what we hold back makes no line slow");
    CHECK(tw_end(&w), "limit: nothing is left over %s", w.fault);

    tw_begin(&w, tw_good, (struct tw_options){ .seed = 1 });
    group_limit(w.group[0].group, MB);
    f = tw_add_all(&w, 0, 32 * MB);
    tw_run(&w, 10);
    unsigned moved_on = 0, running = 0;
    for (const struct segment *s = f->fetch->segments; s; s = s->next) {
        running += s->state == SEG_RUN;
        moved_on += s->state == SEG_RUN && s->run[0]->bytes > 0;
    }
    CHECK(running > 1 && moved_on == running, "connections take turns under a limit: %u of %u moved", moved_on,
          running);
    group_limit(w.group[0].group, 0);
    CHECK(tw_run(&w, 5), "a limit that is lifted is lifted at once %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void test_groups(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .seed = 3 });
    tw_group_new(&w, 1, 0);
    struct tw_file *a = tw_add_all(&w, 0, 30 * MB), *b = tw_add_all(&w, 1, 30 * MB);
    tw_run(&w, 0.3);
    uint64_t ra = group_stats(w.group[0].group)->received_bytes, rb = group_stats(w.group[1].group)->received_bytes;
    CHECK(ra > 0 && rb > 0, "two jobs share the line: %" PRIu64 " and %" PRIu64, ra, rb);
    group_pause(w.group[0].group, true);
    tw_run(&w, 20);
    CHECK(tw_file_done(b) && !tw_file_done(a), "a pause of one does not stop the other");
    group_pause(w.group[0].group, false);
    CHECK(tw_run(&w, 20), "both end %s", w.fault);
    CHECK(tw_end(&w), "groups: nothing is left over %s", w.fault);

    tw_begin(&w, tw_good, (struct tw_options){ .seed = 3, .max_connections = 1, .chunk_bytes = 4 * MB });
    tw_group_new(&w, 1, 0);
    tw_add_all(&w, 0, 60 * MB);
    tw_add_all(&w, 1, 60 * MB);
    tw_run(&w, 1.5);
    ra = group_stats(w.group[0].group)->received_bytes, rb = group_stats(w.group[1].group)->received_bytes;
    CHECK(ra >= 4 * MB && rb >= 4 * MB, "one connection serves two jobs in turn: %" PRIu64 " and %" PRIu64, ra, rb);
    CHECK(tw_run(&w, 60) && tw_end(&w), "and both end %s", w.fault);
}

static void test_renew_and_free(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ .seed = 4 });
    tw_add_all(&w, 0, 30 * MB);
    struct tw_file *b = tw_add_all(&w, 0, 30 * MB);
    tw_run(&w, 0.2);
    uint64_t before = w.http.starts;
    transfer_renew(w.t);
    CHECK(w.http.drops == 1 && w.t->running == 0, "after a sleep all connections are renewed");
    tw_run(&w, 0.1);
    CHECK(w.http.starts > before, "and asked again");
    fetch_free(ptr_steal(&b->fetch));
    tw_check(&w);
    CHECK(tw_run(&w, 20) && stats(&w)->received_bytes >= 30 * MB,
          "a file that is dropped in the middle harms nobody %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void serve_one_dead(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (strstr(r->url, "f0.bin"))
        broken(a);
}

static void test_rounds(void)
{
    struct world w;
    tw_begin(&w, serve_one_dead, (struct tw_options){ .max_rounds = 3 });
    tw_add_all(&w, 0, 8 * MB);
    struct tw_file *b = tw_add_all(&w, 0, 60 * MB);
    tw_run(&w, 1000);
    CHECK(tw_file_done(b) && w.group[0].gave_up == 1 && w.group[0].error.code == HFP_E_NET,
          "one file that never comes beside one that did: the policy ends after %llu ms", ms(&w));
    CHECK(strstr(w.group[0].error.message, "503") != NULL, "and says why: %s", w.group[0].error.message);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);

    tw_begin(&w, serve_503, (struct tw_options){ .max_rounds = 0 });
    tw_add_all(&w, 0, 8 * MB);
    tw_run(&w, 86400);
    CHECK(!w.stuck && !w.group[0].gave_up && w.group[0].patience.round > 100,
          "0 rounds never gives up: %u rounds in a day", w.group[0].patience.round);
    w.serve = tw_good;
    CHECK(tw_run(&w, 500) && w.group[0].patience.round == 0, "and comes back when the server does %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* The place the first location names is dead; a second one would serve. */
static void serve_dead_place(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    tw_good(w, r, a);
    if (!tw_at_cdn(r) && w->param++ == 0)
        snprintf(a->h.location, sizeof a->h.location, "http://gone.test/%s", tw_file_of(w, r->url)->path);
    if (strstr(r->url, "gone.test"))
        refused(a);
}

static void test_new_location(void)
{
    struct world w;
    tw_begin(&w, serve_dead_place, (struct tw_options){ .max_rounds = 3 });
    tw_add_all(&w, 0, 8 * MB);
    bool done = tw_run(&w, 60);
    CHECK(done, "a new round asks the Hub anew where the file is: %llu ms %s", ms(&w), w.group[0].error.message);
    bool leaked = false, token = false;
    for (unsigned i = 0; i < ARRAY_LEN(w.http.log); i++) {
        leaked |= strncmp(w.http.log[i], HUB, strlen(HUB)) != 0 && strstr(w.http.log[i], "hf_secret");
        token |= strstr(w.http.log[i], HUB "/ns/name") && strstr(w.http.log[i], "hf_secret");
    }
    CHECK(token && !leaked, "the token goes to the endpoint's origin and nowhere else (P6)");
    const char *other = "203.0.113.9";
    CHECK(hosts_pick(w.hosts, "gone.test:80", &other, 1, w.now_ns + 3600 * NS_PER_S) == NULL,
          "a redirect's server does not inherit the Hub's address");
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* Second opinions: each block from somebody else than before. */
static void test_avoid(void)
{
    struct world w;
    tw_begin(&w, serve_direct, (struct tw_options){ .max_connections = 1 });
    hosts_add_address(w.hosts, "hub.test:80", "192.0.2.1");
    hosts_add_address(w.hosts, "hub.test:80", "192.0.2.2");
    struct tw_file *f = tw_add(&w, 0, 4 * MB);
    uint16_t one = peer_number(w.t, HUB, "192.0.2.1"), two = peer_number(w.t, HUB, "192.0.2.2");
    for (uint64_t b = 0; b < 4; b++) {
        fetch_avoid(f->fetch, b % 2 ? one : two);
        tw_want(f, b);
    }
    CHECK(tw_run(&w, 60) && f->peer[0] == one && f->peer[1] == two && f->peer[2] == one && f->peer[3] == two,
          "each block avoids its own server: %u %u %u %u %s", f->peer[0], f->peer[1], f->peer[2], f->peer[3], w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

static void test_wants_later(void)
{
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ 0 });
    struct tw_file *f = tw_add(&w, 0, 12 * MB + 17);
    tw_want(f, 12);
    tw_want(f, 3);
    CHECK(tw_run(&w, 10) && f->delivered[12] == 1 && f->delivered[3] == 1 && !f->delivered[0],
          "only what is wanted comes");
    tw_want(f, 0);
    f->delivered[3] = 0; /* it was found bad on disk */
    tw_want(f, 3);
    CHECK(tw_run(&w, 10) && f->delivered[3] == 1 && f->delivered[0] == 1, "a block can be wanted again %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* A gap between two requests costs one latency; what is in flight shall fit into the buffers where CPU is what is short. */
static void test_lengths(void)
{
    static const struct {
        const char *name;
        uint64_t rate, latency_us;
        uint32_t target;
        unsigned blocks, of_signed; /* of a range of a xorb, which is used in order */
    } lengths[] = {
        { "nothing known", 0, 0, 4, 4, 4 },
        { "nothing known, 16 connections", 0, 0, 16, 4, 4 },
        { "slow line, no latency", MB, 100, 4, 4, 4 },
        { "slow line, 16 connections", 2 * MB, 20000, 16, 4, 1 },
        { "long line", 15 * MB, 50000, 8, 38, 3 },
        { "long line, longest segment", 30 * MB, 100000, 8, 50, 4 },
        { "fast and near, 4 connections", 500 * MB, 500, 4, 4, 4 },
        { "fast and near, 8 connections", 250 * MB, 500, 8, 2, 2 },
        { "fast and near, 16 connections", 125 * MB, 500, 16, 1, 1 },
        { "fast and near, one connection", 2000 * MB, 500, 1, 16, 12 },
        { "fast, a slow answer: a little more in flight", 200 * MB, 13000, 4, 6, 4 },
        { "1 Gbit/s: as fast for a moment, and no gap shall cost a third", 36 * MB, 50000, 4, 50, 4 },
        { "fast, each answer dear", 300 * MB, 30000, 4, 50, 9 },
        { "not fast enough to be asked for whole ranges", 250 * MB, 200000, 4, 50, 12 },
        { "a server that works long for each answer: the whole range", 300 * MB, 200000, 4, 50, 40 },
        { "fast and far: the gap would cost more than CPU", 70 * MB, 50000, 16, 50, 4 },
    };
    struct world w;
    tw_begin(&w, tw_good, (struct tw_options){ 0 });
    struct tw_file *f = tw_add(&w, 0, 40 * MB);
    struct remote *r = f->fetch->remote, was = *r;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        r->rate_bytes_per_s = lengths[i].rate;
        r->latency_ns = r->best_latency_ns = lengths[i].latency_us * 1000;
        r->best_bytes_per_s = lengths[i].rate;
        r->learn.target = lengths[i].target;
        uint64_t got = segment_length(f->fetch) / BLOCK;
        CHECK(got == lengths[i].blocks, "%s: a segment has %u blocks (%llu)", lengths[i].name, lengths[i].blocks,
              (unsigned long long)got);
        f->fetch->is_signed = true;
        got = segment_length(f->fetch) / BLOCK;
        CHECK(got == lengths[i].of_signed, "%s: of a signed range %u (%llu)", lengths[i].name, lengths[i].of_signed,
              (unsigned long long)got);
        f->fetch->is_signed = false;
    }
    r->rate_bytes_per_s = 20 * MB;
    r->best_bytes_per_s = 200 * MB;
    r->latency_ns = 300 * NS_PER_MS;
    r->best_latency_ns = NS_PER_MS;
    r->learn.target = 4;
    CHECK(segment_length(f->fetch) == 4 * BLOCK, "a busy machine makes a near line neither slow nor far");
    *r = was;
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

int main(void)
{
    test_lengths();
    test_rows();
    test_hedge();
    test_hedge_refused();
    test_no_ranges();
    test_tiny_parts();
    test_steal();
    test_creeps_on();
    test_silent_beside_a_trickle();
    test_two_silent();
    test_trickles_alone();
    test_pauses_alone();
    test_pause();
    test_buffers();
    test_hoarded();
    test_way_for_head();
    test_hold();
    test_reclaim();
    test_limit();
    test_groups();
    test_renew_and_free();
    test_rounds();
    test_new_location();
    test_avoid();
    test_wants_later();
    return tap_end();
}
