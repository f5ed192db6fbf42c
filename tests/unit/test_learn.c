/* test_learn.c: as many connections as pay, and no more (P7).
 *
 * Each row is a server: what `n` connections bring in all. The learner is run for two minutes against it.
 * Seen red on purpose: a rise judged although it brought nothing; errors that count for nothing; a rest that is taken
 * for a slow epoch; a fixed number that moves; a limit of ours taken for the line's; requests that only wait taken for
 * ones that carry, and the other way round; ranges that wait for each other's bytes taken for small files;
 * slow start taken for a gain. */
#include "transfer/learn.h"

#include "base/auto.h"
#include "base/clock.h"
#include "tap.h"

static uint64_t mb(double n)
{
    return (uint64_t)(n * 1e6);
}

static uint64_t fat(uint32_t n)
{
    return mb(10.0 * n);
} /* each adds 10 MB/s */
static uint64_t eight(uint32_t n)
{
    return mb(n < 8 ? 10.0 * n : 80);
} /* full with 8 */
static uint64_t one(uint32_t n)
{
    return n ? mb(12) : 0;
} /* one fills it */
static uint64_t punishes(uint32_t n)
{
    return n <= 4 ? mb(10.0 * n) : mb(4);
} /* more than 4 are throttled */

static struct learn run(uint64_t (*rate)(uint32_t), unsigned seconds, uint32_t errors_per_s, bool held, uint32_t fixed)
{
    struct learn l;
    uint64_t now = 10 * NS_PER_S;
    learn_init(&l, fixed, 0, now);
    for (unsigned i = 0; i < seconds * 100; i++) {
        now += 10 * NS_PER_MS;
        learn_bytes(&l, rate(l.target) / 100);
        if (errors_per_s && i % (100 / errors_per_s) == 0)
            learn_error(&l);
        learn_tick(&l, l.target, held, 20 * NS_PER_MS, now);
    }
    return l;
}

/* Small files: each connection brings 10 KB every 20 ms, or the server only ever answers 200 requests a second. */
static struct learn run_small(unsigned most_per_s, unsigned wait_percent, uint64_t until_ms)
{
    struct learn l;
    uint64_t now = 10 * NS_PER_S, sent = 0;
    learn_init(&l, 0, 0, now);
    for (uint64_t ms = 20; ms <= until_ms; ms += 20) {
        now += 20 * NS_PER_MS;
        for (unsigned i = 0; i < l.target && sent * 1000 < most_per_s * ms; i++) {
            learn_bytes(&l, 10000);
            learn_request(&l, 20 * NS_PER_MS * wait_percent / 100, 20 * NS_PER_MS);
            sent++;
        }
        learn_tick(&l, l.target, false, 20 * NS_PER_MS, now);
    }
    return l;
}

/* Ranges of a large file from a server that answers one at a time, each in 4 ms: the line is never idle, and all but one of
 * the connections wait for their turn on it. */
static struct learn run_in_turn(void)
{
    struct learn l;
    uint64_t now = 10 * NS_PER_S;
    learn_init(&l, 0, 0, now);
    for (unsigned i = 0; i < 12; i++) {
        now += 4 * NS_PER_MS;
        learn_bytes(&l, 4000000);
        learn_request(&l, 4 * NS_PER_MS * (l.target - 1), 4 * NS_PER_MS * l.target);
        learn_tick(&l, l.target, false, 4 * NS_PER_MS, now);
    }
    return l;
}

/* A line of 12 MB/s that four connections fill, once TCP has found its pace: it doubles every 50 ms from 200 KB/s on. */
static struct learn run_slow_start(void)
{
    struct learn l;
    uint64_t now = 10 * NS_PER_S;
    learn_init(&l, 0, 0, now);
    for (unsigned i = 1; i <= 500; i++) {
        now += 10 * NS_PER_MS;
        uint64_t rate = mb(0.2) * l.target << MIN(i / 5, 10);
        learn_bytes(&l, MIN(rate, mb(12)) / 100);
        learn_tick(&l, l.target, false, 50 * NS_PER_MS, now);
    }
    return l;
}

int main(void)
{
    static const struct {
        const char *name;
        uint64_t (*rate)(uint32_t);
        uint32_t low, high;
    } rows[] = {
        { "a line that takes all", fat, 16, 16 },
        { "a line that is full with eight", eight, 8, 9 },
        { "a line that one connection fills", one, 4, 5 },
        { "a server that punishes more than four", punishes, 1, 5 },
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct learn l = run(rows[i].rate, 120, 0, false, 0);
        CHECK(l.target >= rows[i].low && l.target <= rows[i].high, "%s: %u connections", rows[i].name, l.target);
    }
    struct learn l = run(fat, 2, 0, false, 0);
    CHECK(l.target == 16, "all 16 are there within two seconds: %u", l.target);
    l = run_slow_start();
    CHECK(l.target <= 5, "what slow start brings is no gain of more connections: %u", l.target);
    l = run_small(10000, 95, 40);
    CHECK(l.target == 16, "requests that only wait: all 16 after one round of answers: %u", l.target);
    l = run_small(10000, 95, 20000);
    CHECK(l.target == 16, "and they stay: %u", l.target);
    l = run_small(10000, 50, 60);
    CHECK(l.target == 4, "requests that carry are judged by what they bring: %u", l.target);
    l = run_in_turn();
    CHECK(l.target == 4, "ranges that wait for each other's bytes are no small files: %u", l.target);
    l = run_small(200, 95, 20000);
    CHECK(l.target <= 5, "a server that answers no faster for it is left alone again: %u", l.target);
    l = run(fat, 60, 50, false, 0);
    CHECK(l.target < 4, "errors take connections away: %u", l.target);
    l = run(fat, 60, 0, true, 0);
    CHECK(l.target == 4, "what we hold back ourselves teaches nothing: %u", l.target);
    l = run(fat, 60, 50, false, 7);
    CHECK(l.target == 7, "a fixed number stays: %u", l.target);
    learn_init(&l, 0, 12, 0);
    CHECK(l.target == 12, "what was learned before is where it starts");
    learn_init(&l, 0, 9999, 0);
    CHECK(l.target == LEARN_MAX, "and never above %d", LEARN_MAX);
    l = run(eight, 20, 0, false, 0);
    uint32_t before = l.target;
    uint64_t now = 3600 * NS_PER_S;
    learn_bytes(&l, 1000); /* after a rest, as between two rounds */
    CHECK(!learn_tick(&l, l.target, false, 20 * NS_PER_MS, now) && l.target == before && l.epochs_low == 0,
          "a rest is no slow epoch: %u of %u", l.target, before);
    return tap_end();
}
