/* engine/events.h: the one event stream (P9), from the loop to whoever holds the handle.
 *
 * events_push on the loop's thread, events_next on the caller's; a descriptor is readable while events wait. An unread
 * PROGRESS of the same job is replaced, and no more than EVENTS_MAX wait: beyond that CHUNK, NOTE and PROGRESS are
 * dropped, for only STATE, PLAN, STALLED, RECOVERED, FILE and DONE must never be lost. Those are few, but for FILE,
 * which waits in its job for room (engine/telling.c). */
#ifndef HFP_ENGINE_EVENTS_H
#define HFP_ENGINE_EVENTS_H

#include "base/err.h"

#define EVENTS_MAX 1024

struct events;
int events_new(struct events **out, struct hfp_err *err);
void events_free(struct events *e);
int events_fd(const struct events *e);
/* Copies the event and its strings; seq is set when it is taken. Out of memory drops it, but not DONE. */
void events_push(struct events *e, const struct hfp_event *event);
bool events_room(struct events *e); /* half the queue is free: a long list may go on */
const struct hfp_event *events_next(struct events *e);

#endif
