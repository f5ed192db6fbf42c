/* cache_fixture.h: an empty cache in a folder of its own, and contents to put into it. For the tests of cache/ and
 * commit/. The folder goes when the test ends. */
#ifndef HFP_TESTS_CACHE_FIXTURE_H
#define HFP_TESTS_CACHE_FIXTURE_H

#include "cache/partial.h"
#include "fault_io.h"
#include "tap.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/wait.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define NOW 1800000000

static char fx_root[256];

static int fx_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void fx_wipe(void)
{
    if (fx_root[0])
        nftw(fx_root, fx_remove, 16, FTW_DEPTH | FTW_PHYS);
    fx_root[0] = 0;
}

/* base: "/tmp", or "/dev/shm" for a memory file system. */
static inline void fx_fresh(const char *base)
{
    fx_wipe();
    snprintf(fx_root, sizeof fx_root, "%s/hfp-test-XXXXXX", base);
    if (!mkdtemp(fx_root)) {
        perror(fx_root);
        exit(99);
    }
}

static inline const char *fx_path(const char *below)
{
    static char out[4][1024];
    static unsigned turn;
    char *p = out[turn++ % 4];
    snprintf(p, sizeof out[0], "%s/%s", fx_root, below);
    return p;
}

static inline struct store *fx_store_with(const char *local, bool create, bool no_symlinks)
{
    struct store *s = NULL;
    struct hfp_err err = { 0 };
    char hub[512];
    snprintf(hub, sizeof hub, "%s/hub", fx_root);
    struct store_spec spec = { .type = HFP_MODEL,
                               .repo = "ns/name",
                               .hub_cache = hub,
                               .local_dir = local,
                               .create = create,
                               .no_symlinks = no_symlinks };
    if (store_open(&s, &spec, &err)) {
        printf("# store_open: %s\n", err.message);
        exit(99);
    }
    return s;
}

static inline struct store *fx_store(void)
{
    return fx_store_with(NULL, true, false);
}

/* The same bytes for the same seed, different in every block. */
static inline void fx_bytes(uint8_t *out, uint64_t at, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (at + i) / 8 * UINT64_C(0x9E3779B97F4A7C15) + seed;
        x ^= x >> 29;
        out[i] = (uint8_t)(x >> (8 * ((at + i) % 8)));
    }
}

static inline struct content_id fx_id(uint64_t size, unsigned seed)
{
    struct digest *d = NULL;
    struct content_id id = { 0 };
    uint8_t *buf = malloc(BLOCK_BYTES);
    digest_new(&d, DIGEST_SHA256, size, NULL);
    for (uint64_t at = 0; at < size; at += BLOCK_BYTES) {
        size_t n = (size_t)MIN(size - at, BLOCK_BYTES);
        fx_bytes(buf, at, n, seed);
        digest_add(d, buf, n, NULL);
    }
    digest_end(d, &id, NULL);
    digest_free(d);
    free(buf);
    return id;
}

static inline struct place *fx_place(const struct store *s, uint64_t size, unsigned seed, const char *path)
{
    struct place *p = calloc(1, sizeof *p);
    struct content_id id = fx_id(size, seed);
    place_of(p, s, &id, size, COMMIT, path);
    return p;
}

/* Writes and records blocks [first, last) as the block writers do. */
static inline void fx_fill(struct partial *pt, uint64_t first, uint64_t last, unsigned seed)
{
    uint8_t *buf = malloc(BLOCK_BYTES), sum[BLAKE3_BYTES];
    for (uint64_t b = first; b < last; b++) {
        size_t n = (size_t)MIN(pt->size_bytes - b * BLOCK_BYTES, BLOCK_BYTES);
        fx_bytes(buf, b * BLOCK_BYTES, n, seed);
        if (io_pwrite_all(pt->fd, buf, n, b * BLOCK_BYTES, NULL))
            break;
        blake3_of(sum, buf, n);
        if (pt->digests && digests_set(pt->digests, b, sum, NULL))
            break;
    }
    free(buf);
}

static inline void fx_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f)) {
        perror(path);
        exit(99);
    }
}

/* A file of the right bytes up to n, as another tool would leave it. */
static inline void fx_leave(const char *path, uint64_t n, unsigned seed)
{
    uint8_t *buf = malloc(n ? n : 1);
    fx_bytes(buf, 0, n, seed);
    fx_write(path, buf, n);
    free(buf);
}

/* The file at path has exactly the content of (size, seed). */
static inline bool fx_right(const char *path, uint64_t size, unsigned seed)
{
    uint8_t *want = malloc(BLOCK_BYTES), *got = malloc(BLOCK_BYTES);
    FILE *f = fopen(path, "rb");
    bool ok = f != NULL;
    for (uint64_t at = 0; ok && at < size; at += BLOCK_BYTES) {
        size_t n = (size_t)MIN(size - at, BLOCK_BYTES);
        fx_bytes(want, at, n, seed);
        ok = fread(got, 1, n, f) == n && memcmp(got, want, n) == 0;
    }
    ok = ok && fgetc(f) == EOF;
    if (f)
        fclose(f);
    free(want);
    free(got);
    return ok;
}

/* Names in a folder that contain a text. */
static inline unsigned fx_count(const char *folder, const char *part)
{
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, part) != NULL;
    if (d)
        closedir(d);
    return n;
}

static inline const char *fx_blobs(void)
{
    return fx_path("hub/models--ns--name/blobs");
}

#endif
