/* A folder read whole: names, contents, links; copied and removed. */
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("inject: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\n", stderr);
    va_end(ap);
    exit(2);
}

char *text(const char *fmt, ...)
{
    char *out = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&out, fmt, ap) < 0)
        die("no memory");
    va_end(ap);
    return out;
}

/* Calls f for each name in the folder, with its whole path. */
static void each(const char *folder, void (*f)(const char *path, const struct stat *st, void *ctx), void *ctx)
{
    DIR *dir = opendir(folder);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        struct stat st;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        char *path = text("%s/%s", folder, d->d_name);
        if (lstat(path, &st) < 0)
            die("%s: %s", path, strerror(errno));
        f(path, &st, ctx);
        free(path);
    }
    if (dir)
        closedir(dir);
}

static char *content(const char *path, const struct stat *st, size_t *n)
{
    *n = S_ISDIR(st->st_mode) ? 0 : (size_t)st->st_size;
    char *data = calloc(*n + 1, 1);
    ssize_t got = 0;
    int fd = -1;
    if (S_ISLNK(st->st_mode))
        got = readlink(path, data, *n);
    else if (S_ISREG(st->st_mode) && (fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
        got = read(fd, data, *n);
    if (got != (ssize_t)*n)
        die("%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return data;
}

/* docs/formats/cache.md: what may be read without looking whether somebody is at it. */
static bool is_final(const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    if (S_ISDIR(mode))
        return false;
    if (strstr(path, "/trees/"))
        return n > 5 && strcmp(base + n - 5, ".json") == 0;
    if (strncmp(path, "local/", 6) == 0)
        return strncmp(path, "local/.cache/", 13) != 0 || strstr(path, "/.hf-pull/refs/") != NULL;
    return strstr(path, "/snapshots/") || strstr(path, "/refs/") || (strstr(path, "/blobs/") && !strchr(base, '.'));
}

struct reading {
    struct tree *tree;
    size_t root_n;
};

static void add(const char *path, const struct stat *st, void *ctx)
{
    struct reading *r = ctx;
    struct tree *t = r->tree;
    t->entry = reallocarray(t->entry, t->n + 1, sizeof *t->entry);
    struct entry *e = &t->entry[t->n++];
    *e = (struct entry){ .path = strdup(path + r->root_n + 1), .mode = st->st_mode };
    e->data = content(path, st, &e->n);
    e->final = is_final(e->path, e->mode);
    if (S_ISDIR(st->st_mode))
        each(path, add, ctx);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

void tree_read(struct tree *t, const char *root)
{
    struct reading r = { t, strlen(root) };
    *t = (struct tree){ 0 };
    each(root, add, &r);
    if (t->n)
        qsort(t->entry, t->n, sizeof *t->entry, by_path);
}

void tree_free(struct tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->entry[i].path);
        free(t->entry[i].data);
    }
    free(t->entry);
    *t = (struct tree){ 0 };
}

const struct entry *tree_find(const struct tree *t, const char *path)
{
    struct entry wanted = { .path = (char *)(uintptr_t)path };
    return t->n ? bsearch(&wanted, t->entry, t->n, sizeof wanted, by_path) : NULL;
}

bool entry_same(const struct entry *a, const struct entry *b)
{
    return (a->mode & S_IFMT) == (b->mode & S_IFMT) && a->n == b->n && memcmp(a->data, b->data, a->n) == 0;
}

static void make_parents(const char *path)
{
    char *part = strdup(path);
    for (char *c = strchr(part + 1, '/'); c; c = strchr(c + 1, '/')) {
        *c = 0;
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            die("%s: %s", part, strerror(errno));
        *c = '/';
    }
    free(part);
}

void file_put(const char *path, const void *data, size_t n)
{
    make_parents(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd) < 0)
        die("%s: %s", path, strerror(errno));
}

void tree_copy(const char *from, const char *to)
{
    struct tree t;
    tree_read(&t, from);
    for (size_t i = 0; i < t.n; i++) {
        const struct entry *e = &t.entry[i];
        char *path = text("%s/%s", to, e->path);
        make_parents(path);
        if (S_ISDIR(e->mode) && mkdir(path, 0777) < 0 && errno != EEXIST)
            die("%s: %s", path, strerror(errno));
        else if (S_ISLNK(e->mode) && symlink(e->data, path) < 0)
            die("%s: %s", path, strerror(errno));
        else if (S_ISREG(e->mode))
            file_put(path, e->data, e->n);
        free(path);
    }
    tree_free(&t);
}

static void remove_one(const char *path, const struct stat *st, void *ctx)
{
    (void)ctx;
    if (S_ISDIR(st->st_mode))
        each(path, remove_one, NULL);
    if (remove(path) < 0)
        die("%s: %s", path, strerror(errno));
}

void tree_remove(const char *root)
{
    each(root, remove_one, NULL);
    rmdir(root);
}
