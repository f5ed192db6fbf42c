#include "cache/shared.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define MARKER "blobs/.huggingface-shared-blobs"
#define LAYOUT "1\n"     /* the only one there is */
#define SHARED_MODE 0666 /* of lock and list: users of one cache share them */
#define LOCK_TRIES 50    /* 20 ms each: it is held for a rename, or for the append of a line */
#define LOCK_WAIT_NS (20 * NS_PER_MS)

#define NOTE_NAME (XET_HASH_TEXT + 8) /* with .lock or .refs */

static bool is_store(const struct store *s)
{
    struct stat st;
    AUTO_FREE char *text = NULL;
    return io->fstatat(s->hub, "blobs", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           io_read_file(&text, NULL, s->hub, MARKER, sizeof LAYOUT, NULL) == HFP_OK && strcmp(text, LAYOUT) == 0;
}

/* The folder with the payload, and its name there; -1: there is none. */
static int open_prefix(char name[XET_HASH_TEXT], const struct place *p, const struct xet_hash *file)
{
    const struct store *s = p->store;
    char folder[16];
    if (!s->shared_blobs || !s->symlinks || s->hub < 0 || !place_is_blob(p) || !is_store(s))
        return -1;
    xet_hash_text(name, file);
    snprintf(folder, sizeof folder, "blobs/%.2s", name);
    return io_openat(s->hub, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static bool usable(int dir, const char *name, uint64_t size_bytes)
{
    struct stat st;
    AUTO(fd_closep) int fd = io_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    return fd >= 0 && io->fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size_bytes;
}

bool shared_has(const struct place *p, const struct xet_hash *file)
{
    char name[XET_HASH_TEXT];
    AUTO(fd_closep) int dir = open_prefix(name, p, file);
    return dir >= 0 && usable(dir, name, p->size_bytes);
}

/* A file of the store's own, made by whoever needs it first. */
static int open_note(const struct store *s, int dir, const char *name, int flags)
{
    struct stat st;
    AUTO(fd_closep) int fd = io_openat(dir, name, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK, SHARED_MODE);
    if (fd < 0 || io->fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    if ((st.st_mode & 0777) != SHARED_MODE)
        io->fchmod(fd, SHARED_MODE); /* the umask does not apply; another user's stays as it is */
    store_adopt_owner(s, dir, name);
    return fd_steal(&fd);
}

static int take_lock(const struct store *s, int dir, const char *name)
{
    char lock[NOTE_NAME];
    snprintf(lock, sizeof lock, "%s.lock", name);
    AUTO(fd_closep) int fd = open_note(s, dir, lock, O_WRONLY);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (io->flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd_steal(&fd);
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1; /* no flock here: the client has another way then, and we none */
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_WAIT_NS }, NULL);
    }
    return -1;
}

/* One line, on the disk before the link is seen. A line that a crash has cut off is ended first. */
static bool note_user(const struct place *p, int dir, const char *name)
{
    char refs[NOTE_NAME], line[REPO_FOLDER_MAX + 96], last = '\n';
    struct stat st;
    snprintf(refs, sizeof refs, "%s.refs", name);
    AUTO(fd_closep) int fd = open_note(p->store, dir, refs, O_RDWR | O_APPEND);
    if (fd < 0 || io->fstat(fd, &st) < 0)
        return false;
    uint64_t size = (uint64_t)st.st_size;
    if (size > 0 && io_pread_all(fd, &last, 1, size - 1, NULL) != HFP_OK)
        return false;
    int n = snprintf(line, sizeof line, "%s%s/blobs/%s\n", last == '\n' ? "" : "\n", p->store->folder, p->etag);
    return io_pwrite_all(fd, line, (size_t)n, size, NULL) == HFP_OK && io_fsync(fd, NULL, refs) == HFP_OK;
}

static bool make_link(const struct place *p, const char *name)
{
    char tmp[96], target[XET_HASH_TEXT + 32], salt[9];
    io_salt(salt);
    snprintf(tmp, sizeof tmp, ".%s.%s.shared", p->etag, salt); /* the client's own pattern */
    snprintf(target, sizeof target, "../../blobs/%.2s/%s", name, name);
    if (io->symlinkat(target, p->final_dir, tmp) < 0)
        return false;
    store_adopt_owner(p->store, p->final_dir, tmp);
    if (io->renameat(p->final_dir, tmp, p->final_dir, p->final_name) == 0)
        return true;
    io->unlinkat(p->final_dir, tmp, 0);
    return false;
}

bool shared_link(const struct place *p, const struct xet_hash *file)
{
    char name[XET_HASH_TEXT];
    AUTO(fd_closep) int dir = open_prefix(name, p, file);
    AUTO(fd_closep) int lock = dir < 0 ? -1 : take_lock(p->store, dir, name);
    return lock >= 0 && usable(dir, name, p->size_bytes) && note_user(p, dir, name) && make_link(p, name);
}
