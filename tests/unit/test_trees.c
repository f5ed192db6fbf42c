/* test_trees.c: the promises of trees/<commit>.json, cache/listing.h.
 *
 * Seen red on purpose, writing: DEL left raw, a window dropped instead of written, a fixed mode, the temporary file left
 * behind, a write error or a close error ignored, a read-only store written to. Reading: any version accepted, text
 * behind the end, missing or doubled keys, backslashes not counted in pairs, no snippet limit (crash), no depth limit,
 * brackets not paired, links followed, errors of listing_add dropped or passed on with their own code, no lfs_size.
 * Under a sanitizer the heap figures are 0 and only the rest is tested. */
#include "cache/listing.h"

#include "base/clock.h"
#include "tap.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define FILE_NAME "trees/" COMMIT ".json"
#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define XET "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static char root[] = "/tmp/hfp-test-trees-XXXXXX";
static struct store store; /* by hand: only what a listing needs */

static void setup(void)
{
    if (!mkdtemp(root))
        exit(99);
    store = (struct store){
        .hub = -1, .blobs = -1, .locks = -1, .local = -1, .local_notes = -1, .writable = true, .file_mode = 0644
    };
    umask(022);
    if (io_open_dir(&store.repo_dir, AT_FDCWD, root, false, NULL) ||
        io_open_dir(&store.receipts, store.repo_dir, ".hf-pull", true, NULL))
        exit(99);
}

static void cleanup(void)
{
    io->unlinkat(store.repo_dir, FILE_NAME, 0);
    io->unlinkat(store.repo_dir, "trees", AT_REMOVEDIR);
    io->unlinkat(store.repo_dir, ".hf-pull", AT_REMOVEDIR);
    close(store.receipts);
    close(store.repo_dir);
    CHECK(rmdir(root) == 0, "nothing else was left in the folder of the repository");
}

static void put_raw(const char *text, size_t n)
{
    struct hfp_err err;
    if (io_mkdirs(store.repo_dir, "trees", &err) ||
        io_write_file(store.repo_dir, FILE_NAME, store.repo_dir, text, n, 0644, false, &err))
        exit(99);
}

static struct listed_file file(const char *path, uint64_t size, bool lfs, bool xet)
{
    struct listed_file f = { .path = path, .size_bytes = size, .lfs = lfs, .xet = xet };
    content_id_parse(&f.id, SHA1);
    memcpy(f.git_oid, f.id.bytes, sizeof f.git_oid);
    if (lfs)
        content_id_parse(&f.id, SHA256);
    if (xet)
        hex_decode(f.xet_hash, XET, sizeof f.xet_hash);
    return f;
}

/* What python3 -c 'json.dump(.., indent=1)' writes for these four files, byte by byte. */
static const char as_python_writes[] =
    "{\n \"format_version\": 1,\n \"files\": {\n"
    "  \"a \\\"b\\\\c\\t\\u0001\\u007f/x\": {\n   \"size\": 0,\n   \"blob_id\": \"" SHA1 "\"\n  },\n"
    "  \"config.json\": {\n   \"size\": 519,\n   \"blob_id\": \"" SHA1 "\"\n  },\n"
    "  \"model.safetensors\": {\n   \"size\": 9007199254740991,\n   \"blob_id\": \"" SHA1
    "\",\n   \"lfs_sha256\": \"" SHA256 "\",\n"
    "   \"lfs_size\": 9007199254740991,\n   \"xet_hash\": \"" XET "\"\n  },\n"
    "  \"\\u00fc/\\ud83d\\ude00.bin\": {\n   \"size\": 7,\n   \"blob_id\": \"" SHA1 "\",\n   \"lfs_sha256\": \"" SHA256
    "\",\n"
    "   \"lfs_size\": 7\n  }\n }\n}";

static bool same_file(const struct listed_file *a, const struct listed_file *b)
{
    return strcmp(a->path, b->path) == 0 && a->size_bytes == b->size_bytes && content_id_equal(&a->id, &b->id) &&
           memcmp(a->git_oid, b->git_oid, 20) == 0 && a->lfs == b->lfs && a->xet == b->xet &&
           memcmp(a->xet_hash, b->xet_hash, 32) == 0;
}

static struct listing *sample(void)
{
    const struct listed_file in[] = { file("model.safetensors", 9007199254740991, true, true),
                                      file("\xc3\xbc/\xf0\x9f\x98\x80.bin", 7, true, false),
                                      file("config.json", 519, false, false),
                                      file("a \"b\\c\t\x01\x7f/x", 0, false, false) };
    struct listing *l = NULL;
    if (listing_new(&l, NULL))
        exit(99);
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        listing_add(l, &in[i], NULL);
    listing_seal(l, NULL);
    return l;
}

static void test_write(void)
{
    AUTO(listing_freep) struct listing *l = sample();
    AUTO(listing_freep) struct listing *back = NULL;
    struct hfp_err err = { 0 };
    struct stat st;
    CHECK(trees_read(&back, &store, COMMIT, &err) == HFP_E_NO_FILE && !back, "before, there is none");
    CHECK(trees_write(&store, COMMIT, l, &err) == HFP_OK, "it is written (%s)", err.message);
    AUTO_FREE char *text = NULL;
    size_t n = 0;
    CHECK(io_read_file(&text, &n, store.repo_dir, FILE_NAME, 1 << 20, &err) == HFP_OK &&
              n == sizeof as_python_writes - 1 && memcmp(text, as_python_writes, n) == 0,
          "byte for byte as Python writes it");
    CHECK(io->fstatat(store.repo_dir, FILE_NAME, &st, 0) == 0 && (st.st_mode & 07777) == 0644,
          "with the mode of the cache");
    if (!CHECK(trees_read(&back, &store, COMMIT, &err) == HFP_OK && listing_count(back) == 4, "it is read (%s)",
               err.message))
        return;
    for (size_t i = 0; i < 4; i++)
        CHECK(same_file(listing_at(back, i), listing_at(l, i)), "file %zu comes back as it was", i);
    CHECK(listing_find(back, "config.json") != NULL, "and sealed");
    store.file_mode = 0600;
    CHECK(trees_write(&store, COMMIT, l, NULL) == HFP_OK && io->fstatat(store.repo_dir, FILE_NAME, &st, 0) == 0 &&
              (st.st_mode & 07777) == 0600,
          "an existing one is replaced, a private cache stays private");
    store.file_mode = 0644;
}

static void test_places(void)
{
    AUTO(listing_freep) struct listing *l = sample();
    AUTO(listing_freep) struct listing *back = NULL;
    struct store other = store;
    io->unlinkat(store.repo_dir, FILE_NAME, 0);
    other.writable = false;
    CHECK(trees_write(&other, COMMIT, l, NULL) == HFP_OK && !io_exists(store.repo_dir, FILE_NAME),
          "a cache that cannot be written is left alone, and that is no failure");
    other = store;
    other.repo_dir = -1;
    CHECK(trees_read(&back, &other, COMMIT, NULL) == HFP_E_NO_FILE, "no folder, no listing");
    other.is_local = true;
    other.local_notes = store.repo_dir;
    CHECK(trees_write(&other, COMMIT, l, NULL) == HFP_OK && io_exists(store.repo_dir, FILE_NAME) &&
              trees_read(&back, &other, COMMIT, NULL) == HFP_OK,
          "for --local-dir it lies among the notes there");
}

#define ENTRY "{\"size\":5,\"blob_id\":\"" SHA1 "\"}"
#define LFS_ENTRY(sha, size) "{\"size\":5,\"blob_id\":\"" SHA1 "\",\"lfs_sha256\":\"" sha "\",\"lfs_size\":" size "}"
#define DOC(files) "{\"format_version\":1,\"files\":{" files "}}"

static void test_shapes(void)
{
    static const struct {
        const char *name, *text;
        bool good;
        size_t files;
    } rows[] = {
        { "no files", DOC(""), true, 0 },
        { "compact", DOC("\"a\":" ENTRY ",\"b/c\":" ENTRY), true, 2 },
        { "space everywhere", " {\n\"format_version\"\t:\r1 , \"files\" : { \"a\" : " ENTRY " } } \n", true, 1 },
        { "version last", "{\"files\":{\"a\":" ENTRY "},\"format_version\":1}", true, 1 },
        { "an unknown key", "{\"x\":{\"y\":[\"}]\\\"\",{},1.5e-3,null]},\"format_version\":1,\"z\":\"{\",\"files\":{}}",
          true, 0 },
        { "escaped keys", "{\"\\u0066ormat_version\":1,\"f\\u0069les\":{\"\\u0061\":" ENTRY "}}", true, 1 },
        { "unknown keys in an entry", DOC("\"a\":{\"size\":5,\"blob_id\":\"" SHA1 "\",\"new\":[{\"}\":1}]}"), true, 1 },
        { "null is absent", DOC("\"a\":{\"size\":5,\"blob_id\":\"" SHA1 "\",\"lfs_sha256\":null,\"xet_hash\":null}"),
          true, 1 },
        { "keys out of order", DOC("\"b\":" ENTRY ",\"a\":" ENTRY), true, 2 },
        { "nothing", "", false, 0 },
        { "version 2", "{\"format_version\":2,\"files\":{}}", false, 0 },
        { "version \"1\"", "{\"format_version\":\"1\",\"files\":{}}", false, 0 },
        { "a version that is an object", "{\"format_version\":{},\"files\":{}}", false, 0 },
        { "no version", "{\"files\":{}}", false, 0 },
        { "no files key", "{\"format_version\":1}", false, 0 },
        { "two versions", "{\"format_version\":1,\"format_version\":1,\"files\":{}}", false, 0 },
        { "files twice", "{\"format_version\":1,\"files\":{},\"files\":{}}", false, 0 },
        { "files that is a list", "{\"format_version\":1,\"files\":[]}", false, 0 },
        { "a list", "[]", false, 0 },
        { "something behind", DOC("") "x", false, 0 },
        { "a second document", DOC("") DOC(""), false, 0 },
        { "a comma too many", DOC("\"a\":" ENTRY ","), false, 0 },
        { "a comma at the start", DOC(",\"a\":" ENTRY), false, 0 },
        { "no comma", DOC("\"a\":" ENTRY "\"b\":" ENTRY), false, 0 },
        { "no colon", DOC("\"a\" " ENTRY), false, 0 },
        { "an entry that is a number", DOC("\"a\":5"), false, 0 },
        { "an entry of wrong brackets", DOC("\"a\":{]"), false, 0 },
        { "wrong brackets in what is skipped", "{\"x\":[},\"format_version\":1,\"files\":{}}", false, 0 },
        { "an entry with garbage", DOC("\"a\":{\"size\" 5}"), false, 0 },
        { "an entry without size", DOC("\"a\":{\"blob_id\":\"" SHA1 "\"}"), false, 0 },
        { "an entry without blob_id", DOC("\"a\":{\"size\":5}"), false, 0 },
        { "a size beyond 2^53", DOC("\"a\":{\"size\":9007199254740993,\"blob_id\":\"" SHA1 "\"}"), false, 0 },
        { "a blob_id that is none", DOC("\"a\":{\"size\":5,\"blob_id\":\"../../x\"}"), false, 0 },
        { "a sha256 of 40 digits", DOC("\"a\":" LFS_ENTRY(SHA1, "5")), false, 0 },
        { "an LFS size that is a text", DOC("\"a\":" LFS_ENTRY(SHA256, "\"5\"")), false, 0 },
        { "a Xet hash that is none", DOC("\"a\":{\"size\":5,\"blob_id\":\"" SHA1 "\",\"xet_hash\":\"zz\"}"), false, 0 },
        { "a path that climbs", DOC("\"../../w\":" ENTRY), false, 0 },
        { "an absolute path", DOC("\"/etc/passwd\":" ENTRY), false, 0 },
        { "an empty path", DOC("\"\":" ENTRY), false, 0 },
        { "a NUL in a path", DOC("\"a\\u0000b\":" ENTRY), false, 0 },
        { "a path twice", DOC("\"a\":" ENTRY ",\"a\":" ENTRY), false, 0 },
        { "a path twice, once escaped", DOC("\"a\":" ENTRY ",\"\\u0061\":" ENTRY), false, 0 },
        { "a file that is a folder", DOC("\"a\":" ENTRY ",\"a/b\":" ENTRY), false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(listing_freep) struct listing *l = NULL;
        struct hfp_err err = { 0 };
        put_raw(rows[i].text, strlen(rows[i].text));
        int rc = trees_read(&l, &store, COMMIT, &err);
        if (rows[i].good)
            CHECK(rc == HFP_OK && listing_count(l) == rows[i].files, "%s: read (%s)", rows[i].name, err.message);
        else
            CHECK(rc == HFP_E_CORRUPT && err.code == HFP_E_CORRUPT && !l, "%s: refused (%s)", rows[i].name,
                  err.message);
    }
}

static void test_cut(void)
{
    unsigned wrong = 0;
    size_t n = sizeof as_python_writes - 1;
    for (size_t cut = 0; cut < n; cut++) {
        AUTO(listing_freep) struct listing *l = NULL;
        put_raw(as_python_writes, cut);
        wrong += trees_read(&l, &store, COMMIT, NULL) != HFP_E_CORRUPT;
    }
    CHECK(wrong == 0, "cut after any byte it is refused (%u were not)", wrong);
}

static void test_depth(void)
{
    static const char deep[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", /* 65 */
        flat[] = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
    for (int levels = 64; levels <= 65; levels++) {
        AUTO(listing_freep) struct listing *l = NULL;
        char text[256];
        int n = snprintf(text, sizeof text, "{\"x\":%.*s%.*s,\"format_version\":1,\"files\":{}}", levels, deep, levels,
                         flat);
        put_raw(text, (size_t)n);
        CHECK(trees_read(&l, &store, COMMIT, NULL) == (levels == 64 ? HFP_OK : HFP_E_CORRUPT),
              "%d levels in what is skipped", levels);
    }
}

/* Pieces that no window and no snippet holds whole. */
static void test_sizes(void)
{
    enum { BIG = 300000 };
    AUTO_FREE char *text = malloc(BIG + 4096);
    static const struct {
        const char *name, *head, *tail;
        char fill;
        size_t n;
        int rc;
    } rows[] = {
        { "much space", "{", "\"format_version\":1,\"files\":{\"a\":" ENTRY "}}", ' ', BIG, HFP_OK },
        { "an unknown key of 300 KB is skipped", "{\"x\":\"", "\",\"format_version\":1,\"files\":{}}", 'x', BIG,
          HFP_OK },
        { "so is one full of escapes", "{\"x\":\"", "\",\"format_version\":1,\"files\":{}}", '\\', BIG, HFP_OK },
        { "an entry of 16 KB is not", "{\"format_version\":1,\"files\":{\"a\":{\"x\":\"", "\"}}}", 'x', 16384,
          HFP_E_CORRUPT },
        { "an entry of 15 KB is read",
          "{\"format_version\":1,\"files\":{\"a\":{\"size\":5,\"blob_id\":\"" SHA1 "\",\"x\":\"", "\"}}}", 'x', 15000,
          HFP_OK },
        { "a name of 16 KB is not", "{\"format_version\":1,\"files\":{\"", "\":" ENTRY "}}", 'x', 16384,
          HFP_E_CORRUPT },
        { "brackets without end cost no stack", "{\"x\":", "", '[', BIG, HFP_E_CORRUPT },
        { "a number without end", "{\"format_version\":", "", '1', BIG, HFP_E_CORRUPT },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(listing_freep) struct listing *l = NULL;
        size_t head = strlen(rows[i].head), tail = strlen(rows[i].tail);
        memcpy(text, rows[i].head, head);
        memset(text + head, rows[i].fill, rows[i].n);
        memcpy(text + head + rows[i].n, rows[i].tail, tail);
        put_raw(text, head + rows[i].n + tail);
        int rc = trees_read(&l, &store, COMMIT, NULL);
        CHECK(rc == rows[i].rc, "%s: %s", rows[i].name, hfp_code_text(rc));
    }
}

static void test_strange_files(void)
{
    AUTO(listing_freep) struct listing *l = NULL;
    put_raw(as_python_writes, sizeof as_python_writes - 1);
    io->renameat(store.repo_dir, FILE_NAME, store.repo_dir, "good");
    io->symlinkat("../good", store.repo_dir, FILE_NAME);
    CHECK(trees_read(&l, &store, COMMIT, NULL) == HFP_E_CORRUPT, "a link is not followed");
    io->unlinkat(store.repo_dir, "good", 0);
    io->unlinkat(store.repo_dir, FILE_NAME, 0);
    io->mkdirat(store.repo_dir, FILE_NAME, 0755);
    CHECK(trees_read(&l, &store, COMMIT, NULL) == HFP_E_CORRUPT, "a folder is no listing");
    io->unlinkat(store.repo_dir, FILE_NAME, AT_REMOVEDIR);
    mkfifoat(store.repo_dir, FILE_NAME, 0644);
    CHECK(trees_read(&l, &store, COMMIT, NULL) == HFP_E_CORRUPT, "a pipe is none, and nobody waits for it");
    io->unlinkat(store.repo_dir, FILE_NAME, 0);
}

static int fail_errno;
static ssize_t failing_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    (void)fd, (void)buf, (void)n, (void)at;
    errno = fail_errno;
    return -1;
}

static ssize_t failing_pread(int fd, void *buf, size_t n, off_t at)
{
    (void)fd, (void)buf, (void)n, (void)at;
    errno = fail_errno;
    return -1;
}

static int failing_renameat(int a, const char *b, int c, const char *d)
{
    (void)a, (void)b, (void)c, (void)d;
    errno = fail_errno;
    return -1;
}

static int failing_close(int fd)
{
    close(fd);
    errno = fail_errno;
    return -1;
}

static void test_faults(void)
{
    AUTO(listing_freep) struct listing *l = sample();
    AUTO(listing_freep) struct listing *back = NULL;
    static const char old[] = DOC("\"old\":" ENTRY);
    struct io_ops ops[] = { io_system, io_system, io_system };
    ops[0].pwrite = failing_pwrite;
    ops[1].renameat = failing_renameat;
    ops[2].close = failing_close;
    put_raw(old, sizeof old - 1);
    fail_errno = ENOSPC;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        io = &ops[i];
        int rc = trees_write(&store, COMMIT, l, NULL);
        io = &io_system;
        CHECK(rc == HFP_E_NO_SPACE, "fault %zu: a full disk is said", i);
        CHECK(trees_read(&back, &store, COMMIT, NULL) == HFP_OK && listing_find(back, "old"),
              "fault %zu: the old one stays", i);
        listing_freep(&back);
    }
    ops[0] = io_system;
    ops[0].pread = failing_pread;
    fail_errno = EIO;
    io = &ops[0];
    CHECK(trees_read(&back, &store, COMMIT, NULL) == HFP_E_CORRUPT, "a bad disk is doubt too: the Hub is asked");
    io = &io_system;
}

static size_t heap_peak;
static void heap_look(void)
{
    struct mallinfo2 m = mallinfo2();
    heap_peak = MAX(heap_peak, m.uordblks + m.hblkhd);
}

static ssize_t watching_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    heap_look();
    return pwrite(fd, buf, n, at);
}

static ssize_t watching_pread(int fd, void *buf, size_t n, off_t at)
{
    heap_look();
    return pread(fd, buf, n, at);
}

/* P5: beside the listing itself, both ways take little more than their window, whatever the size of the repository. */
static void test_memory(void)
{
    enum { FILES = 200000 };
    AUTO(listing_freep) struct listing *l = NULL;
    AUTO(listing_freep) struct listing *back = NULL;
    struct hfp_err err = { 0 };
    char path[64];
    bool ok = listing_new(&l, NULL) == HFP_OK;
    for (unsigned i = 0; i < FILES && ok; i++) {
        snprintf(path, sizeof path, "data/train-%05u/part-of-all-%06u.json", i % 977, i);
        struct listed_file f = file(path, i * UINT64_C(1000003), i % 3 == 0, i % 3 == 0);
        ok = listing_add(l, &f, NULL) == HFP_OK;
    }
    ok = ok && listing_seal(l, NULL) == HFP_OK;
    struct io_ops watching = io_system;
    watching.pwrite = watching_pwrite;
    watching.pread = watching_pread;
    io = &watching;
    heap_look();
    size_t before = heap_peak;
    uint64_t start = clock_read().mono_ns;
    int rc = ok ? trees_write(&store, COMMIT, l, &err) : HFP_E_NOMEM;
    uint64_t ms = (clock_read().mono_ns - start) / NS_PER_MS;
    CHECK(rc == HFP_OK, "a listing of 200,000 files is written (%llu ms)", (unsigned long long)ms);
    CHECK(heap_peak - before <= (256u << 10), "with at most 256 KiB more (%zu KiB)", (heap_peak - before) >> 10);
    size_t one_listing = before;
    start = clock_read().mono_ns;
    rc = trees_read(&back, &store, COMMIT, &err);
    ms = (clock_read().mono_ns - start) / NS_PER_MS;
    io = &io_system;
    if (!CHECK(rc == HFP_OK && listing_count(back) == FILES, "and read (%llu ms)", (unsigned long long)ms))
        return;
    CHECK(heap_peak <= 2 * one_listing + (1u << 20),
          "with at most 1 MiB beside the listing it makes (%zu KiB for both)", heap_peak >> 10);
    bool same = listing_count(back) == FILES;
    for (size_t i = 0; i < FILES && same; i++)
        same = same_file(listing_at(l, i), listing_at(back, i));
    CHECK(same, "all 200,000 come back as they were");
}

int main(void)
{
    setup();
    test_write();
    test_places();
    test_shapes();
    test_cut();
    test_depth();
    test_sizes();
    test_strange_files();
    test_faults();
    test_memory();
    cleanup();
    return tap_end();
}
