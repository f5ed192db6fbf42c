/* listing_checks.h: what every listing owes, whoever it was read from. For the targets that make one. */
#ifndef HFP_TESTS_LISTING_CHECKS_H
#define HFP_TESTS_LISTING_CHECKS_H

#include "memory_io.h"

#include "base/json.h"
#include "cache/trees.h"
#include "fuzz.h"

#define SOME_COMMIT "0123456789abcdef0123456789abcdef01234567"

/* By other means than cache/names.c: no part of it leads up, out, or nowhere. */
static inline void path_must_be_safe(const char *path)
{
    size_t n = strlen(path), from = 0;
    MUST(n > 0 && n < 4096 && path[0] != '/' && path[0] != '\\', "a listed path is relative and fits");
    for (size_t i = 0; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\\' && path[i] != 0)
            continue;
        MUST(!(i - from == 2 && path[from] == '.' && path[from + 1] == '.'), "no listed path climbs");
        MUST(path[i] == '\\' || i > from || path[from - 1] == '\\', "no listed path has an empty part");
        from = i + 1;
    }
}

static inline void listing_must_hold(const struct listing *l)
{
    for (size_t i = 0; i < listing_count(l); i++) {
        const struct listed_file *f = listing_at(l, i);
        path_must_be_safe(f->path);
        MUST(f->size_bytes <= JSON_INTEGER_MAX, "a size is one that JSON can say");
        MUST(f->id.kind == (f->lfs ? DIGEST_SHA256 : DIGEST_GIT_SHA1), "LFS has a sha256, the rest a git sha1");
        MUST(f->lfs || memcmp(f->git_oid, f->id.bytes, sizeof f->git_oid) == 0, "a plain file's git id is its own");
        MUST(i == 0 || strcmp(listing_at(l, i - 1)->path, f->path) < 0, "sealed: in order, and no path twice");
        MUST(listing_find(l, f->path) == f, "every file is found by its path");
    }
}

static inline bool same_file(const struct listed_file *a, const struct listed_file *b)
{
    return strcmp(a->path, b->path) == 0 && a->size_bytes == b->size_bytes && content_id_equal(&a->id, &b->id) &&
           memcmp(a->git_oid, b->git_oid, sizeof a->git_oid) == 0 && a->lfs == b->lfs && a->xet == b->xet &&
           (!a->xet || memcmp(a->xet_hash, b->xet_hash, sizeof a->xet_hash) == 0);
}

static inline void listings_must_equal(const struct listing *a, const struct listing *b)
{
    MUST(listing_count(a) == listing_count(b), "as many files");
    for (size_t i = 0; i < listing_count(a); i++)
        MUST(same_file(listing_at(a, i), listing_at(b, i)), "the same file in the same place");
}

/* What was listed comes back from trees/<commit>.json. Between memory_io_begin() and _end(). */
static inline void listing_must_survive(const struct listing *l)
{
    AUTO(listing_freep) struct listing *again = NULL;
    struct store s = { .repo_dir = MEMORY_DIR, .receipts = MEMORY_DIR, .writable = true, .file_mode = 0644 };
    struct hfp_err err = { 0 };
    MUST(trees_write(&s, SOME_COMMIT, l, &err) == HFP_OK, "a good listing can be written");
    if (trees_read(&again, &s, SOME_COMMIT, &err)) {
        fprintf(stderr, "%s\n", err.message);
        MUST(false, "what was written can be read");
    }
    listings_must_equal(l, again);
}

#endif
