/* What the daemon knows of the cache without looking at the disk: who works on a repository, what the quota must leave
 * alone, in which revisions damage was found, and that no job of its repository begins while one leaves.
 * Seen red with: what leaves not heeded, its type not looked at, its name not looked at, a cancelled job that the engine still has, locked revisions asked again, a repair
 * ignored, one of some files believed, a local folder taken for the cache. */
#include "daemon/cache.h"
#include "daemon/damage.h"
#include "daemon/quota.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER "76543210fedcba9876543210fedcba9876543210"

static struct job *add(struct jobs *q, const char *repo, enum hfp_verb verb)
{
    struct hfp_err err = { 0 };
    struct job_ask ask = { .repo = strdup(repo), .revision = strdup("main"), .verb = verb };
    struct job *j = NULL;
    if (job_make(&j, &ask, 1000, &err) || jobs_add(q, j, &err))
        abort();
    return j;
}

static struct job *ended(struct jobs *q, const char *repo, enum hfp_verb verb, enum hfp_state end, uint64_t ms)
{
    struct job *j = add(q, repo, verb);
    j->end = end;
    j->ended_ms = ms;
    j->status = calloc(1, sizeof *j->status);
    strcpy(j->status->commit, COMMIT);
    j->status->error.code = end == HFP_FAILED ? HFP_E_CONTENT : HFP_OK;
    return j;
}

static void users(void)
{
    struct jobs q = { 0 };
    struct job *j = add(&q, "org/x", HFP_VERIFY);
    CHECK(cache_user(&q, HFP_MODEL, "org/x") == NULL, "a job that has not begun works on nothing");
    j->engine = 1;
    CHECK(cache_user(&q, HFP_MODEL, "org/x") == j, "one that runs does, whatever it does");
    CHECK(cache_user(&q, HFP_DATASET, "org/x") == NULL && cache_user(&q, HFP_MODEL, "org/y") == NULL,
          "on its own repository only");
    j->cancelling = true;
    CHECK(cache_user(&q, HFP_MODEL, "org/x") == j, "until the engine has let go of it");
    j->cancelling = false;
    j->engine = 0;
    j->paused = true;
    CHECK(cache_user(&q, HFP_MODEL, "org/x") == j, "a paused one, also after a restart");
    j->end = HFP_DONE;
    CHECK(cache_user(&q, HFP_MODEL, "org/x") == NULL, "one that has ended does not");
    jobs_done(&q);
}

static void waits(void)
{
    struct jobs q = { 0 };
    struct ready r = { 0 };
    struct job *j = add(&q, "org/x", HFP_PULL);
    ended(&q, "org/done", HFP_PULL, HFP_DONE, 10);
    j->engine = 1;
    CHECK_U64(ready_missing(&r, &q), 1, "a job under way is waited for");
    j->removed = true;
    CHECK_U64(ready_missing(&r, &q), 0, "one that was deleted is not, though the engine has not let go of it");
    jobs_done(&q);
}

static bool kept(const struct jobs *q, const struct ready *r, const char *repo, const char *commit)
{
    struct passed_over p = { 0 };
    passed_over_add(&p, OTHER);
    struct quota *quota = quota_new(1, q, r, &p);
    bool keeps = quota_keeps(quota, HFP_MODEL, repo, commit);
    quota_free(quota);
    passed_over_done(&p);
    return keeps;
}

static void needs(void)
{
    struct jobs q = { 0 };
    struct ready_repo row = { .spec = { .type = HFP_MODEL, .repo = "org/ready" } };
    struct ready r = { .repo = &row, .n = 1 };
    add(&q, "org/queued", HFP_PULL);
    add(&q, "org/paused", HFP_PULL)->paused = true;
    add(&q, "org/running", HFP_VERIFY)->engine = 1;
    ended(&q, "org/early", HFP_PULL, HFP_DONE, 10);
    ended(&q, "org/last", HFP_PULL, HFP_DONE, 20);
    ended(&q, "org/plan", HFP_PLAN, HFP_DONE, 30);
    ended(&q, "org/read", HFP_VERIFY, HFP_DONE, 35);
    ended(&q, "org/failed", HFP_PULL, HFP_FAILED, 40);
    static const struct {
        const char *repo, *commit;
        bool keeps;
        const char *why;
    } rows[] = {
        { "org/queued", COMMIT, true, "what the queue wants stays" },
        { "org/paused", COMMIT, true, "what a paused job wants stays" },
        { "org/running", COMMIT, true, "what is worked on stays" },
        { "org/ready", COMMIT, true, "what --ready names stays" },
        { "org/last", COMMIT, true, "what came last stays" },
        { "org/early", COMMIT, false, "what came before may go" },
        { "org/plan", COMMIT, false, "a dry run is no use" },
        { "org/read", COMMIT, false, "nor is a verification" },
        { "org/failed", COMMIT, false, "what failed may go" },
        { "org/none", COMMIT, false, "what nobody asked for may go" },
        { "org/none", OTHER, true, "what another process holds is passed over" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(kept(&q, &r, rows[i].repo, rows[i].commit) == rows[i].keeps, "%s", rows[i].why);
    jobs_done(&q);
}

static bool damaged(const struct jobs *q)
{
    struct damage d;
    damage_collect(&d, q);
    bool has = damage_has(&d, HFP_MODEL, "org/x", COMMIT);
    bool other = damage_has(&d, HFP_MODEL, "org/x", OTHER) || damage_has(&d, HFP_SPACE, "org/x", COMMIT);
    damage_done(&d);
    return has && !other;
}

static void found(void)
{
    struct jobs q = { 0 };
    CHECK(!damaged(&q), "no job, no damage");
    ended(&q, "org/x", HFP_PULL, HFP_DONE, 10);
    struct job *verify = ended(&q, "org/x", HFP_VERIFY, HFP_FAILED, 20);
    CHECK(damaged(&q), "what verify found stands, also after an earlier pull");
    struct job *again = ended(&q, "org/x", HFP_REPAIR, HFP_FAILED, 30);
    CHECK(damaged(&q), "a repair that failed changes nothing");
    struct job *repair = ended(&q, "org/x", HFP_REPAIR, HFP_DONE, 40);
    CHECK(!damaged(&q), "one that was done has put it right");
    strcpy(repair->status->commit, OTHER);
    CHECK(damaged(&q), "but not if it was of another revision");
    strcpy(repair->status->commit, COMMIT);
    repair->ask.paths = calloc(2, sizeof *repair->ask.paths);
    repair->ask.paths[0] = strdup("a");
    CHECK(damaged(&q), "or of some files only");
    repair->ended_ms = 0;
    again->status->error.code = verify->status->error.code = HFP_E_IO;
    CHECK(!damaged(&q), "a job that failed for another reason has found nothing");
    verify->status->error.code = HFP_E_CONTENT;
    verify->ask.local_dir = strdup("/tmp/x");
    CHECK(!damaged(&q), "what is in a folder elsewhere is not the cache");
    jobs_done(&q);
}

static void holding(void)
{
    struct jobs q = { 0 };
    struct job *j = add(&q, "org/x", HFP_PULL), *plan = add(&q, "org/x", HFP_PLAN), *data = add(&q, "org/x", HFP_PULL);
    struct job *other = add(&q, "org/y", HFP_PULL);
    data->ask.type = HFP_DATASET;
    data->rank = 1;
    other->rank = 2;
    plan->rank = -1;
    q.leaving = "org/x";
    q.leaving_type = HFP_MODEL;
    struct job *const begin[] = { plan, data, other };
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++) {
        CHECK(jobs_next(&q, 4) == begin[i],
              "while a revision leaves, dry runs and jobs of other repositories begin (%zu)", i);
        begin[i]->engine = 1 + i;
        jobs_changed(&q);
    }
    CHECK(jobs_next(&q, 4) == NULL, "and no other one of its repository");
    q.leaving = NULL;
    CHECK(jobs_next(&q, 4) == j, "then it goes on");
    jobs_done(&q);
}

int main(void)
{
    users();
    waits();
    needs();
    found();
    holding();
    return tap_end();
}
