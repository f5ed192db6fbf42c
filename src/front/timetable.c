#include "front/timetable.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTES_A_DAY 1440
/* A change is looked for so far ahead: a day, and the hours a change of the zone's time may add (2 in one place). */
#define LOOK_AHEAD_MINUTES (MINUTES_A_DAY + 120)
#define RATE_TEXT_MAX 32 /* "18446744073709551615KiB/s" */

/* "8:00" or "08:00" at s; how many bytes it takes, 0 when it is no time of day. */
static size_t clock_parse(uint16_t *minute, const char *s)
{
    size_t hours = strspn(s, "0123456789");
    if (hours < 1 || hours > 2 || s[hours] != ':' || strspn(s + hours + 1, "0123456789") != 2)
        return 0;
    unsigned h = hours == 2 ? (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0') : (unsigned)(s[0] - '0');
    unsigned m = (unsigned)(s[hours + 1] - '0') * 10 + (unsigned)(s[hours + 2] - '0');
    if (h > 23 || m > 59)
        return 0;
    *minute = (uint16_t)(h * 60 + m);
    return hours + 3;
}

/* Keeps the order; a time that stands there twice is a slip, and nobody can say which one was meant. */
static bool add(struct timetable *t, uint16_t minute, uint64_t bytes_per_s)
{
    size_t i = t->n;
    if (t->n == TIMETABLE_MAX)
        return false;
    for (; i > 0 && t->at[i - 1].minute >= minute; i--) {
        if (t->at[i - 1].minute == minute)
            return false;
        t->at[i] = t->at[i - 1];
    }
    t->at[i].minute = minute;
    t->at[i].bytes_per_s = bytes_per_s;
    t->n++;
    return true;
}

bool timetable_parse(struct timetable *out, const char *text)
{
    static const char blanks[] = " \t";
    struct timetable t = { 0 };
    uint64_t all_day;
    if (rate_parse(&all_day, text)) {
        *out = (struct timetable){ .n = 1, .at = { { 0, all_day } } };
        return true;
    }
    for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
        uint16_t minute;
        uint64_t bytes_per_s;
        char rate[RATE_TEXT_MAX];
        size_t n = clock_parse(&minute, text);
        if (n == 0 || text[n] != ',')
            return false;
        text += n + 1;
        n = strcspn(text, blanks);
        if (n >= sizeof rate)
            return false;
        memcpy(rate, text, n);
        rate[n] = '\0';
        if (!rate_parse(&bytes_per_s, rate) || !add(&t, minute, bytes_per_s))
            return false;
        text += n;
    }
    if (t.n == 0)
        return false;
    *out = t;
    return true;
}

uint64_t timetable_limit(const struct timetable *t, int64_t unix_s)
{
    time_t when = (time_t)unix_s;
    struct tm tm;
    if (t->n == 0 || !localtime_r(&when, &tm))
        return 0;
    unsigned minute = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
    size_t i = t->n; /* before the first entry the last one of yesterday holds */
    while (i > 1 && t->at[i - 1].minute > minute)
        i--;
    return t->at[i - 1].minute > minute ? t->at[t->n - 1].bytes_per_s : t->at[i - 1].bytes_per_s;
}

/* Minute by minute: the clock on the wall jumps where it likes, and asking it is the one way that is always right. A
 * day's worth takes well under a millisecond, some times a day. */
int64_t timetable_change(uint64_t *next_bytes_per_s, const struct timetable *t, int64_t unix_s)
{
    uint64_t now = timetable_limit(t, unix_s);
    time_t when = (time_t)unix_s;
    struct tm tm;
    if (!localtime_r(&when, &tm))
        return INT64_MAX;
    int64_t at = unix_s - tm.tm_sec;
    for (int i = 0; i < LOOK_AHEAD_MINUTES && t->n > 1; i++) {
        at += 60;
        uint64_t then = timetable_limit(t, at);
        if (then == now)
            continue;
        *next_bytes_per_s = then;
        return at;
    }
    return INT64_MAX;
}

char *timetable_clock(char out[static UNIT_TEXT], int64_t unix_s)
{
    time_t when = (time_t)unix_s;
    struct tm tm;
    if (localtime_r(&when, &tm))
        snprintf(out, UNIT_TEXT, "%02d:%02d", tm.tm_hour, tm.tm_min);
    else
        snprintf(out, UNIT_TEXT, "--:--");
    return out;
}
