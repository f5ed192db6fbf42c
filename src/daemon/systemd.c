#include "daemon/systemd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Half the time after which it would be killed: one sign may be late (sd_watchdog_enabled(3)). */
static uint64_t watchdog_ns(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    unsigned long long n = strtoull(usec, NULL, 10);
    return n < 1000000 || n > 1000000000000ULL ? 0 : n * 1000 / 2;
}

void systemd_open(struct systemd *s)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    *s = (struct systemd){ .fd = -1 };
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof a.sun_path)
        return;
    size_t n = strlen(path);
    memcpy(a.sun_path, path, n);
    if (*path == '@')
        a.sun_path[0] = '\0'; /* an abstract name */
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd >= 0 &&
        connect(s->fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        systemd_close(s);
    if (s->fd >= 0)
        s->watchdog_ns = watchdog_ns();
}

void systemd_say(const struct systemd *s, const char *state)
{
    if (s->fd >= 0 && send(s->fd, state, strlen(state), MSG_NOSIGNAL) < 0)
        return; /* the manager does not listen; the next sign of life tries again */
}

uint64_t systemd_turn(struct systemd *s, uint64_t now_ns)
{
    if (s->fd < 0 || s->watchdog_ns == 0)
        return UINT64_MAX;
    if (now_ns >= s->beat_ns) {
        systemd_say(s, "WATCHDOG=1");
        s->beat_ns = now_ns + s->watchdog_ns;
    }
    return s->beat_ns;
}

void systemd_close(struct systemd *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
