/* daemon/worker.h: a thread for what may wait for a disk or a network, so that the loop never does.
 *
 * Tasks run one after the other in the order given. run() is called on the worker's thread and may touch nothing that
 * the loop does not leave alone meanwhile; done() on the loop's, from worker_turn(), and may free the task. The
 * descriptor given to worker_new() (an eventfd) becomes readable when a task is over. */
#ifndef HFP_DAEMON_WORKER_H
#define HFP_DAEMON_WORKER_H

#include "hfp/hfp.h"

struct worker;

struct worker_task {
    struct worker_task *next;
    void (*run)(struct worker_task *t);
    void (*done)(struct worker_task *t);
};

int worker_new(struct worker **out, int wake_fd, struct hfp_err *err);
void worker_submit(struct worker *w, struct worker_task *t);
size_t worker_waiting(const struct worker *w); /* submitted and not yet done */
void worker_turn(struct worker *w);
/* Runs what is left, calls done() for all, joins. NULL is fine. */
void worker_free(struct worker *w);

#endif
