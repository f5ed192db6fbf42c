/* resolve/xet.h: what the Hub says about a file's other way, Xet: its hash, the read token, where to ask.
 *
 * Pure; any thread. Facts: hub-docs xet/auth.md, xet/api.md; huggingface_hub utils/_xet.py. The Hub's token goes to the
 * endpoint's origin alone and the CAS token to the CAS alone; signed URLs get neither (P6). */
#ifndef HFP_RESOLVE_XET_H
#define HFP_RESOLVE_XET_H

#include "base/buf.h"
#include "cache/listing.h"
#include "net/headers.h"
#include "xet/reconstruction.h"

#define XET_TOKEN_MAX 64000u /* hub-docs: xet/auth.md */
/* Asked for again when so little is left: the reference client's margin (xet-core: cas_client/auth.rs). */
#define XET_TOKEN_MARGIN_S 30
/* A token that is over when it comes is a clock that is wrong, ours or theirs: it is tried for this long, and the CAS
 * decides. */
#define XET_TOKEN_LEAST_S 60

/* The file's name in Xet. False: it has none, or it is empty, which is never in Xet and never asked for. */
bool xet_hash_listed(struct xet_hash *out, const struct listed_file *f);
/* The same from the headers of a resolve answer; both its name and a place for tokens must be there. A place on
 * huggingface.co is moved to the endpoint (a mirror repeats what the Hub says); one outside the endpoint's origin is
 * refused. asked is the URL that was answered. */
bool xet_announced(struct xet_hash *out, char token_url[URL_MAX], const struct http_headers *h, const char *asked,
                   const char *endpoint);

/* Where to ask for the token; false when it does not fit. One token serves all files of a repository and revision. */
bool xet_url_token(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                   const char *revision);
/* version 1 or 2. cas has no trailing slash. */
bool xet_url_reconstruction(char out[URL_MAX], const char *cas, unsigned version, const struct xet_hash *file);

struct xet_token {
    char *access; /* bearer token for cas and no one else; on the heap. A secret */
    int64_t ends_unix_s;
    char cas[URL_MAX]; /* base URL, no trailing slash */
};
/* On success the caller owns out->access (xet_token_done). Refused (HFP_E_PROTO, HFP_E_PORTAL): a token that could not
 * stand in a header, a CAS that is no plain http(s) URL, or http where the endpoint is https. */
int xet_token_read(struct xet_token *out, const char *body, size_t n, const char *endpoint, struct hfp_err *err);
void xet_token_done(struct xet_token *t);

/* Who holds a token, and who has to get one. One request at a time; all who need one wait for it.
 *
 *   NONE --need: ASK--> ASKING --got--> HELD --need, when it is old: ASK--> ASKING
 *     ^-----failed---------'              '--refused--> NONE                                                     */
enum xet_access_state { XET_ACCESS_NONE, XET_ACCESS_ASKING, XET_ACCESS_HELD };
enum xet_need { XET_USE, XET_ASK, XET_WAIT }; /* ASK: the caller asks the Hub, now, and tells got or failed */

struct xet_access {
    enum xet_access_state state;
    uint32_t serial; /* of the token: 1, 2, 3 ... */
    int64_t got_unix_s;
    struct xet_token token; /* when HELD */
};
enum xet_need xet_access_need(struct xet_access *a, int64_t now_unix_s);
void xet_access_got(struct xet_access *a, struct xet_token *taken, int64_t now_unix_s);
void xet_access_failed(struct xet_access *a);
/* The CAS answered 401 to the token of that serial. Nothing when another has taken its place. */
void xet_access_refused(struct xet_access *a, uint32_t serial);
void xet_access_done(struct xet_access *a);

/* reconstruction_parse(), and each URL can be asked for. */
int xet_reconstruction_read(struct reconstruction **out, const struct buf *body, uint64_t first_byte,
                            uint64_t last_byte, uint64_t size_bytes, bool *too_long, struct hfp_err *err);

#endif
