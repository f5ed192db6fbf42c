#include "net/hosts.h"
#include "base/auto.h"
#include "base/io.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HOSTS_FILE "hosts"
#define HOSTS_HEAD "hf-pull hosts 1\n"
/* A line is at most a key, a family and two numbers; ten times what 64 of them need. */
#define HOSTS_FILE_MAX (256 * 1024)
#define LINE_MAX_BYTES 400
#define CONNECTIONS_MAX 9999U                 /* 4 digits */
#define RATE_MAX UINT64_C(999999999999999999) /* 18 digits: cannot overflow when read */

struct host {
    char key[HOST_KEY_MAX];
    uint64_t used;
    bool pinned; /* from the resolve list */
    struct addresses addresses;
    uint64_t asked_ns; /* 0: never */
    uint64_t not_before_ns;
    uint64_t gap_ns, gap_until_ns; /* requests are spaced by the one until the other */
    struct host_learned learned;
    struct host_quota quota;
};

struct hosts {
    struct host host[HOSTS_MAX];
    size_t hosts;
    uint64_t uses;
    enum hfp_family family;
    bool foreign_file; /* written by another version: not ours to replace */
};

static struct host *host_find(const struct hosts *h, const char *key)
{
    for (size_t i = 0; i < h->hosts; i++)
        if (strcasecmp(h->host[i].key, key) == 0)
            return (struct host *)&h->host[i];
    return NULL;
}

static struct host *host_place(struct hosts *h)
{
    struct host *oldest = NULL;
    if (h->hosts < HOSTS_MAX)
        return &h->host[h->hosts++];
    for (size_t i = 0; i < HOSTS_MAX; i++)
        if (!h->host[i].pinned && (!oldest || h->host[i].used < oldest->used))
            oldest = &h->host[i];
    return oldest;
}

/* Finds or enters; NULL when the key is too long or all places are pinned: then nothing is learned about it. */
static struct host *host_use(struct hosts *h, const char *key)
{
    size_t n = strlen(key);
    struct host *host = host_find(h, key);
    if (!host) {
        host = n > 0 && n < HOST_KEY_MAX ? host_place(h) : NULL;
        if (!host)
            return NULL;
        memset(host, 0, sizeof *host);
        memcpy(host->key, key, n + 1);
    }
    host->used = ++h->uses;
    return host;
}

void hosts_add_address(struct hosts *h, const char *key, const char *address)
{
    struct host *host = host_use(h, key);
    if (host)
        addresses_add(&host->addresses, address);
}

bool hosts_addresses_wanted(struct hosts *h, const char *key, uint64_t now_ns)
{
    const struct host *host = host_find(h, key);
    return host && !host->pinned && addresses_suspected(&host->addresses, now_ns) &&
           (host->asked_ns == 0 || now_ns - host->asked_ns >= HOST_ASK_AGAIN_NS);
}

void hosts_asked(struct hosts *h, const char *key, uint64_t now_ns)
{
    struct host *host = host_use(h, key);
    if (host)
        host->asked_ns = MAX(now_ns, 1);
}

void hosts_failed(struct hosts *h, const char *key, const char *address, uint64_t now_ns)
{
    struct host *host = host_use(h, key);
    if (host)
        addresses_failed(&host->addresses, address, now_ns);
}

void hosts_ok(struct hosts *h, const char *key, const char *address, uint64_t now_ns)
{
    struct host *host = host_use(h, key);
    if (host)
        addresses_ok(&host->addresses, address, now_ns);
}

const char *hosts_pick(struct hosts *h, const char *key, const char *const *avoid, size_t avoid_n, uint64_t now_ns)
{
    struct host *host = host_find(h, key);
    if (!host || (avoid_n == 0 && !addresses_suspected(&host->addresses, now_ns)))
        return NULL;
    host->used = ++h->uses;
    return addresses_pick(&host->addresses, h->family, avoid, avoid_n, now_ns);
}

/* Below a tenth of the quota the rest is spread evenly over the rest of the window; at nothing we wait for its end. */
static void read_limit(struct host *host, const struct rate_limit *limit, uint64_t now_ns)
{
    uint64_t reset_ns = MIN(limit->reset_s, HOST_GATE_MAX_NS / NS_PER_S) * NS_PER_S;
    host->gap_ns = 0;
    host->quota = (struct host_quota){ limit->quota, limit->remaining, now_ns + reset_ns };
    if (limit->remaining == 0)
        host->not_before_ns = MAX(host->not_before_ns, now_ns + reset_ns);
    else if (limit->remaining < limit->quota / 10) {
        host->gap_ns = reset_ns / limit->remaining;
        host->gap_until_ns = now_ns + reset_ns;
    }
}

void hosts_answered(struct hosts *h, const char *key, const struct http_headers *headers, uint64_t now_ns)
{
    bool asks = headers->status >= 400 && headers->retry_after_s != UINT64_MAX;
    struct host *host = asks || headers->limit.present ? host_use(h, key) : NULL;
    if (!host)
        return;
    if (asks) {
        uint64_t wait_ns = MIN(headers->retry_after_s, HOST_GATE_MAX_NS / NS_PER_S) * NS_PER_S;
        host->not_before_ns = MAX(host->not_before_ns, now_ns + wait_ns);
    }
    if (headers->limit.present)
        read_limit(host, &headers->limit, now_ns);
}

uint64_t hosts_not_before(struct hosts *h, const char *key, uint64_t now_ns)
{
    const struct host *host = host_find(h, key);
    return host ? MAX(host->not_before_ns, now_ns) : now_ns;
}

void hosts_sent(struct hosts *h, const char *key, uint64_t now_ns)
{
    struct host *host = host_find(h, key);
    if (!host || host->gap_ns == 0)
        return;
    if (now_ns >= host->gap_until_ns)
        host->gap_ns = 0;
    else
        host->not_before_ns = MIN(MAX(host->not_before_ns, now_ns) + host->gap_ns, host->gap_until_ns);
}

void hosts_learn(struct hosts *h, const char *key, struct host_learned learned)
{
    struct host *host = host_use(h, key);
    if (host)
        host->learned = learned;
}

struct host_learned hosts_learned(const struct hosts *h, const char *key)
{
    const struct host *host = host_find(h, key);
    return host ? host->learned : (struct host_learned){ 0 };
}

const char *hosts_entry(const struct hosts *h, size_t n, struct host_learned *learned, struct host_quota *quota)
{
    if (n >= h->hosts)
        return NULL;
    *learned = h->host[n].learned;
    *quota = h->host[n].quota;
    return h->host[n].key;
}

bool hosts_key(char out[HOST_KEY_MAX], const char *url)
{
    char host[256];
    uint16_t port;
    bool tls;
    if (url_host(host, sizeof host, &port, &tls, url))
        return false;
    snprintf(out, HOST_KEY_MAX, "%s:%u", host, port);
    return true;
}

/* "host:port:addr[,addr...]", "+" before it as libcurl allows; IPv6 may be in brackets. Other forms are libcurl's. */
static void pin(struct hosts *h, const char *entry)
{
    char key[HOST_KEY_MAX], address[INET6_ADDRSTRLEN + 2];
    entry += *entry == '+';
    const char *colon = *entry == '[' ? strchr(entry, ']') : entry;
    colon = colon ? strchr(colon, ':') : NULL;
    const char *list = colon ? strchr(colon + 1, ':') : NULL;
    if (!list || *entry == '-' || *entry == '*' || (size_t)(list - entry) >= sizeof key)
        return;
    memcpy(key, entry, (size_t)(list - entry));
    key[list - entry] = 0;
    struct host *host = host_use(h, key);
    if (!host)
        return;
    host->pinned = true;
    for (const char *p = list + 1; *p; p += *p == ',') {
        size_t n = strcspn(p, ",");
        bool bracketed = n >= 2 && p[0] == '[' && p[n - 1] == ']';
        if (n < sizeof address) {
            size_t len = n - 2 * bracketed;
            memcpy(address, p + bracketed, len);
            address[len] = 0;
            addresses_add(&host->addresses, address);
        }
        p += n;
    }
}

int hosts_new(struct hosts **out, const char *const *resolve, enum hfp_family family, struct hfp_err *err)
{
    struct hosts *h = calloc(1, sizeof *h);
    if (!h)
        return err_nomem(err);
    h->family = family;
    for (; resolve && *resolve; resolve++)
        pin(h, *resolve);
    *out = h;
    return HFP_OK;
}

void hosts_free(struct hosts *h)
{
    free(h);
}

static const char *const family_names[] = { [HFP_ANY_FAMILY] = "any", [HFP_IPV4] = "ipv4", [HFP_IPV6] = "ipv6" };

/* Digits only, at most so many: no overflow. */
static bool count_read(uint64_t *out, const char *text, size_t digits_max)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > digits_max || text[n])
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static void line_read(struct hosts *h, char *line)
{
    char *part[4], *rest = NULL;
    uint64_t connections, rate;
    for (size_t i = 0; i < ARRAY_LEN(part); i++)
        if (!(part[i] = strtok_r(i ? NULL : line, " ", &rest)))
            return;
    if (strtok_r(NULL, " ", &rest) || !strchr(part[0], ':') || !count_read(&connections, part[2], 4) ||
        !count_read(&rate, part[3], 18))
        return;
    for (size_t i = 0; i < ARRAY_LEN(family_names); i++) {
        struct host *host = strcmp(part[1], family_names[i]) == 0 ? host_use(h, part[0]) : NULL;
        if (!host)
            continue;
        host->addresses.family = (enum hfp_family)i;
        host->learned = (struct host_learned){ (uint32_t)connections, rate };
    }
}

int hosts_load(struct hosts *h, int dir, struct hfp_err *err)
{
    AUTO_FREE char *text = NULL;
    int rc = io_read_file(&text, NULL, dir, HOSTS_FILE, HOSTS_FILE_MAX, err);
    if (rc)
        return rc == HFP_E_NO_FILE ? HFP_OK : rc;
    size_t head = strlen(HOSTS_HEAD);
    if (strncmp(text, HOSTS_HEAD, head) != 0) {
        h->foreign_file = strncmp(text, HOSTS_HEAD, head - 2) == 0; /* ours but for the number */
        return h->foreign_file ? err_set(err, HFP_E_VERSION, "%s is of another version", HOSTS_FILE)
                               : err_set(err, HFP_E_CORRUPT, "%s is not a list of hosts", HOSTS_FILE);
    }
    char *rest = NULL;
    for (char *line = strtok_r(text + head, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        line_read(h, line);
    return HFP_OK;
}

static bool worth_a_line(const struct host *h)
{
    return h->learned.connections != 0 || h->addresses.family != HFP_ANY_FAMILY;
}

bool hosts_any_learned(const struct hosts *h)
{
    for (size_t i = 0; i < h->hosts; i++)
        if (worth_a_line(&h->host[i]))
            return true;
    return false;
}

int hosts_save(const struct hosts *h, int dir, struct hfp_err *err)
{
    size_t size = sizeof HOSTS_HEAD + HOSTS_MAX * LINE_MAX_BYTES, used = strlen(HOSTS_HEAD);
    if (h->foreign_file)
        return HFP_OK;
    AUTO_FREE char *text = malloc(size);
    if (!text)
        return err_nomem(err);
    memcpy(text, HOSTS_HEAD, used + 1);
    /* Oldest first: a reader with fewer places drops those, as each line read counts as a use. */
    for (uint64_t from = 0;;) {
        const struct host *next = NULL;
        for (size_t i = 0; i < h->hosts; i++)
            if (h->host[i].used > from && (!next || h->host[i].used < next->used))
                next = &h->host[i];
        if (!next)
            break;
        from = next->used;
        if (!worth_a_line(next))
            continue;
        used += (size_t)snprintf(text + used, LINE_MAX_BYTES, "%s %s %u %llu\n", next->key,
                                 family_names[next->addresses.family], MIN(next->learned.connections, CONNECTIONS_MAX),
                                 (unsigned long long)MIN(next->learned.rate_bytes_per_s, RATE_MAX));
    }
    return io_write_file(dir, HOSTS_FILE, dir, text, used, 0644, false, err);
}
