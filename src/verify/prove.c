#include "verify/prove.h"

#include "base/auto.h"

#include <errno.h>
#include <string.h>

static void digests_closep(struct digests **d)
{
    digests_close(*d);
    *d = NULL;
}

struct reading {
    struct prove *prove;
    struct digest *digest;
    struct digests *recorded; /* of the receipt; NULL: none */
    uint8_t *buf;
    uint8_t (*blocks)[BLAKE3_BYTES];
    int fd;
};

static int read_block(struct reading *r, uint64_t index, struct hfp_err *err)
{
    struct prove *p = r->prove;
    uint64_t at = index * BLOCK_BYTES;
    size_t n = (size_t)MIN(BLOCK_BYTES, p->place->size_bytes - at);
    int rc = io_pread_all(r->fd, r->buf, n, at, err);
    if (!rc)
        rc = digest_add(r->digest, r->buf, n, err);
    if (rc)
        return rc;
    blake3_of(r->blocks[index], r->buf, n);
    if (p->read_bytes)
        atomic_fetch_add(p->read_bytes, n);
    uint8_t known[1][BLAKE3_BYTES];
    if (!r->recorded || digests_get(r->recorded, index, 1, known, NULL) != HFP_OK)
        return HFP_OK;
    if (memcmp(known[0], r->blocks[index], BLAKE3_BYTES) != 0 && p->bad_blocks++ == 0)
        p->first_bad = index;
    return HFP_OK;
}

static int open_in_place(int *fd, struct prove *p, struct hfp_err *err)
{
    AUTO(fd_closep) int f = io_openat(p->place->final_dir, p->place->final_name, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;
    if (f < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
        p->verdict = PROVE_ABSENT;
        return HFP_OK;
    }
    if (f < 0 || io->fstat(f, &st) < 0)
        return err_sys(err, HFP_E_IO, errno, "open %s", p->place->final_name);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != p->place->size_bytes)
        p->verdict = PROVE_DIFFERS;
    else
        p->verdict = PROVE_MATCHES;
    p->st = st;
    *fd = fd_steal(&f);
    return HFP_OK;
}

/* A receipt goes by the name. Someone may have put another file there while this one was read. */
static bool still_named(const struct prove *p)
{
    struct stat now;
    return io->fstatat(p->place->final_dir, p->place->final_name, &now, 0) == 0 && now.st_ino == p->st.st_ino &&
           now.st_ctim.tv_sec == p->st.st_ctim.tv_sec && now.st_ctim.tv_nsec == p->st.st_ctim.tv_nsec;
}

int prove_file(struct prove *p, int64_t unix_s, struct hfp_err *err)
{
    AUTO(fd_closep) int fd = -1;
    AUTO(digest_freep) struct digest *digest = NULL;
    AUTO(digests_closep) struct digests *recorded = NULL;
    uint64_t count = blocks_of(p->place->size_bytes);
    p->bad_blocks = p->first_bad = 0;
    p->st = (struct stat){ 0 };
    int rc = open_in_place(&fd, p, err);
    if (rc || p->verdict != PROVE_MATCHES)
        return rc;
    AUTO_FREE uint8_t *buf = malloc(BLOCK_BYTES);
    AUTO_FREE uint8_t(*blocks)[BLAKE3_BYTES] = malloc((size_t)(count + 1) * BLAKE3_BYTES);
    if (!buf || !blocks)
        return err_nomem(err);
    rc = digest_new(&digest, p->place->id.kind, p->place->size_bytes, err);
    if (rc)
        return rc;
    p->blocks_known = receipt_open(&recorded, p->place, NULL) == HFP_OK;
    struct reading r = { p, digest, recorded, buf, blocks, fd };
    for (uint64_t i = 0; i < count; i++) {
        if (atomic_load(p->stop))
            return err_set(err, HFP_E_CANCELLED, "cancelled");
        rc = read_block(&r, i, err);
        if (rc)
            return err_wrap(err, "%s", p->place->final_name);
    }
    struct content_id id;
    rc = digest_end(digest, &id, err);
    if (rc)
        return rc;
    if (!content_id_equal(&id, &p->place->id)) {
        p->verdict = PROVE_DIFFERS;
        return HFP_OK;
    }
    p->bad_blocks = 0; /* the Hub's own hash outranks a receipt */
    /* The file is proved whatever becomes of its receipt: without one the next run hashes it again. */
    if (still_named(p))
        receipt_write_of(p->place, &p->st, (const uint8_t(*)[BLAKE3_BYTES])blocks, count, unix_s, NULL);
    return HFP_OK;
}
