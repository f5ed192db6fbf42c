/* The hub cache as a whole: what it holds, what a deletion frees, and that a deletion takes nothing else.
 * Seen red with: content counted per repository ("counted once"), freed counted for what two revisions use ("frees what
 * it alone uses"), content of other revisions deleted ("the other revision is whole"), the lock not asked ("somebody
 * writes"), refs left ("no ref to nothing"), an unfinished deletion not gone on with ("after a kill"), the least recently
 * used replaced by the first ("used longest ago"), times alone taken for damage, a lost byte not; a stat, readdir, readlink
 * or open that fails while others' use is looked for taken for nothing there ("what others use and a partial stay"). */
#include "cache/lock.h"
#include "cache/receipt.h"
#include "cache_fixture.h"

#include <sys/file.h>

#define MIB BLOCK_BYTES
#define OTHER "0000000000000000000000000000000000000002"

static char hub[600];

static void parents(const char *below)
{
    const char *path = fx_path(below);
    if (io_mkdirs_told(AT_FDCWD, path, (size_t)(strrchr(path, '/') - path), NULL, NULL, NULL) != HFP_OK)
        abort();
}

static void link_to(const char *repo, const char *commit, const char *path, const char *etag)
{
    char at[500], target[200];
    snprintf(at, sizeof at, "hub/models--%s/snapshots/%s/%s", repo, commit, path);
    parents(at);
    snprintf(target, sizeof target, "../../blobs/%s", etag);
    if (symlink(target, fx_path(at)) < 0)
        abort();
}

static void put(const char *below, const char *text, size_t n)
{
    parents(below);
    fx_write(fx_path(below), text, n);
}

static const char *const etags[] = {
    "1111111111111111111111111111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222222222222222222222222222",
    "3333333333333333333333333333333333333333333333333333333333333333",
    "4444444444444444444444444444444444444444",
};

static const char *blob_name(int i)
{
    static char below[300];
    snprintf(below, sizeof below, "hub/models--a--b/blobs/%s", etags[i]);
    return below;
}

static void blob(const char *repo, int i, size_t n, int64_t used_unix_s)
{
    char below[300];
    static char bytes[10000];
    snprintf(below, sizeof below, "hub/models--%s/blobs/%s", repo, etags[i]);
    put(below, bytes, n);
    struct timespec t[2] = { { .tv_sec = used_unix_s }, { .tv_sec = used_unix_s } };
    utimensat(AT_FDCWD, fx_path(below), t, 0);
}

/* Repository a--b: COMMIT has contents 0 and 1 (and 0 twice), OTHER has 1 and 2. c: COMMIT has 3, and 0 from the store
 * that repositories share, as a--b has it too. */
static void build(void)
{
    fx_fresh("/tmp");
    snprintf(hub, sizeof hub, "%s", fx_path("hub"));
    blob("a--b", 0, 1000, 5000);
    blob("a--b", 1, 200, 6000);
    blob("a--b", 2, 30, 7000);
    link_to("a--b", COMMIT, "x", etags[0]);
    link_to("a--b", COMMIT, "again", etags[0]);
    link_to("a--b", COMMIT, "y", etags[1]);
    link_to("a--b", OTHER, "y", etags[1]);
    link_to("a--b", OTHER, "z", etags[2]);
    put("hub/models--a--b/refs/main", COMMIT, 40);
    put("hub/models--a--b/refs/refs/pr/1", COMMIT, 40);
    put("hub/models--a--b/refs/dev", OTHER, 40);
    put("hub/models--a--b/trees/" COMMIT ".json", "{}", 2);
    blob("c", 3, 4, 1000);
    link_to("c", COMMIT, "w", etags[3]);
    put("hub/blobs/.huggingface-shared-blobs", "1\n", 2);
    put("hub/blobs/ab/abcd", "0123456789", 10);
    if (symlink("../../blobs/ab/abcd",
                fx_path("hub/models--c/blobs/2222222222222222222222222222222222222222222222222222222222222222")) < 0)
        abort();
    link_to("c", COMMIT, "shared", etags[1]);
    struct timespec t[2] = { { .tv_sec = 900 }, { .tv_sec = 900 } };
    utimensat(AT_FDCWD, fx_path("hub/blobs/ab/abcd"), t, 0);
    put("hub/version.txt", "1", 1);
    put("hub/models--broken", "x", 1);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static const struct hfp_cached_revision *find(const struct hfp_cache *c, const char *repo, const char *commit)
{
    for (size_t i = 0; i < c->repos; i++)
        for (size_t k = 0; strcmp(c->repo[i].repo, repo) == 0 && k < c->repo[i].revisions; k++)
            if (strcmp(c->repo[i].revision[k].commit, commit) == 0)
                return &c->repo[i].revision[k];
    return NULL;
}

static struct hfp_cache *list(void)
{
    struct hfp_cache *c = NULL;
    struct hfp_err err = { 0 };
    CHECK(hfp_cache_list(&c, hub, &err) == HFP_OK, "listed %s", err.message);
    return c;
}

static void listed(void)
{
    build();
    struct hfp_cache *c = list();
    CHECK(c->repos == 2 && strcmp(c->repo[0].repo, "a/b") == 0 && strcmp(c->repo[1].repo, "c") == 0,
          "two repositories");
    CHECK_U64(c->total_bytes, 1000 + 200 + 30 + 4 + 10, "content is counted once");
    CHECK_U64(c->repo[0].size_bytes, 1230, "also of a repository");
    const struct hfp_cached_revision *v = find(c, "a/b", COMMIT), *o = find(c, "a/b", OTHER), *w = find(c, "c", COMMIT);
    CHECK(v && v->files == 3 && v->size_bytes == 1200, "files and content of a revision");
    CHECK(v && v->freed_bytes == 1000 && o && o->freed_bytes == 30, "its deletion frees what it alone uses");
    CHECK(w && w->size_bytes == 14 && w->freed_bytes == 4, "and nothing that repositories share");
    CHECK(v && v->refs[0] && v->refs[1] && !v->refs[2] && o && strcmp(o->refs[0], "dev") == 0, "refs, nested ones too");
    CHECK(v && v->used_unix_s >= 6000 && v->trust == HFP_TRUST_UNPROVED, "last use; without receipts not proved");
    CHECK(c->free_bytes > 0, "the disk's free space");
    hfp_cache_free(c);
    CHECK(unlink(fx_path("hub/models--a--b/blobs/3333333333333333333333333333333333333333333333333333333333333333")) ==
              0,
          "a blob is lost");
    c = list();
    o = find(c, "a/b", OTHER);
    CHECK(o && o->trust == HFP_TRUST_DAMAGED && find(c, "a/b", COMMIT)->trust == HFP_TRUST_UNPROVED,
          "that revision is damaged");
    hfp_cache_free(c);
    struct hfp_err err = { 0 };
    CHECK(hfp_cache_list(&c, fx_path("nowhere"), &err) == HFP_OK && c->repos == 0, "no folder, nothing in it");
    hfp_cache_free(c);
    hfp_cache_free(NULL);
}

/* Another user has closed a folder of the cache to us: that repository is named, and the other one is listed whole. */
static void closed_to_us(void)
{
    const enum fault_kind kinds[] = { FAULT_OPEN, FAULT_FDOPENDIR, FAULT_READDIR };
    unsigned refused = 0, closed = 0, half = 0;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        bool hit = true;
        for (unsigned nth = 1; hit; nth++) {
            struct hfp_cache *c = NULL;
            build();
            fault_install();
            fault_arm(kinds[k], nth, EACCES);
            int rc = hfp_cache_list(&c, hub, NULL);
            hit = fault_calls(kinds[k]) >= nth;
            io = &io_system;
            refused += rc != HFP_OK;
            for (size_t i = 0; rc == HFP_OK && i < c->repos; i++) {
                const struct hfp_cached_repo *r = &c->repo[i];
                size_t all = i ? 1 : 2;
                closed += r->closed;
                half += r->closed ? r->revisions || r->size_bytes : r->revisions != all;
                half += c->repos != 2;
            }
            hfp_cache_free(c);
        }
    }
    CHECK(closed > 10 && half == 0, "%u times closed: it is named, without half of it", closed);
    CHECK_U64(refused, 2 + 1 + 8,
              "only the hub folder has to be opened, twice, and read to its end: five entries and dots");
}

/* By receipts. */
static void not_all_read(void)
{
    unsigned wrong = 0, nth = 1;
    build();
    for (bool hit = true; hit; nth++) {
        struct hfp_cache *c = NULL;
        fault_install();
        fault_arm(FAULT_READDIR, nth, EIO);
        int rc = hfp_cache_list(&c, hub, NULL);
        hit = fault_calls(FAULT_READDIR) >= nth;
        io = &io_system;
        wrong += rc == HFP_OK && (c->repos != 2 || c->total_bytes != 1244);
        hfp_cache_free(c);
    }
    CHECK_U64(wrong, 0, "readdir fails, %u places: no list rather than a shorter one", nth - 2);
}

static void trusted(void)
{
    fx_fresh("/tmp");
    snprintf(hub, sizeof hub, "%s", fx_path("hub"));
    struct store *s = fx_store();
    struct place *p = fx_place(s, 1000, 1, "x");
    char below[300];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s", p->etag);
    fx_leave(fx_path(below), 1000, 1);
    link_to("ns--name", COMMIT, "x", p->etag);
    CHECK(receipt_write(p, NULL, 0, NOW, NULL) == HFP_OK, "a receipt");
    struct hfp_cache *c = list();
    CHECK(find(c, "ns/name", COMMIT) && find(c, "ns/name", COMMIT)->trust == HFP_TRUST_PROVED, "proved by it");
    hfp_cache_free(c);
    struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
    CHECK(utimensat(AT_FDCWD, fx_path(below), times, 0) == 0, "touched");
    c = list();
    CHECK(find(c, "ns/name", COMMIT)->trust == HFP_TRUST_UNPROVED, "not proved when it has been touched");
    hfp_cache_free(c);
    fx_leave(fx_path(below), 999, 1);
    c = list();
    CHECK(find(c, "ns/name", COMMIT)->trust == HFP_TRUST_DAMAGED, "damaged when it has lost a byte");
    hfp_cache_free(c);
    free(p);
    store_free(s);
}

static bool is_there(const char *below)
{
    struct stat st;
    return lstat(fx_path(below), &st) == 0;
}

static void deleted(void)
{
    build();
    struct hfp_err err = { 0 };
    uint64_t freed = 77;
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", COMMIT, &err) == HFP_OK && freed == 1000,
          "deleted, and freed what was said %s", err.message);
    CHECK(!is_there("hub/models--a--b/refs/main") && !is_there("hub/models--a--b/refs/refs/pr/1") &&
              is_there("hub/models--a--b/refs/dev"),
          "no ref to nothing; the others stay");
    CHECK(!is_there("hub/models--a--b/snapshots/" COMMIT) && !is_there("hub/models--a--b/trees/" COMMIT ".json"),
          "gone");
    struct hfp_cache *c = list();
    const struct hfp_cached_revision *o = find(c, "a/b", OTHER);
    CHECK(o && o->trust == HFP_TRUST_UNPROVED && o->size_bytes == 230 && o->freed_bytes == 230,
          "the other revision is whole");
    hfp_cache_free(c);
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", COMMIT, &err) == HFP_E_NO_REVISION, "twice is once");
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", OTHER, &err) == HFP_OK && freed == 230,
          "the last one");
    CHECK(!is_there("hub/models--a--b"), "takes the repository with it");
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "c", COMMIT, &err) == HFP_OK && freed == 4,
          "a shared content");
    CHECK(is_there("hub/blobs/ab/abcd"), "is not ours to delete");
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "no/such", COMMIT, &err) == HFP_E_NO_REPO &&
              hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "../x", COMMIT, &err) != HFP_OK &&
              hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "c", "../../..", &err) == HFP_E_ARG,
          "names that lead elsewhere are refused");
}

/* The lock of a content, as another process holds it. */
static int hold(const char *etag)
{
    char below[300];
    snprintf(below, sizeof below, "hub/.locks/models--a--b/%s.lock", etag[0] ? etag : "hf-pull");
    put(below, "", 0);
    int fd = open(fx_path(below), O_RDWR | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        abort();
    return fd;
}

static void locked(const char *etag, bool refused, const char *why)
{
    struct hfp_err err = { 0 };
    uint64_t freed = 0;
    int fd = hold(etag);
    int rc = hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", COMMIT, &err);
    CHECK((rc == HFP_E_LOCKED) == refused, "%s (%s)", why, err.message);
    CHECK(!refused || (is_there("hub/models--a--b/refs/main") && is_there("hub/models--a--b/snapshots/" COMMIT "/x")),
          "then nothing is touched");
    close(fd);
}

static void at_work(void)
{
    build();
    locked("", true, "somebody's pull is ending");
    locked(etags[0], true, "somebody writes what would go");
    put("hub/models--a--b/blobs/4444444444444444444444444444444444444444.1a2b3c4d.incomplete", "x", 1);
    locked(etags[3], true, "somebody pulls another revision");
    locked(etags[2], false, "a lock of what stays, without a partial, is nobody's business");
    CHECK(is_there("hub/models--a--b/blobs/4444444444444444444444444444444444444444.1a2b3c4d.incomplete"),
          "a partial stays");
}

static void after_a_kill(void)
{
    build();
    struct hfp_err err = { 0 };
    uint64_t freed = 0;
    char from[600];
    mkdir(fx_path("hub/models--a--b/.hf-pull"), 0755);
    snprintf(from, sizeof from, "%s", fx_path("hub/models--a--b/snapshots/" COMMIT));
    if (rename(from, fx_path("hub/models--a--b/.hf-pull/deleted-" COMMIT)) < 0)
        abort();
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", COMMIT, &err) == HFP_OK && freed == 1000,
          "after a kill it goes on where it was");
    build();
    mkdir(fx_path("hub/models--a--b/.hf-pull"), 0755);
    if (rename(fx_path("hub/models--a--b/snapshots/" COMMIT), fx_path("hub/models--a--b/.hf-pull/deleted-" COMMIT)) < 0)
        abort();
    link_to("a--b", COMMIT, "x", etags[0]);
    struct hfp_cache *c = list();
    CHECK(find(c, "a/b", COMMIT) != NULL, "pulled again since");
    hfp_cache_free(c);
    CHECK(hfp_cache_delete_revision(&freed, hub, HFP_MODEL, "a/b", COMMIT, &err) == HFP_OK && freed == 1000 &&
              !is_there("hub/models--a--b/.hf-pull/deleted-" COMMIT),
          "both are gone");
}

static const struct {
    enum fault_kind kind;
    const char *name;
} looks[] = { { FAULT_STAT, "stat" },
              { FAULT_FDOPENDIR, "fdopendir" },
              { FAULT_READDIR, "readdir" },
              { FAULT_READLINK, "readlink" },
              { FAULT_OPEN, "open" } };
static const char partial[] = "hub/models--a--b/blobs/4444444444444444444444444444444444444444.1a2b3c4d.incomplete";

/* One look fails: then what is in use is not known, and nothing of it may go. The last revision takes all with it but a
 * partial. */
static void cannot_look(bool last)
{
    for (size_t k = 0; k < ARRAY_LEN(looks); k++) {
        unsigned descriptors = 0;
        unsigned lost = 0, to_nothing = 0, untrue = 0, nth = 1;
        for (bool hit = true; hit; nth++) {
            build();
            if (last)
                hfp_cache_delete_revision(NULL, hub, HFP_MODEL, "a/b", OTHER, NULL);
            put(partial, "x", 1);
            unsigned open_before = open_descriptors();
            fault_install();
            fault_arm(looks[k].kind, nth, EIO);
            int rc = hfp_cache_delete_revision(NULL, hub, HFP_MODEL, "a/b", COMMIT, NULL);
            untrue += rc == HFP_E_NO_REVISION || rc == HFP_E_NO_REPO;
            hit = fault_calls(looks[k].kind) >= nth;
            io = &io_system;
            descriptors += open_descriptors() - open_before;
            lost += !is_there(partial) || (!last && (!is_there(blob_name(1)) || !is_there(blob_name(2))));
            to_nothing +=
                is_there("hub/models--a--b/refs/main") && !is_there("hub/models--a--b/snapshots/" COMMIT "/x");
        }
        CHECK_U64(lost, 0, "%s fails, %u places: what others use and a partial stay", looks[k].name, nth - 2);
        CHECK_U64(to_nothing, 0, "%s fails: no ref leads to nothing", looks[k].name);
        CHECK_U64(untrue, 0, "%s fails: it is not said that there is nothing to delete", looks[k].name);
        CHECK_U64(descriptors, 0, "%s fails: no descriptor stays open", looks[k].name);
    }
}

/* Another process pulls another revision, and one look fails: the repository does not pass for one that nobody writes. */
static void cannot_look_who_writes(void)
{
    for (size_t k = 0; k < ARRAY_LEN(looks); k++) {
        unsigned deleted = 0, nth = 1;
        for (bool hit = true; hit; nth++) {
            build();
            put(partial, "x", 1);
            int fd = hold(etags[3]);
            fault_install();
            fault_arm(looks[k].kind, nth, EIO);
            deleted += hfp_cache_delete_revision(NULL, hub, HFP_MODEL, "a/b", COMMIT, NULL) == HFP_OK;
            hit = fault_calls(looks[k].kind) >= nth;
            io = &io_system;
            close(fd);
            deleted += !is_there("hub/models--a--b/snapshots/" COMMIT "/x");
        }
        CHECK_U64(deleted, 0, "%s fails, %u places: nothing is deleted beside who writes", looks[k].name, nth - 2);
    }
}

static bool keep_c(void *ctx, const struct hfp_cached_repo *r, const struct hfp_cached_revision *v)
{
    (void)ctx;
    (void)v;
    return strcmp(r->repo, "c") == 0;
}

static void quota(void)
{
    build();
    size_t repo = 9, revision = 9;
    struct hfp_err err = { 0 };
    uint64_t freed = 0;
    struct hfp_cache *c = list();
    CHECK(!hfp_cache_next_to_go(&repo, &revision, c, 2000, NULL, NULL), "within the quota nothing goes");
    CHECK(hfp_cache_next_to_go(&repo, &revision, c, 1200, NULL, NULL) && repo == 1, "the one used longest ago");
    CHECK(hfp_cache_next_to_go(&repo, &revision, c, 1200, keep_c, NULL) && repo == 0 &&
              strcmp(c->repo[0].revision[revision].commit, COMMIT) == 0,
          "not one that is kept");
    hfp_cache_free(c);
    CHECK(hfp_cache_evict(&freed, hub, 1240, NULL, NULL, &err) == HFP_OK && freed == 4, "only as much as has to go");
    CHECK(hfp_cache_evict(&freed, hub, 300, keep_c, NULL, &err) == HFP_OK && freed == 1000, "the next ones");
    CHECK(hfp_cache_evict(&freed, hub, UINT64_MAX, NULL, NULL, &err) == HFP_OK && freed == 0, "no quota, nothing goes");
    c = list();
    CHECK(c->total_bytes == 230 && c->repos == 1, "what is left keeps to it");
    hfp_cache_free(c);
}

int main(void)
{
    listed();
    not_all_read();
    trusted();
    deleted();
    at_work();
    after_a_kill();
    closed_to_us();
    cannot_look(false);
    cannot_look(true);
    cannot_look_who_writes();
    quota();
    fx_wipe();
    return tap_end();
}
