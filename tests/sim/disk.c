#include "disk.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

/* The table of system calls over the simulated disk. */

#define FDS 1024
#define FIRST_FD 1000 /* never a real descriptor: a call that bypasses base/io fails loudly */

static struct inode *fd_inode[FDS];
static bool fd_direct[FDS]; /* opened with O_DIRECT */
static bool fd_shares[FDS]; /* holds its inode's flock with others */

static void touch_ctime(struct inode *i)
{
    struct timespec mtime = i->mtime;
    inode_touch(i);
    i->mtime = mtime;
}

static struct inode *of_fd(int fd)
{
    if (fd == AT_FDCWD)
        return disk->root;
    if (fd < FIRST_FD || fd >= FIRST_FD + FDS || !fd_inode[fd - FIRST_FD]) {
        errno = EBADF;
        return NULL;
    }
    return fd_inode[fd - FIRST_FD];
}

/* Reads of a dead process fail; its writes have no effect; now and then a disk fails by itself. */
static bool refuse(bool changes)
{
    if (!sim->dead && changes && sim->ops_left != UINT64_MAX && sim->ops_left-- == 0)
        sim->dead = true;
    if (sim->dead || (changes && sim_chance(sim->faults.disk_error))) {
        errno = EIO;
        return true;
    }
    disk->changes += changes;
    return false;
}

static bool full(uint64_t grow)
{
    if (disk->used + grow <= disk->capacity)
        return false;
    errno = disk->quota ? EDQUOT : ENOSPC;
    return true;
}

/* The repository whose blobs this folder holds; -1: none. */
static int blobs_of(const struct inode *dir)
{
    char path[64];
    for (int r = 0; r < SIM_REPOS; r++) {
        snprintf(path, sizeof path, "/cache/models--sim--%s/blobs", repo_names[r]);
        if (disk_walk(disk->root, path, true, NULL, NULL) == dir)
            return r;
    }
    return -1;
}

/* ---- the table ---- */

static int d_openat(int dir, const char *path, int flags, mode_t mode)
{
    struct inode *base = of_fd(dir), *parent = NULL;
    char last[256];
    if (!base || refuse(flags & O_CREAT))
        return -1;
    struct inode *i = disk_walk(base, path, !(flags & O_NOFOLLOW), &parent, last);
    if (i && (flags & O_CREAT) && (flags & O_EXCL))
        return errno = EEXIST, -1;
    if (!i && (!(flags & O_CREAT) || !parent))
        return errno = ENOENT, -1;
    if (!i) {
        i = inode_new(S_IFREG | (mode & 0777 & ~022u));
        dir_change(parent, last, i, ++disk->group);
    }
    if (S_ISLNK(i->mode))
        return errno = ELOOP, -1;
    if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
        return errno = ENOTDIR, -1;
    if ((flags & O_TRUNC) && S_ISREG(i->mode)) {
        inode_resize(i, 0);
        i->truncated = true;
        inode_touch(i);
    }
    if ((flags & O_DIRECT) && disk->direct == DIRECT_NONE)
        return errno = EINVAL, -1;
    for (int fd = 0; fd < FDS; fd++)
        if (!fd_inode[fd]) {
            fd_inode[fd] = i;
            fd_direct[fd] = flags & O_DIRECT;
            i->opens++;
            return fd + FIRST_FD;
        }
    sim_fail("more than %d open files", FDS);
    return errno = EMFILE, -1;
}

static void unlock(struct inode *i, int fd)
{
    bool *shares = &fd_shares[fd - FIRST_FD];
    i->lock = i->lock == fd ? 0 : i->lock;
    i->shares -= *shares;
    *shares = false;
}

static int d_close(int fd)
{
    struct inode *i = of_fd(fd);
    if (!i)
        return -1;
    unlock(i, fd);
    i->opens--;
    fd_inode[fd - FIRST_FD] = NULL;
    return 0;
}

void disk_close_all(void)
{
    for (int fd = 0; fd < FDS; fd++)
        if (fd_inode[fd])
            d_close(fd + FIRST_FD);
}

static ssize_t d_pread(int fd, void *buf, size_t n, off_t at)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(false))
        return -1;
    if ((uint64_t)at >= i->size)
        return 0;
    n = MIN(n, i->size - (uint64_t)at);
    memcpy(buf, i->data + at, n);
    return (ssize_t)n;
}

/* Of a direct descriptor: whole sectors of aligned memory, or EINVAL; and some take none of it when it comes to that. */
static bool direct_refused(const void *buf, size_t n, off_t at)
{
    bool aligned = (uintptr_t)buf % DIRECT_ALIGN == 0 && n % DIRECT_ALIGN == 0 && at % DIRECT_ALIGN == 0;
    return !aligned || disk->direct == DIRECT_PRETENDS || (disk->direct == DIRECT_MOODY && sim_random(10) == 0);
}

static ssize_t d_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(true))
        return -1;
    if (fd_direct[fd - FIRST_FD] && direct_refused(buf, n, at))
        return errno = EINVAL, -1;
    uint64_t end = (uint64_t)at + n, grow = end > i->size ? end - i->size : 0;
    if (full(grow))
        return -1;
    if (n > 1 && sim_random(50) == 0)
        n = 1 + (size_t)sim_random(n - 1); /* a short write */
    if (fd_direct[fd - FIRST_FD])
        n = MAX(n / DIRECT_ALIGN, 1) * DIRECT_ALIGN; /* of whole sectors */
    inode_write(i, buf, n, (uint64_t)at);
    return (ssize_t)n;
}

static int d_fsync(int fd)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(true))
        return -1;
    inode_sync(i, false);
    return 0;
}

static int d_sync_range(int fd, off_t at, off_t n, unsigned flags)
{
    (void)at, (void)n, (void)flags; /* starts write-back, promises nothing */
    return of_fd(fd) && !refuse(false) ? 0 : -1;
}

static int d_ftruncate(int fd, off_t size)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(true))
        return -1;
    inode_resize(i, (uint64_t)size);
    inode_sync(i, false);
    inode_touch(i);
    return 0;
}

static int d_fallocate(int fd, int mode, off_t at, off_t n)
{
    struct inode *i = of_fd(fd);
    (void)mode;
    if (!i || refuse(true))
        return -1;
    uint64_t end = (uint64_t)at + (uint64_t)n, grow = end > i->size ? end - i->size : 0;
    return full(grow) ? -1 : 0;
}

static int d_renameat(int old_dir, const char *old, int new_dir, const char *new_)
{
    struct inode *a = of_fd(old_dir), *b = of_fd(new_dir), *from = NULL, *to = NULL;
    char old_name[256], new_name[256];
    if (!a || !b || refuse(true))
        return -1;
    struct inode *i = disk_walk(a, old, false, &from, old_name);
    disk_walk(b, new_, false, &to, new_name);
    if (!i || !to)
        return errno = ENOENT, -1;
    uint64_t group = ++disk->group;
    if (S_ISREG(i->mode))
        check_rename(blobs_of(to), new_name, i->data, i->size);
    dir_change(from, old_name, NULL, group);
    dir_change(to, new_name, i, group);
    touch_ctime(i);
    return 0;
}

static int d_unlinkat(int dir, const char *path, int flags)
{
    struct inode *base = of_fd(dir), *parent = NULL;
    char last[256];
    (void)flags;
    if (!base || refuse(true))
        return -1;
    struct inode *i = disk_walk(base, path, false, &parent, last);
    if (!i)
        return -1;
    dir_change(parent, last, NULL, ++disk->group);
    return 0;
}

static int d_mkdirat(int dir, const char *path, mode_t mode)
{
    struct inode *base = of_fd(dir), *parent = NULL;
    char last[256];
    if (!base || refuse(true))
        return -1;
    if (disk_walk(base, path, true, &parent, last))
        return errno = EEXIST, -1;
    if (!parent)
        return errno = ENOENT, -1;
    struct inode *i = inode_new(S_IFDIR | (mode & 0777 & ~022u));
    entries_set(&i->now, "..", parent);
    entries_set(&i->kept, "..", parent);
    dir_change(parent, last, i, ++disk->group);
    return 0;
}

static int d_symlinkat(const char *target, int dir, const char *path)
{
    struct inode *base = of_fd(dir), *parent = NULL;
    char last[256];
    if (!base || refuse(true))
        return -1;
    if (disk_walk(base, path, false, &parent, last))
        return errno = EEXIST, -1;
    if (!parent)
        return errno = ENOENT, -1;
    struct inode *i = inode_new(S_IFLNK | 0777);
    inode_resize(i, strlen(target));
    memcpy(i->data, target, strlen(target));
    dir_change(parent, last, i, ++disk->group);
    return 0;
}

static ssize_t d_readlinkat(int dir, const char *path, char *buf, size_t n)
{
    struct inode *base = of_fd(dir);
    if (!base || refuse(false))
        return -1;
    struct inode *i = disk_walk(base, path, false, NULL, NULL);
    if (!i || !S_ISLNK(i->mode))
        return errno = i ? EINVAL : ENOENT, -1;
    n = MIN(n, i->size);
    memcpy(buf, i->data, n);
    return (ssize_t)n;
}

static unsigned count_links(const struct inode *i)
{
    unsigned n = 0;
    for (const struct inode *d = disk->all; d; d = d->all)
        for (unsigned k = 0; k < d->now.n; k++)
            n += d->now.list[k].inode == i;
    return n;
}

static void stat_of(struct stat *st, const struct inode *i)
{
    memset(st, 0, sizeof *st);
    st->st_ino = i->ino;
    st->st_dev = 1;
    st->st_mode = i->mode;
    st->st_size = (off_t)i->size;
    st->st_nlink = S_ISREG(i->mode) ? count_links(i) : 1;
    st->st_mtim = i->mtime;
    st->st_ctim = i->ctime;
    st->st_blocks = (blkcnt_t)(i->size / 512 + 1);
}

static int d_fstat(int fd, struct stat *st)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(false))
        return -1;
    stat_of(st, i);
    return 0;
}

static int d_fstatat(int dir, const char *path, struct stat *st, int flags)
{
    struct inode *base = of_fd(dir);
    if (!base || refuse(false))
        return -1;
    struct inode *i = disk_walk(base, path, !(flags & AT_SYMLINK_NOFOLLOW), NULL, NULL);
    if (!i)
        return -1;
    stat_of(st, i);
    return 0;
}

static int d_fchmod(int fd, mode_t mode)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(true))
        return -1;
    i->mode = (i->mode & S_IFMT) | (mode & 07777);
    touch_ctime(i);
    return 0;
}

static int d_fchownat(int dir, const char *path, uid_t uid, gid_t gid, int flags)
{
    (void)dir, (void)path, (void)uid, (void)gid, (void)flags;
    return 0;
}

static int d_flock(int fd, int op)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(false))
        return -1;
    bool shared = op & LOCK_SH, others = i->shares > fd_shares[fd - FIRST_FD];
    if (!(op & LOCK_UN) && ((i->lock != 0 && i->lock != fd) || (!shared && others)))
        return errno = EWOULDBLOCK, -1;
    unlock(i, fd);
    if (op & LOCK_UN)
        return 0;
    i->lock = shared ? 0 : fd;
    i->shares += shared;
    fd_shares[fd - FIRST_FD] = shared;
    return 0;
}

static int d_fstatvfs(int fd, struct statvfs *st)
{
    if (!of_fd(fd) || refuse(false))
        return -1;
    memset(st, 0, sizeof *st);
    st->f_frsize = st->f_bsize = 1;
    st->f_blocks = disk->capacity;
    /* The check before the first byte leaves a margin made for real disks; the faults here are about what comes after. */
    st->f_bavail = st->f_bfree = disk->capacity - MIN(disk->used, disk->capacity) + (UINT64_C(64) << 20);
    return 0;
}

static off_t d_lseek(int fd, off_t at, int whence)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(false))
        return -1;
    if (whence == SEEK_DATA)
        return (uint64_t)at < i->size ? at : (errno = ENXIO, -1);
    if (whence == SEEK_HOLE)
        return (uint64_t)at < i->size ? (off_t)i->size : (errno = ENXIO, -1);
    return errno = EINVAL, -1;
}

struct listing_dir {
    unsigned at, n;
    struct dirent entry;
    char (*names)[256];
};

static DIR *d_fdopendir(int fd)
{
    struct inode *i = of_fd(fd);
    if (!i || refuse(false))
        return NULL;
    struct listing_dir *d = calloc(1, sizeof *d);
    d->names = calloc(i->now.n + 1, sizeof *d->names);
    for (unsigned k = 0; k < i->now.n; k++)
        if (strcmp(i->now.list[k].name, "..") != 0)
            memcpy(d->names[d->n++], i->now.list[k].name, 256);
    d_close(fd);
    return (DIR *)d;
}

static struct dirent *d_readdir(DIR *dir)
{
    struct listing_dir *d = (struct listing_dir *)dir;
    if (refuse(false) || d->at == d->n)
        return NULL;
    memcpy(d->entry.d_name, d->names[d->at++], 256);
    return &d->entry;
}

static int d_closedir(DIR *dir)
{
    struct listing_dir *d = (struct listing_dir *)dir;
    free(d->names);
    free(d);
    return 0;
}

static int d_utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
    (void)dir, (void)path, (void)times, (void)flags;
    return refuse(true) ? -1 : 0;
}

static int d_direct_align(int fd, uint32_t *memory, uint32_t *offset)
{
    if (!of_fd(fd) || disk->direct == DIRECT_UNTOLD)
        return errno = ENOTSUP, -1;
    *memory = *offset = disk->direct == DIRECT_ZERO ? 0 : DIRECT_ALIGN;
    return 0;
}

const struct io_ops sim_disk = {
    .openat = d_openat,
    .close = d_close,
    .pread = d_pread,
    .pwrite = d_pwrite,
    .fsync = d_fsync,
    .fdatasync = d_fsync,
    .sync_range = d_sync_range,
    .ftruncate = d_ftruncate,
    .fallocate = d_fallocate,
    .renameat = d_renameat,
    .unlinkat = d_unlinkat,
    .mkdirat = d_mkdirat,
    .symlinkat = d_symlinkat,
    .readlinkat = d_readlinkat,
    .fstat = d_fstat,
    .fstatat = d_fstatat,
    .fchmod = d_fchmod,
    .fchownat = d_fchownat,
    .flock = d_flock,
    .fstatvfs = d_fstatvfs,
    .lseek = d_lseek,
    .fdopendir = d_fdopendir,
    .readdir = d_readdir,
    .closedir = d_closedir,
    .utimensat = d_utimensat,
    .direct_align = d_direct_align,
};
