/* test_limit.c: a rate that is kept exactly, whatever the pieces and however often it is asked.
 *
 * Seen red on purpose: fractions of a byte lost at each call; debt forgotten; a savings account without an end; a limit
 * near 2^64 that overflows the balance. */
#include "transfer/limit.h"

#include "base/auto.h"
#include "base/clock.h"
#include "tap.h"

/* Takes pieces whenever it is open, for 60 s; the mean must be the rate. */
static double mean(uint64_t rate, uint64_t piece, uint64_t step_ns)
{
    struct limit l;
    uint64_t now = 1000 * NS_PER_S, taken = 0;
    limit_set(&l, rate, now);
    for (uint64_t end = now + 60 * NS_PER_S; now < end; now += step_ns)
        while (limit_open(&l, now)) {
            limit_take(&l, piece);
            taken += piece;
        }
    return (double)taken / 60;
}

static void test_mean(void)
{
    static const struct {
        uint64_t rate, piece, step_ns;
    } rows[] = {
        { 1000000, 16384, NS_PER_MS }, { 1000000, 512 << 10, NS_PER_MS },    { 87000, 1400, 100 * NS_PER_MS },
        { 1000003, 1, NS_PER_MS },     { 125000000, 65536, 10 * NS_PER_MS }, { 7, 1, 1000003 },
        { 1500, 1, NS_PER_MS },        { 3000000000, 262144, NS_PER_MS },
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        double got = mean(rows[i].rate, rows[i].piece, rows[i].step_ns), want = (double)rows[i].rate;
        double slack = (double)(rows[i].piece + rows[i].rate / 4 + 2) / 60 + want * 0.001;
        CHECK(got <= want + slack && got >= want - slack, "%llu bytes per s in pieces of %llu: %.0f",
              (unsigned long long)rows[i].rate, (unsigned long long)rows[i].piece, got);
    }
}

int main(void)
{
    struct limit l;
    uint64_t now = 5 * NS_PER_S;
    test_mean();
    limit_set(&l, 0, now);
    limit_take(&l, UINT64_C(1) << 40);
    CHECK(limit_open(&l, now) && limit_opens_ns(&l, now) == now && !limit_binds(&l), "0 is no limit");
    limit_set(&l, 1000, now);
    CHECK(!limit_open(&l, now) && limit_open(&l, now + 2 * NS_PER_MS), "it begins with nothing and opens at once");
    limit_take(&l, 5000);
    uint64_t opens = limit_opens_ns(&l, now);
    CHECK(opens > now + 4900 * NS_PER_MS && opens < now + 5100 * NS_PER_MS,
          "a debt is waited off, to the moment it says");
    CHECK(!limit_open(&l, opens - 5 * NS_PER_MS) && limit_open(&l, opens), "not before and not after");
    limit_set(&l, 1000, now);
    limit_open(&l, now + 3600 * NS_PER_S);
    CHECK(l.balance <= 251, "an hour of silence saves up a quarter of a second");
    CHECK(limit_open(&l, now), "a clock that seems to step back does no harm");
    limit_set(&l, UINT64_MAX, now);
    CHECK(limit_open(&l, now + NS_PER_S) && limit_open(&l, now + 3600 * NS_PER_S) && l.balance > 0,
          "the largest limit does not overflow");
    return tap_end();
}
