/* Which files look like downloads that are not finished. */
#include "front/foreign_inside.h"

#include "front/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 16       /* repositories have folders, but not that deep */
#define ENTRIES_MAX 200000 /* looked at in one walk: a cache of some hundred repositories */
#define GROWING_S 300      /* a file without a telling name counts when it was touched so lately */

static const struct {
    const char *end, *by;
} endings[] = {
    { ".incomplete", "huggingface_hub" }, { ".partial", "" }, { ".part", "" }, { ".tmp", "" },
    { ".crdownload", "browser" },
};

struct walk {
    int64_t unix_s;
    unsigned left;
    foreign_found_fn *found;
    void *ctx;
};

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

/* <base>.<8 hex>.incomplete with <base>.<8 hex>.digests beside it: docs/formats/digests.md. */
static bool is_ours(int dir, const char *name)
{
    char digests[NAME_MAX + 16];
    size_t n = strlen(name) - strlen(".incomplete");
    if (!ends_with(name, ".incomplete") || n > NAME_MAX)
        return false;
    snprintf(digests, sizeof digests, "%.*s.digests", (int)n, name);
    return faccessat(dir, digests, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The data of an aria2 download has its final name; the control file beside it tells. */
static bool has_control(int dir, const char *name)
{
    char control[NAME_MAX + 16];
    snprintf(control, sizeof control, "%.*s.aria2", NAME_MAX, name);
    return faccessat(dir, control, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void consider(struct walk *w, int dir, const char *path, const char *name, const struct stat *st)
{
    if (ends_with(name, ".aria2") || is_ours(dir, name))
        return;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, endings[i].end)) {
            w->found(w->ctx, path, st, endings[i].by, false);
            return;
        }
    }
    if (has_control(dir, name))
        w->found(w->ctx, path, st, "aria2", false);
    else if (st->st_size > 0 && w->unix_s - (int64_t)st->st_mtim.tv_sec < GROWING_S)
        w->found(w->ctx, path, st, "", true);
}

static void walk(struct walk *w, int dir, const char *folder, unsigned depth)
{
    DIR *list = fdopendir(dir);
    if (!list) {
        close(dir);
        return;
    }
    for (struct dirent *e; w->left > 0 && (e = readdir(list)) != NULL;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".hf-pull") == 0 ||
            strcmp(e->d_name, ".locks") == 0) /* the last two: notes of ours, and files without content */
            continue;
        w->left--;
        if (fstatat(dirfd(list), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        char *path = path_join(folder, e->d_name);
        if (!path)
            break;
        if (S_ISREG(st.st_mode))
            consider(w, dirfd(list), path, e->d_name, &st);
        int below = S_ISDIR(st.st_mode) && depth < DEPTH_MAX
                        ? openat(dirfd(list), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                        : -1;
        if (below >= 0)
            walk(w, below, path, depth + 1);
        free(path);
    }
    closedir(list);
}

void foreign_walk(const char *folder, int64_t unix_s, foreign_found_fn *found, void *ctx)
{
    struct walk w = { .unix_s = unix_s, .left = ENTRIES_MAX, .found = found, .ctx = ctx };
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the user's own word may be a link */
    if (dir >= 0)
        walk(&w, dir, folder, 0);
}
