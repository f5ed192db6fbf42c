/* test_retry.c: the one retry policy (P4).
 *
 * Seen red on purpose: rounds that are not reset by progress; a limit that gives up one round late; jitter that makes a
 * wait of nothing; 0 rounds taken as "at once". */
#include "net/retry.h"

#include "tap.h"

static bool about(uint64_t ns, uint64_t s)
{
    return ns >= s * NS_PER_S * 3 / 4 && ns <= s * NS_PER_S * 5 / 4;
}

static void test_delays(void)
{
    static const struct {
        unsigned n;
        uint64_t s;
    } attempt[] = { { 1, 1 }, { 2, 2 }, { 3, 5 }, { 4, 5 }, { 99, 5 }, { 0, 1 } },
      round[] = { { 1, 10 }, { 2, 30 }, { 3, 60 }, { 4, 120 }, { 5, 240 }, { 6, 300 }, { 7, 300 }, { 1000, 300 } };
    uint64_t random = 1;
    for (unsigned i = 0; i < sizeof attempt / sizeof attempt[0]; i++) {
        bool all = true, differ = false;
        uint64_t first = retry_delay_ns(attempt[i].n, random_next(&random));
        for (int k = 0; k < 200; k++) {
            uint64_t ns = retry_delay_ns(attempt[i].n, random_next(&random));
            all &= about(ns, attempt[i].s);
            differ |= ns != first;
        }
        CHECK(all && differ, "attempt %u waits about %llu s, never twice the same", attempt[i].n,
              (unsigned long long)attempt[i].s);
    }
    for (unsigned i = 0; i < sizeof round / sizeof round[0]; i++)
        CHECK(about(retry_round_delay_ns(round[i].n, random_next(&random)), round[i].s) &&
                  about(retry_round_delay_ns(round[i].n, 0), round[i].s) &&
                  about(retry_round_delay_ns(round[i].n, UINT64_MAX), round[i].s),
              "round %u waits about %llu s", round[i].n, (unsigned long long)round[i].s);
}

static void test_patience(void)
{
    struct patience p;
    struct hfp_err err;
    uint64_t now = 7 * NS_PER_S;
    patience_init(&p, 3, now);
    CHECK(p.last_progress_ns == now && p.wait_until_ns == 0, "it begins without a wait");
    err_http(&p.why, HFP_E_SERVER, 503, "the Hub answered 503");
    CHECK(patience_round_over(&p, now, 0, &err) == HFP_OK && patience_round_over(&p, now, 0, &err) == HFP_OK &&
              about(p.wait_until_ns - now, 30),
          "two rounds without progress wait");
    patience_progress(&p, now + 1);
    CHECK(p.round == 0 && p.wait_until_ns == 0 && p.last_progress_ns == now + 1,
          "any progress starts over from nothing");
    patience_round_over(&p, now, 0, &err);
    patience_round_over(&p, now, 0, &err);
    CHECK(patience_round_over(&p, now, 0, &err) == HFP_E_NET && err.http_status == 503 && strstr(err.message, "503") &&
              strstr(err.message, "3 rounds"),
          "the third is the last, and says why: %s", err.message);
    patience_init(&p, 0, now);
    int rc = HFP_OK;
    for (int i = 0; i < 10000 && !rc; i++)
        rc = patience_round_over(&p, now, 0, &err);
    CHECK(rc == HFP_OK, "0 rounds never gives up");
}

int main(void)
{
    test_delays();
    test_patience();
    uint64_t a = 5, b = 5, c = 6;
    CHECK(random_next(&a) == random_next(&b) && random_next(&a) == random_next(&b) &&
              random_next(&c) != random_next(&a),
          "a seed replays");
    return tap_end();
}
