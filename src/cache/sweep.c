#include "cache/partial.h"

#include "cache/leftovers.h"
#include "cache/lock.h"

#include <stdio.h>
#include <string.h>

/* The longest, an index of a large file, takes minutes; clocks on a shared disk may differ by hours. */
#define MOMENT_S 86400

/* Open chunk maps go with the digests of the same name; without them they are nobody's. */
static void sweep_chunks(int dir, const char *base)
{
    size_t len = strlen(base);
    AUTO(dir_closep) DIR *list = io_list(dir, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        char digests[192];
        const char *end = strrchr(e->d_name, '.');
        if (strncmp(e->d_name, base, len) != 0 || e->d_name[len] != '.' || end == e->d_name + len ||
            strcmp(end, ".chunks") != 0)
            continue;
        int n = snprintf(digests, sizeof digests, "%.*s.digests", (int)(end - e->d_name), e->d_name);
        if (n < (int)sizeof digests && !io_exists(dir, digests))
            io->unlinkat(dir, e->d_name, 0);
    }
}

static void sweep(const struct place *p, int64_t unix_s)
{
    AUTO_FREE struct leftover *items = NULL;
    size_t n = 0;
    int dir = -1;
    AUTO(fd_closep) int own = -1;
    if (leftovers_open_dir(&dir, &own, p, NULL))
        return;
    if (leftovers_find(&items, &n, p, dir, true, unix_s, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        if (items[i].alive || items[i].closed)
            continue;
        /* Data first: killed in between, the digests alone are still seen as a leftover of this place. */
        if (items[i].data[0])
            io->unlinkat(dir, items[i].data, 0);
        if (items[i].digests[0])
            io->unlinkat(dir, items[i].digests, 0);
    }
    sweep_chunks(dir, p->part_base);
}

void partial_sweep(const struct place *p, int64_t unix_s)
{
    if (blocks_of(p->size_bytes) > 1)
        sweep(p, unix_s);
}

/* The etag of "<etag>.<anything>.incomplete|digests|chunks" or "<etag>.incomplete". */
static bool etag_of(char etag[65], const char *name)
{
    size_t n = strspn(name, "0123456789abcdef");
    const char *end = strrchr(name, '.');
    if ((n != 40 && n != 64) || name[n] != '.' ||
        (strcmp(end, ".incomplete") != 0 && strcmp(end, ".digests") != 0 && strcmp(end, ".chunks") != 0))
        return false;
    memcpy(etag, name, n);
    etag[n] = 0;
    return true;
}

static void sweep_published(const struct store *s, const char *etag, int64_t unix_s)
{
    struct stat st;
    struct content_id id;
    if (io->fstatat(s->blobs, etag, &st, 0) < 0 || !S_ISREG(st.st_mode) || content_id_parse(&id, etag))
        return;
    AUTO_FREE struct place *p = calloc(1, sizeof *p);
    if (!p)
        return;
    place_of(p, s, &id, (uint64_t)st.st_size, NULL, NULL);
    AUTO(fd_closep) int lock = -1;
    if (lock_try(&lock, p, NULL) == HFP_OK)
        sweep(p, unix_s);
}

/* What is ours for a moment (docs/formats/cache.md) and was left by a kill in that moment. */
static void sweep_moments(const struct store *s, int64_t unix_s)
{
    AUTO(dir_closep) DIR *list = io_list(s->receipts, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        struct stat st;
        const char *end = strrchr(e->d_name, '.');
        bool ours = end && (strcmp(end, ".tmp") == 0 || strncmp(e->d_name, "test.", 5) == 0 ||
                            strncmp(e->d_name, "link.", 5) == 0);
        if (ours && io->fstatat(s->receipts, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            unix_s - st.st_mtim.tv_sec > MOMENT_S)
            io->unlinkat(s->receipts, e->d_name, 0);
    }
}

void partial_sweep_all(const struct store *s, int64_t unix_s)
{
    char etag[65], last[65] = "";
    if (s->writable)
        sweep_moments(s, unix_s);
    if (s->blobs < 0 || !s->writable || s->is_local)
        return;
    AUTO(dir_closep) DIR *list = io_list(s->blobs, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        if (!etag_of(etag, e->d_name) || strcmp(etag, last) == 0)
            continue;
        memcpy(last, etag, sizeof last);
        sweep_published(s, etag, unix_s);
    }
}
