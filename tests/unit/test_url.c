/* test_url.c: URLs are made, joined, compared and shown without surprises (P6).
 *
 * Seen red on purpose: credentials in a location were taken; any scheme would do; the scheme was not part of the
 * origin; a backslash was taken; credentials were shown; the slash of a revision was not encoded. */
#include "base/auto.h"
#include "net/headers.h"
#include "net/url.h"
#include "tap.h"

static void test_encode(void)
{
    static const struct {
        const char *text;
        bool keep_slash;
        const char *want;
    } rows[] = {
        { "refs/pr/1", false, "refs%2Fpr%2F1" },
        { "sub dir/\xC3\xBC #1.txt", true, "sub%20dir/%C3%BC%20%231.txt" },
        { "a-b_c.d~e", true, "a-b_c.d~e" },
        { "100%?&=+", true, "100%25%3F%26%3D%2B" },
        { "", true, "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[64], tight[64];
        size_t n = strlen(rows[i].want);
        CHECK(url_encode(out, sizeof out, rows[i].text, rows[i].keep_slash), "%s is encoded", rows[i].text);
        CHECK_STR(out, rows[i].want, "as the Hub's client does it");
        CHECK(url_encode(tight, n + 1, rows[i].text, rows[i].keep_slash) &&
                  !url_encode(tight, n, rows[i].text, rows[i].keep_slash),
              "it fits exactly or not at all");
    }
}

static void test_join(void)
{
    static const struct {
        const char *name, *base, *location, *want;
    } rows[] = {
        { "absolute path", "https://h/a/b?q=1", "/api/resolve-cache/x", "https://h/api/resolve-cache/x" },
        { "relative path", "https://h/a/b", "c", "https://h/a/c" },
        { "dots", "https://h/a/b/c", "../d", "https://h/a/d" },
        { "above the root", "https://h/a", "../../../d", "https://h/d" },
        { "other host", "https://h/a", "https://cdn.example:8443/x?Signature=a%2Fb~c&Key=d",
          "https://cdn.example:8443/x?Signature=a%2Fb~c&Key=d" },
        { "scheme-relative", "https://h/a", "//cdn.example/x", "https://cdn.example/x" },
        { "query only", "https://h/a?b=1", "?b=2", "https://h/a?b=2" },
        { "fragment is not sent", "https://h/a", "/x#y", "https://h/x" },
        { "raw blanks", "https://h/a", "/x y", "https://h/x%20y" },
        { "encoding is kept", "https://h/a", "/refs%2Fpr%2f1/%C3%bc", "https://h/refs%2Fpr%2f1/%C3%bc" },
        { "port is kept", "http://127.0.0.1:8080/a", "/x", "http://127.0.0.1:8080/x" },
        { "IPv6", "http://[::1]:8080/a", "/x", "http://[::1]:8080/x" },
        { "file", "https://h/a", "file:///etc/passwd", NULL },
        { "ftp", "https://h/a", "ftp://h/x", NULL },
        { "javascript", "https://h/a", "javascript:alert(1)", NULL },
        { "credentials", "https://h/a", "https://user:pass@h/x", NULL },
        { "user only", "https://h/a", "https://user@h/x", NULL },
        { "credentials without scheme", "https://h/a", "//user:pass@h/x", NULL },
        { "line break", "https://h/a", "/x\r\nHost: evil", NULL },
        { "empty", "https://h/a", "", NULL },
        { "three slashes, as libcurl reads them", "https://h/a", "https:///x", "https://x/" },
        { "a backslash", "https://h/a", "https://evil\\@h/x", NULL },
        { "no host", "https://h/a", "https://", NULL },
        { "a host that reads as another the second time", "https://h/a", "https://%35/x", NULL },
        { "a base whose host does", "https://%35/a", "/x", NULL },
        { "a percent sign in a host", "https://h/a", "https://%25h/x", NULL },
        { "the same in a base, and bytes that are no text", "https://%\xd7\xca/a", "/x", NULL },
        { "wild port", "https://h/a", "https://h:99999/x", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[256] = "before";
        struct hfp_err err = { 0 };
        int rc = url_join(out, sizeof out, rows[i].base, rows[i].location, &err);
        CHECK(rc == (rows[i].want ? HFP_OK : HFP_E_PROTO), "%s is %s", rows[i].name,
              rows[i].want ? "joined" : "refused");
        CHECK_STR(out, rows[i].want ? rows[i].want : "before", "%s: the result", rows[i].name);
        CHECK(!strstr(err.message, "pass") || strstr(err.message, "passwd"), "no password in the message");
    }
    static char big[URL_ASKED_MAX + 1];
    char out[64], host[64];
    uint16_t port;
    bool tls;
    struct hfp_err err = { 0 };
    memset(big, 'a', URL_ASKED_MAX);
    big[0] = '/';
    CHECK(url_join(out, sizeof out, "https://h/", big, &err) == HFP_E_PROTO, "a location without end is refused");
    memcpy(big, "https://h/", 10);
    CHECK(url_host(host, sizeof host, &port, &tls, big) == HFP_E_ARG, "nor is such a URL asked for");
    big[URL_ASKED_MAX - 1] = 0;
    CHECK(url_host(host, sizeof host, &port, &tls, big) == HFP_OK, "a long one with many signed ranges is");
    big[0] = '/';
    big[100] = 0;
    CHECK(url_join(out, sizeof out, "https://h/", big, &err) == HFP_E_PROTO, "and one that does not fit");
}

static void test_same_origin(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "https://huggingface.co/a", "https://HuggingFace.co:443/b", true },
        { "http://h/", "http://h:80/x?y", true },
        { "https://h/", "http://h/", false },
        { "https://h:443/", "http://h:443/", false },
        { "https://h/", "https://h:444/", false },
        { "https://h/", "https://h.invalid/", false },
        { "https://h/", "https://evil/h/", false },
        { "https://h/", "https://h@evil/", false },
        { "https://h/", "https://evil#@h/", false },
        { "https://h/", "https://evil\\@h/", false },
        { "https://h/", "https://h.:443/", false },
        { "https://h/", "not a url", false },
        { "", "", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool same = !rows[i].same;
        CHECK(url_same_origin(&same, rows[i].a, rows[i].b) == HFP_OK && same == rows[i].same, "%s and %s are %s",
              rows[i].a, rows[i].b, rows[i].same ? "one origin" : "two");
    }
}

static void test_host(void)
{
    static const struct {
        const char *url, *host;
        unsigned port;
        bool tls;
    } rows[] = {
        { "https://huggingface.co/a?b", "huggingface.co", 443, true },
        { "http://127.0.0.1:8080", "127.0.0.1", 8080, false },
        { "http://[::1]:81/", "[::1]", 81, false },
        { "https://user:pass@h/", "h", 443, true },
        { "ftp://h/", NULL, 0, false },
        { "h", NULL, 0, false },
        { "", NULL, 0, false },
        { "https://", NULL, 0, false },
        { "https://a host that is far too long for the buffer/", NULL, 0, false },
        { "https://a-host-that-is-far-too-long-for-the-buffer/", NULL, 0, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char host[32] = "";
        uint16_t port = 0;
        bool tls = false;
        bool ok = url_host(host, sizeof host, &port, &tls, rows[i].url) == HFP_OK;
        CHECK(ok == (rows[i].host != NULL), "%s %s", rows[i].url, rows[i].host ? "has a host" : "is none of ours");
        if (ok)
            CHECK(strcmp(host, rows[i].host) == 0 && port == rows[i].port && tls == rows[i].tls, "with its parts");
    }
}

static void test_public(void)
{
    static const struct {
        const char *url, *want;
    } rows[] = {
        { "https://h:8443/a/b?Signature=secret#x", "https://h:8443/a/b" },
        { "https://user:secret@h/a", "https://h/a" },
        { "https://user:se@cret@h/a@b", "https://h/a@b" },
        { "//user:secret@h/a", "//h/a" },
        { "https://user:secret@", "https://" },
        { "https://h?secret", "https://h" },
        { "h/a?b=secret://x@y", "h/a" },
        { "/a\x1b[31m\xC3\xBC", "/a?[31m??" },
        { "", "" },
        { "https://h/0123456789012345678901234567890123456789", "https://h/0123456789012345678901234567890123456" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[48];
        url_public(out, sizeof out, rows[i].url);
        CHECK_STR(out, rows[i].want, "what may be shown, row %zu", i);
    }
}

int main(void)
{
    test_encode();
    test_join();
    test_same_origin();
    test_host();
    test_public();
    return tap_end();
}
