/* daemon/notifying_disk.h: notices a disk that has less room than what is still to come to it, and notes its free space.
 *
 * Every 10 s while a job downloads, by folder; the looking is done on the worker's thread, for a disk may hang. Loop's
 * thread, of daemon/notifying.c. */
#ifndef HFP_DAEMON_NOTIFYING_DISK_H
#define HFP_DAEMON_NOTIFYING_DISK_H

#include "daemon/jobs.h"
#include "daemon/worker.h"

struct disk_look;
struct notifying_disks {
    struct disk_look *look; /* rows of the last one are kept: a disk that was low is not told again */
    bool under_way;
    uint64_t next_ns;
};

/* job: one that fetches to that disk. */
typedef void disk_fell_fn(void *ctx, const char *job, uint64_t free_bytes, uint64_t to_come_bytes);
uint64_t notifying_disks_turn(struct notifying_disks *d, const struct jobs *jobs, const char *hub_folder,
                              struct worker *worker, uint64_t now_ns, disk_fell_fn *fell, void *ctx);
void notifying_disks_done(struct notifying_disks *d); /* after worker_free() */

#endif
