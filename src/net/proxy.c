#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The first of the variables that is set and not empty. */
static const char *environment(const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && value[0])
            return value;
    }
    return "";
}

static int keep(char *out, size_t out_size, const char *value, const char *what, struct hfp_err *err)
{
    size_t n = strlen(value);
    if (n >= out_size)
        return err_set(err, HFP_E_ARG, "%s is longer than %zu bytes", what, out_size - 1);
    memcpy(out, value, n + 1);
    return HFP_OK;
}

int proxy_rules_read(struct proxy_rules *out, const char *given, struct hfp_err *err)
{
    /* As Python's urllib reads them: HTTP_PROXY in capitals only outside a CGI server, which sets it from the client's
     * "Proxy:" header (httpoxy, 2016). */
    static const char *const plain[] = { "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", NULL };
    static const char *const cgi[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
    const char *const *http = getenv("REQUEST_METHOD") ? cgi : plain;
    static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL };
    static const char *const none[] = { "no_proxy", "NO_PROXY", NULL };
    int rc = keep(out->http, sizeof out->http, given ? given : environment(http), "the proxy for http", err);
    if (!rc)
        rc = keep(out->https, sizeof out->https, given ? given : environment(https), "the proxy for https", err);
    if (!rc)
        rc = keep(out->none, sizeof out->none, environment(none), "NO_PROXY", err);
    return rc;
}

/* token: address or address/bits. */
static bool network_holds(const char *token, int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t network[sizeof(struct in6_addr)];
    size_t n = strcspn(token, "/");
    unsigned long bits = family == AF_INET ? 32 : 128, wanted = bits;
    if (n >= sizeof text)
        return false;
    memcpy(text, token, n);
    text[n] = 0;
    if (inet_pton(family, text, network) != 1)
        return false;
    if (token[n] == '/') {
        char *end;
        wanted = strtoul(token + n + 1, &end, 10);
        if (end == token + n + 1 || *end || wanted > bits)
            return false;
    }
    size_t whole = wanted / 8, rest = wanted % 8;
    if (memcmp(network, address, whole) != 0)
        return false;
    return rest == 0 || (network[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* "example.com" and ".example.com" both mean the host itself and all below it. */
static bool domain_holds(const char *token, const char *host)
{
    size_t n = strlen(token), host_n = strlen(host);
    if (*token == '.') {
        token++;
        n--;
    }
    while (n > 0 && token[n - 1] == '.')
        n--;
    while (host_n > 0 && host[host_n - 1] == '.')
        host_n--;
    if (n == 0 || n > host_n || strncasecmp(host + host_n - n, token, n) != 0)
        return false;
    return n == host_n || host[host_n - n - 1] == '.';
}

static bool is_direct(const char *rules, const char *host)
{
    char name[256], token[256]; /* longer names are no DNS names */
    uint8_t address[sizeof(struct in6_addr)];
    int family = AF_UNSPEC;
    size_t n = strlen(host);
    bool bracketed = host[0] == '[' && n > 2 && host[n - 1] == ']';
    if (strcmp(rules, "*") == 0)
        return true;
    if (n >= sizeof name)
        return false;
    memcpy(name, host + bracketed, n + 1 - bracketed);
    if (bracketed)
        name[n - 2] = 0;
    if (inet_pton(AF_INET6, name, address) == 1)
        family = AF_INET6;
    else if (inet_pton(AF_INET, name, address) == 1)
        family = AF_INET;
    for (const char *p = rules; *p;) {
        p += strspn(p, " ,\t");
        size_t len = strcspn(p, " ,\t");
        if (len > 0 && len < sizeof token) {
            memcpy(token, p, len);
            token[len] = 0;
            if (family == AF_UNSPEC ? domain_holds(token, name) : network_holds(token, family, address))
                return true;
        }
        p += len;
    }
    return false;
}

const char *proxy_for(const struct proxy_rules *rules, const char *host, bool tls)
{
    const char *proxy = tls ? rules->https : rules->http;
    return proxy[0] == 0 || is_direct(rules->none, host) ? NULL : proxy;
}
