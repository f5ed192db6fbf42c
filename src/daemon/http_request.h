/* daemon/http_request.h: inside http: what its two files share, the listening one (http.c) and that of one request
 * (http_request.c). Nobody else includes this. The loop's thread alone. */
#ifndef HFP_DAEMON_HTTP_REQUEST_H
#define HFP_DAEMON_HTTP_REQUEST_H

#include "daemon/http.h"

#include <microhttpd.h>

enum conn_phase { CONN_HEAD, CONN_BODY, CONN_ANSWER, CONN_STREAM };

/* One connection; requests come on it one after the other. */
struct conn {
    struct conn *next, **at;
    struct http *http;
    struct http_request *request; /* under way; or NULL */
    int fd;
    enum conn_phase phase;
    uint64_t since_ns; /* of the phase */
    bool cut;
};

struct listener {
    struct http *http;
    struct MHD_Daemon *mhd;
    int epoll_fd;
    bool local, tls;
    uint16_t port;
};

struct http {
    struct http_ops ops;
    struct listener *listener[HTTP_LISTENERS_MAX];
    unsigned n, open;
    struct conn *conns;
    uint64_t now_ns;
    bool closing;
};

/* To be called when a connection begins something new: its deadline is counted from here. */
void http_phase(struct conn *c, enum conn_phase p);
/* libmicrohttpd calls these for each request; cls is the struct listener. */
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload_data, size_t *upload_data_size, void **req_cls);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **req_cls,
                       enum MHD_RequestTerminationCode code);
/* A connection that sleeps until an answer or more of a stream comes is awake after this. */
void http_rouse(struct http_request *r);

#endif
