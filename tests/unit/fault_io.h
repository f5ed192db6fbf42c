/* fault_io.h: a disk that fails, or a power switch, at the Nth call of a kind.
 *
 *   fault_install();                          put the hooked table in place of the kernel's
 *   fault_arm(FAULT_RENAME, 2, EIO);          the second rename from now fails once with EIO
 *   fault_kill_at(5);                         the fifth changing call from now ends the process instead of running
 *   fault_calls(FAULT_FSYNC)                  how many of a kind ran since fault_reset()
 *
 * Single-threaded tests only. A call that is made to fail has no effect at all. */
#ifndef HFP_TESTS_FAULT_IO_H
#define HFP_TESTS_FAULT_IO_H

#include "base/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum fault_kind {
    FAULT_CREATE,
    FAULT_OPEN,
    FAULT_WRITE,
    FAULT_FSYNC,
    FAULT_RENAME,
    FAULT_UNLINK,
    FAULT_MKDIR,
    FAULT_SYMLINK,
    FAULT_TRUNCATE,
    FAULT_FALLOCATE,
    FAULT_CHMOD,
    FAULT_CHOWN,
    FAULT_FLOCK,
    FAULT_STAT,
    FAULT_FDOPENDIR,
    FAULT_READDIR,
    FAULT_READLINK,
    FAULT_OTHER,
    FAULT_KINDS
};

#define FAULT_KILLED 77 /* exit status of a process that reached its switch */

static struct {
    unsigned calls[FAULT_KINDS], changes, nth[FAULT_KINDS], kill_at;
    int errnum[FAULT_KINDS];
    bool always[FAULT_KINDS];
} fault;

static inline bool fault_hit(enum fault_kind kind)
{
    bool changes = kind == FAULT_CREATE || (kind >= FAULT_WRITE && kind <= FAULT_CHOWN && kind != FAULT_FALLOCATE);
    fault.calls[kind]++;
    if (changes && ++fault.changes == fault.kill_at)
        _exit(FAULT_KILLED);
    if (fault.nth[kind] == 0 || (!fault.always[kind] && fault.calls[kind] != fault.nth[kind]) ||
        fault.calls[kind] < fault.nth[kind])
        return false;
    errno = fault.errnum[kind];
    return true;
}

static int fault_openat(int dir, const char *path, int flags, mode_t mode)
{
    return fault_hit(flags & O_CREAT ? FAULT_CREATE : FAULT_OPEN) ? -1 : io_system.openat(dir, path, flags, mode);
}
static int fault_close(int fd)
{
    fault.calls[FAULT_OTHER]++;
    return io_system.close(fd);
}
static ssize_t fault_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    return fault_hit(FAULT_WRITE) ? -1 : io_system.pwrite(fd, buf, n, at);
}
static int fault_fsync(int fd)
{
    return fault_hit(FAULT_FSYNC) ? -1 : io_system.fsync(fd);
}
static int fault_fdatasync(int fd)
{
    return fault_hit(FAULT_FSYNC) ? -1 : io_system.fdatasync(fd);
}
static int fault_renameat(int a, const char *b, int c, const char *d)
{
    return fault_hit(FAULT_RENAME) ? -1 : io_system.renameat(a, b, c, d);
}
static int fault_unlinkat(int dir, const char *path, int flags)
{
    return fault_hit(FAULT_UNLINK) ? -1 : io_system.unlinkat(dir, path, flags);
}
static int fault_mkdirat(int dir, const char *path, mode_t mode)
{
    return fault_hit(FAULT_MKDIR) ? -1 : io_system.mkdirat(dir, path, mode);
}
static int fault_symlinkat(const char *target, int dir, const char *path)
{
    return fault_hit(FAULT_SYMLINK) ? -1 : io_system.symlinkat(target, dir, path);
}
static int fault_ftruncate(int fd, off_t size)
{
    return fault_hit(FAULT_TRUNCATE) ? -1 : io_system.ftruncate(fd, size);
}
static int fault_fallocate(int fd, int mode, off_t at, off_t n)
{
    return fault_hit(FAULT_FALLOCATE) ? -1 : io_system.fallocate(fd, mode, at, n);
}
static int fault_fchmod(int fd, mode_t mode)
{
    return fault_hit(FAULT_CHMOD) ? -1 : io_system.fchmod(fd, mode);
}
static int fault_fchownat(int dir, const char *path, uid_t uid, gid_t gid, int flags)
{
    return fault_hit(FAULT_CHOWN) ? -1 : io_system.fchownat(dir, path, uid, gid, flags);
}
static int fault_flock(int fd, int op)
{
    return fault_hit(FAULT_FLOCK) ? -1 : io_system.flock(fd, op);
}
static int fault_fstat(int fd, struct stat *st)
{
    return fault_hit(FAULT_STAT) ? -1 : io_system.fstat(fd, st);
}
static int fault_fstatat(int dir, const char *path, struct stat *st, int flags)
{
    return fault_hit(FAULT_STAT) ? -1 : io_system.fstatat(dir, path, st, flags);
}
static DIR *fault_fdopendir(int fd)
{
    return fault_hit(FAULT_FDOPENDIR) ? NULL : io_system.fdopendir(fd);
}
static struct dirent *fault_readdir(DIR *dir)
{
    return fault_hit(FAULT_READDIR) ? NULL : io_system.readdir(dir);
}
static ssize_t fault_readlinkat(int dir, const char *path, char *buf, size_t n)
{
    return fault_hit(FAULT_READLINK) ? -1 : io_system.readlinkat(dir, path, buf, n);
}

static struct io_ops fault_ops;

static inline void fault_reset(void)
{
    memset(&fault, 0, sizeof fault);
}

static inline void fault_install(void)
{
    fault_ops = io_system;
    fault_ops.openat = fault_openat;
    fault_ops.close = fault_close;
    fault_ops.pwrite = fault_pwrite;
    fault_ops.fsync = fault_fsync;
    fault_ops.fdatasync = fault_fdatasync;
    fault_ops.renameat = fault_renameat;
    fault_ops.unlinkat = fault_unlinkat;
    fault_ops.mkdirat = fault_mkdirat;
    fault_ops.symlinkat = fault_symlinkat;
    fault_ops.ftruncate = fault_ftruncate;
    fault_ops.fallocate = fault_fallocate;
    fault_ops.fchmod = fault_fchmod;
    fault_ops.fchownat = fault_fchownat;
    fault_ops.flock = fault_flock;
    fault_ops.fstat = fault_fstat;
    fault_ops.fstatat = fault_fstatat;
    fault_ops.fdopendir = fault_fdopendir;
    fault_ops.readdir = fault_readdir;
    fault_ops.readlinkat = fault_readlinkat;
    fault_reset();
    io = &fault_ops;
}

static inline void fault_arm(enum fault_kind kind, unsigned nth, int errnum)
{
    fault.calls[kind] = 0;
    fault.nth[kind] = nth;
    fault.errnum[kind] = errnum;
    fault.always[kind] = false;
}

/* Every call of the kind, until fault_reset(): a file system that cannot do it. */
static inline void fault_always(enum fault_kind kind, int errnum)
{
    fault_arm(kind, 1, errnum);
    fault.always[kind] = true;
}

static inline void fault_kill_at(unsigned nth)
{
    fault.changes = 0;
    fault.kill_at = nth;
}

static inline unsigned fault_calls(enum fault_kind kind)
{
    return fault.calls[kind];
}

static inline unsigned fault_all_calls(void)
{
    unsigned n = 0;
    for (int i = 0; i < FAULT_KINDS; i++)
        n += fault.calls[i];
    return n;
}

#endif
