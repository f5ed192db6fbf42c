/* Promises of cache/receipt: a receipt holds only for the very file it was written for (P1); a copy of it costs one hash;
 * a changed file is called broken; what cannot be read is absent.
 * Seen red on purpose: inode, ctime, or the nanoseconds of mtime not compared, the content id not compared, a partial's
 * digests taken for a receipt, digests of some blocks kept, an error returned from a read-only cache, EXDEV not copied,
 * a damaged inode or a lost network disk taken for absence (unseen). */
#include "cache/receipt.h"
#include "cache_fixture.h"

#define SIZE (2 * BLOCK_BYTES + 5)

static const char *blob_path(const struct place *p)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s", p->etag);
    return fx_path(below);
}

static const char *receipt_path(const struct place *p)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/.hf-pull/%s", p->receipt_name);
    return fx_path(below);
}

static enum receipt_verdict verdict(const struct place *p)
{
    struct receipt_look look;
    receipt_look(&look, p, NULL);
    return look.verdict;
}

static void set_mtime(const char *path, struct timespec t)
{
    struct timespec both[2] = { t, t };
    utimensat(AT_FDCWD, path, both, 0);
}

static void judged(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct receipt_look look;
    uint8_t blocks[3][BLAKE3_BYTES];
    memset(blocks, 0x11, sizeof blocks);
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_ABSENT && !look.file_present && !look.file_wrong_size, "no file, no receipt");
    CHECK(receipt_write(p, blocks, 3, NOW, NULL) != HFP_OK, "no receipt for a file that is not there");
    fx_leave(blob_path(p), SIZE, 1);
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_ABSENT && look.file_present, "a file without receipt is not believed");
    CHECK(receipt_write(p, blocks, 3, NOW, NULL) == HFP_OK, "proved: receipt written");
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_HOLDS && look.has_blocks && look.proved_unix_s == NOW,
          "it holds, with block digests");
    struct digests *d = NULL;
    uint8_t got[3][BLAKE3_BYTES];
    CHECK(receipt_open(&d, p, NULL) == HFP_OK && digests_get(d, 0, 3, got, NULL) == HFP_OK &&
              memcmp(got, blocks, sizeof got) == 0,
          "which repair can read");
    digests_close(d);
    CHECK(receipt_write(p, NULL, 0, NOW + 1, NULL) == HFP_OK, "renewed without blocks");
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_HOLDS && !look.has_blocks && look.proved_unix_s == NOW + 1, "it holds, and has none");
    CHECK(receipt_write(p, blocks, 2, NOW, NULL) == HFP_OK, "too few digests");
    receipt_look(&look, p, NULL);
    CHECK(receipt_open(&d, p, NULL) == HFP_E_NO_FILE && !look.has_blocks,
          "are not kept: they prove nothing about the rest");
    CHECK_U64(fx_count(fx_path("hub/models--ns--name/.hf-pull"), ".tmp"), 0, "no temporary file stays");
    free(p);
    store_free(s);
}

static void changed(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct stat st;
    char copy[512];
    fx_leave(blob_path(p), SIZE, 1);
    receipt_write(p, NULL, 0, NOW, NULL);
    stat(blob_path(p), &st);
    snprintf(copy, sizeof copy, "%s.copy", blob_path(p));
    fx_leave(copy, SIZE, 1);
    set_mtime(copy, st.st_mtim);
    rename(copy, blob_path(p));
    CHECK(verdict(p) == RECEIPT_COPIED, "same size and mtime, other inode: a copied cache, hash once");
    uint8_t blocks[3][BLAKE3_BYTES];
    memset(blocks, 0x11, sizeof blocks);
    receipt_write(p, blocks, 3, NOW, NULL);
    struct digests *d = NULL;
    receipt_open(&d, p, NULL);
    struct digests_proof proof = *digests_proof(d);
    proof.inode++;
    CHECK(digests_set_proof(d, &proof, NULL) == HFP_OK && verdict(p) == RECEIPT_COPIED,
          "only the inode differs: hash once");
    digests_close(d);
    receipt_write(p, NULL, 0, NOW, NULL);
    usleep(20000); /* kernels before 6.13 stamp with the tick: 4 to 10 ms */
    chmod(blob_path(p), 0600);
    CHECK(verdict(p) == RECEIPT_COPIED, "ctime moved: hash once");
    receipt_write(p, NULL, 0, NOW, NULL);
    struct timespec t = st.st_mtim;
    t.tv_nsec ^= 1;
    set_mtime(blob_path(p), t);
    CHECK(verdict(p) == RECEIPT_BROKEN, "mtime moved by a nanosecond: broken");
    set_mtime(blob_path(p), st.st_mtim);
    CHECK(verdict(p) == RECEIPT_COPIED, "an mtime put back does not make it hold");
    CHECK(truncate(blob_path(p), 100) == 0, "cut short");
    struct receipt_look look;
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_BROKEN && look.file_wrong_size && !look.file_present, "another size: broken");
    unlink(blob_path(p));
    CHECK(verdict(p) == RECEIPT_ABSENT, "no file: no receipt counts");
    mkdir(blob_path(p), 0777);
    receipt_look(&look, p, NULL);
    CHECK(look.verdict == RECEIPT_ABSENT && !look.file_present, "a folder is no file");
    free(p);
    store_free(s);
}

static void foreign_receipts(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x"), *q = fx_place(s, SIZE, 2, "y");
    struct partial *pt = NULL;
    fx_leave(blob_path(p), SIZE, 1);
    fx_leave(blob_path(q), SIZE, 2);
    receipt_write(q, NULL, 0, NOW, NULL);
    rename(receipt_path(q), receipt_path(p));
    CHECK(verdict(p) == RECEIPT_ABSENT, "another content's receipt under our name is none");
    partial_claim(&pt, p, COMMIT, true, NOW, NULL);
    fx_fill(pt, 0, 3, 1);
    renameat(pt->dir, pt->digests_name, s->receipts, p->receipt_name);
    CHECK(verdict(p) == RECEIPT_ABSENT, "a partial's digests are no receipt");
    partial_close(pt, false);
    static const char zeros[600];
    fx_write(receipt_path(p), zeros, sizeof zeros);
    CHECK(verdict(p) == RECEIPT_ABSENT, "a receipt of zeros (power loss) is none");
    fx_write(receipt_path(p), "", 0);
    CHECK(verdict(p) == RECEIPT_ABSENT, "an empty one is none");
    free(p);
    free(q);
    store_free(s);
}

static void by_rename(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    struct receipt_look look;
    for (int cross = 0; cross < 2; cross++) { /* the second time as if .hf-pull lay on another file system */
        partial_claim(&pt, p, COMMIT, true, NOW, NULL);
        fx_fill(pt, 0, 3, 1);
        renameat(pt->dir, pt->name, s->blobs, p->etag);
        fault_install();
        if (cross)
            fault_arm(FAULT_RENAME, 1, EXDEV);
        CHECK(receipt_from_digests(p, pt->dir, pt->digests_name, pt->digests, NOW, NULL) == HFP_OK,
              "a notebook becomes the receipt");
        io = &io_system;
        receipt_look(&look, p, NULL);
        CHECK(look.verdict == RECEIPT_HOLDS && look.has_blocks && fx_count(fx_blobs(), ".digests") == 0,
              "it holds, with its blocks, and nothing stays in blobs");
        struct digests *d = NULL;
        CHECK(receipt_open(&d, p, NULL) == HFP_OK && digests_info(d)->owner.pid == 0, "nobody owns it");
        digests_close(d);
        pt->name[0] = pt->digests_name[0] = 0;
        partial_close(pt, false);
    }
    free(p);
    store_free(s);
}

static void read_only(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    fx_leave(blob_path(p), SIZE, 1);
    receipt_write(p, NULL, 0, NOW, NULL);
    fault_install();
    fault_always(FAULT_CREATE, EROFS);
    CHECK(receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK && verdict(p) == RECEIPT_HOLDS, "read-only: no error");
    fault_reset();
    s->writable = false;
    CHECK(receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK && fault_calls(FAULT_CREATE) == 0, "nor even a try");
    s->writable = true;
    fault_arm(FAULT_WRITE, 1, ENOSPC);
    CHECK(receipt_write(p, NULL, 0, NOW + 9, NULL) == HFP_E_NO_SPACE && verdict(p) == RECEIPT_HOLDS,
          "a full disk is said, and the old receipt stands");
    io = &io_system;
    free(p);
    store_free(s);
    s = fx_store_with(NULL, false, false); /* opened to look, as verify does */
    close(s->receipts);
    s->receipts = -1;
    unlink(fx_path("x"));
    p = fx_place(s, SIZE, 1, "x");
    CHECK(receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK, "verify of a cache without .hf-pull writes receipts too");
    free(p);
    store_free(s);
}

/* What is not there is absent. What cannot be looked at is not known to be missing. */
static void unseen(void)
{
    static const struct {
        int errnum, rc;
    } rows[] = { { ENOENT, HFP_OK },      { ENOTDIR, HFP_OK },     { EACCES, HFP_OK },      { EIO, HFP_E_IO },
                 { ESTALE, HFP_E_IO },    { EUCLEAN, HFP_E_IO },   { EBADMSG, HFP_E_IO },   { ENOTCONN, HFP_E_IO },
                 { ETIMEDOUT, HFP_E_IO }, { EHOSTDOWN, HFP_E_IO }, { ENOMEM, HFP_E_NOMEM }, { EMFILE, HFP_E_IO } };
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    fx_leave(blob_path(p), SIZE, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct receipt_look look;
        fault_install();
        fault_always(FAULT_STAT, rows[i].errnum);
        int rc = receipt_look(&look, p, NULL);
        io = &io_system;
        CHECK(rc == rows[i].rc && !look.file_present, "stat says: %s", strerror(rows[i].errnum));
    }
    free(p);
    store_free(s);
}

/* The worked example of docs/formats/receipt.md. */
static void example(void)
{
    uint8_t head[DIGESTS_HEADER_BYTES];
    char sum[65];
    struct digests_info info = { .size_bytes = 5 };
    struct digests_proof proof = { .proved_unix_s = NOW,
                                   .size_bytes = 5,
                                   .inode = 1311768,
                                   .mtime_s = NOW - 1,
                                   .ctime_s = NOW - 1,
                                   .mtime_ns = 250000000,
                                   .ctime_ns = 254000000 };
    content_id_parse(&info.id, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    digests_encode(head, &info, &proof);
    hex_encode(sum, head + 480, 32);
    CHECK_STR(sum, "de7a0d3c1f0f85d41752318f089659feaf78e418aaa31dc86a0a2866f8f1dbf1", "the documented example");
}

static void local_folder(void)
{
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct place *p = fx_place(s, 100, 1, "a/x");
    place_prepare(p, NULL);
    fx_leave(fx_path("D/a/x"), 100, 1);
    CHECK(receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK && verdict(p) == RECEIPT_HOLDS &&
              fx_count(fx_path("D/.cache/huggingface/.hf-pull"), ".receipt") == 1,
          "receipts of --local-dir lie in its notes");
    free(p);
    store_free(s);
}

int main(void)
{
    static const char *const bases[] = { "/tmp", "/dev/shm" };
    static void (*const tests[])(void) = { judged,    changed,      foreign_receipts, by_rename,
                                           read_only, local_folder, unseen,           example };
    for (size_t b = 0; b < ARRAY_LEN(bases); b++)
        for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
            fx_fresh(bases[b]);
            tests[i]();
        }
    fx_wipe();
    return tap_end();
}
