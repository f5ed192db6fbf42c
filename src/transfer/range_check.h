/* transfer/range_check.h: may the body of this answer go into the file, and where? Pure.
 *
 * A range is judged by its own header, never by hope (RFC 9110 14.4; the Python client appends whatever comes and was
 * seen to publish a corrupt blob). Bytes that pass here are still only a guess until the whole-file hash says so. */
#ifndef HFP_TRANSFER_RANGE_CHECK_H
#define HFP_TRANSFER_RANGE_CHECK_H

#include "base/err.h"
#include "net/headers.h"

/* A part of an object whose size nobody told: a total is not compared, and the length tells what a 200 or a 206 without
 * Content-Range brings. The official local CAS server answers so, 200 to its v1 URLs and 206 to those of v2; what it
 * brings is chunk records, which do not unpack at another place. */
#define RANGE_SIZE_UNKNOWN UINT64_MAX

struct range_want {
    uint64_t first, last; /* last inclusive */
    uint64_t size_bytes;  /* of the whole file, or RANGE_SIZE_UNKNOWN */
    bool ranged;          /* a Range header was sent */
    bool may_skip;        /* a whole body may be taken although it starts before first: the server knows no ranges */
    const char *path;     /* text/html is believed only of .html and .htm */
    const char *host;     /* for the sentence */
};

struct range_take {
    uint64_t skip;  /* body bytes to drop before `first` */
    uint64_t until; /* the body ends here, exclusive, when it keeps its word; UINT64_MAX: it did not say */
    bool whole;     /* 200: the server ignored the Range header */
};

/* HFP_OK for 200 and 206 that fit. HFP_E_PORTAL, HFP_E_PROTO otherwise; err names host and what it said. */
int range_check(struct range_take *out, const struct http_headers *h, const struct range_want *w, struct hfp_err *err);

#endif
