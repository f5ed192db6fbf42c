/* floor.c: what the parts of a proved download cost on this machine, each measured alone.
 *
 *   floor HOST PORT PATH LENGTH FILE
 *
 * recv   LENGTH bytes of PATH from an HTTP server, one connection, recv into a 1 MiB buffer, bytes dropped
 * write  LENGTH bytes to FILE, new, O_DIRECT, 1 MiB a call, fsync included
 * sha256 LENGTH bytes by EVP, 1 MiB a call, out of a region larger than the caches
 * blake3 the same in messages of 1 MiB, as hf-pull records its blocks
 *
 * One line of JSON: CPU (user and system) seconds and wall seconds of each part. Their sum of CPU is the floor: no
 * program that receives, writes and proves can be cheaper with these parts. LENGTH is rounded down to whole MiB. */
#include <blake3.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MIB (1u << 20)
#define COLD_MIB 64u    /* beyond any last-level cache slice of one core here and on most servers */
#define HEAD_MAX 16384u /* of an answer's headers */

struct cost {
    double cpu_s, wall_s;
};

struct stopwatch {
    double cpu_s, wall_s;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("floor: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static double cpu_now_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double wall_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct stopwatch start(void)
{
    return (struct stopwatch){ cpu_now_s(), wall_now_s() };
}

static struct cost stop(const struct stopwatch *w)
{
    return (struct cost){ cpu_now_s() - w->cpu_s, wall_now_s() - w->wall_s };
}

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        die("%s is not an address", host);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
        die("connect to %s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static size_t some(int fd, uint8_t *buf, size_t n)
{
    ssize_t got = recv(fd, buf, n, 0);
    if (got < 0)
        die("recv: %s", strerror(errno));
    return (size_t)got;
}

static struct cost measure_recv(const char *host, const char *port, const char *path, uint64_t length, uint8_t *buf)
{
    char ask[1024];
    int n =
        snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nRange: bytes=0-%llu\r\nConnection: close\r\n\r\n",
                 path, host, port, (unsigned long long)length - 1);
    if (n < 0 || (size_t)n >= sizeof ask)
        die("the path is too long");
    struct stopwatch w = start();
    int fd = dial(host, port);
    if (send(fd, ask, (size_t)n, MSG_NOSIGNAL) != n)
        die("send: %s", strerror(errno));
    size_t have = 0;
    const uint8_t *body = NULL;
    while (!body) {
        size_t got = have < HEAD_MAX ? some(fd, buf + have, HEAD_MAX - have) : 0;
        if (got == 0)
            die("no whole answer from %s:%s", host, port);
        have += got;
        const uint8_t *blank = memmem(buf, have, "\r\n\r\n", 4);
        body = blank ? blank + 4 : NULL;
    }
    if (have < 12 || memcmp(buf + 9, "206", 3) != 0)
        die("%.*s instead of 206", 15, (const char *)buf);
    uint64_t left = length - (have - (size_t)(body - buf));
    while (left > 0) {
        size_t got = some(fd, buf, MIB);
        if (got == 0)
            die("%llu bytes are missing", (unsigned long long)left);
        left -= got;
    }
    close(fd);
    return stop(&w);
}

static struct cost measure_write(const char *file, uint64_t length, const uint8_t *region)
{
    unlink(file);
    struct stopwatch w = start();
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0)
        die("open for O_DIRECT: %s", strerror(errno));
    for (uint64_t i = 0; i < length / MIB; i++)
        if (pwrite(fd, region + (size_t)(i % COLD_MIB) * MIB, MIB, (off_t)(i * MIB)) != (ssize_t)MIB)
            die("write: %s", strerror(errno));
    if (fsync(fd) < 0 || close(fd) < 0)
        die("fsync: %s", strerror(errno));
    struct cost cost = stop(&w);
    unlink(file);
    return cost;
}

static struct cost measure_sha256(uint64_t length, const uint8_t *region)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned n;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!c || !sha256 || !EVP_DigestInit_ex2(c, sha256, NULL))
        die("no SHA-256");
    struct stopwatch w = start();
    for (uint64_t i = 0; i < length / MIB; i++)
        EVP_DigestUpdate(c, region + (size_t)(i % COLD_MIB) * MIB, MIB);
    EVP_DigestFinal_ex(c, out, &n);
    struct cost cost = stop(&w);
    EVP_MD_free(sha256);
    EVP_MD_CTX_free(c);
    return cost;
}

static struct cost measure_blake3(uint64_t length, const uint8_t *region)
{
    uint8_t out[BLAKE3_OUT_LEN];
    struct stopwatch w = start();
    for (uint64_t i = 0; i < length / MIB; i++) {
        blake3_hasher h;
        blake3_hasher_init(&h);
        blake3_hasher_update(&h, region + (size_t)(i % COLD_MIB) * MIB, MIB);
        blake3_hasher_finalize(&h, out, sizeof out);
    }
    return stop(&w);
}

static void say(const char *name, struct cost c)
{
    printf("\"%s\":{\"cpu_s\":%.6f,\"wall_s\":%.6f},", name, c.cpu_s, c.wall_s);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        die("HOST PORT PATH LENGTH FILE");
    uint64_t length = strtoull(argv[4], NULL, 10) / MIB * MIB;
    uint8_t *region = aligned_alloc(MIB, (size_t)COLD_MIB * MIB);
    if (!region || length == 0)
        die("no memory, or a length under 1 MiB");
    uint64_t word = 0x9E3779B97F4A7C15u; /* any content but zeros, which memory and disks may treat apart */
    for (size_t i = 0; i < (size_t)COLD_MIB * MIB; i += 8) {
        word = word * 6364136223846793005u + 1442695040888963407u;
        memcpy(region + i, &word, 8);
    }
    struct cost received = measure_recv(argv[1], argv[2], argv[3], length, region);
    struct cost written = measure_write(argv[5], length, region);
    struct cost sha256 = measure_sha256(length, region);
    struct cost blake3 = measure_blake3(length, region);
    printf("{");
    say("recv", received);
    say("write", written);
    say("sha256", sha256);
    say("blake3", blake3);
    printf("\"bytes\":%llu}\n", (unsigned long long)length);
    free(region);
    return 0;
}
