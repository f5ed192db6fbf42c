/* net/headers.h: what an HTTP answer says, read once and checked. Pure; any thread.
 *
 * Each line is outside bytes: unknown shapes count as absent, numbers are bounded, strings cut to their field or
 * refused where a cut string would be dangerous (location, link, etag). */
#ifndef HFP_NET_HEADERS_H
#define HFP_NET_HEADERS_H

#include "net/header_values.h"

#define URL_MAX 8192 /* signed URLs of the Hub's CDN are 1 to 3 KB */
#define ETAG_MAX 256

struct http_headers {
    int status;
    uint64_t content_length; /* UINT64_MAX: not given, or not to be relied on (length_void) */
    bool length_void;        /* chunked (RFC 9112 6.3), or several lengths that differ */
    struct content_range range;
    bool encoded;               /* Content-Encoding other than identity */
    bool gzip;                  /* it is gzip, once */
    bool html;                  /* Content-Type text/html */
    bool link_void;             /* Link has a rel="next" that is empty or longer than any URL we ask for */
    char etag[ETAG_MAX];        /* normalised: without W/ and quotes; "" when absent */
    char linked_etag[ETAG_MAX]; /* X-Linked-Etag, the same */
    uint64_t linked_size;       /* X-Linked-Size; UINT64_MAX */
    char commit[64];            /* X-Repo-Commit as sent */
    char location[URL_MAX];
    char link_next[URL_MAX]; /* the rel="next" target of Link */
    char error_code[64];     /* X-Error-Code */
    char error_message[208]; /* X-Error-Message, cut */
    uint64_t retry_after_s;  /* seconds from now; UINT64_MAX: absent. HTTP dates are turned into seconds by Date */
    int64_t date_unix_s;     /* Date, the server's clock; 0: absent */
    int64_t retry_at_unix_s; /* Retry-After in its date form; 0: absent */
    struct rate_limit limit;
    char request_id[80];
    char server[64];
    char xet_hash[65]; /* X-Xet-Hash, 64 hex digits; "" when absent or anything else: then it is no Xet file */
    char xet_token_url[URL_MAX]; /* the rel="xet-auth" target of Link, else X-Xet-Refresh-Route (its older spelling) */
    bool xet_token_link;         /* it is from Link */
};

void headers_init(struct http_headers *h, int status);
/* One header line "Name: value" with or without CRLF. unix_s is used when Retry-After is a date and no Date came. */
void headers_line(struct http_headers *h, const char *line, size_t n, int64_t unix_s);

#endif
