#include "daemon/cores.h"

#include "front/files.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES 65536
#define PATH_MAX_BYTES 4096 /* of a control group: as any path */

/* Thousandths of a core from a quota and its period, both in microseconds. UINT64_MAX: "max", -1, or no number. */
static uint64_t rate(const char *quota, const char *period)
{
    long long q = strtoll(quota, NULL, 10), p = strtoll(period, NULL, 10);
    return q > 0 && p > 0 && q < INT64_MAX / 1000 ? (uint64_t)q * 1000 / (uint64_t)p : UINT64_MAX;
}

static char *text_in(const char *folder, const char *name)
{
    char *path = path_join(folder, name), *text = NULL;
    if (path)
        file_read_plain(&text, path, FILE_MAX_BYTES, NULL);
    free(path);
    return text;
}

static uint64_t quota_in(const char *folder, bool v1)
{
    char *quota = text_in(folder, v1 ? "cpu.cfs_quota_us" : "cpu.max");
    char *period = v1 ? text_in(folder, "cpu.cfs_period_us") : NULL;
    const char *second = v1 ? period : quota ? strchr(quota, ' ') : NULL;
    uint64_t found = quota && second ? rate(quota, second) : UINT64_MAX;
    free(quota);
    free(period);
    return found;
}

/* The smallest on the way up. A path of the host's, as a container without a namespace of its own sees it, has nothing
 * below the mount: then the mount is the container's group. */
static uint64_t quota_above(const char *mount, const char *group, bool v1)
{
    char folder[PATH_MAX_BYTES];
    uint64_t least = UINT64_MAX;
    int n = snprintf(folder, sizeof folder, "%s%s%s", mount, v1 ? "/cpu" : "", group);
    size_t top = strlen(mount) + (v1 ? strlen("/cpu") : 0);
    if (n < 0 || (size_t)n >= sizeof folder)
        return UINT64_MAX;
    for (;;) {
        uint64_t found = quota_in(folder, v1);
        least = found < least ? found : least;
        char *slash = strrchr(folder + top, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    const char *at = strstr(controllers, "cpu");
    for (; at; at = strstr(at + 1, "cpu"))
        if ((at == controllers || at[-1] == ',') && (at[3] == '\0' || at[3] == ','))
            return true;
    return false;
}

/* Lines of cgroups(7): number, controllers, path. Without controllers: v2. */
uint64_t cores_quota_permille(const char *cgroups, const char *mount)
{
    char *text = NULL, *rest;
    uint64_t least = UINT64_MAX;
    if (file_read_plain(&text, cgroups, FILE_MAX_BYTES, NULL))
        return least;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/')
            continue;
        *group++ = '\0';
        bool v1 = names_cpu(++controllers);
        if (*controllers && !v1)
            continue;
        uint64_t found = quota_above(mount, group, v1);
        least = found < least ? found : least;
    }
    free(text);
    return least;
}

uint64_t cores_permille(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t all = n > 0 ? (uint64_t)n * 1000 : 1000;
    uint64_t quota = cores_quota_permille("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota == 0 ? 1 : quota < all ? quota : all;
}
