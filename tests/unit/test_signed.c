/* Signed parts: a range of some larger object behind a URL that its owner renews (fetch_spec.is_signed).
 *
 * Seen red on purpose: the token sent because the origin is the Hub's; base left out of the Range header; a total that is
 * compared; the owner not told that the URL is refused; the whole part asked for and its first bytes not skipped; a 200
 * with the whole object taken for the part. */
#include "tap.h"
#include "transfer_world.h"

#define OBJECT (70 * MB)
#define BASE (3 * MB + 12345)
#define SIZE (40 * MB + 77)

/* An honest server of signed parts. */
static void serve_part(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    struct tw_file *f = tw_file_of(w, strstr(r->url, "f0") ? "/f0.bin" : "/f1.bin");
    a->seed = f->seed;
    a->bytes_per_s = 20 * MB;
    fh_answer_file(a, r, f->object);
    TW_EXPECT(r->ranged, "a signed part was asked for without a Range");
    TW_EXPECT(!r->token, "a token went to a signed URL");
    TW_EXPECT(r->first >= f->base && r->last < f->base + f->size, "bytes outside the signed range were asked for");
}

static bool is_whole(const struct world *w, const struct http_request *r)
{
    return r->first == w->file[0].base && r->last == w->file[0].base + w->file[0].size - 1;
}

/* Refuses all that is less than the whole part. */
static void serve_no_less(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    if (!is_whole(w, r))
        fh_answer_text(a, 403, "invalid range");
    else if (w->param++ == 0)
        a->cut_at = 7 * MB; /* and dies once on the way */
}

/* Each URL serves four requests. */
static void serve_expiring(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    const char *sig = strstr(r->url, "sig=");
    if (w->number > 4 * (strtoull(sig + 4, NULL, 10) + 1))
        fh_answer_text(a, 403, "expired");
}

static void serve_never(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    fh_answer_text(a, 403, "not signed for this");
}

/* As the official local CAS server answers to v1 URLs. */
static void serve_bare(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    a->h.status = 200;
    a->h.range.present = false;
}

static void serve_object(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    fh_answer_whole(a, w->file[0].object);
}

static bool all_came(const struct tw_file *f)
{
    for (uint64_t b = 0; b < blocks_up(f->size); b++)
        if (f->delivered[b] != 1)
            return false;
    return true;
}

/* The first connection falls silent; what comes after it is refused, until the URL is renewed. */
static void serve_silent(struct world *w, const struct http_request *r, struct fh_answer *a)
{
    serve_part(w, r, a);
    if (w->number == 1)
        a->stall_at = MB;
    else if (w->param > 0 && strstr(r->url, "sig=0"))
        fh_answer_text(a, 403, "expired");
    a->stall_ns = FH_NEVER;
}

static void silent(bool held)
{
    struct world w;
    tw_begin(&w, serve_silent, (struct tw_options){ .seed = 1 });
    w.param = !held;
    struct tw_file *f = tw_add_signed(&w, BASE, SIZE, OBJECT);
    tw_run(&w, 1);
    fetch_hold(f->fetch, held);
    tw_run(&w, 1);
    uint64_t number = w.number;
    tw_run(&w, 20);
    CHECK(f->expired == !held && w.number == number,
          "%s: nothing is asked for, also where a connection is silent: %llu",
          held ? "its owner takes no block" : "a URL is refused, and none is there instead",
          (unsigned long long)(w.number - number));
    fetch_hold(f->fetch, false);
    if (!held)
        fetch_relocate(f->fetch, CDN "/f0.bin?sig=1", false);
    for (unsigned s = 0; s < 100 && !tw_done(&w); s++)
        tw_run(&w, 1);
    CHECK(tw_done(&w) && all_came(f) && !f->failed, "and then it comes %s", w.fault);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
}

/* Runs; renews the URL as often as it is refused, at most `most` times. */
static bool run_renewing(struct world *w, struct tw_file *f, unsigned most, bool whole)
{
    unsigned renewed = 0;
    for (unsigned s = 0; s < 600 && !tw_done(w); s++) {
        tw_run(w, 0.25);
        if (f->expired > renewed && renewed < most) {
            char url[96];
            renewed = f->expired;
            snprintf(url, sizeof url, CDN "/%s?sig=%llu", f->path, (unsigned long long)w->number / 4 + 1);
            fetch_relocate(f->fetch, url, whole);
        }
    }
    return tw_done(w);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*serve)(struct world *, const struct http_request *, struct fh_answer *);
        bool whole;
        unsigned most;
    } rows[] = {
        { "an honest server", serve_part, false, 0 },
        { "a URL that expires is renewed by its owner, nothing is lost", serve_expiring, false, 1000 },
        { "a server that refuses less than the whole part gets asked for the whole", serve_no_less, true, 1000 },
        { "a 200 that is exactly the part counts as the part", serve_bare, false, 0 },
        { "a 200 with the whole object is told from the part, and used when nothing else comes", serve_object, false,
          0 },
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        tw_begin(&w, rows[i].serve, (struct tw_options){ .seed = i });
        struct tw_file *f = tw_add_signed(&w, BASE, SIZE, OBJECT);
        bool done = run_renewing(&w, f, rows[i].most, rows[i].whole);
        CHECK(done && all_came(f) && !f->failed, "%s: %u renewals %s", rows[i].name, f->expired, w.fault);
        CHECK(group_stats(w.group[0].group)->received_bytes == SIZE, "%s: received once", rows[i].name);
        CHECK(tw_end(&w), "%s: nothing is left over %s", rows[i].name, w.fault);
    }
    struct world w;
    tw_begin(&w, serve_never, (struct tw_options){ 0 });
    struct tw_file *f = tw_add_signed(&w, BASE, SIZE, OBJECT);
    run_renewing(&w, f, 1, false);
    CHECK(f->expired == 2 && f->unserved == 2 && w.number < 40,
          "a refused URL is told to its owner and left alone: %u, %llu", f->expired, (unsigned long long)w.number);
    CHECK(strstr(f->error.message, "403") != NULL, "with the server's answer: %s", f->error.message);
    CHECK(tw_end(&w), "nothing is left over %s", w.fault);
    silent(false);
    silent(true);
    return tap_end();
}
