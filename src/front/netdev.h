/* front/netdev.h: what the machine's network interfaces carry, from /proc/net/dev (proc_pid_net(5)).
 *
 * Two readings and the time between them give rates. Who wants figures reads once a second; nothing runs otherwise.
 * Parsing and rates are pure; netdev_read() reads one file. Any thread. */
#ifndef HFP_FRONT_NETDEV_H
#define HFP_FRONT_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETDEV_MAX 64  /* interfaces; a host with more (one veth per container) shows its first, and sums them all */
#define NETDEV_NAME 16 /* IFNAMSIZ */

struct netdev {
    char name[NETDEV_NAME];
    uint64_t rx, tx; /* bytes, or bytes per second */
};

struct netdevs {
    uint64_t at_ns;  /* of the reading, monotonic */
    uint64_t rx, tx; /* of all but loopback */
    size_t n;
    struct netdev dev[NETDEV_MAX]; /* loopback included: it is shown, not summed */
};

/* False when text has not the file's form. */
bool netdev_parse(struct netdevs *out, const char *text);
bool netdev_read(struct netdevs *out, uint64_t now_ns);
/* Bytes per second between two readings. An interface that is new, or whose counter began again, stands at 0. */
void netdev_rates(struct netdevs *out, const struct netdevs *before, const struct netdevs *after);

#endif
