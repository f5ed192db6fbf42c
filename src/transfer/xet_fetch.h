/* transfer/xet_fetch.h: a file out of the Xet store, in whole blocks: the source beside fetch (transfer.h).
 *
 *   wanted --run--> slice --CAS--> steps --signed ranges--> fetches --stored bytes--> decoder --block full--> owner
 *
 * A run of wanted blocks is put out from its first byte to its last. A reconstruction of one slice at a time says which
 * ranges of which xorbs it is made of; these are fetched a window ahead, as a file is (fetch_spec.is_signed), decoded in
 * order on a worker, and come out as blocks, each exactly once per xet_fetch_want(). What is in doubt (a range that does
 * not decode, an answer that does not fit, other ranges after a renewal) is asked for again from the byte where the
 * output stands: nothing that came out is fetched again.
 * Chunks that lie in files that are here (cache/chunk_index.h) are read from there and hashed; what is not right is asked
 * for alone. What another file of the job has, or has asked for, is had from that (xet_mates.h).
 * Memory beside the pool: the decoder, one answer (xet/reconstruction.h) and the next one, what is known of the chunks
 * that went out (xet_seen.h). Loop thread only, but for the events that say otherwise. */
#ifndef HFP_TRANSFER_XET_FETCH_H
#define HFP_TRANSFER_XET_FETCH_H

#include "base/work.h"
#include "cache/chunk_index.h"
#include "resolve/xet_query.h"
#include "transfer/transfer.h"
#include "transfer/xet_decode.h"
#include "transfer/xet_mates.h"

#define XET_HELD_MAX 2 /* of the file itself, of others */

struct xet_fetch_events {
    /* As of fetch_events. After failed nothing comes any more; what is still wanted is the owner's to get elsewhere. */
    void (*block)(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer);
    void (*failed)(void *ctx, const struct hfp_err *err);
    /* These bytes of the file are under the matching name of a whole xorb. */
    void (*proved)(void *ctx, uint64_t first_byte, uint64_t end_byte);
    /* Chunks that were put out before shall be put out again: may they be read back, and then, on a worker, read. */
    enum xet_readable (*readable)(void *ctx, uint64_t first_byte, uint64_t end_byte);
    int (*read)(void *ctx, uint8_t *out, size_t n, uint64_t first_byte, struct hfp_err *err);
    xet_chunk_seen *seen; /* on a worker; or NULL */
    /* Whole chunks are in the file again as they were at `from`; or NULL. */
    void (*copied)(void *ctx, uint64_t from, uint64_t to, uint64_t bytes);
    void (*busy)(void *ctx, int change); /* a task of ours began or ended: until then ctx must live */
    void *ctx;
};

struct xet_fetch_spec {
    struct xet_session *session;
    struct work *work;
    struct pool *pool;
    const char *path;    /* for messages; lives as long as the fetch */
    uint64_t size_bytes; /* > 0 */
    struct xet_hash file;
    bool uncounted; /* a second opinion: not counted as received */
    struct chunk_index
        *held[XET_HELD_MAX]; /* chunks that are here, asked in this order; NULL: none. They outlive the tasks */
    struct xet_mate *mate;   /* this file among those of its job, while the fetch lives; NULL: alone */
};

struct xet_fetch;
int xet_fetch_new(struct xet_fetch **out, struct group *g, const struct xet_fetch_spec *spec,
                  const struct xet_fetch_events *events, struct hfp_err *err);
void xet_fetch_free(struct xet_fetch *x); /* NULL is fine; a task that still runs ends first, see events.busy */
void xet_fetch_want(struct xet_fetch *x, uint64_t block);
/* Does what can be done now. Returns when it wants the next turn (mono ns); UINT64_MAX: on an event. */
uint64_t xet_fetch_turn(struct xet_fetch *x, uint64_t now_ns);
bool xet_fetch_busy(const struct xet_fetch *x); /* anything still wanted */
/* A pause: no new questions to the CAS, and when no task runs any more (idle) nothing comes out. What is open arrives. */
void xet_fetch_hold(struct xet_fetch *x, bool hold);
bool xet_fetch_idle(const struct xet_fetch *x);
/* Nothing comes: of a range, as fetch_stuck(), or of the CAS for so long. */
bool xet_fetch_stuck(const struct xet_fetch *x, uint64_t patience_ns, uint64_t now_ns, struct hfp_err *why);
void xet_fetch_look(struct fetch_look *out, const struct xet_fetch *x);

#endif
