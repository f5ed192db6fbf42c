/* daemon/ready.h: is what is needed here? For /readyz.
 *
 * With --ready REPO (repeatable): each of these is proved, by a job of this daemon, or in the cache when it began (asked of
 * the engine without the network). Without: no job is left that is not done. Loop's thread. */
#ifndef HFP_DAEMON_READY_H
#define HFP_DAEMON_READY_H

#include "daemon/driver.h"
#include "front/spec.h"

#define READY_MAX 64

struct ready {
    struct ready_repo {
        struct spec spec;
        uint64_t engine; /* the question under way; 0: none */
        bool here;       /* it was in the cache at the start */
    } * repo;
    size_t n;
};

/* Reads the names; texts as for hf-pull. */
int ready_open(struct ready *r, char *const *names, size_t n, const char *endpoint, struct hfp_err *err);
/* Asks the engine what is here already. */
void ready_ask(struct ready *r, struct driver *d);
/* For driver_rooms.other: an event of a question. */
void ready_event(void *ctx, const struct hfp_event *ev);
/* How many are not ready yet. No names: probes ask without a token. */
size_t ready_missing(const struct ready *r, const struct jobs *jobs);
void ready_done(struct ready *r);

#endif
