/* Limits by the time of day, also on the two days a year on which the clock on the wall jumps.
 * Seen red with: the wrap to yesterday's last entry removed ("before the first"), add() without the order ("in any
 * order"), a change looked for in steps of an hour ("winter time"). */
#include "front/timetable.h"
#include "tap.h"

#include <stdlib.h>
#include <time.h>

static void texts(void)
{
    static const struct {
        const char *text;
        size_t entries; /* 0: refused */
    } rows[] = {
        { "08:00,2M 20:00,off", 2 },
        { "20:00,off 8:00,2M", 2 },
        { "  08:00,2M\t20:00,1.5MB/s ", 2 },
        { "00:00,0", 1 },
        { "2M", 1 },
        { "off", 1 },
        { "10 apples", 0 },
        { "", 0 },
        { " ", 0 },
        { "08:00", 0 },
        { "08:00,", 0 },
        { "08:00, 2M", 0 },
        { "24:00,2M", 0 },
        { "08:60,2M", 0 },
        { "8:0,2M", 0 },
        { "008:00,2M", 0 },
        { "08:00,2M,20:00,off", 0 },
        { "08:00,2M 08:00,3M", 0 },
        { "08:00,2M 8:00,3M", 0 },
        { "-1:00,2M", 0 },
        { "08:00,99999999999999999999999999999999999999M", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct timetable t = { .n = 77 };
        bool ok = timetable_parse(&t, rows[i].text);
        CHECK(ok == (rows[i].entries > 0), "'%s' is %s", rows[i].text, rows[i].entries ? "a timetable" : "none");
        CHECK_U64(t.n, ok ? rows[i].entries : 77, "'%s' has its entries", rows[i].text);
    }
    char many[TIMETABLE_MAX * 16 + 32] = "";
    struct timetable t;
    for (int i = 0; i < TIMETABLE_MAX; i++)
        snprintf(many + strlen(many), 16, "%02d:%02d,%dK ", i / 2, i % 2 * 30, i + 1);
    CHECK(timetable_parse(&t, many) && t.n == TIMETABLE_MAX, "an entry every half hour fits");
    strcat(many, "23:59,1K");
    CHECK(!timetable_parse(&t, many), "and no more");
}

/* Local time of a zone to seconds since 1970; the zone is set by the caller. */
static int64_t at(int year, int month, int day, int hour, int minute, int summer)
{
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_isdst = summer };
    return (int64_t)mktime(&tm);
}

static void zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

static void limits(void)
{
    struct timetable t, any, none = { 0 };
    zone("CET-1CEST,M3.5.0,M10.5.0/3"); /* as in Berlin, from the rule alone: no zone files needed */
    timetable_parse(&t, "08:00,2M 20:00,off");
    timetable_parse(&any, "20:00,off 08:00,2M");
    static const struct {
        int hour, minute;
        uint64_t limit;
        const char *what;
    } rows[] = {
        { 0, 0, 0, "before the first of the day yesterday's last holds" },
        { 7, 59, 0, "until the minute" },
        { 8, 0, 2 << 20, "from the minute on" },
        { 19, 59, 2 << 20, "until the next one" },
        { 20, 0, 0, "off" },
        { 23, 59, 0, "for the rest of the day" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t when = at(2026, 11, 21, rows[i].hour, rows[i].minute, 0);
        CHECK_U64(timetable_limit(&t, when), rows[i].limit, "%s", rows[i].what);
        CHECK_U64(timetable_limit(&any, when), rows[i].limit, "in any order: %s", rows[i].what);
    }
    CHECK_U64(timetable_limit(&none, 0), 0, "no timetable, no limit");
}

static void changes(void)
{
    uint64_t next = 77;
    char clock[UNIT_TEXT];
    struct timetable t, flat, night;
    timetable_parse(&t, "08:00,2M 20:00,off");
    timetable_parse(&flat, "08:00,2M 20:00,2M");
    timetable_parse(&night, "02:30,1M 12:00,off");
    int64_t noon = at(2026, 11, 21, 12, 0, 0), evening = at(2026, 11, 21, 20, 0, 0);
    CHECK(timetable_change(&next, &t, noon) == evening && next == 0, "the next change is the evening's");
    CHECK_STR(timetable_clock(clock, evening), "20:00", "said as on the wall");
    CHECK(timetable_change(&next, &t, evening) == at(2026, 11, 22, 8, 0, 0) && next == 2 << 20,
          "then tomorrow morning's");
    CHECK(timetable_change(&next, &flat, noon) == INT64_MAX, "an entry with the same rate is no change");
    CHECK(timetable_change(&next, &t, noon + 59) == evening, "seconds do not matter");
    /* 29 March 2026: 01:59 is followed by 03:00. */
    CHECK(timetable_change(&next, &night, at(2026, 3, 28, 23, 0, 0)) == at(2026, 3, 29, 3, 0, 1) && next == 1 << 20,
          "summer time: what was due in the hour left out begins behind it");
    CHECK(timetable_change(&next, &t, at(2026, 3, 28, 21, 0, 0)) - at(2026, 3, 28, 21, 0, 0) == 10 * 3600,
          "summer time: that night is an hour shorter");
    /* 25 October 2026: 02:59 is followed by 02:00. */
    CHECK(timetable_change(&next, &t, at(2026, 10, 24, 21, 0, 1)) - at(2026, 10, 24, 21, 0, 1) == 12 * 3600,
          "winter time: that night is an hour longer");
    CHECK(timetable_change(&next, &night, at(2026, 10, 24, 23, 0, 1)) == at(2026, 10, 25, 2, 30, 1),
          "winter time: what is due in the hour that comes twice begins in the first");
    int64_t from = at(2026, 10, 24, 0, 0, 1);
    unsigned wrong = 0;
    for (int64_t when = from, change = 0; when < from + 3 * 86400; when += 60) {
        if (when >= change)
            change = timetable_change(&next, &night, when);
        wrong += change <= when || timetable_limit(&night, change - 1) != timetable_limit(&night, when) ||
                 timetable_limit(&night, change) != next || next == timetable_limit(&night, when);
    }
    CHECK_U64(wrong, 0, "the change named is where the limit changes, minute by minute over such a night");
}

int main(void)
{
    texts();
    limits();
    changes();
    return tap_end();
}
