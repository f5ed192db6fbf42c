/* test_io.c: whole amounts or an error, files whole or not at all, whatever the kernel says in between (P1, P5).
 *
 * Seen red on purpose: an interrupted write failed; a short write passed for whole; what close says was not heard;
 * temporary files stayed; links were followed; descriptors survived exec; files had no limit;
 * the folder above was synced and not the one that holds the name; two writers had one temporary name. */
#include "base/io.h"
#include "tap.h"

#include <errno.h>
#include <unistd.h>

/* A kernel that is awkward on order, on top of the real one. */
static struct {
    unsigned eintr; /* so many calls fail with EINTR first */
    size_t most;    /* no read or write moves more; 0: no limit */
    int write_errno, fsync_errno, rename_errno, close_errno, mkdir_errno;
    bool write_zero;
    ino_t synced;      /* what the last fsync was of */
    const char *rival; /* another writes this to the same file between our last write and our rename */
} mood;

static bool interrupted(void)
{
    if (mood.eintr == 0)
        return false;
    mood.eintr--;
    errno = EINTR;
    return true;
}

static int moody_openat(int dir, const char *path, int flags, mode_t mode)
{
    return interrupted() ? -1 : io_system.openat(dir, path, flags, mode);
}

static ssize_t moody_pread(int fd, void *buf, size_t n, off_t at)
{
    return interrupted() ? -1 : io_system.pread(fd, buf, mood.most ? MIN(n, mood.most) : n, at);
}

static ssize_t moody_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    if (interrupted())
        return -1;
    if (mood.write_errno && at >= 100) {
        errno = mood.write_errno;
        return -1;
    }
    return mood.write_zero ? 0 : io_system.pwrite(fd, buf, mood.most ? MIN(n, mood.most) : n, at);
}

static int fail_with(int errnum)
{
    errno = errnum;
    return -1;
}

static int moody_fsync(int fd)
{
    struct stat st;
    mood.synced = fstat(fd, &st) == 0 ? st.st_ino : 0;
    return interrupted() ? -1 : mood.fsync_errno ? fail_with(mood.fsync_errno) : io_system.fsync(fd);
}

static int top;
static char folder[] = "/tmp/test_io.XXXXXX";

static int moody_renameat(int a, const char *old, int b, const char *new_)
{
    const char *rival = mood.rival;
    mood.rival = NULL;
    if (rival)
        CHECK(io_write_file(b, new_, a, rival, strlen(rival), 0600, false, NULL) == HFP_OK,
              "the rival is not disturbed");
    return mood.rename_errno ? fail_with(mood.rename_errno) : io_system.renameat(a, old, b, new_);
}

static int moody_close(int fd)
{
    int rc = io_system.close(fd);
    return mood.close_errno ? fail_with(mood.close_errno) : rc;
}

static int moody_mkdirat(int dir, const char *path, mode_t mode)
{
    return mood.mkdir_errno ? fail_with(mood.mkdir_errno) : io_system.mkdirat(dir, path, mode);
}

static bool file_is(const char *path, const char *want)
{
    AUTO_FREE char *text = NULL;
    struct hfp_err err = { 0 };
    return io_read_file(&text, NULL, top, path, 4096, &err) == HFP_OK && strcmp(text, want) == 0;
}

static void test_amounts(void)
{
    static const struct {
        const char *name;
        unsigned eintr;
        size_t most;
    } rows[] = {
        { "plain", 0, 0 },
        { "interrupted", 3, 0 },
        { "seven bytes at a time", 0, 7 },
        { "both", 5, 1 },
    };
    char data[500], back[501];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hfp_err err = { 0 };
        size_t got = 0;
        mood.eintr = rows[i].eintr;
        mood.most = rows[i].most;
        int fd = io_openat(top, "amounts", O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC), "%s: opened, closed on exec", rows[i].name);
        mood.eintr = rows[i].eintr;
        CHECK(io_pwrite_all(fd, data, sizeof data, 10, &err) == HFP_OK, "%s: all is written", rows[i].name);
        mood.eintr = rows[i].eintr;
        memset(back, 0, sizeof back);
        CHECK(io_pread_all(fd, back, sizeof data, 10, &err) == HFP_OK && memcmp(data, back, sizeof data) == 0,
              "%s: all is read", rows[i].name);
        CHECK(io_pread_all(fd, back, sizeof data + 1, 10, &err) == HFP_E_IO, "%s: an end inside is an error",
              rows[i].name);
        CHECK(io_pread_some(fd, back, sizeof back, 10, &got, &err) == HFP_OK && got == sizeof data, "%s: or told",
              rows[i].name);
        mood.eintr = rows[i].eintr;
        CHECK(io_fsync(fd, &err, "it") == HFP_OK, "%s: synced", rows[i].name);
        CHECK(io_close(&fd, &err, "it") == HFP_OK && fd == -1, "%s: closed", rows[i].name);
    }
    memset(&mood, 0, sizeof mood);
}

static unsigned names_like(const char *end)
{
    unsigned n = 0;
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list));)
        n += strstr(e->d_name, end) != NULL;
    closedir(list);
    return n;
}

static void test_write_file(void)
{
    static const struct {
        const char *name;
        int write, sync, rename, close;
        bool zero;
        int rc;
    } rows[] = {
        { "a full disk", ENOSPC, 0, 0, 0, false, HFP_E_NO_SPACE },
        { "a full quota", EDQUOT, 0, 0, 0, false, HFP_E_QUOTA },
        { "a broken disk", EIO, 0, 0, 0, false, HFP_E_IO },
        { "a write of nothing", 0, 0, 0, 0, true, HFP_E_NO_SPACE },
        { "a failing fsync", 0, EIO, 0, 0, false, HFP_E_IO },
        { "a late quota", 0, 0, 0, EDQUOT, false, HFP_E_QUOTA },
        { "a failing rename", 0, 0, EACCES, 0, false, HFP_E_IO },
    };
    char big[300];
    memset(big, 'x', sizeof big);
    mood.most = 60; /* the failing write is not the first */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hfp_err err = { 0 };
        CHECK(io_write_file(top, "whole", top, "old", 3, 0600, true, &err) == HFP_OK, "a file is written");
        mood.write_errno = rows[i].write;
        mood.fsync_errno = rows[i].sync;
        mood.rename_errno = rows[i].rename;
        mood.close_errno = rows[i].close;
        mood.write_zero = rows[i].zero;
        int rc = io_write_file(top, "whole", top, big, sizeof big, 0600, true, &err);
        memset(&mood, 0, sizeof mood);
        mood.most = 60;
        CHECK(rc == rows[i].rc && err.code == (enum hfp_code)rc, "%s is %s (%s)", rows[i].name,
              hfp_code_name((enum hfp_code)rows[i].rc), err.message);
        CHECK(file_is("whole", "old"), "%s: the old file is whole", rows[i].name);
        CHECK(names_like(".tmp") == 0, "%s: nothing is left", rows[i].name);
    }
    memset(&mood, 0, sizeof mood);
}

static void test_two_writers(void)
{
    struct hfp_err err = { 0 };
    mood.rival = "theirs";
    CHECK(io_write_file(top, "whole", top, "ours, longer", 12, 0600, true, &err) == HFP_OK && !mood.rival &&
              file_is("whole", "ours, longer"),
          "two write one file at once: both succeed, and the later one's is there, whole (%s)", err.message);
    CHECK(names_like(".tmp") == 0, "and nothing else");
}

static void test_read_file(void)
{
    char *text = NULL;
    size_t n = 0;
    struct hfp_err err = { 0 };
    CHECK(io_read_file(&text, &n, top, "missing", 10, &err) == HFP_E_NO_FILE && !text, "a missing file");
    CHECK(io_read_file(&text, &n, top, "whole/below", 10, &err) == HFP_E_NO_FILE, "a file below a file");
    CHECK(io_read_file(&text, &n, top, "whole", 2, &err) == HFP_E_CORRUPT && !text, "a file larger than its limit");
    CHECK(io_read_file(&text, &n, top, "whole", 3, &err) == HFP_OK && n == 3 && strcmp(text, "old") == 0,
          "one that fits");
    free(text);
    text = NULL;
    CHECK(io_read_file(&text, NULL, top, ".", 10, &err) != HFP_OK && !text, "a folder is no file");
    CHECK(symlinkat("whole", top, "link") == 0 && io_read_file(&text, NULL, top, "link", 10, &err) == HFP_E_IO,
          "a link is not followed");
    CHECK(mkfifoat(top, "fifo", 0600) == 0 && io_read_file(&text, NULL, top, "fifo", 10, &err) == HFP_E_CORRUPT,
          "a pipe is refused, without waiting for it");
    CHECK(symlinkat("nowhere", top, "broken") == 0 && io_exists(top, "broken") && !io_exists(top, "missing"),
          "a broken link exists");
}

static void test_folders(void)
{
    struct hfp_err err = { 0 };
    int fd = -1;
    char deep[5000];
    CHECK(io_open_dir(&fd, top, "a/b/c", false, &err) == HFP_E_NO_FILE && fd == -1, "a missing folder");
    CHECK(io_open_dir(&fd, top, "a/b/c", true, &err) == HFP_OK, "is made with its parents");
    fd_closep(&fd);
    CHECK(io_mkdirs(top, "a/b/c/", &err) == HFP_OK && io_mkdirs(top, "a//b", &err) == HFP_OK, "existing ones are fine");
    mood.mkdir_errno = EROFS;
    CHECK(io_mkdirs(top, "a/b/c", &err) == HFP_OK, "also where nothing can be written");
    CHECK(io_mkdirs(top, "a/d", &err) == HFP_E_IO && err.sys_errno == EROFS, "new ones are not");
    mood.mkdir_errno = 0;
    CHECK(io_mkdirs(top, "whole/x", &err) == HFP_E_IO, "nor below a file");
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    CHECK(io_mkdirs(top, deep, &err) == HFP_E_ARG, "a path without end is refused");
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    return fstatat(top, path, &st, 0) == 0 ? st.st_ino : 0;
}

/* A name survives power loss when the folder it stands in was synced, and not one above. */
static void test_names_survive(void)
{
    static const struct {
        const char *path, *folder;
        int rc;
    } rows[] = {
        { "x", ".", HFP_OK },
        { "a/x", "a", HFP_OK },
        { "a/b/x", "a/b", HFP_OK },
        { "a/b", "a", HFP_OK },
        { "a/b/.", "a/b", HFP_OK },
        { "no/x", NULL, HFP_E_NO_FILE },
        { "whole/x", NULL, HFP_E_NO_FILE },
    };
    struct hfp_err err = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        mood.synced = 0;
        int rc = io_fsync_entry(top, rows[i].path, &err);
        CHECK(rc == rows[i].rc && mood.synced == (rows[i].folder ? inode_of(rows[i].folder) : 0), "%s: its folder",
              rows[i].path);
    }
    CHECK(io_write_file(top, "a/b/new", top, "x", 1, 0600, true, &err) == HFP_OK && mood.synced == inode_of("a/b"),
          "a durable file: the folder it was moved to");
    CHECK(io_fsync_entry(top, "/proc", &err) == HFP_OK && mood.synced == inode_of("/"), "the root has no folder above");
}

int main(void)
{
    char command[64];
    struct io_ops moody = io_system;
    moody.openat = moody_openat;
    moody.pread = moody_pread;
    moody.pwrite = moody_pwrite;
    moody.fsync = moody_fsync;
    moody.renameat = moody_renameat;
    moody.close = moody_close;
    moody.mkdirat = moody_mkdirat;
    io = &moody;
    top = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    test_amounts();
    test_write_file();
    test_read_file();
    test_two_writers();
    test_folders();
    test_names_survive();
    close(top);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0, "cleaned up");
    return tap_end();
}
