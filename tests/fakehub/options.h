/* options.h: the command line. One table gives parser and help. Dies on misuse. */
#ifndef FAKEHUB_OPTIONS_H
#define FAKEHUB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESSES_MAX = 32 };

struct options {
    const char *root, *hub_name, *cdn_name, *rules, *log, *ready, *token, *hash_cache, *cert, *key, *cas_data, *cas_url,
        *cas_name;
    const char *hub[ADDRESSES_MAX], *cdn[ADDRESSES_MAX], *cas[ADDRESSES_MAX];
    size_t hub_count, cdn_count, cas_count;
    bool resolve_cache, stay;
    uint64_t page, rate, conn_rate, throttle_above, throttle_to, latency_ms, keepalive_ms, lfs_over, url_life_s,
        token_life_s;
    uint64_t quota_api, quota_resolve, quota_window_s;
};

void options_parse(struct options *out, int argc, char **argv);

#endif
