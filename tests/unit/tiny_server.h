/* tiny_server.h: a web server of a few lines for test_curl, bad on order. One thread per connection, raw sockets.
 *
 * The path says how to behave (see answer()). Bodies are pattern_byte(offset), so that a wrong, lost or doubled byte
 * shows. It listens on all of 127/8. */
#ifndef HFP_TESTS_TINY_SERVER_H
#define HFP_TESTS_TINY_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tiny_server {
    int listener;
    uint16_t port;
    pthread_t thread;
    atomic_uint connections, requests, open;
    atomic_bool hang_up_idle; /* close kept connections when the next request comes on them */
};

struct tiny_peer {
    struct tiny_server *server;
    int fd;
    unsigned id;
};

static inline uint8_t pattern_byte(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static inline int say(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = send(fd, (const char *)bytes + done, n - done, MSG_NOSIGNAL);
        if (r <= 0)
            return -1;
        done += (size_t)r;
    }
    return 0;
}

static inline int say_text(int fd, const char *text)
{
    return say(fd, text, strlen(text));
}

static inline int say_pattern(int fd, uint64_t first, uint64_t n)
{
    uint8_t block[16384];
    for (uint64_t done = 0; done < n;) {
        size_t part = n - done < sizeof block ? (size_t)(n - done) : sizeof block;
        for (size_t i = 0; i < part; i++)
            block[i] = pattern_byte(first + done + i);
        if (say(fd, block, part))
            return -1;
        done += part;
    }
    return 0;
}

static inline void hang_until_closed(int fd)
{
    char c;
    while (recv(fd, &c, 1, 0) > 0)
        continue;
}

static inline int drop_hard(int fd)
{
    struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return -1;
}

static inline int answer_ranged(int fd, const char *request)
{
    char head[256];
    unsigned long long first = 0, last = 9999;
    const char *range = strstr(request, "\r\nRange: bytes=");
    if (!range || sscanf(range + 15, "%llu-%llu", &first, &last) < 1)
        return -1;
    snprintf(head, sizeof head,
             "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %llu-%llu/10000\r\n"
             "Content-Length: %llu\r\n\r\n",
             first, last, last - first + 1);
    return say_text(fd, head) || say_pattern(fd, first, last - first + 1) ? -1 : 0;
}

static inline int answer_echo(int fd, unsigned id, const char *request)
{
    char head[128], tail[32];
    snprintf(tail, sizeof tail, "conn=%u\r\n", id);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(request) + strlen(tail));
    return say_text(fd, head) || say_text(fd, request) || say_text(fd, tail) ? -1 : 0;
}

static inline int answer_headers_without_end(int fd, const char *line)
{
    if (say_text(fd, "HTTP/1.1 200 OK\r\n"))
        return -1;
    for (int i = 0; i < 100000; i++)
        if (say_text(fd, line))
            return -1;
    return -1;
}

/* 3,000 times "a", as gzip packs it. */
static inline int answer_gzip(int fd)
{
    static const uint8_t packed[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31,
                                      0x01, 0x00, 0x00, 0x00, 0xc2, 0xa0, 0xac, 0xeb, 0x5f, 0xc2, 0x1a, 0x1e, 0x40,
                                      0x01, 0x00, 0x00, 0xef, 0x06, 0xc8, 0x3c, 0xdc, 0x5e, 0xb8, 0x0b, 0x00, 0x00 };
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             sizeof packed);
    return say_text(fd, head) || say(fd, packed, sizeof packed) ? -1 : 0;
}

/* 0: the connection is kept. */
static inline int answer(struct tiny_peer *p, const char *path, const char *request)
{
    unsigned long long n;
    char head[128];
    int fd = p->fd;
    if (sscanf(path, "/len/%llu", &n) == 1) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", n);
        return say_text(fd, head) || say_pattern(fd, 0, n) ? -1 : 0;
    }
    if (strcmp(path, "/range") == 0)
        return answer_ranged(fd, request);
    if (strncmp(path, "/echo", 5) == 0 || strncmp(path, "http://", 7) == 0)
        return answer_echo(fd, p->id, request);
    if (strcmp(path, "/gzip") == 0)
        return answer_gzip(fd);
    if (strcmp(path, "/redirect") == 0)
        return say_text(fd, "HTTP/1.1 302 Found\r\nLocation: /len/5\r\nContent-Length: 4\r\n\r\ngone");
    if (strcmp(path, "/early") == 0)
        return say_text(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Repo-Commit: early\r\n\r\n"
                            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"late\"\r\n\r\nok");
    if (strcmp(path, "/chunked") == 0)
        return say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\nhello\r\n0\r\nETag: \"trailer\"\r\n\r\n");
    if (strcmp(path, "/short") == 0)
        return say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") || say_pattern(fd, 0, 400) ? -1 : -1;
    if (strcmp(path, "/reset") == 0) {
        say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        say_pattern(fd, 0, 100);
        usleep(50000);
        return drop_hard(fd);
    }
    if (strcmp(path, "/eof") == 0)
        return say_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") || say_pattern(fd, 0, 5000) ? -1 : -1;
    if (strcmp(path, "/stall") == 0) {
        say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        say_pattern(fd, 0, 100);
        hang_until_closed(fd);
        return -1;
    }
    if (strcmp(path, "/silent") == 0)
        hang_until_closed(fd);
    if (strcmp(path, "/garbage") == 0)
        say_text(fd, "not a status line at all\r\n\r\n");
    if (strcmp(path, "/headers-bytes") == 0)
        return answer_headers_without_end(
            fd, "X-Padding: 0123456789012345678901234567890123456789012345678901234567890"
                "12345678901234567890123456789012345678901234567890123456789012345678901234"
                "56789012345678901234567890123456789012345678901234567890123456789012345678"
                "90123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    if (strcmp(path, "/headers-lines") == 0)
        return answer_headers_without_end(fd, "A: b\r\n");
    if (strcmp(path, "/headers-line") == 0)
        return answer_headers_without_end(fd, "0123456789012345678901234567890123456789");
    return -1; /* "/nothing" and all else: closed without a word */
}

static inline void *tiny_connection(void *arg)
{
    struct tiny_peer p = *(struct tiny_peer *)arg;
    char request[8192], method[16], path[1024];
    size_t have = 0;
    bool kept = false;
    free(arg);
    for (;;) {
        ssize_t r = recv(p.fd, request + have, sizeof request - 1 - have, 0);
        if (r <= 0)
            break;
        have += (size_t)r;
        request[have] = 0;
        if (request[0] == 0x16) /* a TLS hello (RFC 8446 5.1): answered in plain text */
            say_text(p.fd, "HTTP/1.1 400 Bad Request\r\n\r\n"), have = sizeof request;
        if (have == sizeof request)
            break;
        if (!strstr(request, "\r\n\r\n"))
            continue;
        if (kept && atomic_load(&p.server->hang_up_idle))
            break;
        have = 0;
        atomic_fetch_add(&p.server->requests, 1);
        if (sscanf(request, "%15s %1023s", method, path) != 2)
            break;
        if (strcmp(method, "CONNECT") == 0)
            snprintf(path, sizeof path, "/refused"), say_text(p.fd, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        if (answer(&p, path, request))
            break;
        kept = true;
    }
    close(p.fd);
    atomic_fetch_sub(&p.server->open, 1);
    return NULL;
}

static inline void *tiny_accept(void *arg)
{
    struct tiny_server *s = arg;
    for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0;) {
        struct tiny_peer *p = malloc(sizeof *p);
        pthread_t thread;
        if (!p)
            abort();
        *p = (struct tiny_peer){ s, fd, atomic_fetch_add(&s->connections, 1) + 1 };
        atomic_fetch_add(&s->open, 1);
        if (pthread_create(&thread, NULL, tiny_connection, p))
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

static inline void tiny_start(struct tiny_server *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof a;
    memset(s, 0, sizeof *s);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof a) || listen(s->listener, 64) ||
        getsockname(s->listener, (struct sockaddr *)&a, &n) || pthread_create(&s->thread, NULL, tiny_accept, s))
        abort();
    s->port = ntohs(a.sin_port);
}

/* The clients must be gone: then each connection ends by itself. */
static inline void tiny_stop(struct tiny_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    for (int i = 0; i < 500 && atomic_load(&s->open) > 0; i++)
        usleep(10000);
}

#endif
