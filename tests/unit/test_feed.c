/* Events for many readers: each once, in order, again after a break, and an honest word when that cannot be.
 * Seen red with: a reader that keeps its place when the ring overtook it ("lost"), ids of another boot believed,
 * replay that begins with the event already seen. */
#include "daemon/feed.h"
#include "tap.h"

#include <stdlib.h>

/* In place of the server: keeps the stream it was given. */
struct http_request {
    struct http_stream stream;
    unsigned woken;
};

void http_stream(struct http_request *r, const char *type, const struct http_stream *stream)
{
    (void)type;
    r->stream = *stream;
}

void http_stream_wake(struct http_request *r)
{
    r->woken++;
}

static const char *read_all(struct http_request *r, size_t room)
{
    static char text[4096];
    size_t n = 0;
    for (ssize_t got; n + room < sizeof text && (got = r->stream.read(r->stream.ctx, text + n, room)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    return text;
}

static void push(struct feed *f, const char *data)
{
    struct out o = { 0 };
    out_fmt(&o, "%s", data);
    feed_push(f, "job", &o);
}

static void id_of(char *out, size_t room, const char *text)
{
    const char *id = strstr(text, "id: ");
    for (const char *next; id && (next = strstr(id + 1, "id: ")) != NULL;)
        id = next;
    snprintf(out, room, "%.*s", id ? (int)strcspn(id + 4, "\n") : 0, id ? id + 4 : "");
}

int main(void)
{
    struct hfp_err err = { 0 };
    struct feed *f = NULL;
    struct http_request a = { 0 }, b = { 0 }, c = { 0 };
    char id[64], first[64];
    CHECK(feed_new(&f, &err) == HFP_OK, "a feed");
    push(f, "{\"n\":1}");
    CHECK(feed_open(f, &a, NULL), "a reader");
    const char *text = read_all(&a, 7);
    CHECK(strstr(text, "event: hello\ndata: {\"version\"") && !strstr(text, "\"n\":1"),
          "it begins with what comes from now on");
    id_of(first, sizeof first, text);
    push(f, "{\"n\":2}");
    push(f, "{\"n\":3}");
    feed_flush(f);
    CHECK_U64(a.woken, 1, "woken once for all");
    text = read_all(&a, 5);
    CHECK(strstr(text, "event: job\ndata: {\"n\":2}\n\nid: ") && strstr(text, "data: {\"n\":3}\n\n"),
          "gets both, in order, in any portions");
    CHECK_STR(read_all(&a, 100), "", "each once");
    feed_flush(f);
    CHECK_U64(a.woken, 1, "sleeps when there is nothing");
    id_of(id, sizeof id, text);
    CHECK(feed_open(f, &b, first), "another comes back");
    text = read_all(&b, 100);
    CHECK(strstr(text, "\"n\":2") && strstr(text, "\"n\":3") && !strstr(text, "\"n\":1") && !strstr(text, "lost"),
          "and gets what it missed");
    b.stream.closed(b.stream.ctx);
    CHECK(feed_open(f, &b, id), "one that missed nothing");
    CHECK(!strstr(read_all(&b, 100), "event: job"), "gets nothing");
    static const char *const foreign[] = { "0000000000000000-1", "", "x", "-5" };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        CHECK(feed_open(f, &c, foreign[i]) && strstr(read_all(&c, 100), "event: lost\n"), "'%s' is told that it lost",
              foreign[i]);
        c.stream.closed(c.stream.ctx);
    }
    for (int i = 0; i < RING_EVENTS + 10; i++)
        push(f, "{\"n\":9}");
    CHECK(strstr(read_all(&b, 100), "event: lost\n"), "a reader that fell behind the ring as well");
    CHECK_STR(read_all(&b, 100), "", "and goes on from there");
    push(f, "{\"n\":10}");
    CHECK(strstr(read_all(&b, 100), "{\"n\":10}"), "with the next event");
    char some[10];
    push(f, "{\"n\":11}");
    CHECK(b.stream.read(b.stream.ctx, some, sizeof some) == sizeof some, "one that stopped within an event");
    for (int i = 0; i < RING_EVENTS + 10; i++)
        push(f, "{\"n\":12}");
    CHECK(b.stream.read(b.stream.ctx, some, sizeof some) == -1, "is ended: only a new stream is whole");
    uint64_t at = feed_turn(f, 1000);
    CHECK(at == 1000 + HEARTBEAT_NS, "a heartbeat is due");
    read_all(&a, 100);
    a.woken = 0;
    feed_turn(f, at);
    CHECK(a.woken == 1 && strcmp(read_all(&a, 100), ":\n\n") == 0, "and is a comment");
    a.stream.closed(a.stream.ctx);
    b.stream.closed(b.stream.ctx);
    CHECK(feed_readers(f) == 0 && feed_turn(f, at + HEARTBEAT_NS) == UINT64_MAX, "without readers nothing beats");
    struct http_request *many = calloc(READERS_MAX + 1, sizeof *many);
    bool all = true;
    for (unsigned i = 0; i < READERS_MAX; i++)
        all &= feed_open(f, &many[i], NULL);
    CHECK(all && !feed_open(f, &many[READERS_MAX], NULL), "so many readers and no more");
    for (unsigned i = 0; i < READERS_MAX; i++)
        many[i].stream.closed(many[i].stream.ctx);
    free(many);
    feed_free(f);
    return tap_end();
}
