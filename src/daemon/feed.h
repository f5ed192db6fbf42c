/* daemon/feed.h: server-sent events: one ring of texts, any number of readers.
 *
 * An event is written once and read by all. It has an id, boot and number, so that a reader that comes back gets what it
 * missed; what the ring no longer has is told by the event `lost`. Readers are woken by feed_flush(), all at once: 200 open
 * pages cost 200 writes a flush, whatever the number of events. A reader that does not read holds a socket and nothing
 * else. Loop's thread. */
#ifndef HFP_DAEMON_FEED_H
#define HFP_DAEMON_FEED_H

#include "daemon/http.h"
#include "front/out.h"

#define READERS_MAX 400             /* below HTTP_CONNECTIONS_MAX: the API stays reachable */
#define RING_EVENTS 8192            /* of these and of the next as many as fit */
#define RING_BYTES (8U << 20)       /* some minutes of 16 busy jobs */
#define HEARTBEAT_NS 15000000000ULL /* a comment, so that a dead line is found on both sides */

struct feed;

int feed_new(struct feed **out, struct hfp_err *err);
void feed_free(struct feed *f); /* after http_free(), which ends the readers. NULL is fine */
/* An event of this type; json is taken from o, which is empty then. Nothing is sent before feed_flush(). */
void feed_push(struct feed *f, const char *type, struct out *o);
void feed_flush(struct feed *f);
uint64_t feed_turn(struct feed *f, uint64_t now_ns); /* heartbeats */
unsigned feed_readers(const struct feed *f);
uint64_t feed_events(const struct feed *f); /* pushed so far */
/* Answers with a stream; after: a Last-Event-ID or NULL. False: too many readers, nothing was answered. */
bool feed_open(struct feed *f, struct http_request *r, const char *after);

#endif
