/* front/notify.h: tells somebody elsewhere what became of a job.
 *
 * Fed by the engine's events like every other view, so that it says what they say. Saying never waits: each target has
 * its own short queue and its own thread, started by the first message. A message that does not get through is tried
 * again after 1, 5, 30, 60, 120 s and then every 5 minutes, for a quarter of an hour in all; then it is dropped, and
 * the log says so. Targets are in front/notify_target.h, what a message looks like in docs/formats/notifications.md.
 *
 * Addresses that last are added; those that are known only with a message come with it (notifier_say_to): such a channel
 * is made when it is needed and ends when all is said.
 *
 * notifier_say(), _say_to(), _event(), _add(), _drop() and _wait(): from one thread. The log is called on the targets'
 * threads. */
#ifndef HFP_FRONT_NOTIFY_H
#define HFP_FRONT_NOTIFY_H

#include "front/notify_send.h"

#define NOTIFY_EVENTS(X)                                                                                               \
    X(STARTED, "started")                                                                                              \
    X(STALLED, "stalled")                                                                                              \
    X(RECOVERED, "recovered")                                                                                          \
    X(DONE, "done")                                                                                                    \
    X(FAILED, "failed")                                                                                                \
    X(DISK_LOW, "disk_low")

enum notify_event {
#define X(name, text) NOTIFY_##name,
    NOTIFY_EVENTS(X)
#undef X
        NOTIFY_EVENT_COUNT
};
#define NOTIFY_ALL ((1U << NOTIFY_EVENT_COUNT) - 1)
#define NOTIFY_TARGETS_MAX 16
#define NOTIFY_PASSING_MAX                                                                                             \
    64 /* channels made for messages at one time; each is a thread while it has something to say */

const char *notify_event_text(enum notify_event event);
/* "stalled,failed" or "all" to a set of bits. False when a word is none of them. */
bool notify_events_parse(unsigned *out, const char *text);

struct notifier_config {
    unsigned events;              /* bits of enum notify_event */
    bool allow_local;             /* untrusted targets may lead to loopback and link-local addresses */
    const char *ca_file, *ca_dir; /* or NULL; live as long as the notifier */
    void (*log)(void *ctx, int level, const char *text); /* any thread; NULL: silence */
    void *log_ctx;
};

struct notify_message {
    enum notify_event event;
    const char *repo, *revision;
    enum hfp_repo_type type;
    const char *job;                    /* NULL: none */
    const struct hfp_status *status;    /* for the text, and sent along */
    uint64_t free_bytes, to_come_bytes; /* DISK_LOW */
    int64_t unix_ms;
};

struct notifier;
int notifier_new(struct notifier **out, const struct notifier_config *config, struct hfp_err *err);
/* trusted: from a config file or a command line, not over the network. */
int notifier_add(struct notifier *n, const char *target, bool trusted, struct hfp_err *err);
void notifier_say(struct notifier *n, const struct notify_message *m);
/* To this address alone; the notifier's choice of events does not matter. */
int notifier_say_to(struct notifier *n, const char *target, bool trusted, const struct notify_message *m,
                    struct hfp_err *err);
/* Nobody is to be told there any more: what waits for an address of notifier_say_to() is dropped. */
void notifier_drop(struct notifier *n, const char *target);
/* What an event of the engine means; false: nothing here. */
bool notify_meaning(enum notify_event *out, const struct hfp_event *ev);
/* The same, said. job may be NULL. */
void notifier_event(struct notifier *n, const struct hfp_event *ev, const char *job);
/* Until all is said or given up, for at most so long. True: nothing waits any more. */
bool notifier_wait(struct notifier *n, uint64_t ns);
/* What still waits is dropped; an attempt under way ends within a second or so. NULL is fine. */
void notifier_free(struct notifier *n);

/* One message at once, for "test this address": blocks as notify_send() does. */
enum notify_outcome notify_test(const char *target, const struct notify_way *way, struct hfp_err *err);

#endif
