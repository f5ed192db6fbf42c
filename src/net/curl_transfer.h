/* net/curl_transfer.h: one libcurl easy handle and the request it serves now.
 *
 * Only net/curl.c includes this. Nothing here touches the multi handle: callbacks of libcurl run inside it, and it must
 * not be called again from there (libcurl: CURLM_RECURSIVE_API_CALL). What a request's owner asks for is only noted here
 * (start, cancel, resume) and done by the loop's next turn. Loop thread only; the loop owns the transfers. */
#ifndef HFP_NET_CURL_TRANSFER_H
#define HFP_NET_CURL_TRANSFER_H

#include "net/http.h"
#include "net/proxy.h"
#include "net/sockets.h"

#include <curl/curl.h>

/* Everything a transfer needs of its loop; the loop owns it and outlives all transfers. */
struct exchange_setup {
    char *user_agent, *ca_file, *ca_dir; /* NULL: default */
    struct curl_slist *resolve;
    struct proxy_rules proxy;
    enum hfp_family family;
    uint64_t dropped_ns; /* connections older than this may not be used again; 0: all may */
    struct sockets sockets;
};

struct exchange {
    struct exchange *next, *previous; /* of the loop's list */
    struct exchange_setup *setup;
    struct http_request *request; /* NULL: cancelled, or idle */
    CURL *easy;
    bool added;         /* the multi handle knows it */
    bool resume_wanted; /* the owner called resume since the last turn */
    bool paused;        /* body returned HTTP_PAUSE */
    bool opened, answered, proxied;
    bool in_block;          /* a status line came, the empty line has not */
    struct hfp_err failure; /* set by us, not libcurl: why the transfer has to end; HFP_OK: it has not */
    uint32_t header_bytes, header_lines;
    struct http_peer peer;
    uint64_t socket; /* its serial */
    char host[256];
    struct curl_slist *headers, *connect_to;
    struct http_headers head;
    char words[CURL_ERROR_SIZE];
};

int exchange_new(struct exchange **out, struct exchange_setup *setup, struct hfp_err *err);
void exchange_free(struct exchange *t); /* not while added; NULL is fine */
/* Sets every option the request decides. On failure the transfer is idle as before. */
int exchange_prepare(struct exchange *t, struct http_request *r, struct hfp_err *err);
/* Takes the request out and forgets it, its token and its strings. */
void exchange_clear(struct exchange *t);
/* What libcurl's result means for the request. */
void exchange_outcome(const struct exchange *t, CURLcode result, struct hfp_err *out);
bool exchange_peer(struct exchange *t, struct http_peer *out);

#endif
