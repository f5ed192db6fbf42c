#include "daemon/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct reader {
    struct reader *next, **at;
    struct feed *feed;
    struct http_request *request;
    uint64_t seq; /* the next event it gets */
    size_t sent;  /* of the text under way */
    char *first;  /* what comes before any event: hello, lost, a heartbeat; or NULL */
    size_t first_n;
};

struct event {
    char *text;
    size_t n;
};

struct feed {
    char boot[17];
    struct event ring[RING_EVENTS];
    uint64_t begin, end; /* numbers of the first that is here and of the next to come */
    size_t bytes;
    struct reader *readers;
    unsigned count;
    uint64_t beat_ns;
};

int feed_new(struct feed **out, struct hfp_err *err)
{
    struct feed *f = calloc(1, sizeof *f);
    uint64_t random = 0;
    if (!f)
        return fault_nomem(err);
    if (getrandom(&random, sizeof random, 0) != sizeof random) {
        free(f);
        return fault(err, HFP_E_INTERNAL, "the kernel gives no random bytes.");
    }
    snprintf(f->boot, sizeof f->boot, "%016" PRIx64, random);
    f->begin = f->end = 1;
    *out = f;
    return HFP_OK;
}

static void drop_first(struct feed *f)
{
    struct event *e = &f->ring[f->begin++ % RING_EVENTS];
    f->bytes -= e->n;
    free(e->text);
    *e = (struct event){ 0 };
}

void feed_free(struct feed *f)
{
    while (f && f->begin < f->end)
        drop_first(f);
    free(f);
}

void feed_push(struct feed *f, const char *type, struct out *o)
{
    struct out text = { 0 };
    char *json = out_take(o, NULL);
    if (json)
        out_fmt(&text, "id: %s-%" PRIu64 "\nevent: %s\ndata: %s\n\n", f->boot, f->end, type, json);
    free(json);
    struct event e = { 0 };
    e.text = out_take(&text, &e.n);
    if (!e.text) { /* out of memory: the number is skipped, and who replays loads anew */
        while (f->begin < f->end)
            drop_first(f);
        f->begin = ++f->end;
        return;
    }
    while (f->begin < f->end && (f->end - f->begin >= RING_EVENTS || f->bytes + e.n > RING_BYTES))
        drop_first(f);
    f->ring[f->end++ % RING_EVENTS] = e;
    f->bytes += e.n;
}

static void say_first(struct reader *r, struct out *o)
{
    free(r->first);
    r->first = out_take(o, &r->first_n);
    r->sent = 0;
}

/* The reader fell behind the ring, or comes from another boot. */
static void say_lost(struct reader *r)
{
    struct out o = { 0 };
    r->seq = r->feed->end;
    out_fmt(&o, "id: %s-%" PRIu64 "\nevent: lost\ndata: {}\n\n", r->feed->boot, r->feed->end - 1);
    say_first(r, &o);
}

static ssize_t read_next(void *ctx, char *buf, size_t room)
{
    struct reader *r = ctx;
    struct feed *f = r->feed;
    size_t n = 0;
    while (n < room) {
        if (!r->first && r->seq < f->begin && r->sent > 0)
            return n > 0 ? (ssize_t)n : -1; /* cut within an event: only a new stream can mend that */
        if (!r->first && r->seq < f->begin)
            say_lost(r);
        const struct event *e = r->seq < f->end ? &f->ring[r->seq % RING_EVENTS] : NULL;
        const char *text = r->first ? r->first : e ? e->text : NULL;
        if (!text)
            break;
        size_t whole = r->first ? r->first_n : e->n;
        size_t part = whole - r->sent < room - n ? whole - r->sent : room - n;
        memcpy(buf + n, text + r->sent, part);
        n += part;
        r->sent += part;
        if (r->sent < whole)
            break;
        r->sent = 0;
        if (r->first) {
            free(r->first);
            r->first = NULL;
        } else {
            r->seq++;
        }
    }
    return (ssize_t)n;
}

static void closed(void *ctx)
{
    struct reader *r = ctx;
    *r->at = r->next;
    if (r->next)
        r->next->at = r->at;
    r->feed->count--;
    free(r->first);
    free(r);
}

/* An id of ours: "boot-number". */
static bool parse_id(const struct feed *f, uint64_t *seq, const char *id)
{
    size_t n = strlen(f->boot);
    if (strncmp(id, f->boot, n) != 0 || id[n] != '-')
        return false;
    const char *digits = id + n + 1;
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > 18 || digits[len])
        return false;
    *seq = strtoull(digits, NULL, 10);
    return true;
}

bool feed_open(struct feed *f, struct http_request *request, const char *after)
{
    struct reader *r = f->count < READERS_MAX ? calloc(1, sizeof *r) : NULL;
    struct out o = { 0 };
    uint64_t seq = 0;
    if (!r)
        return false;
    *r = (struct reader){ .next = f->readers, .at = &f->readers, .feed = f, .request = request, .seq = f->end };
    if (r->next)
        r->next->at = &r->next;
    f->readers = r;
    f->count++;
    bool replay = after && parse_id(f, &seq, after) && seq + 1 >= f->begin && seq < f->end;
    if (replay)
        r->seq = seq + 1;
    /* hello has the id after which this reader goes on, so that one that leaves at once can come back. */
    out_fmt(&o, "id: %s-%" PRIu64 "\nevent: hello\ndata: {\"version\":\"" HFP_VERSION "\",\"boot\":\"%s\"}\n\n",
            f->boot, r->seq - 1, f->boot);
    if (after && !replay)
        out_fmt(&o, "id: %s-%" PRIu64 "\nevent: lost\ndata: {}\n\n", f->boot, r->seq - 1);
    say_first(r, &o);
    const struct http_stream stream = { .read = read_next, .closed = closed, .ctx = r };
    http_stream(request, "text/event-stream", &stream);
    return true;
}

void feed_flush(struct feed *f)
{
    for (struct reader *r = f->readers; r; r = r->next)
        if (r->first || r->seq < f->end)
            http_stream_wake(r->request);
}

uint64_t feed_turn(struct feed *f, uint64_t now_ns)
{
    if (!f->readers) {
        f->beat_ns = 0;
        return UINT64_MAX;
    }
    if (f->beat_ns == 0)
        f->beat_ns = now_ns + HEARTBEAT_NS;
    if (now_ns < f->beat_ns)
        return f->beat_ns;
    f->beat_ns = now_ns + HEARTBEAT_NS;
    for (struct reader *r = f->readers; r; r = r->next) {
        struct out o = { 0 };
        if (r->first || r->seq < f->end)
            continue; /* it has something to read already */
        out_put(&o, ":\n\n", 3);
        say_first(r, &o);
        http_stream_wake(r->request);
    }
    return f->beat_ns;
}

unsigned feed_readers(const struct feed *f)
{
    return f->count;
}

uint64_t feed_events(const struct feed *f)
{
    return f->end - 1;
}
