/* daemon/cores.h: how much of the machine's processors this process may use.
 *
 * The ones it may run on, and no more than the quota of its control group and of those above it (cgroup v2 cpu.max, v1
 * cpu.cfs_quota_us): in a container with a tenth of a core, a tenth of a core at work is all there is. Reads /proc and
 * /sys, which wait for nothing. Any thread. */
#ifndef HFP_DAEMON_CORES_H
#define HFP_DAEMON_CORES_H

#include "hfp/hfp.h"

uint64_t cores_permille(void); /* thousandths of one core; at least 1 */
/* cgroups: /proc/self/cgroup; mount: where the control groups are. UINT64_MAX: no quota. For cores_permille() and tests. */
uint64_t cores_quota_permille(const char *cgroups, const char *mount);

#endif
