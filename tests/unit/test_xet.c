/* test_xet.c: the promises of resolve/xet.h, and of answer_cas_verdict().
 *
 * Seen red on purpose: no margin before a token's end, two token requests at once, an old token's refusal that takes
 * the new one, a wrong clock that asks without end, tokens asked for on another host, no move to the mirror, empty
 * files asked for, any text as token, a store without TLS or at port 0, slashes kept behind the store, a revision's
 * slashes kept, 416 as no such file, 501 retried. */
#include "resolve/xet.h"

#include "base/auto.h"
#include "net/url.h"
#include "resolve/answers.h"
#include "tap.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HUB "https://huggingface.co"

static void test_urls(void)
{
    char u[URL_MAX];
    struct xet_hash h;
    CHECK(xet_url_token(u, "http://hub:81", HFP_DATASET, "org/x", "refs/pr/1"), "the token's URL fits");
    CHECK_STR(u, "http://hub:81/api/datasets/org/x/xet-read-token/refs%2Fpr%2F1", "a revision is one segment");
    CHECK(xet_url_token(u, HUB, HFP_MODEL, "x", "main"), "a model's too");
    CHECK_STR(u, HUB "/api/models/x/xet-read-token/main", "of models");
    CHECK(xet_hash_parse(&h, HEX, 64) && xet_url_reconstruction(u, "https://cas.test/a", 2, &h),
          "a reconstruction's fits");
    CHECK_STR(u, "https://cas.test/a/v2/reconstructions/" HEX, "its hash in the text form");
    memset(u, 'x', sizeof u - 1);
    u[sizeof u - 1] = 0;
    char v[URL_MAX] = "untouched";
    CHECK(!xet_url_reconstruction(v, u, 1, &h), "what does not fit is said");
}

static void test_listed(void)
{
    struct listed_file f = { .size_bytes = 5, .xet = true };
    struct xet_hash h;
    char hex[XET_HASH_TEXT];
    hex_decode(f.xet_hash, HEX, sizeof f.xet_hash);
    CHECK(xet_hash_listed(&h, &f), "a listed file has a hash");
    xet_hash_text(hex, &h);
    CHECK_STR(hex, HEX, "as the listing spells it");
    f.size_bytes = 0;
    CHECK(!xet_hash_listed(&h, &f), "an empty file is never asked for");
    f = (struct listed_file){ .size_bytes = 5 };
    CHECK(!xet_hash_listed(&h, &f), "a file without one has none");
}

static void test_announced(void)
{
    static const struct {
        const char *name, *hash, *route, *endpoint, *url; /* url NULL: no Xet file */
    } rows[] = {
        { "the Hub's own", HEX, HUB "/api/models/x/xet-read-token/c", HUB, HUB "/api/models/x/xet-read-token/c" },
        { "relative", HEX, "/api/t", "http://mirror.test", "http://mirror.test/api/t" },
        { "a mirror that repeats the Hub", HEX, HUB "/api/t?x=1", "http://mirror.test:8080",
          "http://mirror.test:8080/api/t?x=1" },
        { "the Hub by another letter case", HEX, "https://HuggingFace.co:443/api/t", "http://mirror.test",
          "http://mirror.test/api/t" },
        { "another host", HEX, "https://evil.test/api/t", HUB, NULL },
        { "a host that begins alike", HEX, HUB ".evil.test/api/t", "http://mirror.test", NULL },
        { "without TLS", HEX, "http://huggingface.co/api/t", HUB, NULL },
        { "with credentials", HEX, "https://me@huggingface.co/api/t", HUB, NULL },
        { "no place", HEX, "", HUB, NULL },
        { "no hash", "", HUB "/api/t", HUB, NULL },
    };
    static struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char url[URL_MAX] = "untouched", asked[URL_MAX];
        struct xet_hash hash;
        headers_init(&h, 302);
        snprintf(h.xet_hash, sizeof h.xet_hash, "%s", rows[i].hash);
        snprintf(h.xet_token_url, sizeof h.xet_token_url, "%s", rows[i].route);
        snprintf(asked, sizeof asked, "%s/x/resolve/main/f", rows[i].endpoint);
        bool ok = xet_announced(&hash, url, &h, asked, rows[i].endpoint);
        CHECK(ok == (rows[i].url != NULL), "announced, %s", rows[i].name);
        CHECK_STR(url, rows[i].url ? rows[i].url : "untouched", "announced, %s: where tokens are", rows[i].name);
        h.linked_size = 0;
        CHECK(!xet_announced(&hash, url, &h, asked, rows[i].endpoint), "announced, %s: never when empty", rows[i].name);
    }
}

#define TOKEN(access, cas, exp) "{\"accessToken\":" access ",\"casUrl\":" cas ",\"exp\":" exp "}"
#define CAS "\"https://cas.test\""

static void test_tokens(void)
{
    static const struct {
        const char *name, *body;
        int rc;
        const char *cas;
    } rows[] = {
        { "good", TOKEN("\"t\"", CAS, "5"), HFP_OK, "https://cas.test" },
        { "with a path and slashes", TOKEN("\"t\"", "\"https://cas.test:9/a//\"", "5"), HFP_OK,
          "https://cas.test:9/a" },
        { "no token", "{\"casUrl\":" CAS ",\"exp\":5}", HFP_E_PROTO, NULL },
        { "an empty token", TOKEN("\"\"", CAS, "5"), HFP_E_PROTO, NULL },
        { "a token with a line break", TOKEN("\"a\\r\\nHost: x\"", CAS, "5"), HFP_E_PROTO, NULL },
        { "a token with a blank", TOKEN("\"a b\"", CAS, "5"), HFP_E_PROTO, NULL },
        { "a token that is not ASCII", TOKEN("\"\\u00fc\"", CAS, "5"), HFP_E_PROTO, NULL },
        { "a token that is a number", TOKEN("5", CAS, "5"), HFP_E_PROTO, NULL },
        { "no store", "{\"accessToken\":\"t\",\"exp\":5}", HFP_E_PROTO, NULL },
        { "a store without TLS", TOKEN("\"t\"", "\"http://cas.test\"", "5"), HFP_E_PROTO, NULL },
        { "a store that is a file", TOKEN("\"t\"", "\"file:///etc\"", "5"), HFP_E_PROTO, NULL },
        { "a store with credentials", TOKEN("\"t\"", "\"https://a:b@cas.test\"", "5"), HFP_E_PROTO, NULL },
        { "a store with a query", TOKEN("\"t\"", "\"https://cas.test/?a\"", "5"), HFP_E_PROTO, NULL },
        { "a store at port 0", TOKEN("\"t\"", "\"https://cas.test:0/\"", "5"), HFP_E_PROTO, NULL },
        { "a relative store", TOKEN("\"t\"", "\"/x\"", "5"), HFP_E_PROTO, NULL },
        { "no end", "{\"accessToken\":\"t\",\"casUrl\":" CAS "}", HFP_E_PROTO, NULL },
        { "an end beyond 2^53", TOKEN("\"t\"", CAS, "9007199254740993"), HFP_E_PROTO, NULL },
        { "an end below zero", TOKEN("\"t\"", CAS, "-5"), HFP_E_PROTO, NULL },
        { "cut off", "{\"accessToken\":\"t\"", HFP_E_PROTO, NULL },
        { "a login page", "<html>", HFP_E_PORTAL, NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct xet_token t = { 0 };
        struct hfp_err err = { 0 };
        int rc = xet_token_read(&t, rows[i].body, strlen(rows[i].body), HUB, &err);
        CHECK(rc == rows[i].rc && (rc == 0) == (t.access != NULL), "token, %s: %s", rows[i].name, err.message);
        if (rc == 0)
            CHECK_STR(t.cas, rows[i].cas, "token, %s: the store", rows[i].name);
        xet_token_done(&t);
    }
    struct xet_token t = { 0 };
    static const char plain[] = TOKEN("\"t\"", "\"http://cas.test\"", "5");
    CHECK(xet_token_read(&t, plain, sizeof plain - 1, "http://hub.test", NULL) == HFP_OK,
          "no TLS is asked of the store where the Hub has none");
    static const char port0[] = TOKEN("\"t\"", "\"http://cas.test:0\"", "5");
    xet_token_done(&t);
    CHECK(xet_token_read(&t, port0, sizeof port0 - 1, "http://hub.test", NULL) == HFP_E_PROTO,
          "but one that can be asked");
    xet_token_done(&t);
    static char body[XET_TOKEN_MAX + 200];
    for (unsigned extra = 0; extra < 2; extra++) {
        int n = snprintf(body, sizeof body, "{\"casUrl\":" CAS ",\"exp\":5,\"accessToken\":\"");
        memset(body + n, 'x', XET_TOKEN_MAX + extra);
        memcpy(body + n + XET_TOKEN_MAX + extra, "\"}", 3);
        CHECK((xet_token_read(&t, body, strlen(body), HUB, NULL) == HFP_OK) == !extra, "a token of %u characters",
              XET_TOKEN_MAX + extra);
        xet_token_done(&t);
    }
}

static struct xet_token token_until(int64_t unix_s)
{
    return (struct xet_token){ .access = strdup("t"), .ends_unix_s = unix_s, .cas = "https://cas.test" };
}

static void test_access(void)
{
    struct xet_access a = { 0 };
    CHECK(xet_access_need(&a, 1000) == XET_ASK && xet_access_need(&a, 1000) == XET_WAIT &&
              xet_access_need(&a, 5000) == XET_WAIT,
          "one asks, everyone else waits");
    struct xet_token t = token_until(2000);
    xet_access_got(&a, &t, 1000);
    CHECK(!t.access && a.serial == 1 && xet_access_need(&a, 1000) == XET_USE, "then all use it");
    CHECK(xet_access_need(&a, 1969) == XET_USE, "until 31 s before its end");
    CHECK(xet_access_need(&a, 1970) == XET_ASK && xet_access_need(&a, 1970) == XET_WAIT, "at 30 s one asks again");
    xet_access_failed(&a);
    CHECK(a.state == XET_ACCESS_NONE && xet_access_need(&a, 1971) == XET_ASK, "a failure lets the next one try");
    t = token_until(3000);
    xet_access_got(&a, &t, 1980);
    xet_access_refused(&a, 1);
    CHECK(a.serial == 2 && xet_access_need(&a, 1981) == XET_USE, "an old token's refusal does not touch the new one");
    xet_access_refused(&a, 2);
    CHECK(xet_access_need(&a, 1982) == XET_ASK, "its own does");
    xet_access_refused(&a, 2);
    CHECK(a.state == XET_ACCESS_ASKING, "once");
    t = token_until(500);
    xet_access_got(&a, &t, 2000);
    CHECK(xet_access_need(&a, 2059) == XET_USE && xet_access_need(&a, 2060) == XET_ASK,
          "where the clocks differ, each token is tried for a minute");
    xet_access_failed(&a);
    xet_access_done(&a);
    xet_access_done(&a);
}

static void test_verdicts(void)
{
    static const struct {
        int status, rc;
        bool html;
        const char *says;
    } rows[] = {
        { 200, HFP_OK, false, "" },
        { 206, HFP_OK, false, "" },
        { 200, HFP_E_PORTAL, true, "login page" },
        { 400, HFP_E_ARG, false, "cas.test refuses the request (400): \"why\"" },
        { 401, HFP_E_AUTH, false, "refused the token" },
        { 403, HFP_E_FORBIDDEN, false, "does not allow" },
        { 404, HFP_E_NO_FILE, false, "knows no such file" },
        { 408, HFP_E_SERVER, false, "408" },
        { 416, HFP_E_PROTO, false, "before its known size" },
        { 429, HFP_E_BUSY, false, "slow down" },
        { 500, HFP_E_SERVER, false, "500" },
        { 501, HFP_E_NO_FILE, false, "version of the request" },
        { 503, HFP_E_SERVER, false, "503" },
        { 407, HFP_E_PROXY, false, "proxy" },
        { 511, HFP_E_PORTAL, false, "login page" },
        { 204, HFP_E_PROTO, false, "no sense" },
        { 302, HFP_E_PROTO, false, "no sense" },
    };
    static struct http_headers h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hfp_err err = { 0 };
        headers_init(&h, rows[i].status);
        h.html = rows[i].html;
        snprintf(h.error_message, sizeof h.error_message, "why");
        int rc = answer_cas_verdict(&h, "cas.test", &err);
        CHECK(rc == rows[i].rc && strstr(err.message, rows[i].says) && (!rc || err.http_status == rows[i].status),
              "%d of the store: %s (%s)", rows[i].status, hfp_code_name(rc), err.message);
    }
}

int main(void)
{
    test_urls();
    test_listed();
    test_announced();
    test_tokens();
    test_access();
    test_verdicts();
    return tap_end();
}
