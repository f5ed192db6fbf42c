/* content.h: the repositories this hub serves.
 *
 * Loaded once at start (content_load.c), hashed once (hashes.c). After that only refs (under the lock) and flags change,
 * through content_set; all threads read the rest freely. README.md describes the folder layout and .fakehub.json. */
#ifndef FAKEHUB_CONTENT_H
#define FAKEHUB_CONTENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct entry {  /* a file or folder of one commit */
    char *path; /* in the repository */
    char *disk; /* where the bytes are; NULL for generated files and folders */
    uint64_t size, seed;
    int64_t mtime_ns;
    bool dir, lfs;
    char oid[41];    /* git object id; for LFS that of the pointer */
    char sha256[65]; /* LFS only */
    const char *xet; /* the id in Xet storage, of the loaded cas; NULL when it is not there */
};

struct commit {
    char id[41];
    char *label;           /* name in .fakehub.json, or NULL */
    struct entry *entries; /* sorted by path, folders included, so a folder's content is one run */
    size_t count, files;
};

struct ref {
    char *name;
    const struct commit *target;
    enum { REF_BRANCH, REF_TAG, REF_PR } kind;
};

struct repo {
    const char *type; /* models, datasets, spaces */
    char *id;         /* ns/name or name */
    char *renamed_to; /* or NULL; then nothing else counts */
    struct commit *commits;
    size_t commit_count;
    struct ref *refs;
    size_t ref_count;
    bool xet;
    atomic_bool gated, private, disabled;
    atomic_bool granted; /* does the valid token open a gated or private repository */
};

struct content {
    struct repo *repos;
    size_t count;
    pthread_mutex_t lock; /* refs; the flags are atomic */
};

/* Dies with a message when the folder cannot be served. hash_cache may be NULL. */
void content_load(struct content *out, const char *root, const char *hash_cache, uint64_t lfs_over_bytes);
void content_free(struct content *c);

struct repo *content_repo(struct content *c, const char *type, const char *id);
/* rev: ref name, label, or full commit id; NULL is main. NULL when there is none. */
const struct commit *content_rev(struct content *c, const struct repo *r, const char *rev);
const struct entry *commit_entry(const struct commit *c, const char *path);
size_t commit_lower_bound(const struct commit *c, const char *path); /* first entry that is not below path */
/* Applies {"refs": {...}, "gated": b, "private": b, "granted": b, "disabled": b}; false names what is wrong. */
bool content_set(struct content *c, struct repo *r, const cJSON *change, const char **wrong);

bool is_hex(const char *s, size_t digits);

#endif
