/* test_listing.c: the promises of cache/listing.h, without its form on disk (test_trees.c).
 *
 * Seen red on purpose: no check for a path twice, for a file that is a folder, of the name, of the bytes of all names;
 * a rewind that keeps its slots, or its names; no sorting; the table of names kept after sealing, or four times as wide
 * (memory).
 * Under a sanitizer the heap figures are 0 and only the rest is tested. */
#include "cache/listing.h"

#include "tap.h"

#include <malloc.h>

static int add(struct listing *l, const char *path)
{
    struct listed_file f = { .path = path, .size_bytes = strlen(path) };
    f.id.bytes[0] = (uint8_t)path[0];
    return listing_add(l, &f, NULL);
}

static void test_order(void)
{
    static const char *const in[] = { "b", "a/z", "\xf0\x9f\x98\x80", "a-b", "B", "\xef\xbf\xbd", "a.b", "a/b/c" };
    static const char *const out[] = { "B", "a-b", "a.b", "a/b/c", "a/z", "b", "\xef\xbf\xbd", "\xf0\x9f\x98\x80" };
    AUTO(listing_freep) struct listing *l = NULL;
    char name[32];
    CHECK(listing_new(&l, NULL) == HFP_OK && listing_count(l) == 0, "a new listing is empty");
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        snprintf(name, sizeof name, "%s", in[i]); /* the listing must not keep our memory */
        add(l, name);
    }
    CHECK_STR(listing_at(l, 1)->path, "a/z", "unsealed, files come as they were added");
    CHECK(listing_seal(l, NULL) == HFP_OK && listing_count(l) == ARRAY_LEN(in), "it seals with all files");
    for (size_t i = 0; i < ARRAY_LEN(out); i++) {
        const struct listed_file *f = listing_at(l, i);
        CHECK_STR(f->path, out[i], "sealed, number %zu is the next by its bytes", i);
        CHECK(f->size_bytes == strlen(out[i]) && f->id.bytes[0] == (uint8_t)out[i][0], "with its own size and id");
        CHECK(listing_find(l, out[i]) == f, "and it is found");
    }
    static const char *const absent[] = { "", "a", "a/", "a/b", "a/b/", "a/b/cd", "A", "c", "zz" };
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        CHECK(listing_find(l, absent[i]) == NULL, "\"%s\" is not found", absent[i]);
}

static void test_refusals(void)
{
    static const struct {
        const char *name, *paths[4];
        int add_rc, seal_rc;
    } rows[] = {
        { "a path twice", { "a", "b", "a" }, HFP_E_PROTO, 0 },
        { "a path that climbs", { "a", "../b" }, HFP_E_PROTO, 0 },
        { "an absolute path", { "/etc/passwd" }, HFP_E_PROTO, 0 },
        { "an empty path", { "" }, HFP_E_PROTO, 0 },
        { "a file that is also a folder", { "a/b", "a" }, HFP_OK, HFP_E_PROTO },
        { "the same with names between", { "a", "a-b", "a.b", "a/b" }, HFP_OK, HFP_E_PROTO },
        { "the same further down", { "x/a", "x/a-b/c", "x/a/b/c" }, HFP_OK, HFP_E_PROTO },
        { "no clash: a folder's name is a file's beginning", { "a", "ab/c", "abc" }, HFP_OK, HFP_OK },
        { "no clash: names that differ in case", { "a", "A" }, HFP_OK, HFP_OK },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(listing_freep) struct listing *l = NULL;
        int rc = listing_new(&l, NULL), added = 0;
        for (size_t k = 0; k < 4 && rows[i].paths[k] && !rc; k++, added += !rc)
            rc = add(l, rows[i].paths[k]);
        CHECK(rc == rows[i].add_rc, "%s: adding %s", rows[i].name, rc ? "is refused" : "is fine");
        CHECK(listing_count(l) == (size_t)added, "%s: what was refused is not in it", rows[i].name);
        if (!rc)
            CHECK(listing_seal(l, NULL) == rows[i].seal_rc, "%s: sealing", rows[i].name);
    }
}

static void test_rewind(void)
{
    AUTO(listing_freep) struct listing *l = NULL;
    char path[32];
    bool ok = listing_new(&l, NULL) == HFP_OK;
    for (int i = 0; i < 700 && ok; i++) {
        snprintf(path, sizeof path, "kept/%d", i);
        ok = add(l, path) == HFP_OK;
    }
    for (int round = 0; round < 3; round++) { /* the second half makes the table of names grow in between */
        for (int i = 0; i < 5000 && ok; i++) {
            snprintf(path, sizeof path, "page/%d", i);
            ok = add(l, path) == HFP_OK;
        }
        listing_rewind(l, 700);
    }
    CHECK(ok && listing_count(l) == 700, "files taken back can be added again");
    CHECK(add(l, "kept/0") == HFP_E_PROTO && add(l, "kept/699") == HFP_E_PROTO, "those kept are still known");
    CHECK(add(l, "page/4999") == HFP_OK && listing_seal(l, NULL) == HFP_OK && listing_count(l) == 701 &&
              listing_find(l, "page/4999") && !listing_find(l, "page/4998") && listing_find(l, "kept/350"),
          "and the sealed listing holds exactly what was kept and added after");
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* 200,000 files with paths of 40 bytes: the whole pull has 64 MiB, so the list may have half of it (P5). */
static void test_memory(void)
{
    enum { FILES = 200000 };
    size_t before = heap_bytes(), peak = 0;
    AUTO(listing_freep) struct listing *l = NULL;
    char path[64];
    bool ok = listing_new(&l, NULL) == HFP_OK;
    for (unsigned i = 0; i < FILES && ok; i++) {
        snprintf(path, sizeof path, "data/train-%05u/part-of-all-%06u.json", i % 977, i);
        ok = add(l, path) == HFP_OK;
        peak = MAX(peak, i % 1000 == 0 ? heap_bytes() : 0);
    }
    ok = ok && strlen(path) == 40 && listing_seal(l, NULL) == HFP_OK;
    size_t sealed = heap_bytes();
    CHECK(ok && listing_count(l) == FILES, "200,000 files are taken");
    CHECK(peak - before <= (30u << 20), "while it fills it stays under 30 MiB (%zu KiB)", (peak - before) >> 10);
    CHECK(sealed - before <= (30u << 20), "and sealed (%zu KiB)", (sealed - before) >> 10);
    CHECK(sealed <= peak, "for the table of names goes when the order comes");
    bool found = true;
    for (unsigned i = 0; i < FILES && ok; i += 7) {
        snprintf(path, sizeof path, "data/train-%05u/part-of-all-%06u.json", i % 977, i);
        const struct listed_file *f = listing_find(l, path);
        found = found && f && strcmp(f->path, path) == 0;
    }
    for (size_t i = 1; i < listing_count(l); i++)
        found = found && strcmp(listing_at(l, i - 1)->path, listing_at(l, i)->path) < 0;
    CHECK(found, "each is found, and all stand in order");
    listing_freep(&l);
    CHECK(heap_bytes() <= before + 4096, "freed, nothing is left");
}

/* A server that never ends its listing meets a limit before memory does. */
static void test_names_limit(void)
{
    AUTO(listing_freep) struct listing *l = NULL;
    static char path[PATH_NAME_MAX];
    int rc = listing_new(&l, NULL);
    uint64_t bytes = 0;
    for (unsigned i = 0; !rc && i < 100000; i++) {
        memset(path, 'x', sizeof path - 1);
        for (size_t k = 200; k < sizeof path - 1; k += 200)
            path[k] = '/';
        path[snprintf(path, 16, "%u", i)] = 'x';
        rc = add(l, path);
        bytes += rc ? 0 : sizeof path;
    }
    CHECK(rc == HFP_E_PROTO && bytes <= (256u << 20), "names of 4 KiB end at 256 MiB (%llu)",
          (unsigned long long)bytes);
}

/* A mirror that keeps sending a page with a bad end, to a daemon that never gives up. */
static void test_bad_pages(void)
{
    AUTO(listing_freep) struct listing *l = NULL;
    static char path[4000];
    int rc = HFP_OK;
    listing_new(&l, NULL);
    for (unsigned page = 0; page < 80 && !rc; page++) { /* 305 MiB of names, and never more than 4 at once */
        for (unsigned i = 0; i < 1000 && !rc; i++) {
            memset(path, 'x', sizeof path - 1);
            for (unsigned k = 200; k < sizeof path - 1; k += 200)
                path[k] = '/';
            snprintf(path, 12, "%010u", i);
            path[10] = '/';
            rc = add(l, path);
        }
        listing_rewind(l, 0);
    }
    CHECK(rc == HFP_OK, "pages that were taken back leave no names behind");
    CHECK(add(l, "a") == HFP_OK && strcmp(listing_at(l, 0)->path, "a") == 0, "and the next one finds room");
}

int main(void)
{
    test_order();
    test_refusals();
    test_rewind();
    test_bad_pages();
    test_memory();
    test_names_limit();
    return tap_end();
}
