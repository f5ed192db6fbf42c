/* verify/rechunk.h: a file that is here, cut into chunks and laid against its reconstruction.
 *
 * The terms of all slices are given one after another, in the order of the file and without a gap (xet/reconstruction.h).
 * A term begins and ends between chunks, so each is cut by itself: by one rule and, when that gives another number of
 * chunks than the term has, by the other (xet/chunker.h). What damage does to one term leaves the others alone. Both rules
 * may give the same number and other cuts, about once in a million chunks: where a file that is known to be right has
 * another name, begin once more with the legacy rule.
 *
 * What a verdict is worth:
 *   MISFIT  these bytes are not the term's
 *   FITS    as many chunks as the term has. Nothing is proved: a flipped bit seldom moves a cut
 *   proved  the terms from found.proved_from on are all chunks of a xorb, and hash to its name: right, if the CAS is
 *   rechunk_is()  every term fits and together they have the file's name: right
 *
 * Blocking reads through base/io.h; one worker at a time. Memory: one MiB, and the chunks of one term (590 KB). */
#ifndef HFP_VERIFY_RECHUNK_H
#define HFP_VERIFY_RECHUNK_H

#include "xet/reconstruction.h"

#include <stdatomic.h>

enum rechunk_fit { RECHUNK_MISFIT, RECHUNK_FITS };

struct rechunk_chunk {
    uint32_t bytes;
    struct xet_hash hash;
};

/* Of the last term given; it lies in the rechunk until the next term. */
struct rechunk_found {
    enum rechunk_fit fit;
    uint32_t count;                    /* FITS: chunk_end - chunk_start of the term; else 0 */
    const struct rechunk_chunk *chunk; /* chunk[i] is chunk_start + i of the xorb */
    bool proved;
    uint64_t proved_from;             /* file offset; the end of this term is where it ends */
    const struct rechunk_chunk *xorb; /* proved: xorb[i] is chunk i, up to chunk_end of the term */
};

struct rechunk;
struct rechunk_spec {
    int fd;                       /* stays the caller's */
    uint64_t size_bytes;          /* of the file; terms reach no further */
    bool legacy_first;            /* of the two rules */
    const atomic_bool *stop;      /* then HFP_E_CANCELLED; or NULL */
    _Atomic uint64_t *read_bytes; /* grows as it reads, for progress; or NULL */
};
/* On success the caller owns *out. */
int rechunk_new(struct rechunk **out, const struct rechunk_spec *spec, struct hfp_err *err);
void rechunk_free(struct rechunk *r); /* NULL is fine */
void rechunk_freep(struct rechunk **r);

/* The next term. HFP_E_IO: the disk fails, or the file is shorter than it was; nothing is said of the term.
 * HFP_E_PROTO: it does not begin where the last one ended. */
int rechunk_term(struct rechunk_found *out, struct rechunk *r, const struct reconstruction_term *t,
                 struct hfp_err *err);
uint64_t rechunk_at(const struct rechunk *r); /* where the next term must begin */
/* All of the file was given, each term fits, and the file's name in Xet is this. */
bool rechunk_is(const struct rechunk *r, const struct xet_hash *file);

#endif
