#include "base/io.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

static int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags, mode);
}

static int sys_sync_range(int fd, off_t at, off_t n, unsigned flags)
{
    return sync_file_range(fd, at, n, flags);
}

static int sys_fstat(int fd, struct stat *st)
{
    return fstat(fd, st);
}

static int sys_fstatat(int dir, const char *path, struct stat *st, int flags)
{
    return fstatat(dir, path, st, flags);
}

/* Linux 6.1 and later say it, of those file systems that know it. */
static int sys_direct_align(int fd, uint32_t *memory, uint32_t *offset)
{
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && st.stx_mask & STATX_DIOALIGN) {
        *memory = st.stx_dio_mem_align;
        *offset = st.stx_dio_offset_align;
        return 0;
    }
#endif
    (void)fd, (void)memory, (void)offset;
    errno = ENOTSUP;
    return -1;
}

const struct io_ops io_system = {
    .openat = sys_openat,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .fsync = fsync,
    .fdatasync = fdatasync,
    .sync_range = sys_sync_range,
    .ftruncate = ftruncate,
    .fallocate = fallocate,
    .renameat = renameat,
    .unlinkat = unlinkat,
    .mkdirat = mkdirat,
    .symlinkat = symlinkat,
    .readlinkat = readlinkat,
    .fstat = sys_fstat,
    .fstatat = sys_fstatat,
    .fchmod = fchmod,
    .fchownat = fchownat,
    .flock = flock,
    .fstatvfs = fstatvfs,
    .lseek = lseek,
    .fdopendir = fdopendir,
    .readdir = readdir,
    .closedir = closedir,
    .utimensat = utimensat,
    .direct_align = sys_direct_align,
};

const struct io_ops *io = &io_system;

void fd_closep(int *fd)
{
    if (*fd >= 0)
        io->close(*fd);
    *fd = -1;
}

void dir_closep(DIR **dir)
{
    if (*dir)
        io->closedir(*dir);
    *dir = NULL;
}

int io_close(int *fd, struct hfp_err *err, const char *what)
{
    int taken = fd_steal(fd);
    /* Linux frees the descriptor even on EINTR: never call close twice. */
    if (taken >= 0 && io->close(taken) < 0 && errno != EINTR)
        return err_sys(err, HFP_E_IO, errno, "close %s", what);
    return HFP_OK;
}

int io_openat(int dir, const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = io->openat(dir, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int io_pread_some(int fd, void *buf, size_t n, uint64_t at, size_t *got, struct hfp_err *err)
{
    size_t have = 0;
    while (have < n) {
        ssize_t r = io->pread(fd, (uint8_t *)buf + have, n - have, (off_t)(at + have));
        if (r == 0)
            break;
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_sys(err, HFP_E_IO, errno, "read at %llu", (unsigned long long)(at + have));
        have += (size_t)r;
    }
    *got = have;
    return HFP_OK;
}

int io_pread_all(int fd, void *buf, size_t n, uint64_t at, struct hfp_err *err)
{
    size_t got = 0;
    int rc = io_pread_some(fd, buf, n, at, &got, err);
    if (rc)
        return rc;
    if (got < n)
        return err_set(err, HFP_E_IO, "file ends at %llu, expected %llu bytes", (unsigned long long)(at + got),
                       (unsigned long long)(at + n));
    return HFP_OK;
}

int io_pwrite_all(int fd, const void *buf, size_t n, uint64_t at, struct hfp_err *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = io->pwrite(fd, (const uint8_t *)buf + done, n - done, (off_t)(at + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return err_sys(err, HFP_E_IO, r == 0 ? ENOSPC : errno, "write at %llu", (unsigned long long)(at + done));
        done += (size_t)r;
    }
    return HFP_OK;
}

int io_fdatasync(int fd, struct hfp_err *err, const char *what)
{
    int rc;
    do
        rc = io->fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? err_sys(err, HFP_E_IO, errno, "fdatasync %s", what) : HFP_OK;
}

int io_fsync(int fd, struct hfp_err *err, const char *what)
{
    int rc;
    do
        rc = io->fsync(fd);
    while (rc < 0 && errno == EINTR);
    /* Some network file systems cannot sync a directory and say EINVAL: nothing we could do better. */
    return rc < 0 && errno != EINVAL ? err_sys(err, HFP_E_IO, errno, "fsync %s", what) : HFP_OK;
}

int io_fsync_entry(int dir, const char *path, struct hfp_err *err)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    if (!slash)
        return io_fsync(dir, err, "the folder");
    size_t n = (size_t)(slash - path) + (slash == path); /* "/" keeps its slash */
    if (n >= sizeof folder)
        return err_sys(err, HFP_E_ARG, ENAMETOOLONG, "sync a folder");
    memcpy(folder, path, n);
    folder[n] = 0;
    AUTO(fd_closep) int fd = io_openat(dir, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return err_sys(err, errno == ENOENT || errno == ENOTDIR ? HFP_E_NO_FILE : HFP_E_IO, errno, "open %s", folder);
    return io_fsync(fd, err, folder);
}

int io_read_file(char **out, size_t *n, int dir, const char *path, size_t max, struct hfp_err *err)
{
    AUTO(fd_closep) int fd = io_openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno == ENOENT || errno == ENOTDIR ? HFP_E_NO_FILE : HFP_E_IO, errno, "open %s", path);
    struct stat st;
    if (io->fstat(fd, &st) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max)
        return err_set(err, HFP_E_CORRUPT, "%s is not a file of at most %zu bytes", path, max);
    AUTO_FREE char *buf = malloc((size_t)st.st_size + 1);
    if (!buf)
        return err_nomem(err);
    size_t got = 0;
    int rc = io_pread_some(fd, buf, (size_t)st.st_size, 0, &got, err);
    if (rc)
        return err_wrap(err, "%s", path);
    buf[got] = 0;
    if (n)
        *n = got;
    *out = ptr_steal(&buf);
    return HFP_OK;
}

void io_salt(char out[9])
{
    uint32_t salt = 0;
    /* An early boot without entropy: at least no two threads at once have the same. */
    if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
        salt = (uint32_t)gettid() << 16 ^ (uint32_t)clock_read().mono_ns;
    snprintf(out, 9, "%08x", salt);
}

void io_tmp_name(char *out, size_t room, const char *what)
{
    char salt[9];
    io_salt(salt);
    snprintf(out, room, "%s.%s.tmp", what, salt);
}

int io_write_file(int dir, const char *path, int tmp_dir, const void *buf, size_t n, mode_t mode, bool durable,
                  struct hfp_err *err)
{
    char tmp[32];
    io_tmp_name(tmp, sizeof tmp, "new");
    AUTO(fd_closep) int fd = io_openat(tmp_dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    int rc = io_pwrite_all(fd, buf, n, 0, err);
    if (!rc && durable)
        rc = io_fsync(fd, err, tmp);
    if (!rc)
        rc = io_close(&fd, err, tmp);
    if (!rc && io->renameat(tmp_dir, tmp, dir, path) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "rename %s to %s", tmp, path);
    if (rc)
        io->unlinkat(tmp_dir, tmp, 0);
    else if (durable)
        rc = io_fsync_entry(dir, path, err);
    return rc;
}

int io_mkdirs_told(int dir, const char *path, size_t n, io_made_fn *made, const void *ctx, struct hfp_err *err)
{
    char part[4096];
    if (n >= sizeof part)
        return err_sys(err, HFP_E_ARG, ENAMETOOLONG, "create folder");
    memcpy(part, path, n);
    part[n] = 0;
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        char keep = part[i];
        part[i] = 0;
        if (io->mkdirat(dir, part, 0777) == 0) {
            int rc = made ? made(ctx, dir, part, err) : HFP_OK;
            if (rc)
                return rc;
        } else if (errno != EEXIST && errno != EISDIR) {
            int saved = errno;
            struct stat st; /* a read-only file system says EROFS for a folder that is there */
            if (io->fstatat(dir, part, &st, 0) < 0 || !S_ISDIR(st.st_mode))
                return err_sys(err, HFP_E_IO, saved, "create folder %s", part);
        }
        part[i] = keep;
    }
    return HFP_OK;
}

int io_mkdirs(int dir, const char *path, struct hfp_err *err)
{
    return io_mkdirs_told(dir, path, strlen(path), NULL, NULL, err);
}

int io_open_dir(int *out, int dir, const char *path, bool create, struct hfp_err *err)
{
    int fd = io_openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && create) {
        int rc = io_mkdirs(dir, path, err);
        if (rc)
            return rc;
        fd = io_openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd < 0)
        return err_sys(err, errno == ENOENT ? HFP_E_NO_FILE : HFP_E_IO, errno, "open folder %s", path);
    *out = fd;
    return HFP_OK;
}

DIR *io_list(int dir, const char *path)
{
    int fd = dir < 0 ? -1 : io_openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    DIR *list = fd < 0 ? NULL : io->fdopendir(fd);
    int saved = dir < 0 ? EBADF : errno;
    if (!list)
        fd_closep(&fd);
    errno = saved;
    return list;
}

struct dirent *io_readdir(DIR *list, int *rc, struct hfp_err *err, const char *path)
{
    errno = 0; /* readdir() leaves it alone at the end */
    struct dirent *e = io->readdir(list);
    if (!e && errno)
        *rc = err_sys(err, HFP_E_IO, errno, "read %s", path);
    return e;
}

bool io_damaged(int errnum)
{
    switch (errnum) {
    case EIO:
    case EUCLEAN: /* ext4, xfs and btrfs: the inode or folder makes no sense, or */
    case EBADMSG: /* has a wrong sum */
    case ESTALE:  /* NFS, and its soft mounts: */
    case ETIMEDOUT:
    case EHOSTDOWN: /* SMB */
    case ENOTCONN:  /* FUSE without its server */
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return true;
    default:
        return false;
    }
}

bool io_exists(int dir, const char *path)
{
    struct stat st;
    return io->fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
