/* cache/partial.h: the unfinished file of one content: found, claimed, adopted, written, closed.
 *
 * Names: <base>.<8 hex>.incomplete and beside it <base>.<8 hex>.digests. The caller holds the lock of the place (or
 * locks are void). Claim by rename: a dead owner's digests file is renamed to a fresh suffix (atomic: one wins), then
 * its data; an open chunk map follows when it can. Foreign leftovers (<base>.incomplete of huggingface_hub 0.x-1.17,
 * <base>.<8 hex>.incomplete without digests of 1.18+) are taken over by rename as guesses. Several candidates: the one
 * with most recorded blocks wins, the other dead ones are removed by partial_sweep() after publishing.
 * Blocking: on workers. Whoever claimed it owns it until partial_close(). Claim, demote, adopt and close are alone with it,
 * and only they change the bitmaps; writes of blocks, each with its digests_set(), and syncs run beside one another. */
#ifndef HFP_CACHE_PARTIAL_H
#define HFP_CACHE_PARTIAL_H

#include "cache/digests.h"
#include "cache/store.h"

#include <stdatomic.h>

struct listing;

struct partial {
    const struct store *store;
    int fd;        /* read and write */
    int direct_fd; /* the same file past the page cache; -1: this file system takes it not, or nobody asked */
    atomic_bool direct_refused; /* by a write: from then on all goes through the page cache */
    int dir;                    /* the folder it lives in; owned unless dir_borrowed */
    bool dir_borrowed;          /* it is the store's: a small file opens no folder */
    char name[192];             /* <base>.<8 hex>.incomplete */
    char digests_name[192];
    char chunks_name
        [192]; /* <base>.<8 hex>.chunks: the open chunk map (cache/chunks.h), when there is one; "" for one block */
    struct digests *digests; /* NULL for files of one block: there is nothing to resume */
    uint64_t size_bytes;
    uint64_t blocks;
    uint8_t *recorded; /* bitmap: digest present on disk; blocks bits, NULL when digests is NULL */
    uint8_t *guessed;  /* bitmap: bytes present but of unknown worth (adopted); NULL when none */
    uint64_t recorded_blocks, guessed_blocks;
    bool named;             /* its names survive power loss: synced once, by partial_sync */
    char adopted_from[192]; /* file name that was taken over, "" otherwise */
};

/* Claims, adopts or creates. force: leave what is there alone and start empty. HFP_E_LOCKED: a living owner on this or
 * another host has it. On success the caller owns *out. */
int partial_claim(struct partial **out, const struct place *p, const char *commit, bool force, int64_t unix_s,
                  struct hfp_err *err);
/* Takes a damaged file out of its place and makes a partial of it: blocks the receipt has digests for are kept to be
 * checked, without a receipt all of it is a guess. What a link into a shared store leads to is copied, and link and payload
 * stay where they are, as a file of one block does: publishing replaces them. stop: then HFP_E_CANCELLED. Same errors and
 * ownership as partial_claim. */
int partial_demote(struct partial **out, const struct place *p, const char *commit, int64_t unix_s,
                   const atomic_bool *stop, struct hfp_err *err);
/* Another tool's file of the same content, to begin with. */
struct partial_source {
    int fd;
    const char *name; /* for adopted_from */
    const atomic_bool *stop;
    _Atomic uint64_t *read_bytes; /* grows as it reads */
};
/* Copies what the source has and the partial has not, holes left out, and marks it as guessed. The source is only read.
 * A kill in the middle leaves guesses. Not for files of one block. HFP_E_CANCELLED when *stop. */
int partial_adopt(struct partial *pt, const struct partial_source *from, struct hfp_err *err);
/* What partial_claim would find, without touching anything: for plans and progress at the start. */
struct partial_look {
    uint64_t recorded_bytes, guessed_bytes;
    bool alive;          /* someone else is writing it */
    uint64_t held_bytes; /* on disk and not recorded: guesses, and space reserved ahead; needs no new space */
    uint64_t bytes_seen; /* size of the largest candidate: growth tells that a holder makes progress */
};
void partial_look(struct partial_look *out, const struct place *p, int64_t unix_s);
/* Opens the way past the page cache, where the file system has one; quiet where it has not. Before the first write. */
void partial_open_direct(struct partial *pt);
/* Writes bytes of a block; any thread, several at once for different blocks. direct: a whole block goes past the page
 * cache if that is open; what the file system refuses, and the short last block, goes through it. */
int partial_write(struct partial *pt, const void *buf, size_t n, uint64_t at, bool direct, struct hfp_err *err);
/* Reserves space up to `bytes` from `at` (at most 256 MiB ahead, size kept); quiet where unsupported,
 * HFP_E_NO_SPACE or HFP_E_QUOTA where the disk says so. */
int partial_reserve(struct partial *pt, uint64_t at, uint64_t bytes, struct hfp_err *err);
/* Unlinked under us (hf cache prune)? */
bool partial_unlinked(const struct partial *pt);
/* Data, then digests and heartbeat: what was recorded before survives power loss. */
int partial_sync(struct partial *pt, int64_t unix_s, struct hfp_err *err);
/* Closes. keep false removes the files. A kept one loses its owner, so the next run claims it at once. */
void partial_close(struct partial *pt, bool keep);
/* Removes every partial of this place whose owner is dead, ours by name included. Reads the whole folder, so for files
 * of one block it does nothing: their own leftovers are replaced by the next claim, others go by the two below. */
void partial_sweep(const struct place *p, int64_t unix_s);
/* Once at the end of a job: every dead partial in blobs/ whose content is published, each under its lock. */
void partial_sweep_all(const struct store *s, int64_t unix_s);
/* The same for --local-dir, where nothing but the listing tells whose a partial is: those of files of one block that are in
 * place, each under its lock. */
void partial_sweep_local(const struct store *s, const struct listing *l, int64_t unix_s);

#endif
