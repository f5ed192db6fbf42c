#include "net/headers.h"

#include "base/auto.h"
#include "net/span.h"

#include <string.h>
#include <strings.h>

void headers_init(struct http_headers *h, int status)
{
    /* The large strings are emptied, not cleared: this runs for each of thousands of small files. */
    memset(h, 0, offsetof(struct http_headers, location));
    h->location[0] = h->link_next[0] = h->error_code[0] = h->error_message[0] = 0;
    h->request_id[0] = h->server[0] = h->xet_hash[0] = h->xet_token_url[0] = 0;
    h->xet_token_link = false;
    h->status = status;
    h->content_length = h->linked_size = h->retry_after_s = UINT64_MAX;
    h->date_unix_s = h->retry_at_unix_s = 0;
    h->limit = (struct rate_limit){ 0 };
}

/* One line on its way into the answer. */
struct line {
    struct span value;
    size_t n;       /* of the value */
    int64_t unix_s; /* our clock */
};

static void length_void(struct http_headers *h)
{
    h->length_void = true;
    h->content_length = UINT64_MAX;
}

static void read_length(struct http_headers *h, const struct line *l)
{
    uint64_t length;
    if (h->length_void || !number_read(&length, l->value.at, l->n))
        return;
    if (h->content_length != UINT64_MAX && h->content_length != length)
        length_void(h);
    else
        h->content_length = length;
}

static void read_transfer_encoding(struct http_headers *h, const struct line *l)
{
    (void)l; /* whatever it is, a length says nothing any more */
    length_void(h);
}

static void read_range(struct http_headers *h, const struct line *l)
{
    content_range_read(&h->range, l->value.at, l->n);
}

/* Each line and each word of it is one more packing; libcurl undoes them all, we take one. */
static void read_encoding(struct http_headers *h, const struct line *l)
{
    if (l->n == 0 || span_is(l->value, "identity"))
        return;
    h->gzip = !h->encoded && span_is(l->value, "gzip");
    h->encoded = true;
}

static void read_type(struct http_headers *h, const struct line *l)
{
    h->html = l->n >= 9 && strncasecmp(l->value.at, "text/html", 9) == 0;
}

static void read_etag(struct http_headers *h, const struct line *l)
{
    etag_normalise(h->etag, sizeof h->etag, l->value.at, l->n);
}

static void read_linked_etag(struct http_headers *h, const struct line *l)
{
    etag_normalise(h->linked_etag, sizeof h->linked_etag, l->value.at, l->n);
}

static void read_linked_size(struct http_headers *h, const struct line *l)
{
    number_read(&h->linked_size, l->value.at, l->n);
}

static void read_link(struct http_headers *h, const struct line *l)
{
    const char *text = l->value.at;
    h->link_void |= !link_next_read(h->link_next, sizeof h->link_next, text, l->n) && link_has(text, l->n, "next");
    h->xet_token_link |= link_read(h->xet_token_url, sizeof h->xet_token_url, text, l->n, "xet-auth");
}

/* The date form means the server's clock, so its own Date is the better zero; the two may come in either order. */
static void read_retry_after(struct http_headers *h, const struct line *l)
{
    uint64_t seconds;
    int64_t at;
    if (!retry_after_read(&seconds, l->value.at, l->n, h->date_unix_s ? h->date_unix_s : l->unix_s))
        return;
    h->retry_after_s = seconds;
    h->retry_at_unix_s = http_date_read(&at, l->value.at, l->n) ? at : 0;
}

static void read_date(struct http_headers *h, const struct line *l)
{
    if (!http_date_read(&h->date_unix_s, l->value.at, l->n) || !h->retry_at_unix_s)
        return;
    int64_t wait_s = h->retry_at_unix_s - h->date_unix_s;
    h->retry_after_s = wait_s > 0 ? (uint64_t)wait_s : 0;
}

static void read_rate_limit(struct http_headers *h, const struct line *l)
{
    rate_limit_read(&h->limit, l->value.at, l->n);
}

static void read_rate_policy(struct http_headers *h, const struct line *l)
{
    rate_policy_read(&h->limit, l->value.at, l->n);
}

/* The Hub's own id is the one its people ask for; this one only where there is none. */
static void read_other_id(struct http_headers *h, const struct line *l)
{
    if (!h->request_id[0])
        text_copy(h->request_id, sizeof h->request_id, l->value);
}

/* A malformed one has been seen on the Hub (xet-core issue 895). */
static void read_xet_hash(struct http_headers *h, const struct line *l)
{
    bool hex = l->n == sizeof h->xet_hash - 1;
    for (size_t i = 0; hex && i < l->n; i++)
        hex = strchr("0123456789abcdefABCDEF", l->value.at[i]) && l->value.at[i];
    if (!hex || !exact_copy(h->xet_hash, sizeof h->xet_hash, l->value))
        h->xet_hash[0] = 0;
}

static void read_xet_route(struct http_headers *h, const struct line *l)
{
    if (!h->xet_token_link)
        exact_copy(h->xet_token_url, sizeof h->xet_token_url, l->value);
}

/* Where a value goes that needs no reader of its own. */
struct field {
    size_t at, bytes;
};
#define FIELD(name)                                                                                                    \
    {                                                                                                                  \
        offsetof(struct http_headers, name), sizeof((struct http_headers *)NULL)->name                                 \
    }

static const struct {
    const char *name;
    void (*read)(struct http_headers *h, const struct line *l);
    struct field exact, text; /* instead of a reader: by exact_copy(), by text_copy() */
} rows[] = {
    { "Content-Length", .read = read_length },
    { "Transfer-Encoding", .read = read_transfer_encoding },
    { "Content-Range", .read = read_range },
    { "Content-Encoding", .read = read_encoding },
    { "Content-Type", .read = read_type },
    { "ETag", .read = read_etag },
    { "X-Linked-Etag", .read = read_linked_etag },
    { "X-Linked-Size", .read = read_linked_size },
    { "X-Repo-Commit", .exact = FIELD(commit) },
    { "Location", .exact = FIELD(location) },
    { "Link", .read = read_link },
    { "X-Error-Code", .text = FIELD(error_code) },
    { "X-Error-Message", .text = FIELD(error_message) },
    { "Retry-After", .read = read_retry_after },
    { "Date", .read = read_date },
    { "RateLimit", .read = read_rate_limit },
    { "RateLimit-Policy", .read = read_rate_policy },
    { "X-Request-Id", .text = FIELD(request_id) },
    { "X-Amzn-Trace-Id", .read = read_other_id },
    { "X-Amz-Cf-Id", .read = read_other_id },
    { "Server", .text = FIELD(server) },
    { "X-Xet-Hash", .read = read_xet_hash },
    { "X-Xet-Refresh-Route", .read = read_xet_route },
};

void headers_line(struct http_headers *h, const char *line, size_t n, int64_t unix_s)
{
    const char *colon = memchr(line, ':', n);
    if (!colon)
        return;
    struct span name = { line, colon };
    struct line l = { .value = span_trim(colon + 1, n - (size_t)(colon + 1 - line)), .unix_s = unix_s };
    l.n = (size_t)(l.value.end - l.value.at);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!span_is(name, rows[i].name))
            continue;
        if (rows[i].read)
            rows[i].read(h, &l);
        else if (rows[i].exact.bytes)
            exact_copy((char *)h + rows[i].exact.at, rows[i].exact.bytes, l.value);
        else
            text_copy((char *)h + rows[i].text.at, rows[i].text.bytes, l.value);
        return;
    }
}
