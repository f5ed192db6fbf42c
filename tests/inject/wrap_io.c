/* The table of base/io.h over the kernel's, counting and failing. */
#include "inject.h"

#include "base/io.h"

#include <errno.h>

static int f_openat(int dir, const char *path, int flags, mode_t mode)
{
    if (!call_fails(K_OPENAT, path))
        return io_system.openat(dir, path, flags, mode);
    if (errno == ENOSPC && !(flags & O_CREAT)) /* only what makes something needs room */
        errno = EIO;
    return -1;
}

/* As the kernel does it: the descriptor is gone whatever close() says. */
static int f_close(int fd)
{
    bool fails = call_fails(K_CLOSE, NULL);
    int saved = errno, rc = io_system.close(fd);
    if (!fails)
        return rc;
    errno = saved;
    return -1;
}

static ssize_t f_pread(int fd, void *buf, size_t n, off_t at)
{
    if (!call_fails(K_PREAD, NULL))
        return io_system.pread(fd, buf, n, at);
    return plan_is(K_PREAD, SHORT) ? io_system.pread(fd, buf, (n + 1) / 2, at) : -1;
}

static ssize_t f_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    if (!call_fails(K_PWRITE, NULL))
        return io_system.pwrite(fd, buf, n, at);
    return plan_is(K_PWRITE, SHORT) ? io_system.pwrite(fd, buf, (n + 1) / 2, at) : -1;
}

static struct dirent *f_readdir(DIR *dir)
{
    return call_fails(K_READDIR, NULL) ? NULL : io_system.readdir(dir);
}

/* fdopendir() that fails leaves the descriptor to its caller. */
static DIR *f_fdopendir(int fd)
{
    return call_fails(K_FDOPENDIR, NULL) ? NULL : io_system.fdopendir(fd);
}

static int f_closedir(DIR *dir)
{
    bool fails = call_fails(K_CLOSEDIR, NULL);
    int rc = io_system.closedir(dir);
    return fails ? -1 : rc;
}

#define SIMPLE(kind, type, name, what, parameters, ...)                                                                \
    static type f_##name parameters                                                                                    \
    {                                                                                                                  \
        return call_fails(kind, what) ? -1 : io_system.name(__VA_ARGS__);                                              \
    }
SIMPLE(K_FSYNC, int, fsync, NULL, (int fd), fd)
SIMPLE(K_FDATASYNC, int, fdatasync, NULL, (int fd), fd)
SIMPLE(K_SYNC_RANGE, int, sync_range, NULL, (int fd, off_t at, off_t n, unsigned flags), fd, at, n, flags)
SIMPLE(K_FTRUNCATE, int, ftruncate, NULL, (int fd, off_t size), fd, size)
SIMPLE(K_FALLOCATE, int, fallocate, NULL, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
SIMPLE(K_RENAMEAT, int, renameat, to, (int from_dir, const char *from, int dir, const char *to), from_dir, from, dir,
       to)
SIMPLE(K_UNLINKAT, int, unlinkat, path, (int dir, const char *path, int flags), dir, path, flags)
SIMPLE(K_MKDIRAT, int, mkdirat, path, (int dir, const char *path, mode_t mode), dir, path, mode)
SIMPLE(K_SYMLINKAT, int, symlinkat, path, (const char *target, int dir, const char *path), target, dir, path)
SIMPLE(K_READLINKAT, ssize_t, readlinkat, path, (int dir, const char *path, char *buf, size_t n), dir, path, buf, n)
SIMPLE(K_FSTAT, int, fstat, NULL, (int fd, struct stat *st), fd, st)
SIMPLE(K_FSTATAT, int, fstatat, path, (int dir, const char *path, struct stat *st, int flags), dir, path, st, flags)
SIMPLE(K_FCHMOD, int, fchmod, NULL, (int fd, mode_t mode), fd, mode)
SIMPLE(K_FCHOWNAT, int, fchownat, path, (int dir, const char *path, uid_t u, gid_t g, int flags), dir, path, u, g,
       flags)
SIMPLE(K_FLOCK, int, flock, NULL, (int fd, int op), fd, op)
SIMPLE(K_FSTATVFS, int, fstatvfs, NULL, (int fd, struct statvfs *st), fd, st)
SIMPLE(K_LSEEK, off_t, lseek, NULL, (int fd, off_t at, int whence), fd, at, whence)
SIMPLE(K_UTIMENSAT, int, utimensat, path, (int dir, const char *path, const struct timespec t[2], int flags), dir, path,
       t, flags)
SIMPLE(K_DIRECT_ALIGN, int, direct_align, NULL, (int fd, uint32_t *memory, uint32_t *offset), fd, memory, offset)

/* A new row of the table is missing here: a call through it would end the program. */
_Static_assert(sizeof(struct io_ops) == 26 * sizeof(void (*)(void)), "every row of struct io_ops has its wrapper");

static const struct io_ops failing = {
    .openat = f_openat,
    .close = f_close,
    .pread = f_pread,
    .pwrite = f_pwrite,
    .fsync = f_fsync,
    .fdatasync = f_fdatasync,
    .sync_range = f_sync_range,
    .ftruncate = f_ftruncate,
    .fallocate = f_fallocate,
    .renameat = f_renameat,
    .unlinkat = f_unlinkat,
    .mkdirat = f_mkdirat,
    .symlinkat = f_symlinkat,
    .readlinkat = f_readlinkat,
    .fstat = f_fstat,
    .fstatat = f_fstatat,
    .fchmod = f_fchmod,
    .fchownat = f_fchownat,
    .flock = f_flock,
    .fstatvfs = f_fstatvfs,
    .lseek = f_lseek,
    .fdopendir = f_fdopendir,
    .readdir = f_readdir,
    .closedir = f_closedir,
    .utimensat = f_utimensat,
    .direct_align = f_direct_align,
};

void io_take_over(void)
{
    io = &failing;
}
