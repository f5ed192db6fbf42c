/* Which process writes a file: /proc/PID/fd and fdinfo, as far as we may look into other people's. */
#include "front/foreign_inside.h"

#include "front/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 4096 /* of one process: a server with more is no downloader */

/* "flags:" of fdinfo is octal; the low two bits are the access mode (open(2)). */
bool foreign_fd_writes(const char *text)
{
    const char *flags = strstr(text, "flags:");
    return flags && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static bool writes(const char *proc, const char *fd)
{
    char path[300], *text = NULL;
    snprintf(path, sizeof path, "%s/fdinfo/%s", proc, fd);
    if (file_read(&text, path, 65536, false, NULL))
        return false;
    bool yes = foreign_fd_writes(text);
    free(text);
    return yes;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The program's name, and the verb where it has verbs: "hf download" says more than "python3.11". */
void foreign_program(char out[static 64], const char *line, size_t n)
{
    const char *word = line, *next = word + strlen(word) + 1;
    bool runs_script = strncmp(base_name(word), "python", 6) == 0 && *next && *next != '-' && next < line + n;
    if (runs_script) {
        word = next;
        next = word + strlen(word) + 1;
    }
    bool verb = next < line + n && strcmp(next, "download") == 0;
    snprintf(out, 64, "%.40s%s", base_name(word), verb ? " download" : "");
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
}

static void name_process(char out[static 64], const char *proc)
{
    char path[64], line[4096];
    snprintf(path, sizeof path, "%s/cmdline", proc);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 2);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return;
    line[n] = line[n + 1] = '\0';
    foreign_program(out, line, (size_t)n);
}

/* The link of a descriptor says the name without asking the disk. To look at the file itself may hang for ever: it may lie
 * on any disk that somebody uses, and only those of that name can be ours. */
static const char *name_of(char to[static PATH_MAX], int fds, const char *fd)
{
    ssize_t n = readlinkat(fds, fd, to, PATH_MAX - 1);
    to[n > 0 ? n : 0] = '\0';
    return base_name(to);
}

static bool is(const struct foreign_download *d, int fds, const char *fd)
{
    struct stat st;
    return fstatat(fds, fd, &st, 0) == 0 && S_ISREG(st.st_mode) && d->dev == (uint64_t)st.st_dev &&
           d->ino == (uint64_t)st.st_ino;
}

static void look(struct foreign_download *const *d, size_t n, const char *proc, long pid)
{
    char folder[64];
    snprintf(folder, sizeof folder, "%s/fd", proc);
    DIR *list = opendir(folder);
    unsigned left = FDS_MAX;
    for (struct dirent *e; list && left-- > 0 && (e = readdir(list)) != NULL;) {
        char to[PATH_MAX];
        const char *name = name_of(to, dirfd(list), e->d_name);
        for (size_t i = 0; i < n && *name; i++) {
            if (d[i]->pid || strcmp(base_name(d[i]->path), name) != 0 || !is(d[i], dirfd(list), e->d_name) ||
                !writes(proc, e->d_name))
                continue;
            d[i]->pid = pid;
            name_process(d[i]->by, proc);
        }
    }
    if (list)
        closedir(list);
}

void foreign_writers(struct foreign_download *const *d, size_t n)
{
    DIR *list = n ? opendir("/proc") : NULL;
    for (struct dirent *e; list && (e = readdir(list)) != NULL;) {
        char proc[32], *end;
        long pid = strtol(e->d_name, &end, 10);
        if (*end || pid <= 0 || pid == (long)getpid())
            continue;
        snprintf(proc, sizeof proc, "/proc/%ld", pid);
        look(d, n, proc, pid);
    }
    if (list)
        closedir(list);
}
