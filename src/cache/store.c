#include "cache/store.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOTES ".cache/huggingface" /* below --local-dir, since huggingface_hub 0.24 */
#define OURS ".hf-pull"

/* Letter by letter what huggingface_hub 1.9.0 and later writes, 191 bytes. */
static const char cachedir_tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                                   "# This file is a cache directory tag created by huggingface_hub.\n"
                                   "# For information about cache directory tags, see:\n"
                                   "#\thttps://bford.info/cachedir/\n";

/* What a file system says that lets us read and not write. */
static bool refuses_writes(int errnum)
{
    return errnum == EROFS || errnum == EACCES || errnum == EPERM;
}

void store_adopt_owner(const struct store *s, int dir, const char *name)
{
    if (s->give_owner) /* NFS with root_squash and user namespaces refuse it: the file is still right */
        io->fchownat(dir, name, s->owner_uid, s->owner_gid, AT_SYMLINK_NOFOLLOW);
}

/* The entry of a folder just made outside the cache: once in its life, for the folders below are synced with what they
 * hold. A parent that may be searched but not read cannot be synced by us. What could not be synced is taken back, or the
 * next run would find it there and believe it. */
static int keep_folder(int dir, const char *path, struct hfp_err *err)
{
    struct hfp_err why = { 0 };
    int rc = io_fsync_entry(dir, path, &why);
    if (!rc || why.sys_errno == EACCES)
        return HFP_OK;
    io->unlinkat(dir, path, AT_REMOVEDIR);
    if (err)
        *err = why;
    return rc;
}

static int folder_made(const void *ctx, int dir, const char *path, struct hfp_err *err)
{
    const struct store *s = ctx;
    store_adopt_owner(s, dir, path);
    return dir == AT_FDCWD ? keep_folder(dir, path, err) : HFP_OK;
}

int store_make_parents(const struct store *s, int dir, const char *path, struct hfp_err *err)
{
    const char *slash = strrchr(path, '/');
    return slash ? io_mkdirs_told(dir, path, (size_t)(slash - path), folder_made, s, err) : HFP_OK;
}

/* Opens path below dir, making it first when wanted. A folder that is not there, or may not be made, leaves *out -1
 * and clears writable: that alone is no failure. */
static int open_folder(struct store *s, int *out, int dir, const char *path, bool create, struct hfp_err *err)
{
    *out = -1;
    if (dir < 0 && dir != AT_FDCWD)
        return HFP_OK;
    int fd = io_openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && create) {
        struct hfp_err why = { 0 };
        int rc = io_mkdirs_told(dir, path, strlen(path), folder_made, s, &why);
        if (rc && refuses_writes(why.sys_errno)) {
            s->writable = false;
            s->refused_errno = why.sys_errno;
            return HFP_OK;
        }
        if (rc) {
            if (err)
                *err = why;
            return rc;
        }
        fd = io_openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0 && errno == ENOENT) /* there already, said mkdir() */
            return err_sys(err, HFP_E_IO, ENOENT, "the folder %s is a link that leads nowhere", path);
    }
    if (fd < 0 && errno != ENOENT)
        return err_sys(err, HFP_E_IO, errno, "open folder %s", path);
    *out = fd;
    return HFP_OK;
}

/* Locks and receipts of another user may be closed to us: the cache can still be read. */
static int open_own_folder(struct store *s, int *out, int dir, const char *path, bool create, struct hfp_err *err)
{
    struct hfp_err why = { 0 };
    int rc = open_folder(s, out, dir, path, create, &why);
    if (rc && refuses_writes(why.sys_errno)) {
        s->writable = false;
        s->refused_errno = why.sys_errno;
        return HFP_OK;
    }
    if (rc && err)
        *err = why;
    return rc;
}

/* As root in a place that belongs to someone else, what we make shall be theirs: look at the folder, or at the nearest
 * one above it that exists. */
static void learn_owner(struct store *s, int dir, const char *path)
{
    char part[PATH_NAME_MAX];
    struct stat st;
    if (geteuid() != 0 || s->give_owner || snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return;
    while (io->fstatat(dir, part, &st, 0) < 0) {
        char *slash = strrchr(part, '/');
        if (errno != ENOENT || (slash == part && part[1] == 0))
            return;
        if (!slash)
            strcpy(part, ".");
        else
            slash[slash == part] = 0; /* "/a" becomes "/" */
    }
    s->give_owner = st.st_uid != 0;
    s->owner_uid = st.st_uid;
    s->owner_gid = st.st_gid;
}

/* A small file that others look for; made once, never touched again. Best effort: nothing of ours depends on it. */
static void write_once(const struct store *s, int dir, const char *name, const char *text)
{
    AUTO(fd_closep) int fd = io_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return;
    if (io_pwrite_all(fd, text, strlen(text), 0, NULL))
        io->unlinkat(dir, name, 0);
    else
        store_adopt_owner(s, dir, name);
}

/* One fresh file and one link tell what this file system gives (the umask, default ACLs, mount options) and takes. */
static void test_folder(struct store *s, bool no_symlinks)
{
    char salt[9], file[32], link[32];
    io_salt(salt);
    snprintf(file, sizeof file, "test.%s", salt);
    snprintf(link, sizeof link, "link.%s", salt);
    s->symlinks = !no_symlinks;
    AUTO(fd_closep) int fd = io_openat(s->receipts, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0) {
        s->writable = s->writable && !refuses_writes(errno); /* a full disk will say so where it matters */
        return;
    }
    struct stat st;
    if (io->fstat(fd, &st) == 0)
        s->file_mode = st.st_mode & 0777;
    io->unlinkat(s->receipts, file, 0);
    if (no_symlinks || s->is_local)
        return;
    if (io->symlinkat(file, s->receipts, link) == 0)
        io->unlinkat(s->receipts, link, 0);
    else if (errno != ENOSPC && errno != EDQUOT && errno != EIO && errno != ENOMEM) /* these say nothing about links */
        s->symlinks = false;
}

/* root_text: absolute, no slash at the end. */
static int set_root_text(struct store *s, const char *path, struct hfp_err *err)
{
    char cwd[sizeof s->root_text] = "";
    if (path[0] != '/' && !getcwd(cwd, sizeof cwd))
        return err_sys(err, HFP_E_IO, errno, "find the current folder");
    int n = snprintf(s->root_text, sizeof s->root_text, "%s%s%s", cwd, path[0] == '/' ? "" : "/", path);
    if (n >= (int)sizeof s->root_text)
        return err_set(err, HFP_E_ARG, "the folder name %.80s... is too long", path);
    while (n > 1 && s->root_text[n - 1] == '/')
        s->root_text[--n] = 0;
    return HFP_OK;
}

static int open_hub(struct store *s, const struct store_spec *spec, bool create, struct hfp_err *err)
{
    char below[REPO_FOLDER_MAX + 16];
    if (create)
        learn_owner(s, AT_FDCWD, spec->hub_cache);
    int rc = open_folder(s, &s->hub, AT_FDCWD, spec->hub_cache, create, err);
    if (!rc && create && s->hub >= 0)
        learn_owner(s, s->hub, s->folder);
    if (!rc)
        rc = open_folder(s, &s->repo_dir, s->hub, s->folder, create, err);
    if (!rc)
        rc = open_folder(s, &s->blobs, s->repo_dir, "blobs", create, err);
    if (!rc && !s->is_local)
        rc = open_own_folder(s, &s->receipts, s->repo_dir, OURS, create, err);
    snprintf(below, sizeof below, ".locks/%s", s->folder);
    if (!rc)
        rc = open_own_folder(s, &s->locks, s->hub, below, create, err);
    if (!rc && create && s->hub >= 0)
        write_once(s, s->hub, "CACHEDIR.TAG", cachedir_tag);
    return rc;
}

static int open_local(struct store *s, const struct store_spec *spec, struct hfp_err *err)
{
    if (spec->create)
        learn_owner(s, AT_FDCWD, spec->local_dir);
    int rc = open_folder(s, &s->local, AT_FDCWD, spec->local_dir, spec->create, err);
    if (!rc)
        rc = open_folder(s, &s->local_notes, s->local, NOTES, spec->create, err);
    if (!rc)
        rc = open_own_folder(s, &s->receipts, s->local_notes, OURS, spec->create, err);
    if (!rc && spec->create && s->local_notes >= 0) {
        write_once(s, s->local_notes, "CACHEDIR.TAG", cachedir_tag);
        write_once(s, s->local_notes, ".gitignore", "*");
    }
    return rc;
}

int store_sync_folders(const struct store *s, struct hfp_err *err)
{
    const int dirs[] = { s->is_local ? s->local_notes : s->repo_dir, s->is_local ? s->local : s->hub };
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        int rc = dirs[i] < 0 ? HFP_OK : io_fsync(dirs[i], err, s->root_text);
        if (rc)
            return rc;
    }
    return HFP_OK;
}

void store_freep(struct store **s)
{
    store_free(*s);
}

int store_open(struct store **out, const struct store_spec *spec, struct hfp_err *err)
{
    int rc = name_check_repo(spec->repo, err);
    if (rc)
        return rc;
    AUTO(store_freep) struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(err);
    s->type = spec->type;
    s->hub = s->repo_dir = s->blobs = s->locks = s->receipts = s->local = s->local_notes = -1;
    s->is_local = spec->local_dir != NULL;
    s->symlinks = !spec->no_symlinks;
    s->shared_blobs = spec->shared_blobs;
    s->writable = true;
    s->file_mode = 0644;
    snprintf(s->repo, sizeof s->repo, "%s", spec->repo);
    name_repo_folder(s->folder, spec->type, spec->repo);
    rc = set_root_text(s, spec->local_dir ? spec->local_dir : spec->hub_cache, err);
    if (!rc && spec->local_dir)
        rc = open_local(s, spec, err);
    /* Beside a local folder the hub cache is only looked at, for content that is there already. */
    if (!rc && spec->hub_cache)
        rc = open_hub(s, spec, spec->create && !spec->local_dir, err);
    if (rc)
        return rc;
    if (spec->create && s->receipts >= 0)
        test_folder(s, spec->no_symlinks);
    if (s->receipts < 0 && spec->create)
        s->writable = false;
    *out = ptr_steal(&s);
    return HFP_OK;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    int *fds[] = { &s->hub, &s->repo_dir, &s->blobs, &s->locks, &s->receipts, &s->local, &s->local_notes };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fd_closep(fds[i]);
    free(s);
}
