/* hfp.h: libhfpull, the one public header.
 *
 * The engine brings repositories of the Hugging Face Hub into the ordinary Hugging Face cache and proves every byte.
 * No call on a handle blocks but hfp_close(): hfp_start() hands a job to the engine's own thread, hfp_poll_fd() becomes
 * readable when events wait, hfp_event_next() takes them one by one. The four counts in struct hfp_status never run back
 * within one process.
 *
 * Threads: one handle may be used from any one thread at a time. The library prints nothing, installs no signal
 * handler and keeps no mutable global state of its own.
 * Ownership: strings in a config or spec are copied by the call that takes them. An event belongs to the handle and
 * lives until the next hfp_event_next() or hfp_close().
 * Errors: calls return enum hfp_code; HFP_OK is 0. struct hfp_err is the caller's and never allocates. */
#ifndef HFP_HFP_H
#define HFP_HFP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HFP_VERSION "0.1.0"

#if defined(__GNUC__)
#define HFP_API __attribute__((visibility("default")))
#else
#define HFP_API
#endif

/* What a failure means for the request that met it. */
enum hfp_retry {
    HFP_FINAL,    /* asking again cannot help */
    HFP_AGAIN,    /* the retry policy decides when to ask again */
    HFP_FRESH,    /* ask the Hub for a new location, then again: a signed URL has expired */
    HFP_ELSEWHERE /* this source gave a wrong answer: ask another address or connection */
};

/* name, process exit status, retry class, text. Nobody else decides what is retryable or how a program ends. */
#define HFP_CODES(X)                                                                                                   \
    X(OK, 0, HFP_FINAL, "ok")                                                                                          \
    X(E_INTERNAL, 1, HFP_FINAL, "internal error")                                                                      \
    X(E_NOMEM, 1, HFP_FINAL, "out of memory")                                                                          \
    X(E_CORRUPT, 1, HFP_FINAL, "damaged record")                                                                       \
    X(E_VERSION, 1, HFP_FINAL, "unknown format version")                                                               \
    X(E_AGAIN, 1, HFP_FINAL, "nothing yet")                                                                            \
    X(E_ARG, 2, HFP_FINAL, "wrong argument")                                                                           \
    X(E_NET, 3, HFP_FINAL, "network gave up")                                                                          \
    X(E_DNS, 3, HFP_AGAIN, "name not found")                                                                           \
    X(E_CONNECT, 3, HFP_AGAIN, "no connection")                                                                        \
    X(E_TLS, 3, HFP_AGAIN, "TLS failed")                                                                               \
    X(E_PROXY, 3, HFP_AGAIN, "proxy failed")                                                                           \
    X(E_RESET, 3, HFP_AGAIN, "connection lost")                                                                        \
    X(E_TIMEOUT, 3, HFP_AGAIN, "no answer in time")                                                                    \
    X(E_SILENT, 3, HFP_AGAIN, "connection silent")                                                                     \
    X(E_SLOW, 3, HFP_AGAIN, "connection far slower than its peers")                                                    \
    X(E_SHORT, 3, HFP_AGAIN, "answer ended early")                                                                     \
    X(E_SERVER, 3, HFP_AGAIN, "server error")                                                                          \
    X(E_BUSY, 3, HFP_AGAIN, "asked to slow down")                                                                      \
    X(E_PORTAL, 3, HFP_AGAIN, "a login page answered instead of the Hub")                                              \
    X(E_EXPIRED, 3, HFP_FRESH, "signed location expired")                                                              \
    X(E_PROTO, 3, HFP_ELSEWHERE, "answer that makes no sense")                                                         \
    X(E_CONTENT, 4, HFP_FINAL, "wrong content")                                                                        \
    X(E_AUTH, 5, HFP_FINAL, "token refused")                                                                           \
    X(E_GATED, 5, HFP_FINAL, "gated repository")                                                                       \
    X(E_FORBIDDEN, 5, HFP_FINAL, "not allowed")                                                                        \
    X(E_NO_REPO, 6, HFP_FINAL, "no such repository")                                                                   \
    X(E_NO_REVISION, 6, HFP_FINAL, "no such revision")                                                                 \
    X(E_NO_FILE, 6, HFP_FINAL, "no such file")                                                                         \
    X(E_NO_MATCH, 6, HFP_FINAL, "no file matches")                                                                     \
    X(E_NO_SPACE, 7, HFP_FINAL, "disk full")                                                                           \
    X(E_QUOTA, 7, HFP_FINAL, "disk quota exceeded")                                                                    \
    X(E_IO, 7, HFP_FINAL, "disk error")                                                                                \
    X(E_LOCKED, 8, HFP_FINAL, "locked by another process")                                                             \
    X(E_OFFLINE, 9, HFP_FINAL, "offline and incomplete")                                                               \
    X(E_CANCELLED, 130, HFP_FINAL, "cancelled")

enum hfp_code {
#define X(name, exit_status, retry, text) HFP_##name,
    HFP_CODES(X)
#undef X
        HFP_CODE_COUNT
};

HFP_API const char *hfp_code_text(enum hfp_code code);
HFP_API const char *hfp_code_name(enum hfp_code code); /* "E_GATED": stable, for JSON */
HFP_API int hfp_exit_status(enum hfp_code code);

/* Plain data: copied by assignment, crosses threads. The message is one sentence without secrets. */
struct hfp_err {
    enum hfp_code code;
    int sys_errno;
    int http_status;
    char message[512];
};

enum hfp_verb {
    HFP_PULL,   /* fetch what is missing, prove, publish */
    HFP_VERIFY, /* read the disk and prove it against the Hub's list; changes nothing but receipts */
    HFP_REPAIR, /* find damaged blocks by the receipts' digests and fetch only those */
    HFP_PLAN,   /* the dry run: what a pull would do; writes nothing */
    HFP_INDEX, /* write the chunk maps of files in place that are in the Xet store too, so that new revisions can use them */
    HFP_ADOPT /* a pull of the files that other tools' files (spec.adopt) are, beginning with the bytes those have */
};

enum hfp_repo_type { HFP_MODEL, HFP_DATASET, HFP_SPACE };
enum hfp_family { HFP_ANY_FAMILY, HFP_IPV4, HFP_IPV6 };
/* Files larger than 1 MiB past the page cache (O_DIRECT), where the file system takes it. AUTO: what need not be read
 * back to be hashed; ON: all whole blocks; OFF: none, so that who loads the files next finds them in memory. */
enum hfp_direct_io { HFP_DIRECT_AUTO, HFP_DIRECT_ON, HFP_DIRECT_OFF };
/* Where a file is in the Xet store too: auto begins with HTTP and changes over when that cannot go on,
 * but with Xet where chunks of the repository are here already; on begins with Xet. */
enum hfp_xet { HFP_XET_AUTO, HFP_XET_ON, HFP_XET_OFF };

struct hfp_config {
    const char *endpoint;       /* NULL: https://huggingface.co; no trailing slash needed */
    const char *token;          /* NULL: none. Sent to the endpoint's origin only */
    const char *hub_cache;      /* the "hub" folder; required */
    const char *state_dir;      /* learned hosts; NULL: nothing is remembered */
    const char *user_agent;     /* NULL: hf-pull/<version> */
    const char *proxy;          /* NULL: the environment decides, as libcurl does; "": none */
    const char *ca_file;        /* NULL: the system's */
    const char *ca_dir;         /* NULL: the system's */
    const char *const *resolve; /* NULL-terminated "host:port:addr[,addr...]" entries, as curl --resolve; or NULL */
    enum hfp_family family;
    uint32_t max_connections;     /* byte connections in all; 0: learned, 1..16 */
    uint64_t chunk_bytes;         /* longest segment and unit of "chunk" lines; 0: 50 MiB */
    uint64_t limit_bytes_per_s;   /* all jobs together; 0: none */
    uint64_t timeout_ns;          /* a silent connection is cut after this; 0: 300 s */
    uint64_t stall_timeout_ns;    /* its range goes to another one after this; 0: 30 s */
    uint64_t api_timeout_ns;      /* one API call; 0: 30 s */
    uint32_t max_rounds;          /* rounds without progress before giving up; 0: never */
    bool max_rounds_given;        /* the user chose it: no 30 s fall back to exit 9 */
    bool no_symlinks;             /* HF_HUB_DISABLE_SYMLINKS */
    bool no_shared_blobs;         /* HF_HUB_DISABLE_SHARED_BLOBS */
    enum hfp_direct_io direct_io; /* large files past the page cache? */
    enum hfp_xet xet;
    void (*log)(void *ctx, int level, const char *text); /* any thread; NULL: silence. Levels: enum hfp_log_level */
    void *log_ctx;
    int log_level;
};

enum hfp_log_level { HFP_LOG_ERROR, HFP_LOG_WARN, HFP_LOG_INFO, HFP_LOG_DEBUG, HFP_LOG_TRACE };

struct hfp_job_spec {
    enum hfp_verb verb;
    enum hfp_repo_type type;
    const char *repo;           /* ns/name or name */
    const char *revision;       /* branch, tag, refs/pr/N or commit; NULL: main */
    const char *const *paths;   /* exact file names; NULL-terminated; or NULL. "dir/" means all below */
    const char *const *include; /* Python fnmatch patterns; NULL-terminated; or NULL */
    const char *const *exclude;
    const char *local_dir; /* NULL: into the cache */
    /* HFP_ADOPT: absolute paths of partial or finished files, NULL-terminated. They are only read. Which file of the
     * repository each is, its name or size tells, or paths, when it names one file and one is adopted. */
    const char *const *adopt;
    bool force;     /* fetch even what is proved */
    bool each_file; /* FILE events of every file: planned, or proved before; fetching; and what becomes of it */
    bool offline;   /* never ask the network */
    uint64_t limit_bytes_per_s; /* this job; 0: none */
};

#define HFP_STATES(X)                                                                                                  \
    X(QUEUED, "queued")                                                                                                \
    X(RESOLVING, "resolving")                                                                                          \
    X(DOWNLOADING, "downloading")                                                                                      \
    X(VERIFYING, "verifying")                                                                                          \
    X(REPAIRING, "repairing")                                                                                          \
    X(PAUSED, "paused")                                                                                                \
    X(WAITING, "waiting")                                                                                              \
    X(DONE, "done")                                                                                                    \
    X(FAILED, "failed")                                                                                                \
    X(CANCELLED, "cancelled")

enum hfp_state {
#define X(name, text) HFP_##name,
    HFP_STATES(X)
#undef X
        HFP_STATE_COUNT
};
HFP_API const char *hfp_state_text(enum hfp_state state);

/* Why nothing moves, or why it will not soon. The words are in hfp_wait_text() and, with figures, in status.wait_text. */
#define HFP_WAITS(X)                                                                                                   \
    X(NOT_WAITING, "")                                                                                                 \
    X(WAIT_SILENCE, "silence")                                                                                         \
    X(WAIT_RETRY, "retry")                                                                                             \
    X(WAIT_HUB_BUSY, "hub busy")                                                                                       \
    X(WAIT_CONNECT, "connecting")                                                                                      \
    X(WAIT_LOCK, "lock")                                                                                               \
    X(WAIT_DISK, "disk")                                                                                               \
    X(WAIT_LIMIT, "limit")                                                                                             \
    X(WAIT_PAUSED, "paused")                                                                                           \
    X(WAIT_HASH, "hashing")

enum hfp_wait {
#define X(name, text) HFP_##name,
    HFP_WAITS(X)
#undef X
        HFP_WAIT_COUNT
};
HFP_API const char *hfp_wait_text(enum hfp_wait wait);

#define HFP_FRONTS 4

/* One file that is moving now. */
struct hfp_front {
    char path[256]; /* shortened in the middle when longer */
    uint64_t size_bytes, recorded_bytes, rate_bytes_per_s;
    char host[128];         /* who serves it: host name */
    char address[64];       /* and address; "" when not connected */
    enum hfp_family family; /* of address; HFP_ANY_FAMILY: not connected */
    uint32_t rtt_us;        /* TCP_INFO of that connection; 0 when unknown */
    uint32_t retransmits;   /* segments sent again over all connections that carry this file now */
};

/* A snapshot of one job. Bytes are of distinct content, each blob counted once. */
struct hfp_status {
    uint64_t job;
    enum hfp_verb verb;
    enum hfp_state state;
    enum hfp_wait wait;
    bool stalled;        /* nothing arrived for 30 s (--stall-timeout) although it should */
    char wait_text[200]; /* one phrase with figures: "8 of 8 connections silent, trying IPv4" */
    uint64_t quiet_ns;   /* since the last byte arrived */
    char commit[41];     /* "" until resolved */
    bool stale;          /* the Hub was not reached; commit is the last known one */
    uint64_t files, files_proved, shards;
    uint64_t total_bytes, here_bytes; /* here: recorded or in place when the job began */
    uint64_t free_bytes;              /* on the target file system when planned */
    /* proved, in place and files_proved: by receipts at first; verify and repair count what this run has read */
    uint64_t received_bytes, recorded_bytes, proved_bytes, in_place_bytes, wire_bytes;
    uint64_t rate_bytes_per_s; /* 5 s mean of distinct bytes received; 0 when nothing moves */
    /* verify and repair: how far they are, with what was found wrong and what is read of a file under way. Never runs back */
    uint64_t checked_bytes, checked_bytes_per_s;
    uint64_t eta_low_s, eta_high_s; /* UINT64_MAX: unknown */
    uint32_t connections, connections_silent;
    uint32_t connections_asked; /* of these without an answer yet: connecting, or the request is sent */
    uint32_t connections_held;  /* of these held back by us: a limit, or no buffer is free */
    uint64_t elapsed_ns;
    uint32_t fronts;
    struct hfp_front front[HFP_FRONTS];
    /* for the end summary */
    uint64_t indexed_files; /* HFP_INDEX: those that have a chunk map now */
    uint64_t
        copied_bytes; /* of received_bytes: what lay in other files here: the same content, or chunks of it (Xet) */
    /* kept: left by an earlier run, wherever that had it from; adopted: another tool's, taken over in this run */
    uint64_t kept_bytes, adopted_bytes, fetched_bytes, repaired_bytes, refetched_bytes;
    uint64_t fetch_bytes, fetch_files; /* the plan: what had to come over the wire */
    uint64_t prove_bytes, prove_files; /* the plan: here already, to be hashed before it is believed */
    uint64_t requests, connections_lost, rounds;
    uint64_t waited_ns[HFP_WAIT_COUNT]; /* time lost by reason */
    uint64_t errors[HFP_CODE_COUNT];    /* requests that failed, by code */
    int64_t receipts_unix_s;            /* oldest receipt relied on when nothing had to be done; 0: none */
    struct hfp_err error;               /* state failed, cancelled, or the reason of waiting */
};

enum hfp_event_type {
    HFP_EV_STATE,    /* status.state changed */
    HFP_EV_PLAN,     /* listing and plan are known: totals in status */
    HFP_EV_PROGRESS, /* at most 4 a second and job; older unread ones are replaced */
    HFP_EV_STALLED,  /* wait_text says why */
    HFP_EV_RECOVERED,
    /* One file: path, file_state. None is lost, however slowly they are taken: what the list of events has no room for waits
     * in its job, and that job's DONE behind it. So DONE means that all was told; when it is late for a reader who was,
     * the job is over all the same: its files are in place, its locks are free, a later hfp_cancel() changes nothing.
     * Other jobs go on and end meanwhile, and hfp_close() waits for no reader. */
    HFP_EV_FILE,
    HFP_EV_CHUNK, /* a run of chunk_bytes was recorded: path, first_byte, last_byte, hash */
    HFP_EV_NOTE,  /* something the user may want to know: text */
    HFP_EV_DONE   /* the last event of a job: state done, failed or cancelled */
};

enum hfp_file_state {
    HFP_FILE_FETCHING,
    HFP_FILE_PROVED,
    HFP_FILE_REPAIRED,
    HFP_FILE_DAMAGED,
    HFP_FILE_MISSING,
    HFP_FILE_FAILED,
    HFP_FILE_PLANNED
};

struct hfp_event {
    uint64_t seq; /* 1, 2, 3 ... per handle, no gaps in what hfp_event_next() returns */
    int64_t unix_ms;
    enum hfp_event_type type;
    const char *repo;     /* as asked */
    const char *revision; /* as asked */
    enum hfp_repo_type repo_type;
    const char *path; /* the file this is about, or NULL */
    const char *host; /* FILE: who sent the last of it; NULL: nobody did, or it is not known */
    const char *hash; /* hex sha256, git sha1 (FILE) or BLAKE3 (CHUNK); or NULL */
    enum hfp_file_state file_state;
    uint64_t size_bytes, here_bytes; /* FILE */
    uint64_t first_byte, last_byte;  /* CHUNK; NOTE about a range */
    uint64_t chunk, chunks;          /* CHUNK: recorded so far, of this many */
    const char *text;                /* NOTE, FILE failed: one sentence; or NULL */
    int level;                       /* NOTE: HFP_LOG_WARN tells the user at once, HFP_LOG_INFO only with -v */
    const char *snapshot;            /* DONE of a pull: the folder; or NULL */
    struct hfp_status status;
};

struct hfp;

/* Starts the engine's thread. On success the caller owns *out; on failure *out is untouched. */
HFP_API int hfp_open(struct hfp **out, const struct hfp_config *config, struct hfp_err *err);
/* Cancels what runs, records what is finished, joins all threads, which takes as long as the disk does. But a name
 * look-up that hangs cannot be cut: its thread is left behind, so the library must stay loaded. NULL is fine. */
HFP_API void hfp_close(struct hfp *h);
/* Readable while events wait. Never read from it yourself. */
HFP_API int hfp_poll_fd(const struct hfp *h);
/* What hfp_start() would say of it, without a handle and without starting it: for whoever queues jobs itself. */
HFP_API int hfp_check(const struct hfp_job_spec *spec, struct hfp_err *err);
/* Checks and queues a job; *job is its id, 1, 2, 3 ... HFP_E_ARG names the field that is wrong. */
HFP_API int hfp_start(struct hfp *h, const struct hfp_job_spec *spec, uint64_t *job, struct hfp_err *err);
/* The next event, or NULL when none waits. */
HFP_API const struct hfp_event *hfp_event_next(struct hfp *h);
/* Commands take effect at the engine's next turn and show in its events. Unknown or ended jobs: HFP_E_ARG. */
HFP_API int hfp_pause(struct hfp *h, uint64_t job);
HFP_API int hfp_resume(struct hfp *h, uint64_t job);
HFP_API int hfp_cancel(struct hfp *h, uint64_t job);
/* Bytes per second, 0 for no limit; job 0 means all jobs together. */
HFP_API int hfp_limit(struct hfp *h, uint64_t job, uint64_t bytes_per_s);
/* Byte connections in all, as max_connections of the config; 0: learned. */
HFP_API int hfp_connections(struct hfp *h, uint32_t n);

#define HFP_HOSTS_MAX 64
/* What is known of one server, from this run or an earlier one. */
struct hfp_host {
    char host[264];               /* name:port */
    bool hub;                     /* the endpoint's own */
    uint32_t connections;         /* that pay; 0: not learned yet */
    uint64_t rate_bytes_per_s;    /* of each of them */
    uint64_t quota, quota_left;   /* requests of its window, as it told last (RateLimit); quota 0: it told none */
    int64_t quota_resets_unix_ms; /* when the window ends; in the past: what was told no longer holds */
};
/* Copies what is known, at most max of HFP_HOSTS_MAX, and says how many; not older than a quarter second while jobs run. */
HFP_API size_t hfp_hosts(struct hfp *h, struct hfp_host *out, size_t max);

/* ---- the hub cache as a whole ----
 *
 * Blocking calls on the caller's own thread; they need no handle and do not know of its jobs. */

/* Whether receipts say so; nothing is read for it. */
enum hfp_trust {
    HFP_TRUST_PROVED,   /* a receipt holds for every file */
    HFP_TRUST_UNPROVED, /* some file has none that holds: another tool's, a copied cache, or written to since */
    HFP_TRUST_DAMAGED   /* some file is gone, or has another length than the one that was proved */
};
HFP_API const char *hfp_trust_text(enum hfp_trust trust);

struct hfp_cached_revision {
    char commit[41];
    char **refs; /* names that lead to it: main, refs/pr/1; NULL-terminated */
    uint64_t files, size_bytes;
    uint64_t freed_bytes;  /* what its deletion frees: content that nothing else in the cache uses */
    int64_t used_unix_s;   /* newest read or write of its content, as far as the file system keeps that */
    int64_t pulled_unix_s; /* when its snapshot was last changed */
    enum hfp_trust trust;
};

struct hfp_cached_repo {
    enum hfp_repo_type type;
    char repo[208];
    uint64_t size_bytes; /* content of several revisions counted once */
    int64_t used_unix_s;
    struct hfp_cached_revision *revision;
    size_t revisions;
    bool closed; /* we may not read it, or not all of it: no revision is listed, and nothing of it is counted */
};

struct hfp_cache {
    uint64_t total_bytes, free_bytes; /* content counted once, also where repositories share it; free on its disk */
    struct hfp_cached_repo *repo;     /* by folder name */
    size_t repos;
};

/* A hub folder that is not there is an empty one. On success the caller owns *out (hfp_cache_free). */
HFP_API int hfp_cache_list(struct hfp_cache **out, const char *hub_cache, struct hfp_err *err);
HFP_API void hfp_cache_free(struct hfp_cache *c); /* NULL is fine */
/* Refs, then the snapshot, then the content no other revision uses, each under the lock the Python client takes for it.
 * Somebody pulls it, or any of that repository: HFP_E_LOCKED, and nothing is touched. A kill in the middle: the next
 * call for the same commit goes on. Unpublished partials and content shared by repositories stay. */
HFP_API int hfp_cache_delete_revision(uint64_t *freed_bytes, const char *hub_cache, enum hfp_repo_type type,
                                      const char *repo, const char *commit, struct hfp_err *err);
/* Which revision is the next to go so that the cache keeps to quota_bytes: the one used longest ago; of equals one
 * without a ref, then the older. keep (may be NULL) says which may not go. False: none has to, or none may. Pure. */
HFP_API bool hfp_cache_next_to_go(size_t *repo, size_t *revision, const struct hfp_cache *c, uint64_t quota_bytes,
                                  bool (*keep)(void *ctx, const struct hfp_cached_repo *r,
                                               const struct hfp_cached_revision *v),
                                  void *ctx);
/* Deletes the next to go until the quota holds. Locked ones are passed over. */
HFP_API int hfp_cache_evict(uint64_t *freed_bytes, const char *hub_cache, uint64_t quota_bytes,
                            bool (*keep)(void *ctx, const struct hfp_cached_repo *r,
                                         const struct hfp_cached_revision *v),
                            void *ctx, struct hfp_err *err);

#ifdef __cplusplus
}
#endif
#endif
