/* test_proxy.c: proxies are chosen by libcurl's rules.
 *
 * Seen red on purpose: HTTP_PROXY of a CGI server was believed; NO_PROXY matched in the middle of a name; the last bits of a network
 * did not count. */
#include "base/auto.h"
#include "net/proxy.h"
#include "tap.h"

static void test_environment(void)
{
    static const struct {
        const char *name, *variable[3], *value[3], *given, *http, *https;
    } rows[] = {
        { "nothing set", { 0 }, { 0 }, NULL, NULL, NULL },
        { "http_proxy", { "http_proxy" }, { "p:1" }, NULL, "p:1", NULL },
        { "HTTP_PROXY", { "HTTP_PROXY" }, { "p:1" }, NULL, "p:1", NULL },
        { "HTTP_PROXY of a CGI server", { "HTTP_PROXY", "REQUEST_METHOD" }, { "p:1", "GET" }, NULL, NULL, NULL },
        { "HTTPS_PROXY", { "HTTPS_PROXY" }, { "p:1" }, NULL, NULL, "p:1" },
        { "https_proxy first", { "HTTPS_PROXY", "https_proxy" }, { "p:1", "p:2" }, NULL, NULL, "p:2" },
        { "ALL_PROXY", { "ALL_PROXY" }, { "p:1" }, NULL, "p:1", "p:1" },
        { "the scheme's own before it", { "all_proxy", "https_proxy" }, { "p:1", "p:2" }, NULL, "p:1", "p:2" },
        { "empty is not set", { "https_proxy", "all_proxy" }, { "", "p:2" }, NULL, "p:2", "p:2" },
        { "given", { "https_proxy" }, { "p:1" }, "p:9", "p:9", "p:9" },
        { "none given", { "https_proxy" }, { "p:1" }, "", NULL, NULL },
        { "NO_PROXY", { "all_proxy", "NO_PROXY" }, { "p:1", "other,host.example" }, NULL, NULL, NULL },
        { "NO_PROXY holds for a given one", { "no_proxy" }, { "host.example" }, "p:9", NULL, NULL },
    };
    static const char *const all[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",   "all_proxy",
                                       "ALL_PROXY",  "no_proxy",   "NO_PROXY",    "REQUEST_METHOD" };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct proxy_rules rules;
        struct hfp_err err = { 0 };
        for (size_t j = 0; j < ARRAY_LEN(all); j++)
            unsetenv(all[j]);
        for (size_t j = 0; j < 3 && rows[i].variable[j]; j++)
            setenv(rows[i].variable[j], rows[i].value[j], 1);
        CHECK(proxy_rules_read(&rules, rows[i].given, &err) == HFP_OK, "%s: rules are read", rows[i].name);
        const char *http = proxy_for(&rules, "host.example", false), *https = proxy_for(&rules, "host.example", true);
        CHECK_STR(http ? http : "direct", rows[i].http ? rows[i].http : "direct", "%s: http", rows[i].name);
        CHECK_STR(https ? https : "direct", rows[i].https ? rows[i].https : "direct", "%s: https", rows[i].name);
    }
    static struct proxy_rules rules;
    static char big[PROXY_URL_MAX + 1];
    struct hfp_err err = { 0 };
    memset(big, 'p', PROXY_URL_MAX);
    CHECK(proxy_rules_read(&rules, big, &err) == HFP_E_ARG, "a proxy that does not fit is refused");
}

static void test_no_proxy(void)
{
    static const struct {
        const char *rules, *host;
        bool direct;
    } rows[] = {
        { "*", "any.example", true },
        { "example.com", "example.com", true },
        { "example.com", "a.b.EXAMPLE.com", true },
        { ".example.com", "example.com", true },
        { "example.com.", "a.example.com.", true },
        { "example.com", "notexample.com", false },
        { "a.example.com", "example.com", false },
        { "x, y\texample.com ,z", "example.com", true },
        { "", "example.com", false },
        { ", ,", "example.com", false },
        { ".", "example.com", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.11", false },
        { "0.0.1", "127.0.0.1", false },
        { "10.0.0.0/8", "10.200.3.4", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "192.168.0.0/23", "192.168.1.9", true },
        { "192.168.0.0/23", "192.168.2.9", false },
        { "10.0.0.0/0", "1.2.3.4", true },
        { "10.0.0.0/33", "10.0.0.0", false },
        { "10.0.0.0/", "10.0.0.0", false },
        { "10.0.0.0/8x", "10.0.0.0", false },
        { "::1", "[::1]", true },
        { "fe80::/10", "[fe80::1]", true },
        { "fe80::/10", "[fd80::1]", false },
        { "10.0.0.0/8", "[::1]", false },
        { "::1", "127.0.0.1", false },
    };
    static struct proxy_rules r = { .http = "p:1", .https = "p:2" };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(r.none, sizeof r.none, "%s", rows[i].rules);
        CHECK((proxy_for(&r, rows[i].host, true) == NULL) == rows[i].direct, "NO_PROXY='%s': %s %s", rows[i].rules,
              rows[i].host, rows[i].direct ? "is direct" : "goes through the proxy");
    }
}

int main(void)
{
    test_environment();
    test_no_proxy();
    return tap_end();
}
