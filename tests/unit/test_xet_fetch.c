/* A file out of the Xet store comes whole and right, each chunk once, whatever the CAS and the servers do.
 *
 * Seen red on purpose: a block wanted again that waits its turn; bytes of a block that was left counted twice; a copy from
 * where nothing is; parts never asked for whole; a part of a xorb that proves; bytes before the wanted ones put out; a term
 * of two lengths believed; refusals of one epoch counted as many, or of what was asked for before one that has counted; the
 * answer to a walk that is over used; a repeat asked for behind a range that follows it; refusals, and bytes that do not
 * decode, without an end; all buffers but one filled with stored bytes; a repeat looked for only as the beginning or end of
 * a term, within one answer; of two files: what the other has asked for asked for again, what it has put out into a block
 * that is not full waited for, its bytes believed unhashed, a range opened around what is still to come, ranges opened
 * behind what is waited for, a wait with a range open, a file that has failed waited for; new URLs
 * taken whose terms are others; the time of a pause called the store's silence; what is put out twice counted as copied
 * twice; a range that waits for a URL there was no memory for. */
#include "tap.h"
#include "xet_world.h"

static struct xw s, beside;

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

/* Terms that overlap in every way but one: of the last, what is new comes first. */
static void overlaps(void)
{
    xw_xorb_add(&s, 200);
    xw_xorb_add(&s, 90);
    xw_term_add(&s, 0, 0, 60);
    xw_term_add(&s, 0, 20, 40);  /* the middle */
    xw_term_add(&s, 0, 35, 120); /* an end, and more */
    xw_term_add(&s, 1, 0, 50);
    xw_term_add(&s, 0, 50, 90); /* of two terms */
    xw_term_add(&s, 1, 49, 90); /* one chunk of it */
    xw_term_add(&s, 0, 100, 200);
    xw_term_add(&s, 1, 7, 8);
}

/* The same again where no answer names both. */
static void far(void)
{
    xw_xorb_add(&s, 390);
    xw_xorb_add(&s, 300);
    xw_xorb_add(&s, 120);
    xw_term_add(&s, 0, 0, 390);
    xw_term_add(&s, 1, 0, 300);
    xw_term_add(&s, 0, 50, 90);
    xw_term_add(&s, 0, 300, 390);
    xw_term_add(&s, 2, 0, 120);
    xw_term_add(&s, 0, 10, 200);
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
static void sliced(void)
{
    s.slice_bytes = 4 * MB;
    s.w.t->config.max_connections = 1;
}
static void one_bad_answer(void)
{
    s.bad_answers = 1;
}
static void turned(void)
{
    s.urls_serve = 3;
    s.turned = 1;
}

static const struct {
    const char *name;
    void (*made)(void), (*fault)(void);
    unsigned repeats_percent; /* of the stored bytes that may come twice */
    bool proved;              /* all of it by xorb names */
} rows[] = {
    { "a fresh file, proved xorb by xorb", fresh, none, 0, true },
    { "insertions, repeats, another order", pieces, none, 0, false },
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
    { "terms in another order when URLs are renewed", fresh, turned, 200, false },
    { "terms that overlap", overlaps, none, 0, false },
    { "the same over many answers", far, sliced, 0, false },
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

/* What a fast line brings must not take every buffer: blocks would leave one after the other, each behind its write. */
static void side_by_side(void)
{
    xw_begin(&s, 11);
    xw_xorb_add(&s, 390);
    xw_xorb_add(&s, 390);
    xw_term_add(&s, 0, 0, 390);
    xw_term_add(&s, 1, 0, 390);
    s.rate = 0; /* as fast as buffers are there */
    s.work_ns = NS_PER_MS;
    s.w.write_ns = 20 * NS_PER_MS;
    uint64_t begun_ns = s.w.now_ns, in_a_row_ns = blocks_up(s.size) * s.w.write_ns;
    xw_open(&s);
    xw_want_all(&s);
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "a line that is faster than decoding: comes whole %s", s.w.fault);
    uint64_t took_ns = s.w.now_ns - begun_ns;
    CHECK(took_ns < in_a_row_ns / 2, "and blocks are written side by side: %llu ms, in a row it would be %llu",
          (unsigned long long)(took_ns / NS_PER_MS), (unsigned long long)(in_a_row_ns / NS_PER_MS));
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

/* Pieces that were asked for before the refusal was known are refused too, some of them when fresh URLs are here already. */
static void whole_at_last(void)
{
    void (*const made[])(void) = { fresh, pieces, crumbs };
    unsigned left = 0, gave_up = 0;
    for (unsigned i = 0; i < 60; i++) {
        xw_begin(&s, i);
        made[i % ARRAY_LEN(made)]();
        s.whole_only = true;
        s.rate = (i + 1) * MB;
        xw_open(&s);
        xw_want_all(&s);
        bool came = xw_run(&s, 600) && xw_all_came(&s) && !s.failed;
        if (!came)
            printf("# seed %u: %s %s\n", i, s.error.message, s.w.fault);
        gave_up += !came;
        left += !xw_end(&s);
    }
    CHECK(gave_up == 0, "a server that refuses parts is asked for whole ranges, whoever asked first: %u of 60 gave up",
          gave_up);
    CHECK(left == 0, "nothing is left over %s", s.w.fault);
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

/* A block is wanted again while another one is half full of chunks that are here: those are put out twice. */
static void held_again(void)
{
    bool again = false;
    xw_begin(&s, 9);
    xw_xorb_add(&s, 120);
    xw_term_add(&s, 0, 0, 120);
    xw_hold_begin(&s);
    for (uint32_t i = 120; i > 0; i -= 5) /* a stretch each, so that a task ends inside a block */
        xw_hold(&s, 0, i - 5, i, 0);
    xw_hold_over(&s);
    xw_open(&s);
    xw_want_all(&s);
    for (unsigned i = 0; i < 10000 && !again; i++) {
        xet_fetch_turn(s.x, s.w.now_ns += NS_PER_MS);
        xw_work(&s);
        tw_writes(&s.w);
        again = s.delivered[0] > 0 && s.x->block && s.x->decoder.out % BLOCK != 0;
    }
    s.delivered[0]--;
    s.written[0] = false;
    xet_fetch_want(s.x, 0);
    again &= xw_run(&s, 600);
    const struct group_stats *g = group_stats(s.w.group[0].group);
    CHECK(again && xw_all_came(&s) && xw_repeats(&s, &(uint64_t){ 0 }) == 0,
          "chunks that are here, wanted again: come %s", s.w.fault);
    CHECK(g->received_bytes == s.size + BLOCK && g->copied_bytes == g->received_bytes,
          "and all of what was received was copied, and no more: %llu of %llu", (unsigned long long)g->copied_bytes,
          (unsigned long long)g->received_bytes);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* The time of a pause, or in which the machine slept, is not the store's. */
static void held_long(void)
{
    struct hfp_err why = { 0 };
    xw_begin(&s, 9);
    fresh();
    xw_open(&s);
    xw_want_all(&s);
    xet_fetch_turn(s.x, s.w.now_ns); /* a question is out */
    xet_fetch_hold(s.x, true);
    s.w.now_ns += 60 * NS_PER_S;
    bool held_stuck = xet_fetch_stuck(s.x, 20 * NS_PER_S, s.w.now_ns, &why);
    xet_fetch_hold(s.x, false);
    CHECK(!held_stuck && !xet_fetch_stuck(s.x, 20 * NS_PER_S, s.w.now_ns, &why),
          "after a pause with a question out the store is not called silent: %s", why.message);
    xet_fetch_hold(s.x, false); /* as at every turn */
    s.query->due_ns = UINT64_MAX;
    s.w.now_ns += 20 * NS_PER_S;
    CHECK(xet_fetch_stuck(s.x, 20 * NS_PER_S, s.w.now_ns, &why), "but when it does not answer then");
    s.query->due_ns = 0;
    CHECK(xw_run(&s, 600) && xw_all_came(&s), "it comes whole %s", s.w.fault);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* Memory for the URL of a range, or for a fresh one, is not there for a moment. */
static bool no_copies;
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return no_copies ? NULL : __real_strdup(text);
}

static void no_memory(bool fresh_urls)
{
    unsigned stuck = 0;
    for (unsigned i = 0; i < 40; i++) {
        xw_begin(&s, 9);
        fresh();
        s.urls_serve = fresh_urls ? 3 : 0;
        xw_open(&s);
        xw_want_all(&s);
        xw_run(&s, 0.01 * i);
        no_copies = true;
        xw_run(&s, 0.05);
        no_copies = s.w.stuck = false; /* a job turns four times a second, whatever happens */
        stuck += !xw_run(&s, 600) || !xw_all_came(&s) || s.failed;
        xw_end(&s);
    }
    CHECK(stuck == 0, "no memory for a%s URL for a moment: it comes all the same, %u of 40 did not",
          fresh_urls ? " fresh" : "", stuck);
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

/* ---- two files of one job ---- */

static void same(void)
{
    xw_term_add(&s, 0, 0, 120);
    xw_term_add(&s, 1, 0, 90);
    xw_term_add(&beside, 0, 0, 120);
    xw_term_add(&beside, 1, 0, 90);
}

/* Each begins with what the other ends with: each waits for the other, and nobody for ever. */
static void crossed(void)
{
    xw_term_add(&s, 0, 0, 120);
    xw_term_add(&s, 1, 0, 90);
    xw_term_add(&beside, 1, 0, 90);
    xw_term_add(&beside, 0, 0, 120);
}

/* The same within one block. */
static void crossed_closely(void)
{
    for (uint32_t i = 0; i < 40; i++) {
        xw_term_add(&s, i % 2, i, i + 1);
        xw_term_add(&beside, (i + 1) % 2, i ^ 1, (i ^ 1) + 1);
    }
}

/* One is a part of the other, as a shard is of the whole. */
static void a_part(void)
{
    xw_term_add(&s, 0, 0, 120);
    xw_term_add(&s, 1, 0, 90);
    xw_term_add(&s, 2, 0, 40);
    xw_term_add(&beside, 1, 20, 90);
    xw_term_add(&beside, 2, 0, 30);
}

static void in_turns(void)
{
    for (uint32_t i = 0; i < 90; i += 9) {
        xw_term_add(&s, 0, i, i + 9);
        xw_term_add(&s, 2, i / 3, i / 3 + 3);
        xw_term_add(&beside, 1, i, i + 9);
        xw_term_add(&beside, 0, i, i + 9);
    }
}

/* Behind what the other brings stands something of its own. */
static void own_behind(void)
{
    xw_term_add(&s, 0, 0, 120);
    xw_term_add(&beside, 0, 60, 120);
    xw_term_add(&beside, 1, 0, 90);
}

/* Each has put out a chunk that the other needs, in a block that is not full. */
static void an_answer_a_chunk(void)
{
    s.slice_bytes = beside.slice_bytes = 1;
}

static void slow_line(void)
{
    s.rate = 8 * MB;
}

static void slow_disk(void)
{
    s.w.write_ns = 300 * NS_PER_MS;
}

static const struct {
    const char *name;
    void (*made)(void), (*fault)(void);
    unsigned repeats_percent;
} pairs[] = {
    { "two files of the same chunks", same, none, 0 },
    { "two files that begin with what the other ends with", crossed, none, 0 },
    { "the same, chunk by chunk", crossed_closely, none, 0 },
    { "the same, with an answer for each chunk", crossed_closely, an_answer_a_chunk, 0 },
    { "a file and a part of it", a_part, none, 0 },
    { "files that share every other term", in_turns, none, 0 },
    { "a file with chunks of its own behind another's", own_behind, slow_line, 0 },
    { "the same chunks and a slow disk", same, slow_disk, 0 },
    { "crossed and a slow disk", crossed_closely, slow_disk, 0 },
    { "the same chunks, connections that die", same, cut, 100 },
    { "crossed, records that do not decode", crossed, flipped, 100 },
};

static void pair_begin(unsigned seed, struct xet_mates *mates)
{
    xw_begin(&s, seed);
    xw_xorb_add(&s, 120);
    xw_xorb_add(&s, 90);
    xw_xorb_add(&s, 40);
    xw_beside(&beside, &s);
    xw_join(&s, mates);
    xw_join(&beside, mates);
}

static void pair_open(void)
{
    xw_open(&s);
    xw_open(&beside);
    xw_want_all(&s);
    xw_want_all(&beside);
}

static void pairs_test(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        struct xet_mates mates = { NULL };
        pair_begin(i + 1, &mates);
        pairs[i].made();
        pairs[i].fault();
        pair_open();
        bool done = xw_run(&s, 600);
        CHECK(done && xw_all_came(&s) && xw_all_came(&beside) && !s.failed && !beside.failed,
              "%s: both come whole: %s%s %s%s", pairs[i].name, s.w.fault, s.w.stuck ? "stuck" : "", s.error.message,
              beside.error.message);
        uint64_t once, repeats = xw_repeats(&s, &once);
        CHECK(repeats * 100 <= once * pairs[i].repeats_percent, "%s: %llu of %llu stored bytes came twice",
              pairs[i].name, (unsigned long long)repeats, (unsigned long long)once);
        if (pairs[i].made == own_behind)
            CHECK(beside.questions == 1, "%s: it waits before it asks, and asks once: %llu questions", pairs[i].name,
                  (unsigned long long)beside.questions);
        CHECK(xw_end(&s) && !mates.first, "%s: nothing is left over %s", pairs[i].name, s.w.fault);
    }
}

/* One range of its own around what the other has asked for and puts out later. */
static void around(void)
{
    struct xet_mates mates = { NULL };
    pair_begin(5, &mates);
    xw_term_add(&s, 1, 0, 90);
    xw_term_add(&s, 2, 0, 40);
    xw_term_add(&beside, 0, 0, 20);
    xw_term_add(&beside, 2, 30, 40);
    xw_term_add(&beside, 0, 20, 120);
    xw_open(&s);
    xw_want_all(&s);
    xw_run(&s, 0.03);
    xw_open(&beside);
    xw_want_all(&beside);
    bool done = xw_run(&s, 600);
    CHECK(done && xw_all_came(&s) && xw_all_came(&beside), "around a piece of another: both come whole %s", s.w.fault);
    uint64_t once, repeats = xw_repeats(&s, &once);
    CHECK(repeats == 0, "around a piece of another: %llu of %llu stored bytes came twice", (unsigned long long)repeats,
          (unsigned long long)once);
    CHECK(xw_end(&s) && !mates.first, "around a piece of another: nothing is left over %s", s.w.fault);
}

/* What both read from a file that is here is there no more, and each has opened a range that has it for the other: who
 * waits lets go of its own first. */
static void both_lose(void)
{
    struct xet_mates mates = { NULL };
    struct chunk_hit hit;
    pair_begin(5, &mates);
    xw_term_add(&s, 1, 1, 80);
    xw_term_add(&s, 0, 0, 90); /* with a first chunk that is not here, it is asked for as a whole */
    xw_term_add(&beside, 0, 1, 80);
    xw_term_add(&beside, 1, 0, 90);
    xw_hold_begin(&s);
    xw_hold(&s, 0, 1, 80, 0);
    xw_hold(&s, 1, 1, 80, 0);
    xw_hold_over(&s);
    beside.held = s.held;
    s.work_ns = 10 * NS_PER_MS;
    pair_open();
    for (unsigned i = 0; i < 1000 && !(s.x->units && beside.x->units); i++)
        xw_run(&s, 0.001);
    CHECK(s.x->units && beside.x->units && s.x->decoder.out < 3 * MB && beside.x->decoder.out < 3 * MB &&
              chunk_index_find(&hit, s.held, &s.xorb[1].hash, 70),
          "both have opened a range behind what they read");
    chunk_index_forget(s.held, hit.source, &hit.xorb, 70, true);
    CHECK(xw_run(&s, 600) && xw_all_came(&s) && xw_all_came(&beside), "both lose what they read: both come whole %s%s",
          s.w.fault, s.w.stuck ? "stuck" : "");
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* The one that is waited for ends in the middle, whatever the reason: the other asks for itself. */
enum ending { FAILS, GOES_ELSEWHERE, LEAVES };

static void let_down(enum ending how)
{
    static const char *const names[] = { "it has failed", "it goes on elsewhere", "it is gone" };
    struct xet_mates mates = { NULL };
    pair_begin(3, &mates);
    same();
    s.rate = MB;
    pair_open();
    xw_run(&s, 0.5);
    CHECK(!xw_done(&s) && beside.x->waits, "a file waits for what another has asked for");
    if (how == FAILS)
        xet_fail(s.x, &(struct hfp_err){ .code = HFP_E_FORBIDDEN });
    else
        xet_fetch_free(ptr_steal(&s.x));
    if (how == LEAVES)
        xet_mate_leave(ptr_steal(&s.mate));
    CHECK(xw_run(&s, 600) && xw_all_came(&beside), "%s: the other comes whole %s", names[how], s.w.fault);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* A disk is slow: what a task reads of an earlier run is there until it has read, though its file has failed meanwhile. */
static void left_while_it_reads(void)
{
    struct xet_mates mates = { NULL };
    pair_begin(3, &mates);
    same();
    xw_hold_begin(&s);
    xw_hold(&s, 0, 0, 120, 0);
    xw_hold_over(&s);
    xet_mate_leave(s.mate);
    close(s.mate_fd);
    struct xet_mate_file f = {
        .fd = dup(s.held_file), .own = ptr_steal(&s.held), .own_dir = -1, .readable = xw_on_disk, .ctx = &s
    };
    assert(xet_mate_join(&s.mate, &mates, 1, 0, NULL) == HFP_OK);
    xet_mate_ready(s.mate, &f);
    xw_open_with(&s, f.own);
    xw_want_all(&s);
    for (unsigned i = 0; i < 1000 && !s.todo; i++) {
        s.w.now_ns += 10 * NS_PER_MS;
        xw_turn(&s, s.w.now_ns);
    }
    CHECK(s.todo != NULL, "an earlier run's chunks are read");
    xet_fetch_free(ptr_steal(&s.x));
    xet_mate_leave(ptr_steal(&s.mate));
    xw_work(&s);
    CHECK(s.tasks == 0, "and may be read after its file has left");
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

/* What the other has on the disk is not what it put out. */
static void rotten_mate(void)
{
    struct xet_mates mates = { NULL };
    pair_begin(4, &mates);
    same();
    xw_open(&s);
    xw_want_all(&s);
    CHECK(xw_run(&s, 600), "the first comes");
    for (uint64_t at = 5 * MB; at < s.size; at += MB)
        assert(pwrite(s.mate_fd, "rot", 3, (off_t)at) == 3);
    xw_open(&beside);
    xw_want_all(&beside);
    CHECK(xw_run(&s, 600) && xw_all_came(&beside), "chunks of another file that rotted are not believed %s", s.w.fault);
    uint64_t once, repeats = xw_repeats(&s, &once);
    CHECK(repeats > 0 && repeats < once, "what was right is not fetched: %llu of %llu", (unsigned long long)repeats,
          (unsigned long long)once);
    CHECK(xw_end(&s), "nothing is left over %s", s.w.fault);
}

static void random_pairs(void)
{
    unsigned stuck = 0, wrong = 0, left = 0;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct xet_mates mates = { NULL };
        pair_begin(seed, &mates);
        uint64_t *r = &s.w.random;
        struct xw *both[] = { &s, &beside };
        for (unsigned k = 0; k < 2; k++)
            for (unsigned i = 0; i < 2 + random_next(r) % 20 && both[k]->size < 20 * MB; i++) {
                uint32_t x = (uint32_t)(random_next(r) % s.xorbs), n = s.xorb[x].chunks,
                         from = (uint32_t)(random_next(r) % n);
                xw_term_add(both[k], x, from, from + 1 + (uint32_t)(random_next(r) % (n - from)));
            }
        s.cut_every = random_next(r) % 3 ? 0 : 2 + (unsigned)(random_next(r) % 5);
        s.flip_every = random_next(r) % 4 ? 0 : 17 + (unsigned)(random_next(r) % 9);
        s.wide = beside.wide = random_next(r) % 7 == 0;
        s.w.write_ns = random_next(r) % (200 * NS_PER_MS);
        for (unsigned k = 0; k < 2; k++) {
            xw_open(both[k]);
            for (uint64_t b = 0; b < blocks_up(both[k]->size); b++)
                if (random_next(r) % 6)
                    xw_want(both[k], b);
        }
        bool early = random_next(r) % 4 == 0;
        bool done = xw_run(&s, early ? 0.3 : 3600);
        if (early) { /* one of them goes, the other stays */
            struct xw *gone = both[random_next(r) % 2];
            xet_fetch_free(ptr_steal(&gone->x));
            done = xw_run(&s, 3600);
        }
        stuck += s.w.stuck || (!done && !s.w.fault[0]);
        for (unsigned k = 0; k < 2; k++)
            wrong += s.w.fault[0] || (both[k]->x && !both[k]->failed && !xw_all_came(both[k]));
        if (s.w.stuck || s.w.fault[0] || !done)
            printf("# seed %u: %s %s %s\n", seed, s.w.fault, s.w.stuck ? "stuck" : "", done ? "done" : "not done");
        left += !xw_end(&s);
    }
    CHECK(stuck == 0, "two random files: none is stuck, %u are", stuck);
    CHECK(wrong == 0, "none has a wrong byte or a missing block, %u have", wrong);
    CHECK(left == 0, "nothing is left over, with one of them freed at any moment");
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
    side_by_side();
    refused();
    whole_at_last();
    held(0, false);
    held(50, false);
    held(0, true);
    held_again();
    held_long();
    no_memory(false);
    no_memory(true);
    random_worlds();
    pairs_test();
    both_lose();
    let_down(FAILS);
    let_down(GOES_ELSEWHERE);
    let_down(LEAVES);
    left_while_it_reads();
    around();
    rotten_mate();
    random_pairs();
    return tap_end();
}
