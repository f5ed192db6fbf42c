/* transfer/learn.h: how many connections to one host pay. Pure.
 *
 * Starts small and adds while the total goodput rises, all at once where connections do nothing but wait for small
 * answers; goes back when more gave nothing; halves when each stream collapses or errors pile up. Fed with bytes and a
 * tick; asked for a target. A user's fixed number ends the learning. */
#ifndef HFP_TRANSFER_LEARN_H
#define HFP_TRANSFER_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define LEARN_MAX 16

struct learn {
    uint32_t fixed; /* the user's number, 0: learn */
    uint32_t target;
    uint32_t before;    /* the target before the last rise: where to go back to */
    uint32_t ceiling;   /* more than this gave nothing lately */
    uint64_t base_rate; /* goodput at `before`, bytes per s */
    uint64_t last_rate; /* of the epoch before */
    uint64_t peak_rate; /* the best this host ever gave here: what a collapse is measured against */
    uint64_t epoch_ns, epoch_bytes, hold_until_ns;
    uint64_t wait_ns, whole_ns; /* of the requests that ended in this epoch: for the first byte, and in all */
    uint32_t requests;
    uint32_t errors, epochs_low;
    bool saturated; /* all `target` connections were busy through the epoch */
    bool rising;    /* the last change was a rise that is being judged */
    bool settling;  /* the epoch after a rise: new connections are still opening, it is not judged */
    bool collapsed; /* the last fall was one of the rate too: connections beyond the target do harm */
};

/* start: the number remembered from earlier runs, 0 for none. */
void learn_init(struct learn *l, uint32_t fixed, uint32_t start, uint64_t now_ns);
void learn_bytes(struct learn *l, uint64_t n);
/* A request was answered: how long it waited for its first byte, and how long it took in all. */
void learn_request(struct learn *l, uint64_t wait_ns, uint64_t whole_ns);
/* A reset, refusal, 429 or 5xx of this host. */
void learn_error(struct learn *l);
/* running: connections busy now; held: we ourselves held bytes back (limit, pause, buffers), so rates say nothing.
 * latency_ns: request to first byte, 0 unknown. Returns true when the target changed. */
bool learn_tick(struct learn *l, uint32_t running, bool held, uint64_t latency_ns, uint64_t now_ns);

#endif
