#include "transfer/limit.h"

#include "base/auto.h"
#include "base/clock.h"

/* What may be saved up while nothing arrives: a quarter second smooths over pauses of the line without a visible burst. */
#define SAVED_PART 4
/* A petabyte a second is no limit to anyone, and ten seconds of it still fit into the balance. */
#define RATE_MAX (UINT64_C(1) << 50)

void limit_set(struct limit *l, uint64_t bytes_per_s, uint64_t now_ns)
{
    *l = (struct limit){ .bytes_per_s = MIN(bytes_per_s, RATE_MAX), .at_ns = now_ns };
}

static void limit_refill(struct limit *l, uint64_t now_ns)
{
    if (now_ns <= l->at_ns)
        return;
    uint64_t passed_ns = MIN(ns_since(now_ns, l->at_ns), 10 * NS_PER_S);
    /* Whole bytes only, and the clock moves by exactly what they cost: no fraction is lost over millions of calls. */
    unsigned __int128 bytes = (unsigned __int128)passed_ns * l->bytes_per_s / NS_PER_S;
    if (bytes == 0)
        return;
    l->at_ns = passed_ns == 10 * NS_PER_S ? now_ns : l->at_ns + (uint64_t)(bytes * NS_PER_S / l->bytes_per_s);
    l->balance += (int64_t)bytes;
    int64_t most = (int64_t)(l->bytes_per_s / SAVED_PART) + 1;
    l->balance = MIN(l->balance, most);
}

bool limit_open(struct limit *l, uint64_t now_ns)
{
    if (l->bytes_per_s == 0)
        return true;
    limit_refill(l, now_ns);
    return l->balance > 0;
}

void limit_take(struct limit *l, uint64_t n)
{
    if (l->bytes_per_s != 0)
        l->balance -= (int64_t)n;
}

bool limit_binds(const struct limit *l)
{
    return l->bytes_per_s != 0 && l->balance < (int64_t)(l->bytes_per_s / (2 * SAVED_PART));
}

uint64_t limit_opens_ns(const struct limit *l, uint64_t now_ns)
{
    if (l->bytes_per_s == 0 || l->balance > 0)
        return now_ns;
    unsigned __int128 debt = (unsigned __int128)(1 - l->balance) * NS_PER_S;
    uint64_t opens = l->at_ns + (uint64_t)(debt / l->bytes_per_s) + 1;
    return MAX(opens, now_ns);
}
