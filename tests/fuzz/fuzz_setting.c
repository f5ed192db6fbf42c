/* Texts a settings request or a config file may hold: a timetable, an address for notifications, a choice of events; and
 * the kernel's table of interfaces. What is understood keeps to its bounds; what is refused writes nothing, and says why
 * without the text, which may hold a secret. */
#include "fuzz.h"

#include "front/netdev.h"
#include "front/notify.h"
#include "front/timetable.h"

static void timetable_must_hold(const char *text)
{
    static const int64_t days[] = { 0, 1774746000, 1792890000, 1795204800 };
    struct timetable t = { .n = 77 };
    if (!timetable_parse(&t, text)) {
        MUST(t.n == 77, "nothing is written");
        return;
    }
    MUST(t.n >= 1 && t.n <= TIMETABLE_MAX, "some entries");
    for (size_t i = 0; i < t.n; i++)
        MUST(t.at[i].minute < 1440 && (i == 0 || t.at[i - 1].minute < t.at[i].minute), "in the order of the day");
    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        uint64_t next = 0;
        int64_t change = timetable_change(&next, &t, days[i]);
        MUST(change == INT64_MAX || (change > days[i] && change <= days[i] + 26 * 3600), "a change within a day");
        MUST(change == INT64_MAX || (timetable_limit(&t, change) == next && next != timetable_limit(&t, days[i])),
             "is a change, to what was said");
    }
}

static bool ended(const char *field, size_t room)
{
    return memchr(field, 0, room) != NULL;
}

static void target_must_hold(const char *text, bool trusted)
{
    static struct notify_target t;
    struct hfp_err err = { 0 };
    memset(&t, 0x5A, sizeof t);
    int rc = notify_target_parse(&t, text, trusted, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_ARG && t.url[0] == 0x5A, "a bad argument, and nothing is written");
        MUST(strlen(text) < 40 || !strstr(err.message, text), "the text is not repeated");
        return;
    }
    MUST(ended(t.url, sizeof t.url) && ended(t.secret, sizeof t.secret) && ended(t.room, sizeof t.room) &&
             ended(t.shown, sizeof t.shown),
         "texts end in their fields");
    MUST(t.kind != NOTIFY_COMMAND || trusted, "a command only from who may");
    MUST(t.kind == NOTIFY_COMMAND || strncmp(t.url, "https://", 8) == 0 || strncmp(t.url, "http://", 7) == 0,
         "nothing but HTTP");
    for (const char *c = t.shown; *c; c++)
        MUST(*c >= ' ' && *c <= '~', "what is shown is plain");
    for (const char *c = t.url; *c; c++)
        MUST((unsigned char)*c >= ' ', "no line ends: it stands in a request");
}

static void devices_must_hold(const char *text)
{
    static struct netdevs d, r;
    memset(&d, 0, sizeof d);
    if (!netdev_parse(&d, text))
        return;
    MUST(d.n <= NETDEV_MAX, "not more than there is room for");
    for (size_t i = 0; i < d.n; i++)
        MUST(ended(d.dev[i].name, sizeof d.dev[i].name), "names end");
    struct netdevs later = d;
    later.at_ns = 1000000000;
    netdev_rates(&r, &d, &later);
    MUST(r.rx == 0 && r.tx == 0, "the same reading: nothing moved");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = text_of(size ? (const void *)data : "", size);
    unsigned events = 0x5A5A;
    bool ok = notify_events_parse(&events, text);
    MUST(ok ? events != 0 && events <= NOTIFY_ALL : events == 0x5A5A, "events that there are");
    timetable_must_hold(text);
    target_must_hold(text, true);
    target_must_hold(text, false);
    devices_must_hold(text);
    return 0;
}
