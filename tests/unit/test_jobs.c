/* The queue: order, places, moves.
 * Seen red with: priorities compared the wrong way round, the dry run counted as a place, a move that keeps the priority
 * of where the job came from, ended jobs kept without end, the end of a stall told twice. */
#include "daemon/jobs.h"
#include "tap.h"

#include <stdlib.h>

static struct job *add(struct jobs *q, const char *name, int64_t priority)
{
    struct hfp_err err = { 0 };
    struct job_ask ask = { .repo = strdup(name), .revision = strdup("main"), .priority = priority };
    struct job *j = NULL;
    if (job_make(&j, &ask, 1000, &err))
        return NULL;
    j->rank = jobs_last_rank(q) + 1;
    jobs_add(q, j, &err);
    return j;
}

/* "a b c": the queue as it would run. */
static const char *order(struct jobs *q)
{
    static char text[256];
    *text = '\0';
    jobs_sort(q);
    for (size_t i = 0; i < q->n; i++)
        if (job_state(q->list[i]) == HFP_QUEUED)
            strcat(strcat(text, *text ? " " : ""), q->list[i]->ask.repo);
    return text;
}

static void moves(void)
{
    struct jobs q = { 0 };
    struct job *a = add(&q, "a", 0), *b = add(&q, "b", 0), *c = add(&q, "c", 0), *d = add(&q, "d", 5);
    CHECK_STR(order(&q), "d a b c", "priority first, then who came first");
    CHECK_U64(c->position, 4, "positions count from one");
    jobs_move(&q, c, a);
    CHECK_STR(order(&q), "d c a b", "before another");
    jobs_move(&q, a, NULL);
    CHECK_STR(order(&q), "d c b a", "last");
    jobs_move(&q, b, d);
    CHECK_STR(order(&q), "b d c a", "to where the priority is higher");
    CHECK(b->ask.priority == 5, "whose priority it takes");
    jobs_move(&q, d, NULL);
    CHECK_STR(order(&q), "b c a d", "and to the end of all");
    CHECK(d->ask.priority == 0, "with the priority that is there");
    jobs_move(&q, c, c);
    CHECK_STR(order(&q), "b c a d", "before itself is where it is");
    for (int i = 0; i < 200; i++)
        jobs_move(&q, i % 2 ? a : c, i % 2 ? c : a);
    CHECK(strncmp(order(&q), "b ", 2) == 0, "moved for ever, it is still an order");
    a->paused = true;
    jobs_changed(&q);
    CHECK_STR(order(&q), "b c d", "a paused one is not in the queue");
    CHECK_U64(a->position, 0, "and has no position");
    jobs_done(&q);
}

static void places(void)
{
    struct jobs q = { 0 };
    struct job *a = add(&q, "a", 0), *b = add(&q, "b", 0), *p = add(&q, "p", -5);
    p->ask.verb = HFP_PLAN;
    CHECK(jobs_next(&q, 1) == a, "the first one first");
    a->engine = 1;
    jobs_changed(&q);
    CHECK(jobs_next(&q, 1) == p, "no place for the second, but the dry run takes none");
    p->engine = 2;
    jobs_changed(&q);
    CHECK(jobs_next(&q, 1) == NULL, "and then there is none");
    CHECK(jobs_next(&q, 2) == b, "two places");
    a->paused = a->parked = true;
    jobs_changed(&q);
    CHECK(jobs_next(&q, 1) == b, "a paused job gives its place away");
    b->engine = 3;
    a->paused = false;
    jobs_changed(&q);
    CHECK(jobs_next(&q, 1) == NULL && job_state(a) == HFP_QUEUED, "and waits for one when it goes on");
    CHECK_U64(jobs_running(&q), 2, "parked is not running");
    CHECK(jobs_find_engine(&q, 3) == b && jobs_find(&q, a->id) == a, "found by either number");
    jobs_done(&q);
}

static void history(void)
{
    struct jobs q = { 0 };
    struct job *first = NULL;
    for (unsigned i = 0; i < JOBS_ENDED_MAX + 1; i++) {
        struct job *j = add(&q, "x", 0);
        j->end = HFP_DONE;
        j->ended_ms = 100 + i;
        first = first ? first : j;
    }
    struct job *running = add(&q, "running", 0);
    running->engine = 1;
    CHECK(jobs_oldest(&q) == first, "one too many: the oldest goes");
    CHECK(q.list[0] == running, "what runs stands first");
    CHECK(q.list[1]->ended_ms == 100 + JOBS_ENDED_MAX, "then what ended last");
    jobs_remove(&q, first);
    CHECK(jobs_oldest(&q) == NULL, "until there are few enough");
    jobs_done(&q);
}

static void same(void)
{
    struct jobs q = { 0 };
    struct job *a = add(&q, "a/b", 3);
    char *list[] = { (char *)"*.bin", NULL };
    struct job_ask ask = { .repo = (char *)"a/b", .revision = (char *)"main" };
    CHECK(jobs_find_same(&q, &ask) == a, "the same repository, whatever the priority");
    ask.include = list;
    CHECK(jobs_find_same(&q, &ask) == NULL, "other files of it are another job");
    ask.include = NULL;
    a->end = HFP_DONE;
    CHECK(jobs_find_same(&q, &ask) == NULL, "and so is it again, once it has ended");
    jobs_done(&q);
}

static void tells(void)
{
    static const struct {
        const char *name;
        enum notify_event what;
        bool news;
    } rows[] = {
        { "it begins", NOTIFY_STARTED, true },
        { "it begins again, after a kill", NOTIFY_STARTED, false },
        { "no stall was told of: its end is no news", NOTIFY_RECOVERED, false },
        { "a stall", NOTIFY_STALLED, true },
        { "the same, seen by the next run", NOTIFY_STALLED, false },
        { "its end", NOTIFY_RECOVERED, true },
        { "which comes once", NOTIFY_RECOVERED, false },
        { "another stall", NOTIFY_STALLED, true },
        { "it is done", NOTIFY_DONE, true },
        { "once", NOTIFY_DONE, false },
    };
    struct job j = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(job_tells(&j, rows[i].what) == rows[i].news, "%s", rows[i].name);
}

int main(void)
{
    tells();
    moves();
    places();
    history();
    same();
    return tap_end();
}
