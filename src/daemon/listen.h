/* daemon/listen.h: where the daemon is reached: addresses, Unix sockets, certificates, its token.
 *
 * Once, at the start and at the end, on the main thread. Sockets belong to http.h once it listens on them; the token is the
 * daemon's. */
#ifndef HFP_DAEMON_LISTEN_H
#define HFP_DAEMON_LISTEN_H

#include "daemon/daemon.h"

/* Opens what --listen names, in this order and no other: options that do not go together are refused before anything
 * is reachable. The policy of the guard is set on the way. */
int listen_all(struct daemon *d, const char *data, struct hfp_err *err);
/* "127.0.0.1:8585", "[::1]:8585", "localhost:8585"; the host without brackets. */
bool listen_parse(char host[static 256], char port[static 8], const char *text);
void listen_done(const struct daemon *d); /* takes our Unix sockets away: another daemon may have the same address */

#endif
