#include "cache/digests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEARTBEAT_STALE_S 120 /* 24 missed heartbeats of 5 s: a host that swaps or a slow server is not dead yet */

/* /proc files say size 0, so io_read_file() would find nothing. */
static size_t read_proc(char *out, size_t out_size, const char *path)
{
    size_t got = 0;
    AUTO(fd_closep) int fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0 || io_pread_some(fd, out, out_size - 1, 0, &got, NULL))
        got = 0;
    out[got] = 0;
    return got;
}

static void own_host(char out[64])
{
    memset(out, 0, 64);
    if (gethostname(out, 63) < 0)
        snprintf(out, 64, "unknown");
}

static void own_boot_id(char out[40])
{
    memset(out, 0, 40);
    read_proc(out, 40, "/proc/sys/kernel/random/boot_id");
    out[strcspn(out, "\n")] = 0;
}

static uint64_t own_pid_space(void)
{
    struct stat st;
    return io->fstatat(AT_FDCWD, "/proc/self/ns/pid", &st, 0) == 0 ? (uint64_t)st.st_ino : 0;
}

/* Field 22 of /proc/<pid>/stat; 0 when there is no such process, or only a zombie that nobody has reaped (a container
 * without an init keeps them). The name in field 2 may hold spaces and brackets. */
static uint64_t start_ticks(uint64_t pid)
{
    char path[48], text[1024];
    uint64_t ticks = 0;
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    if (read_proc(text, sizeof text, path) == 0)
        return 0;
    char *at = strrchr(text, ')');
    if (at && strncmp(at, ") Z", 3) == 0)
        return 0;
    for (int field = 3; at && field <= 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%19" SCNu64, &ticks) != 1)
        return 0;
    return ticks;
}

void digests_owner_self(struct digests_owner *out, int64_t unix_s)
{
    own_host(out->host);
    own_boot_id(out->boot_id);
    out->pid = (uint64_t)getpid();
    out->start_ticks = start_ticks(out->pid);
    out->pid_space = own_pid_space();
    out->heartbeat_unix_s = unix_s;
}

bool digests_owner_alive(const struct digests_owner *o, int64_t unix_s)
{
    struct digests_owner here;
    if (o->pid == 0)
        return false;
    own_host(here.host);
    own_boot_id(here.boot_id);
    if (strcmp(o->host, here.host) == 0 && o->boot_id[0] && strcmp(o->boot_id, here.boot_id) == 0 &&
        o->pid_space == own_pid_space())
        return start_ticks(o->pid) == o->start_ticks && o->start_ticks != 0;
    /* Host names are not unique: by itself, a record from before a reboot cannot be told from a namesake's. */
    int64_t age = 0;
    if (__builtin_sub_overflow(unix_s, o->heartbeat_unix_s, &age))
        return false;
    return age < HEARTBEAT_STALE_S && age > -HEARTBEAT_STALE_S;
}
