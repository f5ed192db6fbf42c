/* test_partial_write.c: whole blocks go past the page cache where the file system takes that, all else through it, and no
 * file system's mood costs a byte.
 *
 * Seen red on purpose: a refusal taken for a disk error; a real error hidden by another try; a short block written past
 * the cache; the alignment not asked; another file of the same name written to. */
#include "cache_fixture.h"

#define SIZE (3 * BLOCK_BYTES + 1000)

/* ---- a file system that is asked in another way ---- */

static struct {
    bool none, told;         /* O_DIRECT is refused at open; the alignment is said */
    uint32_t memory, offset; /* what is said */
    int refuses;             /* errno of every direct write; 0: it is done */
    int direct_fd;
    unsigned direct, cached; /* writes of each kind */
} fs;

static struct io_ops ops;

static int fs_openat(int dir, const char *path, int flags, mode_t mode)
{
    if (!(flags & O_DIRECT))
        return io_system.openat(dir, path, flags, mode);
    if (fs.none)
        return errno = EINVAL, -1;
    return fs.direct_fd = io_system.openat(dir, path, flags & ~O_DIRECT, mode);
}

static int fs_align(int fd, uint32_t *memory, uint32_t *offset)
{
    (void)fd;
    if (!fs.told)
        return errno = ENOTSUP, -1;
    *memory = fs.memory;
    *offset = fs.offset;
    return 0;
}

static ssize_t fs_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    bool direct = fs.direct_fd > 0 && fd == fs.direct_fd;
    fs.direct += direct;
    fs.cached += !direct && n >= 1000;
    if (direct && fs.refuses)
        return errno = fs.refuses, -1;
    return io_system.pwrite(fd, buf, n, at);
}

static struct store *store;
static struct place *place;

static struct partial *begin(void)
{
    struct partial *pt = NULL;
    ops = io_system;
    ops.openat = fs_openat;
    ops.direct_align = fs_align;
    ops.pwrite = fs_pwrite;
    io = &ops;
    fx_fresh("/tmp");
    store = fx_store();
    place = fx_place(store, SIZE, 1, "x");
    place_prepare(place, NULL);
    if (partial_claim(&pt, place, COMMIT, false, NOW, NULL))
        exit(99);
    fs.direct = fs.cached = 0;
    return pt;
}

static void end(struct partial *pt)
{
    partial_close(pt, false);
    free(place);
    store_free(store);
    fx_wipe();
    fs.direct_fd = 0;
    io = &io_system;
}

static int write_all(struct partial *pt, bool direct, struct hfp_err *err)
{
    uint8_t *buf = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), BLOCK_BYTES);
    int rc = HFP_OK;
    for (uint64_t at = 0; at < SIZE && !rc; at += BLOCK_BYTES) {
        size_t n = (size_t)MIN(SIZE - at, BLOCK_BYTES);
        fx_bytes(buf, at, n, 1);
        rc = partial_write(pt, buf, n, at, direct, err);
    }
    free(buf);
    return rc;
}

static bool holds_all(struct partial *pt)
{
    uint8_t *got = malloc(SIZE), *want = malloc(SIZE);
    fx_bytes(want, 0, SIZE, 1);
    bool same = io_pread_all(pt->fd, got, SIZE, 0, NULL) == HFP_OK && memcmp(got, want, SIZE) == 0;
    free(got);
    free(want);
    return same;
}

static const struct {
    const char *name;
    bool none, told;
    uint32_t memory, offset;
    int refuses;
    bool open;
    unsigned direct, cached; /* writes of 1000 bytes and more that are seen */
} rows[] = {
    { "said to take 512", false, true, 512, 512, 0, true, 3, 1 },
    { "says nothing of it", false, false, 0, 0, 0, true, 3, 1 },
    { "says that it takes none", false, true, 0, 0, 0, false, 0, 4 },
    { "wants memory in a way we have it not", false, true, 1u << 30, 512, 0, false, 0, 4 },
    { "wants offsets that blocks are not at", false, true, 512, 3u << 20, 0, false, 0, 4 },
    { "knows no O_DIRECT", true, false, 0, 0, 0, false, 0, 4 },
    { "opens and then refuses", false, false, 0, 0, EINVAL, true, 1, 4 },
    { "opens and says not supported", false, false, 0, 0, EOPNOTSUPP, true, 1, 4 },
};

int main(void)
{
    struct hfp_err err = { 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fs.none = rows[i].none;
        fs.told = rows[i].told;
        fs.memory = rows[i].memory;
        fs.offset = rows[i].offset;
        fs.refuses = rows[i].refuses;
        struct partial *pt = begin();
        partial_open_direct(pt);
        CHECK((pt->direct_fd >= 0) == rows[i].open, "%s: direct is %s", rows[i].name,
              rows[i].open ? "open" : "not open");
        int rc = write_all(pt, true, &err);
        CHECK(rc == HFP_OK && err.code == HFP_OK && holds_all(pt), "%s: every byte is there", rows[i].name);
        CHECK(fs.direct == rows[i].direct && fs.cached == rows[i].cached, "%s: %u writes past the cache, %u through it",
              rows[i].name, fs.direct, fs.cached);
        end(pt);
    }
    fs.none = fs.told = false;
    fs.refuses = 0;
    struct partial *pt = begin();
    partial_open_direct(pt);
    CHECK(write_all(pt, false, &err) == HFP_OK && fs.direct == 0 && holds_all(pt),
          "not asked for: all through the cache");
    fs.refuses = ENOSPC;
    CHECK(write_all(pt, true, &err) == HFP_E_NO_SPACE && fs.cached == 4, "a full disk is a full disk, not a refusal");
    fs.refuses = 0;
    end(pt);

    pt = begin();
    CHECK(write_all(pt, true, &err) == HFP_OK && fs.direct == 0 && holds_all(pt),
          "never opened: all through the cache");
    char was[512];
    snprintf(was, sizeof was, "%s.moved", pt->name);
    renameat(pt->dir, pt->name, pt->dir, was);
    fx_write(fx_path("other"), "x", 1);
    linkat(AT_FDCWD, fx_path("other"), pt->dir, pt->name, 0);
    partial_open_direct(pt);
    CHECK(pt->direct_fd < 0, "another file under the name is not opened");
    end(pt);

    fx_fresh("/dev/shm"); /* a memory file system, whatever this kernel's makes of it */
    store = fx_store();
    place = fx_place(store, SIZE, 1, "x");
    place_prepare(place, NULL);
    pt = NULL;
    CHECK(partial_claim(&pt, place, COMMIT, false, NOW, NULL) == HFP_OK, "a partial in memory");
    partial_open_direct(pt);
    CHECK(write_all(pt, true, &err) == HFP_OK && holds_all(pt), "is written, %s O_DIRECT",
          pt->direct_fd < 0 ? "without" : "with");
    end(pt);
    return tap_end();
}
