/* The Hub's answer with a token for Xet. A token can stand in a header, and the place it goes to is one that all
 * readers of a URL agree about. */
#include "fuzz.h"

#include "net/url.h"
#include "resolve/xet.h"

static void must_hold(const struct xet_token *t, bool tls_wanted)
{
    char host[256], url[URL_MAX];
    uint16_t port;
    bool tls, same = false;
    struct xet_hash file = { { 7 } };
    MUST(t->access && t->access[0] && strlen(t->access) <= XET_TOKEN_MAX, "a token has a length");
    for (const char *c = t->access; *c; c++)
        MUST(*c > ' ' && *c < 0x7f, "a token has nothing that ends a header line");
    MUST(t->ends_unix_s >= 0, "it does not end before the clock began");
    size_t n = strlen(t->cas);
    MUST(n > 0 && t->cas[n - 1] != '/' && !strpbrk(t->cas, "?# \\"), "a store is a plain URL");
    MUST(url_host(host, sizeof host, &port, &tls, t->cas) == HFP_OK && (tls || !tls_wanted),
         "over TLS where the Hub is");
    if (xet_url_reconstruction(url, t->cas, 2, &file))
        MUST(n + 100 > URL_MAX || (url_same_origin(&same, url, t->cas) == HFP_OK && same),
             "what is asked for is asked of the store");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int tls = 0; tls < 2; tls++) {
        struct hfp_err err = { 0 };
        struct xet_token t = { 0 };
        int rc = xet_token_read(&t, (const char *)data, size, tls ? "https://huggingface.co" : "http://hub.test", &err);
        if (rc) {
            must_be_told(rc, &err);
            MUST(!t.access && (rc == HFP_E_PROTO || rc == HFP_E_PORTAL), "a bad answer leaves nothing");
            MUST(!has_controls(err.message), "no answer can steer a terminal");
        } else {
            must_hold(&t, tls);
        }
        xet_token_done(&t);
    }
    return 0;
}
