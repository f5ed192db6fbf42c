#include "commit/publish.h"

#include "commit/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOTE_MAX 4096 /* three lines; anything longer was not written by a client of the Hub */

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

static bool same_file(int a_dir, const char *a, int b_dir, const char *b)
{
    struct stat x, y;
    return io->fstatat(a_dir, a, &x, 0) == 0 && io->fstatat(b_dir, b, &y, 0) == 0 && x.st_ino == y.st_ino &&
           x.st_dev == y.st_dev;
}

/* A link beside, in our own folder on the same file system, then rename: readers never see the entry missing. */
static int replace_link(const struct store *s, const char *target, const char *entry, struct hfp_err *err)
{
    char salt[9], tmp[32];
    store_salt(salt);
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
    if (rc < 0 && errno == EEXIST)
        return same_file(s->repo_dir, entry, s->blobs, p->etag) ? HFP_OK : replace_link(s, target, entry, err);
    if (rc < 0)
        return err_sys(err, HFP_E_IO, errno, "link %s", entry);
    store_adopt_owner(s, s->repo_dir, entry);
    return HFP_OK;
}

/* A second place of equal content, where links do not work or a folder of plain files is wanted: proved by hashing it
 * on the way, with its own receipt. */
static int copy_to(const struct place *p, int dir, const char *name, const char *commit, const char *path,
                   int64_t unix_s, struct hfp_err *err)
{
    char tmp[PATH_NAME_MAX + 64];
    AUTO_FREE struct place *there = calloc(1, sizeof *there);
    if (!there)
        return err_nomem(err);
    int rc = store_make_parents(p->store, dir, name, err);
    if (rc)
        return rc;
    AUTO(fd_closep) int from = io_openat(p->final_dir, p->final_name, O_RDONLY, 0);
    if (from < 0)
        return err_sys(err, HFP_E_IO, errno, "open %s", p->final_name);
    copy_temp_name(tmp, sizeof tmp, name);
    rc = copy_bytes(from, dir, tmp, p, err);
    if (!rc && io->renameat(dir, tmp, dir, name) < 0) {
        rc = err_sys(err, HFP_E_IO, errno, "rename to %s", name);
        io->unlinkat(dir, tmp, 0);
    }
    if (rc)
        return rc;
    place_of(there, p->store, &p->id, p->size_bytes, commit, path);
    if (strcmp(there->final_name, name) == 0)
        receipt_write(there, NULL, 0, unix_s, NULL); /* without it the next run hashes this copy once */
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
    char name[PATH_NAME_MAX + 64], tmp[128], text[NOTE_MAX];
    struct stat st;
    if (io->fstatat(s->local, path, &st, 0) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", path);
    /* The Python client believes a note only when it is not older than the file, less one second. */
    int64_t when = MAX(unix_s, (int64_t)st.st_mtim.tv_sec + 1);
    int n = snprintf(text, sizeof text, "%s\n%s\n%" PRId64 ".0\n", commit, p->etag, when);
    snprintf(name, sizeof name, "download/%s.metadata", path);
    char salt[9];
    store_salt(salt);
    snprintf(tmp, sizeof tmp, "note.%s.tmp", salt);
    int rc = store_make_parents(s, s->local_notes, name, err);
    if (!rc)
        rc = io_write_file(s->local_notes, name, s->receipts, tmp, text, (size_t)n, 0666, false, err);
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
    *linked =
        strcmp(entry, p->final_name) == 0 ? final_present(p, &st) : same_file(s->repo_dir, entry, s->blobs, p->etag);
    return HFP_OK;
}
