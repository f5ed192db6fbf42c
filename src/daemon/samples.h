/* daemon/samples.h: how fast a job was, over its whole life, in a fixed room.
 *
 * One sample a second at first; when the room is full, two become one and the step doubles, so that a job of a month
 * still has its curve. Stalls are kept as spans with their reason. Pure; loop's thread. */
#ifndef HFP_DAEMON_SAMPLES_H
#define HFP_DAEMON_SAMPLES_H

#include "front/out.h"

#define SAMPLES_MAX 2000 /* a chart has no more columns */
#define STALLS_MAX 200   /* spans kept; later ones are counted in the job only */

struct samples;

struct samples *samples_new(void); /* NULL when out of memory */
void samples_free(struct samples *s);
/* recorded_bytes so far; the limit in force, 0: none. Called about once a second; more often or seldomer is fine. */
void samples_add(struct samples *s, int64_t unix_s, uint64_t recorded_bytes, uint64_t limit_bytes_per_s);
void samples_gap(struct samples *s); /* the job pauses or the program starts anew: no rate spans this */
/* A stall begins; until its end it lasts until now. A second one in it is only its reason by now; an end
 * without one is nothing. */
void samples_stall(struct samples *s, int64_t from_unix_s, const char *reason);
void samples_stall_end(struct samples *s, int64_t to_unix_s, const char *reason); /* reason "": as it began */
/* {"step_s","samples":[[unix_s, bytes_per_s, limit],...],"stalls":[[from, to, reason],...]} */
void samples_json(struct out *o, const struct samples *s, int64_t now_unix_s);
/* From what samples_json() wrote; NULL when that cannot be read or memory ran out. */
struct samples *samples_read(const char *json);

#endif
