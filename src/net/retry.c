#include "net/retry.h"

#include "base/auto.h"

static const uint64_t delay_s[RETRY_ATTEMPTS] = { 1, 2, 5 };
static const uint64_t round_delay_s[] = { 10, 30, 60, 120, 240, 300 };

static uint64_t spread(uint64_t ns, uint64_t random)
{
    return ns - ns / 4 + random % (ns / 2);
}

uint64_t retry_delay_ns(unsigned attempt, uint64_t random)
{
    unsigned i = attempt == 0 ? 0 : MIN(attempt - 1, RETRY_ATTEMPTS - 1);
    return spread(delay_s[i] * NS_PER_S, random);
}

uint64_t retry_round_delay_ns(unsigned round, uint64_t random)
{
    unsigned i = round == 0 ? 0 : MIN(round - 1, ARRAY_LEN(round_delay_s) - 1);
    return spread(round_delay_s[i] * NS_PER_S, random);
}

void patience_init(struct patience *p, uint32_t max_rounds, uint64_t now_ns)
{
    *p = (struct patience){ .max_rounds = max_rounds, .last_progress_ns = now_ns };
}

void patience_progress(struct patience *p, uint64_t now_ns)
{
    p->round = 0;
    p->wait_until_ns = 0;
    p->last_progress_ns = now_ns;
}

int patience_round_over(struct patience *p, uint64_t now_ns, uint64_t random, struct hfp_err *err)
{
    p->round++;
    if (p->max_rounds != 0 && p->round >= p->max_rounds)
        return err_http(err, HFP_E_NET, p->why.http_status, "network gave up after %u round%s without progress: %s",
                        p->round, p->round == 1 ? "" : "s", p->why.message);
    p->wait_until_ns = now_ns + retry_round_delay_ns(p->round, random);
    return HFP_OK;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
