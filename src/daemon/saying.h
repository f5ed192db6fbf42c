/* daemon/saying.h: what is said of running jobs beside the API: a progress file each, and a log line now and then.
 *
 * Files are PROGRESS_DIR/download_{id}.json, replaced whole once a second by a thread of their own; a disk that hangs or is
 * full harms nobody. A job keeps its file until it is taken off the list, also over restarts. Loop's thread. */
#ifndef HFP_DAEMON_SAYING_H
#define HFP_DAEMON_SAYING_H

#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/worker.h"

struct saying;

struct saying_config {
    const char *dir;      /* NULL: no files */
    uint64_t interval_ns; /* between two log lines */
    int wake_fd;
    const struct jobs *jobs;
    const struct log *log;
};

/* The texts of the config live on; the jobs have been loaded. */
int saying_new(struct saying **out, const struct saying_config *config, struct hfp_err *err);
void saying_free(struct saying *s); /* what is under way is written. NULL is fine */
uint64_t saying_turn(struct saying *s, uint64_t now_ns);
/* "Download progress: 49% (5.88 GB / 12.00 GB) | 1 files | Last update: 2s ago", of all that runs; false: nothing does. */
bool saying_line(char out[static 160], const struct jobs *jobs);

#endif
