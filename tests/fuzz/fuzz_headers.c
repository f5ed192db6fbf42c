/* The header lines of an answer, and the verdict on it. The first line of the input is the status, each further one a
 * header. Numbers stay in bounds, texts in their fields and without control characters; the line's end and the case of
 * the name make no difference; and the sentence that a person gets cannot steer the terminal. */
#include "fuzz.h"

#include "base/clock.h"
#include "net/hosts.h"
#include "net/span.h"
#include "resolve/answers.h"

#include <ctype.h>
#include <time.h>

#define LINES_MAX 64
#define NOW_UNIX_S 1800000000
#define NOW_NS (1000 * NS_PER_S)
#define YEAR_10000_UNIX_S 253402300800

static void range_must_hold(const struct content_range *r)
{
    char text[96], total[24] = "*";
    struct content_range again = { 0 };
    if (!r->present)
        return;
    MUST(r->first <= r->last && r->last <= INT64_MAX && r->total <= INT64_MAX, "a range fits a file");
    MUST(!r->unsatisfied || (r->total_known && r->first == 0 && r->last == 0), "\"*\" has only a total");
    MUST(r->unsatisfied || !r->total_known || r->last < r->total, "a range lies in its file");
    if (r->total_known)
        snprintf(total, sizeof total, "%llu", (unsigned long long)r->total);
    if (r->unsatisfied)
        snprintf(text, sizeof text, "bytes */%s", total);
    else
        snprintf(text, sizeof text, "bytes %llu-%llu/%s", (unsigned long long)r->first, (unsigned long long)r->last,
                 total);
    MUST(content_range_read(&again, text, strlen(text)) && again.first == r->first && again.last == r->last &&
             again.total == r->total && again.total_known == r->total_known && again.unsatisfied == r->unsatisfied,
         "a range written out is read again");
}

static void date_must_hold(int64_t unix_s)
{
    char text[40];
    struct tm tm;
    int64_t again = 0;
    MUST(unix_s >= 0, "no date before the clock began");
    if (unix_s >= YEAR_10000_UNIX_S)
        return;
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&(time_t){ unix_s }, &tm));
    MUST(http_date_read(&again, text, strlen(text)) && again == unix_s, "a date written out is read again");
}

static void text_must_hold(const char *text, size_t room)
{
    MUST(memchr(text, 0, room) != NULL, "a text ends in its field");
    MUST(!has_controls(text), "no text has control characters");
}

static void headers_must_hold(const struct http_headers *h)
{
    const uint64_t counts[] = { h->content_length, h->linked_size,    h->limit.remaining, h->limit.reset_s,
                                h->limit.quota,    h->limit.window_s, h->retry_after_s };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        MUST(counts[i] == UINT64_MAX || counts[i] <= INT64_MAX, "numbers are absent or within off_t");
    MUST(!h->length_void || h->content_length == UINT64_MAX, "a void length is absent");
    range_must_hold(&h->range);
    date_must_hold(h->date_unix_s);
    date_must_hold(h->retry_at_unix_s);
    text_must_hold(h->etag, sizeof h->etag);
    text_must_hold(h->linked_etag, sizeof h->linked_etag);
    text_must_hold(h->commit, sizeof h->commit);
    text_must_hold(h->location, sizeof h->location);
    text_must_hold(h->link_next, sizeof h->link_next);
    text_must_hold(h->error_code, sizeof h->error_code);
    text_must_hold(h->error_message, sizeof h->error_message);
    text_must_hold(h->request_id, sizeof h->request_id);
    text_must_hold(h->server, sizeof h->server);
    text_must_hold(h->xet_hash, sizeof h->xet_hash);
    text_must_hold(h->xet_token_url, sizeof h->xet_token_url);
    MUST(!h->xet_hash[0] || strspn(h->xet_hash, "0123456789abcdefABCDEF") == 64, "a Xet hash is one, or absent");
    MUST(!h->gzip || h->encoded, "gzip is a packing");
    size_t n = strlen(h->etag);
    MUST(n == 0 || (h->etag[0] != '"' && h->etag[n - 1] != '"'), "an ETag has no quotes around it");
}

static void must_be_same(const struct http_headers *a, const struct http_headers *b)
{
    MUST(a->content_length == b->content_length && a->length_void == b->length_void && a->encoded == b->encoded &&
             a->gzip == b->gzip && a->html == b->html && a->link_void == b->link_void &&
             a->linked_size == b->linked_size && a->range.present == b->range.present &&
             a->range.first == b->range.first && a->range.last == b->range.last && a->range.total == b->range.total &&
             a->retry_after_s == b->retry_after_s && a->date_unix_s == b->date_unix_s &&
             a->limit.present == b->limit.present && a->limit.remaining == b->limit.remaining &&
             a->limit.reset_s == b->limit.reset_s && a->limit.quota == b->limit.quota,
         "line ends and the case of names change no number");
    MUST(strcmp(a->etag, b->etag) == 0 && strcmp(a->linked_etag, b->linked_etag) == 0 &&
             strcmp(a->commit, b->commit) == 0 && strcmp(a->location, b->location) == 0 &&
             strcmp(a->link_next, b->link_next) == 0 && strcmp(a->error_code, b->error_code) == 0 &&
             strcmp(a->error_message, b->error_message) == 0 && strcmp(a->request_id, b->request_id) == 0 &&
             strcmp(a->server, b->server) == 0 && strcmp(a->xet_hash, b->xet_hash) == 0 &&
             strcmp(a->xet_token_url, b->xet_token_url) == 0,
         "line ends and the case of names change no text");
}

/* The same line in capitals up to the colon, and with CRLF, as libcurl hands it over. */
static void line_in_capitals(struct http_headers *h, const uint8_t *line, size_t n)
{
    AUTO_FREE char *other = malloc(n + 2);
    MUST(other != NULL, "memory for a line");
    bool in_name = true;
    for (size_t i = 0; i < n; i++) {
        in_name = in_name && line[i] != ':';
        other[i] = (char)(in_name ? toupper(line[i]) : line[i]);
    }
    memcpy(other + n, "\r\n", 2);
    headers_line(h, other, n + 2, NOW_UNIX_S);
}

static void verdicts_must_hold(const struct http_headers *h, bool with_token)
{
    struct answer_context c = { .repo = "org/name",
                                .revision = "main",
                                .path = with_token ? "a/b" : NULL,
                                .page_url = "https://huggingface.co/org/name",
                                .with_token = with_token };
    for (int who = 0; who < 3; who++) {
        struct hfp_err err = { 0 };
        int rc = who == 0   ? answer_verdict(h, &c, &err)
                 : who == 1 ? answer_cdn_verdict(h, "cdn.example.org", &err)
                            : answer_cas_verdict(h, "cas.example.org", &err);
        if (rc == HFP_OK) {
            MUST(h->status == 200 || h->status == 206, "only 200 and 206 are good");
            continue;
        }
        must_be_told(rc, &err);
        MUST(!has_controls(err.message), "no server's words steer a terminal");
    }
}

static void gate_must_hold(const struct http_headers *h)
{
    struct hosts *hosts = NULL;
    MUST(hosts_new(&hosts, NULL, HFP_ANY_FAMILY, NULL) == HFP_OK, "memory for hosts");
    hosts_answered(hosts, "h:443", h, NOW_NS);
    hosts_sent(hosts, "h:443", NOW_NS);
    uint64_t at_ns = hosts_not_before(hosts, "h:443", NOW_NS);
    MUST(at_ns >= NOW_NS && at_ns <= NOW_NS + HOST_GATE_MAX_NS, "no server makes us wait for more than the limit");
    hosts_free(hosts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_headers h, other; /* 17 KB each */
    struct input in = { data, size };
    AUTO_FREE char *first = input_line(&in);
    uint64_t status = 200;
    number_read(&status, first, strlen(first));
    headers_init(&h, (int)(status % 1000));
    headers_init(&other, h.status);
    for (int i = 0; i < LINES_MAX && in.n; i++) {
        const uint8_t *feed = memchr(in.at, '\n', in.n);
        size_t n = feed ? (size_t)(feed - in.at) : in.n;
        char *line = malloc(MAX(n, 1));
        MUST(line != NULL, "memory for a line");
        memcpy(line, in.at, n);
        headers_line(&h, line, n, NOW_UNIX_S);
        free(line);
        line_in_capitals(&other, in.at, n);
        in.at += n + (feed != NULL);
        in.n -= n + (feed != NULL);
    }
    headers_must_hold(&h);
    must_be_same(&h, &other);
    verdicts_must_hold(&h, first[0] % 2);
    gate_must_hold(&h);
    return 0;
}
