#include "daemon/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 300 /* a name has 253 bytes at most (RFC 1035 2.3.4), then a port */

const struct http_field guard_answer_fields[] = {
    { "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
                                 "'self'; worker-src 'self'; manifest-src 'self'; "
                                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                                 "require-trusted-types-for 'script'; trusted-types hf-pull" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Permissions-Policy", "camera=(), microphone=(), geolocation=()" },
    { NULL, NULL },
};

bool guard_same(const char *a, const char *b)
{
    size_t an = strlen(a), bn = strlen(b);
    unsigned differ = an != bn;
    for (size_t i = 0; i < an; i++)
        differ |= (unsigned)(unsigned char)a[i] ^ (unsigned)(unsigned char)b[bn ? i % bn : 0];
    return differ == 0;
}

/* "name:port" without its port; false when it is no host at all. */
static bool host_name(char out[static HOST_MAX], const char *host)
{
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n == 0 || n >= HOST_MAX || n > strlen(host))
        return false;
    const char *port = host + n;
    if (*port && (*port != ':' || !port[1] || strspn(port + 1, "0123456789") != strlen(port + 1)))
        return false;
    memcpy(out, host, n);
    out[n] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    struct in6_addr six;
    struct in_addr four;
    char inner[HOST_MAX];
    size_t n = strlen(name);
    if (*name != '[')
        return inet_pton(AF_INET, name, &four) == 1;
    if (n < 3)
        return false;
    memcpy(inner, name + 1, n - 2);
    inner[n - 2] = '\0';
    return inet_pton(AF_INET6, inner, &six) == 1;
}

static bool host_allowed(const struct guard_policy *p, const char *host)
{
    char name[HOST_MAX];
    if (!host_name(name, host))
        return false;
    if (strcasecmp(name, "localhost") == 0 || is_address(name))
        return true;
    for (const char *const *h = p->hosts; h && *h; h++)
        if (strcasecmp(*h, name) == 0)
            return true;
    return false;
}

static bool origin_is(const struct guard_facts *f)
{
    char own[HOST_MAX + 16];
    snprintf(own, sizeof own, "%s://%s", f->tls ? "https" : "http", f->host);
    return strcasecmp(own, f->origin) == 0;
}

/* A link to the page may stand anywhere; everything else has to come from the page itself, or from no page at all. */
static bool from_another_site(const struct guard_facts *f)
{
    if (!f->fetch_site || strcmp(f->fetch_site, "same-origin") == 0 || strcmp(f->fetch_site, "none") == 0)
        return false;
    bool link =
        f->area == GUARD_OPEN && f->method == HTTP_GET && f->fetch_mode && strcmp(f->fetch_mode, "navigate") == 0;
    return !link;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    if (strncasecmp(type, json, n) != 0)
        return false;
    type += n;
    type += strspn(type, " \t");
    if (!*type)
        return true;
    if (*type++ != ';')
        return false;
    type += strspn(type, " \t");
    return strcasecmp(type, "charset=utf-8") == 0 || strcasecmp(type, "charset=\"utf-8\"") == 0;
}

static struct guard_verdict body_verdict(const struct guard_facts *f)
{
    const struct guard_verdict fine = { 0 };
    if (f->chunked)
        return (struct guard_verdict){ 411, "length_required",
                                       "say Content-Length; pieces of unknown length are not read." };
    if (f->content_length && (strlen(f->content_length) > 9 || strtoul(f->content_length, NULL, 10) > HTTP_BODY_MAX))
        return (struct guard_verdict){ 413, "body_too_large", "a request body has 256 KiB at most." };
    if (f->method != HTTP_POST && f->method != HTTP_PATCH)
        return fine;
    if (f->content_type ? !is_json(f->content_type) : f->has_body)
        return (struct guard_verdict){ 415, "not_json", "the body has to be application/json." };
    return fine;
}

static struct guard_verdict token_verdict(const struct guard_policy *p, const struct guard_facts *f)
{
    bool here = (f->loopback || f->local) && !f->forwarded;
    if (here && !p->require_token)
        return (struct guard_verdict){ 0 };
    if (!p->token)
        return (struct guard_verdict){ 403, "no_token_set",
                                       "from elsewhere only with a token, and this daemon has none." };
    if (!f->authorization || strncasecmp(f->authorization, "Bearer ", 7) != 0)
        return (struct guard_verdict){ 401, "token_needed", "give the daemon's token: Authorization: Bearer ..." };
    if (!guard_same(f->authorization + 7, p->token))
        return (struct guard_verdict){ 401, "token_wrong", "this is not the daemon's token." };
    return (struct guard_verdict){ 0 };
}

struct guard_verdict guard_check(const struct guard_policy *p, const struct guard_facts *f)
{
    if (f->repeated)
        return (struct guard_verdict){ 400, "header_repeated", "a header that says who or what this is came twice." };
    if (!f->local && (!f->host || !host_allowed(p, f->host)))
        return (struct guard_verdict){ 403, "host_refused",
                                       "Host is neither an address nor localhost nor a name given by --allow-host." };
    if (f->origin && (!f->host || !origin_is(f)))
        return (struct guard_verdict){ 403, "origin_refused", "the request comes from a page of another origin." };
    if (from_another_site(f))
        return (struct guard_verdict){ 403, "site_refused", "the request comes from a page of another site." };
    if (f->authorization && !f->tls && !f->local && !f->loopback && !p->insecure_lan)
        return (
            struct guard_verdict){ 403, "token_in_clear",
                                   "a token came over an open line, where others may have read it: change it, and use "
                                   "TLS (--tls-cert) or --insecure-lan." };
    if (f->area == GUARD_API) {
        struct guard_verdict v = token_verdict(p, f);
        if (v.status)
            return v;
    }
    return body_verdict(f);
}

struct guard_facts guard_facts(const struct http_request *r, enum guard_area area)
{
    const struct http_view *v = http_view(r);
    static const char *const once[] = { "Host", "Origin", "Authorization", "Content-Length", "Content-Type" };
    struct guard_facts f = { .area = area,
                             .method = v->method,
                             .host = http_header(r, "Host"),
                             .origin = http_header(r, "Origin"),
                             .fetch_site = http_header(r, "Sec-Fetch-Site"),
                             .fetch_mode = http_header(r, "Sec-Fetch-Mode"),
                             .authorization = http_header(r, "Authorization"),
                             .content_type = http_header(r, "Content-Type"),
                             .content_length = http_header(r, "Content-Length"),
                             .forwarded = http_header(r, "X-Forwarded-For") || http_header(r, "Forwarded"),
                             .chunked = http_header(r, "Transfer-Encoding") != NULL,
                             .has_body = v->has_body,
                             .loopback = v->loopback,
                             .local = v->local,
                             .tls = v->tls };
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        f.repeated |= http_header_repeated(r, once[i]);
    return f;
}
