#include "daemon/cache.h"

#include "daemon/cache_json.h"
#include "daemon/eviction.h"
#include "daemon/worker.h"
#include "front/clock.h"
#include "front/status_json.h"
#include "front/units.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TELL_NS 250000000ULL    /* readers of events: four times a second (feed.h) */
#define SHORT_COMMIT 7          /* as git shows it */
#define LISTING_MAX (64U << 20) /* of an answer: some 100,000 revisions; more is no cache */

struct scan {
    struct worker_task task;
    struct cache *cache;
    struct asker *askers;
    struct damage damage;
    uint64_t quota_bytes, took_ns;
    bool stale; /* something has changed since it was asked for */
    char *text;
    size_t n;
    struct hfp_err err;
};

struct cache {
    struct cache_rooms rooms;
    struct cache_counts counts;
    struct worker *worker;
    atomic_bool ending; /* the worker leaves alone what it has not begun */
    uint64_t now_ns, told_ns;
    struct scan *scan;    /* under way, or NULL */
    struct asker *askers; /* of the next one */
    char *text;           /* the last listing; NULL: none that stands */
    size_t n;
    uint64_t text_until_ns;
    uint64_t ended, jobs_n, quota_bytes; /* jobs that have, all on the list, and the setting, when last looked at */
    struct removal *leaving, **last;     /* who waits for a turn, the first one first */
    bool removing;                       /* one has its turn */
    struct eviction *eviction;
    bool untold, again; /* an event waits for feed_flush(); the rooms before this one have something to do */
};

static void give_turn(struct cache *c);

static int ending(const struct cache *c, struct hfp_err *err)
{
    return atomic_load(&c->ending) ? fault(err, HFP_E_CANCELLED, "the daemon is ending.") : HFP_OK;
}

/* ---- listing ---- */

static void scan_run(struct worker_task *t)
{
    struct scan *s = (struct scan *)t;
    struct hfp_cache *found = NULL;
    struct out o = { 0 };
    uint64_t begun_ns = clock_mono_ns();
    if (ending(s->cache, &s->err) || hfp_cache_list(&found, s->cache->rooms.root, &s->err))
        return;
    cache_json(&o, &(struct cache_view){ found, s->cache->rooms.root, s->quota_bytes, &s->damage });
    hfp_cache_free(found);
    if (o.n > LISTING_MAX)
        fault(&s->err, HFP_E_INTERNAL, "the cache has too many revisions to be listed.");
    else if (!(s->text = out_take(&o, &s->n)))
        fault_nomem(&s->err);
    out_done(&o);
    s->took_ns = clock_mono_ns() - begun_ns;
}

static void forget(struct cache *c)
{
    free(c->text);
    c->text = NULL;
    if (c->scan)
        c->scan->stale = true;
}

static void scan_done(struct worker_task *t)
{
    struct scan *s = (struct scan *)t;
    struct cache *c = s->cache;
    c->scan = NULL;
    askers_tell(&s->askers, s->text, s->n, s->text ? NULL : &s->err);
    if (s->text && !s->stale) {
        free(c->text);
        c->text = s->text;
        c->n = s->n;
        c->text_until_ns = clock_mono_ns() + (s->took_ns > LISTING_NS ? s->took_ns : LISTING_NS);
    } else {
        free(s->text);
    }
    damage_done(&s->damage);
    free(s);
}

static void scan_begin(struct cache *c)
{
    struct scan *s = calloc(1, sizeof *s);
    struct damage damage;
    if (!s || !damage_collect(&damage, c->rooms.jobs)) {
        struct hfp_err err = { 0 };
        free(s);
        fault_nomem(&err);
        askers_tell(&c->askers, NULL, 0, &err);
        return;
    }
    *s = (struct scan){ .task = { .run = scan_run, .done = scan_done }, .cache = c, .askers = c->askers };
    s->damage = damage;
    s->quota_bytes = c->rooms.settings->quota_bytes;
    c->askers = NULL;
    c->counts.scans++;
    c->scan = s;
    worker_submit(c->worker, &s->task);
}

void cache_list(struct cache *c, asker_fn *fn, void *ctx)
{
    if (c->text && c->now_ns < c->text_until_ns) {
        fn(ctx, c->text, c->n, NULL);
        return;
    }
    if (askers_add(c->scan && !c->scan->stale ? &c->scan->askers : &c->askers, fn, ctx, clock_mono_ns()))
        give_turn(c);
}

/* ---- what leaves ---- */

static void tell_gone(struct cache *c, const char *why, enum hfp_repo_type type, const char *repo, const char *commit,
                      uint64_t freed_bytes)
{
    struct out o = { 0 };
    char freed[UNIT_TEXT];
    out_object(&o, NULL);
    out_text(&o, "why", why);
    out_text(&o, "type", repo_type_text(type));
    out_text(&o, "repo", repo);
    out_text(&o, "commit", commit);
    out_u64(&o, "freed_bytes", freed_bytes);
    out_object_end(&o);
    feed_push(c->rooms.feed, "cache", &o);
    c->untold = true;
    c->counts.freed_bytes += freed_bytes;
    log_line(c->rooms.log, HFP_LOG_INFO, NULL, "%s %.*s is deleted (%s): %s freed", repo, SHORT_COMMIT, commit, why,
             size_text(freed, freed_bytes));
    forget(c);
}

struct removal {
    struct worker_task task;
    struct removal *next;
    struct cache *cache;
    uint64_t until_ns; /* its turn comes, or it is given up */
    const char *why;
    enum hfp_repo_type type;
    char *repo, *commit;
    uint64_t freed_bytes;
    struct hfp_err err;
    cache_deleted_fn *fn;
    void *ctx;
};

static void removal_free(struct removal *r)
{
    free(r->repo);
    free(r->commit);
    free(r);
}

static struct removal *removal_take(struct cache *c)
{
    struct removal *r = c->leaving;
    if (!(c->leaving = r->next))
        c->last = &c->leaving;
    return r;
}

static void removal_stays(struct removal *r, const struct job *user, const struct hfp_err *err)
{
    r->fn(r->ctx, 0, user, err);
    removal_free(r);
}

static void removal_run(struct worker_task *t)
{
    struct removal *r = (struct removal *)t;
    if (ending(r->cache, &r->err) == HFP_OK)
        hfp_cache_delete_revision(&r->freed_bytes, r->cache->rooms.root, r->type, r->repo, r->commit, &r->err);
}

static void removal_done(struct worker_task *t)
{
    struct removal *r = (struct removal *)t;
    struct cache *c = r->cache;
    c->rooms.jobs->leaving = NULL;
    c->removing = false;
    c->again = true;
    if (r->err.code == HFP_OK)
        tell_gone(c, r->why, r->type, r->repo, r->commit, r->freed_bytes);
    forget(c); /* also what broke in the middle has changed something */
    r->fn(r->ctx, r->freed_bytes, NULL, r->err.code == HFP_OK ? NULL : &r->err);
    removal_free(r);
}

static void removal_begin(struct cache *c)
{
    struct removal *r = removal_take(c);
    const struct job *user = cache_user(c->rooms.jobs, r->type, r->repo);
    if (user) {
        removal_stays(r, user, NULL);
        return;
    }
    c->rooms.jobs->leaving = r->repo;
    c->rooms.jobs->leaving_type = r->type;
    c->removing = true;
    worker_submit(c->worker, &r->task);
}

static void give_up_late(struct cache *c)
{
    struct hfp_err err = { 0 };
    while (c->leaving && c->now_ns >= c->leaving->until_ns) {
        fault(&err, HFP_E_IO,
              "nothing was deleted: what the cache does since before was not over after %d s. Does its disk hang?",
              TURN_MAX_S);
        removal_stays(removal_take(c), NULL, &err);
    }
}

void cache_remove(struct cache *c, const char *why, enum hfp_repo_type type, const char *repo, const char *commit,
                  cache_deleted_fn *fn, void *ctx)
{
    struct hfp_err err = { 0 };
    struct removal *r = calloc(1, sizeof *r);
    if (r) {
        *r = (struct removal){
            .task = { .run = removal_run, .done = removal_done }, .cache = c, .why = why, .type = type
        };
        r->fn = fn;
        r->ctx = ctx;
    }
    if (!r || !(r->repo = strdup(repo)) || !(r->commit = strdup(commit))) {
        if (r)
            removal_free(r);
        fault_nomem(&err);
        fn(ctx, 0, NULL, &err);
        return;
    }
    r->until_ns = clock_mono_ns() + TURN_MAX_S * 1000000000ULL;
    *c->last = r;
    c->last = &r->next;
    give_turn(c);
}

bool cache_leaving(const struct cache *c)
{
    return c->removing || c->leaving;
}

const struct job *cache_user(const struct jobs *jobs, enum hfp_repo_type type, const char *repo)
{
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        if (!job_ended(j) && (j->engine || j->paused) && j->ask.type == type && strcmp(j->ask.repo, repo) == 0)
            return j;
    }
    return NULL;
}

void cache_delete(struct cache *c, enum hfp_repo_type type, const char *repo, const char *commit, cache_deleted_fn *fn,
                  void *ctx)
{
    cache_remove(c, "asked", type, repo, commit, fn, ctx);
}

/* ---- the room ---- */

/* To whoever waits when the worker has nothing to do: what leaves, then who asks, then the quota. What waits here and not
 * in the worker can still be given up. */
static void give_turn(struct cache *c)
{
    while (c->leaving && worker_waiting(c->worker) == 0)
        removal_begin(c);
    if (c->askers && worker_waiting(c->worker) == 0)
        scan_begin(c);
    if (worker_waiting(c->worker) == 0)
        eviction_turn(c->eviction);
}

static uint64_t jobs_ended(const struct cache *c)
{
    return c->rooms.counts->done + c->rooms.counts->failed + c->rooms.counts->cancelled;
}

int cache_new(struct cache **out, const struct cache_rooms *rooms, struct hfp_err *err)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return fault_nomem(err);
    c->rooms = *rooms;
    c->last = &c->leaving;
    atomic_init(&c->ending, false);
    c->quota_bytes = rooms->settings->quota_bytes;
    int rc = worker_new(&c->worker, rooms->wake_fd, err);
    const struct eviction_rooms eviction = { .cache = c, .rooms = &c->rooms, .worker = c->worker };
    if (rc == HFP_OK)
        rc = eviction_new(&c->eviction, &eviction, err);
    if (rc) {
        worker_free(c->worker);
        free(c);
    } else {
        *out = c;
    }
    return rc;
}

void cache_free(struct cache *c)
{
    struct hfp_err err = { 0 };
    if (!c)
        return;
    atomic_store(&c->ending, true);
    eviction_end(c->eviction);
    ending(c, &err);
    askers_tell(&c->askers, NULL, 0, &err);
    while (c->leaving)
        removal_stays(removal_take(c), NULL, &err);
    worker_free(c->worker);
    eviction_free(c->eviction);
    free(c->text);
    free(c);
}

const struct cache_counts *cache_counts(const struct cache *c)
{
    return &c->counts;
}

static void look_around(struct cache *c)
{
    bool ended = jobs_ended(c) != c->ended, quota = c->rooms.settings->quota_bytes != c->quota_bytes;
    if (ended || quota)
        forget(c);
    if (ended || quota || c->rooms.jobs->n < c->jobs_n) /* fewer: what somebody wanted is wanted no more */
        eviction_want(c->eviction);
    c->ended = jobs_ended(c);
    c->quota_bytes = c->rooms.settings->quota_bytes;
    c->jobs_n = c->rooms.jobs->n;
}

uint64_t cache_turn(struct cache *c, uint64_t now_ns)
{
    c->now_ns = now_ns;
    c->again = false;
    worker_turn(c->worker);
    look_around(c);
    give_turn(c);
    give_up_late(c);
    if (c->untold && now_ns >= c->told_ns + TELL_NS) {
        c->untold = false;
        c->told_ns = now_ns;
        feed_flush(c->rooms.feed);
    }
    uint64_t next_ns = askers_late(&c->askers, now_ns);
    if (c->scan)
        next_ns = clock_sooner(next_ns, askers_late(&c->scan->askers, now_ns));
    if (c->leaving)
        next_ns = clock_sooner(next_ns, c->leaving->until_ns);
    if (c->untold)
        next_ns = clock_sooner(next_ns, c->told_ns + TELL_NS);
    return c->again ? now_ns : next_ns;
}
