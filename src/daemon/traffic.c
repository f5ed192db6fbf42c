#include "daemon/traffic.h"

#include <stdlib.h>
#include <string.h>

#define ABSENT (-1.0f) /* the interface was not there */

/* float: 24 bits of a rate are more than a chart shows, and half of what 64 would cost. */
struct point {
    float rx, tx;
};

struct ring {
    int64_t *at; /* unix seconds, rising */
    size_t room;
    uint64_t n; /* written so far; the last is at (n - 1) % room */
};

struct lane {
    char name[NETDEV_NAME];
    struct point *second, *minute;
    double rx, tx; /* sums of the minute under way */
    unsigned samples;
    bool here; /* in the last reading */
};

struct traffic {
    struct ring seconds, minutes;
    int64_t minute; /* under way; unix seconds of its begin */
    struct lane lane[TRAFFIC_LANES];
    size_t lanes;
};

int traffic_new(struct traffic **out, struct hfp_err *err)
{
    struct traffic *t = calloc(1, sizeof *t);
    if (!t)
        return fault_nomem(err);
    t->seconds = (struct ring){ calloc(TRAFFIC_SECONDS, sizeof *t->seconds.at), TRAFFIC_SECONDS, 0 };
    t->minutes = (struct ring){ calloc(TRAFFIC_MINUTES, sizeof *t->minutes.at), TRAFFIC_MINUTES, 0 };
    if (!t->seconds.at || !t->minutes.at) {
        traffic_free(t);
        return fault_nomem(err);
    }
    *out = t;
    return HFP_OK;
}

static void lane_done(struct lane *l)
{
    free(l->second);
    free(l->minute);
    *l = (struct lane){ 0 };
}

void traffic_free(struct traffic *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->lanes; i++)
        lane_done(&t->lane[i]);
    free(t->seconds.at);
    free(t->minutes.at);
    free(t);
}

static struct point *points_new(size_t n)
{
    struct point *p = malloc(n * sizeof *p);
    for (size_t i = 0; p && i < n; i++)
        p[i] = (struct point){ ABSENT, ABSENT };
    return p;
}

static struct lane *find(struct traffic *t, const char *name)
{
    for (size_t i = 0; i < t->lanes; i++)
        if (strcmp(t->lane[i].name, name) == 0)
            return &t->lane[i];
    return NULL;
}

/* A place for one that is new: a free one, or that of an interface that is gone. */
static struct lane *open_lane(struct traffic *t, const char *name)
{
    struct lane *l = t->lanes < TRAFFIC_LANES ? &t->lane[t->lanes] : NULL;
    for (size_t i = 0; !l && i < t->lanes; i++)
        if (!t->lane[i].here)
            l = &t->lane[i];
    struct point *second = l ? points_new(TRAFFIC_SECONDS) : NULL,
                 *minute = second ? points_new(TRAFFIC_MINUTES) : NULL;
    if (!minute) {
        free(second);
        return NULL;
    }
    t->lanes += l == &t->lane[t->lanes];
    lane_done(l);
    *l = (struct lane){ .second = second, .minute = minute, .here = true };
    memcpy(l->name, name, strlen(name) + 1);
    return l;
}

static size_t last_of(const struct ring *r)
{
    return (size_t)((r->n - 1) % r->room);
}

static void end_minute(struct traffic *t)
{
    t->minutes.n++;
    size_t at = last_of(&t->minutes);
    t->minutes.at[at] = t->minute;
    for (size_t i = 0; i < t->lanes; i++) {
        struct lane *l = &t->lane[i];
        l->minute[at] = l->samples ? (struct point){ (float)(l->rx / l->samples), (float)(l->tx / l->samples) }
                                   : (struct point){ ABSENT, ABSENT };
        l->rx = l->tx = 0;
        l->samples = 0;
    }
}

/* The place of this second; the points of all lanes there are empty. */
static size_t next_second(struct traffic *t, int64_t unix_s)
{
    struct ring *r = &t->seconds;
    int64_t minute = unix_s - unix_s % 60, last = r->n ? r->at[last_of(r)] : 0;
    if (unix_s < last) /* the clock was set back: what lies ahead of it cannot be told apart from what comes */
        r->n = t->minutes.n = 0;
    else if (r->n && minute != t->minute)
        end_minute(t);
    t->minute = minute;
    r->n += unix_s != last || r->n == 0;
    r->at[last_of(r)] = unix_s;
    for (size_t i = 0; i < t->lanes; i++) {
        t->lane[i].second[last_of(r)] = (struct point){ ABSENT, ABSENT };
        t->lane[i].here = false;
    }
    return last_of(r);
}

void traffic_add(struct traffic *t, const struct netdevs *rates, int64_t unix_s)
{
    size_t at = next_second(t, unix_s);
    for (size_t i = 0; i < rates->n; i++) {
        struct lane *l = find(t, rates->dev[i].name);
        if (l)
            l->here = true;
    }
    for (size_t i = 0; i < rates->n; i++) {
        const struct netdev *d = &rates->dev[i];
        struct lane *l = find(t, d->name);
        if (!l && strcmp(d->name, "lo") != 0 && (d->rx || d->tx))
            l = open_lane(t, d->name);
        if (!l)
            continue;
        l->second[at] = (struct point){ (float)d->rx, (float)d->tx };
        l->rx += (double)d->rx;
        l->tx += (double)d->tx;
        l->samples++;
    }
}

static void point_json(struct out *o, int64_t unix_s, struct point p)
{
    if (p.rx < 0)
        return;
    out_list(o, NULL);
    out_i64(o, NULL, unix_s);
    out_u64(o, NULL, (uint64_t)p.rx);
    out_u64(o, NULL, (uint64_t)p.tx);
    out_list_end(o);
}

void traffic_json(struct out *o, const struct traffic *t, bool day, int64_t unix_s)
{
    const struct ring *r = day ? &t->minutes : &t->seconds;
    int64_t from = unix_s - (day ? TRAFFIC_MINUTES * 60 : TRAFFIC_SECONDS);
    uint64_t first = r->n > r->room ? r->n - r->room : 0;
    while (first < r->n && r->at[first % r->room] <= from)
        first++;
    out_u64(o, "step_s", day ? 60 : 1);
    out_object(o, "interfaces");
    for (size_t i = 0; i < t->lanes; i++) {
        const struct lane *l = &t->lane[i];
        out_list(o, l->name);
        for (uint64_t k = first; k < r->n; k++)
            point_json(o, r->at[k % r->room], (day ? l->minute : l->second)[k % r->room]);
        if (day && l->samples && t->minute > from) /* as far as it has come */
            point_json(o, t->minute, (struct point){ (float)(l->rx / l->samples), (float)(l->tx / l->samples) });
        out_list_end(o);
    }
    out_object_end(o);
}
