/* engine/job.h: one call of hfp_start(), and the engine without its thread: the structs behind core.h, for the files of
 * this folder alone.
 *
 * A core owns its jobs, a job its store, listing, plan and contents (engine/blob.h). All of it lives on the loop's
 * thread; tasks carry copies, or are lent what nobody else touches meanwhile: what runs on a worker says so. Nothing
 * waits. job_end() ends a job with the first error it is given; what is recorded is kept. */
#ifndef HFP_ENGINE_JOB_H
#define HFP_ENGINE_JOB_H

#include "base/pool.h"
#include "base/work.h"
#include "cache/chunk_index.h"
#include "cache/refs.h"
#include "engine/core.h"
#include "engine/events.h"
#include "plan/plan.h"
#include "resolve/api.h"
#include "transfer/transfer.h"
#include "transfer/xet_mates.h"

#include <stdatomic.h>

struct blob;

#define STATUS_TICK_NS (250 * NS_PER_MS)
#define SAMPLES 240         /* one every 250 ms: a minute of history for the ETA's spread */
#define SMALL_ACTIVE_MAX 32 /* contents of one block under way: 16 on the wire, 16 ready to follow without a gap */
#define LARGE_ACTIVE_MAX 3  /* files with a window: the one at the front, and who takes over its idle connections */
#define PROVE_ACTIVE_MAX 2  /* files read back at once: the hash workers of two cores */
#define NAMED_FILES_MAX 3   /* files a message lists before it says how many more */
#define LOCK_PATIENCE_NS (600 * NS_PER_S) /* a holder of a lock whose partial does not grow for so long: exit 8 */
#define LOCK_RETRY_NS (500 * NS_PER_MS)

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
    uint64_t ns, received_bytes, checked_bytes;
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
    bool listing_new;    /* from the Hub, or beside a folder from the cache, in this run: trees/ is to be written */
    unsigned idle_pages; /* of the Hub's list in a row, that named no file */
    struct plan *plan;

    struct api_call *api;
    struct patience patience;
    struct answer_context context;
    char page_url[URL_MAX];
    struct group *group;
    struct xet_session *xet; /* once a content wants it */
    struct patience xet_patience;
    bool xet_down; /* a file had to leave it: the next ones begin with HTTP, and each does not wait for itself */
    struct chunk_index *held; /* chunks that lie in files of this repository, also in those this job brought; or NULL */
    bool held_found;          /* the look found some */
    struct xet_mates mates;   /* files under way */
    struct elsewhere *elsewhere; /* files of --local-dir that have a wanted content */
    uint64_t elsewhere_bytes;    /* copied from there, or from the cache, and hashed */
    bool held_looked;            /* once in the life of a job */
    bool held_building;          /* both: large files wait for them */

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

    uint64_t hub_since_ns; /* the Hub could have been reached since: the start, the last resume or sleep */
    uint64_t start_ns, tick_ns;
    _Atomic uint64_t read_bytes; /* by tasks that read whole files; those that prove one, once they are over */
    uint64_t unproved_bytes;     /* verify: read, and wrong or in no snapshot */
    uint64_t base_received;      /* received when the transfer began */
    uint64_t refetched_debt;     /* bytes counted before that turned out bad */
    uint64_t files_damaged, files_missing, files_failed;
    char named[400];          /* the files a message will name */
    uint64_t locked_since_ns; /* the end waits for the lock of the repository; 0: it does not */
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

static inline uint64_t core_now(const struct core *c)
{
    return c->config.now(c->config.clock_ctx).mono_ns;
}

static inline int64_t core_unix_s(const struct core *c)
{
    return c->config.now(c->config.clock_ctx).unix_ms / 1000;
}

/* What is here is read, whatever a receipt says: proved and in place are counted from nothing, by what this run has read. */
static inline bool job_proves_anew(const struct job *job)
{
    return job->spec.verb == HFP_VERIFY || job->spec.verb == HFP_REPAIR;
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
enum hfp_state running_state(const struct job *job);
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

/* publishing.c: for running.c */
void publishing_add(struct blob *b);
bool publishing_batch(struct job *job); /* begins one; false: nothing is ready, or enough are at work */

/* finishing.c: STEP_FINISH, STEP_CLOSE */
/* Snapshot links are made when all is in place: hf cache prune removes a snapshot that no ref names yet, and with it
 * what its links lead to. Where the snapshot holds the files themselves, they are there as soon as they are proved. */
static inline bool links_come_last(const struct place *p)
{
    return place_is_blob(p) && p->store->symlinks;
}
void finishing_turn(struct job *job, uint64_t now_ns);
void closing_turn(struct job *job, uint64_t now_ns);

/* status.c */
void status_tick(struct job *job, uint64_t now_ns);
void status_counts(struct job *job);
void status_last(struct job *job, uint64_t now_ns);   /* before the last event */
void status_paused(struct job *job, uint64_t now_ns); /* job->paused has just changed */
uint64_t status_next_ns(const struct job *job);

/* waiting.c: why nothing arrives, and whether that is a stall */
void waiting_look(struct job *job, uint64_t now_ns);

/* note.c: events */
void note_state(struct job *job, enum hfp_event_type type);
void note_event(struct job *job, struct hfp_event *ev); /* with the snapshot and the names of the job */
void note_text(struct job *job, int level, const char *path, const char *fmt, ...) PRINTF(4, 5);
void note_chunk(struct job *job, const struct blob *b, uint64_t block);

/* telling.c: FILE events, none of which is lost to a slow reader */
void note_file(struct blob *b, const struct listed_file *f, enum hfp_file_state state, const char *text);
void note_planned(struct job *job, const struct listed_file *f, const struct plan_blob *pb); /* of the dry run */
void telling_begin(struct job *job);                                                         /* the plan is known */
bool telling_turn(struct job *job, uint64_t now_ns); /* true: all is said; else job->telling_ns */
void telling_done(struct job *job);

#endif
