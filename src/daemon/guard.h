/* daemon/guard.h: who may ask what. Pure: facts of a request in, a verdict out.
 *
 * A page of another site must not be able to steer this daemon through the browser of somebody who can reach it, so
 * that what a browser says of itself is believed against it, never for it:
 *   Host        an address, localhost, or a name that was allowed: a rebound name of the attacker's is neither
 *   Origin      when there is one, exactly the origin asked
 *   Sec-Fetch   a request from another site gets nothing of the API, not even by <img>
 *   body        JSON only: a form of another site cannot send it
 * A token is wanted where the policy says so, and always from elsewhere than this machine. */
#ifndef HFP_DAEMON_GUARD_H
#define HFP_DAEMON_GUARD_H

#include "daemon/http.h"

/* Of a route. OPEN: tells nothing that matters, so that probes and the page's own files need no token. */
enum guard_area { GUARD_OPEN, GUARD_API };

struct guard_policy {
    const char *token;        /* NULL: there is none */
    bool require_token;       /* of everybody */
    bool insecure_lan;        /* Authorization in clear from elsewhere is accepted */
    const char *const *hosts; /* names allowed in Host, NULL-terminated; or NULL */
};

struct guard_facts {
    enum guard_area area;
    enum http_method method;
    const char *host, *origin, *fetch_site, *fetch_mode, *authorization, *content_type, *content_length;
    bool repeated;  /* Host, Origin, Authorization or Content-Length was sent twice */
    bool forwarded; /* a proxy speaks for somebody else */
    bool chunked, has_body, loopback, local, tls;
};

struct guard_verdict {
    unsigned status; /* 0: go on */
    const char *code, *detail;
};

struct guard_verdict guard_check(const struct guard_policy *p, const struct guard_facts *f);
/* The facts of a request. */
struct guard_facts guard_facts(const struct http_request *r, enum guard_area area);
/* Takes as long for a wrong token as for a right one. */
bool guard_same(const char *a, const char *b);
/* Headers of every answer, up to one without a name: no script but ours, no frame, nothing guessed, nothing told. */
extern const struct http_field guard_answer_fields[];

#endif
