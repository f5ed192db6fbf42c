#include "options.h"

#include "base/auto.h"
#include "text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, LIST, NUMBER, FLAG };

#define AT(field) offsetof(struct options, field)
static const struct {
    const char *name, *value;
    enum kind kind;
    size_t at, count_at;
    const char *help;
} table[] = {
    { "root", "DIR", TEXT, AT(root), 0, "holds models/, datasets/, spaces/ (README.md)" },
    { "hub", "ADDR:PORT", LIST, AT(hub), AT(hub_count),
      "listen as the Hub; port 0 is any, 'same' the first one's; [::1]:0" },
    { "cdn", "ADDR:PORT", LIST, AT(cdn), AT(cdn_count), "listen as the CDN; may be given several times" },
    { "cas", "ADDR:PORT", LIST, AT(cas), AT(cas_count), "listen as the CAS; with --cas-data one is there anyway" },
    { "cas-data", "DIR", TEXT, AT(cas_data), 0, "Xet storage to serve (README.md)" },
    { "cas-url", "URL", TEXT, AT(cas_url), 0, "read tokens name this CAS instead of ours" },
    { "cas-name", "HOST:PORT", TEXT, AT(cas_name), 0, "what read tokens call our CAS" },
    { "hub-name", "HOST:PORT", TEXT, AT(hub_name), 0, "what absolute links call the Hub; port 0 is the real one" },
    { "cdn-name", "HOST:PORT", TEXT, AT(cdn_name), 0, "what signed locations call the CDN" },
    { "tls-cert", "FILE", TEXT, AT(cert), 0, "(set by --tls CERT KEY)" },
    { "tls-key", "FILE", TEXT, AT(key), 0, "(set by --tls CERT KEY)" },
    { "rules", "FILE", TEXT, AT(rules), 0, "faults from the start on" },
    { "log", "FILE", TEXT, AT(log), 0, "JSON lines; without it the log is kept in memory for GET /_fake/log" },
    { "ready", "FILE", TEXT, AT(ready), 0, "written when all listeners are up" },
    { "token", "TOKEN", TEXT, AT(token), 0, "the one valid token; without it any token is" },
    { "hash-cache", "FILE", TEXT, AT(hash_cache), 0, "keeps hashes of large files between starts" },
    { "lfs-over", "BYTES", NUMBER, AT(lfs_over), 0, "larger files go by LFS and CDN (1000000)" },
    { "page", "N", NUMBER, AT(page), 0, "tree entries per page (1000)" },
    { "resolve-cache", "", FLAG, AT(resolve_cache), 0, "regular files: relative 307 to /api/resolve-cache/" },
    { "url-life", "SECONDS", NUMBER, AT(url_life_s), 0, "life of a signed location (3600)" },
    { "token-life", "SECONDS", NUMBER, AT(token_life_s), 0, "life of a read token (900)" },
    { "rate", "BYTES", NUMBER, AT(rate), 0, "bytes per second of the whole server" },
    { "conn-rate", "BYTES", NUMBER, AT(conn_rate), 0, "bytes per second of each connection" },
    { "throttle-above", "K", NUMBER, AT(throttle_above), 0, "more than K open byte streams: each creeps" },
    { "throttle-to", "BYTES", NUMBER, AT(throttle_to), 0, "that pace, bytes per second (4096)" },
    { "latency", "MS", NUMBER, AT(latency_ms), 0, "before each answer's headers" },
    { "keepalive", "MS", NUMBER, AT(keepalive_ms), 0, "idle connections are closed after this (300000)" },
    { "quota-api", "N", NUMBER, AT(quota_api), 0, "RateLimit headers, and 429 after N API calls in a window" },
    { "quota-resolve", "N", NUMBER, AT(quota_resolve), 0, "the same for /resolve/" },
    { "quota-window", "SECONDS", NUMBER, AT(quota_window_s), 0, "length of a window (300)" },
    { "stay", "", FLAG, AT(stay), 0, "do not end with the parent process" },
};

__attribute__((noreturn)) static void help(void)
{
    puts("fakehub --root DIR [options]: a Hub and its CDN for tests, truthful until told to lie\n"
         "fakehub gen SEED FIRST LENGTH: generated content to stdout\n");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        printf("  --%-15s %-10s %s\n", table[i].name, table[i].value, table[i].help);
    exit(0);
}

static uint64_t number(const char *name, const char *s)
{
    if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > 18)
        die("--%s: '%s' is not a whole number", name, s);
    return strtoull(s, NULL, 10);
}

static void store(struct options *o, size_t row, const char *value)
{
    char *field = (char *)o + table[row].at;
    if (table[row].kind == FLAG) {
        *(bool *)field = true;
    } else if (table[row].kind == NUMBER) {
        *(uint64_t *)field = number(table[row].name, value);
    } else if (table[row].kind == TEXT) {
        *(const char **)field = value;
    } else {
        size_t *count = (size_t *)((char *)o + table[row].count_at);
        if (*count == ADDRESSES_MAX)
            die("--%s: more than %d", table[row].name, ADDRESSES_MAX);
        ((const char **)field)[(*count)++] = value;
    }
}

static size_t find(const char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (!strncmp(arg, "--", 2) && !strcmp(arg + 2, table[i].name))
            return i;
    die("unknown option %s (see --help)", arg);
}

void options_parse(struct options *out, int argc, char **argv)
{
    *out = (struct options){ .page = 1000,
                             .throttle_to = 4096,
                             .keepalive_ms = 300000,
                             .lfs_over = 1000000,
                             .url_life_s = 3600,
                             .token_life_s = 900,
                             .quota_window_s = 300 };
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help"))
            help();
        if (!strcmp(argv[i], "--tls")) {
            if (i + 2 >= argc)
                die("--tls needs CERT and KEY");
            out->cert = argv[++i];
            out->key = argv[++i];
            continue;
        }
        size_t row = find(argv[i]);
        if (table[row].kind != FLAG && i + 1 >= argc)
            die("%s needs a value", argv[i]);
        store(out, row, table[row].kind == FLAG ? NULL : argv[++i]);
    }
    if (!out->root)
        die("--root is needed (see --help)");
    if (!out->page)
        die("--page must be above 0");
    if (!out->hub_count)
        out->hub[out->hub_count++] = "127.0.0.1:0";
    if (!out->cdn_count)
        out->cdn[out->cdn_count++] = "127.0.0.1:0";
    if (out->cas_data && !out->cas_count)
        out->cas[out->cas_count++] = "127.0.0.1:0";
}
