#include "cache/refs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REF_NAME_MAX (1024 + REPO_FOLDER_MAX + 16)
#define REF_TEXT_MAX 256 /* anything longer than 40 bytes is no ref; some slack to say so instead of failing */

/* Below which folder, and under which name. A local folder has no refs of its own in the Python client's layout (that
 * writes them to the hub cache, where scanners then call the repository corrupt): ours lie among our notes. */
static int ref_place(char name[REF_NAME_MAX], int *dir, const struct store *s, const char *revision,
                     struct hfp_err *err)
{
    int rc = name_check_revision(revision, err);
    if (rc)
        return rc;
    if (s->is_local) {
        *dir = s->receipts;
        snprintf(name, REF_NAME_MAX, "refs/%s/%s", s->folder, revision);
    } else {
        *dir = s->repo_dir;
        snprintf(name, REF_NAME_MAX, "refs/%s", revision);
    }
    return HFP_OK;
}

/* HFP_E_NO_FILE: there is none, or nothing that is a ref. */
static int read_at(char out[COMMIT_HEX + 1], int64_t *mtime_unix_s, int dir, const char *name, struct hfp_err *err)
{
    AUTO_FREE char *text = NULL;
    size_t n = 0;
    struct stat st;
    struct hfp_err why = { 0 };
    int rc = dir < 0 ? HFP_E_NO_FILE : io_read_file(&text, &n, dir, name, REF_TEXT_MAX, &why);
    if (rc == HFP_E_NOMEM || io_damaged(why.sys_errno)) {
        if (err)
            *err = why;
        return rc;
    }
    if (rc || n != COMMIT_HEX || !name_is_commit(text))
        return HFP_E_NO_FILE;
    if (mtime_unix_s)
        *mtime_unix_s = io->fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)st.st_mtim.tv_sec : 0;
    memcpy(out, text, COMMIT_HEX + 1);
    return HFP_OK;
}

int ref_read(char out[COMMIT_HEX + 1], int64_t *mtime_unix_s, const struct store *s, const char *revision,
             struct hfp_err *err)
{
    char name[REF_NAME_MAX], in_hub[REF_NAME_MAX];
    int dir = -1;
    int rc = ref_place(name, &dir, s, revision, err);
    if (rc)
        return rc;
    snprintf(in_hub, sizeof in_hub, "refs/%s", revision);
    rc = read_at(out, mtime_unix_s, dir, name, err);
    if (rc == HFP_E_NO_FILE && s->is_local)
        rc = read_at(out, mtime_unix_s, s->repo_dir, in_hub, err);
    if (rc != HFP_E_NO_FILE)
        return rc;
    return err_set(err, HFP_E_NO_REVISION, "the cache knows no revision %.100s of %s", revision, s->repo);
}

int ref_prepare(const struct store *s, const char *revision, struct hfp_err *err)
{
    char name[REF_NAME_MAX];
    int dir = -1;
    int rc = ref_place(name, &dir, s, revision, err);
    if (rc || !s->writable || dir < 0)
        return rc;
    rc = store_make_parents(s, dir, name, err);
    for (const char *c = name; !rc && (c = strchr(c, '/')); c++) {
        char folder[REF_NAME_MAX];
        snprintf(folder, sizeof folder, "%.*s", (int)(c - name), name);
        rc = io_fsync_entry(dir, folder, err);
    }
    return rc ? err_wrap(err, "ref %.100s", revision) : HFP_OK;
}

int ref_write(const struct store *s, const char *revision, const char *commit, struct hfp_err *err)
{
    char name[REF_NAME_MAX], old[COMMIT_HEX + 1];
    int dir = -1;
    int rc = ref_place(name, &dir, s, revision, err);
    if (rc)
        return rc;
    if (!name_is_commit(commit))
        return err_set(err, HFP_E_ARG, "not a commit: %.80s", commit);
    if (!s->writable || dir < 0)
        return HFP_OK; /* a complete cache on a read-only file system is a success */
    if (read_at(old, NULL, dir, name, NULL) == HFP_OK && strcmp(old, commit) == 0) {
        io->utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW); /* its age tells when the Hub last said so */
        return HFP_OK;
    }
    rc = store_make_parents(s, dir, name, err);
    if (rc)
        return err_wrap(err, "ref %.100s", revision);
    rc = io_write_file(dir, name, s->receipts, commit, COMMIT_HEX, 0666, true, err);
    if (rc)
        return err_wrap(err, "ref %.100s", revision);
    store_adopt_owner(s, dir, name);
    return HFP_OK;
}
