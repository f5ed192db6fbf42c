/* daemon/notifying.h: who is told what became of a job: the addresses given at the start (config file, command line),
 * those of the settings, and the job's own. Sending is front/notify.h's, on its threads; nothing here waits.
 *
 * Disks are looked at every 10 s while something downloads, on a thread of this room. Addresses with their secrets stay
 * here and in the store: what is said of them is address_shown(). Loop's thread. */
#ifndef HFP_DAEMON_NOTIFYING_H
#define HFP_DAEMON_NOTIFYING_H

#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/settings.h"
#include "daemon/store.h"
#include "front/options.h"

struct notifying;

/* What it looks at; all of it outlives this room. */
struct notifying_rooms {
    const struct options *options;
    const struct settings *settings;
    struct jobs *jobs;
    struct store *store;
    const struct log *log;
    int wake_fd;
};

int notifying_new(struct notifying **out, const struct notifying_rooms *rooms, struct hfp_err *err);
/* After the store's last turn. What is on its way has a moment to arrive, what was not yet kept is told by the next run;
 * tests under way are answered. NULL is fine. */
void notifying_free(struct notifying *n);
/* Returns when it wants the next turn (mono ns); UINT64_MAX: when something comes. */
uint64_t notifying_turn(struct notifying *n, uint64_t now_ns);

/* Said when the store has what was put into it before: that it was told (j->told) is on disk first, so that a kill never
 * makes it be told twice. What the store cannot keep is told anyway. j->status is what is said of it. */
void notifying_tell(struct notifying *n, const struct job *j, enum notify_event what);
/* Addresses that are no longer in the settings are told nothing more. */
void notifying_settings(struct notifying *n, const struct settings *before);
/* Member "notify_fixed", into an open object: those given at the start, as they are shown. */
void notifying_json(struct out *o, const struct notifying *n);

/* One message to each address of the start and the settings. text: {"results": [...]}, owned by the callee; NULL: out of
 * memory. False: such a test is under way, or cannot be begun. */
typedef void notifying_test_fn(void *ctx, char *text, size_t size);
bool notifying_test(struct notifying *n, notifying_test_fn *fn, void *ctx);

#endif
