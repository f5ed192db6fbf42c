/* daemon/systemd.h: what a service tells its manager (sd_notify(3)), by one datagram and without a library.
 *
 * Where nobody asked (no NOTIFY_SOCKET) all of it does nothing. Loop's thread. */
#ifndef HFP_DAEMON_SYSTEMD_H
#define HFP_DAEMON_SYSTEMD_H

#include <stdint.h>

struct systemd {
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_ns; /* between two signs of life; 0: none is wanted */
    uint64_t beat_ns;     /* when the next is due */
};

void systemd_open(struct systemd *s);
void systemd_say(const struct systemd *s, const char *state); /* "READY=1" */
uint64_t systemd_turn(struct systemd *s, uint64_t now_ns);
void systemd_close(struct systemd *s);

#endif
