/* test_opinion.c: which block is bad, when all that is known is that the whole is.
 *
 * A file is an array of letters. The disk has some wrong ones, a source answers, perhaps wrongly; the hash is the
 * comparison with the truth. Answers may be late, taken back, or come in any order.
 * Seen red on purpose: classes in the wrong order; a hash after every difference; a block asked for ever; a taken-back
 * block forgotten; no third opinion of what differed. */
#include "verify/opinion.h"

#include "base/auto.h"
#include "net/retry.h"
#include "tap.h"

#include <stdlib.h>

#define BLOCKS_MAX 64

struct game {
    uint8_t disk[BLOCKS_MAX], doubt[BLOCKS_MAX];
    uint64_t blocks, random;
    bool (*lies)(struct game *g, uint64_t block);
    uint64_t asked[8 * BLOCKS_MAX], asked_n;
    uint64_t hashes, written;
};

static bool honest(struct game *g, uint64_t block)
{
    (void)g, (void)block;
    return false;
}

static bool liar(struct game *g, uint64_t block)
{
    (void)g;
    return block == 5;
}

/* Wrong the first time it is asked. */
static bool once(struct game *g, uint64_t block)
{
    unsigned times = 0;
    for (uint64_t i = 0; i < g->asked_n; i++)
        times += g->asked[i] == block;
    return block == 5 && times < 2;
}

static bool sometimes(struct game *g, uint64_t block)
{
    (void)block;
    return random_next(&g->random) % 4 == 0;
}

static bool right(const struct game *g)
{
    for (uint64_t i = 0; i < g->blocks; i++)
        if (g->disk[i] != 1)
            return false;
    return true;
}

/* True: the file became right. False: given up. Ends the test when it does neither. */
static bool play(struct game *g, unsigned window)
{
    struct opinion *o = NULL;
    uint64_t open[BLOCKS_MAX], n = 0;
    opinion_new(&o, g->doubt, g->blocks, NULL);
    for (unsigned turn = 0; turn < 20000; turn++) {
        uint64_t block;
        while (n < window && opinion_next(o, &block)) {
            open[n++] = block;
            g->asked[g->asked_n++ % ARRAY_LEN(g->asked)] = block;
        }
        enum opinion_step step = OPINION_MORE;
        if (n > 0) {
            uint64_t at = random_next(&g->random) % n;
            block = open[at];
            open[at] = open[--n];
            uint8_t got = g->lies(g, block) ? (uint8_t)(2 + random_next(&g->random) % 200) : 1;
            bool differs = got != g->disk[block];
            g->written += differs;
            g->disk[block] = got;
            step = opinion_answer(o, block, differs);
        } else {
            CHECK(false, "nothing is asked and nothing is decided");
            break;
        }
        if (step == OPINION_REHASH) {
            opinion_take_back(o);
            n = 0;
            g->hashes++;
            if (right(g))
                break;
            step = opinion_still_wrong(o);
        }
        if (step == OPINION_HOPELESS)
            break;
    }
    opinion_free(o);
    return right(g);
}

static struct game fresh(uint64_t blocks, uint64_t seed)
{
    struct game g = { .blocks = blocks, .random = seed, .lies = honest };
    memset(g.disk, 1, sizeof g.disk);
    return g;
}

static void test_order(void)
{
    struct game g = fresh(30, 1);
    for (int i = 0; i < 10; i++)
        g.doubt[10 + i] = DOUBT_KEPT;
    for (int i = 0; i < 5; i++)
        g.doubt[20 + i] = DOUBT_ADOPTED;
    g.disk[2] = 9;
    CHECK(play(&g, 1), "a flipped bit is found");
    bool order = true;
    for (unsigned i = 0; i < 5; i++)
        order &= g.asked[i] >= 20 && g.asked[i] < 25;
    for (unsigned i = 5; i < 15; i++)
        order &= g.asked[i] >= 10 && g.asked[i] < 20;
    CHECK(order, "most doubtful first: adopted, kept, the rest");
    CHECK_U64(g.asked_n, 18, "and no more is asked than it takes");
    CHECK(g.hashes == 1 && g.written == 1, "one block, one hash");
}

static void test_junk(void)
{
    struct game g = fresh(64, 2);
    for (int i = 0; i < 64; i++) {
        g.disk[i] = 7;
        g.doubt[i] = DOUBT_ADOPTED;
    }
    CHECK(play(&g, 8) && g.hashes <= 8, "64 junk blocks cost %llu hashes, not 64", (unsigned long long)g.hashes);
}

static void test_lies(void)
{
    struct game g = fresh(20, 3);
    g.disk[5] = 9;
    g.lies = liar;
    CHECK(!play(&g, 4) && g.asked_n < 40, "a source that always lies is given up, after %llu requests",
          (unsigned long long)g.asked_n);
    g = fresh(20, 6);
    g.disk[5] = 9;
    g.lies = once;
    CHECK(play(&g, 4), "what differed once is asked for a third time");
    g = fresh(20, 4);
    g.doubt[3] = 2;
    g.disk[0] = 9;
    struct opinion *o = NULL;
    uint64_t block = 99;
    opinion_new(&o, g.doubt, 20, NULL);
    CHECK(!opinion_first_changed(o, &block) && opinion_changed(o) == 0, "at first nothing has changed");
    opinion_next(o, &block);
    opinion_answer(o, block, true);
    uint64_t first = 0;
    CHECK(opinion_first_changed(o, &first) && first == 3 && opinion_changed(o) == 1,
          "what changed is known for the report");
    opinion_free(o);
    opinion_free(NULL);
}

static void test_same_bytes(void)
{
    struct game g = fresh(20, 5);
    struct opinion *o = NULL;
    uint64_t block, n = 0;
    enum opinion_step step = OPINION_MORE;
    opinion_new(&o, g.doubt, 20, NULL);
    while (opinion_next(o, &block) && n++ < 100)
        step = opinion_answer(o, block, false);
    CHECK(n == 20 && step == OPINION_HOPELESS,
          "the same bytes from everywhere: each is asked once, then it is hopeless");
    opinion_free(o);
}

static void test_random(void)
{
    unsigned wrong = 0, cured = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t s = seed;
        struct game g = fresh(1 + random_next(&s) % BLOCKS_MAX, s);
        for (uint64_t i = 0; i < g.blocks; i++) {
            g.doubt[i] = (uint8_t)(random_next(&s) % DOUBTS);
            g.disk[i] = random_next(&s) % 8 == 0 ? 5 : 1;
        }
        if (right(&g))
            g.disk[0] = 5;
        if (seed % 3 == 0)
            g.lies = sometimes;
        bool ok = play(&g, 1 + (unsigned)(random_next(&s) % 16));
        wrong += !ok && seed % 3 != 0;
        cured += ok && seed % 3 == 0;
    }
    CHECK(wrong == 0, "an honest source cures every file");
    CHECK(cured > 0, "and one that lies now and then cures some: %u of 1000", cured);
}

int main(void)
{
    test_order();
    test_junk();
    test_lies();
    test_same_bytes();
    test_random();
    return tap_end();
}
