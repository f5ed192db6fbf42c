/* front/timetable.h: a bandwidth limit by the time of day: "08:00,2M 20:00,off".
 *
 * Each entry holds from its local time until the next one's; before the day's first entry the last one's holds on from
 * the day before. A rate alone ("2M") holds all day. Times are those of the clock on the wall: where a change of summer
 * time leaves an hour out or repeats it, the limit is that of the time shown then.
 * Pure: no I/O but the time zone's table, no clock of its own; any thread. */
#ifndef HFP_FRONT_TIMETABLE_H
#define HFP_FRONT_TIMETABLE_H

#include "front/units.h"

#define TIMETABLE_MAX 48 /* entries: one every half hour */

struct timetable {
    size_t n; /* 0: no limit, ever */
    struct {
        uint16_t minute;      /* of the day */
        uint64_t bytes_per_s; /* 0: no limit */
    } at[TIMETABLE_MAX];      /* by minute, none twice */
};

/* A rate or a timetable. False, and *out left alone, when text is neither. */
bool timetable_parse(struct timetable *out, const char *text);
uint64_t timetable_limit(const struct timetable *t, int64_t unix_s);
/* When the limit will be another one than at unix_s, and which; INT64_MAX when it never will be. */
int64_t timetable_change(uint64_t *next_bytes_per_s, const struct timetable *t, int64_t unix_s);
/* "20:00": the local time of unix_s. */
char *timetable_clock(char out[static UNIT_TEXT], int64_t unix_s);

#endif
