/* test_events.c: one stream of events, in order, bounded, and never without its end (P9).
 *
 * Seen red on purpose: strings that are not copied; a second PROGRESS that does not replace the first; DONE dropped from
 * a full queue, or for want of memory; a gap in seq; a descriptor that stays readable. */
#include "engine/events.h"

#include "tap.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

static bool out_of_memory;

/* Allocations of the library come by here. */
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    return out_of_memory ? NULL : __real_malloc(n);
}

static void push(struct events *e, enum hfp_event_type type, uint64_t job, const char *path)
{
    struct hfp_event ev = {
        .type = type, .repo = "ns/name", .revision = "main", .path = path, .status = { .job = job }
    };
    events_push(e, &ev);
}

static bool readable(const struct events *e)
{
    struct pollfd p = { .fd = events_fd(e), .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

static void *pusher(void *ctx)
{
    for (unsigned i = 0; i < 20000; i++)
        push(ctx, i % 3 ? HFP_EV_PROGRESS : HFP_EV_STATE, 1, "x");
    push(ctx, HFP_EV_DONE, 1, NULL);
    return NULL;
}

int main(void)
{
    struct events *e = NULL;
    const struct hfp_event *ev;
    char path[] = "a/b";
    events_new(&e, NULL);
    CHECK(!readable(e) && !events_next(e), "at first there is none");
    push(e, HFP_EV_FILE, 1, path);
    path[0] = 'z';
    CHECK(readable(e), "a waiting event makes the descriptor readable");
    ev = events_next(e);
    CHECK(ev && ev->seq == 1 && strcmp(ev->path, "a/b") == 0 && strcmp(ev->repo, "ns/name") == 0 && !ev->text,
          "strings are copies");
    CHECK(!events_next(e) && !readable(e), "and then it is not readable any more");
    push(e, HFP_EV_PROGRESS, 1, "old");
    push(e, HFP_EV_PROGRESS, 2, "other");
    push(e, HFP_EV_PROGRESS, 1, "new");
    push(e, HFP_EV_STATE, 1, NULL);
    CHECK(strcmp(events_next(e)->path, "other") == 0 && strcmp(events_next(e)->path, "new") == 0 &&
              events_next(e)->type == HFP_EV_STATE && !events_next(e),
          "an unread progress of the same job is replaced");
    for (unsigned i = 0; i < 2 * EVENTS_MAX; i++)
        push(e, HFP_EV_FILE, 1, "x");
    push(e, HFP_EV_STALLED, 1, NULL);
    push(e, HFP_EV_DONE, 1, NULL);
    CHECK(!events_room(e), "a full queue says so");
    unsigned files = 0, last = 0;
    uint64_t seq = 4;
    bool gap = false;
    while ((ev = events_next(e))) {
        files += ev->type == HFP_EV_FILE;
        last = ev->type;
        gap |= ev->seq != ++seq;
    }
    CHECK(files == EVENTS_MAX && last == HFP_EV_DONE && !gap, "a full queue drops files, never the end; no gap in seq");
    CHECK(events_room(e), "an empty one has room");
    out_of_memory = true;
    push(e, HFP_EV_FILE, 1, "x");
    push(e, HFP_EV_DONE, 1, NULL);
    out_of_memory = false;
    ev = events_next(e);
    CHECK(ev && ev->type == HFP_EV_DONE && strcmp(ev->repo, "ns/name") == 0 && !events_next(e),
          "the end of a job needs no memory that is not there");
    push(e, HFP_EV_STATE, 1, NULL);
    out_of_memory = true;
    push(e, HFP_EV_DONE, 2, NULL);
    out_of_memory = false;
    events_next(e);
    ev = events_next(e);
    CHECK(ev && ev->type == HFP_EV_DONE && ev->status.job == 2, "nor does the next one");

    pthread_t t;
    bool done = false;
    pthread_create(&t, NULL, pusher, e);
    uint64_t before = ev->seq;
    gap = false;
    while (!done) {
        struct pollfd p = { .fd = events_fd(e), .events = POLLIN };
        if (poll(&p, 1, 5000) != 1)
            break;
        while ((ev = events_next(e))) {
            gap |= ev->seq != ++before;
            done = ev->type == HFP_EV_DONE;
        }
    }
    pthread_join(t, NULL);
    CHECK(done && !gap, "across threads no wake-up is lost");
    push(e, HFP_EV_FILE, 1, "left over");
    events_free(e);
    events_free(NULL);
    return tap_end();
}
