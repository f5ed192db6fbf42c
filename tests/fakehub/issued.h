/* issued.h: the signed locations given out: what each opens, until when, and whether it was taken back. Any thread. */
#ifndef FAKEHUB_ISSUED_H
#define FAKEHUB_ISSUED_H

#include "content.h"

struct issued;

struct ticket { /* what a location opens */
    const struct repo *repo;
    const struct commit *commit;
    const struct entry *entry;
    uint64_t serial;
};

struct issued *issued_new(void);
void issued_free(struct issued *i);
/* Writes path and query of a new location; the caller frees. */
char *issued_add(struct issued *i, const struct ticket *t, uint64_t expires_unix_ms);
/* target: as received. True when it was issued byte for byte so; *good says whether it still opens. */
bool issued_find(struct issued *i, const char *target, struct ticket *out, bool *good);
void issued_revoke(struct issued *i, uint64_t serial);
void issued_revoke_all(struct issued *i);

#endif
