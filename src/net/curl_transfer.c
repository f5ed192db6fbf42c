#include "net/curl_transfer.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The Hub's answers have some 40 lines and 4 KB; a signed location may be 3 KB of it. */
#define HEADER_BYTES_MAX (64 * 1024)
#define HEADER_LINES_MAX 256

static int refuse(struct exchange *t, const char *why)
{
    return err_set(&t->failure, HFP_E_PROTO, "%s: %s", t->host, why);
}

static void measure(struct exchange *t)
{
    sockets_measure(&t->setup->sockets, t->socket, &t->peer.rtt_us, &t->peer.retransmits);
}

/* libcurl calls this again when a kept connection turns out dead and it opens another by itself; the owner hears of
 * the first only and finds the present one by peer(). */
static int on_connected(void *ctx, char *address, char *local, int port, int local_port)
{
    struct exchange *t = ctx;
    long connects = 0;
    if (!t->request)
        return CURL_PREREQFUNC_ABORT;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    t->peer = (struct http_peer){ .port = (uint16_t)port, .proxied = t->proxied, .reused = connects == 0 };
    snprintf(t->peer.address, sizeof t->peer.address, "%s", address);
    t->peer.ipv6 = strchr(address, ':') != NULL;
    t->socket = sockets_find(&t->setup->sockets, local, local_port);
    measure(t);
    if (t->opened)
        return CURL_PREREQFUNC_OK;
    t->opened = true;
    struct http_peer peer = t->peer;
    if (t->request->opened)
        t->request->opened(t->request, &peer);
    return t->request ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* A status line begins a block, an empty line ends it. 1xx blocks are not the answer; what follows the answer's block
 * are trailers. */
static bool header_line(struct exchange *t, const char *line, size_t n)
{
    t->header_bytes += (uint32_t)MIN(n, HEADER_BYTES_MAX);
    if (t->header_bytes > HEADER_BYTES_MAX || ++t->header_lines > HEADER_LINES_MAX)
        return refuse(t, "headers without end") == HFP_OK;
    if (t->answered)
        return true;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        long status = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        headers_init(&t->head, (int)status);
        t->in_block = true;
        return true;
    }
    if (line[0] != '\r' && line[0] != '\n') {
        headers_line(&t->head, line, n, clock_read().unix_ms / 1000);
        return true;
    }
    if (!t->in_block || t->head.status < 200) {
        t->in_block = false;
        return true;
    }
    t->answered = true;
    if (t->request->answered)
        t->request->answered(t->request, &t->head);
    return t->request != NULL;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct exchange *t = ctx;
    size_t n = size * count;
    /* Anything but n ends the transfer with CURLE_WRITE_ERROR. */
    return t->request && n > 0 && header_line(t, line, n) ? n : n + 1;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *t = ctx;
    size_t n = size * count;
    if (!t->request)
        return n + 1;
    if (n == 0 || !t->request->body)
        return n;
    enum http_take take = t->request->body(t->request, (const uint8_t *)bytes, n);
    if (take == HTTP_STOP && t->request) {
        t->request->impl = NULL;
        t->request = NULL;
    }
    if (!t->request)
        return n + 1;
    t->paused = take == HTTP_PAUSE;
    return t->paused ? CURL_WRITEFUNC_PAUSE : n;
}

/* What is the same for every request. */
static bool set_fixed(struct exchange *t)
{
    CURL *e = t->easy;
    struct exchange_setup *setup = t->setup;
    bool ok = true;
#define SET(option, value) ok = curl_easy_setopt(e, (option), (value)) == CURLE_OK && ok
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->words);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_BUFFERSIZE, 512L * 1024); /* a tenth of the recv calls of the default 16K */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 30L); /* keeps NAT entries alive; the usual shortest is 60 s or more */
    SET(CURLOPT_TCP_KEEPINTVL, 15L);
    /* The deadline is above (10 s to connect). This only makes libcurl leave a silent address for the next one at half
     * of it, still within that deadline; without it the kernel's own SYN retries take two minutes. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, 12000L);
    /* Longer than the default minute: a short DNS outage must not stop a download. A bad address is left by hosts.c. */
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 300L);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* a hanging resolver thread must not hold up the end of the process */
#endif
    SET(CURLOPT_OPENSOCKETFUNCTION, sockets_open);
    SET(CURLOPT_OPENSOCKETDATA, &setup->sockets);
    SET(CURLOPT_CLOSESOCKETFUNCTION, sockets_close);
    SET(CURLOPT_CLOSESOCKETDATA, &setup->sockets);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_NOPROXY, ""); /* net/proxy.c has decided, environment included */
    SET(CURLOPT_USERAGENT, setup->user_agent);
    SET(CURLOPT_IPRESOLVE, setup->family == HFP_IPV4   ? (long)CURL_IPRESOLVE_V4
                           : setup->family == HFP_IPV6 ? (long)CURL_IPRESOLVE_V6
                                                       : (long)CURL_IPRESOLVE_WHATEVER);
    if (setup->ca_file)
        SET(CURLOPT_CAINFO, setup->ca_file);
    if (setup->ca_dir)
        SET(CURLOPT_CAPATH, setup->ca_dir);
    return ok;
}

int exchange_new(struct exchange **out, struct exchange_setup *setup, struct hfp_err *err)
{
    struct exchange *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(err);
    t->setup = setup;
    t->easy = curl_easy_init();
    if (!t->easy || !set_fixed(t)) {
        exchange_free(t);
        return err_set(err, HFP_E_INTERNAL, "libcurl %s does not know an option we need, or memory is short",
                       curl_version_info(CURLVERSION_NOW)->version);
    }
    *out = t;
    return HFP_OK;
}

void exchange_clear(struct exchange *t)
{
    if (t->request)
        t->request->impl = NULL;
    t->request = NULL;
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, NULL);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    t->headers = t->connect_to = NULL;
}

void exchange_free(struct exchange *t)
{
    if (!t)
        return;
    if (t->easy)
        exchange_clear(t);
    curl_easy_cleanup(t->easy);
    free(t);
}

static bool list_add(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer)
        return false;
    *list = longer;
    return true;
}

static bool make_headers(struct exchange *t, const struct http_request *r)
{
    AUTO_FREE char *line = NULL;
    if (!r->gzip && !list_add(&t->headers, "Accept-Encoding: identity"))
        return false;
    if (!r->token)
        return true;
    return asprintf(&line, "Authorization: Bearer %s", r->token) > 0 && list_add(&t->headers, line);
}

/* "any host, any port" to this address; the port stays. TLS still asks for and checks the URL's name. */
static bool make_connect_to(struct exchange *t, const char *address)
{
    char entry[96];
    int n = snprintf(entry, sizeof entry, strchr(address, ':') ? "::[%s]:" : "::%s:", address);
    return n > 0 && (size_t)n < sizeof entry && list_add(&t->connect_to, entry);
}

/* 0 means no limit to libcurl, so a whole second is the least; one more is taken off for its rounding. */
static long oldest_usable_s(const struct exchange_setup *setup, uint64_t now_ns, bool *fresh)
{
    if (!setup->dropped_ns)
        return 0;
    uint64_t since_s = (now_ns - setup->dropped_ns) / NS_PER_S;
    if (since_s < 2)
        *fresh = true;
    return since_s < 2 ? 0 : (long)MIN(since_s - 1, (uint64_t)INT32_MAX);
}

/* What follows the host, given apart: libcurl 7.88 sends a request without its query when there is no memory for that,
 * and a list of files that was asked for without "recursive" is a shorter one that looks whole. A proxy that reads the
 * request wants the whole URL; libcurl makes that one from another copy. NULL leaves it to libcurl. */
static const char *request_target(const char *url, bool proxied, bool tls)
{
    const char *host = strstr(url, "//");
    return !host || (proxied && !tls) ? NULL : strchr(host + 2, '/');
}

static bool set_request(struct exchange *t, const struct http_request *r, const char *proxy, bool tls)
{
    CURL *e = t->easy;
    bool fresh = r->fresh;
    bool ok = make_headers(t, r) && (!r->connect_to || proxy || make_connect_to(t, r->connect_to));
    char range[48] = "";
    if (r->ranged && r->last == UINT64_MAX)
        snprintf(range, sizeof range, "%llu-", (unsigned long long)r->first);
    else if (r->ranged)
        snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)r->first, (unsigned long long)r->last);
    long oldest_s = oldest_usable_s(t->setup, clock_read().mono_ns, &fresh);
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_REQUEST_TARGET, request_target(r->url, proxy != NULL, tls));
    SET(CURLOPT_RANGE, r->ranged ? range : NULL);
    SET(CURLOPT_ACCEPT_ENCODING, r->gzip ? "gzip" : NULL); /* sends the header and unpacks */
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_PROXY, proxy ? proxy : "");
    SET(CURLOPT_CONNECT_TO, t->connect_to);
    SET(CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    SET(CURLOPT_MAXLIFETIME_CONN, oldest_s);
    SET(CURLOPT_RESOLVE, t->setup->resolve); /* libcurl forgets it once loaded */
#undef SET
    return ok;
}

int exchange_prepare(struct exchange *t, struct http_request *r, struct hfp_err *err)
{
    uint16_t port;
    bool tls;
    /* A line break in the token would be a header of somebody else's choice. */
    if (r->token && r->token[strcspn(r->token, "\r\n")])
        return err_set(err, HFP_E_ARG, "the token has a line break in it");
    int rc = url_host(t->host, sizeof t->host, &port, &tls, r->url);
    if (rc)
        return rc == HFP_E_NOMEM ? err_nomem(err) : err_set(err, HFP_E_ARG, "not an http or https URL");
    const char *proxy = proxy_for(&t->setup->proxy, t->host, tls);
    if (!set_request(t, r, proxy, tls)) {
        exchange_clear(t);
        return err_nomem(err);
    }
    t->request = r;
    t->socket = 0;
    t->resume_wanted = t->paused = t->opened = t->answered = t->in_block = false;
    t->proxied = proxy != NULL;
    t->failure.code = HFP_OK;
    t->header_bytes = t->header_lines = 0;
    t->words[0] = 0;
    return HFP_OK;
}

static enum hfp_code code_of(const struct exchange *t, CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return HFP_OK;
    /* libcurl 7.88 says this of a header line beyond 100 KB too, so between request and answer it is the server's. */
    case CURLE_OUT_OF_MEMORY:
        return t->opened && !t->answered ? HFP_E_PROTO : HFP_E_NOMEM;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HFP_E_DNS;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HFP_E_PROXY;
    case CURLE_COULDNT_CONNECT:
        return t->proxied ? HFP_E_PROXY : HFP_E_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return HFP_E_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HFP_E_TLS;
    case CURLE_PARTIAL_FILE:
        return HFP_E_SHORT;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer without a status line (HTTP/0.9) */
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_CONTENT_ENCODING:
        return HFP_E_PROTO;
    /* Refused by the proxy before the request could go out: libcurl calls that a receive error. */
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return t->proxied && !t->opened ? HFP_E_PROXY : HFP_E_RESET;
    /* CURLE_GOT_NOTHING and whatever later versions invent: another connection may do better. */
    default:
        return HFP_E_RESET;
    }
}

static bool is_certificate(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
           result == CURLE_SSL_ISSUER_ERROR;
}

void exchange_outcome(const struct exchange *t, CURLcode result, struct hfp_err *out)
{
    if (t->failure.code) {
        *out = t->failure;
        return;
    }
    enum hfp_code code = code_of(t, result);
    if (code == HFP_OK) {
        *out = (struct hfp_err){ .code = HFP_OK };
        return;
    }
    char words[CURL_ERROR_SIZE];
    snprintf(words, sizeof words, "%s", t->words[0] ? t->words : curl_easy_strerror(result));
    words[strcspn(words, "\r\n")] = 0;
    long os_errno = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    err_set(out, code, "%s: %s%s", t->host, words,
            is_certificate(result) ? ". Give the certificates to trust with --ca-file or SSL_CERT_FILE" : "");
    out->sys_errno = (int)os_errno;
    out->http_status = t->answered ? t->head.status : 0;
    log_redact(out->message);
}

bool exchange_peer(struct exchange *t, struct http_peer *out)
{
    if (!t->opened)
        return false;
    measure(t);
    *out = t->peer;
    return true;
}
