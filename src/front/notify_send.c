#include "front/notify_send.h"

#include "front/text.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- addresses ---- */

static bool local_v4(const uint8_t a[static 4])
{
    /* 0.0.0.0/8 reaches this host (RFC 1122, 3.2.1.3), 127/8 is loopback, 169.254/16 link-local: there the clouds
     * answer for their machines' secrets; from 224 on nobody's host. */
    return a[0] == 0 || a[0] == 127 || (a[0] == 169 && a[1] == 254) || a[0] >= 224;
}

static bool is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return local_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address->sa_family != AF_INET6)
        return true; /* neither: not for a webhook */
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b }; /* RFC 6052: an IPv4 address is at its end */
    static const uint8_t zero[12] = { 0 };
    if (IN6_IS_ADDR_V4MAPPED(a) || memcmp(a->s6_addr, nat64, sizeof nat64) == 0)
        return local_v4(a->s6_addr + 12);
    return memcmp(a->s6_addr, zero, sizeof zero) == 0 || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a);
}

struct attempt {
    const struct notify_way *way;
    bool refused_local;
};

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct attempt *a = ctx;
    (void)purpose;
    if (!a->way->trusted && !a->way->allow_local && is_local(&address->addr)) {
        a->refused_local = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t forget(char *bytes, size_t size, size_t n, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * n;
}

static int watch(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    const struct attempt *at = ctx;
    return at->way->stop && atomic_load(at->way->stop);
}

/* ---- what is said ---- */

struct post {
    char *url, *body;
    struct curl_slist *headers;
    bool put, failed;
};

static void post_done(struct post *p)
{
    free(p->url);
    free(p->body);
    curl_slist_free_all(p->headers);
}

__attribute__((format(printf, 2, 3))) static void header(struct post *p, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    struct curl_slist *more = n < 0 ? NULL : curl_slist_append(p->headers, line);
    p->failed |= !more;
    p->headers = more ? more : p->headers;
    if (n >= 0)
        free(line);
}

/* HMAC-SHA256 over "<seconds>.<body>": the time is signed too, so that an old message cannot be played again. */
static void sign(struct post *p, const char *secret)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    char hex[2 * 32 + 1], *said = NULL;
    unsigned mac_n = 0;
    long long now = (long long)time(NULL);
    int n = asprintf(&said, "%lld.%s", now, p->body);
    if (n < 0 || !HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)said, (size_t)n, mac, &mac_n)) {
        p->failed = true;
    } else {
        for (unsigned i = 0; i < 32; i++)
            snprintf(hex + 2 * i, 3, "%02x", mac[i]);
        header(p, "X-Hf-Pull-Timestamp: %lld", now);
        header(p, "X-Hf-Pull-Signature: sha256=%s", hex);
    }
    if (n >= 0)
        free(said);
}

static void make_webhook(struct post *p, const struct notify_target *t, const struct notify_letter *l)
{
    p->url = strdup(t->url);
    p->body = strdup(l->json);
    p->failed |= !p->url || !p->body;
    header(p, "Content-Type: application/json");
    header(p, "X-Hf-Pull-Event: %s", l->event);
    header(p, "X-Hf-Pull-Delivery: %s", l->id);
    if (t->secret[0] && !p->failed)
        sign(p, t->secret);
}

static void make_ntfy(struct post *p, const struct notify_target *t, const struct notify_letter *l)
{
    p->url = strdup(t->url);
    p->body = strdup(l->text);
    p->failed |= !p->url || !p->body;
    header(p, "Content-Type: text/plain; charset=utf-8");
    header(p, "Title: %s", l->title); /* ASCII by front/notify.c */
    header(p, "Priority: %u", l->priority);
    header(p, "Tags: hf-pull,%s", l->event);
    if (t->secret[0] && !strchr(t->secret, ':'))
        header(p, "Authorization: Bearer %s", t->secret);
}

/* Client-Server API v1.11, 10.5: the transaction id makes a second try of the same message no second message. */
static void make_matrix(struct post *p, const struct notify_target *t, const struct notify_letter *l)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "msgtype", "m.text");
    cJSON_AddStringToObject(o, "body", l->text);
    char *body = cJSON_PrintUnformatted(o);
    p->body = body ? strdup(body) : NULL;
    cJSON_free(body);
    cJSON_Delete(o);
    if (asprintf(&p->url, "%s/_matrix/client/v3/rooms/%s/send/m.room.message/%s", t->url, t->room, l->id) < 0)
        p->url = NULL;
    p->failed |= !p->url || !p->body;
    p->put = true;
    header(p, "Content-Type: application/json");
    header(p, "Authorization: Bearer %s", t->secret);
}

/* ---- the attempt ---- */

static CURL *new_handle(const struct post *p, const struct notify_target *t, struct attempt *a)
{
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
    curl_easy_setopt(c, CURLOPT_URL, p->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)NOTIFY_ATTEMPT_S);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, p->body);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "hf-pull/" HFP_VERSION);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, a);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, forget);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, a);
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    if (p->put)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PUT");
    /* Behind a proxy the address could not be checked: it is the proxy that goes there. */
    if (!a->way->trusted)
        curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (a->way->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, a->way->ca_file);
    if (a->way->ca_dir)
        curl_easy_setopt(c, CURLOPT_CAPATH, a->way->ca_dir);
    if (t->kind == NOTIFY_NTFY && strchr(t->secret, ':'))
        curl_easy_setopt(c, CURLOPT_USERPWD, t->secret);
    return c;
}

/* libcurl's own texts name the host at most; our targets carry their secrets elsewhere. */
static enum notify_outcome judge(CURLcode rc, long status, const struct attempt *a, const struct notify_target *t,
                                 struct hfp_err *err)
{
    if (a->refused_local)
        fault(err, HFP_E_ARG, "%s: leads to this machine or its link, and that is not allowed", t->shown);
    else if (rc != CURLE_OK)
        fault(err, HFP_E_CONNECT, "%s: %s", t->shown, curl_easy_strerror(rc));
    else if (status >= 200 && status <= 299)
        return NOTIFY_SENT;
    else if (status >= 300 && status <= 399)
        fault(err, HFP_E_PROTO, "%s: answers %ld; redirects are not followed", t->shown, status);
    else
        fault(err, HFP_E_SERVER, "%s: answers %ld", t->shown, status);
    bool again = rc != CURLE_OK || status >= 500 || status == 408 || status == 425 || status == 429;
    return again && !a->refused_local && rc != CURLE_URL_MALFORMAT ? NOTIFY_AGAIN : NOTIFY_REFUSED;
}

enum notify_outcome notify_send(const struct notify_target *t, const struct notify_letter *l,
                                const struct notify_way *way, struct hfp_err *err)
{
    struct post p = { 0 };
    struct attempt a = { .way = way };
    long status = 0;
    if (t->kind == NOTIFY_COMMAND)
        return notify_command(t, l, way, err);
    if (t->kind == NOTIFY_WEBHOOK)
        make_webhook(&p, t, l);
    else if (t->kind == NOTIFY_NTFY)
        make_ntfy(&p, t, l);
    else
        make_matrix(&p, t, l);
    CURL *c = p.failed ? NULL : new_handle(&p, t, &a);
    enum notify_outcome outcome = NOTIFY_AGAIN;
    if (c) {
        CURLcode rc = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
        outcome = judge(rc, status, &a, t, err);
        curl_easy_cleanup(c);
    } else {
        fault_nomem(err);
    }
    post_done(&p);
    return outcome;
}
