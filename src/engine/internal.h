/* engine/internal.h: the structs of the engine, for the files of this folder alone.
 *
 * core: one engine without its thread. job: one call of hfp_start(). blob: one content on its way into place. All of it
 * lives on the loop's thread; tasks carry copies or lend what nobody else touches meanwhile. */
#ifndef HFP_ENGINE_INTERNAL_H
#define HFP_ENGINE_INTERNAL_H

#include "base/pool.h"
#include "base/work.h"
#include "cache/chunk_index.h"
#include "cache/chunks.h"
#include "cache/refs.h"
#include "commit/publish.h"
#include "engine/core.h"
#include "engine/events.h"
#include "plan/plan.h"
#include "resolve/api.h"
#include "transfer/transfer.h"
#include "transfer/xet_fetch.h"
#include "verify/front.h"
#include "verify/opinion.h"
#include "verify/prove.h"
#include "verify/rechunk.h"

#define STATUS_TICK_NS (250 * NS_PER_MS)
#define SAMPLES 240         /* one every 250 ms: a minute of history for the ETA's spread */
#define SMALL_ACTIVE_MAX 32 /* contents of one block under way: 16 on the wire, 16 ready to follow without a gap */
#define LARGE_ACTIVE_MAX 3  /* files with a window: the one at the front, and who takes over its idle connections */
#define PROVE_ACTIVE_MAX 2  /* files read back at once: the hash workers of two cores */
#define LOCK_PATIENCE_NS (600 * NS_PER_S) /* a holder whose partial does not grow for so long: exit 8 */
#define NAMED_FILES_MAX 3                 /* files a message lists before it says how many more */

struct core {
    struct core_config config;
    struct events *events;
    struct transfer *transfer;
    struct hosts *hosts;
    struct pool *pool;
    struct log log;
    struct api_config api;
    struct deadlines deadlines;
    uint64_t random, next_id;
    struct job *jobs;
    unsigned names_busy;
    unsigned lent;    /* of the kept ones, those in hashing steps: they cannot be taken back */
    unsigned kept;    /* buffers of written blocks that wait for a front, or will when they are written */
    uint64_t rest_ns; /* when buffers are given back, if no job comes */
    bool learns; /* a job other than the dry run, which writes nothing anywhere, not even what was learned of hosts */
};

enum job_step {
    STEP_OPEN,
    STEP_COMMIT,
    STEP_TREES,
    STEP_LIST,
    STEP_SCAN,
    STEP_RUN,
    STEP_FINISH,
    STEP_CLOSE,
    STEP_ENDED
};

/* The strings of a spec, copied. */
struct spec {
    enum hfp_verb verb;
    enum hfp_repo_type type;
    char *repo, *revision, *local_dir;
    char **paths, **include, **exclude;
    bool force, offline, each_file;
    uint64_t limit_bytes_per_s;
};

/* One file of another tool that is taken over. */
struct adopt {
    char *path;
    uint64_t size_bytes;
    const struct listed_file *file; /* what it is, once the listing is known */
};

struct sample {
    uint64_t ns, received_bytes;
};

struct job {
    struct core *core;
    struct job *next;
    uint64_t id;
    struct spec spec;
    enum job_step step;
    bool step_begun;
    bool cancelled, paused, ending, stale, asked_locally;
    bool local_only;  /* no request may be sent: offline, or the Hub was not reached and what is here is tried */
    bool work_done;   /* anything is fetched, proved or linked: the end is looked at once more */
    bool wake;        /* something happened that wants another turn at once */
    uint64_t next_ns; /* when the step wants its next turn */
    unsigned busy;    /* tasks in flight that point here or to a blob of ours */
    atomic_bool stop; /* read by long tasks */

    struct adopt *adopt;
    size_t adopts;
    const char **adopt_paths; /* of their files: the filter of the plan */

    struct store *store;
    char commit[COMMIT_HEX + 1];
    char local_commit[COMMIT_HEX + 1]; /* what the ref on disk says */
    int64_t ref_unix_s;                /* and since when */
    struct listing *listing;
    bool listing_new; /* from the Hub in this run: trees/ is to be written */
    struct plan *plan;

    struct api_call *api;
    struct patience patience;
    struct answer_context context;
    char page_url[URL_MAX];
    struct group *group;
    struct xet_session *xet; /* once a content wants it */
    struct patience xet_patience;
    bool xet_down; /* a file had to leave it: the next ones begin with HTTP, and each does not wait for itself */
    struct chunk_index *held; /* chunks that lie in files of this repository; NULL: not looked, or none */
    bool held_building;       /* large files wait for it */

    uint32_t scanned, scan_asked; /* blobs with facts; blobs handed to scan tasks */
    uint32_t next_blob;
    struct untold *untold, **untold_tail; /* what is to be said of files, when the reader has taken other things */
    uint8_t *told;                        /* per blob: something was said; NULL: planned files are not told of */
    uint32_t told_blobs;                  /* of the plan, by telling.c */
    uint64_t telling_ns;
    bool mute;          /* the handle closes: nobody waits for what is to be said */
    struct blob *blobs; /* active ones */
    unsigned active_small, active_large, active_prove, unpublished;
    struct blob *ready, **ready_tail; /* proved, to be published */
    unsigned publishing;              /* publish tasks in flight */
    bool planned;
    uint64_t reserved_bytes, fsid;

    uint64_t hub_since_ns; /* the Hub could have been reached since: the start, or the last resume */
    uint64_t start_ns, tick_ns;
    _Atomic uint64_t read_bytes; /* by prove tasks */
    uint64_t base_received;      /* received when the transfer began */
    uint64_t refetched_debt;     /* bytes counted before that turned out bad */
    uint64_t files_damaged, files_missing, files_failed;
    char named[400]; /* the files a message will name */
    struct sample sample[SAMPLES];
    unsigned samples, sample_at;
    struct hfp_status status;
    uint64_t read_seen, read_seen_ns; /* read_bytes at the last tick, and when it last grew */
    uint64_t hash_seen, hash_seen_ns; /* the same of the blocks that fronts have passed */
    uint64_t step_ns;                 /* this step began, or a scan of it came back */
    uint64_t api_requests;            /* of calls that are gone */
    struct hfp_err gave_up;           /* the group's last word, acted on at the next turn */
    struct hfp_err error;             /* the first that ends the job */
    struct hfp_err file_error;        /* the first that ends a file */
};

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
    unsigned busy;       /* tasks in flight that use it */
    unsigned *active;    /* the job's count it is part of; NULL: of none any more */
    int lock_fd;
    struct partial *partial;
    struct fetch *fetch;
    struct xet_fetch *xet; /* instead of fetch, when over_xet */
    bool over_xet, xet_failed, http_failed;
    unsigned xet_tasks;          /* of its sources, also of one that was left */
    struct chunks *chunks;       /* the open map of the partial, once it came over Xet */
    struct chunk_index *own;     /* what an earlier run has written of it */
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

static inline uint64_t core_now(const struct core *c)
{
    return c->config.now(c->config.clock_ctx).mono_ns;
}

static inline int64_t core_unix_s(const struct core *c)
{
    return c->config.now(c->config.clock_ctx).unix_ms / 1000;
}

/* job.c */
int job_new(struct job **out, struct core *core, const struct hfp_job_spec *spec, struct hfp_err *err);
void job_free(struct job *job);
uint64_t job_turn(struct job *job, uint64_t now_ns);
void job_move(struct job *job, enum hfp_state state);
void job_step(struct job *job, enum job_step step);
/* Ends the job for this reason, the first one given; what is recorded is kept. err code OK: done. */
void job_end(struct job *job, const struct hfp_err *err);
void job_cancel(struct job *job);
void job_gave_up(void *ctx, const struct hfp_err *err); /* of a group */
void job_last_words(struct job *job);
void job_pause(struct job *job, bool paused);
void job_renewed(struct job *job);

/* resolving.c: STEP_OPEN to STEP_LIST */
void resolving_turn(struct job *job, uint64_t now_ns);
void resolving_open(struct job *job, bool create);
void resolving_retry(struct job *job);

/* adopting.c: the verb adopt, which is a pull that begins with the bytes of other tools' files */
int adopting_copy_spec(struct job *job, const struct hfp_job_spec *spec, struct hfp_err *err);
int adopting_look(struct job *job, struct hfp_err *err);  /* on a worker */
int adopting_match(struct job *job, struct hfp_err *err); /* the listing is there */
int adopting_fill(struct blob *b, struct hfp_err *err);   /* on a worker; the partial is ours */
void adopting_done(struct job *job);

/* scanning.c: STEP_SCAN */
void scanning_turn(struct job *job);

/* running.c: STEP_RUN */
void running_begin(struct job *job);
void running_turn(struct job *job, uint64_t now_ns);
void running_fetching(struct blob *b);             /* its bytes are asked for */
void running_ready(struct blob *b);                /* proved: to be published */
void running_ended(struct blob *b);                /* in place, or failed and closed */
void running_verified(struct blob *b, bool right); /* the verify verb is done with it */
void running_damaged(struct blob *b);              /* in place, but not what the Hub lists */
void running_name_file(struct job *job, const char *path, const char *text);
uint64_t running_next_ns(const struct job *job, uint64_t now_ns);
void running_sweep(struct job *job); /* frees what has ended */
void planning_turn(struct job *job); /* STEP_RUN of the dry run */

/* finishing.c: STEP_FINISH, STEP_CLOSE */
/* Snapshot links are made when all is in place: hf cache prune removes a snapshot that no ref names yet, and with it
 * what its links lead to. Where the snapshot holds the files themselves, they are there as soon as they are proved. */
static inline bool links_come_last(const struct place *p)
{
    return place_is_blob(p) && p->store->symlinks;
}
void finishing_turn(struct job *job);
void closing_turn(struct job *job, uint64_t now_ns);

/* blob.c */
struct blob *blob_new(struct job *job, uint32_t index);
void blob_free(struct blob *b);
void blob_move(struct blob *b, enum blob_event ev);
void blob_begin(struct blob *b);
void blob_turn(struct blob *b, uint64_t now_ns);
void blob_fail(struct blob *b, const struct hfp_err *err);
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
void delta_publish(struct blob *b); /* on a worker, before the file gets its name: its map is sealed */
void delta_end(struct blob *b);

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

/* status.c */
void status_tick(struct job *job, uint64_t now_ns);
void status_counts(struct job *job);
void status_paused(struct job *job, uint64_t now_ns); /* job->paused has just changed */
uint64_t status_next_ns(const struct job *job, uint64_t now_ns);

/* note.c: events */
void note_state(struct job *job, enum hfp_event_type type);
void note_event(struct job *job, struct hfp_event *ev); /* with the snapshot and the names of the job */
void note_planned(struct job *job, const struct listed_file *f, const struct plan_blob *pb);
void note_text(struct job *job, int level, const char *path, const char *fmt, ...) PRINTF(4, 5);
void note_chunk(struct job *job, const struct blob *b, uint64_t block);

/* telling.c: FILE events, none of which is lost to a slow reader */
void note_file(struct blob *b, const struct listed_file *f, enum hfp_file_state state, const char *text);
void telling_begin(struct job *job);                 /* the plan is known */
bool telling_turn(struct job *job, uint64_t now_ns); /* true: all is said; else job->telling_ns */
void telling_done(struct job *job);

#endif
