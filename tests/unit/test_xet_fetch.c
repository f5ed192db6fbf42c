/* A file out of the Xet store comes whole and right, each chunk once, whatever the CAS and the servers do.
 *
 * Seen red on purpose: a block wanted again that waits its turn; bytes of a block that was left counted twice; a copy from
 * where nothing is; parts never asked for whole; a part of a xorb
 * that proves; bytes before the wanted ones put out; a term of two lengths believed; refusals of one epoch counted as
 * many; the answer to a walk that is over used; a repeat asked for behind a range that follows it; refusals, and bytes that
 * do not decode, without an end. */
#include "tap.h"
#include "xet_world.h"

static struct xw s;

static void fresh(void)
{
    xw_xorb_add(&s, 150);
    xw_xorb_add(&s, 90);
    xw_term_add(&s, 0, 0, 150);
    xw_term_add(&s, 1, 0, 90);
}

static void pieces(void)
{
    xw_xorb_add(&s, 100);
    xw_xorb_add(&s, 60);
    xw_xorb_add(&s, 40);
    xw_term_add(&s, 0, 0, 40);
    xw_term_add(&s, 1, 10, 20); /* an insertion */
    xw_term_add(&s, 0, 40, 100);
    xw_term_add(&s, 0, 0, 40); /* repeated */
    xw_term_add(&s, 2, 5, 40);
    xw_term_add(&s, 1, 30, 60); /* in another order */
    xw_term_add(&s, 1, 0, 9);
    xw_term_add(&s, 2, 7, 9); /* the middle of what was there */
    xw_term_add(&s, 0, 90, 100);
}

static void crumbs(void)
{
    xw_xorb_add(&s, 300);
    xw_xorb_add(&s, 300);
    for (uint32_t i = 0; i < 150; i++)
        xw_term_add(&s, i % 2, i * 2, i * 2 + 1 + i % 3 % 2);
}

static void none(void)
{
}
static void short_lived(void)
{
    s.urls_serve = 3;
}
static void whole_only(void)
{
    s.whole_only = true;
}
static void cut(void)
{
    s.cut_every = 3;
}
static void flipped(void)
{
    s.flip_every = 5;
}
static void wide(void)
{
    s.wide = true;
}
static void recut(void)
{
    s.urls_serve = 3;
    s.recut = true;
}
static void one_bad_answer(void)
{
    s.bad_answers = 1;
}

static const struct {
    const char *name;
    void (*made)(void), (*fault)(void);
    unsigned repeats_percent; /* of the stored bytes that may come twice */
    bool proved;              /* all of it by xorb names */
} rows[] = {
    { "a fresh file, proved xorb by xorb", fresh, none, 0, true },
    { "insertions, repeats, another order", pieces, none, 5, false },
    { "crumbs of two xorbs", crumbs, none, 1, false },
    { "URLs that expire after three requests, fresh", fresh, short_lived, 5, true },
    { "URLs that expire after three requests, pieces", pieces, short_lived, 10, false },
    { "a server that refuses parts of a signed range", fresh, whole_only, 5, true },
    { "the same with pieces", pieces, whole_only, 5, false },
    { "connections that die on the way", fresh, cut, 100, true },
    { "records with a flipped bit in their header", fresh, flipped, 100, false },
    { "ranges cut as wide as the xorb", pieces, wide, 400, false },
    { "ranges that are cut otherwise when URLs are renewed", fresh, recut, 200, false },
    { "the same with pieces", pieces, recut, 400, false },
    { "an answer that does not fit", fresh, one_bad_answer, 60, true },
};

static void rows_test(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        xw_begin(&s, i + 1);
        rows[i].made();
        rows[i].fault();
        xw_open(&s);
        xw_want_all(&s);
        bool done = xw_run(&s, 600);
        CHECK(done && xw_all_came(&s) && !s.failed, "%s: comes whole: %s%s %s", rows[i].name, s.w.fault,
              s.w.stuck ? "stuck" : "", s.error.message);
        xw_settle(&s);
        uint64_t once, repeats = xw_repeats(&s, &once);
        CHECK(repeats * 100 <= once * rows[i].repeats_percent,
              "%s: %llu of %llu stored bytes came twice, %llu questions", rows[i].name, (unsigned long long)repeats,
              (unsigned long long)once, (unsigned long long)s.questions);
        CHECK(group_stats(s.w.group[0].group)->received_bytes == s.size, "%s: received is counted once: %llu of %llu",
              rows[i].name, (unsigned long long)group_stats(s.w.group[0].group)->received_bytes,
              (unsigned long long)s.size);
        if (rows[i].made == crumbs)
            CHECK(s.proved == 0, "%s: parts of xorbs prove nothing", rows[i].name);
        if (rows[i].proved)
            CHECK(s.proved == s.size, "%s: %llu of %llu bytes proved", rows[i].name, (unsigned long long)s.proved,
                  (unsigned long long)s.size);
        CHECK(xw_end(&s), "%s: nothing is left over %s", rows[i].name, s.w.fault);
    }
}

/* A block behind the output is wanted again: the hash waits for it, so it comes before all others. */
static void wanted_again(void)
{
    xw_begin(&s, 3);
    s.rate = 4 * MB;
    s.w.t->config.max_connections = 1; /* so that it comes in order */
    fresh();
    xw_open(&s);
    xw_want_all(&s);
    while (s.delivered[6] == 0)
        xw_run(&s, 0.01);
    s.delivered[2]--;
    s.written[2] = false;
    xet_fetch_want(s.x, 2);
    bool before = false;
    while (!xw_done(&s)) {
        xw_run(&s, 0.01);
        before |= s.delivered[2] == 1 && s.delivered[14] == 0;
    }
    CHECK(before && xw_all_came(&s), "a block that is wanted again comes before what follows %s", s.w.fault);
    CHECK(group_stats(s.w.group[0].group)->received_bytes == s.size + BLOCK,
          "and is counted again, but nothing else is: %lld more",
          (long long)(group_stats(s.w.group[0].group)->received_bytes - s.size));
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* At any moment: while a question is out, while ranges are open, inside a block. */
static void wanted_again_at_any_moment(void)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < 60; i++) {
        xw_begin(&s, i);
        s.rate = 4 * MB;
        pieces();
        s.urls_serve = i % 3 ? 0 : 5;
        xw_open(&s);
        xw_want_all(&s);
        for (unsigned k = 0; k < 6 && !xw_done(&s); k++) {
            xw_run(&s, 0.011 * (i + 1));
            for (uint64_t b = 0; b < 3; b++)
                if (s.delivered[b] > 0) {
                    s.delivered[b]--;
                    s.written[b] = false;
                    xet_fetch_want(s.x, b);
                    break;
                }
        }
        bool done = xw_run(&s, 600);
        wrong += !done || !xw_all_came(&s) || s.failed;
        wrong += !xw_end(&s);
    }
    CHECK(wrong == 0, "wanted again at any moment: it comes, and all else does %s", s.w.fault);
}

static void holes(bool recorded)
{
    xw_begin(&s, 4);
    pieces();
    xw_open(&s);
    for (uint64_t b = 0; b < blocks_up(s.size); b++)
        if (b % 5 == 1 || b % 5 == 2)
            xw_want(&s, b);
        else
            s.written[b] = recorded; /* by an earlier run; or it is not here at all and nothing can be copied from it */
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "only what is missing comes %s", s.w.fault);
    uint64_t once, wanted = 0, repeats = xw_repeats(&s, &once);
    for (uint64_t b = 0; b < blocks_up(s.size); b++)
        wanted += s.wanted[b] ? MIN(BLOCK, s.size - b * BLOCK) : 0;
    CHECK(once + repeats <= wanted + 2 * s.questions * XET_CHUNK_MAX,
          "and hardly more than that is fetched: %llu for %llu", (unsigned long long)(once + repeats),
          (unsigned long long)wanted);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

static void repeats(bool gone)
{
    xw_begin(&s, 8);
    xw_xorb_add(&s, 60);
    xw_term_add(&s, 0, 0, 60);
    xw_term_add(&s, 0, 0, 60);
    s.w.write_ns = 30 * NS_PER_MS;
    s.gone = gone;
    xw_open(&s);
    xw_want_all(&s);
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "what went before is %s %s",
          gone ? "asked for when it is gone" : "copied", s.w.fault);
    CHECK(s.questions == (gone ? 2 : 1), "with %llu questions", (unsigned long long)s.questions);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* The range that follows is open already when it shows that the repeat has to be asked for. */
static void gone_in_the_middle(void)
{
    xw_begin(&s, 8);
    xw_xorb_add(&s, 6);
    xw_xorb_add(&s, 6);
    xw_term_add(&s, 0, 0, 6);
    xw_term_add(&s, 0, 0, 6);
    xw_term_add(&s, 1, 0, 6);
    s.gone = true;
    xw_open(&s);
    xw_want_all(&s);
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "what went before is gone, and more follows: it comes whole %s",
          s.w.fault);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

static void refused(void)
{
    xw_begin(&s, 5);
    fresh();
    s.never = true;
    xw_open(&s);
    xw_want_all(&s);
    xw_run(&s, 600);
    CHECK(s.failed == 1 && strstr(s.error.message, "403") && s.questions <= 4 && s.w.number < 40,
          "fresh URLs that are refused end it, with the server's words: %s (%llu requests, %llu questions)",
          s.error.message, (unsigned long long)s.w.number, (unsigned long long)s.questions);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
    xw_begin(&s, 6);
    fresh();
    s.flip_every = 1;
    xw_open(&s);
    xw_want_all(&s);
    xw_run(&s, 600);
    CHECK(s.failed == 1 && s.w.number < 60, "records that never decode end it: %s (%llu requests)", s.error.message,
          (unsigned long long)s.w.number);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
    xw_begin(&s, 6);
    fresh();
    s.bad_answers = 1000;
    xw_open(&s);
    xw_want_all(&s);
    xw_run(&s, 600);
    CHECK(s.failed == 1 && s.error.code == HFP_E_PROTO && s.questions <= 6, "so do answers that never fit: %s",
          s.error.message);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* What is here does not come; what rotted there comes alone; a file that is gone costs one look. */
static void held(unsigned rot_every, bool gone)
{
    xw_begin(&s, 9);
    xw_xorb_add(&s, 120);
    xw_xorb_add(&s, 40);
    for (uint32_t i = 0; i < 40; i += 4) { /* an old file with something new every twelve chunks */
        xw_term_add(&s, 0, i * 3, i * 3 + 12);
        xw_term_add(&s, 1, i, i + 4);
    }
    xw_hold_begin(&s);
    xw_hold(&s, 0, 0, 120, rot_every);
    xw_hold_over(&s);
    if (gone)
        unlinkat(s.held_dir, "file", 0);
    xw_open(&s);
    xw_want_all(&s);
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "%s: comes whole %s",
          gone        ? "a file that is gone"
          : rot_every ? "chunks that rotted"
                      : "chunks that are here",
          s.w.fault);
    uint64_t once, copied = group_stats(s.w.group[0].group)->copied_bytes, repeats = xw_repeats(&s, &once);
    if (!gone && !rot_every)
        CHECK(once == s.xorb[1].n && repeats == 0 && s.questions == 1,
              "only what is new came, in one stream: %llu and %llu again of %zu, %llu questions",
              (unsigned long long)once, (unsigned long long)repeats, s.xorb[1].n, (unsigned long long)s.questions);
    else if (!gone)
        CHECK(once < s.xorb[1].n + s.xorb[0].n / 8 && s.questions <= 12, "and alone: %llu of %zu, %llu questions",
              (unsigned long long)once, s.xorb[0].n, (unsigned long long)s.questions);
    else
        CHECK(copied == 0 && s.questions <= 24, "after %llu questions", (unsigned long long)s.questions);
    CHECK(group_stats(s.w.group[0].group)->received_bytes == s.size, "each byte counts as received once");
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* Random files, random faults, freed at a random moment. */
static void random_worlds(void)
{
    unsigned stuck = 0, wrong = 0, left = 0, failed = 0;
    for (unsigned seed = 1; seed <= 60; seed++) {
        xw_begin(&s, seed);
        uint64_t *r = &s.w.random;
        unsigned xorbs = 1 + (unsigned)(random_next(r) % 4);
        for (unsigned i = 0; i < xorbs; i++)
            xw_xorb_add(&s, 10 + (uint32_t)(random_next(r) % 60));
        for (unsigned i = 0; i < 2 + random_next(r) % 20 && s.size < 40 * MB; i++) {
            uint32_t x = (uint32_t)(random_next(r) % xorbs), n = s.xorb[x].chunks,
                     from = (uint32_t)(random_next(r) % n);
            xw_term_add(&s, x, from, from + 1 + (uint32_t)(random_next(r) % (n - from)));
        }
        s.urls_serve = random_next(r) % 3 ? 0 : 3 + (unsigned)(random_next(r) % 20);
        s.whole_only = random_next(r) % 5 == 0;
        s.wide = random_next(r) % 7 == 0;
        s.cut_every = random_next(r) % 3 ? 0 : 2 + (unsigned)(random_next(r) % 5);
        s.flip_every = random_next(r) % 4 ? 0 : 7 + (unsigned)(random_next(r) % 9);
        s.bad_answers = random_next(r) % 2;
        s.w.write_ns = random_next(r) % (50 * NS_PER_MS);
        if (random_next(r) % 2) {
            xw_hold_begin(&s);
            for (unsigned x = 0; x < xorbs; x++) {
                uint32_t n = s.xorb[x].chunks, from = (uint32_t)(random_next(r) % n);
                xw_hold(&s, x, from, from + 1 + (uint32_t)(random_next(r) % (n - from)),
                        random_next(r) % 3 ? 0 : 5 + (unsigned)(random_next(r) % 30));
            }
            xw_hold_over(&s);
        }
        xw_open(&s);
        for (uint64_t b = 0; b < blocks_up(s.size); b++)
            if (random_next(r) % 4)
                xw_want(&s, b);
            else
                s.written[b] = random_next(r) % 2;
        bool early = random_next(r) % 6 == 0;
        bool done = xw_run(&s, early ? 0.2 : 3600);
        failed += s.failed;
        stuck += s.w.stuck || (!done && !early && !s.w.fault[0]);
        wrong += s.w.fault[0] || (done && !s.failed && !xw_all_came(&s));
        if (s.w.stuck || s.w.fault[0] || (!done && !early))
            printf("# seed %u: %s %s %s\n", seed, s.w.fault, s.w.stuck ? "stuck" : "", done ? "done" : "not done");
        left += !xw_end(&s);
    }
    CHECK(stuck == 0, "random files and faults: none is stuck, %u are", stuck);
    CHECK(wrong == 0, "none has a wrong byte or a missing block, %u have", wrong);
    CHECK(left == 0, "nothing is left over, freed at any moment");
    CHECK(failed <= 6, "few give up: %u", failed);
}

int main(void)
{
    rows_test();
    wanted_again();
    wanted_again_at_any_moment();
    holes(true);
    holes(false);
    repeats(true);
    gone_in_the_middle();
    repeats(false);
    refused();
    held(0, false);
    held(50, false);
    held(0, true);
    random_worlds();
    return tap_end();
}
