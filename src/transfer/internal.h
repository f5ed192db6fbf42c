/* transfer/internal.h: the structs behind transfer.h, for the files of this folder alone.
 *
 * A transfer owns its remotes and runners, a group its fetches, a fetch its segments; a runner lends itself to one segment
 * at a time, and a segment its block to the owner when that is full. Loop thread only; nothing waits. */
#ifndef HFP_TRANSFER_INTERNAL_H
#define HFP_TRANSFER_INTERNAL_H

#include "base/auto.h"
#include "transfer/learn.h"
#include "transfer/range_check.h"
#include "transfer/transfer.h"

#define BLOCK BLOCK_BYTES
#define REMOTES_MAX 64
#define PEERS_MAX 512
#define HEDGES 2 /* connections beyond the target, only for silent ranges */
#define RUNNERS_MAX (LEARN_MAX + HEDGES)
#define FIXED_MAX LEARN_MAX
#define HOPS_MAX 5            /* redirects inside one request */
#define RANGES_IGNORED_MAX 3  /* after so many 200s in a row the server is believed to know no ranges */
#define DRAIN_MAX (64u << 10) /* body of a redirect or error that is read so that the connection stays */

/* One server as URLs name it: host and port. What was learned lives here; addresses live in net/hosts. */
struct remote {
    char name[HOST_KEY_MAX]; /* host:port */
    struct learn learn;
    uint32_t running;
    uint64_t latency_ns;       /* request to headers, smoothed */
    uint64_t rate_bytes_per_s; /* per connection, smoothed */
    /* What the line can do when neither end is busy: falls (rises) at once, comes back in some tens of requests. */
    uint64_t best_latency_ns, best_bytes_per_s;
    bool limited; /* bytes were held back by us since the last tick */
};

enum segment_state { SEG_NONE, SEG_WAIT, SEG_RUN, SEG_DONE, SEG_STATES };

/* WAIT --segment_move(RUN)--> RUN --(LOST)--> WAIT; RUN --(FULL)--> DONE. Only segment_move assigns state. */
enum segment_event { SEGEV_START, SEGEV_LOST, SEGEV_FULL, SEGEV_COUNT };

struct runner;

/* A run of bytes of one file that one connection (two, when silent) brings. */
struct segment {
    struct fetch *fetch;
    struct segment *next; /* by position */
    enum segment_state state;
    uint64_t pos, end;     /* next byte wanted; end exclusive, on a block boundary or at the end of the file */
    uint64_t counted;      /* bytes below were counted as received once */
    uint8_t *buf;          /* gathers the block that holds pos; NULL: none yet */
    uint8_t *spare;        /* for the block after it; only while bytes that reach into it are being taken */
    struct runner *run[2]; /* [1] only while the first is silent */
    uint16_t avoid;        /* peer not to ask, 0: any */
    unsigned attempt;      /* failures without a byte */
    uint64_t not_before_ns;
    uint64_t series_ns; /* when the present series of failures began */
    bool exhausted;     /* waits for the round to end */
    uint16_t lost_peer; /* who lost it last */
};

enum runner_state { RUN_IDLE, RUN_CONNECTING, RUN_ASKED, RUN_BODY, RUN_DRAIN, RUN_STATES };
enum runner_block { FLOWS, HELD_LIMIT, HELD_BUFFER, HELD_PAUSE };

/* One request at a time on one connection slot. */
struct runner {
    struct http_request request;
    struct transfer *transfer;
    struct fetch *fetch;
    struct segment *segment; /* NULL once its range is complete and only the end of the answer is awaited */
    enum runner_state state;
    enum runner_block held;
    struct remote *remote;
    uint16_t peer;
    struct http_peer peer_now;
    char url[URL_MAX], redirect_url[URL_MAX];
    bool at_hub;              /* the URL is of the endpoint's origin */
    bool locator;             /* asks the Hub where the file is; others wait for it */
    unsigned location_number; /* the location it uses */
    unsigned hops;
    uint64_t first, last; /* the range that was asked for */
    bool ranged;
    uint64_t skip, until;
    uint64_t bytes; /* body bytes that counted, of this request */
    uint32_t drained;
    uint64_t start_ns, since_ns, asked_ns, body_ns, last_byte_ns, slow_since_ns;
    uint64_t held_since_ns; /* while held */
    uint64_t window_bytes, rate_bytes_per_s;
    uint64_t peers_bytes_per_s; /* the median of the others when they were last looked at */
    struct hfp_err verdict;     /* DRAIN: what to do at the end; code OK with redirect set: go there */
    bool redirect;
    char connect_to[64];
};

struct fetch {
    struct group *group;
    struct fetch *next; /* in the group, in the order of arrival */
    struct fetch_events events;
    char *url;
    const char *path;
    uint64_t size_bytes, blocks;
    uint64_t base; /* where block 0 begins in the object behind the URL */
    bool uncounted, is_signed, whole;
    uint8_t *wanted; /* bitmap: to be asked for, in no segment */
    uint64_t wanted_count, lowest_wanted, front;
    uint16_t avoid;
    uint16_t *avoid_of; /* per wanted block; NULL: nobody is avoided */
    struct segment *segments;
    char *location;           /* where the bytes are; NULL: not known */
    unsigned location_number; /* counts locations, so that a stale 403 does not throw away a fresh one */
    bool held;                /* by fetch_hold() */
    bool location_served;     /* it gave bytes: a refusal now means that it expired */
    bool last_served;         /* the same of the location before: late refusals of it mean what the first one meant */
    struct runner *locating;
    struct remote *remote; /* of location, or of the Hub */
    char etag[ETAG_MAX], etag_host[HOST_KEY_MAX];
    unsigned ranges_ignored;                 /* 200s in a row to ranged requests */
    uint64_t window_bytes, rate_bytes_per_s; /* since the last tick; smoothed over all its connections */
    bool failed;
};

struct group {
    struct transfer *transfer;
    struct group *next;
    struct group_events events;
    struct patience *patience;
    struct limit limit;
    struct group_stats stats;
    struct fetch *fetches;
    uint32_t running;
    unsigned decoders; /* sources that decode, and for which a buffer is held back */
    bool paused, over;
    bool served;        /* in this turn: nothing more of it can be started */
    uint64_t paused_ns; /* since when */
    uint64_t last_byte_ns;
    const char *trying;
};

struct transfer {
    struct transfer_config config;
    struct limit limit;
    uint64_t random;
    uint64_t tick_ns;   /* last slow look at rates */
    unsigned unhold_at; /* whose turn it is among those held by a limit */
    struct group *groups;
    struct runner runner[RUNNERS_MAX];
    struct remote remote[REMOTES_MAX];
    unsigned remotes;
    struct peer_name peer[PEERS_MAX];
    uint16_t peers;  /* peer 0 is nobody */
    unsigned parked; /* buffers of sources that decode, and that wait for a range: none of them comes back by itself */
    uint32_t running;
};

static inline uint64_t transfer_now(const struct transfer *t)
{
    return t->config.now(t->config.now_ctx);
}

static inline uint64_t blocks_up(uint64_t bytes)
{
    return bytes / BLOCK + (bytes % BLOCK != 0);
}

/* fetch.c */
struct segment *fetch_next_segment(struct fetch *f, uint64_t now_ns);
uint64_t segment_length(const struct fetch *f);
void fetch_fail(struct fetch *f, const struct hfp_err *err);
/* The next request asks the Hub again; the owner of a signed part is asked for a URL. */
void fetch_forget_location(struct fetch *f, const struct hfp_err *err);
bool fetch_is_single(const struct fetch *f); /* only one request at a time makes sense */

/* segment.c */
void segment_move(struct segment *s, enum segment_event ev);
struct segment *segment_split(struct segment *s, uint64_t now_ns);
bool segment_room(struct segment *s, uint64_t n);
void segment_take(struct segment *s, struct runner *r, const uint8_t *bytes, size_t n);
void segment_lost(struct segment *s, struct runner *r, const struct hfp_err *err);
void segment_remove(struct segment *s);
bool segment_is_head(const struct segment *s);
enum pool_use segment_use(const struct segment *s); /* of the buffer that its next bytes need */
bool segment_splits(const struct segment *s);       /* segment_split would find something */
bool segment_rewind(struct segment *s);             /* gives its half-filled buffer back; false: it has none */
void segment_absorb(struct segment *s);             /* takes over the untouched ranges behind it */

/* runner.c */
static inline struct runner *runner_of(struct http_request *q)
{
    return container_of(q, struct runner, request);
}
void runner_move(struct runner *r, enum runner_state to);
bool runner_start(struct transfer *t, struct segment *s);
void runner_cut(struct runner *r, const struct hfp_err *err); /* err NULL: no one's fault */
void runner_drop(struct runner *r);                           /* cancel and forget; the segment is the caller's */
void runner_unhold(struct runner *r);
void runner_end_drain(struct runner *r); /* acts on what the answer said, without its rest */

/* answered.c */
void runner_answered(struct http_request *q, const struct http_headers *h);

/* watch.c */
void watch_runners(struct transfer *t, uint64_t now_ns);
void watch_unhold(struct transfer *t, uint64_t now_ns);
void watch_learn(struct transfer *t, uint64_t now_ns);
uint64_t watch_next_ns(const struct transfer *t, uint64_t now_ns);

/* schedule.c */
void schedule(struct transfer *t, uint64_t now_ns);
uint64_t schedule_next_ns(const struct transfer *t, uint64_t now_ns);

/* remote.c */
struct remote *remote_of(struct transfer *t, const char *url, uint64_t now_ns);
uint16_t peer_number(struct transfer *t, const char *url, const char *address);

#endif
