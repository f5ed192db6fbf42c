#include "commit/publish.h"

#include "commit/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RENAME_TRIES 3 /* each failure means that the partial was pruned between our look and the rename */

/* What a fresh file here would get: a taken-over partial may have been made by another user or umask. */
static int set_mode(const struct place *p, struct partial *pt, const struct stat *st, struct hfp_err *err)
{
    const struct store *s = p->store;
    if ((st->st_mode & 07777) != s->file_mode && io->fchmod(pt->fd, s->file_mode) < 0 && errno != EPERM &&
        errno != ENOTSUP && errno != ENOSYS)
        return err_sys(err, HFP_E_IO, errno, "set the mode of %s", pt->name);
    if (s->give_owner && (st->st_uid != s->owner_uid || st->st_gid != s->owner_gid))
        store_adopt_owner(s, pt->dir, pt->name);
    return HFP_OK;
}

/* Makes pt's bytes durable and right in mode, under a name that exists. */
static int make_ready(const struct place *p, struct partial *pt, struct hfp_err *err)
{
    struct stat st;
    if (io->fstat(pt->fd, &st) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", pt->name);
    if ((uint64_t)st.st_size != p->size_bytes)
        return err_set(err, HFP_E_INTERNAL, "%s has %lld bytes, proved were %llu", pt->name, (long long)st.st_size,
                       (unsigned long long)p->size_bytes);
    int rc = st.st_nlink == 0 ? copy_rescue(pt, p, err) : HFP_OK;
    if (!rc && p->size_bytes)
        rc = io_fdatasync(pt->fd, err, pt->name);
    return rc ? rc : set_mode(p, pt, &st, err);
}

/* --local-dir may reach into another file system: there a copy beside the final name is renamed instead. */
static int move_across(const struct place *p, struct partial *pt, struct hfp_err *err)
{
    char tmp[sizeof p->final_name + 32];
    copy_temp_name(tmp, sizeof tmp, p->final_name);
    int rc = copy_bytes(pt->fd, p->final_dir, tmp, p, err);
    if (rc)
        return rc;
    if (io->renameat(p->final_dir, tmp, p->final_dir, p->final_name) < 0) {
        rc = err_sys(err, HFP_E_IO, errno, "rename to %s", p->final_name);
        io->unlinkat(p->final_dir, tmp, 0);
        return rc;
    }
    io->unlinkat(pt->dir, pt->name, 0);
    return HFP_OK;
}

static int move_final(const struct place *p, struct partial *pt, struct hfp_err *err)
{
    int rc = HFP_OK;
    for (int i = 0; i < RENAME_TRIES; i++) {
        rc = make_ready(p, pt, err);
        if (rc)
            return rc;
        if (io->renameat(pt->dir, pt->name, p->final_dir, p->final_name) == 0) {
            pt->name[0] = 0; /* it has its final name: nothing of ours to remove */
            return HFP_OK;
        }
        rc = err_sys(err, HFP_E_IO, errno, "rename %s to %s", pt->name, p->final_name);
        if (errno == EXDEV) {
            rc = move_across(p, pt, err);
            if (!rc)
                pt->name[0] = 0;
            return rc;
        }
        if (errno != ENOENT)
            return rc;
    }
    return rc;
}

/* One fsync per large file. Small ones share that of publish_settle_blobs(): what power loss takes is fetched again. */
static int sync_name(const struct place *p, struct hfp_err *err)
{
    return blocks_of(p->size_bytes) <= 1 ? HFP_OK : io_fsync_entry(p->final_dir, p->final_name, err);
}

int publish_blob(const struct place *p, struct partial **pt, const uint8_t *first_block, int64_t unix_s,
                 struct hfp_err *err)
{
    struct partial *part = *pt;
    int rc = part->name[0] ? move_final(p, part, err) : HFP_OK;
    if (!rc)
        rc = sync_name(p, err);
    if (rc)
        return err_wrap(err, "publish %s", p->final_name);
    /* In place and proved from here on. A receipt that cannot be written costs the next run one hash, no more. */
    if (part->digests) {
        rc = receipt_from_digests(p, part->dir, part->digests_name, part->digests, unix_s, NULL);
        if (!rc)
            part->digests_name[0] = 0;
    } else {
        receipt_write(p, (const uint8_t(*)[BLAKE3_BYTES])first_block, first_block ? 1 : 0, unix_s, NULL);
    }
    partial_close(part, false);
    *pt = NULL;
    return HFP_OK;
}

static void partial_dropp(struct partial **pt)
{
    partial_close(*pt, false);
}

int publish_empty(const struct place *p, int64_t unix_s, struct hfp_err *err)
{
    AUTO(partial_dropp) struct partial *pt = NULL;
    struct content_id id;
    int rc = digest_of(&id, p->id.kind, "", 0, err);
    if (!rc && !content_id_equal(&id, &p->id))
        rc =
            err_set(err, HFP_E_CONTENT, "the Hub lists 0 bytes under %s, and that is not the hash of nothing", p->etag);
    if (!rc)
        rc = partial_claim(&pt, p, NULL, true, unix_s, err);
    return rc ? rc : publish_blob(p, &pt, NULL, unix_s, err);
}

void publish_prepare(struct partial *const *pts, size_t n)
{
    for (size_t i = 0; i < n; i++) /* where it is not supported, the fdatasync that follows does all the work */
        io->sync_range(pts[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int publish_settle_blobs(const struct store *s, struct hfp_err *err)
{
    int dir = s->is_local ? s->local : s->blobs;
    return s->writable && dir >= 0 ? io_fsync(dir, err, s->is_local ? "the folder" : "blobs") : HFP_OK;
}

/* Every folder on the way to path, below root, that is not on the way to before too: a listing is sorted, so each comes
 * once. One that is not there, or closed to us, holds no file of ours. */
static int settle_way(int dir, const char *root, const char *path, const char *before, struct hfp_err *err)
{
    char entry[PATH_NAME_MAX + 64];
    for (size_t i = 0; path[i]; i++) {
        if (path[i] != '/' || strncmp(path, before, i + 1) == 0)
            continue;
        struct hfp_err why = { 0 };
        snprintf(entry, sizeof entry, "%s%.*s.", root, (int)(i + 1), path);
        int rc = io_fsync_entry(dir, entry, &why);
        if (rc && rc != HFP_E_NO_FILE && why.sys_errno != EACCES) {
            if (err)
                *err = why;
            return rc;
        }
    }
    return HFP_OK;
}

int publish_settle_snapshot(const struct store *s, const char *commit, const struct listing *l, struct hfp_err *err)
{
    char root[32 + COMMIT_HEX] = "";
    int dir = s->is_local ? s->local : s->repo_dir;
    const char *before = "";
    if (!s->writable || dir < 0)
        return HFP_OK;
    if (!s->is_local)
        snprintf(root, sizeof root, "snapshots/%.40s/", commit);
    int rc = settle_way(dir, "", root, "", err);
    for (size_t i = 0; !rc && i < listing_count(l); i++) {
        const char *path = listing_at(l, i)->path;
        rc = settle_way(dir, root, path, before, err);
        before = path;
    }
    return rc;
}

void publish_snapshot_path(char *out, size_t out_size, const struct store *s, const char *commit)
{
    if (s->is_local)
        snprintf(out, out_size, "%s", s->root_text);
    else
        snprintf(out, out_size, "%s/%s/snapshots/%s", s->root_text, s->folder, commit);
}
