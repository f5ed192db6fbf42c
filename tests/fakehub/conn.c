#include "conn.h"

#include "base/auto.h"
#include "text.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,
    DRAIN_MS = 2000, /* how long a reset waits for the bytes before it to arrive */
    HANDSHAKE_MS = 30000,
};

static bool readable(struct conn *c, int ms)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    int n;
    while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
        ;
    return n > 0;
}

bool conn_tls(struct conn *c, SSL_CTX *ctx)
{
    if (!ctx)
        return true;
    c->tls = SSL_new(ctx);
    if (!c->tls || !SSL_set_fd(c->tls, c->fd) || !readable(c, HANDSHAKE_MS) || SSL_accept(c->tls) <= 0) {
        c->dead = true;
        return false;
    }
    return true;
}

bool conn_read(struct conn *c, size_t max, int idle_ms)
{
    if (c->dead || c->in_bytes >= max)
        return false;
    if (c->in_cap - c->in_bytes < READ_BYTES) {
        c->in_cap = 2 * c->in_cap + READ_BYTES;
        c->in = must_grow(c->in, c->in_cap);
    }
    if (!(c->tls && SSL_pending(c->tls)) && !readable(c, idle_ms))
        return false;
    size_t room = MIN(c->in_cap - c->in_bytes, max - c->in_bytes);
    ssize_t n;
    do
        n = c->tls ? SSL_read(c->tls, c->in + c->in_bytes, (int)room) : recv(c->fd, c->in + c->in_bytes, room, 0);
    while (n < 0 && !c->tls && errno == EINTR);
    if (n <= 0)
        return false;
    c->in_bytes += (size_t)n;
    return true;
}

void conn_used(struct conn *c, size_t n)
{
    memmove(c->in, c->in + n, c->in_bytes - n);
    c->in_bytes -= n;
}

bool conn_write(struct conn *c, const void *p, size_t n, bool more)
{
    const char *at = p;
    while (n && !c->dead) {
        ssize_t sent = c->tls ? SSL_write(c->tls, at, (int)MIN(n, (size_t)1 << 20))
                              : send(c->fd, at, n, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent < 0 && !c->tls && errno == EINTR)
            continue;
        if (sent <= 0) {
            c->dead = true;
            break;
        }
        at += sent;
        n -= (size_t)sent;
    }
    return !c->dead;
}

int64_t conn_sendfile(struct conn *c, int fd, uint64_t at, size_t n)
{
    off_t from = (off_t)at;
    ssize_t sent;
    while ((sent = sendfile(c->fd, fd, &from, n)) < 0 && errno == EINTR)
        ;
    if (sent <= 0)
        c->dead = true;
    return sent > 0 ? sent : -1;
}

/* The client's half close counts as gone: no client of ours half-closes and reads on. */
bool conn_wait_until(struct conn *c, uint64_t at_ns)
{
    for (;;) {
        uint64_t now = now_ns();
        if (c->dead)
            return false;
        if (at_ns <= now)
            return true;
        uint64_t left = at_ns - now;
        struct timespec t = { .tv_sec = (time_t)MIN(left / 1000000000u, (uint64_t)3600),
                              .tv_nsec = (long)(left % 1000000000u) };
        struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
        if (ppoll(&p, 1, &t, NULL) > 0)
            c->dead = true;
    }
}

bool conn_wait_ms(struct conn *c, int64_t ms)
{
    return conn_wait_until(c, ms < 0 ? UINT64_MAX : now_ns() + (uint64_t)ms * 1000000u);
}

static void drain(struct conn *c)
{
    int unsent = 1;
    for (int i = 0; i < DRAIN_MS && !c->dead && ioctl(c->fd, SIOCOUTQ, &unsent) == 0 && unsent; i++)
        if (!conn_wait_ms(c, 1))
            break;
}

void conn_reset(struct conn *c)
{
    int one = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* pushes what MSG_MORE held back */
    drain(c);
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    c->keep = false;
    c->dead = true;
}

void conn_close(struct conn *c)
{
    if (c->tls && !c->dead)
        (void)SSL_shutdown(c->tls);
    if (!c->dead) {
        (void)shutdown(c->fd, SHUT_WR);
        /* Unread input would turn the close into a reset and could take sent bytes with it. */
        char rest[4096];
        for (int i = 0; i < 64 && readable(c, 1000) && recv(c->fd, rest, sizeof(rest), 0) > 0; i++)
            ;
    }
    SSL_free(c->tls);
    close(c->fd);
    free(c->in);
    pthread_mutex_destroy(&c->rate.lock);
}
