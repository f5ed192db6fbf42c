#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Inodes, names and paths of the simulated disk, and what the world around does to it. */

#define LINKS_MAX 16

struct disk *disk;

/* ---- inodes ---- */

struct inode *inode_new(mode_t mode)
{
    struct inode *i = calloc(1, sizeof *i);
    i->mode = mode;
    i->ino = disk->next_ino++;
    i->mtime.tv_sec = i->ctime.tv_sec = (time_t)(sim->now_ns / NS_PER_S);
    i->mtime.tv_nsec = i->ctime.tv_nsec = (long)(sim->now_ns % NS_PER_S);
    i->all = disk->all;
    disk->all = i;
    return i;
}

struct inode *entries_find(const struct entries *e, const char *name)
{
    for (unsigned i = 0; i < e->n; i++)
        if (strcmp(e->list[i].name, name) == 0)
            return e->list[i].inode;
    return NULL;
}

void entries_set(struct entries *e, const char *name, struct inode *inode)
{
    for (unsigned i = 0; i < e->n; i++) {
        if (strcmp(e->list[i].name, name) != 0)
            continue;
        if (inode)
            e->list[i].inode = inode;
        else
            e->list[i] = e->list[--e->n];
        return;
    }
    if (!inode)
        return;
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 8;
        e->list = realloc(e->list, e->cap * sizeof *e->list);
    }
    snprintf(e->list[e->n].name, sizeof e->list[0].name, "%s", name);
    e->list[e->n++].inode = inode;
}

void inode_touch(struct inode *i)
{
    sim->now_ns++; /* no two changes share a time stamp */
    i->mtime.tv_sec = i->ctime.tv_sec = (time_t)(sim->now_ns / NS_PER_S);
    i->mtime.tv_nsec = i->ctime.tv_nsec = (long)(sim->now_ns % NS_PER_S);
}

void inode_resize(struct inode *i, uint64_t size)
{
    if (size > i->cap) {
        i->cap = size * 2;
        i->data = realloc(i->data, (size_t)i->cap);
    }
    if (size > i->size)
        memset(i->data + i->size, 0, (size_t)(size - i->size));
    disk->used += size - i->size;
    i->size = size;
}

void inode_write(struct inode *i, const void *buf, size_t n, uint64_t at)
{
    if (at + n > i->size)
        inode_resize(i, at + n);
    memcpy(i->data + at, buf, n);
    if (i->unsynced_n == i->unsynced_cap) {
        i->unsynced_cap = i->unsynced_cap ? 2 * i->unsynced_cap : 8;
        i->unsynced = realloc(i->unsynced, i->unsynced_cap * sizeof *i->unsynced);
    }
    i->unsynced[i->unsynced_n++] = (struct extent){ at, n };
    inode_touch(i);
}

/* ---- paths ---- */

static struct inode *walk(struct inode *base, const char *path, bool follow, struct inode **parent, char last[256],
                          unsigned depth)
{
    struct inode *at = *path == '/' ? disk->root : base, *up = at;
    char part[256] = ".";
    while (at) {
        while (*path == '/')
            path++;
        if (!*path)
            break;
        size_t n = strcspn(path, "/");
        bool is_last = path[n + strspn(path + n, "/")] == 0;
        snprintf(part, sizeof part, "%.*s", (int)MIN(n, sizeof part - 1), path);
        path += n;
        if (!S_ISDIR(at->mode)) {
            errno = ENOTDIR;
            return NULL;
        }
        up = at;
        if (strcmp(part, ".") == 0)
            continue;
        at = strcmp(part, "..") == 0 ? entries_find(&up->now, "..") : entries_find(&up->now, part);
        if (at && S_ISLNK(at->mode) && (!is_last || follow)) {
            char target[512];
            snprintf(target, sizeof target, "%.*s", (int)at->size, (const char *)at->data);
            if (depth >= LINKS_MAX) {
                errno = ELOOP;
                return NULL;
            }
            at = walk(up, target, true, NULL, NULL, depth + 1);
        }
        if (!at && !is_last) {
            errno = ENOENT;
            return NULL;
        }
    }
    if (parent)
        *parent = up;
    if (last)
        memcpy(last, part, sizeof part);
    if (!at)
        errno = ENOENT;
    return at;
}

struct inode *disk_walk(struct inode *base, const char *path, bool follow, struct inode **parent, char last[256])
{
    if (parent)
        *parent = NULL;
    return walk(base, path, follow, parent, last, 0);
}

/* ---- for the world around ---- */

void disk_put(const char *path, const void *data, size_t n)
{
    struct inode *at = disk->root;
    char part[256];
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t k = strcspn(p, "/");
        snprintf(part, sizeof part, "%.*s", (int)k, p);
        p += k;
        struct inode *next = entries_find(&at->now, part);
        if (!next) {
            next = inode_new(*p ? S_IFDIR | 0755 : S_IFREG | 0644);
            if (*p) {
                entries_set(&next->now, "..", at);
                entries_set(&next->kept, "..", at);
            }
            entries_set(&at->now, part, next);
            entries_set(&at->kept, part, next);
        }
        at = next;
    }
    inode_resize(at, n);
    if (n)
        memcpy(at->data, data, n);
    inode_sync(at, false);
}

void disk_new(uint64_t capacity_bytes)
{
    disk = calloc(1, sizeof *disk);
    disk->capacity = capacity_bytes;
    disk->next_ino = 2;
    disk->journal = sim_random(2) == 0;
    disk->direct = (enum disk_direct)sim_random(DIRECT_KINDS);
    disk->quota = sim_random(2) == 0;
    disk->root = inode_new(S_IFDIR | 0755);
    entries_set(&disk->root->now, "..", disk->root);
    entries_set(&disk->root->kept, "..", disk->root);
    disk_put("/proc/self/ns/pid", "", 0);
    disk_put("/cache/.here", "", 0);
}

void disk_free(void)
{
    disk_close_all();
    while (disk->all) {
        struct inode *i = disk->all;
        disk->all = i->all;
        free(i->data);
        free(i->safe);
        free(i->unsynced);
        free(i->now.list);
        free(i->kept.list);
        free(i);
    }
    free(disk->ops);
    free(disk);
    disk = NULL;
}

void disk_new_process(void)
{
    char path[64], text[128];
    disk_close_all();
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    int n = snprintf(text, sizeof text, "%d (sim) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %u 0", (int)getpid(),
                     1000 + sim->incarnation);
    disk_put(path, text, (size_t)n);
    n = snprintf(text, sizeof text, "boot-%u\n", sim->faults.power ? sim->incarnation : 0);
    disk_put("/proc/sys/kernel/random/boot_id", text, (size_t)n);
}

const uint8_t *disk_content(const char *path, uint64_t *size_bytes)
{
    struct inode *i = disk_walk(disk->root, path, true, NULL, NULL);
    if (!i || !S_ISREG(i->mode))
        return NULL;
    *size_bytes = i->size;
    return i->data ? i->data : (const uint8_t *)"";
}

/* What careless hands do to a finished file: 1 changes it in place, 2 puts a damaged copy there with the old time stamp
 * (cp -p, rsync), 3 a copy without a fault. */
void disk_rot(const char *path, uint64_t at, unsigned how)
{
    struct inode *i = disk_walk(disk->root, path, true, NULL, NULL);
    if (!i || at >= i->size)
        return;
    struct timespec mtime = i->mtime;
    if (how < 3)
        i->data[at] ^= 16;
    inode_touch(i);
    if (how > 1) {
        i->ino = disk->next_ino++;
        i->mtime = mtime;
    }
    inode_sync(i, true);
}

void disk_each(const char *folder, void (*each)(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx),
               void *ctx)
{
    struct inode *dir = disk_walk(disk->root, folder, true, NULL, NULL);
    for (unsigned k = 0; dir && k < dir->now.n; k++)
        if (S_ISREG(dir->now.list[k].inode->mode))
            each(dir->now.list[k].name, dir->now.list[k].inode->data, dir->now.list[k].inode->size, ctx);
}

void disk_set_capacity(uint64_t bytes)
{
    disk->capacity = bytes;
}

uint64_t disk_changes(void)
{
    return disk->changes;
}
