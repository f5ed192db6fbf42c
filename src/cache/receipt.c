#include "cache/receipt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COPY_ENTRIES 1024u /* digests moved at a time: 32 KiB on the stack */

static struct digests_proof proof_of(const struct stat *st, int64_t unix_s)
{
    return (struct digests_proof){ .proved_unix_s = unix_s > 0 ? unix_s : 1, /* 0 says "not a receipt" */
                                   .size_bytes = (uint64_t)st->st_size,
                                   .inode = (uint64_t)st->st_ino,
                                   .mtime_s = (int64_t)st->st_mtim.tv_sec,
                                   .ctime_s = (int64_t)st->st_ctim.tv_sec,
                                   .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
                                   .ctime_ns = (uint32_t)st->st_ctim.tv_nsec };
}

static enum receipt_verdict compare(const struct digests_proof *p, const struct stat *st)
{
    struct digests_proof now = proof_of(st, p->proved_unix_s);
    if (p->size_bytes != now.size_bytes || p->mtime_s != now.mtime_s || p->mtime_ns != now.mtime_ns)
        return RECEIPT_BROKEN;
    bool same = p->inode == now.inode && p->ctime_s == now.ctime_s && p->ctime_ns == now.ctime_ns;
    return same ? RECEIPT_HOLDS : RECEIPT_COPIED;
}

/* With every entry in it? A file of more blocks than digests has none that repair could trust to be complete. */
static bool has_blocks(const struct digests *d)
{
    uint64_t blocks = blocks_of(digests_info(d)->size_bytes);
    uint8_t last[1][BLAKE3_BYTES];
    static const uint8_t absent[BLAKE3_BYTES];
    return blocks > 0 && digests_get(d, blocks - 1, 1, last, NULL) == HFP_OK &&
           memcmp(last[0], absent, sizeof absent) != 0;
}

/* other_length: all fits but the length, and that is refused too. */
static int open_of(struct digests **out, bool *other_length, const struct place *p, struct hfp_err *err)
{
    struct digests *d = NULL;
    if (p->store->receipts < 0)
        return err_set(err, HFP_E_NO_FILE, "no receipts here");
    int rc = digests_open(&d, p->store->receipts, p->receipt_name, err);
    if (rc)
        return rc;
    const struct digests_info *info = digests_info(d);
    bool of_this = content_id_equal(&info->id, &p->id) && digests_proof(d)->proved_unix_s != 0;
    *other_length = of_this && info->size_bytes != p->size_bytes;
    if (!of_this || *other_length) {
        digests_close(d);
        return err_set(err, HFP_E_CORRUPT, "%s is not the receipt of this content", p->receipt_name);
    }
    *out = d;
    return HFP_OK;
}

int receipt_open(struct digests **out, const struct place *p, struct hfp_err *err)
{
    struct digests *d = NULL;
    bool other_length;
    int rc = open_of(&d, &other_length, p, err);
    if (!rc && !has_blocks(d)) {
        digests_close(d);
        return err_set(err, HFP_E_NO_FILE, "%s has no digests of blocks", p->receipt_name);
    }
    if (!rc)
        *out = d;
    return rc;
}

/* Where a place goes by its path, the file of another revision may lie there, proved. */
static bool proves_other(const struct place *p, const struct stat *st)
{
    struct digests *d = NULL;
    if (place_is_blob(p) || p->store->receipts < 0 ||
        digests_open(&d, p->store->receipts, p->receipt_name, NULL) != HFP_OK)
        return false;
    bool other = !content_id_equal(&digests_info(d)->id, &p->id) && digests_proof(d)->proved_unix_s != 0 &&
                 compare(digests_proof(d), st) == RECEIPT_HOLDS;
    digests_close(d);
    return other;
}

int receipt_look(struct receipt_look *out, const struct place *p, struct hfp_err *err)
{
    struct digests *d = NULL;
    *out = (struct receipt_look){ .verdict = RECEIPT_ABSENT };
    if (p->final_dir < 0)
        return HFP_OK;
    if (io->fstatat(p->final_dir, p->final_name, &out->st, 0) < 0)
        return io_damaged(errno) ? err_sys(err, HFP_E_IO, errno, "stat %s", p->final_name) : HFP_OK;
    out->other_revision = proves_other(p, &out->st);
    bool regular = S_ISREG(out->st.st_mode) && !out->other_revision;
    out->file_present = regular && (uint64_t)out->st.st_size == p->size_bytes;
    out->file_wrong_size = regular && !out->file_present;
    int rc = regular ? open_of(&d, &out->other_length, p, NULL) : HFP_E_NO_FILE;
    if (rc)
        return rc == HFP_E_NOMEM ? err_nomem(err) : HFP_OK;
    out->verdict = compare(digests_proof(d), &out->st);
    out->has_blocks = has_blocks(d);
    out->proved_unix_s = digests_proof(d)->proved_unix_s;
    digests_close(d);
    return HFP_OK;
}

static bool refuses_writes(int errnum)
{
    return errnum == EROFS || errnum == EACCES || errnum == EPERM;
}

/* The folder for receipts: the store's, or one made now (*own) for a store that was opened only to look. */
static int receipts_dir(int *out, int *own, const struct place *p, struct hfp_err *err)
{
    const struct store *s = p->store;
    int parent = s->is_local ? s->local_notes : s->repo_dir;
    *out = s->receipts;
    if (*out >= 0)
        return HFP_OK;
    if (parent < 0)
        return err_sys(err, HFP_E_IO, EROFS, "no folder for receipts");
    int rc = io_open_dir(own, parent, ".hf-pull", true, err);
    if (rc)
        return rc;
    store_adopt_owner(s, parent, ".hf-pull");
    *out = *own;
    return HFP_OK;
}

/* By temporary name and rename, but not fsynced: a lost receipt costs one hash, and a torn one fails its sum. */
static int write_whole(int dir, const struct place *p, const uint8_t head[DIGESTS_HEADER_BYTES],
                       const uint8_t (*blocks)[BLAKE3_BYTES], uint64_t count, struct hfp_err *err)
{
    char tmp[sizeof p->receipt_name + 16];
    uint8_t small[DIGESTS_HEADER_BYTES + BLAKE3_BYTES]; /* one write for the many files of one block */
    io_tmp_name(tmp, sizeof tmp, p->receipt_name);
    memcpy(small, head, DIGESTS_HEADER_BYTES);
    if (count)
        memcpy(small + DIGESTS_HEADER_BYTES, blocks[0], BLAKE3_BYTES);
    AUTO(fd_closep) int fd = io_openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    int rc = io_pwrite_all(fd, small, count ? sizeof small : DIGESTS_HEADER_BYTES, 0, err);
    if (!rc && count > 1)
        rc = io_pwrite_all(fd, blocks[1], (size_t)(count - 1) * BLAKE3_BYTES, sizeof small, err);
    if (!rc)
        rc = io_close(&fd, err, tmp);
    if (!rc && io->renameat(dir, tmp, dir, p->receipt_name) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "rename %s", tmp);
    if (rc)
        io->unlinkat(dir, tmp, 0);
    else
        store_adopt_owner(p->store, dir, p->receipt_name);
    return rc;
}

static int stat_final(struct stat *st, const struct place *p, struct hfp_err *err)
{
    if (io->fstatat(p->final_dir, p->final_name, st, 0) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", p->final_name);
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != p->size_bytes)
        return err_set(err, HFP_E_CONTENT, "%s is not the file that was proved", p->final_name);
    return HFP_OK;
}

int receipt_write_of(const struct place *p, const struct stat *st, const uint8_t (*blocks)[BLAKE3_BYTES],
                     uint64_t count, int64_t unix_s, struct hfp_err *err)
{
    if (!p->store->writable)
        return HFP_OK;
    int dir = -1;
    AUTO(fd_closep) int own = -1;
    struct hfp_err why = { 0 };
    struct digests_info info = { .id = p->id, .size_bytes = p->size_bytes };
    struct digests_proof proof = proof_of(st, unix_s);
    uint8_t head[DIGESTS_HEADER_BYTES];
    digests_encode(head, &info, &proof);
    if (count != blocks_of(p->size_bytes))
        count = 0; /* digests of some blocks prove nothing about the others */
    int rc = receipts_dir(&dir, &own, p, &why);
    if (!rc)
        rc = write_whole(dir, p, head, blocks, blocks ? count : 0, &why);
    if (rc && refuses_writes(why.sys_errno))
        return HFP_OK; /* another user's cache, or a read-only one: the file is right all the same */
    if (rc && err)
        *err = why;
    return rc;
}

int receipt_write(const struct place *p, const uint8_t (*blocks)[BLAKE3_BYTES], uint64_t count, int64_t unix_s,
                  struct hfp_err *err)
{
    struct stat st;
    if (!p->store->writable)
        return HFP_OK;
    int rc = stat_final(&st, p, err);
    return rc ? rc : receipt_write_of(p, &st, blocks, count, unix_s, err);
}

/* When blobs/ and .hf-pull/ lie on two file systems. */
static int copy_receipt(const struct place *p, const struct digests *d, struct hfp_err *err)
{
    char tmp[sizeof p->receipt_name + 16];
    uint8_t head[DIGESTS_HEADER_BYTES], entries[COPY_ENTRIES][BLAKE3_BYTES];
    io_tmp_name(tmp, sizeof tmp, p->receipt_name);
    AUTO(fd_closep) int fd = io_openat(p->store->receipts, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    digests_encode(head, digests_info(d), digests_proof(d));
    int rc = io_pwrite_all(fd, head, sizeof head, 0, err);
    uint64_t blocks = blocks_of(p->size_bytes);
    for (uint64_t at = 0; !rc && at < blocks; at += COPY_ENTRIES) {
        uint64_t n = MIN(blocks - at, COPY_ENTRIES);
        rc = digests_get(d, at, n, entries, err);
        if (!rc)
            rc = io_pwrite_all(fd, entries, (size_t)n * BLAKE3_BYTES, sizeof head + at * BLAKE3_BYTES, err);
    }
    if (!rc)
        rc = io_close(&fd, err, tmp);
    if (!rc && io->renameat(p->store->receipts, tmp, p->store->receipts, p->receipt_name) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "rename %s", tmp);
    if (rc)
        io->unlinkat(p->store->receipts, tmp, 0);
    return rc;
}

int receipt_from_digests(const struct place *p, int digests_dir, const char *digests_name, struct digests *d,
                         int64_t unix_s, struct hfp_err *err)
{
    struct stat st;
    int rc = stat_final(&st, p, err);
    if (rc)
        return rc;
    struct digests_info info = *digests_info(d);
    info.owner = (struct digests_owner){ 0 };
    info.data_suffix[0] = 0;
    rc = digests_set_info(d, &info, err);
    struct digests_proof proof = proof_of(&st, unix_s);
    if (!rc)
        rc = digests_set_proof(d, &proof, err);
    if (!rc) /* of a large file: worth its own sync, for a hash of it takes minutes */
        rc = digests_sync(d, err);
    if (rc)
        return rc;
    if (io->renameat(digests_dir, digests_name, p->store->receipts, p->receipt_name) == 0)
        return HFP_OK;
    if (errno != EXDEV)
        return err_sys(err, HFP_E_IO, errno, "rename %s", digests_name);
    rc = copy_receipt(p, d, err);
    if (!rc)
        io->unlinkat(digests_dir, digests_name, 0);
    return rc;
}
