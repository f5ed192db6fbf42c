/* transfer/transfer.h: ranges of files over a few connections, in whole blocks.
 *
 * One transfer serves all jobs of an engine. A group is one job's share: its limit, its patience, its counters. A fetch
 * is one file: a window that moves near its front, cut into segments, each a range request on some connection. Blocks
 * come out by callback in any order, each exactly once per fetch_want(); what a block is worth is decided elsewhere.
 *
 *   wanted --schedule--> segment WAIT --runner--> RUN --block full--> owner
 *                            ^------ lost, slow, silent, pause ------'
 *
 * A lost connection costs nothing: the segment keeps its half-filled block and the next request starts at the byte
 * after the last received one (P2). Everything runs on the loop's thread; time comes from config.now. This is the part
 * the simulator drives: it sees only net/http.h, the pool and the clock. */
#ifndef HFP_TRANSFER_TRANSFER_H
#define HFP_TRANSFER_TRANSFER_H

#include "base/log.h"
#include "base/pool.h"
#include "net/deadline.h"
#include "net/hosts.h"
#include "net/http.h"
#include "net/retry.h"
#include "resolve/answers.h"
#include "transfer/limit.h"

struct transfer;
struct group;
struct fetch;

struct transfer_config {
    struct http *http;
    struct pool *pool;
    struct hosts *hosts;
    const struct log *log;
    struct deadlines deadlines;
    uint32_t max_connections;   /* 0: learned */
    uint64_t chunk_bytes;       /* longest segment */
    const char *endpoint;       /* the Hub's origin: the token goes nowhere else (P6) */
    const char *token;          /* or NULL */
    uint64_t (*now)(void *ctx); /* mono ns */
    void *now_ctx;
    uint64_t seed;
};

/* The strings live as long as the transfer. */
int transfer_new(struct transfer **out, const struct transfer_config *config, struct hfp_err *err);
void transfer_free(struct transfer *t); /* all groups are freed before */
/* One turn: deadlines, limits, new requests. Returns when it wants the next one (mono ns), UINT64_MAX: on an event. */
uint64_t transfer_turn(struct transfer *t);
void transfer_limit(struct transfer *t, uint64_t bytes_per_s);
/* 0: learned. What runs beyond a lower number ends with its segment; learning begins where it stands. */
void transfer_connections(struct transfer *t, uint32_t n);
/* After a suspend: every connection is suspect; all are renewed, nothing received is lost. */
void transfer_renew(struct transfer *t);
/* The key (net/hosts.h) of a host whose addresses are suspect and not known yet, or NULL: ask DNS for it. */
const char *transfer_wants_addresses(struct transfer *t);
/* What is being learned now about the n-th host (connections 0: nothing yet); its key, or NULL when there are no more. */
const char *transfer_learns(const struct transfer *t, size_t n, struct host_learned *out);
/* A block's buffer is free again. */
void transfer_give_back(struct transfer *t, uint8_t *buffer);
/* Connections that wait for a buffer. */
unsigned transfer_starving(const struct transfer *t);
/* "host address" of a peer number, for reports. */
struct peer_name {
    char host[128], address[64];
};
const struct peer_name *transfer_peer(const struct transfer *t, uint16_t peer);

struct group_stats {
    uint64_t wire_bytes;     /* every body byte, repeats included */
    uint64_t received_bytes; /* distinct bytes of fetches that count */
    uint64_t copied_bytes;   /* of received_bytes: read from files that were here */
    uint64_t requests, lost;
    uint64_t errors[HFP_CODE_COUNT];
};

struct group_events {
    /* The retry policy ended (HFP_E_NET), or the Hub said a final no that concerns every file. */
    void (*gave_up)(void *ctx, const struct hfp_err *err);
    void *ctx;
    const struct answer_context *context; /* for the Hub's verdicts; lives as long as the group */
};

/* patience is the job's, shared with its API calls. */
int group_new(struct group **out, struct transfer *t, const struct group_events *events, struct patience *patience,
              struct hfp_err *err);
void group_free(struct group *g); /* frees its fetches too */
void group_pause(struct group *g, bool paused);
void group_limit(struct group *g, uint64_t bytes_per_s);
const struct group_stats *group_stats(const struct group *g);

/* What the group does at this moment, for words on the screen. */
struct group_look {
    uint32_t running, streaming, silent; /* connections; silent: no byte for head_silence and not held by us */
    uint32_t connecting, held_limit, held_buffer, waiting; /* waiting: segments between attempts */
    bool between_rounds;
    uint64_t until_ns;     /* end of the wait between rounds, or of what the host asked for */
    bool host_busy;        /* the Hub asked to be left alone until until_ns */
    uint64_t last_byte_ns; /* mono; when anything last arrived */
    const char *trying;    /* "IPv4", "another address" after a change of it; or NULL */
    struct hfp_err why;
};
void group_look(struct group_look *out, const struct group *g);

struct fetch_events {
    /* The owner now has buf and returns it by transfer_give_back. n < BLOCK only at the end of the file. */
    void (*block)(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer);
    /* Final for this file: no such file any more, not allowed. */
    void (*failed)(void *ctx, const struct hfp_err *err);
    /* Signed parts only: the URL is not accepted (any more), or nothing came of it for a whole round. Nothing is asked
     * until fetch_relocate(). served: it gave bytes before, so a refusal means that it expired. May not free the fetch. */
    void (*expired)(void *ctx, bool served, const struct hfp_err *err);
    void *ctx;
};

struct fetch_spec {
    const char *url;     /* the Hub's resolve URL, or the signed one; copied */
    const char *path;    /* the file's name, for checks and messages; lives as long as the fetch */
    uint64_t size_bytes; /* > 0 */
    bool uncounted;      /* a second opinion, or not the file's own bytes: not counted as received */
    /* A part of some larger object behind a signed URL (a range of a xorb): bytes base to base + size - 1 of it. Every
     * request has a Range, no token of any kind goes there, and block 0 begins at base. */
    bool is_signed;
    uint64_t base;
};

int fetch_new(struct fetch **out, struct group *g, const struct fetch_spec *spec, const struct fetch_events *events,
              struct hfp_err *err);
void fetch_free(struct fetch *f); /* cancels its requests; NULL is fine */
void fetch_want(struct fetch *f, uint64_t block);
/* avoid: a peer number this block should not come from (second opinion), or 0. Applies to blocks wanted from now on. */
void fetch_avoid(struct fetch *f, uint16_t peer);
/* A fresh URL of a signed part. whole: from now on all of it is asked for in one request, for its server refuses what is
 * less; what is here already is skipped. false: no memory for it, and all is as it was. */
bool fetch_relocate(struct fetch *f, const char *url, bool whole);
/* How many bytes beyond its front a fetch asks for at most. */
uint64_t fetch_window_bytes(const struct fetch *f);
/* Its owner takes no block for now: nothing new is asked for, and what runs is not read. No connection is cut for it, so
 * no byte is asked for twice. */
void fetch_hold(struct fetch *f, bool hold);
/* The first block still needed: the window starts here. */
void fetch_front(struct fetch *f, uint64_t block);
/* How many written blocks may keep their buffers, so that the connections do not wait for them. */
unsigned fetch_keeps(const struct fetch *f);
/* A range was asked for as often as the policy has it and nothing came: it waits for the round to end. why: the last. */
bool fetch_stuck(const struct fetch *f, struct hfp_err *why);
/* Anything still wanted or under way? */
bool fetch_busy(const struct fetch *f);

/* Where the fetch is, for the screen. */
struct fetch_look {
    uint64_t rate_bytes_per_s;
    uint32_t running;
    uint32_t rtt_us;      /* of the connection to peer */
    uint32_t retransmits; /* of all connections that run for it */
    uint16_t peer;
};
void fetch_look(struct fetch_look *out, const struct fetch *f);

#endif
