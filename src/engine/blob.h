/* engine/blob.h: one content on its way into place, for the files of this folder alone.
 *
 * A content is what one or more files of the listing have. Its states are drawn in ARCHITECTURE.md; only blob_move()
 * assigns them. It belongs to its job (engine/job.h) and lives on the loop's thread; tasks (busy) carry copies or are
 * lent what nobody else touches meanwhile: what runs on a worker says so. A failure is told by blob_fail(), and the
 * content is closed as soon as no task uses it. */
#ifndef HFP_ENGINE_BLOB_H
#define HFP_ENGINE_BLOB_H

#include "cache/chunks.h"
#include "commit/publish.h"
#include "engine/job.h"
#include "transfer/xet_fetch.h"
#include "verify/front.h"
#include "verify/opinion.h"
#include "verify/prove.h"
#include "verify/rechunk.h"

enum blob_state {
    BLOB_NONE,
    BLOB_NEW,
    BLOB_CLAIM,
    BLOB_LOCKED,
    BLOB_PROVE,
    BLOB_FETCH,
    BLOB_REPAIR,
    BLOB_PUBLISH,
    BLOB_LINK,
    BLOB_INDEX,
    BLOB_CLOSE,
    BLOB_END,
    BLOB_STATES
};
enum blob_event {
    BLOBEV_CLAIM,
    BLOBEV_LOCKED,
    BLOBEV_PRESENT,
    BLOBEV_HERE,
    BLOBEV_CLAIMED,
    BLOBEV_RIGHT,
    BLOBEV_WRONG,
    BLOBEV_PUBLISHED,
    BLOBEV_VERIFIED,
    BLOBEV_INDEX,
    BLOBEV_FAIL,
    BLOBEV_CLOSED,
    BLOBEV_COUNT
};

/* What is known of one block of a file under way. */
enum mark { MARK_ABSENT, MARK_GUESS, MARK_KEPT, MARK_WRITING, MARK_WRITTEN };

#define KEEP_REACH 48 /* blocks: beyond the window of a fast line, so that there the network waits for the hash */

#define CAS_PATIENCE_NS (20 * NS_PER_S) /* less than a stall may go unnamed, and HTTP may do it meanwhile */

struct blob {
    struct job *job;
    struct blob *next, *next_ready;
    uint32_t index;                 /* in the plan */
    const struct listed_file *file; /* the first with this content */
    struct place place;
    enum blob_state state;
    bool small, damaged, failed, published;
    bool counted_proved; /* its files are among files_proved since the plan: a receipt held */
    bool queued;         /* for the publisher */
    bool elsewhere;      /* its guesses are of elsewhere.c */
    unsigned busy;       /* tasks in flight that use it */
    unsigned *active;    /* the job's count it is part of; NULL: of none any more */
    int lock_fd;
    struct partial *partial;
    struct fetch *fetch;
    struct xet_fetch *xet; /* instead of fetch, when over_xet */
    bool over_xet, xet_failed, http_failed;
    unsigned xet_tasks;      /* of its sources, also of one that was left */
    struct chunks *chunks;   /* the open map of the partial, once it came over Xet */
    struct chunk_index *own; /* what an earlier run has written of it; the mate's once there is one */
    int share_fd,
        own_dir; /* of its bytes, for the other files of the job; of what own reads. -1: none, or the mate's */
    struct xet_mate *mate;       /* among the files of the job that come together */
    struct chunk_index *sealed;  /* its map, when it is published */
    struct indexing *indexing;   /* the verb index is at it */
    struct hfp_err source_error; /* why the last one could not go on */
    unsigned changed_round;      /* of the patience when the source was changed last */
    uint64_t changed_ns, source_next_ns;
    uint64_t blocks;
    uint8_t *mark, *doubt; /* per block; NULL for small ones */
    uint16_t *server;      /* per block: who sent it */
    uint16_t last_server;
    uint64_t counted_bytes;          /* of this blob in recorded_bytes */
    uint64_t counted_proved_bytes;   /* in proved_bytes, before the whole is */
    _Atomic uint64_t read_bytes;     /* by the prove task under way */
    uint64_t proved_from, proved_to; /* the latest stretch of whole xorbs that came */
    uint64_t reserved_to, unsynced_bytes, sync_ns;
    bool syncing;
    /* the front */
    struct digest *digest;
    uint64_t front;
    uint64_t front_ns; /* when it last moved */
    uint64_t missing;  /* the first block that is neither here nor on its way to the disk */
    unsigned hashing;  /* blocks in the step under way, from the front; 0: none is */
    bool rehash;
    unsigned lent;             /* kept buffers that the step under way uses */
    uint8_t *kept[KEEP_REACH]; /* by index: written, and its buffer waits for the front or is being hashed */
    unsigned kept_count;
    unsigned writes;       /* in flight */
    struct content_id got; /* small: hash of what was written */
    uint8_t small_block[BLAKE3_BYTES];
    /* second opinions */
    struct opinion *opinion;
    bool witness_due;
    struct witness *witness;      /* the Xet store is asked where to look */
    struct fetch *again;          /* over HTTP */
    struct xet_fetch *again_xet;  /* or over Xet */
    bool witnessed, again_failed; /* it said where; the one that is asked can not go on */
    struct hfp_err again_why;
    unsigned tries;
    bool opinion_hash_due;
    uint64_t repaired_bytes, asked_open;
    struct stat bad; /* damaged: of the file that was read and is wrong; st_ino 0: there was none */
    /* waiting for someone else's lock */
    uint64_t locked_since_ns, locked_retry_ns, holder_bytes;
    long holder;
    struct hfp_err error;
};

/* blob.c */
struct blob *blob_new(struct job *job, uint32_t index);
void blob_free(struct blob *b);
void blob_move(struct blob *b, enum blob_event ev);
void blob_begin(struct blob *b);
void blob_turn(struct blob *b, uint64_t now_ns);
void blob_fail(struct blob *b, const struct hfp_err *err);
void blob_fail_offline(struct blob *b, const char *what); /* no request may be sent, and it is what */
void blob_published(struct blob *b, const struct hfp_err *err);
bool blob_is_active(const struct blob *b);

/* errands.c: tasks of one content that wait for the disk */
enum errand { ERRAND_CLAIM, ERRAND_PROVE, ERRAND_LINK, ERRAND_CLOSE };
void errand_begin(struct blob *b, enum errand what);

/* pipeline.c: blocks from the wire to the disk; hashing.c: and into the hash */
int pipeline_begin(struct blob *b, struct hfp_err *err);
void pipeline_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer);
void pipeline_failed(void *ctx, const struct hfp_err *err);
void pipeline_front(struct blob *b);
void pipeline_missing(struct blob *b); /* blocks came, or the front moved */
void pipeline_sync(struct blob *b, uint64_t now_ns);
int pipeline_rehash(struct blob *b, struct hfp_err *err);
void pipeline_count(struct blob *b, uint64_t bytes);
void pipeline_proved(struct blob *b, uint64_t first_byte, uint64_t end_byte); /* under the name of a whole xorb */

/* keeping.c: which written blocks keep their buffer until the front has hashed them */
bool keeping_wants(const struct blob *b, uint64_t index);
void keeping_add(struct blob *b, uint64_t index, uint8_t *buf);
void keeping_lend(struct blob *b, struct front_step *s); /* buffers for a step; what gets none is read back */
void keeping_returned(struct blob *b);                   /* the step is over */
void keeping_passed(struct blob *b, uint64_t from, uint64_t to);
void keeping_drop(struct blob *b);
uint64_t keeping_turn(struct core *c, uint64_t now_ns); /* before the transfer's: it hands on what is given back */

/* sourcing.c: over HTTP or Xet */
int sourcing_session(struct job *job, struct hfp_err *err); /* job->xet is there after it */
int sourcing_begin(struct blob *b, struct hfp_err *err);
void sourcing_end(struct blob *b);
void sourcing_want(struct blob *b, uint64_t block);
void sourcing_front(struct blob *b, uint64_t block);
unsigned sourcing_keeps(const struct blob *b); /* as fetch_keeps() */
bool sourcing_instead(struct blob *b,
                      const struct hfp_err *err); /* HTTP is refused for good: true, another takes over */
uint64_t sourcing_turn(struct blob *b, uint64_t now_ns);
void sourcing_renewed(struct blob *b); /* the machine slept: what is being asked is asked again */
bool sourcing_look(struct fetch_look *out, const struct blob *b);
bool sourcing_xet_possible(const struct blob *b);
/* Over Xet, into these events; proved, readable and read are set here when they are NULL. */
int sourcing_open_xet(struct xet_fetch **out, struct blob *b, bool uncounted, struct xet_fetch_events *events,
                      struct hfp_err *err);
bool sourcing_decodes(const struct job *job, const struct listed_file *f); /* it will take a decoder's memory */

/* delta.c: chunks that are here need not come */
void delta_begin(struct job *job);  /* looks which there are */
void delta_claimed(struct blob *b); /* on a worker: and in its own partial */
bool delta_possible(const struct blob *b);
void delta_source(struct blob *b, struct xet_fetch_spec *spec, struct xet_fetch_events *events);
void delta_join(struct blob *b);      /* it is being claimed: among the files of the job that come together */
void delta_ready(struct blob *b);     /* it is claimed */
void delta_settle(struct blob *b);    /* all of it is here and right */
void delta_publish(struct blob *b);   /* on a worker, before the file gets its name: its map is sealed */
void delta_named(struct blob *b);     /* on a worker, it has its name: what its map says may be read */
void delta_published(struct blob *b); /* the other files of the job know it too */
void delta_leave(struct blob *b);     /* nothing more of it can be read */
void delta_end(struct blob *b);

/* elsewhere.c: the same content in another file that is here */
struct elsewhere;
bool elsewhere_wanted(const struct job *job, uint32_t blob); /* of the plan */
int elsewhere_new(struct elsewhere **out, const struct job *job,
                  struct hfp_err *err); /* on a worker, as the next one */
int elsewhere_note(struct elsewhere *e, const char *path, const char *etag, struct hfp_err *err);
void elsewhere_free(struct elsewhere *e);
int elsewhere_fill(struct blob *b, struct hfp_err *err); /* on a worker; the partial is ours */
bool elsewhere_in_cache(const struct place *p);          /* on a worker: what a folder wants, by its name and size */
/* On a worker: a file of one block that may not be asked for. *copied: it is proved, and in the partial. */
int elsewhere_copy_small(bool *copied, struct blob *b, struct hfp_err *err);

/* laying.c: a file that is here, laid against its reconstruction */
struct laying;
struct laying_events {
    /* On a worker, term after term in the order of the file. Anything but HFP_OK ends it. */
    int (*term)(void *ctx, const struct reconstruction_term *t, const struct rechunk_found *found, struct hfp_err *err);
    int (*end)(void *ctx, bool is,
               struct hfp_err *err); /* on the worker, after the last: is it the file of that name? */
    void (*over)(void *ctx, const struct hfp_err *err); /* on the loop; code OK: all of it. It may be freed inside */
    void *ctx;
};
struct laying_spec {
    struct blob *blob; /* whose file has a name in Xet. While a task runs, it is busy, and the laying is not freed */
    int fd;            /* stays the caller's */
    bool legacy_first; /* as of rechunk_spec */
};
int laying_new(struct laying **out, const struct laying_spec *spec, const struct laying_events *events,
               struct hfp_err *err);
void laying_free(struct laying *l); /* NULL is fine */
uint64_t laying_turn(struct laying *l, uint64_t now_ns);
bool laying_silent(const struct laying *l, uint64_t patience_ns,
                   uint64_t now_ns); /* the CAS has not answered so long */

/* indexing.c: the verb index */
bool indexing_wants(const struct blob *b);
void indexing_begin(struct blob *b);
uint64_t indexing_turn(struct blob *b, uint64_t now_ns);
void indexing_end(struct blob *b);

/* repairing.c: the hash was wrong */
void repairing_begin(struct blob *b);
void repairing_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer);
void repairing_answer(struct blob *b, uint64_t index, bool differs, uint16_t peer);
void repairing_hashed(struct blob *b, bool right);
void repairing_witnessed(struct blob *b, bool heard); /* heard: doubts are now where the Xet store says */
uint64_t repairing_turn(struct blob *b, uint64_t now_ns);
void repairing_end(struct blob *b); /* nothing is asked any more */

/* witness.c: the Xet store as the other witness of a file whose hash is wrong */
bool witness_begin(struct blob *b); /* false: it cannot be asked. Else repairing_witnessed() follows */
uint64_t witness_turn(struct blob *b, uint64_t now_ns);
void witness_free(struct witness *w); /* NULL is fine */

#endif
