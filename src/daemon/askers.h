/* daemon/askers.h: who waits for what a worker finds out: one answer serves all who have asked meanwhile.
 *
 * A list is a pointer, NULL when nobody waits; a look that begins takes the list along. Each is told once: what was
 * found, or why nothing was, or, after ASKER_WAIT_S, that it takes too long: a disk that hangs leaves nobody without an
 * answer. Pure but for memory. */
#ifndef HFP_DAEMON_ASKERS_H
#define HFP_DAEMON_ASKERS_H

#include "hfp/hfp.h"

#define ASKER_WAIT_S 60 /* a look at a large cache on a slow disk ends within it; http.h cuts a request at twice that */

struct asker;
/* err NULL: json is it, and lives as long as the call. */
typedef void asker_fn(void *ctx, const char *json, size_t n, const struct hfp_err *err);

/* False: out of memory, and it was told so. */
bool askers_add(struct asker **list, asker_fn *fn, void *ctx, uint64_t now_ns);
/* All of them; the list is empty then. */
void askers_tell(struct asker **list, const char *json, size_t n, const struct hfp_err *err);
/* Those who have waited too long. Returns when the next one will have (UINT64_MAX: nobody waits). */
uint64_t askers_late(struct asker **list, uint64_t now_ns);

#endif
