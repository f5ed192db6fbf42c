#include "commit/publish.h"

#include "base/clock.h"
#include "cache/lock.h"
#include "cache/snapshots.h"
#include "commit/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SAME_LOOKS 4   /* each more means that the file was replaced within microseconds */
#define LOCK_TRIES 100 /* 20 ms each: a rename and the writing of a note take less */
#define LOCK_WAIT_NS (20 * NS_PER_MS)

/* snapshots/<commit>/<path>, below the repo folder. */
static void entry_name(char *out, size_t out_size, const char *commit, const char *path)
{
    snprintf(out, out_size, "snapshots/%s/%s", commit, path);
}

/* From the folder of the link back to the repo folder, then to the blob. */
static void link_target(char *out, size_t out_size, const struct place *p, const char *entry)
{
    size_t used = 0;
    for (const char *c = entry; *c; c++)
        if (*c == '/' && used + 3 < out_size)
            used += (size_t)snprintf(out + used, out_size - used, "../");
    snprintf(out + used, out_size - used, "blobs/%s", p->etag);
}

/* What cannot be looked at is an error, and not said to be missing. */
static int look_through(struct stat *st, bool *there, int dir, const char *name, struct hfp_err *err)
{
    *there = dir >= 0 && io->fstatat(dir, name, st, 0) == 0;
    if (*there || dir < 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        return HFP_OK;
    return err_sys(err, HFP_E_IO, errno, "look at %s", name);
}

/* Between two looks another process may put a new file in the place of the one both lead to (--force-download): what
 * differs is looked at again. */
static int same_file(bool *same, int a_dir, const char *a, int b_dir, const char *b, struct hfp_err *err)
{
    struct stat x, y;
    bool x_there = true, y_there = true;
    int rc = HFP_OK;
    *same = false;
    for (int i = 0; i < SAME_LOOKS && !rc && x_there && y_there && !*same; i++) {
        rc = look_through(&x, &x_there, a_dir, a, err);
        if (!rc)
            rc = look_through(&y, &y_there, b_dir, b, err);
        *same = !rc && x_there && y_there && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
    }
    return rc;
}

/* A link beside, in our own folder on the same file system, then rename: readers never see the entry missing. */
static int replace_link(const struct store *s, const char *target, const char *entry, struct hfp_err *err)
{
    char salt[9], tmp[32];
    io_salt(salt);
    snprintf(tmp, sizeof tmp, "link.%s", salt);
    if (io->symlinkat(target, s->receipts, tmp) < 0)
        return err_sys(err, HFP_E_IO, errno, "link %s", entry);
    store_adopt_owner(s, s->receipts, tmp);
    if (io->renameat(s->receipts, tmp, s->repo_dir, entry) == 0)
        return HFP_OK;
    int rc = err_sys(err, HFP_E_IO, errno, "replace %s", entry);
    io->unlinkat(s->receipts, tmp, 0);
    return rc;
}

static int make_link(const struct place *p, const char *entry, struct hfp_err *err)
{
    const struct store *s = p->store;
    char target[3 * PATH_NAME_MAX / 2 + 96]; /* a path of n bytes has at most n/2 folders */
    link_target(target, sizeof target, p, entry);
    int rc = io->symlinkat(target, s->repo_dir, entry);
    if (rc < 0 && errno == ENOENT) {
        int made = store_make_parents(s, s->repo_dir, entry, err);
        if (made)
            return made;
        rc = io->symlinkat(target, s->repo_dir, entry);
    }
    if (rc < 0 && errno == EEXIST) {
        bool same;
        rc = same_file(&same, s->repo_dir, entry, s->blobs, p->etag, err);
        return rc || same ? rc : replace_link(s, target, entry, err);
    }
    if (rc < 0)
        return err_sys(err, HFP_E_IO, errno, "link %s", entry);
    store_adopt_owner(s, s->repo_dir, entry);
    return HFP_OK;
}

/* A second place of equal content, where links do not work or a folder of plain files is wanted: proved by hashing it
 * on the way, with its own receipt. Made among our notes, where what a kill left is swept; only where that is another file
 * system, beside the name. */
static int copy_as(ino_t *made, int from, int tmp_dir, const char *tmp, int dir, const char *name,
                   const struct place *p, struct hfp_err *err)
{
    struct stat st;
    int rc = copy_bytes(from, tmp_dir, tmp, p, err);
    if (rc)
        return rc;
    *made = io->fstatat(tmp_dir, tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
    if (io->renameat(tmp_dir, tmp, dir, name) == 0)
        return HFP_OK;
    rc = err_sys(err, HFP_E_IO, errno, "rename to %s", name);
    io->unlinkat(tmp_dir, tmp, 0);
    return rc;
}

static int copy_to(const struct place *p, int dir, const char *name, const char *commit, const char *path,
                   int64_t unix_s, struct hfp_err *err)
{
    char tmp[PATH_NAME_MAX + 64];
    struct stat now;
    struct hfp_err why = { 0 };
    ino_t made = 0;
    AUTO_FREE struct place *there = calloc(1, sizeof *there);
    if (!there)
        return err_nomem(err);
    int rc = store_make_parents(p->store, dir, name, err);
    if (rc)
        return rc;
    AUTO(fd_closep) int from = io_openat(p->final_dir, p->final_name, O_RDONLY, 0);
    if (from < 0)
        return err_sys(err, HFP_E_IO, errno, "open %s", p->final_name);
    io_tmp_name(tmp, sizeof tmp, "copy");
    rc = copy_as(&made, from, p->store->receipts, tmp, dir, name, p, &why);
    if (rc && why.sys_errno == EXDEV) {
        copy_temp_name(tmp, sizeof tmp, name);
        rc = copy_as(&made, from, dir, tmp, dir, name, p, &why);
    }
    if (rc && err)
        *err = why;
    if (rc)
        return rc;
    place_of(there, p->store, &p->id, p->size_bytes, commit, path);
    /* Where locks are void another revision may have the name by now. Without a receipt the next run hashes this copy. */
    if (strcmp(there->final_name, name) == 0 && io->fstatat(dir, name, &now, 0) == 0 && now.st_ino == made)
        receipt_write_of(there, &now, NULL, 0, unix_s, NULL);
    return HFP_OK;
}

/* The copy at another path is believed when its own receipt holds. */
static int copy_holds(bool *holds, const struct place *p, const char *name, const char *commit, const char *path,
                      struct hfp_err *err)
{
    struct receipt_look look = { .verdict = RECEIPT_ABSENT };
    AUTO_FREE struct place *there = calloc(1, sizeof *there);
    if (!there)
        return err_nomem(err);
    place_of(there, p->store, &p->id, p->size_bytes, commit, path);
    int rc = strcmp(there->final_name, name) == 0 ? receipt_look(&look, there, err) : HFP_OK;
    *holds = look.file_present && look.verdict == RECEIPT_HOLDS;
    return rc;
}

static bool final_present(const struct place *p, struct stat *st)
{
    return io->fstatat(p->final_dir, p->final_name, st, 0) == 0 && S_ISREG(st->st_mode) &&
           (uint64_t)st->st_size == p->size_bytes;
}

static int note_write(const struct place *p, const char *commit, const char *path, int64_t unix_s, struct hfp_err *err)
{
    const struct store *s = p->store;
    char name[PATH_NAME_MAX + 64], text[NOTE_MAX];
    struct stat st;
    if (io->fstatat(s->local, path, &st, 0) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", path);
    /* The Python client believes a note only when it is not older than the file, less one second. */
    int64_t when = MAX(unix_s, (int64_t)st.st_mtim.tv_sec + 1);
    int n = snprintf(text, sizeof text, "%s\n%s\n%" PRId64 ".0\n", commit, p->etag, when);
    snprintf(name, sizeof name, "download/%s.metadata", path);
    int rc = store_make_parents(s, s->local_notes, name, err);
    if (!rc)
        rc = io_write_file(s->local_notes, name, s->receipts, text, (size_t)n, 0666, false, err);
    if (!rc)
        store_adopt_owner(s, s->local_notes, name);
    return rc;
}

/* As the Python client reads it: commit, etag, a time that the file is not younger than. */
static int note_holds(bool *holds, const struct place *p, const char *commit, const char *path, struct hfp_err *err)
{
    char name[PATH_NAME_MAX + 64], want[160];
    AUTO_FREE char *text = NULL;
    struct stat st;
    snprintf(name, sizeof name, "download/%s.metadata", path);
    snprintf(want, sizeof want, "%.40s\n%s\n", commit, p->etag);
    size_t n = strlen(want);
    *holds = false;
    if (p->store->local_notes < 0)
        return HFP_OK;
    int rc = io_read_file(&text, NULL, p->store->local_notes, name, NOTE_MAX, NULL);
    if (rc == HFP_E_NOMEM)
        return err_nomem(err);
    if (rc || strncmp(text, want, n) != 0 || io->fstatat(p->store->local, path, &st, 0) < 0)
        return HFP_OK;
    double when = strtod(text + n, NULL);
    *holds = (double)st.st_mtim.tv_sec - 1 <= when && S_ISREG(st.st_mode) && (uint64_t)st.st_size == p->size_bytes;
    return HFP_OK;
}

/* A file of a folder and its note are written together, under the lock of its path: so a copy waits for that lock too.
 * Who holds it for longer fetches, and writes both when that is over. */
static void lock_copy(int *fd, const struct place *p, const char *commit, const char *path)
{
    AUTO_FREE struct place *there = calloc(1, sizeof *there);
    if (!there)
        return;
    place_of(there, p->store, &p->id, p->size_bytes, commit, path);
    int rc = place_prepare(there, NULL);
    for (int i = 0; !rc && i < LOCK_TRIES && lock_try(fd, there, NULL) == HFP_E_LOCKED; i++)
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_WAIT_NS }, NULL);
}

int publish_link(const struct place *p, const char *commit, const char *path, int64_t unix_s, struct hfp_err *err)
{
    const struct store *s = p->store;
    char entry[PATH_NAME_MAX + 64];
    int rc = HFP_OK;
    entry_name(entry, sizeof entry, commit, path);
    if (place_is_blob(p) && s->symlinks)
        return make_link(p, entry, err);
    bool linked = false, holds = strcmp(path, p->final_name) == 0;
    rc = publish_linked(&linked, p, commit, path, err);
    if (rc || linked)
        return rc;
    if (s->is_local) {
        AUTO(fd_closep) int lock = -1;
        if (!holds)
            lock_copy(&lock, p, commit, path);
        if (!holds)
            rc = copy_holds(&holds, p, path, commit, path, err);
        if (!rc && !holds)
            rc = copy_to(p, s->local, path, commit, path, unix_s, err);
        return rc ? rc : note_write(p, commit, path, unix_s, err);
    }
    if (strcmp(entry, p->final_name) == 0)
        return err_set(err, HFP_E_IO, "%s is not in place any more, or cannot be looked at", path);
    return copy_to(p, s->repo_dir, entry, commit, path, unix_s, err);
}

int publish_linked(bool *linked, const struct place *p, const char *commit, const char *path, struct hfp_err *err)
{
    const struct store *s = p->store;
    char entry[PATH_NAME_MAX + 64];
    struct stat st;
    bool at_home = strcmp(path, p->final_name) == 0;
    if (s->is_local) {
        int rc = HFP_OK;
        if (at_home)
            *linked = final_present(p, &st);
        else
            rc = copy_holds(linked, p, path, commit, path, err);
        return rc || !*linked ? rc : note_holds(linked, p, commit, path, err);
    }
    entry_name(entry, sizeof entry, commit, path);
    if (strcmp(entry, p->final_name) != 0 && !(place_is_blob(p) && s->symlinks))
        return copy_holds(linked, p, entry, commit, path, err);
    if (strcmp(entry, p->final_name) != 0)
        return same_file(linked, s->repo_dir, entry, s->blobs, p->etag, err);
    *linked = final_present(p, &st);
    return HFP_OK;
}
