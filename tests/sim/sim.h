/* sim.h: a simulated world for the deciding core: clock, wire, disk and workers, all driven by one seed.
 *
 * The core under test is engine/core.h with everything it decides: planner, scheduler with its buffers and pausing,
 * retry and deadline tables, digests, publisher. The library is built with blocks of 4 KiB (base/block.h), so a file of
 * forty blocks is 160 KiB and a run takes milliseconds. One seed replays exactly.
 *
 *   main.c    seeds, replay, shrinking       run.c     one run: incarnations, crashes, the loop
 *   heap.c    what happens when              world.c   the repository and the truth about it; the faults of a run
 *   wire.c    struct http: Hub and CDN       disk*.c   struct io_ops: files, what is durable, legal crash states
 *   workers.c struct work                    check.c   the promises, as assertions of their own */
#ifndef HFP_TESTS_SIM_H
#define HFP_TESTS_SIM_H

#include "base/io.h"
#include "base/work.h"
#include "cache/digests.h"
#include "engine/core.h"
#include "engine/events.h"
#include "net/http.h"
#include "net/retry.h"

#include <stdio.h>

#define SIM_FILES_MAX 12
#define SIM_START_NS (1000 * NS_PER_S)
#define SIM_PROMISED_NS (UINT64_C(40) * 3600 * NS_PER_S) /* a run that takes longer is stuck: 25 rounds are 2 hours */

/* What a run may meet. Each is a chance in 1,000 per occasion, 0 for never. */
struct sim_faults {
    unsigned refuse, black_hole, dns, slow_open;
    unsigned mute; /* connected, never answers */
    unsigned server_error, busy, expire, portal;
    unsigned reset, shorten, stall, pause, creep;
    unsigned ignore_range, shift_range, lie, lengthless;
    unsigned slow_disk, full_disk, disk_error;
    uint64_t until_ns;       /* after this the wire is healthy: then the job must succeed */
    bool lying_address;      /* one CDN address flips a bit in everything it sends */
    unsigned throttle_above; /* streams beyond this creep; 0: none */
    unsigned crashes;        /* incarnations that end by kill -9 or power loss */
    bool power;              /* crashes take unsynced data with them */
    bool foreign;            /* another tool left partials */
    bool steer;              /* pauses, resumes, limits on the way */
    bool suspend;
    bool rot; /* a finished file changes on the disk afterwards */
};

struct sim_file {
    char path[64], etag[65];
    bool lfs;
    uint64_t size_bytes;
    uint8_t *content;
    struct content_id id;
    uint8_t *recorded; /* per block: recorded when this incarnation began */
    uint8_t *taken;    /* per byte: received in this incarnation */
};

struct heap_item {
    uint64_t at_ns, order;
    void (*fire)(void *arg);
    void *arg;
};

struct sim {
    uint64_t seed, random;
    uint64_t now_ns, slept_ns; /* mono; what boot time is ahead of it */
    struct heap_item *heap;
    size_t heap_n, heap_cap;
    uint64_t heap_order;
    struct sim_faults faults;
    struct sim_file file[SIM_FILES_MAX];
    unsigned files;
    char commit[41];
    unsigned page;                                   /* entries in a tree page */
    bool direct;                                     /* the Hub serves LFS bytes itself */
    uint64_t rtt_ns, rate_bytes_per_s, wire_free_ns; /* shared line */
    uint32_t generation;                             /* of signed locations */
    unsigned incarnation, streams, requests_open;
    bool dead;         /* the process was killed: nothing it does counts */
    uint64_t ops_left; /* disk operations until the kill; UINT64_MAX: none planned */
    bool trace, failed;
    char failure[512];
    /* what the last job said */
    bool done;
    enum hfp_code code;
    char message[512];
    uint64_t last_received, last_recorded, last_proved, last_in_place;
    uint64_t lies_told, body_bytes, requests;
    uint64_t starves_ns; /* since when a head has waited for a buffer; UINT64_MAX: none does */
    bool honest;         /* nothing and nobody ever gives wrong bytes: then nothing ever needs repair */
    bool doubtful;       /* bytes of unknown worth were here, or the disk failed: a record alone proves nothing */
};

extern struct sim *sim; /* one world at a time; the io table has no context argument */

uint64_t sim_random(uint64_t below); /* 0 .. below-1 */
bool sim_chance(unsigned per_mille); /* false once the faults are over */
void sim_trace(const char *fmt, ...) PRINTF(1, 2);
void sim_fail(const char *fmt, ...) PRINTF(1, 2); /* a promise is broken; the first one counts */

/* heap.c */
void heap_add(uint64_t at_ns, void (*fire)(void *arg), void *arg);
bool heap_next(uint64_t *at_ns);
void heap_fire(uint64_t until_ns); /* everything due */
void heap_clear(void);

/* world.c */
void world_make(uint64_t seed);
void world_free(void);
struct sim_file *world_file(const char *path);
struct sim_file *world_etag(const char *etag);

/* wire.c */
struct http *wire_new(void);
void wire_free(struct http *h);

/* workers.c */
struct work *workers_new(void);

/* disk.c */
extern const struct io_ops sim_disk;
void disk_new(uint64_t capacity_bytes);
void disk_free(void);
void disk_new_process(void);                                 /* descriptors and locks of the dead one are gone */
void disk_power_loss(void);                                  /* one of the legal states of what was not synced */
void disk_put(const char *path, const void *data, size_t n); /* as another tool would */
/* Content below links; NULL when there is none. */
const uint8_t *disk_content(const char *path, uint64_t *size_bytes);
void disk_rot(const char *path, uint64_t at); /* flips a bit of a file, as a careless tool would */
void disk_each(const char *folder, void (*each)(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx),
               void *ctx);
void disk_set_capacity(uint64_t bytes);

/* check.c */
void check_event(const struct hfp_event *e);
void check_taken(struct sim_file *f, uint64_t at, uint64_t n); /* body bytes that the engine took */
void check_request(const struct sim_file *f, uint64_t first, uint64_t last);
void check_rename(const char *folder, const char *name, const uint8_t *data, uint64_t size_bytes);
void check_incarnation_begins(void);
void check_end(void);

/* check_buffers.c */
void check_buffers(const struct core *c);

/* run.c: true when every promise held */
bool run_seed(uint64_t seed, bool trace);

#endif
