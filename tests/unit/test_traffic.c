/* The rings of an interface's past: bounded, with holes where nobody looked, one point a second and a mean a minute.
 * Seen red with: points of an interface that was gone kept from the round before, the minute under way left out, a
 * clock set back not noticed, loopback kept. */
#include "daemon/traffic.h"
#include "tap.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define T0 INT64_C(1760000040) /* a whole minute */

static struct netdevs rates(const char *name, uint64_t rx, uint64_t tx)
{
    struct netdevs r = { .n = 2, .dev = { { "lo", 777, 777 }, { "", rx, tx } } };
    snprintf(r.dev[1].name, sizeof r.dev[1].name, "%s", name);
    return r;
}

static void add(struct traffic *t, const char *name, uint64_t rx, uint64_t tx, int64_t unix_s)
{
    struct netdevs r = rates(name, rx, tx);
    traffic_add(t, &r, unix_s);
}

/* "eth0: n first [s,rx,tx] last [s,rx,tx]" of one interface; "" when it is not told of. */
static const char *told(const struct traffic *t, const char *name, bool day, int64_t unix_s)
{
    static char text[256];
    struct out o = { 0 };
    out_object(&o, NULL);
    traffic_json(&o, t, day, unix_s);
    out_object_end(&o);
    char *json = out_take(&o, NULL);
    cJSON *all = cJSON_Parse(json);
    const cJSON *list = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "interfaces"), name);
    int n = cJSON_GetArraySize(list);
    text[0] = '\0';
    if (list)
        snprintf(text, sizeof text, "%d", n);
    for (int i = 0; i<n; i += n> 1 ? n - 1 : 1) {
        const cJSON *p = cJSON_GetArrayItem(list, i);
        snprintf(text + strlen(text), sizeof text - strlen(text), " %+lld,%.0f,%.0f",
                 (long long)(cJSON_GetArrayItem(p, 0)->valuedouble - (double)T0), cJSON_GetArrayItem(p, 1)->valuedouble,
                 cJSON_GetArrayItem(p, 2)->valuedouble);
    }
    cJSON_Delete(all);
    free(json);
    return text;
}

static struct traffic *begin(void)
{
    struct traffic *t = NULL;
    struct hfp_err err = { 0 };
    if (traffic_new(&t, &err))
        abort();
    return t;
}

static void test_points(void)
{
    struct traffic *t = begin();
    CHECK_STR(told(t, "eth0", false, T0), "", "nothing at first");
    add(t, "eth0", 0, 0, T0);
    CHECK_STR(told(t, "eth0", false, T0), "", "what carries nothing has no history");
    add(t, "eth0", 100, 10, T0 + 1);
    add(t, "eth0", 300, 30, T0 + 2);
    CHECK_STR(told(t, "eth0", false, T0 + 2), "2 +1,100,10 +2,300,30", "a point a second");
    add(t, "eth0", 500, 50, T0 + 2);
    CHECK_STR(told(t, "eth0", false, T0 + 2), "2 +1,100,10 +2,500,50", "of two in one second the later");
    CHECK_STR(told(t, "eth0", true, T0 + 2), "1 +0,300,30", "the minute under way is told as far as it has come");
    CHECK_STR(told(t, "lo", false, T0 + 2), "", "loopback is left out");
    add(t, "wlan0", 7, 7, T0 + 9);
    CHECK_STR(told(t, "eth0", false, T0 + 9), "2 +1,100,10 +2,500,50", "one that is gone has no points");
    CHECK_STR(told(t, "wlan0", false, T0 + 9), "1 +9,7,7", "one that came has none of before");
    add(t, "eth0", 9, 9, T0 + 61);
    CHECK_STR(told(t, "eth0", true, T0 + 61), "2 +0,300,30 +60,9,9", "a mean a minute");
    CHECK_STR(told(t, "eth0", false, T0 + 3602), "1 +61,9,9", "after an hour it is gone from the hour");
    CHECK_STR(told(t, "eth0", true, T0 + 3602), "2 +0,300,30 +60,9,9", "and in the day");
    CHECK_STR(told(t, "eth0", true, T0 + 86400), "1 +60,9,9", "not longer");
    add(t, "eth0", 5, 5, T0 - 100);
    CHECK_STR(told(t, "eth0", false, T0), "1 -100,5,5", "a clock set back begins anew");
    traffic_free(t);
}

static void test_bounds(void)
{
    struct traffic *t = begin();
    for (int i = 0; i < 100000; i++)
        add(t, "eth0", (uint64_t)i + 1, 1, T0 + i);
    CHECK_STR(told(t, "eth0", false, T0 + 99999), "3600 +96400,96401,1 +99999,100000,1", "an hour of seconds, no more");
    CHECK_STR(told(t, "eth0", true, T0 + 99999), "1440 +13620,13650,1 +99960,99980,1", "a day of minutes, no more");
    add(t, "wlan0", 1, 1, T0 + 100000);
    CHECK_STR(told(t, "eth0", false, T0 + 100000), "3599 +96401,96402,1 +99999,100000,1",
              "where one was gone nothing of the round before shows");
    for (int i = 1; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "veth%d", i);
        add(t, name, 1, 1, T0 + 100000 + i);
    }
    CHECK_STR(told(t, "veth39", false, T0 + 100039), "1 +100039,1,1", "a new one takes the place of one that is gone");
    struct netdevs many = { .n = 40 };
    for (size_t i = 0; i < many.n; i++) {
        many.dev[i] = (struct netdev){ .rx = 1, .tx = 1 };
        snprintf(many.dev[i].name, sizeof many.dev[i].name, "many%u", (unsigned)(i % 1000));
    }
    traffic_add(t, &many, T0 + 100050);
    CHECK(*told(t, "many15", false, T0 + 100050) && !*told(t, "many16", false, T0 + 100050), "16 at once, the first");
    traffic_free(t);
}

int main(void)
{
    test_points();
    test_bounds();
    return tap_end();
}
