/* A revision leaves the hub cache: hfp_cache_delete_revision() of hfp.h.
 *
 *   refs away -> snapshots/<commit> renamed to .hf-pull/deleted-<commit> -> content nobody else uses away -> that folder away
 *
 * A scanner never sees a ref to nothing or a link to nothing. The folder aside is the note of what is to be done: after a
 * kill the next call reads it and goes on. Content goes under the lock the Python client and our own pulls hold while
 * they write it; what is locked stays. */
#include "cache/lock.h"
#include "cache/snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A set of etags, sorted once it is full. */
struct etags {
    char (*etag)[65];
    size_t n, room;
};

static void etags_done(struct etags *e)
{
    free(e->etag);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int etags_add(struct etags *e, const char *etag, struct hfp_err *err)
{
    if (e->n == e->room) {
        size_t room = e->room ? e->room * 2 : 256;
        char(*more)[65] = realloc(e->etag, room * sizeof *more);
        if (!more)
            return err_nomem(err);
        e->etag = more;
        e->room = room;
    }
    snprintf(e->etag[e->n++], 65, "%s", etag);
    return HFP_OK;
}

static void etags_sort(struct etags *e)
{
    size_t kept = 0;
    if (e->n)
        qsort(e->etag, e->n, sizeof *e->etag, compare);
    for (size_t i = 0; i < e->n; i++)
        if (kept == 0 || strcmp(e->etag[kept - 1], e->etag[i]) != 0)
            memmove(e->etag[kept++], e->etag[i], 65);
    e->n = kept;
}

static bool etags_have(const struct etags *e, const char *etag)
{
    return e->n && bsearch(etag, e->etag, e->n, sizeof *e->etag, compare) != NULL;
}

struct removal {
    const struct store *store;
    const char *commit;
    const char *passed_over;   /* a snapshot that does not count as use; NULL: all do */
    struct etags mine, others; /* used by the revision that goes, and by the rest */
    uint64_t freed_bytes;
    size_t left; /* revisions that stay */
};

static int take_mine(void *ctx, const struct snapshot_file *f, struct hfp_err *err)
{
    return f->in_blobs ? etags_add(&((struct removal *)ctx)->mine, f->etag, err) : HFP_OK;
}

static int take_other(void *ctx, const struct snapshot_file *f, struct hfp_err *err)
{
    return f->in_blobs ? etags_add(&((struct removal *)ctx)->others, f->etag, err) : HFP_OK;
}

static int take_commit(void *ctx, const char *commit, struct hfp_err *err)
{
    struct removal *r = ctx;
    char folder[16 + COMMIT_HEX];
    if (r->passed_over && strcmp(commit, r->passed_over) == 0)
        return HFP_OK;
    r->left++;
    snprintf(folder, sizeof folder, "snapshots/%s", commit);
    return snapshot_walk(r->store, folder, take_other, r, err);
}

static int collect(struct removal *r, const char *folder, struct hfp_err *err)
{
    r->mine.n = r->others.n = r->left = 0;
    int rc = snapshot_walk(r->store, folder, take_mine, r, err);
    if (!rc)
        rc = snapshot_commits(r->store, take_commit, r, err);
    etags_sort(&r->mine);
    etags_sort(&r->others);
    return rc;
}

/* ---- somebody at work? ---- */

/* On success *fd holds the lock of the content, or is -1 where locks are void. */
static int lock_etag(int *fd, const struct store *s, const char *etag, struct hfp_err *err)
{
    struct content_id id;
    AUTO_FREE struct place *p = calloc(1, sizeof *p);
    if (!p)
        return err_nomem(err);
    if (content_id_parse(&id, etag))
        return err_set(err, HFP_E_CORRUPT, "%s is no name of a content", etag);
    place_of(p, s, &id, 0, NULL, NULL);
    return s->locks < 0 ? HFP_OK : lock_try(fd, p, err);
}

/* A pull of any revision holds the lock of what it writes: its partial is there, and its lock is busy. */
static int nobody_writes(const struct store *s, struct hfp_err *err)
{
    AUTO(dir_closep) DIR *list = io_list(s->blobs, ".");
    int rc = list || s->blobs < 0 ? HFP_OK : err_sys(err, HFP_E_IO, errno, "read blobs");
    for (struct dirent *e; !rc && list && (e = io_readdir(list, &rc, err, "blobs"));) {
        char etag[65];
        size_t n = strspn(e->d_name, "0123456789abcdef");
        if ((n != 40 && n != 64) || e->d_name[n] != '.')
            continue;
        snprintf(etag, sizeof etag, "%.*s", (int)n, e->d_name);
        AUTO(fd_closep) int fd = -1;
        rc = lock_etag(&fd, s, etag, err);
    }
    return rc == HFP_E_LOCKED ? err_set(err, rc, "%s is being pulled by another process", s->repo) : rc;
}

static int nobody_holds(const struct removal *r, struct hfp_err *err)
{
    for (size_t i = 0; i < r->mine.n; i++) {
        AUTO(fd_closep) int fd = -1;
        int rc = etags_have(&r->others, r->mine.etag[i]) ? HFP_OK : lock_etag(&fd, r->store, r->mine.etag[i], err);
        if (rc)
            return rc;
    }
    return HFP_OK;
}

/* ---- doing it ---- */

static int drop_ref(void *ctx, const char *name, struct hfp_err *err)
{
    const struct removal *r = ctx;
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "refs/%s", name) < 0) {
        path = NULL;
        return err_nomem(err);
    }
    if (io->unlinkat(r->store->repo_dir, path, 0) < 0 && errno != ENOENT)
        return err_sys(err, HFP_E_IO, errno, "remove %s", path);
    return HFP_OK;
}

/* All below path and the folder itself. What cannot go stays: the folder is then found again. */
static void remove_tree(struct removal *r, const char *path, unsigned depth)
{
    int dir = r->store->repo_dir;
    DIR *list = depth > WALK_DEPTH_MAX ? NULL : io_list(dir, path);
    for (struct dirent *e; list && (e = io->readdir(list));) {
        AUTO_FREE char *below = NULL;
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (asprintf(&below, "%s/%s", path, e->d_name) < 0) {
            below = NULL;
            break;
        }
        if (io->fstatat(dir, below, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            remove_tree(r, below, depth + 1);
        else if (io->unlinkat(dir, below, 0) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
            r->freed_bytes += (uint64_t)st.st_size; /* a cache without links keeps the content here */
    }
    dir_closep(&list);
    io->unlinkat(dir, path, AT_REMOVEDIR);
}

static void drop_notes(const struct store *s, const char *etag)
{
    char name[80];
    if (s->receipts < 0)
        return;
    snprintf(name, sizeof name, "%s.receipt", etag);
    io->unlinkat(s->receipts, name, 0);
    snprintf(name, sizeof name, "%s.chunks", etag);
    io->unlinkat(s->receipts, name, 0);
}

/* A content that is locked now is wanted by somebody who came in between: it stays. A link into the store that
 * repositories share goes, what it leads to stays: only the Python client's own protocol may free that. */
static int drop_content(struct removal *r, const char *etag, struct hfp_err *err)
{
    const struct store *s = r->store;
    struct stat st;
    AUTO(fd_closep) int fd = -1;
    int rc = lock_etag(&fd, s, etag, err);
    if (rc)
        return rc == HFP_E_LOCKED ? HFP_OK : rc;
    if (io->fstatat(s->blobs, etag, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return HFP_OK;
    if (io->unlinkat(s->blobs, etag, 0) < 0)
        return errno == ENOENT ? HFP_OK : err_sys(err, HFP_E_IO, errno, "remove blobs/%s", etag);
    drop_notes(s, etag);
    if (S_ISREG(st.st_mode) && st.st_nlink == 1)
        r->freed_bytes += (uint64_t)st.st_size;
    return HFP_OK;
}

static bool folder_is_empty(int dir)
{
    AUTO(dir_closep) DIR *list = io_list(dir, ".");
    bool empty = dir < 0 || list; /* what cannot be read is not empty */
    int rc = HFP_OK;
    for (struct dirent *e; empty && list && (e = io_readdir(list, &rc, NULL, "blobs"));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    return empty && !rc;
}

/* The last revision is gone, and no partial waits to be gone on with: nothing of the repository stays. */
static void drop_repository(struct removal *r)
{
    static const char *const folders[] = { "snapshots", "refs", "trees", ".no_exist", ".hf-pull", "blobs" };
    uint64_t freed_bytes = r->freed_bytes; /* notes are not content */
    if (r->left > 0 || !folder_is_empty(r->store->blobs))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(folders); i++)
        remove_tree(r, folders[i], 0);
    r->freed_bytes = freed_bytes;
    io->unlinkat(r->store->hub, r->store->folder, AT_REMOVEDIR);
}

static int put_aside(struct removal *r, const char *folder, const char *aside, struct hfp_err *err)
{
    char trees[16 + COMMIT_HEX];
    int dir = r->store->repo_dir;
    int rc = snapshot_refs(r->store, r->commit, drop_ref, r, err);
    if (rc)
        return rc;
    if (io->mkdirat(dir, ".hf-pull", 0777) < 0 && errno != EEXIST)
        return err_sys(err, HFP_E_IO, errno, "make .hf-pull");
    if (io->renameat(dir, folder, dir, aside) < 0)
        return err_sys(err, HFP_E_IO, errno, "move %s aside", folder);
    snprintf(trees, sizeof trees, "trees/%s.json", r->commit);
    io->unlinkat(dir, trees, 0);
    return HFP_OK;
}

/* What was put aside: content that no snapshot uses now, then the note itself. */
static int finish(struct removal *r, const char *aside, struct hfp_err *err)
{
    r->passed_over = NULL;
    int rc = collect(r, aside, err);
    for (size_t i = 0; !rc && i < r->mine.n; i++)
        if (!etags_have(&r->others, r->mine.etag[i]))
            rc = drop_content(r, r->mine.etag[i], err);
    if (!rc)
        remove_tree(r, aside, 0);
    return rc;
}

static int look_for(bool *there, const struct store *s, const char *folder, struct hfp_err *err)
{
    struct stat st;
    *there = io->fstatat(s->repo_dir, folder, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return *there || errno == ENOENT || errno == ENOTDIR ? HFP_OK : err_sys(err, HFP_E_IO, errno, "stat %s", folder);
}

/* No pull ends meanwhile. */
static int keep_pulls_out(int *lock, const struct store *s, struct hfp_err *err)
{
    int rc = lock_repository(lock, s, true, err);
    return rc == HFP_E_LOCKED ? err_set(err, rc, "%s is being pulled by another process", s->repo) : rc;
}

static int remove_revision(struct removal *r, struct hfp_err *err)
{
    char folder[16 + COMMIT_HEX], aside[32 + COMMIT_HEX];
    bool there = false, begun = false;
    AUTO(fd_closep) int lock = -1;
    snprintf(folder, sizeof folder, "snapshots/%s", r->commit);
    snprintf(aside, sizeof aside, ".hf-pull/deleted-%s", r->commit);
    int rc = keep_pulls_out(&lock, r->store, err);
    if (!rc)
        rc = look_for(&there, r->store, folder, err);
    if (!rc)
        rc = look_for(&begun, r->store, aside, err);
    if (!rc && !there && !begun)
        rc = err_set(err, HFP_E_NO_REVISION, "%s has no revision %s here", r->store->repo, r->commit);
    if (!rc)
        rc = nobody_writes(r->store, err);
    if (!rc && begun)
        rc = finish(r, aside, err);
    r->passed_over = r->commit;
    if (!rc && there)
        rc = collect(r, folder, err);
    if (!rc && there)
        rc = nobody_holds(r, err);
    if (!rc && there)
        rc = put_aside(r, folder, aside, err);
    if (!rc && there)
        rc = finish(r, aside, err);
    if (!rc)
        drop_repository(r);
    return rc;
}

int hfp_cache_delete_revision(uint64_t *freed_bytes, const char *hub_cache, enum hfp_repo_type type, const char *repo,
                              const char *commit, struct hfp_err *err)
{
    AUTO(store_freep) struct store *s = NULL;
    if (!hub_cache || !repo || !commit || !name_is_commit(commit))
        return err_set(err, HFP_E_ARG, "a revision to delete is named by its commit: 40 hex digits");
    struct store_spec spec = { .type = type, .repo = repo, .hub_cache = hub_cache };
    int rc = store_open(&s, &spec, err);
    if (!rc && s->repo_dir < 0)
        rc = err_set(err, HFP_E_NO_REPO, "%s is not in the cache", repo);
    if (rc)
        return rc;
    struct removal r = { .store = s, .commit = commit };
    rc = remove_revision(&r, err);
    etags_done(&r.mine);
    etags_done(&r.others);
    if (freed_bytes)
        *freed_bytes = r.freed_bytes;
    return rc;
}
