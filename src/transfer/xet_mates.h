/* transfer/xet_mates.h: the files of one job that are under way together: what one brings the others do not ask for.
 *
 * A mate is such a file. What it has put out, in this run or an earlier one, is read from its file and hashed; what it has
 * asked for and will put out (its open signed ranges) is waited for. Who waits for that has no range open itself: so nobody
 * waits for one who waits. What was put out into a block that is not full yet is copied out of that: so what was there
 * when a range was opened around it stays there. So no wait is without an end but by the one range that is waited for,
 * and that has its own (xet_fetch_stuck()). A mate that fails, or goes on over HTTP, asks for nothing any more, and
 * those who wait ask for themselves.
 *
 * Memory: what each mate knows of its chunks (xet_seen.h), of at most XET_MATES_SETTLING files beyond those that are
 * fetched. Loop thread, but for xet_mate_read(). */
#ifndef HFP_TRANSFER_XET_MATES_H
#define HFP_TRANSFER_XET_MATES_H

#include "base/clock.h"
#include "cache/chunk_index.h"
#include "transfer/xet_seen.h"

#define XET_MATES_SETTLING 8u /* files that wait for their names, and whose chunks are remembered in memory */
#define XET_FIRST_WORD_NS (2 * NS_PER_S) /* so long a file lets those before it hear first what they are made of */
#define XET_MATE_READ_CHUNKS 64u         /* at a time: about what fills a block */

enum xet_readable { XET_READABLE, XET_READABLE_LATER, XET_UNREADABLE };

struct xet_fetch;
struct xet_mate;
/* Of one job. Zeros: nobody. */
struct xet_mates {
    struct xet_mate *first;
};

struct xet_mate_file {
    int fd;                  /* of its bytes; the mate's from now on, whatever names they get */
    struct chunk_index *own; /* what an earlier run has written of it, or NULL; the mate's from now on */
    int own_dir;             /* of what own reads, -1: none; the mate's from now on */
    /* Are these bytes on the disk, right or wrong? */
    enum xet_readable (*readable)(void *ctx, uint64_t first_byte, uint64_t end_byte);
    void *ctx;
};
/* order: in the job. The file may still be looked for: those behind it let it come first, for a moment. */
int xet_mate_join(struct xet_mate **out, struct xet_mates *of, uint32_t order, uint64_t now_ns, struct hfp_err *err);
void xet_mate_ready(struct xet_mate *m, const struct xet_mate_file *f); /* it is there, whichever way it comes */
/* All of it is here, and it gets its name: what its maps say can be read again when that is over. */
void xet_mate_settle(struct xet_mate *m);
void xet_mate_leave(struct xet_mate *m); /* NULL is fine; after its xet_fetch. Who reads from it still may */

/* ---- for xet_fetch ---- */

/* Who fetches it now. What it has of the mate lives until that is let go, though its file may leave before: a task may
 * run. */
void xet_mate_fetched(struct xet_mate *m, struct xet_fetch *x);
void xet_mate_left(struct xet_mate *m); /* nobody does */
void xet_mate_let_go(struct xet_mate *m);
struct xet_seen *xet_mate_seen(struct xet_mate *m);
struct chunk_index *xet_mate_own(struct xet_mate *m);

/* AWAITED: it comes when another file's walk has gone on. SETTLING: when the disk has, whoever waits. */
enum xet_share { XET_SHARE_NONE, XET_SHARE_AWAITED, XET_SHARE_SETTLING, XET_SHARE_HERE };
/* One before it has just joined, or has just asked what it is made of, and will ask for that. */
bool xet_mates_first(const struct xet_mate *m, uint64_t now_ns);
/* How many chunks, from first on and up to end, other mates than m have in this state, the best there is for the first. */
enum xet_share xet_mates_have(uint32_t *chunks, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                              uint32_t end);

/* Chunks of one mate to be read. */
struct xet_mate_piece {
    struct xet_mate *mate;
    uint64_t from;
    uint32_t chunks, at; /* at: of chunk[], the next */
    struct xet_seen_chunk chunk[XET_MATE_READ_CHUNKS];
    uint8_t *tail; /* the end of its only chunk, where that is in memory alone; NULL: it is not */
    uint32_t tail_bytes;
    struct chunk_index *index; /* instead of chunk[]: of its earlier run */
    struct chunk_hit hit;
};
/* false: there are none now. Else xet_mate_piece_done() follows, whatever happens to the mate. */
bool xet_mate_piece(struct xet_mate_piece *out, const struct xet_mate *m, const struct xet_hash *xorb, uint32_t first,
                    uint32_t end);
/* right: what was read had its hash. Else nothing of that mate is taken any more. */
void xet_mate_piece_done(struct xet_mate_piece *p, bool right);
/* On a worker: the next chunk of chunk[]. */
int xet_mate_read(struct xet_mate_piece *p, uint8_t plain[XET_CHUNK_MAX], uint32_t *bytes, struct xet_hash *hash,
                  struct hfp_err *err);

#endif
