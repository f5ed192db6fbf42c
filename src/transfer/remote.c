#include "transfer/internal.h"

#include "base/auto.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

/* The server of this URL. */
struct remote *remote_of(struct transfer *t, const char *url, uint64_t now_ns)
{
    char name[HOST_KEY_MAX];
    if (!hosts_key(name, url))
        snprintf(name, sizeof name, "unknown:0"); /* the request will fail with the reason */
    for (unsigned i = 0; i < t->remotes; i++)
        if (strcmp(t->remote[i].name, name) == 0)
            return &t->remote[i];
    /* Entries are pointed to by fetches, so they are never reused: more than 63 servers share the last one. */
    struct remote *r = &t->remote[MIN(t->remotes, REMOTES_MAX - 1)];
    if (t->remotes < REMOTES_MAX) {
        t->remotes++;
        snprintf(r->name, sizeof r->name, "%s", name);
        learn_init(&r->learn, t->config.max_connections, hosts_learned(t->config.hosts, name).connections, now_ns);
    }
    return r;
}

uint16_t peer_number(struct transfer *t, const char *url, const char *address)
{
    struct peer_name name = { .host = "" };
    uint16_t port = 0;
    bool tls = false;
    url_host(name.host, sizeof name.host, &port, &tls, url);
    snprintf(name.address, sizeof name.address, "%s", address);
    for (uint16_t i = 1; i < t->peers; i++)
        if (strcmp(t->peer[i].host, name.host) == 0 && strcmp(t->peer[i].address, name.address) == 0)
            return i;
    if (t->peers >= PEERS_MAX)
        return PEERS_MAX - 1; /* beyond 510 addresses the report no longer tells them apart */
    t->peer[t->peers] = name;
    return t->peers++;
}

const struct peer_name *transfer_peer(const struct transfer *t, uint16_t peer)
{
    return &t->peer[peer < t->peers ? peer : 0];
}
