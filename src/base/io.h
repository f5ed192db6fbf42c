/* base/io.h: the only door to the file system.
 *
 * Every call below goes through one table of system calls, so that the simulator can put another disk under the same
 * code and the fault tests can fail the Nth one. The table is set by tests before any thread starts and never else
 * (ARCHITECTURE.md: the one mutable global). Whole amount or error; EINTR is retried here and nowhere else.
 * Blocking: call from workers, not from the engine's loop. */
#ifndef HFP_BASE_IO_H
#define HFP_BASE_IO_H

#include "base/auto.h"
#include "base/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* Raw system calls: -1 and errno on failure. */
struct io_ops {
    int (*openat)(int dir, const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *buf, size_t n, off_t at);
    ssize_t (*pwrite)(int fd, const void *buf, size_t n, off_t at);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*sync_range)(int fd, off_t at, off_t n, unsigned flags);
    int (*ftruncate)(int fd, off_t size);
    int (*fallocate)(int fd, int mode, off_t at, off_t n);
    int (*renameat)(int old_dir, const char *old, int new_dir, const char *new_);
    int (*unlinkat)(int dir, const char *path, int flags);
    int (*mkdirat)(int dir, const char *path, mode_t mode);
    int (*symlinkat)(const char *target, int dir, const char *path);
    ssize_t (*readlinkat)(int dir, const char *path, char *buf, size_t n);
    int (*fstat)(int fd, struct stat *st);
    int (*fstatat)(int dir, const char *path, struct stat *st, int flags);
    int (*fchmod)(int fd, mode_t mode);
    int (*fchownat)(int dir, const char *path, uid_t uid, gid_t gid, int flags);
    int (*flock)(int fd, int op);
    int (*fstatvfs)(int fd, struct statvfs *st);
    off_t (*lseek)(int fd, off_t at, int whence);
    DIR *(*fdopendir)(int fd);
    struct dirent *(*readdir)(DIR *dir);
    int (*closedir)(DIR *dir);
    int (*utimensat)(int dir, const char *path, const struct timespec times[2], int flags);
    /* What a file opened with O_DIRECT wants memory and offsets to be multiples of; 0: it takes none. -1: not told. */
    int (*direct_align)(int fd, uint32_t *memory, uint32_t *offset);
};

extern const struct io_ops io_system; /* the kernel's */
extern const struct io_ops *io;       /* what is in use; code calls io->openat(...) and the helpers below */

void fd_closep(int *fd);    /* for AUTO; negative is fine. For files that were only read */
void dir_closep(DIR **dir); /* for AUTO */
/* Closes a written file and reports what close() says (NFS and quotas report late). *fd is -1 after. */
int io_close(int *fd, struct hfp_err *err, const char *what);

/* O_CLOEXEC is always added; retries EINTR. */
int io_openat(int dir, const char *path, int flags, mode_t mode);
/* Exactly n bytes at offset, or HFP_E_IO (an end of file inside counts as one). */
int io_pread_all(int fd, void *buf, size_t n, uint64_t at, struct hfp_err *err);
/* Up to n bytes; *got is short only at the end of the file. */
int io_pread_some(int fd, void *buf, size_t n, uint64_t at, size_t *got, struct hfp_err *err);
int io_pwrite_all(int fd, const void *buf, size_t n, uint64_t at, struct hfp_err *err);
int io_fdatasync(int fd, struct hfp_err *err, const char *what);
int io_fsync(int fd, struct hfp_err *err, const char *what);
/* Makes the entry path below dir durable: the folder that holds it is synced. HFP_E_NO_FILE when that is not there. */
int io_fsync_entry(int dir, const char *path, struct hfp_err *err);
/* Whole small file into a fresh NUL-terminated buffer (caller frees). More than max bytes: HFP_E_CORRUPT.
 * Missing: HFP_E_NO_FILE. *n may be NULL. O_NOFOLLOW. */
int io_read_file(char **out, size_t *n, int dir, const char *path, size_t max, struct hfp_err *err);
/* Eight hex digits that nobody else picks, in no other process and on no other host of a shared disk. */
void io_salt(char out[9]);
/* The name of a file that is ours for a moment, "<what>.<salt>.tmp": one of two writers under one name would take the
 * file from the other by its rename, half written or not. */
void io_tmp_name(char *out, size_t room, const char *what);
/* Writes path whole or not at all: a temporary file in tmp_dir, rename; when durable, file and name are synced. */
int io_write_file(int dir, const char *path, int tmp_dir, const void *buf, size_t n, mode_t mode, bool durable,
                  struct hfp_err *err);
/* Makes path and its parents below dir; existing ones are fine. */
int io_mkdirs(int dir, const char *path, struct hfp_err *err);
/* The same of the first n bytes of path. made is told of each new one; anything but HFP_OK ends it. */
typedef int io_made_fn(const void *ctx, int dir, const char *path, struct hfp_err *err);
int io_mkdirs_told(int dir, const char *path, size_t n, io_made_fn *made, const void *ctx, struct hfp_err *err);
/* io_mkdirs, then opens it as a directory. Symbolic links in path are followed: the user may have put them there. */
int io_open_dir(int *out, int dir, const char *path, bool create, struct hfp_err *err);
/* Opens path below dir to read its entries; a link is not followed. NULL and errno, EBADF for a negative dir. */
DIR *io_list(int dir, const char *path);
/* The next entry. NULL: at the end, or the folder cannot be read on, and then *rc says so. path: for the message. */
struct dirent *io_readdir(DIR *list, int *rc, struct hfp_err *err, const char *path);
/* Is this what a broken or lost disk says, or a process short of memory or descriptors, unlike absence and a wall? Then
 * it is not known what is there, and nothing may be called missing. */
bool io_damaged(int errnum);
bool io_exists(int dir, const char *path); /* lstat: a broken link exists */

#endif
