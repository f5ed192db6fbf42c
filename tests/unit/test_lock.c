/* Promises of cache/lock: the Python client's lock, excluding it and excluded by it, never waiting, never leaving what
 * it would misread. Seen red on purpose: a busy lock taken all the same, the mode left to the umask, the nlink check
 * removed, the void lock's file left behind, O_NOFOLLOW left out, EINTR not retried. */
#include "cache/lock.h"
#include "cache_fixture.h"

#include <sys/file.h>

static const char *lock_path(const struct place *p)
{
    char below[512];
    snprintf(below, sizeof below, "hub/.locks/models--ns--name/%.100s", p->lock_name);
    return fx_path(below);
}

static void taken_and_released(const struct place *p)
{
    struct hfp_err err = { 0 };
    struct stat st;
    int a = -1, b = -1;
    mode_t old = umask(077);
    CHECK(lock_try(&a, p, &err) == HFP_OK && a >= 0, "a free lock is taken");
    umask(old);
    CHECK(stat(lock_path(p), &st) == 0 && (st.st_mode & 0777) == 0664 && st.st_size == 0,
          "its file is empty and 0664 whatever the umask");
    CHECK(lock_try(&b, p, &err) == HFP_E_LOCKED && b == -1, "a second job of this process does not get it");
    CHECK(lock_holder(p) == getpid(), "the holder's pid is known");
    close(a);
    CHECK(access(lock_path(p), F_OK) == 0, "the file stays when the lock is released");
    CHECK(lock_holder(p) == 0, "nobody holds it now");
    int theirs = open(lock_path(p), O_RDWR);
    CHECK(flock(theirs, LOCK_EX | LOCK_NB) == 0 && lock_try(&b, p, &err) == HFP_E_LOCKED,
          "a flock by another tool excludes us");
    close(theirs);
    CHECK(lock_try(&b, p, &err) == HFP_OK, "and we take it when they are gone");
    close(b);
}

static int unlink_once; /* the file is pulled away between our open and our flock */
static const struct place *unlink_place;
static int flock_after_unlink(int fd, int op)
{
    if (unlink_once-- > 0)
        unlink(lock_path(unlink_place));
    return io_system.flock(fd, op);
}

static void unlinked_meanwhile(const struct place *p)
{
    struct io_ops ops = io_system;
    struct stat mine, there;
    int fd = -1;
    ops.flock = flock_after_unlink;
    unlink_once = 2;
    unlink_place = p;
    io = &ops;
    CHECK(lock_try(&fd, p, NULL) == HFP_OK && fstat(fd, &mine) == 0 && stat(lock_path(p), &there) == 0 &&
              mine.st_ino == there.st_ino,
          "a file unlinked meanwhile is opened anew");
    close(fd);
    unlink_once = 100000;
    fd = -1;
    CHECK(lock_try(&fd, p, NULL) == HFP_E_LOCKED && fd == -1, "a file that vanishes for ever ends the try");
    io = &io_system;
}

static void void_locks(const struct place *p)
{
    static const int codes[] = { ENOSYS, ENOLCK, EOPNOTSUPP };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        int fd = 99;
        unlink(lock_path(p));
        fault_install();
        fault_always(FAULT_FLOCK, codes[i]);
        CHECK(lock_try(&fd, p, NULL) == HFP_OK && fd == -1, "%s: no lock, no error", strerror(codes[i]));
        CHECK(access(lock_path(p), F_OK) != 0, "and no file that the Python client would take for a lock");
        io = &io_system;
    }
    fault_install();
    fault_arm(FAULT_FLOCK, 1, EINTR);
    int fd = -1;
    CHECK(lock_try(&fd, p, NULL) == HFP_OK && fd >= 0, "a signal does not disturb");
    close(fd);
    fault_arm(FAULT_FLOCK, 1, EIO);
    CHECK(lock_try(&fd, p, NULL) == HFP_E_IO, "a disk error is one");
    io = &io_system;
}

int main(void)
{
    static const char *const bases[] = { "/tmp", "/dev/shm" };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        fx_fresh(bases[i]);
        struct store *s = fx_store();
        struct place *p = fx_place(s, 10, 1, "x");
        taken_and_released(p);
        unlinked_meanwhile(p);
        void_locks(p);
        unlink(lock_path(p));
        fx_write(fx_path("victim"), "v", 1);
        int fd = -1;
        CHECK(symlink(fx_path("victim"), lock_path(p)) == 0 && lock_try(&fd, p, NULL) == HFP_E_IO,
              "a link is not followed");
        unlink(lock_path(p));
        free(p);
        store_free(s);
        s = fx_store_with(fx_path("D"), true, false);
        p = fx_place(s, 10, 1, "a/b.bin");
        CHECK(place_prepare(p, NULL) == HFP_OK && lock_try(&fd, p, NULL) == HFP_OK &&
                  access(fx_path("D/.cache/huggingface/download/a/b.bin.lock"), F_OK) == 0,
              "the lock of --local-dir");
        close(fd);
        free(p);
        store_free(s);
    }
    fx_wipe();
    return tap_end();
}
