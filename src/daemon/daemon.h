/* daemon/daemon.h: hf-pulld behind main(): the rooms, and the one loop that gives each its turn.
 *
 * One thread does everything that decides: HTTP, queue, the engine's events. What may wait has threads of its own (the
 * engine, worker.h), and nothing waits for those. */
#ifndef HFP_DAEMON_DAEMON_H
#define HFP_DAEMON_DAEMON_H

#include "daemon/cache.h"
#include "daemon/driver.h"
#include "daemon/guard.h"
#include "daemon/network.h"
#include "daemon/ready.h"
#include "daemon/saying.h"
#include "daemon/systemd.h"
#include "daemon/watching.h"
#include "daemon/worker.h"
#include "front/options.h"

struct daemon {
    struct options *options;
    struct log log;
    struct guard_policy policy;
    struct http *http;
    struct worker *disk; /* the job database's thread */
    struct jobs jobs;
    struct settings settings;
    struct store *store;
    struct feed *feed;
    struct notifying *notifying;
    struct driver *driver;
    struct cache *cache;
    struct saying *saying;
    struct watching *watching;
    struct network *network;
    struct ready ready;
    struct systemd systemd;
    int wake_fd, signal_fd;
    bool stop;
    uint64_t rest_ns;  /* when memory is given back, if no job runs; 0: it is */
    uint64_t requests; /* answered since the start */
    char *token;       /* the daemon's own; NULL: none */
    char *openapi;     /* made when first asked for */
    size_t openapi_n;
};

/* Another turn at once: what HTTP has brought concerns a room that had its turn before it. */
void daemon_again(struct daemon *d);
/* The whole program; returns the exit status. */
int daemon_main(int argc, char **argv);

#endif
