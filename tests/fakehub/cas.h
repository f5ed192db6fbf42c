/* cas.h: Xet storage as the fakehub serves it: files made of terms, terms made of chunks, chunks kept in xorbs.
 *
 * Read once at start from a folder that tests/scenario/casdata.py made (README.md has its form); all threads read it
 * freely after. The bytes of a xorb stay on disk: its entry is sent like any file. Which chunks lie where is read from
 * the records themselves, so that an answer cannot disagree with the bytes unless a rule makes it. */
#ifndef FAKEHUB_CAS_H
#define FAKEHUB_CAS_H

#include "content.h"

#include <stddef.h>
#include <stdint.h>

enum { XET_HASH_DIGITS = 64 };

struct xorb {
    char hash[XET_HASH_DIGITS + 1];
    struct entry entry;   /* path is the hash */
    uint64_t *record_end; /* of each chunk in the stored object, headers included */
    uint32_t *plain;      /* bytes of each chunk */
    uint32_t count;
};

struct term {
    const struct xorb *xorb;
    uint32_t first, end; /* chunks; end excluded */
};

struct xet_file {
    char id[XET_HASH_DIGITS + 1], sha256[XET_HASH_DIGITS + 1];
    uint64_t size;
    struct term *terms;
    size_t count;
};

struct cas {
    struct xorb *xorbs; /* sorted by hash */
    size_t xorb_count;
    struct xet_file *files; /* sorted by id */
    size_t file_count;
};

/* Dies with a message when the folder cannot be served. dir NULL: an empty store. */
void cas_load(struct cas *out, const char *dir);
void cas_free(struct cas *c);
const struct xet_file *cas_file(const struct cas *c, const char *id);
/* Gives every LFS file of a repository with "xet" its id, where the store has that content. */
void cas_announce(const struct cas *c, struct content *content);

/* What a signed location opens: records of chunks first..end of one xorb, which are bytes from..last of it. */
struct span {
    uint32_t first, end;
    uint64_t from, last; /* last is included, as in a Range header */
};

/* A reconstruction of one slice of a file. */
struct plan {
    uint64_t offset; /* bytes to drop in front */
    struct term *terms;
    size_t term_count;
    struct need {
        const struct xorb *xorb;
        struct span *spans; /* ascending */
        size_t count;
    } * needs; /* in the order of first use */
    size_t need_count;
};

/* Bytes first..last of the file, whole chunks; last is included and may lie past the end. separate: one span for each
 * term's own chunks, as a server may answer that joins nothing. */
void plan_make(struct plan *out, const struct xet_file *f, uint64_t first, uint64_t last, bool separate);
void plan_free(struct plan *p);
uint64_t term_bytes(const struct term *t);

#endif
