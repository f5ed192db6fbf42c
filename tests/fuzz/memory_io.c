#include "memory_io.h"

#include "fuzz.h"

#include <errno.h>
#include <sys/sysmacros.h>

#define FILES_MAX 12
#define OPEN_FILES_MAX 16
#define FIRST_FD 1000 /* far from real ones */
#define CONTENT_MAX (8u << 20)

struct file {
    bool there;
    char path[4400]; /* the longest of struct place */
    uint8_t *data;
    size_t n;
    struct stat st;
};

static struct file files[FILES_MAX], folder; /* any folder: only opened, synced and closed */
static struct file *opened[OPEN_FILES_MAX];
static size_t short_reads;

static struct file *find(const char *path)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files[i].there && strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static void check_path(const char *path)
{
    MUST(path[0] != 0 && strlen(path) < sizeof files[0].path, "a path that a file can have");
    if (strncmp(path, "/proc/", 6) == 0)
        return;
    MUST(path[0] != '/', "no absolute path");
    for (const char *part = path; *part;) {
        size_t n = strcspn(part, "/");
        MUST(n > 0 && n <= 255 && !(n == 2 && memcmp(part, "..", 2) == 0), "no part of a path climbs or is empty");
        part += n + (part[n] == '/');
    }
}

static struct file *make(const char *path)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct file *f = &files[i];
        if (f->there)
            continue;
        f->there = true;
        f->n = 0;
        snprintf(f->path, sizeof f->path, "%s", path);
        f->st = (struct stat){ .st_mode = S_IFREG | 0644, .st_nlink = 1, .st_ino = 131072 + i };
        f->st.st_dev = makedev(0xfe, 0);
        return f;
    }
    MUST(false, "no more files than the target needs");
    return NULL;
}

static void drop(struct file *f)
{
    free(ptr_steal(&f->data));
    f->there = false;
}

static struct file *file_of(int fd)
{
    MUST(fd >= FIRST_FD && fd < FIRST_FD + OPEN_FILES_MAX && opened[fd - FIRST_FD], "a descriptor that is open");
    return opened[fd - FIRST_FD];
}

static int mem_openat(int dir, const char *path, int flags, mode_t mode)
{
    (void)dir, (void)mode;
    check_path(path);
    struct file *f = flags & O_DIRECTORY ? &folder : find(path);
    if (f && (flags & O_EXCL)) {
        errno = EEXIST;
        return -1;
    }
    if (!f && !(flags & O_CREAT)) {
        errno = ENOENT;
        return -1;
    }
    if (!f)
        f = make(path);
    if (flags & O_TRUNC)
        f->n = 0;
    for (int i = 0; i < OPEN_FILES_MAX; i++)
        if (!opened[i]) {
            opened[i] = f;
            return FIRST_FD + i;
        }
    MUST(false, "no more open files than the target needs");
    return -1;
}

static int mem_close(int fd)
{
    file_of(fd);
    opened[fd - FIRST_FD] = NULL;
    return 0;
}

static ssize_t mem_pread(int fd, void *buf, size_t n, off_t at)
{
    struct file *f = file_of(fd);
    MUST(at >= 0, "an offset that a file can have");
    if ((uint64_t)at >= f->n)
        return 0;
    n = MIN(n, f->n - (size_t)at);
    if (short_reads)
        n = MIN(n, short_reads);
    memcpy(buf, f->data + at, n);
    return (ssize_t)n;
}

static ssize_t mem_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    struct file *f = file_of(fd);
    MUST(at >= 0 && (uint64_t)at + n <= CONTENT_MAX, "a write within what the target allows");
    size_t end = (size_t)at + n;
    if (end > f->n) {
        uint8_t *wider = realloc(f->data, end);
        MUST(wider != NULL, "memory for a file");
        memset(wider + f->n, 0, end - f->n);
        f->data = wider;
        f->n = end;
    }
    memcpy(f->data + at, buf, n);
    return (ssize_t)n;
}

static int mem_sync(int fd)
{
    if (fd != MEMORY_DIR)
        file_of(fd);
    return 0;
}

static int stat_out(struct stat *st, const struct file *f)
{
    if (!f) {
        errno = ENOENT;
        return -1;
    }
    *st = f->st;
    st->st_size = (off_t)f->n;
    return 0;
}

static int mem_fstat(int fd, struct stat *st)
{
    return stat_out(st, file_of(fd));
}

static int mem_fstatat(int dir, const char *path, struct stat *st, int flags)
{
    (void)dir, (void)flags;
    check_path(path);
    return stat_out(st, find(path));
}

static int mem_renameat(int old_dir, const char *old, int new_dir, const char *new_)
{
    (void)old_dir, (void)new_dir;
    check_path(old);
    check_path(new_);
    struct file *f = find(old), *g = find(new_);
    MUST(f != NULL, "only a file that is there is renamed");
    if (g && g != f)
        drop(g);
    memcpy(f->path, new_, strlen(new_) + 1);
    return 0;
}

static int mem_unlinkat(int dir, const char *path, int flags)
{
    (void)dir, (void)flags;
    check_path(path);
    struct file *f = find(path);
    if (!f) {
        errno = ENOENT;
        return -1;
    }
    drop(f);
    return 0;
}

static int mem_mkdirat(int dir, const char *path, mode_t mode)
{
    (void)dir, (void)mode;
    check_path(path);
    errno = EEXIST;
    return -1;
}

static int mem_utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
    struct stat st;
    (void)times;
    return mem_fstatat(dir, path, &st, flags);
}

/* What is not here no reader needs; a call of it would be seen at once. */
static const struct io_ops memory_ops = {
    .openat = mem_openat,
    .close = mem_close,
    .pread = mem_pread,
    .pwrite = mem_pwrite,
    .fsync = mem_sync,
    .fdatasync = mem_sync,
    .fstat = mem_fstat,
    .fstatat = mem_fstatat,
    .renameat = mem_renameat,
    .unlinkat = mem_unlinkat,
    .mkdirat = mem_mkdirat,
    .utimensat = mem_utimensat,
};

void memory_io_begin(void)
{
    io = &memory_ops;
    short_reads = 0;
}

void memory_io_end(void)
{
    for (size_t i = 0; i < OPEN_FILES_MAX; i++)
        MUST(!opened[i], "every descriptor is closed");
    for (size_t i = 0; i < FILES_MAX; i++)
        drop(&files[i]);
    io = &io_system;
}

void memory_put(const char *path, const void *data, size_t n)
{
    struct file *f = find(path);
    if (!f)
        f = make(path);
    free(f->data);
    f->data = malloc(MAX(n, 1));
    MUST(f->data != NULL, "memory for a file");
    if (n)
        memcpy(f->data, data, n);
    f->n = n;
}

const uint8_t *memory_get(const char *path, size_t *n)
{
    struct file *f = find(path);
    if (!f)
        return NULL;
    *n = f->n;
    return f->data;
}

struct stat *memory_stat(const char *path)
{
    struct file *f = find(path);
    MUST(f != NULL, "a file that is there");
    return &f->st;
}

void memory_short_reads(size_t n)
{
    short_reads = n;
}
