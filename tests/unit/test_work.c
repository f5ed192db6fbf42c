/* test_work.c: blocking work runs away from the loop, and comes back to it.
 *
 * Seen red on purpose: a waiting worker counted for two tasks (the lane then ran them one by one); the loop was not
 * woken; signals reached workers; a busy pool said it was idle; each task of a heap woke the loop. */
#include "base/auto.h"
#include "base/clock.h"
#include "base/work.h"
#include "tap.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static pthread_t loop_thread;
static atomic_uint wakes, running, most_running, ended;

static void wake(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&wakes, 1);
}

struct job {
    struct task task;
    struct work *work;
    enum work_lane lane;
    unsigned sleep_ms, ran, done, number;
    struct job *next_job; /* submitted in done */
    bool on_worker, done_on_loop, signals_blocked;
    unsigned *order, *order_n;
};

static void run(struct task *t)
{
    struct job *j = container_of(t, struct job, task);
    unsigned now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);
    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        continue;
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    j->signals_blocked = sigismember(&set, SIGINT) == 1 && sigismember(&set, SIGTERM) == 1;
    j->on_worker = !pthread_equal(pthread_self(), loop_thread);
    if (j->sleep_ms)
        usleep(j->sleep_ms * 1000);
    j->ran++;
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&ended, 1);
}

static void done(struct task *t)
{
    struct job *j = container_of(t, struct job, task);
    j->done++;
    j->done_on_loop = pthread_equal(pthread_self(), loop_thread);
    if (j->order)
        j->order[(*j->order_n)++] = j->number;
    if (j->next_job)
        work_submit(j->work, j->lane, &j->next_job->task);
}

static void job_init(struct job *j, struct work *w, enum work_lane lane, unsigned sleep_ms)
{
    *j = (struct job){ .task = { run, done, NULL }, .work = w, .lane = lane, .sleep_ms = sleep_ms };
}

static bool wait_idle(struct work *w)
{
    for (int i = 0; i < 5000 && w->busy(w) > 0; i++) {
        w->poll(w);
        usleep(1000);
    }
    return w->busy(w) == 0;
}

static struct work *work_begin(void)
{
    struct work *w = NULL;
    struct hfp_err err = { 0 };
    if (work_threads_new(&w, wake, NULL, &err))
        abort();
    return w;
}

static void test_basics(void)
{
    struct work *w = work_begin();
    CHECK(w->busy(w) == 0 && !w->poll(w), "nothing to do at first");
    for (int lane = 0; lane < LANES; lane++) {
        struct job j;
        unsigned before = atomic_load(&wakes);
        job_init(&j, w, (enum work_lane)lane, 0);
        work_submit(w, j.lane, &j.task);
        CHECK(w->busy(w) == 1, "lane %d is busy until done", lane);
        CHECK(wait_idle(w) && j.ran == 1 && j.done == 1, "lane %d: run and done once", lane);
        CHECK(j.on_worker && j.done_on_loop && j.signals_blocked, "each on its thread, signals blocked");
        CHECK(atomic_load(&wakes) == before + 1, "the loop is woken");
    }
    struct job chain[20];
    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        job_init(&chain[i], w, LANE_HASH, 0);
        chain[i].next_job = i + 1 < ARRAY_LEN(chain) ? &chain[i + 1] : NULL;
    }
    work_submit(w, LANE_HASH, &chain[0].task);
    CHECK(wait_idle(w) && chain[ARRAY_LEN(chain) - 1].done == 1, "done may submit");
    w->free(w);
}

static void test_many(void)
{
    enum { N = 400 };
    static struct job jobs[N];
    struct work *w = work_begin();
    unsigned good = 0;
    for (int i = 0; i < N; i++) {
        job_init(&jobs[i], w, (enum work_lane)(i % LANES), 0);
        work_submit(w, jobs[i].lane, &jobs[i].task);
    }
    CHECK(wait_idle(w), "many tasks end");
    for (int i = 0; i < N; i++)
        good += jobs[i].ran == 1 && jobs[i].done == 1;
    CHECK_U64(good, N, "each once");
    w->free(w);
}

static void test_order(void)
{
    enum { N = 50 };
    static struct job jobs[N];
    static unsigned order[N];
    unsigned n = 0, wrong = 0;
    struct work *w = work_begin();
    for (unsigned i = 0; i < N; i++) {
        job_init(&jobs[i], w, LANE_SYNC, 0);
        jobs[i].number = i;
        jobs[i].order = order;
        jobs[i].order_n = &n;
        work_submit(w, LANE_SYNC, &jobs[i].task);
    }
    CHECK(wait_idle(w) && n == N, "the lane of one worker ends");
    for (unsigned i = 0; i < N; i++)
        wrong += order[i] != i;
    CHECK_U64(wrong, 0, "in order");
    w->free(w);
}

/* A worker that waits is not yet gone when a second task comes: both tasks must run at once nevertheless. */
static void test_lane_uses_all_its_workers(void)
{
    struct work *w = work_begin();
    struct job first, a, b;
    unsigned late = 0;
    job_init(&first, w, LANE_NAMES, 0);
    work_submit(w, LANE_NAMES, &first.task);
    wait_idle(w);
    usleep(20000); /* now it waits */
    atomic_store(&most_running, 0);
    job_init(&a, w, LANE_NAMES, 300);
    job_init(&b, w, LANE_NAMES, 300);
    uint64_t began_ns = clock_read().mono_ns;
    work_submit(w, LANE_NAMES, &a.task);
    work_submit(w, LANE_NAMES, &b.task);
    CHECK(wait_idle(w), "two slow tasks end");
    late = clock_read().mono_ns - began_ns > 500 * NS_PER_MS;
    CHECK(atomic_load(&most_running) == 2 && !late, "side by side");
    w->free(w);
}

static void test_lanes_do_not_wait_for_each_other(void)
{
    struct work *w = work_begin();
    struct job slow[3], quick;
    for (int i = 0; i < 3; i++) {
        job_init(&slow[i], w, LANE_NAMES, 300);
        work_submit(w, LANE_NAMES, &slow[i].task);
    }
    job_init(&quick, w, LANE_FILES, 0);
    uint64_t began_ns = clock_read().mono_ns;
    work_submit(w, LANE_FILES, &quick.task);
    while (!quick.done && clock_read().mono_ns - began_ns < 5 * NS_PER_S) {
        w->poll(w);
        usleep(1000);
    }
    CHECK(clock_read().mono_ns - began_ns < 250 * NS_PER_MS, "a hanging lookup delays no file");
    CHECK(wait_idle(w) && slow[2].done == 1, "and ends later");
    w->free(w);
    w = work_begin();
    w->free(w);
    CHECK(true, "freeing what never worked");
}

/* The loop looks after each wake-up, so what finishes before it looks needs no second one. */
static void test_one_wake_up_for_all(void)
{
    struct hfp_err err;
    struct work *w = NULL;
    struct job jobs[20];
    CHECK(work_threads_new(&w, wake, NULL, &err) == HFP_OK, "threads");
    atomic_store(&wakes, 0);
    atomic_store(&ended, 0);
    for (unsigned i = 0; i < ARRAY_LEN(jobs); i++) {
        job_init(&jobs[i], w, LANE_SYNC, 0);
        work_submit(w, LANE_SYNC, &jobs[i].task);
    }
    for (unsigned i = 0; i < 500 && atomic_load(&ended) < ARRAY_LEN(jobs); i++)
        usleep(10000);
    usleep(10000);
    unsigned before = atomic_load(&wakes);
    w->poll(w);
    CHECK(before == 1 && jobs[0].done == 1 && jobs[19].done == 1, "20 tasks, %u wake-up", before);
    job_init(&jobs[0], w, LANE_SYNC, 0);
    work_submit(w, LANE_SYNC, &jobs[0].task);
    for (unsigned i = 0; i < 500 && atomic_load(&wakes) == before; i++)
        usleep(10000);
    w->poll(w);
    CHECK(atomic_load(&wakes) == 2 && jobs[0].done == 1, "the next one after the look wakes again");
    w->free(w);
}

int main(void)
{
    loop_thread = pthread_self();
    test_basics();
    test_many();
    test_order();
    test_lane_uses_all_its_workers();
    test_lanes_do_not_wait_for_each_other();
    test_one_wake_up_for_all();
    return tap_end();
}
