#include "cache/snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Calls one for all entries but dots and folders; folder is opened below dir. A folder that is not there is empty. */
struct walk {
    const struct store *store;
    int dir;
    void *ctx;
    int (*one)(struct walk *w, const char *path, const struct stat *own, struct hfp_err *err);
    bool names_do; /* nothing but names is looked at, and a closed folder is passed over */
    snapshot_file_fn *file;
    name_fn *name;
    note_fn *note;
    const char *commit; /* of the refs that are looked for */
    const char *top;
};

static DIR *list_of(int dir, const char *path, struct hfp_err *err, int *rc)
{
    DIR *list = io_list(dir, path);
    *rc = list || errno == ENOENT || errno == ENOTDIR || errno == ELOOP
              ? HFP_OK
              : err_sys(err, HFP_E_IO, errno, "read %s", path);
    return list;
}

/* "../../blobs/<etag>", as deep as it may be. */
static bool leads_to_blob(char etag[65], const char *target)
{
    const char *base = strrchr(target, '/');
    if (!base || base - target < 6 || strncmp(base - 6, "/blobs", 6) != 0 || !name_is_etag(base + 1))
        return false;
    snprintf(etag, 65, "%s", base + 1);
    return true;
}

static int one_file(struct walk *w, const char *path, const struct stat *own, struct hfp_err *err)
{
    struct snapshot_file f = { .path = path + strlen(w->top) + 1, .st = *own, .there = true };
    char target[PATH_NAME_MAX];
    if (S_ISLNK(own->st_mode)) {
        ssize_t n = io->readlinkat(w->store->repo_dir, path, target, sizeof target - 1);
        if (n < 0 && errno != ENOENT)
            return err_sys(err, HFP_E_IO, errno, "read the link %s", path);
        target[n > 0 ? n : 0] = '\0';
        f.in_blobs = leads_to_blob(f.etag, target);
        f.there = io->fstatat(w->store->repo_dir, path, &f.st, 0) == 0;
        if (!f.there && io_damaged(errno))
            return err_sys(err, HFP_E_IO, errno, "stat %s", path);
    }
    return w->file(w->ctx, &f, err);
}

static int one_ref(struct walk *w, const char *path, const struct stat *own, struct hfp_err *err)
{
    (void)own;
    AUTO_FREE char *text = NULL;
    size_t n = 0;
    struct hfp_err why = { 0 };
    int rc = io_read_file(&text, &n, w->store->repo_dir, path, 256, &why);
    if (rc == HFP_E_NOMEM || io_damaged(why.sys_errno)) {
        if (err)
            *err = why;
        return rc;
    }
    if (rc || n != COMMIT_HEX || strcmp(text, w->commit) != 0)
        return HFP_OK;
    return w->name(w->ctx, path + strlen(w->top) + 1, err);
}

/* <path>.metadata: commit, etag, time, a line each. */
static int one_note(struct walk *w, const char *path, const struct stat *own, struct hfp_err *err)
{
    (void)own;
    static const char suffix[] = ".metadata";
    AUTO_FREE char *text = NULL, *name = strdup(path + strlen(w->top) + 1);
    size_t n = name ? strlen(name) : 0;
    if (!name)
        return err_nomem(err);
    if (n < sizeof suffix || strcmp(name + n - (sizeof suffix - 1), suffix) != 0)
        return HFP_OK;
    name[n - (sizeof suffix - 1)] = 0;
    if (name_check_path(name, NULL) != HFP_OK || io_read_file(&text, NULL, w->dir, path, NOTE_MAX, NULL) != HFP_OK)
        return HFP_OK;
    char *etag = strchr(text, '\n');
    if (!etag)
        return HFP_OK;
    etag++;
    etag[strcspn(etag, "\n")] = 0;
    return name_is_etag(etag) ? w->note(w->ctx, name, etag, err) : HFP_OK;
}

static int one_name(struct walk *w, const char *path, const struct stat *own, struct hfp_err *err)
{
    (void)own;
    return w->name(w->ctx, strrchr(path, '/') + 1, err);
}

static int look(const struct walk *w, const char *path, unsigned char type, struct stat *own)
{
    if (!w->names_do || type == DT_UNKNOWN)
        return io->fstatat(w->dir, path, own, AT_SYMLINK_NOFOLLOW);
    *own = (struct stat){ .st_mode = DTTOIF(type) };
    return 0;
}

static int walk(struct walk *w, const char *folder, unsigned depth, struct hfp_err *err)
{
    int rc;
    AUTO(dir_closep) DIR *list = list_of(w->dir, folder, err, &rc);
    if (depth > WALK_DEPTH_MAX)
        return err_set(err, HFP_E_CORRUPT, "%s: folders in folders without end", folder);
    for (struct dirent *e; !rc && list && (e = io_readdir(list, &rc, err, folder));) {
        AUTO_FREE char *path = NULL;
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (asprintf(&path, "%s/%s", folder, e->d_name) < 0) {
            path = NULL;
            return err_nomem(err);
        }
        if (look(w, path, e->d_type, &st) < 0) {
            if (errno == ENOENT)
                continue;
            return err_sys(err, HFP_E_IO, errno, "stat %s", path);
        }
        bool is_folder = S_ISDIR(st.st_mode);
        rc = is_folder ? walk(w, path, depth + 1, err) : w->one(w, path, &st, err);
        if (is_folder && w->names_do)
            rc = HFP_OK;
    }
    return rc;
}

int snapshot_walk(const struct store *s, const char *folder, snapshot_file_fn *each, void *ctx, struct hfp_err *err)
{
    struct walk w = { .store = s, .dir = s->repo_dir, .ctx = ctx, .one = one_file, .file = each, .top = folder };
    return walk(&w, folder, 0, err);
}

int snapshot_refs(const struct store *s, const char *commit, name_fn *each, void *ctx, struct hfp_err *err)
{
    struct walk w = {
        .store = s, .dir = s->repo_dir, .ctx = ctx, .one = one_ref, .name = each, .commit = commit, .top = "refs"
    };
    return walk(&w, "refs", 0, err);
}

int snapshot_notes(const struct store *s, note_fn *each, void *ctx, struct hfp_err *err)
{
    struct walk w = { .store = s, .dir = s->local_notes, .ctx = ctx, .one = one_note, .note = each, .top = "download" };
    return s->local_notes < 0 ? HFP_OK : walk(&w, "download", 0, err);
}

int snapshot_note_names(const struct store *s, name_fn *each, void *ctx, struct hfp_err *err)
{
    struct walk w = { .dir = s->local_notes, .ctx = ctx, .one = one_name, .names_do = true, .name = each };
    return s->local_notes < 0 ? HFP_OK : walk(&w, "download", 0, err);
}

int snapshot_commits(const struct store *s, name_fn *each, void *ctx, struct hfp_err *err)
{
    int rc;
    AUTO(dir_closep) DIR *list = list_of(s->repo_dir, "snapshots", err, &rc);
    for (struct dirent *e; !rc && list && (e = io_readdir(list, &rc, err, "snapshots"));)
        if (name_is_commit(e->d_name))
            rc = each(ctx, e->d_name, err);
    return rc;
}
