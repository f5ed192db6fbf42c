#include "transfer/learn.h"

#include "base/auto.h"
#include "base/clock.h"

#define START 4                        /* enough for most lines; one doubling from 8 */
#define EPOCH_MIN_NS (200 * NS_PER_MS) /* below it the figure is that of the scheduler */
#define EPOCH_MAX_NS (2 * NS_PER_S)
#define EPOCH_LATENCIES 10 /* an epoch spans this many round trips, or its figure is noise */
/* Epochs before the first rise, and those in which new connections open, last a third of that: they only have to see that
 * the rate no longer grows, and a line of 50 ms is not left half empty for seconds. */
#define OPENING_SHARE 3
#define GROWTH_PERCENT                                                                                                 \
    125 /* of the epoch before: TCP is still finding its pace, and what comes later is no gain of a rise */
#define HOLD_NS (30 * NS_PER_S) /* after a rise that gave nothing, before the next try */
#define GAIN_PERCENT 110        /* a rise must bring this much, or the connections do not pay */
#define LOW_EPOCHS 3            /* epochs under half the peak before it counts as a collapse */
#define ERRORS_MANY 3
#define WAIT_PERCENT 75 /* of a request's time: its connection waits more than it carries, so more of them must pay */
#define SMALL_MAX (1U << 20) /* bytes an answer: larger ones also wait for their turn on the line */

void learn_init(struct learn *l, uint32_t fixed, uint32_t start, uint64_t now_ns)
{
    uint32_t target = fixed != 0 ? fixed : start != 0 ? MIN(start, LEARN_MAX) : START;
    *l = (struct learn){
        .fixed = fixed, .target = target, .before = target, .ceiling = LEARN_MAX, .epoch_ns = now_ns, .saturated = true
    };
}

void learn_bytes(struct learn *l, uint64_t n)
{
    l->epoch_bytes += n;
}

void learn_request(struct learn *l, uint64_t wait_ns, uint64_t whole_ns)
{
    l->wait_ns += wait_ns;
    l->whole_ns += whole_ns;
    l->requests++;
}

void learn_error(struct learn *l)
{
    l->errors++;
}

static void epoch_begin(struct learn *l, uint64_t now_ns)
{
    l->epoch_ns = now_ns;
    l->epoch_bytes = 0;
    l->wait_ns = l->whole_ns = 0;
    l->requests = 0;
    l->errors = 0;
    l->saturated = true;
}

/* Every connection has brought a small answer, and they all did little but wait for it: many small files. Then what doubling
 * would find out is known, and the epochs that it takes would be a good part of the whole. */
static bool mostly_waits(const struct learn *l)
{
    return l->requests >= l->target && l->wait_ns >= l->whole_ns / 100 * WAIT_PERCENT &&
           l->epoch_bytes / l->requests < SMALL_MAX;
}

static bool learn_move(struct learn *l, uint32_t target, bool rising, uint64_t hold_ns, uint64_t now_ns)
{
    bool changed = target != l->target;
    l->before = l->target;
    l->target = target;
    l->rising = rising && changed;
    l->settling = l->rising;
    l->epochs_low = 0;
    l->hold_until_ns = now_ns + hold_ns;
    l->collapsed = false;
    return changed;
}

/* One epoch is over and its rate means something. */
static bool learn_judge(struct learn *l, uint64_t rate, uint64_t now_ns)
{
    l->peak_rate = MAX(l->peak_rate, rate);
    if (l->errors >= ERRORS_MANY && l->target > 1)
        return learn_move(l, MAX(1, l->target * 3 / 4), false, HOLD_NS, now_ns);
    if (l->rising) {
        l->rising = false;
        if (rate * 100 < l->base_rate * GAIN_PERCENT) { /* more connections gave nothing: at most those that pay (P7) */
            l->ceiling = l->target;
            bool changed = learn_move(l, l->before, false, HOLD_NS, now_ns);
            l->collapsed = rate < l->base_rate / 2;
            return changed;
        }
        l->ceiling = LEARN_MAX;
    }
    l->epochs_low = rate < l->peak_rate / 2 ? l->epochs_low + 1 : 0;
    if (l->epochs_low >= LOW_EPOCHS && l->target > 1 && now_ns >= l->hold_until_ns) {
        l->peak_rate = rate; /* the line of now; measured against it the next collapse is a new one */
        bool changed = learn_move(l, l->target / 2, false, HOLD_NS, now_ns);
        l->collapsed = true;
        return changed;
    }
    if (now_ns < l->hold_until_ns || l->target >= LEARN_MAX)
        return false;
    if (rate > l->last_rate / 100 * GROWTH_PERCENT && !mostly_waits(l))
        return false;
    l->base_rate = rate;
    uint32_t step = l->ceiling < LEARN_MAX ? 1 : mostly_waits(l) ? LEARN_MAX : l->target; /* later single probes */
    return learn_move(l, MIN(l->target + step, LEARN_MAX), true, 0, now_ns);
}

static bool epoch_over(const struct learn *l, uint64_t passed_ns, uint64_t latency_ns)
{
    uint64_t length_ns = MIN(MAX(latency_ns * EPOCH_LATENCIES, EPOCH_MIN_NS), EPOCH_MAX_NS);
    if (l->settling || l->base_rate == 0)
        length_ns /= OPENING_SHARE;
    bool may_jump = !l->rising && l->ceiling == LEARN_MAX && l->target < LEARN_MAX && mostly_waits(l);
    return passed_ns >= (may_jump ? MAX(latency_ns, NS_PER_MS) : length_ns);
}

bool learn_tick(struct learn *l, uint32_t running, bool held, uint64_t latency_ns, uint64_t now_ns)
{
    if (l->fixed != 0)
        return false;
    if (held || running == 0) { /* nothing to be learned from this stretch */
        epoch_begin(l, now_ns);
        return false;
    }
    if (running < l->target)
        l->saturated = false;
    uint64_t passed_ns = ns_since(now_ns, l->epoch_ns);
    if (!epoch_over(l, passed_ns, latency_ns))
        return false;
    if (passed_ns > 2 * EPOCH_MAX_NS) { /* nobody looked: nothing ran in between, as between two rounds */
        epoch_begin(l, now_ns);
        return false;
    }
    uint64_t rate = (uint64_t)((unsigned __int128)l->epoch_bytes * NS_PER_S / passed_ns);
    /* Too few connections were busy: the rate says nothing of the target, the errors still count. */
    bool settled = !l->settling;
    l->settling = false;
    bool changed = settled && (l->saturated || l->errors >= ERRORS_MANY) && learn_judge(l, rate, now_ns);
    l->last_rate = rate;
    epoch_begin(l, now_ns);
    return changed;
}
