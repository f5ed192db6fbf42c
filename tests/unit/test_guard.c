/* Who may ask what: rows of requests and the verdict on each.
 * Seen red with: names compared without a look at what follows ("localhost.evil.example"), any Origin taken where there
 * is a Host, Sec-Fetch-Site ignored, a token's length or its last byte compared instead of all, a body without a type. */
#include "daemon/guard.h"
#include "tap.h"

/* What guard_facts() reads comes from the server; here the facts are given. */
const struct http_view *http_view(const struct http_request *r)
{
    (void)r;
    return NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
    (void)r, (void)name;
    return NULL;
}

bool http_header_repeated(const struct http_request *r, const char *name)
{
    (void)r, (void)name;
    return false;
}

#define TOKEN "0123456789abcdef0123456789abcdef"
static const char *const names[] = { "models.lan", NULL };

enum { OPEN_HERE, WANTS, LAN, BARE };
static const struct guard_policy policies[] = {
    [OPEN_HERE] = { .token = TOKEN, .hosts = names },
    [WANTS] = { .token = TOKEN, .require_token = true },
    [LAN] = { .token = TOKEN, .insecure_lan = true },
    [BARE] = { 0 },
};

#define GET .area = GUARD_API, .method = HTTP_GET, .loopback = true
#define POST .area = GUARD_API, .method = HTTP_POST, .loopback = true, .has_body = true
#define HERE .host = "127.0.0.1:8585"
#define JSON .content_type = "application/json"
#define FAR .area = GUARD_API, .method = HTTP_GET, .host = "192.0.2.1:8585"

static const struct {
    const char *name;
    unsigned policy;
    struct guard_facts f;
    unsigned status;
} rows[] = {
    { "an address", OPEN_HERE, { GET, HERE }, 0 },
    { "localhost", OPEN_HERE, { GET, .host = "LocalHost:8585" }, 0 },
    { "IPv6", OPEN_HERE, { GET, .host = "[::1]:8585" }, 0 },
    { "another address", OPEN_HERE, { GET, .host = "192.0.2.7" }, 0 },
    { "a name that was allowed", OPEN_HERE, { GET, .host = "MODELS.lan:80" }, 0 },
    { "no Host", OPEN_HERE, { GET }, 403 },
    { "empty Host", OPEN_HERE, { GET, .host = "" }, 403 },
    { "a rebound name", OPEN_HERE, { GET, .host = "evil.example:8585" }, 403 },
    { "a name with localhost in it", OPEN_HERE, { GET, .host = "localhost.evil.example" }, 403 },
    { "a name with an address in it", OPEN_HERE, { GET, .host = "127.0.0.1.evil.example" }, 403 },
    { "an allowed name with more behind it", OPEN_HERE, { GET, .host = "models.lan.evil.example" }, 403 },
    { "brackets without end", OPEN_HERE, { GET, .host = "[::1" }, 403 },
    { "brackets around a name", OPEN_HERE, { GET, .host = "[localhost]" }, 403 },
    { "a port that is none", OPEN_HERE, { GET, .host = "127.0.0.1:80a" }, 403 },
    { "a colon without port", OPEN_HERE, { GET, .host = "127.0.0.1:" }, 403 },
    { "somebody before the host", OPEN_HERE, { GET, .host = "127.0.0.1@evil.example" }, 403 },
    { "headers twice", OPEN_HERE, { GET, HERE, .repeated = true }, 400 },
    { "a socket needs no Host", OPEN_HERE, { GET, .local = true }, 0 },
    { "the page's own request", OPEN_HERE, { GET, HERE, .origin = "http://127.0.0.1:8585" }, 0 },
    { "the same over TLS", OPEN_HERE, { GET, HERE, .tls = true, .origin = "https://127.0.0.1:8585" }, 0 },
    { "http where it is https", OPEN_HERE, { GET, HERE, .tls = true, .origin = "http://127.0.0.1:8585" }, 403 },
    { "another port of this machine", OPEN_HERE, { GET, HERE, .origin = "http://127.0.0.1:9999" }, 403 },
    { "another site", OPEN_HERE, { GET, HERE, .origin = "https://evil.example" }, 403 },
    { "a sandboxed page", OPEN_HERE, { GET, HERE, .origin = "null" }, 403 },
    { "an origin with more behind it", OPEN_HERE, { GET, HERE, .origin = "http://127.0.0.1:8585.evil.example" }, 403 },
    { "an image on another site", OPEN_HERE, { GET, HERE, .fetch_site = "cross-site", .fetch_mode = "no-cors" }, 403 },
    { "a page on another port", OPEN_HERE, { GET, HERE, .fetch_site = "same-site" }, 403 },
    { "the page itself", OPEN_HERE, { GET, HERE, .fetch_site = "same-origin" }, 0 },
    { "typed into the address line", OPEN_HERE, { GET, HERE, .fetch_site = "none" }, 0 },
    { "a link to the page",
      OPEN_HERE,
      { .area = GUARD_OPEN, .loopback = true, HERE, .fetch_site = "cross-site", .fetch_mode = "navigate" },
      0 },
    { "a link to the API", OPEN_HERE, { GET, HERE, .fetch_site = "cross-site", .fetch_mode = "navigate" }, 403 },
    { "a body of JSON", OPEN_HERE, { POST, HERE, JSON, .content_length = "10" }, 0 },
    { "with its charset", OPEN_HERE, { POST, HERE, .content_type = "application/json; charset=UTF-8" }, 0 },
    { "another charset", OPEN_HERE, { POST, HERE, .content_type = "application/json; charset=utf-7" }, 415 },
    { "a form", OPEN_HERE, { POST, HERE, .content_type = "application/x-www-form-urlencoded" }, 415 },
    { "plain text", OPEN_HERE, { POST, HERE, .content_type = "text/plain" }, 415 },
    { "nearly JSON", OPEN_HERE, { POST, HERE, .content_type = "application/json5" }, 415 },
    { "JSON beside a form", OPEN_HERE, { POST, HERE, .content_type = "text/plain;application/json" }, 415 },
    { "a body without a type", OPEN_HERE, { POST, HERE }, 415 },
    { "an empty form",
      OPEN_HERE,
      { .area = GUARD_API, .method = HTTP_POST, .loopback = true, HERE, .content_type = "multipart/form-data" },
      415 },
    { "no body and no type", OPEN_HERE, { .area = GUARD_API, .method = HTTP_POST, .loopback = true, HERE }, 0 },
    { "the largest body", OPEN_HERE, { POST, HERE, JSON, .content_length = "262144" }, 0 },
    { "one byte more", OPEN_HERE, { POST, HERE, JSON, .content_length = "262145" }, 413 },
    { "a length beyond counting", OPEN_HERE, { POST, HERE, JSON, .content_length = "99999999999999999999" }, 413 },
    { "pieces", OPEN_HERE, { POST, HERE, JSON, .chunked = true }, 411 },
    { "a token is wanted", WANTS, { GET, HERE }, 401 },
    { "and given", WANTS, { GET, HERE, .authorization = "Bearer " TOKEN }, 0 },
    { "in small letters", WANTS, { GET, HERE, .authorization = "bearer " TOKEN }, 0 },
    { "another token", WANTS, { GET, HERE, .authorization = "Bearer 1123456789abcdef0123456789abcdef" }, 401 },
    { "a part of it", WANTS, { GET, HERE, .authorization = "Bearer 0123456789abcdef" }, 401 },
    { "it and more", WANTS, { GET, HERE, .authorization = "Bearer " TOKEN "0" }, 401 },
    { "none at all", WANTS, { GET, HERE, .authorization = "Bearer " }, 401 },
    { "as a password", WANTS, { GET, HERE, .authorization = "Basic " TOKEN }, 401 },
    { "over the socket too", WANTS, { GET, .local = true }, 401 },
    { "health needs none", WANTS, { .area = GUARD_OPEN, .loopback = true, HERE }, 0 },
    { "from elsewhere", OPEN_HERE, { FAR }, 401 },
    { "with a token in clear", OPEN_HERE, { FAR, .authorization = "Bearer " TOKEN }, 403 },
    { "with a token over TLS", OPEN_HERE, { FAR, .tls = true, .authorization = "Bearer " TOKEN }, 0 },
    { "in clear where that was said to be fine", LAN, { FAR, .authorization = "Bearer " TOKEN }, 0 },
    { "but never without", LAN, { FAR }, 401 },
    { "from elsewhere, and there is no token", BARE, { FAR, .tls = true }, 403 },
    { "here, and there is no token", BARE, { GET, HERE }, 0 },
    { "a proxy here speaks for somebody", OPEN_HERE, { GET, HERE, .forwarded = true }, 401 },
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct guard_verdict v = guard_check(&policies[rows[i].policy], &rows[i].f);
        CHECK_U64(v.status, rows[i].status, "%s: %u", rows[i].name, rows[i].status);
        CHECK(v.status == 0 || (v.code && v.detail && *v.detail), "%s: and why", rows[i].name);
    }
    CHECK(guard_same("", "") && !guard_same("a", "") && !guard_same("", "a"), "nothing is not something");
    bool csp = false;
    for (const struct http_field *f = guard_answer_fields; f->name; f++)
        csp |= strcmp(f->name, "Content-Security-Policy") == 0 && strstr(f->value, "default-src 'none'") &&
               strstr(f->value, "require-trusted-types-for 'script'") && !strstr(f->value, "unsafe");
    CHECK(csp, "nothing but the page's own files, and no script made of text");
    return tap_end();
}
