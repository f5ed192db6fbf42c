#include "net/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct socket_entry *entry_by_serial(const struct sockets *s, uint64_t serial)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (s->entry[i].serial == serial)
            return (struct socket_entry *)&s->entry[i];
    return NULL;
}

curl_socket_t sockets_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sockets *s = ctx;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct socket_entry *e = entry_by_serial(s, 0);
    if (e)
        *e = (struct socket_entry){ .serial = ++s->last_serial, .fd = fd };
    return fd;
}

int sockets_close(void *ctx, curl_socket_t fd)
{
    struct sockets *s = ctx;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (s->entry[i].serial && s->entry[i].fd == fd)
            s->entry[i].serial = 0;
    return close(fd);
}

static void read_local(struct socket_entry *e)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(e->fd, (struct sockaddr *)&a, &n) < 0)
        return;
    if (a.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &in->sin_addr, e->local, sizeof e->local);
        e->local_port = ntohs(in->sin_port);
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &in6->sin6_addr, e->local, sizeof e->local);
        e->local_port = ntohs(in6->sin6_port);
    }
}

uint64_t sockets_find(struct sockets *s, const char *local, int local_port)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket_entry *e = &s->entry[i];
        if (!e->serial)
            continue;
        if (!e->local_port)
            read_local(e);
        if (e->local_port == local_port && strcmp(e->local, local) == 0)
            return e->serial;
    }
    return 0;
}

bool sockets_measure(const struct sockets *s, uint64_t serial, uint32_t *rtt_us, uint32_t *retransmits)
{
    const struct socket_entry *e = serial ? entry_by_serial(s, serial) : NULL;
    struct tcp_info info;
    socklen_t n = sizeof info;
    memset(&info, 0, sizeof info); /* an older kernel fills less of it */
    if (!e || getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return false;
    *rtt_us = info.tcpi_rtt;
    *retransmits = info.tcpi_total_retrans;
    return true;
}
