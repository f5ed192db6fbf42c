/* URLs from servers: a base, a location, and a text to encode, each on its line. What url_join() gives is one clean http
 * URL that it would give again; a relative location stays with its host; two that we call one origin are one by the
 * letter too; and nothing that may be secret is left where a person can read it. */
#include "fuzz.h"

#include "net/headers.h"
#include "net/url.h"

#include <strings.h>

#define MARK "s3cr3tM4rkX" /* stands in what must not be shown */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void encoding_must_hold(const char *text, bool keep_slash)
{
    char out[URL_MAX];
    if (!url_encode(out, sizeof out, text, keep_slash)) {
        MUST(strlen(text) * 3 >= sizeof out, "only what does not fit is refused");
        return;
    }
    const char *from = text;
    for (const char *s = out; *s; from++) {
        if (*s != '%') {
            MUST(*s == *from && (strchr("-._~", *s) || (*s == '/' && keep_slash) || (*s >= '0' && *s <= '9') ||
                                 ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z')),
                 "only unreserved bytes stand for themselves");
            s++;
            continue;
        }
        MUST(hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0 && (char)(hex_digit(s[1]) * 16 + hex_digit(s[2])) == *from,
             "an encoded byte decodes to itself");
        s += 3;
    }
    MUST(*from == 0, "all of the text is there");
    size_t n = strlen(out);
    char *small = malloc(n + 1); /* the least room is enough, one byte less is not */
    MUST(small && url_encode(small, n + 1, text, keep_slash) && strcmp(small, out) == 0, "what fits exactly fits");
    MUST(n == 0 || !url_encode(small, n, text, keep_slash), "what does not fit is refused");
    free(small);
}

static void public_must_hold(const char *url)
{
    char out[256], again[256];
    url_public(out, sizeof out, url);
    MUST(strlen(out) <= strlen(url) && !has_controls(out), "what is shown is short and cannot steer a terminal");
    MUST(!strchr(out, '#') && (!strchr(out, '?') || !strchr(out, '=') || !strstr(out, MARK)), "no query is shown");
    url_public(again, sizeof again, out);
    const char *host = strstr(out, "//");
    if (host) {
        host += 2;
        MUST(!memchr(host, '@', strcspn(host, "/")), "no credentials are shown");
    }
}

/* The origin of a clean absolute URL, by the letter: where "//" and the next slash are. */
static void origin_by_hand(char out[URL_MAX], const char *url)
{
    bool tls = strncasecmp(url, "https:", 6) == 0;
    const char *host = strstr(url, "//") + 2;
    int n = (int)strcspn(host, "/?#");
    const char *bracket = memchr(host, ']', (size_t)n);
    bool port = memchr(bracket ? bracket : host, ':', (size_t)(n - (bracket ? bracket - host : 0))) != NULL;
    snprintf(out, URL_MAX, "%d %.*s%s", tls, n, host, port ? "" : tls ? ":443" : ":80");
}

static bool one_origin(const char *a, const char *b)
{
    bool same = false;
    return url_same_origin(&same, a, b) == HFP_OK && same;
}

static void joined_must_hold(const char *out, const char *base, const char *location)
{
    static char again[URL_MAX], a[URL_MAX], b[URL_MAX];
    struct hfp_err err = { 0 };
    MUST(strncasecmp(out, "http://", 7) == 0 || strncasecmp(out, "https://", 8) == 0, "an http URL");
    MUST(!strchr(out, '#') && !has_controls(out) && !strchr(out, ' '), "one clean URL");
    const char *host = strstr(out, "//") + 2;
    MUST(!memchr(host, '@', strcspn(host, "/?")), "without credentials");
    MUST(url_join(again, sizeof again, out, out, &err) == HFP_OK && strcmp(again, out) == 0,
         "joined again it is the same");
    bool relative = location[0] == '/' && location[1] != '/';
    MUST(!relative || one_origin(out, base) || !one_origin(base, base), "a path stays with its host");
    if (one_origin(out, base) && url_join(again, sizeof again, base, base, &err) == HFP_OK) {
        origin_by_hand(a, out);
        origin_by_hand(b, again);
        MUST(strcasecmp(a, b) == 0, "one origin by the parser is one by the letter");
    }
}

static void join_must_hold(const char *base, const char *location)
{
    static char out[URL_MAX];
    struct hfp_err err = { 0 };
    int rc = url_join(out, sizeof out, base, location, &err);
    if (rc == HFP_OK) {
        joined_must_hold(out, base, location);
        public_must_hold(out);
    } else {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_PROTO || rc == HFP_E_NOMEM, "a location is refused as one");
        MUST(!strstr(err.message, MARK), "no query and no password in the sentence");
        MUST(!has_controls(err.message), "no location steers a terminal");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char secret[3 * URL_MAX];
    struct input in = { data, size };
    AUTO_FREE char *base = input_line(&in);
    AUTO_FREE char *location = input_line(&in);
    AUTO_FREE char *text = input_line(&in);
    if (strlen(base) >= URL_MAX || strlen(location) >= URL_MAX || strstr(location, MARK) || strstr(base, MARK))
        return 0;
    encoding_must_hold(text, true);
    encoding_must_hold(text, false);
    public_must_hold(base);
    join_must_hold(base, location);
    MUST(one_origin(base, location) == one_origin(location, base), "an origin is the same from both sides");
    if (!strchr(location, '#')) { /* the same with a signature, and with a password */
        snprintf(secret, sizeof secret, "%s?sig=" MARK, location);
        join_must_hold(base, secret);
        public_must_hold(secret);
    }
    snprintf(secret, sizeof secret, "https://user:" MARK "@%s", location);
    join_must_hold(base, secret);
    return 0;
}
