#include "cache/partial_inside.h"

#include "cache/receipt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A damaged file becomes a partial again: by rename, or by a copy where it is not ours alone. */

/* The digests of the receipt become those of the partial: whoever hashes the file next finds the bad blocks by them. */
static int inherit_digests(struct partial *pt, const struct place *p, struct hfp_err *err)
{
    struct digests *receipt = NULL;
    if (receipt_open(&receipt, p, NULL) != HFP_OK)
        return HFP_OK;
    int rc = HFP_OK;
    for (uint64_t b = 0; !rc && b < pt->blocks; b++) {
        uint8_t entry[1][BLAKE3_BYTES];
        static const uint8_t absent[BLAKE3_BYTES];
        rc = digests_get(receipt, b, 1, entry, err);
        if (!rc && memcmp(entry[0], absent, sizeof absent) != 0)
            rc = digests_set(pt->digests, b, entry[0], err);
    }
    digests_close(receipt);
    return rc;
}

/* The payload of a shared store is never touched, and another file system gives nothing by rename. */
static int copy_damaged(struct partial *pt, const struct place *p, uint64_t bytes, const atomic_bool *stop,
                        struct hfp_err *err)
{
    AUTO_FREE uint8_t *buf = malloc(BLOCK_BYTES);
    AUTO(fd_closep) int from = io_openat(p->final_dir, p->final_name, O_RDONLY | O_NONBLOCK, 0);
    if (!buf)
        return err_nomem(err);
    if (from < 0)
        return err_sys(err, HFP_E_IO, errno, "open the damaged %s", p->final_name);
    for (uint64_t at = 0; at < bytes; at += BLOCK_BYTES) {
        size_t n = (size_t)MIN(BLOCK_BYTES, bytes - at);
        if (atomic_load(stop))
            return err_set(err, HFP_E_CANCELLED, "cancelled");
        if (io_pread_all(from, buf, n, at, NULL) != HFP_OK)
            continue; /* a hole: fetched like anything that is not there */
        int rc = io_pwrite_all(pt->fd, buf, n, at, err);
        if (rc)
            return err_wrap(err, "copy the damaged %s", p->final_name);
    }
    return HFP_OK;
}

/* The fresh partial that was claimed for it gets the damaged file's bytes, by rename where that can be. A file that is not
 * ours to write stays where it is, for what cannot be gone on with would be thrown away. */
static int move_damaged(struct partial *pt, const struct place *p, uint64_t bytes, const atomic_bool *stop,
                        struct hfp_err *err)
{
    AUTO(fd_closep) int fd = partial_open_data(p->final_dir, p->final_name, 0);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return copy_damaged(pt, p, MIN(p->size_bytes, bytes), stop, err);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "open the damaged %s", p->final_name);
    if (io->renameat(p->final_dir, p->final_name, pt->dir, pt->name) < 0)
        return errno == EXDEV ? copy_damaged(pt, p, MIN(p->size_bytes, bytes), stop, err)
                              : err_sys(err, HFP_E_IO, errno, "move the damaged %s aside", p->final_name);
    fd_closep(&pt->fd);
    pt->fd = fd_steal(&fd);
    if (bytes > p->size_bytes && io->ftruncate(pt->fd, (off_t)p->size_bytes) < 0)
        return err_sys(err, HFP_E_IO, errno, "shorten %s", pt->name);
    return HFP_OK;
}

static int fill_damaged(struct partial *pt, const struct place *p, const struct stat *st, const atomic_bool *stop,
                        struct hfp_err *err)
{
    struct digests_info info = *digests_info(pt->digests);
    info.adopted_blocks = pt->blocks; /* before the bytes arrive: after a kill they are a guess, never a fact */
    int rc = digests_set_info(pt->digests, &info, err);
    if (!rc)
        rc = inherit_digests(pt, p, err);
    if (!rc && S_ISLNK(st->st_mode))
        rc = copy_damaged(pt, p, MIN(p->size_bytes, (uint64_t)st->st_size), stop, err);
    else if (!rc)
        rc = move_damaged(pt, p, (uint64_t)st->st_size, stop, err);
    snprintf(pt->adopted_from, sizeof pt->adopted_from, "%.*s", (int)sizeof pt->adopted_from - 1, p->final_name);
    if (!rc && p->store->receipts >= 0)
        io->unlinkat(p->store->receipts, p->receipt_name, 0);
    free(ptr_steal(&pt->recorded));
    free(ptr_steal(&pt->guessed));
    pt->recorded_blocks = pt->guessed_blocks = 0;
    return rc ? rc : partial_fill_bits(pt, err);
}

/* Its kind is that of the name, a link or not; its size that of the file. */
static bool look_damaged(struct stat *out, const struct place *p)
{
    struct stat file;
    if (blocks_of(p->size_bytes) <= 1 || io->fstatat(p->final_dir, p->final_name, out, AT_SYMLINK_NOFOLLOW) < 0 ||
        io->fstatat(p->final_dir, p->final_name, &file, 0) < 0 || !S_ISREG(file.st_mode))
        return false;
    out->st_size = file.st_size;
    return true;
}

int partial_demote(struct partial **out, const struct place *p, const char *commit, int64_t unix_s,
                   const atomic_bool *stop, struct hfp_err *err)
{
    struct stat st;
    struct partial *pt = NULL;
    bool there = look_damaged(&st, p);
    int rc = partial_claim(&pt, p, commit, false, unix_s, err);
    if (!rc && there && pt->recorded_blocks == 0) /* a partial with proved blocks is worth more than a damaged file */
        rc = fill_damaged(pt, p, &st, stop, err);
    if (rc)
        partial_close(pt, true);
    else
        *out = pt;
    return rc;
}
