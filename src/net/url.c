#include "net/url.h"
#include "base/auto.h"
#include "net/headers.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* URLs are taken apart by libcurl's own parser: were ours and that of the request to read one differently, a token
 * could go to a host we never compared (P6). */

static void curlu_freep(CURLU **u)
{
    curl_url_cleanup(*u);
    *u = NULL;
}

static void curl_freep(char **text)
{
    curl_free(*text);
    *text = NULL;
}

#define AUTO_URL AUTO(curlu_freep)
#define AUTO_TEXT AUTO(curl_freep)

bool url_encode(char *out, size_t out_size, const char *text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
        if (out_size - used <= (plain ? 1 : 3)) /* what is added, and the NUL */
            return false;
        if (plain) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = digits[c >> 4];
            out[used++] = digits[c & 15];
        }
    }
    if (used >= out_size)
        return false;
    out[used] = 0;
    return true;
}

static CURLUcode scheme_is_http(CURLU *u, bool *tls)
{
    AUTO_TEXT char *scheme = NULL;
    CURLUcode uc = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    if (uc != CURLUE_OK)
        return uc;
    *tls = strcasecmp(scheme, "https") == 0;
    return *tls || strcasecmp(scheme, "http") == 0 ? CURLUE_OK : CURLUE_UNSUPPORTED_SCHEME;
}

static bool has_credentials(CURLU *u)
{
    AUTO_TEXT char *user = NULL;
    AUTO_TEXT char *password = NULL;
    CURLUcode a = curl_url_get(u, CURLUPART_USER, &user, 0), b = curl_url_get(u, CURLUPART_PASSWORD, &password, 0);
    return a != CURLUE_NO_USER || b != CURLUE_NO_PASSWORD;
}

/* No URL has a backslash; programs differ in whether it ends the host name. */
static bool is_sane(const char *url)
{
    size_t n = strlen(url);
    if (n == 0 || n >= URL_ASKED_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)url[i] < 0x20 || url[i] == 0x7f || url[i] == '\\')
            return false;
    return true;
}

/* The whole of a URL as libcurl writes it. It decodes a percent-encoded host after it has read numbers as addresses:
 * https://%35/ becomes https://5/, and that becomes https://0.0.0.5/. Of a URL that is another one when it is read
 * again, we would compare the wrong one: CURLUE_BAD_HOSTNAME. No host has a percent sign once it is decoded; libcurl
 * encodes it once more each time it joins. */
static CURLUcode settled(char **whole, CURLU *u)
{
    AUTO_TEXT char *host = NULL;
    AUTO_TEXT char *once = NULL;
    AUTO_TEXT char *again = NULL;
    AUTO_URL CURLU *second = curl_url();
    CURLUcode uc = second ? curl_url_get(u, CURLUPART_URL, &once, 0) : CURLUE_OUT_OF_MEMORY;
    if (uc == CURLUE_OK)
        uc = curl_url_get(u, CURLUPART_HOST, &host, 0);
    if (uc == CURLUE_OK && strchr(host, '%'))
        uc = CURLUE_BAD_HOSTNAME;
    if (uc == CURLUE_OK)
        uc = curl_url_set(second, CURLUPART_URL, once, 0);
    if (uc == CURLUE_OK)
        uc = curl_url_get(second, CURLUPART_URL, &again, 0);
    if (uc == CURLUE_OK && strcmp(once, again) != 0)
        uc = CURLUE_BAD_HOSTNAME;
    if (uc == CURLUE_OK)
        *whole = ptr_steal(&once);
    return uc;
}

/* The base of a relative location is read again too: libcurl joins the text of both. */
static CURLUcode set_base(CURLU *u, const char *base)
{
    AUTO_TEXT char *whole = NULL;
    CURLUcode uc = curl_url_set(u, CURLUPART_URL, base, 0);
    return uc == CURLUE_OK ? settled(&whole, u) : uc;
}

int url_join(char *out, size_t out_size, const char *base, const char *location, struct hfp_err *err)
{
    char shown[128];
    bool tls;
    url_public(shown, sizeof shown, location);
    AUTO_URL CURLU *u = curl_url();
    if (!u)
        return err_nomem(err);
    CURLUcode uc = is_sane(base) && is_sane(location) ? set_base(u, base) : CURLUE_MALFORMED_INPUT;
    if (uc == CURLUE_OK) /* CURLU_URLENCODE mends raw spaces and UTF-8; what is encoded already stays as it is */
        uc = curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE);
    if (uc == CURLUE_OK)
        uc = scheme_is_http(u, &tls);
    if (uc == CURLUE_OUT_OF_MEMORY)
        return err_nomem(err);
    if (uc != CURLUE_OK)
        return err_set(err, HFP_E_PROTO, "not an http location: %s", shown);
    if (has_credentials(u))
        return err_set(err, HFP_E_PROTO, "a location that carries credentials: %s", shown);
    AUTO_TEXT char *whole = NULL;
    if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK)
        return err_nomem(err);
    uc = settled(&whole, u);
    if (uc == CURLUE_OUT_OF_MEMORY)
        return err_nomem(err);
    if (uc != CURLUE_OK)
        return err_set(err, HFP_E_PROTO, "a location with a host that can be read in two ways: %s", shown);
    size_t n = strlen(whole);
    if (n >= out_size)
        return err_set(err, HFP_E_PROTO, "a location of %zu bytes: %s", n, shown);
    memcpy(out, whole, n + 1);
    return HFP_OK;
}

int url_host(char *host, size_t host_size, uint16_t *port, bool *tls, const char *url)
{
    AUTO_URL CURLU *u = curl_url();
    AUTO_TEXT char *name = NULL;
    AUTO_TEXT char *number = NULL;
    bool secure;
    if (!u)
        return HFP_E_NOMEM;
    CURLUcode uc = is_sane(url) ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_MALFORMED_INPUT;
    if (uc == CURLUE_OK)
        uc = scheme_is_http(u, &secure);
    if (uc == CURLUE_OK)
        uc = curl_url_get(u, CURLUPART_HOST, &name, 0);
    if (uc == CURLUE_OK)
        uc = curl_url_get(u, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT);
    if (uc != CURLUE_OK)
        return uc == CURLUE_OUT_OF_MEMORY ? HFP_E_NOMEM : HFP_E_ARG;
    size_t n = strlen(name);
    unsigned long value = strtoul(number, NULL, 10);
    if (n == 0 || n >= host_size || value == 0 || value > UINT16_MAX)
        return HFP_E_ARG;
    memcpy(host, name, n + 1);
    *port = (uint16_t)value;
    *tls = secure;
    return HFP_OK;
}

int url_same_origin(bool *same, const char *a, const char *b)
{
    char host_a[256], host_b[256]; /* a DNS name has at most 253 characters (RFC 1035 2.3.4) */
    uint16_t port_a, port_b;
    bool tls_a, tls_b;
    int rc = url_host(host_a, sizeof host_a, &port_a, &tls_a, a);
    if (!rc)
        rc = url_host(host_b, sizeof host_b, &port_b, &tls_b, b);
    if (rc == HFP_E_NOMEM)
        return rc;
    *same = !rc && tls_a == tls_b && port_a == port_b && strcasecmp(host_a, host_b) == 0;
    return HFP_OK;
}

/* By hand, for it must make something harmless of any text, broken URLs first of all. */
void url_public(char *out, size_t out_size, const char *url)
{
    size_t end = strcspn(url, "?#"), from = 0, used = 0;
    const char *mark = strstr(url, "//"); /* also in the form without scheme */
    size_t scheme = mark && (size_t)(mark - url) < end ? (size_t)(mark - url) + 2 : 0;
    size_t authority_end = scheme + strcspn(url + scheme, "/?#");
    for (size_t i = scheme; scheme && i < authority_end; i++)
        if (url[i] == '@')
            from = i + 1;
    for (size_t i = 0; i < end && used + 1 < out_size; i++) {
        if (i >= scheme && i < from)
            continue;
        unsigned char c = (unsigned char)url[i];
        out[used++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    if (out_size > 0)
        out[used] = 0;
}
