#include "daemon/limits.h"

#include "front/units.h"

#include <stdio.h>

#define SETTLE_S 5      /* as the estimate: before that no figure says anything */
#define CPU_BUSY 850    /* per mille: the rest goes to the kernel's other work */
#define NEAR_PERCENT 90 /* of a limit is at the limit: the last segment waits for its turn */

const char *limited_text(enum limited what)
{
    static const char *const texts[] = {
#define X(id, text) text,
        LIMITED(X)
#undef X
    };
    return (unsigned)what < sizeof texts / sizeof *texts ? texts[what] : "unknown";
}

static bool near(uint64_t rate, uint64_t limit)
{
    return limit > 0 && rate >= limit / 100 * NEAR_PERCENT;
}

/* What the engine itself waits for has a name already. */
static bool judge_wait(struct limits_verdict *v, const struct hfp_status *st)
{
    static const enum limited of[] = {
        [HFP_WAIT_HUB_BUSY] = LIMITED_HUB_QUOTA, [HFP_WAIT_DISK] = LIMITED_DISK,      [HFP_WAIT_HASH] = LIMITED_CPU,
        [HFP_WAIT_LOCK] = LIMITED_DISK,          [HFP_WAIT_PAUSED] = LIMITED_NOTHING, [HFP_WAIT_SILENCE] = LIMITED_CDN,
        [HFP_WAIT_CONNECT] = LIMITED_UNKNOWN,    [HFP_WAIT_RETRY] = LIMITED_UNKNOWN
    };
    if (st->wait == HFP_NOT_WAITING || st->wait == HFP_WAIT_LIMIT)
        return false;
    v->what = (unsigned)st->wait < sizeof of / sizeof *of ? of[st->wait] : LIMITED_UNKNOWN;
    bool proxy = st->error.code == HFP_E_PROXY;
    if (proxy)
        v->what = LIMITED_PROXY;
    snprintf(v->text, sizeof v->text, "%s%.140s", proxy ? "the proxy: " : "",
             st->wait_text[0] ? st->wait_text : hfp_wait_text(st->wait));
    return true;
}

static bool judge_own(struct limits_verdict *v, const struct limits_facts *f)
{
    char rate[UNIT_TEXT];
    const struct hfp_status *st = f->status;
    bool waits = st->wait == HFP_WAIT_LIMIT;
    bool job = near(st->rate_bytes_per_s, f->job_limit_bytes_per_s);
    bool all = near(f->all_rate_bytes_per_s, f->limit_bytes_per_s);
    if (!waits && !job && !all)
        return false;
    v->what = LIMITED_OWN_LIMIT;
    if (job || !f->limit_bytes_per_s)
        snprintf(v->text, sizeof v->text, "this job's limit, %s", rate_text(rate, f->job_limit_bytes_per_s));
    else
        snprintf(v->text, sizeof v->text, "your limit, %s%s%s", rate_text(rate, f->limit_bytes_per_s),
                 f->until ? " until " : "", f->until ? f->until : "");
    return true;
}

static void judge_network(struct limits_verdict *v, const struct limits_facts *f)
{
    char each[UNIT_TEXT];
    const struct hfp_status *st = f->status;
    uint32_t n = st->connections ? st->connections : 1;
    if (n >= f->connections_max && f->connections_max > 1) {
        v->what = LIMITED_CDN;
        snprintf(v->text, sizeof v->text, "%.60s: each of %u connections near %s, and no more are allowed",
                 st->fronts && st->front[0].host[0] ? st->front[0].host : "the CDN", n,
                 rate_text(each, st->rate_bytes_per_s / n));
        return;
    }
    v->what = LIMITED_LINE;
    snprintf(v->text, sizeof v->text, "the line (%u connection%s; more gave nothing)", n,
             n == 1 ? "" : "s, each steady");
}

struct limits_verdict limits_judge(const struct limits_facts *f)
{
    const struct hfp_status *st = f->status;
    struct limits_verdict v = { .what = LIMITED_UNKNOWN, .text = "" };
    if (judge_wait(&v, st) || judge_own(&v, f))
        return v;
    if (st->state != HFP_DOWNLOADING && st->state != HFP_REPAIRING && st->state != HFP_VERIFYING)
        return v;
    if (f->moving_s < SETTLE_S) {
        snprintf(v.text, sizeof v.text, "measuring");
    } else if (f->cpu_permille >= CPU_BUSY) {
        v.what = LIMITED_CPU;
        snprintf(v.text, sizeof v.text, "the processor: %u %% of what we may use of it is at work here",
                 f->cpu_permille < 1000 ? f->cpu_permille / 10 : 100);
    } else if (st->state == HFP_VERIFYING) {
        v.what = LIMITED_DISK;
        snprintf(v.text, sizeof v.text, "reading the disk");
    } else if (st->connections > 0 && 2 * st->connections_held > st->connections) {
        v.what = LIMITED_DISK;
        snprintf(v.text, sizeof v.text, "the disk: %u of %u connections wait until it has taken what came",
                 st->connections_held, st->connections);
    } else if (st->rate_bytes_per_s > 0) {
        judge_network(&v, f);
    }
    return v;
}
