/* daemon/traffic.h: what each network interface carried: the last hour by seconds, the last day by minutes.
 *
 * Bounded rings in memory, begun when an interface first carries something; nothing of it is kept on disk. Where nobody
 * looked there is no point: a hole is shown as a hole. Loopback is left out. Pure: readings and time come from outside.
 * Loop's thread. */
#ifndef HFP_DAEMON_TRAFFIC_H
#define HFP_DAEMON_TRAFFIC_H

#include "front/netdev.h"
#include "front/out.h"
#include "hfp/hfp.h"

#define TRAFFIC_LANES 16     /* interfaces with a history: 41 KB each; a host with more shows those that came first */
#define TRAFFIC_SECONDS 3600 /* points of an hour */
#define TRAFFIC_MINUTES 1440 /* and of a day */

struct traffic;

int traffic_new(struct traffic **out, struct hfp_err *err);
void traffic_free(struct traffic *t); /* NULL is fine */
/* Rates (netdev_rates) as they were in this second. Out of memory: the interface has no history. */
void traffic_add(struct traffic *t, const struct netdevs *rates, int64_t unix_s);
/* "step_s" and "interfaces" {name: [[unix_s, received, sent], ...]}, into an open object. */
void traffic_json(struct out *o, const struct traffic *t, bool day, int64_t unix_s);

#endif
