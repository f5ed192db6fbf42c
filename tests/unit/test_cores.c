/* How much of the processors is ours: quotas of control groups, old and new, on the way up.
 * Seen red with: the group's own quota alone, "cpuset" taken for "cpu", a path that is not below the mount ending it. */
#include "daemon/cores.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>

static char root[] = "/tmp/test_cores.XXXXXX";

static void put(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *c = path + sizeof root; (c = strchr(c, '/')) != NULL; *c++ = '/') {
        *c = '\0';
        mkdir(path, 0700);
    }
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

static const struct {
    const char *name, *cgroups;
    uint64_t permille;
} rows[] = {
    { "v2: half a core", "0::/half\n", 500 },
    { "v2: none here, two cores above", "0::/two/below/deep\n", 2000 },
    { "v2: the smaller one, here", "0::/two/tenth\n", 100 },
    { "v2: none at all", "0::/free\n", UINT64_MAX },
    { "v1: beside other controllers", "4:cpu,cpuacct:/box\n3:memory:/half\n0::/\n", 250 },
    { "v1: -1 is none", "4:cpuacct,cpu:/open\n", UINT64_MAX },
    { "v1: sets of processors are no quota", "3:cpuset:/box\n", UINT64_MAX },
    { "a path of the host's: what is above it counts", "0::/half/docker/4711\n", 500 },
    { "nonsense", "::\n0\n:/half\n7:cpu:half\n\n", UINT64_MAX },
    { "no number", "0::/words\n", UINT64_MAX },
};

int main(void)
{
    char mount[64], cgroups[64];
    if (!mkdtemp(root))
        return 1;
    put("sys/half/cpu.max", "50000 100000\n");
    put("sys/two/cpu.max", "200000 100000\n");
    put("sys/two/below/deep/cpu.max", "max 100000\n");
    put("sys/two/tenth/cpu.max", "10000 100000\n");
    put("sys/free/cpu.max", "max 100000\n");
    put("sys/words/cpu.max", "some more\n");
    put("sys/cpu/box/cpu.cfs_quota_us", "25000\n");
    put("sys/cpu/box/cpu.cfs_period_us", "100000\n");
    put("sys/cpu/open/cpu.cfs_quota_us", "-1\n");
    put("sys/cpu/open/cpu.cfs_period_us", "100000\n");
    snprintf(mount, sizeof mount, "%s/sys", root);
    snprintf(cgroups, sizeof cgroups, "%s/cgroup", root);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("cgroup", rows[i].cgroups);
        CHECK_U64(cores_quota_permille(cgroups, mount), rows[i].permille, "%s", rows[i].name);
    }
    CHECK_U64(cores_quota_permille("/nowhere", mount), UINT64_MAX, "no control groups");
    uint64_t here = cores_permille();
    CHECK(here > 0 && here <= 1024000, "this machine has some: %llu", (unsigned long long)here);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command) == 0 ? tap_end() : 1;
}
