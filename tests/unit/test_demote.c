/* A damaged file in place becomes a partial, and what is right in it is not fetched again (P2).
 * Seen red on purpose: the file moved aside before it is known that it can be written ("stays where it is"). */
#include "cache/receipt.h"
#include "cache_fixture.h"

#define SIZE (4 * BLOCK_BYTES + 1000) /* five blocks, the last one short */

static ino_t closed_inode; /* another user's file, to be read and not written */
static int closed_errno;

static int closed_openat(int dir, const char *path, int flags, mode_t mode)
{
    struct stat st;
    if ((flags & O_ACCMODE) == O_RDWR && io_system.fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == closed_inode) {
        errno = closed_errno;
        return -1;
    }
    return io_system.openat(dir, path, flags, mode);
}

static const char *blob_path(const struct place *p)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s", p->etag);
    return fx_path(below);
}

/* In place, with a receipt that knows its blocks; then a byte of block 2 is changed. */
static void damaged_in_place(const struct place *p)
{
    uint8_t blocks[5][BLAKE3_BYTES], *buf = malloc(BLOCK_BYTES);
    struct stat st;
    fx_leave(blob_path(p), SIZE, 1);
    for (uint64_t b = 0; b < 5; b++) {
        size_t n = (size_t)MIN(BLOCK_BYTES, SIZE - b * BLOCK_BYTES);
        fx_bytes(buf, b * BLOCK_BYTES, n, 1);
        blake3_of(blocks[b], buf, n);
    }
    free(buf);
    receipt_write(p, (const uint8_t(*)[BLAKE3_BYTES])blocks, 5, NOW, NULL);
    FILE *f = fopen(blob_path(p), "r+b");
    if (!f || fseek(f, 2 * BLOCK_BYTES, SEEK_SET) || fputc(0x5a, f) == EOF || fclose(f) || stat(blob_path(p), &st))
        exit(99);
    closed_inode = st.st_ino;
}

int main(void)
{
    static const struct {
        int errnum, rc;
        bool stays;
        const char *name;
    } rows[] = {
        { 0, HFP_OK, false, "ours: it moves" },
        { EACCES, HFP_OK, true, "another user's: it is copied, and stays where it is" },
        { EPERM, HFP_OK, true, "one that may not be changed: the same" },
        { EMFILE, HFP_E_IO, true, "no descriptor for it: an error, and it stays where it is" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fx_fresh("/tmp");
        struct store *s = fx_store();
        struct place *p = fx_place(s, SIZE, 1, "x");
        struct partial *pt = NULL;
        struct stat st;
        atomic_bool stop = false;
        damaged_in_place(p);
        fault_install();
        closed_errno = rows[i].errnum;
        fault_ops.openat = rows[i].errnum ? closed_openat : io_system.openat;
        int rc = partial_demote(&pt, p, COMMIT, NOW, &stop, NULL);
        io = &io_system;
        bool stays = lstat(blob_path(p), &st) == 0 && st.st_ino == closed_inode;
        CHECK(rc == rows[i].rc && stays == rows[i].stays, "%s", rows[i].name);
        if (!rc)
            CHECK_U64(pt->recorded_blocks, 5, "and each of its blocks is checked before any is fetched");
        partial_close(pt, true);
        free(p);
        store_free(s);
    }
    fx_wipe();
    return tap_end();
}
