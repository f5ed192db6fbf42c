#include "cache/lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#define LOCK_MODE 0664         /* huggingface_hub 1.4.0 and later: users of one group share a cache */
#define LOCK_TRIES 100         /* each turn means that someone unlinked the file within microseconds */
#define PROC_LOCKS_MAX 1048576 /* some 16,000 locks; a busier host gets no pid in the message */

/* Opens the lock file; *fresh when this call made it. */
static int open_lock(const struct place *p, bool *fresh)
{
    const int flags = O_RDWR | O_NONBLOCK | O_NOFOLLOW;
    *fresh = false;
    int fd = io_openat(p->lock_dir, p->lock_name, flags | O_CREAT | O_EXCL, LOCK_MODE);
    if (fd >= 0) {
        *fresh = true;
        io->fchmod(fd, LOCK_MODE); /* the umask does not apply here; a file system without modes may refuse */
        store_adopt_owner(p->store, p->lock_dir, p->lock_name);
        return fd;
    }
    if (errno != EEXIST)
        return -1;
    fd = io_openat(p->lock_dir, p->lock_name, flags, 0);
    if (fd < 0 && errno == EACCES) /* another user's, made 0644 by an older client: flock needs no right to write */
        fd = io_openat(p->lock_dir, p->lock_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
    return fd;
}

static int flock_now(int fd, int op)
{
    while (io->flock(fd, op | LOCK_NB) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static int try_op(int *fd, const struct place *p, int op, struct hfp_err *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        bool fresh = false;
        AUTO(fd_closep) int got = open_lock(p, &fresh);
        if (got < 0 && errno == ENOENT && io_exists(p->lock_dir, "."))
            continue;
        if (got < 0)
            return err_sys(err, HFP_E_IO, errno, "open lock file %s", p->lock_name);
        int failed = flock_now(got, op);
        if (failed == ENOSYS || failed == ENOLCK || failed == EOPNOTSUPP) {
            /* The Python client falls back to "the file exists", so a fresh one of ours must not stay. */
            if (fresh)
                io->unlinkat(p->lock_dir, p->lock_name, 0);
            *fd = -1;
            return HFP_OK;
        }
        if (failed == EWOULDBLOCK)
            return err_set(err, HFP_E_LOCKED, "%s is locked by another process", p->etag);
        if (failed)
            return err_sys(err, HFP_E_IO, failed, "lock %s", p->lock_name);
        struct stat st;
        if (io->fstat(got, &st) < 0)
            return err_sys(err, HFP_E_IO, errno, "stat lock file %s", p->lock_name);
        if (st.st_nlink > 0) {
            *fd = fd_steal(&got);
            return HFP_OK;
        }
    }
    return err_set(err, HFP_E_LOCKED, "the lock file of %s vanishes again and again", p->etag);
}

int lock_try(int *fd, const struct place *p, struct hfp_err *err)
{
    return try_op(fd, p, LOCK_EX, err);
}

int lock_repository(int *fd, const struct store *s, bool alone, struct hfp_err *err)
{
    AUTO_FREE struct place *p = calloc(1, sizeof *p);
    if (!p)
        return err_nomem(err);
    *fd = -1;
    p->store = s;
    p->lock_dir = s->is_local ? -1 : s->locks;
    snprintf(p->lock_name, sizeof p->lock_name, "hf-pull.lock");
    snprintf(p->etag, sizeof p->etag, "%.64s", s->repo);
    return p->lock_dir < 0 ? HFP_OK : try_op(fd, p, alone ? LOCK_EX : LOCK_SH, err);
}

/* One line of proc(5) locks: "1: FLOCK  ADVISORY  WRITE 4711 fe:00:131073 0 EOF". Widths, for sscanf() does not say
 * when a number overflows. */
static long holder_in_line(const char *line, const struct stat *st)
{
    long pid = 0;
    unsigned major_ = 0, minor_ = 0;
    uint64_t inode = 0;
    if (sscanf(line, "%*9u: FLOCK %*s %*s %9ld %7x:%7x:%19" SCNu64, &pid, &major_, &minor_, &inode) != 4)
        return 0;
    bool same = major_ == major(st->st_dev) && minor_ == minor(st->st_dev) && inode == st->st_ino;
    return same && pid > 0 ? pid : 0;
}

long lock_holder(const struct place *p)
{
    struct stat st;
    AUTO_FREE char *text = malloc(PROC_LOCKS_MAX + 1);
    AUTO(fd_closep) int fd = io_openat(AT_FDCWD, "/proc/locks", O_RDONLY, 0);
    size_t got = 0;
    if (!text || fd < 0 || io->fstatat(p->lock_dir, p->lock_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        io_pread_some(fd, text, PROC_LOCKS_MAX, 0, &got, NULL))
        return 0;
    text[got] = 0;
    for (char *line = text; line && *line;) {
        long pid = holder_in_line(line, &st);
        if (pid)
            return pid;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 0;
}
