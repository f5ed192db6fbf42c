/* test_prove.c: a file in place is believed when its bytes were read (P1).
 *
 * Seen red on purpose: a wrong size taken for right; a receipt that outranks the Hub's hash; no receipt after a proof; a
 * disk error taken for a damaged file; a stop that is not looked at; blocks called bad that the receipt says nothing of;
 * a receipt of what has the name when it is written. */
#include "verify/prove.h"

#include "cache_fixture.h"

#define SIZE (3 * BLOCK_BYTES + 5)

static struct prove prove(struct place *p, bool stopped, int *rc)
{
    static atomic_bool stop;
    atomic_store(&stop, stopped);
    struct prove out = { .place = p, .stop = &stop };
    *rc = prove_file(&out, NOW, NULL);
    return out;
}

static const char *final_path(const struct place *p)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s", p->etag);
    return fx_path(below);
}

static void damage(const struct place *p, uint64_t at)
{
    FILE *f = fopen(final_path(p), "r+b");
    if (!f || fseek(f, (long)at, SEEK_SET) || fputc(0x5a, f) == EOF || fclose(f))
        exit(99);
}

/* Another file of the same length gets the name between the last look at it and the receipt. */
static const struct place *swapped;
static unsigned looks;

static int stat_then_swapped(int dir, const char *path, struct stat *st, int flags)
{
    int rc = io_system.fstatat(dir, path, st, flags);
    if (swapped && strcmp(path, swapped->final_name) == 0 && looks++ == 0) {
        char other[300];
        snprintf(other, sizeof other, "%s", fx_path("other"));
        fx_leave(other, SIZE, 2);
        if (rename(other, final_path(swapped)))
            exit(99);
    }
    return rc;
}

static void swapped_under_the_proof(struct place *p)
{
    static struct io_ops ops;
    struct receipt_look look;
    int rc;
    ops = io_system;
    ops.fstatat = stat_then_swapped;
    swapped = p;
    io = &ops;
    struct prove v = prove(p, false, &rc);
    io = &io_system;
    swapped = NULL;
    receipt_look(&look, p, NULL);
    CHECK(rc == HFP_OK && v.verdict == PROVE_MATCHES && looks > 0 && look.verdict != RECEIPT_HOLDS,
          "a receipt is of the file that was read, whatever has its name when it is written");
}

int main(void)
{
    int rc;
    struct receipt_look look;
    fx_fresh("/tmp");
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct prove v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_ABSENT, "a file that is not there is absent");
    fx_leave(final_path(p), SIZE, 1);
    v = prove(p, true, &rc);
    CHECK(rc == HFP_E_CANCELLED, "it stops when it is told to");
    _Atomic uint64_t bytes = 0;
    atomic_bool stop = false;
    v = (struct prove){ .place = p, .stop = &stop, .read_bytes = &bytes };
    rc = prove_file(&v, NOW, NULL);
    receipt_look(&look, p, NULL);
    CHECK(rc == HFP_OK && v.verdict == PROVE_MATCHES && look.verdict == RECEIPT_HOLDS && look.has_blocks,
          "a right file is proved and gets a receipt with blocks");
    CHECK_U64(atomic_load(&bytes), SIZE, "all of it was read");
    damage(p, 2 * BLOCK_BYTES + 1);
    v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_DIFFERS && v.blocks_known && v.bad_blocks == 1 && v.first_bad == 2,
          "damage is found, and where it is");
    receipt_look(&look, p, NULL);
    CHECK(look.verdict != RECEIPT_HOLDS, "and a receipt does not cover it");
    receipt_write(p, NULL, 0, NOW, NULL);
    v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_DIFFERS && !v.blocks_known && v.bad_blocks == 0,
          "a receipt without digests of blocks calls none of them bad");
    if (truncate(final_path(p), SIZE - 1))
        return 99;
    v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_DIFFERS, "a file of another size differs");
    fx_leave(final_path(p), SIZE, 1);
    uint8_t lies[4][BLAKE3_BYTES];
    memset(lies, 7, sizeof lies);
    receipt_write(p, (const uint8_t(*)[BLAKE3_BYTES])lies, 4, NOW, NULL);
    v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_MATCHES && v.bad_blocks == 0, "the Hub's own hash outranks a receipt");
    swapped_under_the_proof(p);
    unlink(final_path(p));
    mkdir(final_path(p), 0755);
    v = prove(p, false, &rc);
    CHECK(rc == HFP_OK && v.verdict == PROVE_DIFFERS, "a folder in its place is no file");
    free(p);
    store_free(s);
    fx_wipe();
    return tap_end();
}
