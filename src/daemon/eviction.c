#include "daemon/eviction.h"

#include "daemon/quota.h"
#include "front/units.h"

#include <stdatomic.h>
#include <stdlib.h>

struct eviction {
    struct eviction_rooms rooms;
    atomic_bool ending;
    bool wanted, busy;      /* it is to be looked; a look or a removal is under way */
    unsigned looks;         /* in this round */
    struct quota_next next; /* what the last look found; the worker's while it looks */
    struct passed_over passed_over;
};

struct look {
    struct worker_task task;
    struct eviction *eviction;
    struct quota *quota;
    uint64_t quota_bytes, freed_bytes; /* the setting, and what had left, when it began */
    struct hfp_err err;
};

static const struct cache_rooms *house(const struct eviction *e)
{
    return e->rooms.rooms;
}

/* Whether it is wanted stays: what happened meanwhile may have asked for another round. */
static void round_ends(struct eviction *e)
{
    e->busy = false;
    e->looks = 0;
    passed_over_done(&e->passed_over);
}

static void round_fails(struct eviction *e, const struct hfp_err *err)
{
    round_ends(e);
    if (!atomic_load(&e->ending))
        log_line(house(e)->log, HFP_LOG_WARN, NULL, "quota: %s", err->message);
}

static void evicted(void *ctx, uint64_t freed_bytes, const struct job *user, const struct hfp_err *err)
{
    struct eviction *e = ctx;
    (void)user; /* the next look leaves alone what it needs */
    bool locked = err && err->code == HFP_E_LOCKED && passed_over_add(&e->passed_over, e->next.commit);
    (void)freed_bytes; /* told by the cache */
    if (err && !locked) {
        round_fails(e, err);
        return;
    }
    if (locked)
        log_line(house(e)->log, HFP_LOG_INFO, NULL, "quota: %s stays: %s", e->next.repo, err->message);
    e->busy = false;
    e->wanted = true; /* until nothing is found */
}

static void look_run(struct worker_task *t)
{
    struct look *l = (struct look *)t;
    struct eviction *e = l->eviction;
    if (!atomic_load(&e->ending))
        quota_look(&e->next, l->quota, house(e)->root, &l->err);
}

static struct quota *needs(const struct eviction *e)
{
    const struct cache_rooms *r = house(e);
    return quota_new(r->settings->quota_bytes, r->jobs, r->ready, &e->passed_over);
}

/* Is what was found still to go? */
static bool stands(const struct eviction *e, const struct look *l)
{
    const struct quota_next *next = &e->next;
    struct quota *now = needs(e);
    bool same = l->quota_bytes == house(e)->settings->quota_bytes &&
                l->freed_bytes == cache_counts(e->rooms.cache)->freed_bytes;
    bool goes =
        now && same && !cache_leaving(e->rooms.cache) && !quota_keeps(now, next->type, next->repo, next->commit);
    quota_free(now);
    return goes;
}

static void take(struct eviction *e, const struct look *l)
{
    const struct quota_next *next = &e->next;
    char over[UNIT_TEXT];
    if (l->err.code) {
        round_fails(e, &l->err);
    } else if (!next->found || atomic_load(&e->ending)) {
        round_ends(e);
        if (next->over_bytes)
            log_line(house(e)->log, HFP_LOG_INFO, NULL,
                     "quota: %s beyond it; what is left is needed, or was fetched last",
                     size_text(over, next->over_bytes));
    } else if (stands(e, l)) {
        cache_remove(e->rooms.cache, "quota", next->type, next->repo, next->commit, evicted, e);
    } else {
        e->busy = false;
        e->wanted = true;
    }
}

static void look_done(struct worker_task *t)
{
    struct look *l = (struct look *)t;
    take(l->eviction, l);
    quota_free(l->quota);
    free(l);
}

static void look(struct eviction *e)
{
    struct look *l = e->looks++ < EVICTIONS_MAX ? calloc(1, sizeof *l) : NULL;
    e->wanted = false;
    if (!l || !(l->quota = needs(e))) {
        free(l);
        round_ends(e); /* the next job that ends looks again */
        return;
    }
    l->task = (struct worker_task){ .run = look_run, .done = look_done };
    l->eviction = e;
    l->quota_bytes = house(e)->settings->quota_bytes;
    l->freed_bytes = cache_counts(e->rooms.cache)->freed_bytes;
    e->next = (struct quota_next){ 0 };
    e->busy = true;
    worker_submit(e->rooms.worker, &l->task);
}

int eviction_new(struct eviction **out, const struct eviction_rooms *rooms, struct hfp_err *err)
{
    struct eviction *e = calloc(1, sizeof *e);
    if (!e)
        return fault_nomem(err);
    e->rooms = *rooms;
    e->wanted = true;
    atomic_init(&e->ending, false);
    *out = e;
    return HFP_OK;
}

void eviction_end(struct eviction *e)
{
    atomic_store(&e->ending, true);
}

void eviction_free(struct eviction *e)
{
    if (e)
        passed_over_done(&e->passed_over);
    free(e);
}

void eviction_want(struct eviction *e)
{
    e->wanted = true;
    e->looks = 0;
}

void eviction_turn(struct eviction *e)
{
    if (e->busy)
        return;
    if (house(e)->settings->quota_bytes && e->wanted) {
        look(e);
    } else if (!house(e)->settings->quota_bytes) {
        e->wanted = false;
        round_ends(e);
    }
}
