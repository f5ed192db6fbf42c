#include "front/files.h"

#include "front/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_fd(char **out, int fd, const char *name, size_t max, struct hfp_err *err)
{
    size_t room = 4096, n = 0;
    char *text = malloc(room + 1);
    for (;;) {
        if (!text)
            return fault_nomem(err);
        ssize_t got = read(fd, text + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0 && !memchr(text, '\0', n))
                break;
            int rc = got < 0 ? fault(err, HFP_E_ARG, "%s: %s.", name, strerror(errno))
                             : fault(err, HFP_E_ARG, "%s: not a text file.", name);
            free(text);
            return rc;
        }
        n += (size_t)got;
        if (n > max) {
            free(text);
            return fault(err, HFP_E_ARG, "%s: longer than %zu bytes.", name, max);
        }
        if (n == room) {
            char *more = realloc(text, (room *= 2) + 1);
            if (!more)
                free(text);
            text = more;
        }
    }
    text[n] = '\0';
    *out = text;
    return HFP_OK;
}

int file_read(char **out, const char *path, size_t max, bool dash_is_stdin, struct hfp_err *err)
{
    if (dash_is_stdin && strcmp(path, "-") == 0)
        return read_fd(out, STDIN_FILENO, "standard input", max, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault(err, errno == ENOENT ? HFP_E_NO_FILE : HFP_E_ARG, "%s: %s.", path, strerror(errno));
    int rc = read_fd(out, fd, path, max, err);
    close(fd);
    return rc;
}

int file_open_plain(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int file_read_plain(char **out, const char *path, size_t max, struct hfp_err *err)
{
    int fd = file_open_plain(path);
    if (fd < 0)
        return fault(err, HFP_E_NO_FILE, "%s: no such file.", path);
    int rc = read_fd(out, fd, path, max, err);
    close(fd);
    return rc;
}

bool write_all(int fd, const void *data, size_t n)
{
    const char *at = data;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EAGAIN) { /* a terminal that another program set non-blocking */
            struct pollfd p = { .fd = fd, .events = POLLOUT };
            if (poll(&p, 1, 1000) <= 0)
                return false;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

static int open_temporary(struct out_file *f, const char *path, struct hfp_err *err)
{
    enum { TRIES = 8 }; /* 32 random bits: even one repeat means something is wrong */
    size_t room = strlen(path) + 16;
    char *name = malloc(room);
    if (!name)
        return fault_nomem(err);
    for (int i = 0; i < TRIES; i++) {
        unsigned random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            random = (unsigned)getpid() + (unsigned)i;
        snprintf(name, room, "%s.%08x.tmp", path, random);
        f->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (f->fd >= 0) {
            f->temporary = name;
            return HFP_OK;
        }
        if (errno != EEXIST)
            break;
    }
    int saved = errno;
    free(name);
    return fault(err, HFP_E_ARG, "%s: %s.", path, strerror(saved));
}

int out_file_open(struct out_file *f, const char *path, struct hfp_err *err)
{
    *f = OUT_FILE_CLOSED;
    f->path = strdup(path);
    if (!f->path)
        return fault_nomem(err);
    struct stat st;
    int rc = HFP_OK;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a reader must not hold us */
        if (f->fd < 0)
            rc = fault(err, HFP_E_ARG, "%s: %s.", path, strerror(errno));
    } else {
        rc = open_temporary(f, path, err);
    }
    if (rc)
        out_file_drop(f);
    return rc;
}

int file_replace(const char *path, const void *data, size_t n, struct hfp_err *err)
{
    struct out_file f = OUT_FILE_CLOSED;
    f.path = strdup(path);
    int rc = f.path ? open_temporary(&f, path, err) : fault_nomem(err);
    if (rc == HFP_OK)
        rc = out_file_write(&f, data, n, err);
    if (rc)
        out_file_drop(&f);
    else
        rc = out_file_commit(&f, err);
    return rc;
}

int out_file_write(struct out_file *f, const void *data, size_t n, struct hfp_err *err)
{
    if (!write_all(f->fd, data, n))
        return fault(err, HFP_E_IO, "%s: %s.", f->path, strerror(errno));
    return HFP_OK;
}

int out_file_commit(struct out_file *f, struct hfp_err *err)
{
    int fd = f->fd;
    f->fd = -1;
    int rc = HFP_OK;
    if (close(fd) < 0) /* NFS and quotas report late */
        rc = fault(err, HFP_E_IO, "%s: %s.", f->path, strerror(errno));
    if (rc == HFP_OK && f->temporary && rename(f->temporary, f->path) < 0)
        rc = fault(err, HFP_E_IO, "%s: %s.", f->path, strerror(errno));
    if (rc == HFP_OK) {
        free(f->temporary);
        f->temporary = NULL;
    }
    out_file_drop(f);
    return rc;
}

void out_file_drop(struct out_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary);
    free(f->temporary);
    free(f->path);
    *f = OUT_FILE_CLOSED;
}

static char *user_home(const char *name, size_t n, char *(*lookup)(const char *name))
{
    if (n == 0 && lookup("HOME"))
        return strdup(lookup("HOME"));
    char user[64], buf[4096]; /* one line of the user database */
    struct passwd pw, *found = NULL;
    if (n >= sizeof user)
        return NULL;
    memcpy(user, name, n);
    user[n] = '\0';
    int rc = n ? getpwnam_r(user, &pw, buf, sizeof buf, &found) : getpwuid_r(getuid(), &pw, buf, sizeof buf, &found);
    return rc == 0 && found ? strdup(found->pw_dir) : NULL;
}

static size_t name_length(const char *s)
{
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

/* At "$NAME" or "${NAME}" (s is behind the $): its value and how many bytes it takes in s; NULL when there is none. */
static const char *variable(const char *s, size_t *used, char *(*lookup)(const char *name))
{
    char name[256];
    bool braces = *s == '{';
    size_t n = name_length(s + braces);
    if (n == 0 || n >= sizeof name || (braces && s[1 + n] != '}'))
        return NULL;
    memcpy(name, s + braces, n);
    name[n] = '\0';
    *used = n + 2 * braces;
    return lookup(name);
}

char *path_expand(const char *path, char *(*lookup)(const char *name))
{
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    if (!f)
        return NULL;
    if (*path == '~') {
        size_t len = strcspn(path + 1, "/");
        char *home = user_home(path + 1, len, lookup);
        if (home) {
            fputs(home, f);
            path += 1 + len;
        }
        free(home);
    }
    while (*path) {
        size_t used = 0;
        const char *value = *path == '$' ? variable(path + 1, &used, lookup) : NULL;
        if (value)
            fputs(value, f);
        else
            fputc(*path, f);
        path += 1 + used * (value != NULL);
    }
    if (fclose(f) != 0) {
        free(out);
        return NULL;
    }
    return out;
}

char *path_join(const char *folder, const char *name)
{
    char *out = NULL;
    size_t n = strlen(folder);
    if (asprintf(&out, "%s%s%s", folder, n == 0 || folder[n - 1] == '/' ? "" : "/", name) < 0)
        return NULL;
    return out;
}

char *path_absolute(const char *path)
{
    if (*path == '/')
        return strdup(path);
    char *here = getcwd(NULL, 0);
    char *out = here && *path ? path_join(here, path) : here ? strdup(here) : NULL;
    free(here);
    return out;
}
