/* daemon/job.h: one job of the daemon: what was asked, where it is, what the engine last said of it.
 *
 * Loop's thread only. job_make() gives one with an id; the queue (jobs.h) owns it and frees it by job_drop(). */
#ifndef HFP_DAEMON_JOB_H
#define HFP_DAEMON_JOB_H

#include "front/notify.h"
#include "hfp/hfp.h"

#define JOB_ID_SIZE 19 /* "j_", 16 hex digits, NUL */
#define PRIORITY_MAX 100

/* What was asked; the texts are owned. */
struct job_ask {
    enum hfp_verb verb;
    enum hfp_repo_type type;
    char *repo, *revision, *local_dir;  /* revision "main" when none was given; local_dir NULL: the cache */
    char **include, **exclude, **paths; /* NULL-terminated; NULL: none */
    char **notify, **notify_on;         /* addresses, words of enum notify_event; the same */
    char **adopt;                       /* the file to take over; only watching.h says which */
    bool force;
    int64_t priority;
    uint64_t limit_bytes_per_s;
};
void job_ask_done(struct job_ask *a);
/* Asks for the same content in the same way; priority, limit and who is told do not matter. */
bool job_ask_same(const struct job_ask *a, const struct job_ask *b);

/* As the engine takes it; texts stay owned by a. */
struct hfp_job_spec job_ask_spec(const struct job_ask *a);

struct job_files;
struct samples;

struct job {
    char id[JOB_ID_SIZE];
    struct job_ask ask;
    int64_t rank;                              /* order among equals of priority: lower is earlier */
    uint64_t engine;                           /* the engine's number; 0: it does not know this job */
    bool paused;                               /* by the user */
    bool parked;                               /* the engine has it, paused, and it waits for its turn */
    bool cancelling, removed;                  /* asked of the engine; removed: to be forgotten when that is done */
    bool again;                                /* asked while it is being cancelled: queued when that is done */
    enum hfp_state end;                        /* done, failed or cancelled; anything else: not ended */
    uint64_t created_ms, started_ms, ended_ms; /* unix; 0: not yet */
    struct hfp_status *status;                 /* the last one; NULL: never begun */
    char *snapshot;
    uint64_t stalls;
    unsigned told;             /* bits of enum notify_event: whom it concerns has been told; STALLED: and that lasts */
    uint64_t elapsed_before_s; /* of earlier runs of this program */
    uint64_t position;         /* in the queue, from 1; 0: not in it. jobs.c keeps it */
    char *key, *key_digest;    /* Idempotency-Key, and what came with it; NULL: none */
    bool unsaved, changed;     /* the store, the readers of events have to be told */
    uint64_t stalled_since_s;  /* unix; 0: it moves */
    uint64_t disk_free_bytes;  /* where it goes, at the last look; 0: none yet (daemon/notifying_disk.h) */
    struct job_files *files;   /* while it runs */
    struct samples *samples;
    uint64_t curve_since_ns, curve_due_ns;  /* mono: when this run began; when the curve is kept again */
    char limited_by[16], limited_text[160]; /* limits.h; looked at once a second */
};

/* Takes over *ask on success. */
int job_make(struct job **out, struct job_ask *ask, uint64_t unix_ms, struct hfp_err *err);
void job_drop(struct job *j);
enum hfp_state job_state(const struct job *j);
bool job_ended(const struct job *j);
/* Takes one of the engine's parallel places. */
bool job_running(const struct job *j);
/* Is this news of the job? Each happening once, also across restarts: j->told is kept. Afterwards it is none. */
bool job_tells(struct job *j, enum notify_event what);

#endif
