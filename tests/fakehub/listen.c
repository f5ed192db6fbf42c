/* listen.c: the sockets that wait for clients, one thread each, one more per connection. */
#include "server.h"

#include "base/auto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    TURN_MS = 50,          /* how soon a listener notices orders */
    STACK_BYTES = 1 << 20, /* hundreds of connections at once; a thread needs little */
    SAME_PORT_TRIES = 32,
    OPEN_CONNS_MAX = 8192,
};

/* ADDR:PORT, [ADDR]:PORT; 'same' is the port of the first listener of its kind. */
static void parse(struct listener *l, const char *s, uint16_t same)
{
    const char *colon = strrchr(s, ':'), *end = colon;
    if (!colon)
        die("'%s' is not ADDR:PORT", s);
    if (*s == '[') {
        s++;
        end--;
    }
    if (end <= s || end - s >= (ptrdiff_t)sizeof(l->host))
        die("'%s' is not ADDR:PORT", s);
    snprintf(l->host, sizeof(l->host), "%.*s", (int)(end - s), s);
    l->port = !strcmp(colon + 1, "same") ? same : (uint16_t)atoi(colon + 1);
}

/* -1 with errno when the address cannot be had; fills l->port. */
static int bind_one(struct listener *l)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", l->port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE }, *found;
    if (getaddrinfo(l->host, port, &hints, &found) != 0)
        die("'%s' is not an address", l->host);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0)
        die("socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int rc = bind(fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (rc < 0 || listen(fd, BACKLOG) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    struct sockaddr_storage is;
    socklen_t n = sizeof(is);
    getsockname(fd, (struct sockaddr *)&is, &n);
    l->port = ntohs(is.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&is)->sin6_port
                                             : ((struct sockaddr_in *)&is)->sin_port);
    return fd;
}

/* A port that is free on the first address may be taken on the next: then all of the kind try again. */
static void open_kind(struct server *srv, const char *const *list, size_t count, enum role role)
{
    struct listener *first = &srv->listeners[srv->listener_count];
    for (int tries = 0; tries < SAME_PORT_TRIES; tries++) {
        size_t i = 0;
        for (; i < count; i++) {
            first[i] = (struct listener){ .srv = srv, .role = role, .wanted = true, .fd = -1 };
            parse(&first[i], list[i], first[0].port);
            first[i].fd = bind_one(&first[i]);
            if (first[i].fd < 0)
                break;
        }
        if (i == count) {
            srv->listener_count += count;
            return;
        }
        if (!strstr(list[i], ":same"))
            die("cannot listen on %s: %s", list[i], strerror(errno));
        while (i--)
            close(first[i].fd);
    }
    die("no port is free on all addresses of the %s", role_name[role]);
}

static void set_base(struct server *srv, char *out, size_t size, const char *name, const struct listener *l)
{
    const char *scheme = srv->tls ? "https" : "http", *colon = name ? strrchr(name, ':') : NULL;
    bool six = strchr(l->host, ':') != NULL;
    if (!name)
        snprintf(out, size, "%s://%s%s%s:%u", scheme, six ? "[" : "", l->host, six ? "]" : "", l->port);
    else if (colon && !strcmp(colon, ":0"))
        snprintf(out, size, "%s://%.*s:%u", scheme, (int)(colon - name), name, l->port);
    else
        snprintf(out, size, "%s://%s", scheme, name);
}

void listeners_open(struct server *srv)
{
    open_kind(srv, srv->opt.hub, srv->opt.hub_count, ROLE_HUB);
    open_kind(srv, srv->opt.cdn, srv->opt.cdn_count, ROLE_CDN);
    open_kind(srv, srv->opt.cas, srv->opt.cas_count, ROLE_CAS);
    set_base(srv, srv->hub_base, sizeof(srv->hub_base), srv->opt.hub_name, &srv->listeners[0]);
    set_base(srv, srv->cdn_base, sizeof(srv->cdn_base), srv->opt.cdn_name, &srv->listeners[srv->opt.hub_count]);
    if (srv->opt.cas_count)
        set_base(srv, srv->cas_base, sizeof(srv->cas_base), srv->opt.cas_name,
                 &srv->listeners[srv->opt.hub_count + srv->opt.cdn_count]);
    if (srv->opt.cas_url)
        snprintf(srv->cas_base, sizeof(srv->cas_base), "%s", srv->opt.cas_url);
}

struct arrival {
    struct listener *from;
    int fd;
};

static void *connection_thread(void *arg)
{
    struct arrival a = *(struct arrival *)arg;
    free(arg);
    serve(a.from->srv, a.from, a.fd);
    return NULL;
}

static void take(struct listener *l, int fd)
{
    int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (got < 0) {
        poll(NULL, 0, 1); /* out of descriptors: do not spin until one is free */
        return;
    }
    struct arrival *a = must_alloc(sizeof(*a));
    *a = (struct arrival){ l, got };
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    if (atomic_load(&l->srv->open_conns) >= OPEN_CONNS_MAX ||
        pthread_create(&thread, &attr, connection_thread, a) != 0) {
        close(got);
        free(a);
    }
    pthread_attr_destroy(&attr);
}

/* Opens or closes the socket as wanted; the descriptor to wait on, or -1. Only the listener's own thread comes here. */
static int settle(struct listener *l)
{
    pthread_mutex_lock(&l->srv->listen_lock);
    if (!l->wanted && l->reopen_ns && now_ns() >= l->reopen_ns)
        l->wanted = true;
    if (!l->wanted && l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
    if (l->wanted && l->fd < 0)
        l->fd = bind_one(l);
    int fd = l->fd;
    pthread_mutex_unlock(&l->srv->listen_lock);
    return fd;
}

static void *listener_thread(void *arg)
{
    struct listener *l = arg;
    for (;;) {
        struct pollfd p = { .fd = settle(l), .events = POLLIN };
        if (poll(&p, 1, TURN_MS) > 0 && (p.revents & POLLIN))
            take(l, p.fd);
        else if (p.revents)
            poll(NULL, 0, 1); /* shut down by listener_close; settle takes it away */
    }
    return NULL;
}

void listeners_run(struct server *srv)
{
    for (size_t i = 0; i < srv->listener_count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, listener_thread, &srv->listeners[i]) != 0)
            die("cannot start a thread");
        pthread_detach(thread);
    }
}

void listener_close(struct listener *l, int64_t ms)
{
    pthread_mutex_lock(&l->srv->listen_lock);
    l->wanted = false;
    l->reopen_ns = ms > 0 ? now_ns() + (uint64_t)ms * 1000000u : 0;
    if (l->fd >= 0)
        (void)shutdown(l->fd, SHUT_RDWR); /* refuses from this moment on */
    pthread_mutex_unlock(&l->srv->listen_lock);
}

void listener_reopen(struct listener *l)
{
    pthread_mutex_lock(&l->srv->listen_lock);
    if (!l->wanted && l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
    l->wanted = true;
    l->reopen_ns = 0;
    pthread_mutex_unlock(&l->srv->listen_lock);
}
