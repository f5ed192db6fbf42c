/* Calls of our objects into libc, by the linker's --wrap (meson.build has the list), and the memory of the libraries.
 *
 * The ledger counts what was allocated and not freed: a leak shows without a sanitizer too. What libc allocates itself
 * for us (asprintf, strdup, getcwd) is freed by our free() and therefore counted where it is handed over. */
#include "inject.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define REAL(type, name, ...)                                                                                          \
    type __real_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__);

REAL(void *, malloc, size_t n)
REAL(void *, calloc, size_t n, size_t each)
REAL(void *, realloc, void *p, size_t n)
REAL(void, free, void *p)
REAL(char *, strdup, const char *s)
REAL(char *, strndup, const char *s, size_t n)
REAL(int, asprintf, char **out, const char *fmt, ...)
REAL(FILE *, open_memstream, char **out, size_t *n)
REAL(char *, getcwd, char *buf, size_t n)
REAL(void *, mmap64, void *at, size_t n, int prot, int flags, int fd, off_t from)

static void *ours(void *p)
{
    if (p && now && now->armed)
        now->live++;
    return p;
}

void *__wrap_malloc(size_t n)
{
    return call_fails(K_ALLOC, NULL) ? NULL : ours(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t each)
{
    return call_fails(K_ALLOC, NULL) ? NULL : ours(__real_calloc(n, each));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (call_fails(K_ALLOC, NULL))
        return NULL;
    void *q = __real_realloc(p, n);
    return p ? q : ours(q);
}

void __wrap_free(void *p)
{
    if (p && now && now->armed)
        now->live--;
    __real_free(p);
}

char *__wrap_strdup(const char *s)
{
    return call_fails(K_ALLOC, s) ? NULL : ours(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
    return call_fails(K_ALLOC, s) ? NULL : ours(__real_strndup(s, n));
}

/* glibc 2.36 leaves *out undefined on failure (asprintf(3)); so what a caller reads there is no accident. */
__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *fmt, ...)
{
    if (call_fails(K_ALLOC, fmt)) {
        *out = (char *)(uintptr_t)16;
        return -1;
    }
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(out, fmt, ap);
    va_end(ap);
    if (n >= 0)
        ours(*out);
    return n;
}

FILE *__wrap_open_memstream(char **out, size_t *n)
{
    return call_fails(K_ALLOC, NULL) ? NULL : ours(__real_open_memstream(out, n));
}

char *__wrap_getcwd(char *buf, size_t n)
{
    if (call_fails(K_ALLOC, NULL))
        return NULL;
    char *path = __real_getcwd(buf, n);
    return buf ? path : ours(path);
}

void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t from)
{
    return call_fails(K_ALLOC, NULL) ? MAP_FAILED : __real_mmap64(at, n, prot, flags, fd, from);
}

/* ---- the libraries' memory ---- */

static void *curl_counted(void *p)
{
    if (p && now && now->armed)
        now->curl_live++;
    return p;
}

static void *curl_malloc(size_t n)
{
    return call_fails(K_CURL_ALLOC, NULL) ? NULL : curl_counted(__real_malloc(n));
}

static void *curl_calloc(size_t n, size_t each)
{
    return call_fails(K_CURL_ALLOC, NULL) ? NULL : curl_counted(__real_calloc(n, each));
}

static void *curl_realloc(void *p, size_t n)
{
    if (call_fails(K_CURL_ALLOC, NULL))
        return NULL;
    void *q = __real_realloc(p, n);
    return p ? q : curl_counted(q);
}

static char *curl_strdup(const char *s)
{
    return call_fails(K_CURL_ALLOC, s) ? NULL : curl_counted(__real_strdup(s));
}

static void curl_release(void *p)
{
    if (p && now && now->armed)
        now->curl_live--;
    __real_free(p);
}

/* While libcrypto 3.0 starts, in the first call that needs it, it does not look whether it got memory; and it loses an entry
 * of its table of names that it had no memory for. The first fetch makes that table. */
static bool crypto_starts;

static bool crypto_fails(void)
{
    return !crypto_starts && call_fails(K_CRYPTO_ALLOC, NULL);
}

REAL(CURLcode, curl_global_init, long flags)
CURLcode __wrap_curl_global_init(long flags)
{
    if (call_fails(K_GLOBAL_INIT, NULL))
        return CURLE_FAILED_INIT;
    crypto_starts = true;
    CURLcode rc = curl_global_init_mem(flags, curl_malloc, curl_release, curl_realloc, curl_strdup, curl_calloc);
    EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
    crypto_starts = false;
    if (now)
        now->curl_live = 0; /* what libcurl holds as long as the process lives */
    return rc;
}

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return n == 0 || crypto_fails() ? NULL : __real_malloc(n);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return crypto_fails() ? NULL : __real_realloc(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    __real_free(p);
}

void memory_take_over(void)
{
    cJSON_Hooks hooks = { __wrap_malloc, __wrap_free };
    cJSON_InitHooks(&hooks);
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        die("libcrypto has allocated before us");
}

/* ---- the rest ---- */

REAL(int, pthread_create, pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *ctx)
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *ctx)
{
    return call_fails(K_THREAD, NULL) ? EAGAIN : __real_pthread_create(t, attr, run, ctx);
}

#define SIMPLE(kind, type, name, what, parameters, ...)                                                                \
    REAL(type, name, PLAIN parameters)                                                                                 \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return call_fails(kind, what) ? -1 : __real_##name(__VA_ARGS__);                                               \
    }
#define PLAIN(...) __VA_ARGS__
SIMPLE(K_EVENTFD, int, eventfd, NULL, (unsigned n, int flags), n, flags)
SIMPLE(K_PIPE, int, pipe2, NULL, (int fds[2], int flags), fds, flags)
SIMPLE(K_SIGNALFD, int, signalfd, NULL, (int fd, const sigset_t *set, int flags), fd, set, flags)
SIMPLE(K_SOCKET, int, socket, NULL, (int family, int type, int protocol), family, type, protocol)
SIMPLE(K_SOCKNAME, int, getsockname, NULL, (int fd, struct sockaddr *a, socklen_t *n), fd, a, n)
SIMPLE(K_RANDOM, ssize_t, getrandom, NULL, (void *buf, size_t n, unsigned flags), buf, n, flags)
SIMPLE(K_STAT, int, stat64, path, (const char *path, struct stat64 *st), path, st)
SIMPLE(K_RENAME, int, rename, to, (const char *from, const char *to), from, to)
SIMPLE(K_UNLINK, int, unlink, path, (const char *path), path)
SIMPLE(K_POLL, int, poll, NULL, (struct pollfd * fds, nfds_t n, int ms), fds, n, ms)

REAL(int, getaddrinfo, const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    return call_fails(K_NAMES, name) ? EAI_MEMORY : __real_getaddrinfo(name, service, hints, out);
}

REAL(int, open64, const char *path, int flags, ...)
int __wrap_open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return call_fails(K_OPEN, path) ? -1 : __real_open64(path, flags, mode);
}

/* An eventfd cannot fail but for a full counter; files, pipes and terminals can. */
static bool is_stream(int fd)
{
    struct stat st;
    return fd <= 2 || (fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) != 0);
}

REAL(ssize_t, read, int fd, void *buf, size_t n)
ssize_t __wrap_read(int fd, void *buf, size_t n)
{
    return is_stream(fd) && call_fails(K_READ, NULL) ? -1 : __real_read(fd, buf, n);
}

REAL(ssize_t, write, int fd, const void *buf, size_t n)
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
    return is_stream(fd) && call_fails(K_WRITE, NULL) ? -1 : __real_write(fd, buf, n);
}
