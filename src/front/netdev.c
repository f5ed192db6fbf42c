#include "front/netdev.h"

#include "front/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (1U << 20) /* some 120 bytes an interface */

/* "  eth0: 1296 24 0 0 0 0 0 0 1296 24 0 ..."; bytes received are the first number, bytes sent the ninth. */
static bool parse_line(struct netdev *out, char *line)
{
    char *colon = strrchr(line, ':'), *end; /* the last: an alias has one in its name */
    if (!colon)
        return false;
    *colon = '\0';
    line += strspn(line, " ");
    if (!*line || strlen(line) >= sizeof out->name)
        return false;
    memcpy(out->name, line, strlen(line) + 1);
    char *at = colon + 1;
    for (int i = 0; i < 9; i++) {
        at += strspn(at, " ");
        if (*at < '0' || *at > '9')
            return false;
        uint64_t n = strtoull(at, &end, 10);
        at = end;
        if (i == 0)
            out->rx = n;
        out->tx = n;
    }
    return true;
}

static bool is_loopback(const struct netdev *d)
{
    return strcmp(d->name, "lo") == 0; /* the kernel's own name, one in each network namespace */
}

bool netdev_parse(struct netdevs *out, const char *text)
{
    struct netdevs all = { .at_ns = out->at_ns };
    char line[512];
    for (unsigned number = 0; *text; number++) {
        size_t n = strcspn(text, "\n");
        if (n >= sizeof line)
            return false;
        memcpy(line, text, n);
        line[n] = '\0';
        text += n + (text[n] == '\n');
        if (number < 2) /* headings */
            continue;
        struct netdev d;
        if (!parse_line(&d, line))
            return false;
        if (!is_loopback(&d)) {
            all.rx += d.rx;
            all.tx += d.tx;
        }
        if (all.n < NETDEV_MAX)
            all.dev[all.n++] = d;
    }
    *out = all;
    return true;
}

bool netdev_read(struct netdevs *out, uint64_t now_ns)
{
    char *text = NULL;
    if (file_read(&text, "/proc/net/dev", FILE_MAX_BYTES, false, NULL))
        return false;
    struct netdevs all = { .at_ns = now_ns };
    bool ok = netdev_parse(&all, text);
    free(text);
    if (ok)
        *out = all;
    return ok;
}

static uint64_t rate(uint64_t before, uint64_t after, uint64_t ns)
{
    return ns == 0 || after < before ? 0 : (uint64_t)((unsigned __int128)(after - before) * 1000000000U / ns);
}

/* The same interface in another reading: at the same place, unless some came or went. NULL: it is new. */
static const struct netdev *same(const struct netdevs *in, size_t place, const char *name)
{
    if (place < in->n && strcmp(in->dev[place].name, name) == 0)
        return &in->dev[place];
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(in->dev[i].name, name) == 0)
            return &in->dev[i];
    return NULL;
}

void netdev_rates(struct netdevs *out, const struct netdevs *before, const struct netdevs *after)
{
    uint64_t ns = after->at_ns > before->at_ns ? after->at_ns - before->at_ns : 0;
    struct netdevs r = { .at_ns = after->at_ns, .n = after->n };
    for (size_t i = 0; i < after->n; i++) {
        const struct netdev *now = &after->dev[i], *was = same(before, i, now->name);
        was = was ? was : now;
        r.dev[i] = *now;
        r.dev[i].rx = rate(was->rx, now->rx, ns);
        r.dev[i].tx = rate(was->tx, now->tx, ns);
        if (!is_loopback(now)) {
            r.rx += r.dev[i].rx;
            r.tx += r.dev[i].tx;
        }
    }
    *out = r;
}
