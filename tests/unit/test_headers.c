/* test_headers.c: answers of servers are read right or count as absent (P6).
 *
 * Seen red on purpose: a Content-Range whose last byte is its total was taken; numbers beyond off_t were taken;
 * locations, links and ETags were cut instead of refused; a length beside chunks counted; control characters went
 * through; Date did not count for Retry-After; gzip twice was gzip; any text was a Xet hash; the older spelling of a
 * token's place came before the link. */
#include "base/auto.h"
#include "net/headers.h"
#include "tap.h"

#define NONE UINT64_MAX

static void test_content_range(void)
{
    static const struct {
        const char *name, *value;
        bool ok, unsatisfied, total_known;
        uint64_t first, last, total;
    } rows[] = {
        { "plain", "bytes 0-99/200", true, false, true, 0, 99, 200 },
        { "one byte", "bytes 5-5/6", true, false, true, 5, 5, 6 },
        { "unknown total", "bytes 0-99/*", true, false, false, 0, 99, 0 },
        { "not satisfied", "bytes */200", true, true, true, 0, 0, 200 },
        { "blanks and case", " Bytes  0-99/200 \r\n", true, false, true, 0, 99, 200 },
        { "largest", "bytes 0-9223372036854775806/9223372036854775807", true, false, true, 0, INT64_MAX - 1,
          INT64_MAX },
        { "beyond off_t", "bytes 0-99/9223372036854775808", false, false, false, 0, 0, 0 },
        { "overflow", "bytes 0-18446744073709551616/*", false, false, false, 0, 0, 0 },
        { "backwards", "bytes 9-8/200", false, false, false, 0, 0, 0 },
        { "last is total", "bytes 0-200/200", false, false, false, 0, 0, 0 },
        { "negative", "bytes -5-9/200", false, false, false, 0, 0, 0 },
        { "other unit", "lines 0-99/200", false, false, false, 0, 0, 0 },
        { "no unit", "0-99/200", false, false, false, 0, 0, 0 },
        { "no total", "bytes 0-99", false, false, false, 0, 0, 0 },
        { "empty total", "bytes 0-99/", false, false, false, 0, 0, 0 },
        { "stars only", "bytes */*", false, false, false, 0, 0, 0 },
        { "more after it", "bytes 0-99/200, bytes 5-9/200", false, false, false, 0, 0, 0 },
        { "empty", "", false, false, false, 0, 0, 0 },
        { "unit only", "bytes ", false, false, false, 0, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct content_range r = { .first = 7777 };
        bool ok = content_range_read(&r, rows[i].value, strlen(rows[i].value));
        CHECK(ok == rows[i].ok, "Content-Range %s is %s", rows[i].name, rows[i].ok ? "read" : "refused");
        if (!ok)
            CHECK(r.first == 7777 && !r.present, "and nothing is written");
        else
            CHECK(r.present && r.first == rows[i].first && r.last == rows[i].last && r.total == rows[i].total &&
                      r.unsatisfied == rows[i].unsatisfied && r.total_known == rows[i].total_known,
                  "with its parts");
    }
}

static void test_link(void)
{
    static const struct {
        const char *name, *value, *next;
    } rows[] = {
        { "the Hub's", "<https://h/api/x?cursor=a,b;c>; rel=\"next\"", "https://h/api/x?cursor=a,b;c" },
        { "without quotes", "<https://h/2>; rel=next", "https://h/2" },
        { "second of two", "<https://h/t>; rel=\"xet-auth\", <https://h/2>; rel=\"next\"", "https://h/2" },
        { "one of several words", "<https://h/2>; rel=\"last  next\"", "https://h/2" },
        { "other parameters", "<https://h/2>; title=\"a, \\\"b; rel=last\"; REL=NEXT", "https://h/2" },
        { "relative", "</api/x?cursor=1>; rel=next", "/api/x?cursor=1" },
        { "other relation", "<https://h/2>; rel=\"nextish\"", NULL },
        { "no relation", "<https://h/2>", NULL },
        { "no brackets", "https://h/2; rel=next", NULL },
        { "empty target", "<>; rel=next", NULL },
        { "never closed", "<https://h/2; rel=next", NULL },
        { "a control character", "<https://h/\x01>; rel=next", NULL },
        { "empty", "", NULL },
        { "commas", ",,,", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[64] = "before";
        bool ok = link_next_read(out, sizeof out, rows[i].value, strlen(rows[i].value));
        CHECK(ok == (rows[i].next != NULL), "Link, %s", rows[i].name);
        CHECK_STR(out, rows[i].next ? rows[i].next : "before", "Link, %s: target", rows[i].name);
    }
    char small[8] = "before";
    CHECK(!link_next_read(small, sizeof small, "<12345678>;rel=next", 19),
          "a target that does not fit is refused, not cut");
    CHECK_STR(small, "before", "and nothing is written");
    static const char *const voids[] = { "Link: <>; rel=next", "Link: <https://h/\x01>; rel=next",
                                         "Link: <https://h/1>; rel=last, <>; rel=\"next\"" };
    struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(voids); i++) {
        headers_init(&h, 200);
        headers_line(&h, voids[i], strlen(voids[i]), 0);
        CHECK(h.link_void && !h.link_next[0], "a next page that cannot be asked for is told from none (%zu)", i);
    }
    headers_init(&h, 200);
    headers_line(&h, "Link: <https://h/1>; rel=last", 29, 0);
    CHECK(!h.link_void, "no next page is no void one");
}

static void test_rate_limit(void)
{
    static const struct {
        const char *value;
        bool ok;
        uint64_t remaining, reset_s;
    } limits[] = {
        { "\"api\";r=0;t=55", true, 0, 55 },
        { "\"api\"; r=499 ; t=300", true, 499, 300 },
        { "\"a;r=1\";r=12;t=3", true, 12, 3 },
        { "\"api\";r=7", true, 7, 0 },
        { "\"api\";r=7;t=1, \"b\";r=0;t=9", true, 7, 1 },
        { "\"api\";t=55", false, 0, 0 },
        { "\"api\";r=many;t=55", false, 0, 0 },
        { "\"api\";r=5;t=soon", false, 0, 0 },
        { "\"api\";r=-1;t=55", false, 0, 0 },
        { "\"api\";r=99999999999999999999;t=5", false, 0, 0 },
        { "", false, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct rate_limit l = { .quota = 500 };
        bool ok = rate_limit_read(&l, limits[i].value, strlen(limits[i].value));
        CHECK(ok == limits[i].ok && l.present == ok && l.remaining == limits[i].remaining &&
                  l.reset_s == limits[i].reset_s && l.quota == 500,
              "RateLimit: %s", limits[i].value);
    }
    struct rate_limit l = { 0 };
    const char *policy = "\"fixed window\";\"api\";q=500;w=300";
    CHECK(rate_policy_read(&l, policy, strlen(policy)) && l.quota == 500 && l.window_s == 300 && !l.present,
          "RateLimit-Policy as the Hub sends it");
    CHECK(!rate_policy_read(&l, "\"x\";w=3", 7) && l.quota == 500, "without quota it is none");
}

static void test_etag(void)
{
    static const struct {
        const char *value, *etag;
    } rows[] = {
        { "\"abc\"", "abc" },
        { "W/\"abc\"", "abc" },
        { "abc", "abc" },
        { " \"abc\"\r\n", "abc" },
        { "\"\"", "" },
        { "", "" },
        { "\"a\x01\"", "" },
        { "\"../../x\"", "../../x" },
        { "\"0123456789abcdef\"", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[16] = "before";
        etag_normalise(out, sizeof out, rows[i].value, strlen(rows[i].value));
        CHECK_STR(out, rows[i].etag, "ETag %zu is normalised, or nothing when it does not fit", i);
    }
}

static void test_dates(void)
{
    static const struct {
        const char *value;
        bool ok;
        int64_t unix_s;
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", true, 784111777 },
        { "Sun Nov  6 08:49:37 1994", true, 784111777 },
        { "120", false, 0 },
        { "20260101", false, 0 },
        { "soon", false, 0 },
        { "", false, 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT and quite some more", false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t t = -7;
        bool ok = http_date_read(&t, rows[i].value, strlen(rows[i].value));
        CHECK(ok == rows[i].ok && t == (ok ? rows[i].unix_s : -7), "date: %s", rows[i].value);
    }
    uint64_t s = 1;
    CHECK(retry_after_read(&s, "120", 3, 0) && s == 120, "Retry-After in seconds");
    CHECK(retry_after_read(&s, rows[0].value, 29, 784111700) && s == 77, "Retry-After as a date");
    CHECK(retry_after_read(&s, rows[0].value, 29, 784119999) && s == 0, "a date gone by is now");
    CHECK(!retry_after_read(&s, "-1", 2, 0) && !retry_after_read(&s, "1.5", 3, 0) && s == 0, "nothing else");
}

static void line(struct http_headers *h, const char *text)
{
    headers_line(h, text, strlen(text), 1000);
}

static void test_answer(void)
{
    static struct http_headers h;
    memset(&h, 0xEE, sizeof h);
    headers_init(&h, 302);
    CHECK(h.status == 302 && h.content_length == NONE && h.linked_size == NONE && h.retry_after_s == NONE &&
              !h.range.present && !h.limit.present && !h.encoded && !h.html && !h.etag[0] && !h.location[0] &&
              !h.link_next[0] && !h.error_code[0] && !h.error_message[0] && !h.request_id[0] && !h.server[0] &&
              !h.commit[0] && !h.linked_etag[0],
          "everything is absent at first");
    line(&h, "content-length:\t 123 \r\n");
    line(&h, "X-Linked-Size: 98765432100\r\n");
    line(&h, "X-Linked-Etag: \"ffff\"\r\n");
    line(&h, "ETag: W/\"aaaa\"\r\n");
    line(&h, "X-Repo-Commit: 4c446470ba0aec43e22ac1128f9ffd915f338ba3\r\n");
    line(&h, "Location: /a/b?c=d\r\n");
    line(&h, "X-Amz-Cf-Id: cf\r\n");
    line(&h, "X-Request-Id: Root=1-abc\r\n");
    line(&h, "X-Amzn-Trace-Id: other\r\n");
    line(&h, "X-Error-Code: GatedRepo\r\n");
    line(&h, "X-Error-Message: no\x1b[31m access\r\n");
    line(&h, "Content-Type: text/html; charset=utf-8\r\n");
    line(&h, "Content-Encoding: gzip\r\n");
    line(&h, "Content-Range: bytes 0-9/10\r\n");
    line(&h, "no colon here\r\n");
    line(&h, "X-Linked-Etag : \"other\"\r\n");
    line(&h, "");
    CHECK_U64(h.content_length, 123, "Content-Length");
    CHECK_U64(h.linked_size, 98765432100, "X-Linked-Size");
    CHECK_STR(h.linked_etag, "ffff", "X-Linked-Etag; a name with a blank behind it is no name");
    CHECK_STR(h.etag, "aaaa", "ETag");
    CHECK_STR(h.commit, "4c446470ba0aec43e22ac1128f9ffd915f338ba3", "X-Repo-Commit");
    CHECK_STR(h.location, "/a/b?c=d", "Location");
    CHECK_STR(h.request_id, "Root=1-abc", "the Hub's request id before those of the CDN");
    CHECK_STR(h.error_code, "GatedRepo", "X-Error-Code");
    CHECK_STR(h.error_message, "no?[31m access", "X-Error-Message cannot steer a terminal");
    CHECK(h.html && h.encoded && h.range.present, "type, encoding and range");
    headers_init(&h, 200);
    line(&h, "Content-Encoding: identity\r\n");
    line(&h, "Content-Type: application/json\r\n");
    CHECK(!h.html && !h.encoded, "identity and JSON");
}

static void test_encoding(void)
{
    static const struct {
        const char *name, *lines[2];
        bool encoded, gzip;
    } rows[] = {
        { "gzip", { "Content-Encoding: gzip" }, true, true },
        { "in capitals", { "CONTENT-ENCODING: GZIP" }, true, true },
        { "gzip beside identity", { "Content-Encoding: gzip", "Content-Encoding: identity" }, true, true },
        { "twice in one line", { "Content-Encoding: gzip, gzip" }, true, false },
        { "twice in two lines", { "Content-Encoding: gzip", "Content-Encoding: gzip" }, true, false },
        { "another", { "Content-Encoding: br" }, true, false },
        { "none", { "Content-Encoding: " }, false, false },
    };
    static struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        headers_init(&h, 200);
        for (size_t k = 0; k < 2 && rows[i].lines[k]; k++)
            line(&h, rows[i].lines[k]);
        CHECK(h.encoded == rows[i].encoded && h.gzip == rows[i].gzip, "packed how often: %s", rows[i].name);
    }
}

#define XET64 "AAaabbccddeeff00112233445566778899aabbccddeeff001122334455667788"

static void test_xet(void)
{
    static const struct {
        const char *name, *lines[3], *hash, *url;
        bool link;
    } rows[] = {
        { "hash and link",
          { "X-Xet-Hash: " XET64,
            "Link: <https://h/t>; rel=\"xet-auth\", <https://h/r>; rel=\"xet-reconstruction-info\"" },
          XET64,
          "https://h/t",
          true },
        { "the older spelling", { "X-Xet-Hash: " XET64, "X-Xet-Refresh-Route: /api/t" }, XET64, "/api/t", false },
        { "the link wins before it", { "Link: </l>; rel=xet-auth", "X-Xet-Refresh-Route: /r" }, "", "/l", true },
        { "and behind it", { "X-Xet-Refresh-Route: /r", "Link: </l>; rel=xet-auth" }, "", "/l", true },
        { "a hash of 63 digits",
          { "X-Xet-Hash: aabbccddeeff00112233445566778899aabbccddeeff00112233445566778" },
          "",
          "",
          false },
        { "a hash of other letters",
          { "X-Xet-Hash: ZZZZbbccddeeff00112233445566778899aabbccddeeff001122334455667788" },
          "",
          "",
          false },
        { "a longer hash", { "X-Xet-Hash: 0" XET64 }, "", "", false },
        { "other links", { "Link: <https://h/t>; rel=next" }, "", "", false },
    };
    static struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        headers_init(&h, 302);
        for (size_t k = 0; k < 3 && rows[i].lines[k]; k++)
            line(&h, rows[i].lines[k]);
        CHECK_STR(h.xet_hash, rows[i].hash, "Xet, %s: the hash", rows[i].name);
        CHECK_STR(h.xet_token_url, rows[i].url, "Xet, %s: the place of tokens", rows[i].name);
        CHECK(h.xet_token_link == rows[i].link, "Xet, %s: from where", rows[i].name);
    }
}

static void test_lengths(void)
{
    static const struct {
        const char *name, *lines[3];
        uint64_t length;
    } rows[] = {
        { "twice the same", { "Content-Length: 5", "Content-Length: 5" }, 5 },
        { "two that differ", { "Content-Length: 5", "Content-Length: 6", "Content-Length: 5" }, NONE },
        { "chunked after", { "Content-Length: 5", "Transfer-Encoding: chunked" }, NONE },
        { "chunked before", { "Transfer-Encoding: chunked", "Content-Length: 5" }, NONE },
        { "no number", { "Content-Length: 5x" }, NONE },
        { "negative", { "Content-Length: -5" }, NONE },
        { "beyond off_t", { "Content-Length: 9223372036854775808" }, NONE },
    };
    static struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        headers_init(&h, 200);
        for (size_t j = 0; j < 3 && rows[i].lines[j]; j++)
            line(&h, rows[i].lines[j]);
        CHECK_U64(h.content_length, rows[i].length, "length, %s", rows[i].name);
    }
    char big[URL_MAX + 64];
    memset(big, 'a', sizeof big);
    memcpy(big, "Location: /", 11);
    headers_init(&h, 302);
    headers_line(&h, big, sizeof big, 0);
    CHECK_STR(h.location, "", "a location that does not fit is refused, not cut");
    memcpy(big, "X-Error-Message: ", 17);
    memset(big + 17, '\xC3', 1);
    for (size_t i = 17; i + 1 < sizeof big; i += 2)
        memcpy(big + i, "\xC3\xBC", 2);
    headers_line(&h, big, 17 + 300, 0);
    CHECK_U64(strlen(h.error_message), 206, "a message is cut, at the end of a character");
}

static void test_retry_after_dates(void)
{
    static struct http_headers h;
    headers_init(&h, 429);
    line(&h, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK_U64(h.retry_after_s, 784111777 - 1000, "without Date our clock counts");
    line(&h, "Date: Sun, 06 Nov 1994 08:49:30 GMT");
    CHECK_U64(h.retry_after_s, 7, "with Date the server's");
    headers_init(&h, 429);
    line(&h, "Date: Sun, 06 Nov 1994 08:49:30 GMT");
    line(&h, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK_U64(h.retry_after_s, 7, "in either order");
    headers_init(&h, 429);
    line(&h, "Retry-After: 9");
    line(&h, "Date: Sun, 06 Nov 1994 08:49:30 GMT");
    CHECK_U64(h.retry_after_s, 9, "seconds need no Date");
}

int main(void)
{
    test_content_range();
    test_link();
    test_rate_limit();
    test_etag();
    test_dates();
    test_answer();
    test_encoding();
    test_xet();
    test_lengths();
    test_retry_after_dates();
    return tap_end();
}
