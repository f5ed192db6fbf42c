/* issued.h: the signed locations and read tokens given out: what each opens, until when, and whether it was taken back.
 * Any thread. */
#ifndef FAKEHUB_ISSUED_H
#define FAKEHUB_ISSUED_H

#include "cas.h"
#include "content.h"

struct issued;

struct ticket { /* what a location or token opens */
    enum { OPENS_FILE, OPENS_XORB, OPENS_CAS } opens;
    const struct repo *repo;
    const struct commit *commit;
    const struct entry *entry; /* OPENS_FILE */
    const struct xorb *xorb;   /* OPENS_XORB, with the signed ranges; they live as long as the server */
    struct span *spans;
    size_t span_count;
    uint64_t serial;
};

struct issued *issued_new(void);
void issued_free(struct issued *i);
/* Writes path and query of a new location, or a new token; the caller frees. Takes t->spans. */
char *issued_add(struct issued *i, const struct ticket *t, uint64_t expires_unix_ms);
/* target: location or token as received. True when it was issued byte for byte so; *good says whether it still opens. */
bool issued_find(struct issued *i, const char *target, struct ticket *out, bool *good);
void issued_revoke(struct issued *i, uint64_t serial);
void issued_revoke_all(struct issued *i, bool tokens); /* all locations, or all tokens */

#endif
