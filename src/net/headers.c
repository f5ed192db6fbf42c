#include "net/headers.h"
#include "net/span.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* The longest form, "Wednesday, 06-Nov-94 08:49:37 GMT", has 33 characters. */
#define DATE_MAX 40

bool content_range_read(struct content_range *out, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    struct content_range range = { .present = true };
    if (s.end - s.at < 6 || strncasecmp(s.at, "bytes", 5) != 0 || !is_blank(s.at[5]))
        return false;
    s = span_trim(s.at + 5, (size_t)(s.end - s.at - 5));
    range.unsatisfied = span_char(&s, '*');
    if (!range.unsatisfied && (!span_number(&s, &range.first) || !span_char(&s, '-') || !span_number(&s, &range.last)))
        return false;
    if (!span_char(&s, '/'))
        return false;
    if (!(span_char(&s, '*') && !range.unsatisfied)) {
        if (!span_number(&s, &range.total))
            return false;
        range.total_known = true;
    }
    if (s.at != s.end || range.first > range.last)
        return false;
    if (!range.unsatisfied && range.total_known && range.last >= range.total)
        return false;
    *out = range;
    return true;
}

/* The end of a list element or parameter: the next of stops outside quotes and angle brackets, or the end. */
static const char *element_end(const char *p, const char *end, const char *stops)
{
    bool quoted = false, angled = false;
    for (; p < end; p++) {
        if (quoted && *p == '\\' && p + 1 < end)
            p++;
        else if (*p == '"' && !angled)
            quoted = !quoted;
        else if (!quoted && (*p == '<' || *p == '>'))
            angled = *p == '<';
        else if (!quoted && !angled && strchr(stops, *p) && *p)
            break;
    }
    return p;
}

/* The next ';' parameter of an element: key and value (quotes taken off). The element's head counts as one without
 * value. False at the end. */
static bool param_next(struct span *s, struct span *key, struct span *value)
{
    if (s->at >= s->end)
        return false;
    const char *end = element_end(s->at, s->end, ";");
    const char *equals = element_end(s->at, end, "=");
    *key = span_trim(s->at, (size_t)(equals - s->at));
    *value = equals < end ? span_trim(equals + 1, (size_t)(end - equals - 1)) : (struct span){ end, end };
    if (value->end - value->at >= 2 && *value->at == '"' && value->end[-1] == '"') {
        value->at++;
        value->end--;
    }
    s->at = end < s->end ? end + 1 : end;
    return true;
}

/* rel may hold several words (RFC 8288 3.3). */
static bool rel_has(struct span rel, const char *name)
{
    while (rel.at < rel.end) {
        while (rel.at < rel.end && is_blank(*rel.at))
            rel.at++;
        const char *end = rel.at;
        while (end < rel.end && !is_blank(*end))
            end++;
        if (span_is((struct span){ rel.at, end }, name))
            return true;
        rel.at = end;
    }
    return false;
}

static bool link_find(struct span *out, const char *value, size_t n, const char *rel)
{
    struct span list = span_trim(value, n);
    while (list.at < list.end) {
        const char *end = element_end(list.at, list.end, ",");
        struct span element = span_trim(list.at, (size_t)(end - list.at));
        list.at = end < list.end ? end + 1 : end;
        const char *close =
            element.at < element.end ? memchr(element.at, '>', (size_t)(element.end - element.at)) : NULL;
        if (!close || *element.at != '<')
            continue;
        struct span target = { element.at + 1, close }, params = { close + 1, element.end }, key, word;
        while (param_next(&params, &key, &word))
            if (span_is(key, "rel") && rel_has(word, rel)) {
                *out = target;
                return true;
            }
    }
    return false;
}

bool link_read(char *out, size_t out_size, const char *value, size_t n, const char *rel)
{
    struct span target;
    return link_find(&target, value, n, rel) && target.at < target.end && exact_copy(out, out_size, target);
}

bool link_next_read(char *out, size_t out_size, const char *value, size_t n)
{
    return link_read(out, out_size, value, n, "next");
}

/* Number parameters of the first list element; the draft lets a server send one element per policy, the Hub sends one
 * (docs/hub/rate-limits: "api";r=..;t=.. and "fixed window";"api";q=..;w=..). False: first_key is absent. */
static bool limits_read(const char *text, size_t n, const char *first_key, uint64_t *first, const char *second_key,
                        uint64_t *second)
{
    struct span s = span_trim(text, n), key, value;
    s.end = element_end(s.at, s.end, ",");
    uint64_t a = 0, b = 0;
    bool found = false;
    while (param_next(&s, &key, &value)) {
        size_t len = (size_t)(value.end - value.at);
        if (span_is(key, first_key))
            found = number_read(&a, value.at, len);
        else if (span_is(key, second_key) && !number_read(&b, value.at, len))
            return false;
    }
    if (!found)
        return false;
    *first = a;
    *second = b;
    return true;
}

bool rate_limit_read(struct rate_limit *out, const char *value, size_t n)
{
    if (!limits_read(value, n, "r", &out->remaining, "t", &out->reset_s))
        return false;
    out->present = true;
    return true;
}

bool rate_policy_read(struct rate_limit *out, const char *value, size_t n)
{
    return limits_read(value, n, "q", &out->quota, "w", &out->window_s);
}

/* As huggingface_hub does it: leading 'W' and '/' off, then quotes off both ends. */
void etag_normalise(char *out, size_t out_size, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    while (s.at < s.end && (*s.at == 'W' || *s.at == '/'))
        s.at++;
    while (s.at < s.end && *s.at == '"')
        s.at++;
    while (s.end > s.at && s.end[-1] == '"')
        s.end--;
    if (!exact_copy(out, out_size, s))
        out[0] = 0;
}

bool http_date_read(int64_t *out_unix_s, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    char text[DATE_MAX];
    /* curl_getdate() reads all three forms of RFC 9110 5.6.7 and more; a bare number must not pass for a date. */
    if (!exact_copy(text, sizeof text, s) || !strchr(text, ':'))
        return false;
    time_t t = curl_getdate(text, NULL);
    if (t < 0)
        return false;
    *out_unix_s = t;
    return true;
}

bool retry_after_read(uint64_t *out_s, const char *value, size_t n, int64_t now_unix_s)
{
    int64_t at;
    if (number_read(out_s, value, n))
        return true;
    if (!http_date_read(&at, value, n))
        return false;
    *out_s = at > now_unix_s ? (uint64_t)(at - now_unix_s) : 0;
    return true;
}

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

static void length_void(struct http_headers *h)
{
    h->length_void = true;
    h->content_length = UINT64_MAX;
}

static void read_length(struct http_headers *h, struct span value)
{
    uint64_t length;
    if (h->length_void || !number_read(&length, value.at, (size_t)(value.end - value.at)))
        return;
    if (h->content_length != UINT64_MAX && h->content_length != length)
        length_void(h);
    else
        h->content_length = length;
}

/* The date form means the server's clock, so its own Date is the better zero; the two may come in either order. */
static void read_retry_after(struct http_headers *h, struct span value, int64_t unix_s)
{
    size_t n = (size_t)(value.end - value.at);
    uint64_t seconds;
    int64_t at;
    if (!retry_after_read(&seconds, value.at, n, h->date_unix_s ? h->date_unix_s : unix_s))
        return;
    h->retry_after_s = seconds;
    h->retry_at_unix_s = http_date_read(&at, value.at, n) ? at : 0;
}

static void read_date(struct http_headers *h, struct span value)
{
    if (!http_date_read(&h->date_unix_s, value.at, (size_t)(value.end - value.at)) || !h->retry_at_unix_s)
        return;
    int64_t wait_s = h->retry_at_unix_s - h->date_unix_s;
    h->retry_after_s = wait_s > 0 ? (uint64_t)wait_s : 0;
}

/* Each line and each word of it is one more packing; libcurl undoes them all, we take one. */
static void read_encoding(struct http_headers *h, struct span value)
{
    if (value.at == value.end || span_is(value, "identity"))
        return;
    h->gzip = !h->encoded && span_is(value, "gzip");
    h->encoded = true;
}

/* A malformed one has been seen on the Hub (xet-core issue 895). */
static void read_xet_hash(struct http_headers *h, struct span value)
{
    size_t n = (size_t)(value.end - value.at);
    bool hex = n == sizeof h->xet_hash - 1;
    for (size_t i = 0; hex && i < n; i++)
        hex = strchr("0123456789abcdefABCDEF", value.at[i]) && value.at[i];
    if (!hex || !exact_copy(h->xet_hash, sizeof h->xet_hash, value))
        h->xet_hash[0] = 0;
}

enum header_name {
    H_CONTENT_LENGTH,
    H_TRANSFER_ENCODING,
    H_CONTENT_RANGE,
    H_CONTENT_ENCODING,
    H_CONTENT_TYPE,
    H_ETAG,
    H_LINKED_ETAG,
    H_LINKED_SIZE,
    H_COMMIT,
    H_LOCATION,
    H_LINK,
    H_ERROR_CODE,
    H_ERROR_MESSAGE,
    H_RETRY_AFTER,
    H_DATE,
    H_RATE_LIMIT,
    H_RATE_POLICY,
    H_REQUEST_ID,
    H_AMZN_TRACE_ID,
    H_AMZ_CF_ID,
    H_SERVER,
    H_XET_HASH,
    H_XET_ROUTE,
    H_NAMES
};

static const char *const header_names[H_NAMES] = {
    [H_CONTENT_LENGTH] = "Content-Length",
    [H_TRANSFER_ENCODING] = "Transfer-Encoding",
    [H_CONTENT_RANGE] = "Content-Range",
    [H_CONTENT_ENCODING] = "Content-Encoding",
    [H_CONTENT_TYPE] = "Content-Type",
    [H_ETAG] = "ETag",
    [H_LINKED_ETAG] = "X-Linked-Etag",
    [H_LINKED_SIZE] = "X-Linked-Size",
    [H_COMMIT] = "X-Repo-Commit",
    [H_LOCATION] = "Location",
    [H_LINK] = "Link",
    [H_ERROR_CODE] = "X-Error-Code",
    [H_ERROR_MESSAGE] = "X-Error-Message",
    [H_RETRY_AFTER] = "Retry-After",
    [H_DATE] = "Date",
    [H_RATE_LIMIT] = "RateLimit",
    [H_RATE_POLICY] = "RateLimit-Policy",
    [H_REQUEST_ID] = "X-Request-Id",
    [H_AMZN_TRACE_ID] = "X-Amzn-Trace-Id",
    [H_AMZ_CF_ID] = "X-Amz-Cf-Id",
    [H_SERVER] = "Server",
    [H_XET_HASH] = "X-Xet-Hash",
    [H_XET_ROUTE] = "X-Xet-Refresh-Route",
};

static void read_value(struct http_headers *h, enum header_name name, struct span value, int64_t unix_s)
{
    const char *text = value.at;
    size_t n = (size_t)(value.end - value.at);
    switch (name) {
    case H_CONTENT_LENGTH:
        read_length(h, value);
        break;
    case H_TRANSFER_ENCODING:
        length_void(h);
        break;
    case H_CONTENT_RANGE:
        content_range_read(&h->range, text, n);
        break;
    case H_CONTENT_ENCODING:
        read_encoding(h, value);
        break;
    case H_CONTENT_TYPE:
        h->html = n >= 9 && strncasecmp(text, "text/html", 9) == 0;
        break;
    case H_ETAG:
        etag_normalise(h->etag, sizeof h->etag, text, n);
        break;
    case H_LINKED_ETAG:
        etag_normalise(h->linked_etag, sizeof h->linked_etag, text, n);
        break;
    case H_LINKED_SIZE:
        number_read(&h->linked_size, text, n);
        break;
    case H_COMMIT:
        exact_copy(h->commit, sizeof h->commit, value);
        break;
    case H_LOCATION:
        exact_copy(h->location, sizeof h->location, value);
        break;
    case H_LINK:
        h->link_void |=
            !link_next_read(h->link_next, sizeof h->link_next, text, n) && link_find(&value, text, n, "next");
        h->xet_token_link |= link_read(h->xet_token_url, sizeof h->xet_token_url, text, n, "xet-auth");
        break;
    case H_ERROR_CODE:
        text_copy(h->error_code, sizeof h->error_code, value);
        break;
    case H_ERROR_MESSAGE:
        text_copy(h->error_message, sizeof h->error_message, value);
        break;
    case H_RETRY_AFTER:
        read_retry_after(h, value, unix_s);
        break;
    case H_DATE:
        read_date(h, value);
        break;
    case H_RATE_LIMIT:
        rate_limit_read(&h->limit, text, n);
        break;
    case H_RATE_POLICY:
        rate_policy_read(&h->limit, text, n);
        break;
    case H_REQUEST_ID:
        text_copy(h->request_id, sizeof h->request_id, value);
        break;
    case H_AMZN_TRACE_ID:
    case H_AMZ_CF_ID: /* the Hub's own id is the one its people ask for */
        if (!h->request_id[0])
            text_copy(h->request_id, sizeof h->request_id, value);
        break;
    case H_SERVER:
        text_copy(h->server, sizeof h->server, value);
        break;
    case H_XET_HASH:
        read_xet_hash(h, value);
        break;
    case H_XET_ROUTE:
        if (!h->xet_token_link)
            exact_copy(h->xet_token_url, sizeof h->xet_token_url, value);
        break;
    case H_NAMES:
        break;
    }
}

void headers_line(struct http_headers *h, const char *line, size_t n, int64_t unix_s)
{
    const char *colon = memchr(line, ':', n);
    if (!colon)
        return;
    struct span name = { line, colon };
    struct span value = span_trim(colon + 1, n - (size_t)(colon + 1 - line));
    for (int i = 0; i < H_NAMES; i++)
        if (span_is(name, header_names[i])) {
            read_value(h, (enum header_name)i, value, unix_s);
            return;
        }
}
