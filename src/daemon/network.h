/* daemon/network.h: the machine's line: who carries what, now and before.
 *
 * Reads /proc/net/dev once a second while a job runs or somebody listens to events, and tells the listeners what changed
 * (event `network`); otherwise only when it is asked, and then twice, a fifth of a second apart. Loop's thread. */
#ifndef HFP_DAEMON_NETWORK_H
#define HFP_DAEMON_NETWORK_H

#include "daemon/traffic.h"

struct daemon;
struct network;

int network_new(struct network **out, struct hfp_err *err);
void network_free(struct network *n); /* who waits is told that there is no answer. NULL is fine */
uint64_t network_turn(struct daemon *d, uint64_t now_ns);

#endif
