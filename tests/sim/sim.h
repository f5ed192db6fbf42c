/* sim.h: a simulated world for the deciding core: clock, wire, disk and workers, all driven by one seed.
 *
 * The core under test is engine/core.h with everything it decides: planner, scheduler with its buffers and pausing,
 * retry and deadline tables, digests, publisher. The library is built with blocks of 4 KiB (base/block.h), so a file of
 * forty blocks is 160 KiB and a run takes milliseconds. One seed, with its switches, replays exactly.
 *
 *   main.c    seeds, switches, replay        run.c     one life: incarnations, crashes, the loop
 *   shrink.c  a smaller world that fails     people.c  jobs and what people do to them: pause, limit, cancel
 *   heap.c    what happens when              world.c   repositories, the truth about them; the faults of a run
 *   wire.c    struct http: how it comes      hub.c     what Hub and CDN answer; xorbs.c: and the Xet store
 *   workers.c struct work                    disk*.c   struct io_ops: files, what is durable, legal crash states
 *   memory.c  the library's memory           check.c, progress.c, truth.c: the promises, as assertions of their own
 *   check_xorbs.c: in worlds whose files share chunks, each is fetched once */
#ifndef HFP_TESTS_SIM_H
#define HFP_TESTS_SIM_H

#include "base/io.h"
#include "base/work.h"
#include "cache/digests.h"
#include "engine/core.h"
#include "engine/events.h"
#include "net/http.h"
#include "net/retry.h"
#include "xet/hash.h"

#include <stdio.h>

#define SIM_GENERATION 2 /* of worlds: raised when the same seed no longer makes the same world */
#define SIM_FILES_MAX 12
#define SIM_REPOS 2
#define SIM_TREES 3
#define SIM_JOBS 3
#define SIM_START_NS (1000 * NS_PER_S)
#define SIM_PROMISED_NS (UINT64_C(40) * 3600 * NS_PER_S) /* a run that takes longer is stuck: 25 rounds are 2 hours */

/* What a run may meet: name, one world in how many has it, and the most it can be. Up to 1,000 it is a chance in 1,000
 * per occasion unless the remark says otherwise. */
#define SIM_FAULTS(X)                                                                                                  \
    X(refuse, 3, 300)                                                                                                  \
    X(black_hole, 3, 300)                                                                                              \
    X(dns, 3, 200)                                                                                                     \
    X(slow_open, 3, 300)                                                                                               \
    X(mute, 3, 200) /* connected, never answers */                                                                     \
    X(server_error, 3, 300)                                                                                            \
    X(busy, 3, 200)                                                                                                    \
    X(expire, 3, 200)                                                                                                  \
    X(portal, 3, 150)                                                                                                  \
    X(garble, 6, 150) /* an API answer that ends early and says it is whole */                                         \
    X(hop, 4, 600)    /* the CDN sends on to itself, now and then in circles */                                        \
    X(reset, 3, 400)                                                                                                   \
    X(shorten, 3, 300)                                                                                                 \
    X(stall, 3, 250)                                                                                                   \
    X(pause, 3, 300)                                                                                                   \
    X(creep, 3, 200)                                                                                                   \
    X(ignore_range, 3, 100)                                                                                            \
    X(shift_range, 3, 150)                                                                                             \
    X(wrong_total, 5, 100)                                                                                             \
    X(lie, 3, 60)                                                                                                      \
    X(lengthless, 3, 200)                                                                                              \
    X(outage, 8, 1500)      /* seconds in which every connection is refused */                                         \
    X(lying_address, 12, 1) /* one CDN address flips a bit in everything it sends */                                   \
    X(throttle, 6, 6)       /* streams beyond this are punished */                                                     \
    X(slow_disk, 3, 40)                                                                                                \
    X(drag, 6, 400) /* milliseconds that each task takes longer */                                                     \
    X(full_disk, 15, 20)                                                                                               \
    X(disk_error, 25, 10)                                                                                              \
    X(crash, 3, 4)   /* incarnations that end by kill -9 */                                                            \
    X(power, 2, 1)   /* crashes take unsynced data with them */                                                        \
    X(foreign, 6, 1) /* another tool left partials */                                                                  \
    X(steer, 4, 1)   /* pauses, resumes, limits on the way */                                                          \
    X(hold, 12, 1)   /* one job stays paused until all others have ended */                                            \
    X(cancel, 8, 1)                                                                                                    \
    X(suspend, 10, 1)                                                                                                  \
    X(rot, 8, 3)    /* a finished file is damaged afterwards: in place, by a copy, or only copied */                   \
    X(others, 3, 2) /* jobs beside the first */                                                                        \
    X(xet, 0, 2)    /* files are in the Xet store: 1 goes there when HTTP fails, 2 at once. Drawn in world_make() */

struct sim_faults {
#define X(name, one_in, most) unsigned name;
    SIM_FAULTS(X)
#undef X
    uint64_t until_ns;           /* after this the wire is healthy: then the job must succeed */
    uint64_t dark_ns, bright_ns; /* the outage */
    unsigned punish;             /* how throttling is done: enum punishment */
};

enum punishment { PUNISH_NEW_CREEPS, PUNISH_ALL_CREEP, PUNISH_BUSY, PUNISH_RESET, PUNISHMENTS };

/* What makes a world smaller than its seed says: by hand, or by shrink.c. */
struct sim_switches {
    uint64_t without;             /* faults, by number in SIM_FAULTS */
    unsigned files, blocks, jobs; /* at most; 0: as the seed says */
    uint64_t shuffle;             /* another course of events in the same world */
};

struct sim_chunk {
    uint64_t at; /* its record in the xorb */
    uint32_t bytes;
    /* of this incarnation: check_xorbs.c */
    unsigned may; /* come so often */
    bool known;   /* some of it was on the disk before */
    uint64_t came_bytes;
};

struct sim_xorb {
    struct xet_hash hash;
    struct sim_chunk *chunk;
    unsigned chunks;
    uint8_t *data;
    uint64_t n;
};

struct sim_term {
    unsigned xorb, start, end; /* of which file the xorb is; chunks */
};

/* One content. Arrays by repository, for each has its own folder of blobs. */
struct sim_file {
    char etag[65];
    bool lfs, right[SIM_REPOS]; /* right: in place, and it was right when it got its name */
    uint64_t size_bytes;
    uint8_t *content;
    struct content_id id;
    uint8_t *recorded[SIM_REPOS];  /* per block: was recorded when an incarnation or a job ended */
    uint16_t *taken_to[SIM_REPOS]; /* per block: bytes of it received in this incarnation */
    bool xet;                      /* how it lies in the Xet store */
    struct xet_hash xet_hash;
    struct sim_term *term;
    unsigned terms;
    struct sim_xorb xorb; /* of the chunks that no earlier file has */
};

/* What one revision of a repository lists. */
struct sim_tree {
    unsigned repo, n;
    char revision[8], commit[41];
    struct {
        char path[64];
        struct sim_file *file;
    } entry[SIM_FILES_MAX];
};

struct sim_job {
    enum hfp_verb verb;
    bool offline, by_commit;
    unsigned tree;
    uint64_t after_ns; /* starts so long after the process */
    /* of this incarnation */
    uint64_t id; /* 0: not started */
    bool done, paused, held, cancelled, limited, was_whole;
    enum hfp_code code;
    uint64_t commanded_ns; /* last pause, resume, limit or cancel */
    char message[512];
    /* of its whole life */
    bool succeeded;
    /* what it last said: progress.c */
    uint64_t received, recorded, proved, in_place, checked, moved_ns, plan_bytes, wire_at_plan, kept_at_plan;
    bool planned;
};

struct heap_item {
    uint64_t at_ns, order;
    void (*fire)(void *arg);
    void *arg;
};

struct sim {
    uint64_t seed, random;
    struct sim_switches switches;
    uint64_t now_ns, slept_ns; /* mono; what boot time is ahead of it */
    struct heap_item *heap;
    size_t heap_n, heap_cap;
    uint64_t heap_order, fired;
    struct sim_faults faults;
    struct sim_file file[SIM_FILES_MAX];
    unsigned files;
    struct sim_tree tree[SIM_TREES];
    unsigned trees;
    struct sim_job job[SIM_JOBS];
    unsigned jobs;
    unsigned page; /* entries in a tree page */
    bool direct;   /* the Hub serves LFS bytes itself */
    bool calm;     /* no fault of any kind: nothing may go wrong */
    enum {
        SHARES_LITTLE,
        SHARES_TERMS,
        SHARES_CHUNKS
    } shares; /* all but the first: worlds that check_xorbs.c judges */
    unsigned max_connections, max_rounds;
    bool rounds_given;
    uint64_t rtt_ns, rate_bytes_per_s, wire_free_ns; /* shared line */
    uint32_t generation, cas_token;                  /* of signed locations; of what the CAS takes */
    unsigned incarnation, streams, silent, requests_open;
    uint64_t start_ns; /* of the incarnation */
    bool dead;         /* the process was killed: nothing it does counts */
    uint64_t ops_left; /* disk operations until the kill; UINT64_MAX: none planned */
    bool trace, failed, healthy;
    char failure[512];
    uint64_t lies_told, requests, file_requests, commands;
    uint64_t byte_ns[SIM_REPOS], got_bytes[SIM_REPOS]; /* when a byte last came for a repository; of files, in all */
    uint64_t task_ns;                                  /* when a task last ended */
    uint64_t named_ns;                                 /* when a file last got its final name */
    uint64_t starves_ns; /* since when a head has waited for a buffer; UINT64_MAX: none does */
    bool dry;            /* there was a moment without a buffer to be had: a half-filled one may have been emptied */
    bool honest;         /* nothing and nobody ever gives wrong bytes: then nothing ever needs repair */
    bool doubtful;       /* bytes of unknown worth were here, or the disk failed: a record alone proves nothing */
    bool power_lost;     /* once: what was not synced then may be gone, or prove right */
    bool torn;           /* a notebook whose header says nothing was seen: its blocks may prove right */
    bool rotten;         /* a file was damaged after it was finished */
};

extern struct sim *sim; /* one world at a time; the io table has no context argument */
extern const char *const sim_fault_names[];
extern const unsigned sim_fault_count;

uint64_t sim_random(uint64_t below); /* 0 .. below-1 */
bool sim_chance(unsigned per_mille); /* false once the faults are over */
void sim_trace(const char *fmt, ...) PRINTF(1, 2);
void sim_fail(const char *fmt, ...) PRINTF(1, 2); /* a promise is broken; the first one counts */

/* heap.c */
void heap_add(uint64_t at_ns, void (*fire)(void *arg), void *arg);
bool heap_next(uint64_t *at_ns);
void heap_fire(uint64_t until_ns); /* everything due */

/* world.c */
unsigned *fault_at(struct sim_faults *f, unsigned number);
void world_make(uint64_t seed, const struct sim_switches *switches);
void world_free(void);
void world_healthy(void); /* from now on */
struct sim_file *world_etag(const char *etag);
extern const char *const repo_names[SIM_REPOS]; /* "one": the Hub knows it as sim/one */
/* Which tree is this a URL of; *rest is what follows its commit. NULL: none. */
struct sim_tree *world_tree(const char *url, const char **rest);
struct sim_file *tree_file(const struct sim_tree *t, const char *path);

/* wire.c */
struct exchange;
struct http *wire_new(void);

/* hub.c: what is answered; the body is x->text or bytes of x->file */
struct exchange {
    struct http_request *request; /* NULL: cancelled */
    unsigned pending;             /* heap events that point here */
    enum { OPENING, ASKING, SENDING } phase;
    bool held, streaming, creeps;
    enum { AT_HUB, AT_CDN, AT_CAS, AT_XORBS } at;
    unsigned address, repo; /* last digit */
    struct http_headers headers;
    char *text;            /* body of an API answer; NULL: bytes of an object */
    const uint8_t *bytes;  /* of a file or of a xorb */
    struct sim_xorb *xorb; /* NULL: not a xorb's */
    struct sim_file *file; /* NULL: not a file's */
    uint64_t pos, end;     /* of the body: offsets in text or in the object */
    enum { WHOLE, RESETS, SHORTENS, STALLS, PAUSES } broken;
    uint64_t break_at;
    uint64_t flip_at; /* offset in the object of a wrong bit, UINT64_MAX: none */
    bool silent;      /* it stalled, and is counted */
    bool second;      /* asked for what a silent one owes */
    uint64_t silent_ns;
};
void hub_decide(struct exchange *x);
struct sim_file *hub_asked_for(const char *url, unsigned *repo); /* the file whose bytes this URL leads to, or NULL */

/* xorbs.c: files in the Xet store */
struct sim_signed {
    unsigned generation, repo;
    uint64_t first, last; /* of the xorb */
};
void xorbs_add(struct sim_file *f, unsigned i); /* may change its content: chunks of earlier files */
void xorbs_free(struct sim_file *f);
char *xorbs_reconstruction(const struct sim_file *f, unsigned repo, uint64_t first, uint64_t last);
struct sim_file *xorbs_file(const char *url); /* whose reconstruction is asked for */
struct sim_xorb *xorbs_signed(const char *url, struct sim_signed *out);

/* workers.c */
struct work *workers_new(void);

/* memory.c: what the library holds (outside.h sends its calls there) */
void memory_begins(void); /* before an incarnation */
void memory_ends(void);   /* after: everything must be back */

/* disk.c */
extern const struct io_ops sim_disk;
void disk_new(uint64_t capacity_bytes);
void disk_free(void);
void disk_new_process(void);                                 /* descriptors and locks of the dead one are gone */
void disk_power_loss(void);                                  /* one of the legal states of what was not synced */
void disk_put(const char *path, const void *data, size_t n); /* as another tool would */
/* Content below links; NULL when there is none. */
const uint8_t *disk_content(const char *path, uint64_t *size_bytes);
void disk_rot(const char *path, uint64_t at, unsigned how);
void disk_each(const char *folder, void (*each)(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx),
               void *ctx);
void disk_set_capacity(uint64_t bytes);
uint64_t disk_changes(void); /* how often anything was changed */

/* people.c */
bool people_pending(void); /* a job is still to be started or has not ended */
void people_start_due(struct core *c);
uint64_t people_next_ns(void);
void people_turn(struct core *c);
void people_before(void); /* a new incarnation */
struct sim_job *people_job(uint64_t id);
bool people_done(void); /* every pull has succeeded */

/* check.c */
void check_event(const struct hfp_event *e);
void check_taken(const struct exchange *x, uint64_t at, uint64_t n); /* body bytes that the engine took */
void check_request(const struct sim_file *f, unsigned repo, uint64_t first, uint64_t last);
void check_rename(int repo, const char *name, const uint8_t *data, uint64_t size_bytes);
void check_verdict(const struct sim_job *j);
void check_incarnation_begins(void);
void check_disk(void); /* whatever has a final name is right; a ref means that all is there */

/* check_xorbs.c */
void check_xorbs_begin(void); /* an incarnation; after what is recorded was noted */
void check_xorb_taken(struct sim_xorb *o, uint64_t at, uint64_t n); /* stored bytes that the engine took */

/* check_buffers.c */
void check_buffers(const struct core *c);

/* truth.c: what is really on the disk */
bool truth_is(const struct sim_file *f, const uint8_t *data, uint64_t size_bytes);
const char *truth_missing(const struct sim_tree *t,
                          bool *wrong); /* the first path that is not there or wrong; NULL: all right */
bool truth_ref(const struct sim_tree *t);
void truth_note_recorded(void);
uint64_t truth_recorded_bytes(const struct sim_tree *t); /* in place, or a digest and its data */

/* progress.c: P8 */
void progress_begins(struct sim_job *j);
void progress_event(struct sim_job *j, const struct hfp_event *e);

/* run.c: true when every promise held; failure (512 bytes) says which did not */
bool run_world(uint64_t seed, const struct sim_switches *switches, bool trace, char *failure);

/* shrink.c */
void shrink_and_tell(uint64_t seed, const struct sim_switches *switches, const char *failure);
void switches_text(char *out, size_t n, uint64_t seed, const struct sim_switches *s);

#endif
