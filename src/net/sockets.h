/* net/sockets.h: the sockets libcurl has open, so that the kernel can be asked about the one a transfer uses.
 *
 * CURLINFO_ACTIVESOCKET knows it only when the transfer is over (curl issue 5299). So libcurl opens and closes through
 * this table, and a transfer finds its socket by the local address that libcurl names when it is connected.
 * One table per loop, on its thread. */
#ifndef HFP_NET_SOCKETS_H
#define HFP_NET_SOCKETS_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Kept connections and those of running requests, both families at once. One more than fits is only not measured. */
#define SOCKETS_MAX 160

struct socket_entry {
    uint64_t serial; /* 0: free. Never used twice, as descriptors are */
    curl_socket_t fd;
    int local_port; /* 0: not asked yet */
    char local[INET6_ADDRSTRLEN];
};

struct sockets {
    struct socket_entry entry[SOCKETS_MAX];
    uint64_t last_serial;
};

/* CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION; ctx is struct sockets *. */
curl_socket_t sockets_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address);
int sockets_close(void *ctx, curl_socket_t fd);
/* The serial of the socket bound to this local address; 0: none. */
uint64_t sockets_find(struct sockets *s, const char *local, int local_port);
/* TCP_INFO of a socket that is still open; false otherwise. */
bool sockets_measure(const struct sockets *s, uint64_t serial, uint32_t *rtt_us, uint32_t *retransmits);

#endif
