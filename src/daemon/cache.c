#include "daemon/cache.h"

#include "daemon/cache_json.h"
#include "daemon/quota.h"
#include "daemon/worker.h"
#include "front/status_json.h"
#include "front/units.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TELL_NS 250000000ULL    /* readers of events: four times a second (feed.h) */
#define EVICTIONS_MAX 10000     /* in one round: as many as one repository may have revisions */
#define SHORT_COMMIT 7          /* as git shows it */
#define LISTING_MAX (64U << 20) /* of an answer: some 100,000 revisions; more is no cache */

/* Who waits for a listing. */
struct asker {
    struct asker *next;
    cache_listed_fn *fn;
    void *ctx;
};

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
    bool evict, evicting;                /* it is to be looked whether the quota holds; that is under way */
    struct quota_next next;              /* what the last look found; the worker's while it looks */
    unsigned evictions;                  /* in this round */
    struct passed_over passed_over;
    bool untold, again; /* an event waits for feed_flush(); the rooms before this one have something to do */
};

static uint64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

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
    uint64_t begun_ns = mono_ns();
    if (ending(s->cache, &s->err) || hfp_cache_list(&found, s->cache->rooms.root, &s->err))
        return;
    cache_json(&o, &(struct cache_view){ found, s->cache->rooms.root, s->quota_bytes, &s->damage });
    hfp_cache_free(found);
    if (o.n > LISTING_MAX)
        fault(&s->err, HFP_E_INTERNAL, "the cache has too many revisions to be listed.");
    else if (!(s->text = out_take(&o, &s->n)))
        fault_nomem(&s->err);
    out_done(&o);
    s->took_ns = mono_ns() - begun_ns;
}

static void answer(struct asker *askers, const char *text, size_t n, const struct hfp_err *err)
{
    while (askers) {
        struct asker *a = askers;
        askers = a->next;
        a->fn(a->ctx, text, n, err);
        free(a);
    }
}

static void forget(struct cache *c)
{
    free(c->text);
    c->text = NULL;
    if (c->scan)
        c->scan->stale = true;
}

static void scan_begin(struct cache *c);

static void scan_done(struct worker_task *t)
{
    struct scan *s = (struct scan *)t;
    struct cache *c = s->cache;
    c->scan = NULL;
    answer(s->askers, s->text, s->n, s->text ? NULL : &s->err);
    if (s->text && !s->stale) {
        free(c->text);
        c->text = s->text;
        c->n = s->n;
        c->text_until_ns = mono_ns() + (s->took_ns > LISTING_NS ? s->took_ns : LISTING_NS);
    } else {
        free(s->text);
    }
    damage_done(&s->damage);
    free(s);
    if (c->askers)
        scan_begin(c);
}

static void scan_begin(struct cache *c)
{
    struct scan *s = calloc(1, sizeof *s);
    struct damage damage;
    if (!s || !damage_collect(&damage, c->rooms.jobs)) {
        struct hfp_err err = { 0 };
        struct asker *askers = c->askers;
        c->askers = NULL;
        free(s);
        fault_nomem(&err);
        answer(askers, NULL, 0, &err);
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

void cache_list(struct cache *c, cache_listed_fn *fn, void *ctx)
{
    struct hfp_err err = { 0 };
    if (c->text && c->now_ns < c->text_until_ns) {
        fn(ctx, c->text, c->n, NULL);
        return;
    }
    struct asker *a = calloc(1, sizeof *a);
    if (!a) {
        fault_nomem(&err);
        fn(ctx, NULL, 0, &err);
        return;
    }
    struct asker **list = c->scan && !c->scan->stale ? &c->scan->askers : &c->askers;
    *a = (struct asker){ *list, fn, ctx };
    *list = a;
    if (!c->scan)
        scan_begin(c);
}

/* ---- what leaves ---- */

static void hold(struct cache *c)
{
    c->rooms.jobs->held++;
}

static void release(struct cache *c)
{
    c->rooms.jobs->held--;
    c->again = true;
}

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
    struct cache *cache;
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

static void removal_run(struct worker_task *t)
{
    struct removal *r = (struct removal *)t;
    if (ending(r->cache, &r->err) == HFP_OK)
        hfp_cache_delete_revision(&r->freed_bytes, r->cache->rooms.root, r->type, r->repo, r->commit, &r->err);
}

static void removal_done(struct worker_task *t)
{
    struct removal *r = (struct removal *)t;
    release(r->cache);
    if (r->err.code == HFP_OK)
        tell_gone(r->cache, r->why, r->type, r->repo, r->commit, r->freed_bytes);
    forget(r->cache); /* also what broke in the middle has changed something */
    r->fn(r->ctx, r->freed_bytes, r->err.code == HFP_OK ? NULL : &r->err);
    removal_free(r);
}

static void removal_begin(struct cache *c, const char *why, enum hfp_repo_type type, const char *repo,
                          const char *commit, cache_deleted_fn *fn, void *ctx)
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
        fn(ctx, 0, &err);
        return;
    }
    hold(c);
    worker_submit(c->worker, &r->task);
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
    removal_begin(c, "asked", type, repo, commit, fn, ctx);
}

/* ---- the quota ----
 *
 * A look at the cache, which takes its time and holds up nobody; then, if still nobody wants what was found, its removal.
 * So on, until a look finds nothing. */

struct look {
    struct worker_task task;
    struct cache *cache;
    struct quota *quota;
    uint64_t quota_bytes, freed_bytes; /* the setting, and what had left, when it began */
    struct hfp_err err;
};

static void look_run(struct worker_task *t)
{
    struct look *l = (struct look *)t;
    if (ending(l->cache, &l->err) == HFP_OK)
        quota_look(&l->cache->next, l->quota, l->cache->rooms.root, &l->err);
}

/* What happened meanwhile may have asked for another one already. */
static void round_ends(struct cache *c)
{
    c->evicting = false;
    c->evictions = 0;
    passed_over_done(&c->passed_over);
}

static void evicted(void *ctx, uint64_t freed_bytes, const struct hfp_err *err)
{
    struct cache *c = ctx;
    bool locked = err && err->code == HFP_E_LOCKED && passed_over_add(&c->passed_over, c->next.commit);
    (void)freed_bytes;
    c->evicting = false;
    c->evict = true; /* until nothing is found */
    if (locked) {
        log_line(c->rooms.log, HFP_LOG_INFO, NULL, "quota: %s stays: %s", c->next.repo, err->message);
    } else if (err) {
        c->evict = false;
        round_ends(c);
        if (!atomic_load(&c->ending))
            log_line(c->rooms.log, HFP_LOG_WARN, NULL, "quota: %s", err->message);
    }
}

static struct quota *needs(const struct cache *c)
{
    const struct cache_rooms *r = &c->rooms;
    return quota_new(r->settings->quota_bytes, r->jobs, r->ready, &c->passed_over);
}

static void look_done(struct worker_task *t)
{
    struct look *l = (struct look *)t;
    struct cache *c = l->cache;
    const struct quota_next *next = &c->next;
    struct quota *now = next->found ? needs(c) : NULL;
    char over[UNIT_TEXT];
    c->again = true;
    if (now && !l->err.code && !atomic_load(&c->ending) && c->rooms.settings->quota_bytes == l->quota_bytes &&
        c->counts.freed_bytes == l->freed_bytes && !quota_keeps(now, next->type, next->repo, next->commit)) {
        removal_begin(c, "quota", next->type, next->repo, next->commit, evicted, c);
    } else if (now && !l->err.code) { /* something has changed since */
        c->evicting = false;
        c->evict = true;
    } else {
        round_ends(c);
        if (l->err.code && !atomic_load(&c->ending))
            log_line(c->rooms.log, HFP_LOG_WARN, NULL, "quota: %s", l->err.message);
        else if (next->over_bytes)
            log_line(c->rooms.log, HFP_LOG_INFO, NULL,
                     "quota: %s beyond it; what is left is needed, or was fetched last",
                     size_text(over, next->over_bytes));
    }
    quota_free(now);
    quota_free(l->quota);
    free(l);
}

static void evict(struct cache *c)
{
    c->evict = false;
    struct look *l = c->evictions++ < EVICTIONS_MAX ? calloc(1, sizeof *l) : NULL;
    if (!l || !(l->quota = needs(c))) {
        free(l);
        round_ends(c); /* the next job that ends looks again */
        return;
    }
    l->task = (struct worker_task){ .run = look_run, .done = look_done };
    l->cache = c;
    l->quota_bytes = c->rooms.settings->quota_bytes;
    l->freed_bytes = c->counts.freed_bytes;
    c->next = (struct quota_next){ 0 };
    c->evicting = true;
    worker_submit(c->worker, &l->task);
}

/* ---- the room ---- */

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
    atomic_init(&c->ending, false);
    c->evict = true; /* the last run may have ended before it looked */
    c->quota_bytes = rooms->settings->quota_bytes;
    int rc = worker_new(&c->worker, rooms->wake_fd, err);
    if (rc)
        free(c);
    else
        *out = c;
    return rc;
}

void cache_free(struct cache *c)
{
    struct hfp_err err = { 0 };
    if (!c)
        return;
    atomic_store(&c->ending, true);
    ending(c, &err);
    struct asker *askers = c->askers;
    c->askers = NULL;
    answer(askers, NULL, 0, &err);
    worker_free(c->worker);
    passed_over_done(&c->passed_over);
    free(c->text);
    free(c);
}

const struct cache_counts *cache_counts(const struct cache *c)
{
    return &c->counts;
}

static void look_around(struct cache *c)
{
    if (jobs_ended(c) != c->ended || c->rooms.settings->quota_bytes != c->quota_bytes) {
        c->ended = jobs_ended(c);
        c->quota_bytes = c->rooms.settings->quota_bytes;
        c->evict = true;
        c->evictions = 0;
        forget(c);
    }
    if (c->rooms.jobs->n < c->jobs_n)
        c->evict = true; /* what somebody wanted is wanted no more */
    c->jobs_n = c->rooms.jobs->n;
    if (!c->quota_bytes) {
        c->evict = false;
        passed_over_done(&c->passed_over);
    }
    if (c->evict && !c->evicting && !c->again) /* between two steps jobs may begin */
        evict(c);
}

uint64_t cache_turn(struct cache *c, uint64_t now_ns)
{
    c->now_ns = now_ns;
    c->again = false;
    worker_turn(c->worker);
    look_around(c);
    if (c->untold && now_ns >= c->told_ns + TELL_NS) {
        c->untold = false;
        c->told_ns = now_ns;
        feed_flush(c->rooms.feed);
    }
    return c->again ? now_ns : c->untold ? c->told_ns + TELL_NS : UINT64_MAX;
}
