/* Which process writes a file: /proc/PID/fd and fdinfo, as far as we may look into other people's. */
#include "front/foreign_inside.h"

#include "front/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 4096 /* of one process: a server with more is no downloader */

/* "flags:" of fdinfo is octal; the low two bits are the access mode (open(2)). */
static bool writes(const char *proc, const char *fd)
{
    char path[300], *text = NULL, *flags;
    snprintf(path, sizeof path, "%s/fdinfo/%s", proc, fd);
    if (file_read(&text, path, 65536, false, NULL))
        return false;
    flags = strstr(text, "flags:");
    bool yes = flags && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
    free(text);
    return yes;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The program's name, and the verb where it has verbs: "hf download" says more than "python3.11". */
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

static void look(struct foreign_download *const *d, size_t n, const char *proc, long pid)
{
    char folder[64];
    snprintf(folder, sizeof folder, "%s/fd", proc);
    DIR *list = opendir(folder);
    unsigned left = FDS_MAX;
    for (struct dirent *e; list && left-- > 0 && (e = readdir(list)) != NULL;) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(list), e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
            continue;
        for (size_t i = 0; i < n; i++) {
            if (d[i]->pid || d[i]->dev != (uint64_t)st.st_dev || d[i]->ino != (uint64_t)st.st_ino ||
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
