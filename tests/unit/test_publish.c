/* Promises of commit/publish: a final name exists only with its whole content (P1), whatever write, fsync or rename fails
 * and wherever the process is killed; the next run completes it without fetching (P2); links are never written through
 * (P7); small files are cheap.
 * Seen red on purpose: no fdatasync before the rename, the size check of make_ready removed, bytes written through a
 * blob link instead of the rename, "../" counted one short, wrong entries left as they are, the rescue of an unlinked
 * partial left out, EXDEV not copied, the hash of copies not compared, a copy believed without its receipt, the note's
 * time taken without looking at the file, fchmod left out (umask), fchown left out (files; links), an
 * empty file published under any hash, a copy made without the lock of its path, or among the user's files; one look at a
 * link and its blob. */
#include "cache/lock.h"
#include "cache_fixture.h"
#include "commit/publish.h"

#define MIB BLOCK_BYTES
#define LARGE (2 * MIB + 9)
#define SNAP "hub/models--ns--name/snapshots/" COMMIT "/"

static bool linked(const struct place *p, const char *commit, const char *path)
{
    bool is = false;
    return publish_linked(&is, p, commit, path, NULL) == HFP_OK && is;
}

static const char *blob_path(const struct place *p)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s", p->etag);
    return fx_path(below);
}

/* What the engine does for one file, bytes included. Returns the code of the first step that failed. */
static int whole(const struct place *p, const char *path, unsigned seed)
{
    struct partial *pt = NULL;
    struct receipt_look look;
    uint8_t sum[BLAKE3_BYTES], *buf;
    struct hfp_err err = { 0 };
    int rc = place_prepare(p, &err), lock = -1;
    if (!rc)
        rc = lock_try(&lock, p, &err);
    receipt_look(&look, p, NULL);
    if (!rc && !look.file_present) {
        rc = partial_claim(&pt, p, COMMIT, false, NOW, &err);
        if (!rc && pt->recorded_blocks < pt->blocks)
            fx_fill(pt, 0, pt->blocks, seed);
        if (!rc) {
            size_t n = (size_t)MIN(p->size_bytes, MIB);
            buf = malloc(n ? n : 1);
            fx_bytes(buf, 0, n, seed);
            blake3_of(sum, buf, n);
            free(buf);
            publish_prepare(&pt, 1);
            rc = publish_blob(p, &pt, sum, NOW, &err);
        }
        if (pt)
            partial_close(pt, true);
    } else if (!rc && look.verdict != RECEIPT_HOLDS) {
        receipt_write(p, NULL, 0, NOW, NULL); /* the engine hashes the file here */
    }
    if (!rc)
        rc = publish_link(p, COMMIT, path, NOW, &err);
    if (!rc)
        partial_sweep(p, NOW);
    if (lock >= 0)
        close(lock);
    return rc;
}

/* At the end of a job: files in folders that are there, and one that a pattern left out. */
static bool settled(const struct store *s)
{
    static const char *const paths[] = { "not/here/x", "sub/x", "y" };
    AUTO(listing_freep) struct listing *l = NULL;
    bool ok = listing_new(&l, NULL) == HFP_OK;
    for (size_t i = 0; ok && i < ARRAY_LEN(paths); i++) {
        struct listed_file f = { .path = paths[i], .size_bytes = i, .id = { .kind = DIGEST_SHA256 } };
        ok = listing_add(l, &f, NULL) == HFP_OK;
    }
    struct hfp_err err = { 0 };
    return ok && listing_seal(l, NULL) == HFP_OK && publish_settle_blobs(s, &err) == HFP_OK &&
           publish_settle_snapshot(s, COMMIT, l, &err) == HFP_OK && store_sync_folders(s, &err) == HFP_OK &&
           err.code == HFP_OK;
}

static enum receipt_verdict verdict(const struct place *p)
{
    struct receipt_look look;
    receipt_look(&look, p, NULL);
    return look.verdict;
}

static void into_the_cache(const char *base, uint64_t size)
{
    static const struct {
        const char *path, *target;
    } rows[] = {
        { "x", "../../blobs/" },
        { "sub dir/x", "../../../blobs/" },
        { "a/b/c", "../../../../blobs/" },
    };
    fx_fresh(base);
    struct store *s = fx_store();
    struct place *p = fx_place(s, size, 1, "x");
    CHECK(!linked(p, COMMIT, "x"), "nothing is linked yet");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[512] = "", want[512], link[512];
        CHECK(whole(p, rows[i].path, 1) == HFP_OK, "published");
        snprintf(link, sizeof link, SNAP "%s", rows[i].path);
        snprintf(want, sizeof want, "%s%s", rows[i].target, p->etag);
        CHECK(readlink(fx_path(link), got, sizeof got - 1) > 0 && strcmp(got, want) == 0, "the link of %s: %s",
              rows[i].path, want);
        CHECK(fx_right(fx_path(link), size, 1) && linked(p, COMMIT, rows[i].path), "leads to the content");
    }
    CHECK(fx_right(blob_path(p), size, 1) && verdict(p) == RECEIPT_HOLDS, "the blob is right and its receipt holds");
    CHECK(fx_count(fx_blobs(), ".") == 2 && fx_count(fx_path("hub/models--ns--name/.hf-pull"), "") == 3,
          "nothing else is left");
    char path[512];
    publish_snapshot_path(path, sizeof path, s, COMMIT);
    CHECK(strncmp(path, fx_path(SNAP), strlen(path)) == 0, "the snapshot's name");
    CHECK(settled(s), "settled");
    free(p);
    store_free(s);
}

static void links(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, 100, 1, "x");
    whole(p, "x", 1);
    char link[512], blob[512];
    snprintf(link, sizeof link, "%s", fx_path(SNAP "x"));
    snprintf(blob, sizeof blob, "%s", blob_path(p));
    static const char *const wrong[] = { "../../blobs/other", "nowhere", "/etc/passwd" };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        unlink(link);
        CHECK(symlink(wrong[i], link) == 0 && !linked(p, COMMIT, "x") &&
                  publish_link(p, COMMIT, "x", NOW, NULL) == HFP_OK && fx_right(link, 100, 1),
              "a link to %s is replaced", wrong[i]);
    }
    unlink(link);
    fx_write(link, "old", 3);
    CHECK(!linked(p, COMMIT, "x") && publish_link(p, COMMIT, "x", NOW, NULL) == HFP_OK && fx_right(link, 100, 1),
          "a stale real file is replaced");
    unlink(link);
    CHECK(symlink(blob, link) == 0 && linked(p, COMMIT, "x") && publish_link(p, COMMIT, "x", NOW, NULL) == HFP_OK,
          "an absolute link that leads there is right");
    unlink(link);
    mkdir(link, 0777);
    CHECK(publish_link(p, COMMIT, "x", NOW, NULL) == HFP_E_IO, "a folder in the way is an error that says so");
    free(p);
    store_free(s);
}

/* The shared store of huggingface_hub 2.x: blobs/<etag> is a link to a payload that others use too. */
static void never_through_a_link(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, 100, 1, "x");
    struct partial *pt = NULL;
    struct stat st;
    fx_write(fx_path("payload"), "shared by others", 16);
    CHECK(symlink(fx_path("payload"), blob_path(p)) == 0, "a blob that is a link");
    partial_claim(&pt, p, COMMIT, false, NOW, NULL);
    fx_fill(pt, 0, 1, 1);
    CHECK(publish_blob(p, &pt, NULL, NOW, NULL) == HFP_OK && !pt, "published over it");
    CHECK(lstat(blob_path(p), &st) == 0 && S_ISREG(st.st_mode) && fx_right(blob_path(p), 100, 1),
          "the link is replaced");
    CHECK(stat(fx_path("payload"), &st) == 0 && st.st_size == 16, "the payload is untouched");
    unlink(blob_path(p));
    fx_leave(fx_path("payload2"), 100, 1);
    CHECK(symlink(fx_path("payload2"), blob_path(p)) == 0 && receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK &&
              verdict(p) == RECEIPT_HOLDS && publish_link(p, COMMIT, "x", NOW, NULL) == HFP_OK &&
              linked(p, COMMIT, "x"),
          "a shared payload that is right is used as it is");
    free(p);
    store_free(s);
}

static void modes_and_owners(void)
{
    mode_t old = umask(077);
    struct store *s = fx_store();
    struct place *p = fx_place(s, LARGE, 1, "x");
    struct stat st;
    umask(022); /* the leftover was made under another umask */
    char name[256];
    snprintf(name, sizeof name, "hub/models--ns--name/blobs/%s.incomplete", p->etag);
    fx_leave(fx_path(name), 2 * MIB, 1);
    umask(077);
    CHECK(whole(p, "x", 1) == HFP_OK && stat(blob_path(p), &st) == 0 && (st.st_mode & 0777) == 0600,
          "an adopted file gets the mode of a fresh one: 0600 under umask 077");
    umask(old);
    free(p);
    store_free(s);
    if (geteuid() != 0)
        return;
    fx_fresh("/tmp");
    mkdir(fx_path("hub"), 0755);
    CHECK(chown(fx_path("hub"), 4711, 4712) == 0, "a cache of user 4711");
    s = fx_store();
    unsigned strangers = 0;
    static const uint64_t sizes[] = { 100, LARGE };
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        p = fx_place(s, sizes[i], i, "a/b");
        CHECK(whole(p, i ? "a/b" : "c", i) == HFP_OK, "root pulls into it");
        free(p);
    }
    store_free(s);
    char find[512];
    snprintf(find, sizeof find, "find %s/hub ! -uid 4711 | wc -l", fx_root);
    FILE *f = popen(find, "r");
    CHECK(f && fscanf(f, "%u", &strangers) == 1 && strangers == 0, "every file, folder and link belongs to the user");
    if (f)
        pclose(f);
}

static void pruned(void)
{
    struct store *s = fx_store();
    static const uint64_t sizes[] = { 100, LARGE };
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct place *p = fx_place(s, sizes[i], i, "x");
        struct partial *pt = NULL;
        partial_claim(&pt, p, COMMIT, false, NOW, NULL);
        fx_fill(pt, 0, pt->blocks, i);
        unlinkat(pt->dir, pt->name, 0);
        CHECK(publish_blob(p, &pt, NULL, NOW, NULL) == HFP_OK && fx_right(blob_path(p), sizes[i], i) &&
                  verdict(p) == RECEIPT_HOLDS,
              "unlinked under us (hf cache prune): published from the open descriptor");
        free(p);
    }
    struct place *p = fx_place(s, LARGE, 7, "x");
    struct partial *pt = NULL;
    partial_claim(&pt, p, COMMIT, false, NOW, NULL);
    fx_fill(pt, 0, pt->blocks, 8); /* other bytes than were proved */
    unlinkat(pt->dir, pt->name, 0);
    struct hfp_err err = { 0 };
    CHECK(publish_blob(p, &pt, NULL, NOW, &err) == HFP_E_CONTENT && access(blob_path(p), F_OK) != 0,
          "a copy that is not the proved content gets no final name");
    partial_close(pt, false);
    partial_claim(&pt, p, COMMIT, false, NOW, NULL);
    fx_fill(pt, 0, 1, 7);
    CHECK(publish_blob(p, &pt, NULL, NOW, &err) == HFP_E_INTERNAL && access(blob_path(p), F_OK) != 0,
          "a file of the wrong size gets no final name");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

static void without_links(void)
{
    struct store *s = fx_store_with(NULL, true, true);
    static const uint64_t sizes[] = { 100, LARGE };
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct place *p = fx_place(s, sizes[i], i, i ? "d/x" : "x");
        char first[64], second[64];
        struct stat st;
        snprintf(first, sizeof first, "%s", i ? "d/x" : "x");
        snprintf(second, sizeof second, "e/y%u", i);
        char a[512], b[512];
        snprintf(a, sizeof a, SNAP "%s", first);
        snprintf(b, sizeof b, SNAP "%s", second);
        CHECK(whole(p, first, i) == HFP_OK && lstat(fx_path(a), &st) == 0 && S_ISREG(st.st_mode) &&
                  fx_right(fx_path(a), sizes[i], i),
              "without links the content lies in the snapshot");
        CHECK(!linked(p, COMMIT, second) && publish_link(p, COMMIT, second, NOW, NULL) == HFP_OK &&
                  linked(p, COMMIT, second) && fx_right(fx_path(b), sizes[i], i),
              "a second path is a copy");
        struct place *q = fx_place(s, sizes[i], i, second);
        CHECK(verdict(q) == RECEIPT_HOLDS, "that was proved on the way");
        free(q);
        fx_leave(fx_path(b), sizes[i], i + 40);
        CHECK(!linked(p, COMMIT, second) && publish_link(p, COMMIT, second, NOW, NULL) == HFP_OK &&
                  fx_right(fx_path(b), sizes[i], i),
              "a copy that changed since is not believed, and replaced");
        CHECK_U64(fx_count(fx_blobs(), p->etag), 0, "blobs/ stays empty");
        FILE *f = fopen(fx_path(a), "r+b"); /* rot, and the time put back: only hashing sees it */
        fputc('?', f);
        fclose(f);
        CHECK(publish_link(p, COMMIT, "third", NOW, NULL) == HFP_E_CONTENT && access(fx_path(SNAP "third"), F_OK) != 0,
              "what changed on disk is not copied on");
        free(p);
    }
    store_free(s);
    fx_fresh("/tmp");
    s = fx_store(); /* a cache with blobs that is now used without links */
    struct place *p = fx_place(s, 100, 1, "x");
    whole(p, "x", 1);
    free(p);
    store_free(s);
    unlink(fx_path(SNAP "x"));
    s = fx_store_with(NULL, true, true);
    p = fx_place(s, 100, 1, "x");
    struct stat st;
    CHECK(verdict(p) == RECEIPT_HOLDS && publish_link(p, COMMIT, "x", NOW, NULL) == HFP_OK &&
              lstat(fx_path(SNAP "x"), &st) == 0 && S_ISREG(st.st_mode) && fx_right(fx_path(SNAP "x"), 100, 1),
          "a blob that is there already is copied, not fetched");
    free(p);
    store_free(s);
}

static void local_folder(const char *base, bool other_fs)
{
    fx_fresh(base);
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct place *p = fx_place(s, LARGE, 1, "sub/x");
    char text[256] = "", commit[64], etag[80];
    double when = 0;
    struct stat st;
    fault_install();
    if (other_fs) /* D/sub is a mount or a link to another disk */
        fault_arm(FAULT_RENAME, 1, EXDEV);
    CHECK(whole(p, "sub/x", 1) == HFP_OK && fx_right(fx_path("D/sub/x"), LARGE, 1),
          "a real file where the user wants it");
    io = &io_system;
    CHECK(fx_count(fx_path("D/sub"), "") == 3 && verdict(p) == RECEIPT_HOLDS, "alone there, with a receipt");
    FILE *f = fopen(fx_path("D/.cache/huggingface/download/sub/x.metadata"), "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    CHECK(n && sscanf(text, "%63s\n%79s\n%lf\n", commit, etag, &when) == 3 && strcmp(commit, COMMIT) == 0 &&
              strcmp(etag, p->etag) == 0 && text[n - 1] == '\n' && strstr(text, ".0\n"),
          "its note: commit, etag, time as a Python float");
    stat(fx_path("D/sub/x"), &st);
    CHECK((double)st.st_mtim.tv_sec - 1 <= when, "not older than the file, as the Python client wants it");
    CHECK(linked(p, COMMIT, "sub/x"), "up to date");
    struct timespec t[2] = { { .tv_sec = (time_t)when + 10 }, { .tv_sec = (time_t)when + 10 } };
    utimensat(AT_FDCWD, fx_path("D/sub/x"), t, 0);
    CHECK(!linked(p, COMMIT, "sub/x") && publish_link(p, COMMIT, "sub/x", NOW, NULL) == HFP_OK &&
              linked(p, COMMIT, "sub/x"),
          "a touched file needs a new note and gets one that counts");
    CHECK(publish_link(p, COMMIT, "y", NOW, NULL) == HFP_OK && fx_right(fx_path("D/y"), LARGE, 1) &&
              linked(p, COMMIT, "y"),
          "a second path is a copy with its own note");
    CHECK(!linked(p, "ffffffffffffffffffffffffffffffffffffffff", "sub/x"), "another commit needs its own note");
    char path[512];
    publish_snapshot_path(path, sizeof path, s, COMMIT);
    CHECK_STR(path, fx_path("D"), "the snapshot is the folder itself");
    CHECK(settled(s), "settled");
    free(p);
    store_free(s);
}

/* Another process has the lock of "y" for two more questions; it writes a file of another revision and its note there. */
static unsigned asked;
static bool early;

static int busy_flock(int fd, int op)
{
    if (++asked <= 2) {
        early |= access(fx_path("D/y"), F_OK) == 0;
        errno = EWOULDBLOCK;
        return -1;
    }
    return io_system.flock(fd, op);
}

/* What is renamed to "y" lies where the sweep of moments finds it: a kill before it leaves nothing among the user's files. */
static bool alone;

static int rename_alone(int a, const char *b, int c, const char *d)
{
    if (strcmp(d, "y") == 0)
        alone = fx_count(fx_path("D"), "") == 4 && fx_count(fx_path("D/.cache/huggingface/.hf-pull"), ".tmp") == 1;
    return io_system.renameat(a, b, c, d);
}

static void copy_beside_another(void)
{
    static struct io_ops ops;
    fx_fresh("/tmp");
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct place *p = fx_place(s, 2000, 1, "x");
    int rc = whole(p, "x", 1);
    ops = io_system;
    ops.flock = busy_flock;
    io = &ops;
    ops.renameat = rename_alone;
    rc = rc ? rc : publish_link(p, COMMIT, "y", NOW, NULL);
    io = &io_system;
    CHECK(rc == HFP_OK && asked == 3 && !early && linked(p, COMMIT, "y"),
          "a copy and its note wait for the lock of its path");
    CHECK(alone, "nothing of ours lies among the files meanwhile");
    fault_install();
    fault_arm(FAULT_RENAME, 1, EXDEV);
    rc = publish_link(p, COMMIT, "z", NOW, NULL);
    io = &io_system;
    CHECK(rc == HFP_OK && fx_right(fx_path("D/z"), 2000, 1) && linked(p, COMMIT, "z") &&
              fx_count(fx_path("D"), "") == 6 && fx_count(fx_path("D/.cache/huggingface/.hf-pull"), ".tmp") == 0,
          "but where that is another disk");
    free(p);
    store_free(s);
}

/* Another process publishes the same content anew between the look at the link and that at the blob. */
static unsigned renewed;

static int stat_then_renewed(int dir, const char *path, struct stat *st, int flags)
{
    int rc = io_system.fstatat(dir, path, st, flags);
    if (strncmp(path, "snapshots/", 10) == 0 && renewed++ < 2) {
        char from[300], to[300];
        snprintf(from, sizeof from, "%s", fx_path("hub/models--ns--name/blobs/anew"));
        fx_leave(from, 2000, 1);
        struct content_id id = fx_id(2000, 1);
        char etag[65];
        content_id_hex(etag, &id);
        snprintf(to, sizeof to, "%s/%s", fx_blobs(), etag);
        if (rename(from, to))
            exit(99);
    }
    return rc;
}

static void renewed_under_the_look(void)
{
    static struct io_ops ops;
    fx_fresh("/tmp");
    struct store *s = fx_store();
    struct place *p = fx_place(s, 2000, 1, "x");
    int rc = whole(p, "x", 1);
    ops = io_system;
    ops.fstatat = stat_then_renewed;
    io = &ops;
    bool is = linked(p, COMMIT, "x");
    io = &io_system;
    CHECK(rc == HFP_OK && renewed > 2 && is, "a link leads to its blob, also when that is replaced meanwhile");
    free(p);
    store_free(s);
}

static void empty_file(void)
{
    struct store *s = fx_store();
    struct place *p = calloc(1, sizeof *p);
    struct content_id id;
    struct stat st;
    content_id_parse(&id, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    place_of(p, s, &id, 0, COMMIT, "__init__.py");
    CHECK(publish_empty(p, NOW, NULL) == HFP_OK && stat(blob_path(p), &st) == 0 && st.st_size == 0 &&
              verdict(p) == RECEIPT_HOLDS,
          "an empty file is published and proved");
    CHECK(publish_link(p, COMMIT, "__init__.py", NOW, NULL) == HFP_OK && linked(p, COMMIT, "__init__.py"),
          "and linked");
    CHECK(publish_empty(p, NOW, NULL) == HFP_OK && fx_count(fx_blobs(), ".incomplete") == 0, "twice does no harm");
    struct hfp_err err = { 0 };
    id = fx_id(2000, 1);
    place_of(p, s, &id, 0, COMMIT, "lie.bin");
    CHECK(publish_empty(p, NOW, &err) == HFP_E_CONTENT && stat(blob_path(p), &st) < 0 && err.message[0],
          "nothing is not the content of another hash: %s", err.message);
    free(p);
    store_free(s);
}

/* Order on disk, and how many calls a small file costs. */
static void cheap(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, 2000, 1, "a"), *q = fx_place(s, 2000, 2, "b");
    whole(p, "a", 1);
    fault_install();
    struct partial *pt = NULL;
    partial_claim(&pt, q, COMMIT, false, NOW, NULL);
    fx_fill(pt, 0, 1, 2);
    uint8_t sum[BLAKE3_BYTES] = { 1 };
    publish_blob(q, &pt, sum, NOW, NULL);
    publish_link(q, COMMIT, "b", NOW, NULL);
    CHECK(fault_all_calls() <= 13 && fault_calls(FAULT_FSYNC) == 1, "a small file: %u system calls, one fdatasync",
          fault_all_calls());
    fault_reset();
    fault_always(FAULT_FSYNC, EIO);
    partial_claim(&pt, q, COMMIT, true, NOW, NULL);
    fx_fill(pt, 0, 1, 2);
    unlink(blob_path(q));
    struct hfp_err err = { 0 };
    CHECK(publish_blob(q, &pt, NULL, NOW, &err) == HFP_E_IO && fault_calls(FAULT_RENAME) == 0,
          "no rename before the data is durable");
    io = &io_system;
    partial_close(pt, false);
    free(p);
    free(q);
    store_free(s);
}

/* shape 0: blobs and links, 1: no links, 2: --local-dir. */
static void final_path(char out[512], int shape, const struct place *p)
{
    static const char *const folders[] = { "hub/models--ns--name/blobs", "hub/models--ns--name", "D" };
    snprintf(out, 512, "%s/%.200s", folders[shape], p->final_name);
}

/* Every call of every kind fails once: nothing or the right thing is in place, and the next run completes. */
static void faults(int shape, uint64_t size)
{
    static const enum fault_kind kinds[] = { FAULT_CREATE, FAULT_OPEN,    FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME,
                                             FAULT_UNLINK, FAULT_SYMLINK, FAULT_MKDIR, FAULT_STAT,  FAULT_CHMOD };
    unsigned places = 0, wrong = 0, unfinished = 0, dirty = 0;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        bool hit = true;
        for (unsigned nth = 1; hit && nth < 200; nth++, places++) {
            fx_fresh("/dev/shm");
            struct store *s = fx_store_with(shape == 2 ? fx_path("D") : NULL, true, shape == 1);
            struct place *p = fx_place(s, size, 1, "d/x");
            char final[512], entry[512];
            final_path(final, shape, p);
            snprintf(entry, sizeof entry, "%s", fx_path(shape == 2 ? "D/d/x" : SNAP "d/x"));
            fault_install();
            fault_arm(kinds[k], nth, k % 2 ? EIO : ENOSPC);
            int rc = whole(p, "d/x", 1);
            hit = fault_calls(kinds[k]) >= nth;
            fault_reset();
            if (access(fx_path(final), F_OK) == 0 && !fx_right(fx_path(final), size, 1))
                wrong++;
            if (rc == HFP_OK && !fx_right(entry, size, 1))
                wrong++;
            place_of(p, s, &p->id, size, COMMIT, "d/x");
            bool done = whole(p, "d/x", 1) == HFP_OK && fx_right(entry, size, 1) && verdict(p) == RECEIPT_HOLDS;
            if (!done)
                printf("# unfinished: kind %d, call %u, verdict %d\n", (int)kinds[k], nth, verdict(p));
            unfinished += !done;
            if (shape < 2)
                dirty +=
                    fx_count(fx_blobs(), ".") != 2 || fx_count(fx_path("hub/models--ns--name/.hf-pull"), ".tmp") != 0;
            io = &io_system;
            free(p);
            store_free(s);
        }
    }
    CHECK(places > 20, "shape %d, %u bytes: %u faults", shape, (unsigned)size, places);
    CHECK_U64(wrong, 0, "never a wrong file under a final name, never a false success");
    CHECK_U64(unfinished, 0, "the next run completes, proved");
    CHECK_U64(dirty, 0, "and nothing stays behind");
}

/* Kill -9 before every changing call. */
static void kills(int shape, uint64_t size)
{
    unsigned wrong = 0, unfinished = 0, dirty = 0, refetched = 0, at = 1;
    int status = -1;
    for (; status != 0 && at < 100; at++) {
        fx_fresh("/dev/shm");
        struct store *s = fx_store_with(shape == 2 ? fx_path("D") : NULL, true, shape == 1);
        struct place *p = fx_place(s, size, 1, "d/x");
        char final[512], entry[512];
        final_path(final, shape, p);
        snprintf(entry, sizeof entry, "%s", fx_path(shape == 2 ? "D/d/x" : SNAP "d/x"));
        pid_t child = fork();
        if (child == 0) {
            fault_install();
            fault_kill_at(at);
            _exit(whole(p, "d/x", 1));
        }
        waitpid(child, &status, 0);
        bool in_place = access(fx_path(final), F_OK) == 0;
        if (in_place && !fx_right(fx_path(final), size, 1))
            wrong++;
        place_of(p, s, &p->id, size, COMMIT, "d/x");
        fault_install();
        unfinished += whole(p, "d/x", 1) != HFP_OK || !fx_right(entry, size, 1) || verdict(p) != RECEIPT_HOLDS;
        refetched += in_place && fault_calls(FAULT_RENAME) > 2; /* receipt and note only */
        io = &io_system;
        if (shape < 2)
            dirty += fx_count(fx_blobs(), ".") != 2;
        free(p);
        store_free(s);
    }
    CHECK(at > 6 && status == 0, "shape %d, %u bytes: killed at %u places", shape, (unsigned)size, at - 2);
    CHECK_U64(wrong, 0, "never a wrong file under a final name");
    CHECK_U64(unfinished, 0, "the next run completes, proved");
    CHECK_U64(refetched, 0, "and what was in place is not fetched again");
    CHECK_U64(dirty, 0, "and nothing stays behind");
}

int main(void)
{
    into_the_cache("/tmp", 100);
    into_the_cache("/tmp", LARGE);
    into_the_cache("/dev/shm", LARGE);
    static void (*const tests[])(
        void) = { links, never_through_a_link, modes_and_owners, pruned, without_links, empty_file, cheap };
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        fx_fresh("/tmp");
        tests[i]();
    }
    local_folder("/tmp", false);
    local_folder("/dev/shm", true);
    copy_beside_another();
    renewed_under_the_look();
    for (int shape = 0; shape < 3; shape++) { /* blobs and links, no links, --local-dir */
        faults(shape, 100);
        faults(shape, LARGE);
        kills(shape, 100);
        kills(shape, LARGE);
    }
    fx_wipe();
    return tap_end();
}
