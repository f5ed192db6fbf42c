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
    struct worker *disk;    /* the job database's thread */
    struct worker *folders; /* looks at the folders that requests name: their disk may hang */
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
    int status;                  /* of the program, once it ends */
    const char *_Atomic closing; /* what its end waits for, in words; another thread says it when that hangs */
    uint64_t rest_ns;            /* when memory is given back, if no job runs; 0: it is */
    uint64_t requests;           /* answered since the start */
    size_t listens;              /* of --listen, the first so many: opened by us */
    char *token;                 /* the daemon's own; NULL: none */
    char *openapi;               /* made when first asked for */
    size_t openapi_n;
};

/* Another turn at once: what HTTP has brought concerns a room that had its turn before it. */
void daemon_again(struct daemon *d);
/* The whole program; returns the exit status. Its end takes at most CLOSE_MAX_S: what is to be kept is written first, then
 * threads that work on a disk are waited for, the engine's first, and one that still hangs is left behind with the
 * process. It loses nothing that a kill would not lose. (Where not even a kill ends a thread, the process goes when the
 * kernel lets it.) */
#define CLOSE_MAX_S 8 /* `docker stop` kills after 10 s; a disk that works needs a moment */
int daemon_main(int argc, char **argv);

#endif
