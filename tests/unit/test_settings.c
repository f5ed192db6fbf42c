/* Limit and timetable together: what holds now, until when, and how long a timetable may be.
 * Seen red with: the next entry of the timetable told although the lower limit goes on ("the lower limit goes on",
 * "the first that lifts it"), and with room for fewer entries than a timetable may have ("every half hour"). */
#include "daemon/settings.h"
#include "front/timetable.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 1700006400 /* 2023-11-15 00:00 UTC */
#define H 3600
#define NEVER INT64_MAX
#define M (1U << 20)

static const struct {
    const char *name, *timetable;
    uint64_t limit;
    int64_t now;
    uint64_t holds;
    int64_t until;
} rows[] = {
    { "no timetable", "", 5 * M, DAY + 9 * H, 5 * M, NEVER },
    { "a timetable alone", "08:00,2M 20:00,off", 0, DAY + 9 * H, 2 * M, DAY + 20 * H },
    { "the timetable is the lower one", "08:00,2M 20:00,off", 5 * M, DAY + 9 * H, 2 * M, DAY + 20 * H },
    { "the limit is, from the evening on", "08:00,2M 20:00,off", 5 * M, DAY + 21 * H, 5 * M, DAY + 32 * H },
    { "the lower limit goes on, whatever the timetable says", "08:00,2M 20:00,off", M, DAY + 9 * H, M, NEVER },
    { "the first that lifts it is named", "08:00,2M 12:00,3M 20:00,1M", 2 * M, DAY + 9 * H, 2 * M, DAY + 20 * H },
    { "a rate alone holds for ever", "2M", 0, DAY, 2 * M, NEVER },
};

static void limits(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct settings s;
        int64_t until = 0;
        settings_defaults(&s);
        s.limit_bytes_per_s = rows[i].limit;
        strcpy(s.timetable, rows[i].timetable);
        CHECK_U64(settings_limit(&until, &s, rows[i].now), rows[i].holds, "%s: the limit", rows[i].name);
        CHECK_U64((uint64_t)until, (uint64_t)rows[i].until, "%s: until", rows[i].name);
    }
}

/* As many entries as a timetable takes (timetable.h): as --limit-rate of the start, and as a setting. */
static void every_half_hour(void)
{
    char text[2048] = "";
    struct settings s;
    struct hfp_err err = { 0 };
    for (unsigned i = 0; i < TIMETABLE_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%02u:%02u,%uKiB/s", i ? " " : "", i / 2,
                 i % 2 * 30, 1000 + i);
    settings_defaults(&s);
    settings_restore(&s, "timetable", text);
    CHECK_STR(s.timetable, text, "every half hour another limit: kept");
    settings_defaults(&s);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "timetable", text);
    CHECK(settings_change(&s, o, &err) == HFP_OK && strcmp(s.timetable, text) == 0, "every half hour: changed to");
    cJSON_Delete(o);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    limits();
    every_half_hour();
    return tap_end();
}
