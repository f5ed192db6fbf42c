#include "base/io.h"
#include "cli/cli.h"
#include "oplog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* hf-pull on the real disk with every change of it logged: its own threads, its own files, the kernel's system calls.
 *
 *   HFP_OPLOG=FILE        the log (oplog.h)
 *   HFP_OPLOG_ROOT=DIR    what lies below is logged, the rest of the disk is not looked at
 *   HFP_OPLOG_KILL=N      ends by SIGKILL before the Nth change, a write in its middle
 *
 * One lock makes the order of the log the order on the disk. Only syncs wait outside of it: they take long, and what other
 * threads do meanwhile is what a crash may or may not keep. */

#define OBJECTS_MAX 65536
#define DEPTH_MAX 64
#define PAGE_BYTES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *out;
static uint64_t records, kill_in;
static dev_t device;
static ino_t inode_of[OBJECTS_MAX]; /* by number; 0 where there is none any more */
static uint64_t objects = OPLOG_ROOT;

static void give_up(const char *what)
{
    fprintf(stderr, "record: %s: %s\n", what, strerror(errno));
    abort();
}

static void put(enum oplog_kind kind, uint64_t object, uint64_t folder, uint64_t at, const char *name, const void *data,
                size_t n)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct oplog_record r = { .kind = kind,
                              .thread = (uint32_t)gettid(),
                              .at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                              .object = object,
                              .folder = folder,
                              .at = at,
                              .name_bytes = name ? (uint32_t)strlen(name) : 0,
                              .data_bytes = (uint32_t)n };
    if (!out)
        return;
    if (fwrite(&r, sizeof r, 1, out) != 1 || fwrite(name ? name : "", 1, r.name_bytes, out) != r.name_bytes ||
        (n && fwrite(data, 1, n, out) != n))
        give_up("write the log");
    records++;
}

/* Before each change: is this where the power of a signal ends the run? */
static bool last_moment(void)
{
    return kill_in > 0 && --kill_in == 0;
}

static void before_change(void)
{
    if (last_moment())
        raise(SIGKILL);
}

/* ---- objects ---- */

/* 0: not below the root. */
static uint64_t object_of(const struct stat *st)
{
    for (uint64_t i = objects; i >= OPLOG_ROOT; i--)
        if (st->st_dev == device && inode_of[i] == st->st_ino)
            return i;
    return 0;
}

static uint64_t new_object(const struct stat *st)
{
    uint64_t old = object_of(st); /* of a file that is gone and gave its inode number to this one */
    if (old)
        inode_of[old] = 0;
    if (++objects == OBJECTS_MAX)
        give_up("more objects than the recorder knows");
    inode_of[objects] = st->st_ino;
    return objects;
}

static uint64_t object_fd(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? object_of(&st) : 0;
}

/* The folder that holds path, and the last part of it. */
static uint64_t folder_of(int dir, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[4400];
    *name = slash ? slash + 1 : path;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
    int fd = openat(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t found = fd < 0 ? 0 : object_fd(fd);
    if (fd >= 0)
        close(fd);
    return found;
}

static void made(enum oplog_kind kind, int dir, const char *path, const char *target)
{
    const char *name;
    struct stat st;
    uint64_t folder = folder_of(dir, path, &name);
    if (!folder)
        return;
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        give_up(path);
    put(kind, new_object(&st), folder, st.st_ino, name, target, target ? strlen(target) : 0);
}

/* ---- the table ---- */

static int r_openat(int dir, const char *path, int flags, mode_t mode)
{
    if (!(flags & (O_CREAT | O_TRUNC)))
        return io_system.openat(dir, path, flags, mode);
    struct stat st;
    pthread_mutex_lock(&lock);
    bool there = fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there || (flags & O_TRUNC))
        before_change();
    int fd = io_system.openat(dir, path, flags, mode), saved = errno;
    if (fd >= 0 && !there)
        made(OP_FILE, dir, path, NULL);
    else if (fd >= 0 && (flags & O_TRUNC) && object_fd(fd))
        put(OP_SIZE, object_fd(fd), 0, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

static ssize_t r_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    pthread_mutex_lock(&lock);
    if (last_moment()) { /* the kernel looks for a signal between two pages */
        (void)!io_system.pwrite(fd, buf, n / 2 / PAGE_BYTES * PAGE_BYTES, at);
        raise(SIGKILL);
    }
    ssize_t done = io_system.pwrite(fd, buf, n, at);
    int saved = errno;
    uint64_t object = object_fd(fd);
    if (done > 0 && object)
        put(OP_WRITE, object, 0, (uint64_t)at, NULL, buf, (size_t)done);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return done;
}

static int synced(int fd, int (*call)(int fd))
{
    pthread_mutex_lock(&lock);
    before_change();
    uint64_t object = object_fd(fd), number = records;
    if (object)
        put(OP_SYNC, object, 0, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    int rc = call(fd), saved = errno;
    pthread_mutex_lock(&lock);
    if (rc == 0 && object)
        put(OP_SYNCED, object, 0, number, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static int r_fsync(int fd)
{
    return synced(fd, io_system.fsync);
}

static int r_fdatasync(int fd)
{
    return synced(fd, io_system.fdatasync);
}

static int r_ftruncate(int fd, off_t size)
{
    pthread_mutex_lock(&lock);
    before_change();
    int rc = io_system.ftruncate(fd, size), saved = errno;
    if (rc == 0 && object_fd(fd))
        put(OP_SIZE, object_fd(fd), 0, (uint64_t)size, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static int r_renameat(int old_dir, const char *old, int new_dir, const char *new_)
{
    const char *from_name = old, *to_name = new_;
    struct stat st = { 0 };
    pthread_mutex_lock(&lock);
    before_change();
    bool there = fstatat(old_dir, old, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int rc = io_system.renameat(old_dir, old, new_dir, new_), saved = errno;
    uint64_t from = folder_of(old_dir, old, &from_name), to = folder_of(new_dir, new_, &to_name);
    if (rc == 0 && there && from && to)
        put(OP_RENAME, object_of(&st), from, to, from_name, to_name, strlen(to_name));
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static int r_unlinkat(int dir, const char *path, int flags)
{
    const char *name = path;
    pthread_mutex_lock(&lock);
    before_change();
    uint64_t folder = folder_of(dir, path, &name);
    int rc = io_system.unlinkat(dir, path, flags), saved = errno;
    if (rc == 0 && folder)
        put(OP_UNLINK, 0, folder, 0, name, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static int r_mkdirat(int dir, const char *path, mode_t mode)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        before_change();
    int rc = io_system.mkdirat(dir, path, mode), saved = errno;
    if (rc == 0)
        made(OP_DIR, dir, path, NULL);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

static int r_symlinkat(const char *target, int dir, const char *path)
{
    pthread_mutex_lock(&lock);
    before_change();
    int rc = io_system.symlinkat(target, dir, path), saved = errno;
    if (rc == 0)
        made(OP_LINK, dir, path, target);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

/* ---- the tree as it is ---- */

static void put_content(uint64_t object, int fd)
{
    static char buf[1 << 20];
    uint64_t at = 0;
    for (ssize_t n; (n = pread(fd, buf, sizeof buf, (off_t)at)) > 0; at += (uint64_t)n)
        put(OP_WRITE, object, 0, at, NULL, buf, (size_t)n);
}

static void put_tree(int dir, unsigned depth);

static void put_entry(int dir, const char *name, unsigned depth)
{
    char target[4400];
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        give_up(name);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        made(OP_LINK, dir, name, target);
        return;
    }
    made(S_ISDIR(st.st_mode) ? OP_DIR : OP_FILE, dir, name, NULL);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        give_up(name);
    if (S_ISDIR(st.st_mode))
        put_tree(fd, depth + 1);
    else
        put_content(object_of(&st), fd);
    close(fd);
}

static void put_tree(int dir, unsigned depth)
{
    DIR *list = depth < DEPTH_MAX ? fdopendir(dup(dir)) : NULL;
    if (!list)
        give_up("read the tree");
    for (struct dirent *e; (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            put_entry(dir, e->d_name, depth);
    closedir(list);
}

static void begin_log(const char *path, const char *root)
{
    struct stat st;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    out = fopen(path, "wbe");
    if (fd < 0 || !out || fstat(fd, &st) < 0)
        give_up("begin the log");
    device = st.st_dev;
    inode_of[OPLOG_ROOT] = st.st_ino;
    put_tree(fd, 0);
    put(OP_BEGIN, 0, 0, 0, NULL, NULL, 0);
    close(fd);
}

int main(int argc, char **argv)
{
    static struct io_ops recording;
    const char *log = getenv("HFP_OPLOG"), *root = getenv("HFP_OPLOG_ROOT"), *number = getenv("HFP_OPLOG_KILL");
    recording = io_system;
    recording.openat = r_openat;
    recording.pwrite = r_pwrite;
    recording.fsync = r_fsync;
    recording.fdatasync = r_fdatasync;
    recording.ftruncate = r_ftruncate;
    recording.renameat = r_renameat;
    recording.unlinkat = r_unlinkat;
    recording.mkdirat = r_mkdirat;
    recording.symlinkat = r_symlinkat;
    kill_in = number ? strtoull(number, NULL, 10) : 0;
    if (log && root)
        begin_log(log, root);
    io = &recording;
    int code = cli_main(argc, argv);
    if (out && fclose(out) != 0)
        give_up("end the log");
    return code;
}
