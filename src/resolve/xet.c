#include "resolve/xet.h"

#include "base/auto.h"
#include "base/json.h"
#include "net/url.h"
#include "resolve/answers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

_Static_assert(RECONSTRUCTION_URL_MAX == URL_ASKED_MAX, "a URL that is taken can be asked for");

#define HUB_ORIGIN "https://huggingface.co"

static const char *const api_kinds[] = { [HFP_MODEL] = "models", [HFP_DATASET] = "datasets", [HFP_SPACE] = "spaces" };

static bool fits(int printed)
{
    return printed > 0 && printed < URL_MAX;
}

bool xet_hash_listed(struct xet_hash *out, const struct listed_file *f)
{
    char hex[XET_HASH_TEXT];
    if (!f->xet || f->size_bytes == 0)
        return false;
    hex_encode(hex, f->xet_hash, sizeof f->xet_hash);
    return xet_hash_parse(out, hex, strlen(hex));
}

bool xet_announced(struct xet_hash *out, char token_url[URL_MAX], const struct http_headers *h, const char *asked,
                   const char *endpoint)
{
    char url[URL_MAX], moved[URL_MAX];
    struct xet_hash hash;
    if (!xet_hash_parse(&hash, h->xet_hash, strlen(h->xet_hash)) || !h->xet_token_url[0] || h->linked_size == 0 ||
        url_join(url, sizeof url, asked, h->xet_token_url, NULL) != HFP_OK)
        return false;
    bool hub = false, own = false; /* without memory to tell: no Xet, the file comes over HTTP */
    if (url_same_origin(&hub, url, HUB_ORIGIN))
        return false;
    if (hub) {
        const char *path = strchr(url + strlen("https://"), '/'); /* url_join() has given it one */
        if (!fits(snprintf(moved, sizeof moved, "%s%s", endpoint, path ? path : "/")))
            return false;
        memcpy(url, moved, sizeof url);
    }
    if (url_same_origin(&own, url, endpoint) || !own) /* the Hub's token will go there */
        return false;
    memcpy(token_url, url, URL_MAX);
    *out = hash;
    return true;
}

bool xet_url_token(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                   const char *revision)
{
    char rev[URL_MAX];
    return url_encode(rev, sizeof rev, revision, false) &&
           fits(snprintf(out, URL_MAX, "%s/api/%s/%s/xet-read-token/%s", endpoint, api_kinds[type], repo, rev));
}

bool xet_url_reconstruction(char out[URL_MAX], const char *cas, unsigned version, const struct xet_hash *file)
{
    char hex[XET_HASH_TEXT];
    xet_hash_text(hex, file);
    return fits(snprintf(out, URL_MAX, "%s/v%u/reconstructions/%s", cas, version, hex));
}

/* ---- the token ---- */

/* A bearer token as RFC 6750 2.1 has it, and nothing that could end a header line. */
static bool token_sane(const char *token)
{
    size_t n = strnlen(token, XET_TOKEN_MAX + 1);
    for (size_t i = 0; i < n; i++)
        if (token[i] <= ' ' || token[i] >= 0x7f)
            return false;
    return n > 0 && n <= XET_TOKEN_MAX;
}

static bool can_be_asked(const char *url, bool *tls)
{
    char host[256]; /* a DNS name has at most 253 characters (RFC 1035 2.3.4) */
    uint16_t port;
    return url_host(host, sizeof host, &port, tls, url) == HFP_OK;
}

static const char *read_cas(char out[URL_MAX], const char *text, const char *endpoint)
{
    bool tls, hub_tls = true; /* also when there is no memory to tell */
    if (strchr(text, '?') || strchr(text, '#') || url_join(out, URL_MAX, text, text, NULL) != HFP_OK ||
        !can_be_asked(out, &tls))
        return "a store that is no plain http URL";
    can_be_asked(endpoint, &hub_tls);
    if (hub_tls && !tls)
        return "a store that is not reached over TLS";
    size_t n = strlen(out);
    while (n > 0 && out[n - 1] == '/')
        out[--n] = 0;
    return NULL;
}

int xet_token_read(struct xet_token *out, const char *body, size_t n, const char *endpoint, struct hfp_err *err)
{
    AUTO(json_freep) struct cJSON *doc = NULL;
    struct xet_token t = { 0 };
    const char *access, *cas, *fault = NULL;
    uint64_t ends;
    int rc = answer_json(&doc, body, n, err);
    if (rc)
        return rc;
    if (!json_text(&access, doc, "accessToken") || !token_sane(access))
        fault = "no token that can be sent";
    else if (!json_text(&cas, doc, "casUrl"))
        fault = "no store";
    else if (!json_u64(&ends, doc, "exp"))
        fault = "no end";
    else
        fault = read_cas(t.cas, cas, endpoint);
    if (fault)
        return err_set(err, HFP_E_PROTO, "the Hub's answer about Xet has %s", fault);
    t.access = strdup(access);
    if (!t.access)
        return err_nomem(err);
    t.ends_unix_s = (int64_t)ends;
    *out = t;
    return HFP_OK;
}

void xet_token_done(struct xet_token *t)
{
    free(t->access);
    t->access = NULL;
}

/* ---- who has it ---- */

static bool old(const struct xet_access *a, int64_t now_unix_s)
{
    int64_t age_s = now_unix_s - a->got_unix_s;
    if (age_s >= 0 && age_s < XET_TOKEN_LEAST_S)
        return false;
    return a->token.ends_unix_s <= now_unix_s + XET_TOKEN_MARGIN_S;
}

enum xet_need xet_access_need(struct xet_access *a, int64_t now_unix_s)
{
    if (a->state == XET_ACCESS_ASKING)
        return XET_WAIT;
    if (a->state == XET_ACCESS_HELD && !old(a, now_unix_s))
        return XET_USE;
    xet_access_done(a);
    a->state = XET_ACCESS_ASKING;
    return XET_ASK;
}

void xet_access_got(struct xet_access *a, struct xet_token *taken, int64_t now_unix_s)
{
    assert(a->state == XET_ACCESS_ASKING);
    a->token = *taken;
    taken->access = NULL;
    a->serial++;
    a->got_unix_s = now_unix_s;
    a->state = XET_ACCESS_HELD;
}

void xet_access_failed(struct xet_access *a)
{
    assert(a->state == XET_ACCESS_ASKING);
    a->state = XET_ACCESS_NONE;
}

void xet_access_refused(struct xet_access *a, uint32_t serial)
{
    if (a->state == XET_ACCESS_HELD && a->serial == serial)
        xet_access_done(a);
}

void xet_access_done(struct xet_access *a)
{
    xet_token_done(&a->token);
    a->state = XET_ACCESS_NONE;
}

/* ---- the reconstruction ---- */

int xet_reconstruction_read(struct reconstruction **out, const struct buf *body, uint64_t first_byte,
                            uint64_t last_byte, uint64_t size_bytes, bool *too_long, struct hfp_err *err)
{
    AUTO(reconstruction_freep) struct reconstruction *r = NULL;
    bool tls;
    int rc = reconstruction_parse(&r, body->data ? body->data : "", body->n, first_byte, last_byte, size_bytes,
                                  too_long, err);
    if (rc)
        return rc;
    const char *seen = NULL;
    for (size_t i = 0; i < r->fetch_count; i++) {
        if (r->fetches[i].url != seen && !can_be_asked(r->fetches[i].url, &tls))
            return err_set(err, HFP_E_PROTO, "the Xet reconstruction has a URL that cannot be asked for");
        seen = r->fetches[i].url;
    }
    *out = ptr_steal(&r);
    return HFP_OK;
}
