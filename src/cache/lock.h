/* cache/lock.h: the lock files of the Python client, taken as it takes them.
 *
 * flock on .locks/<repo folder>/<etag>.lock (or the --local-dir lock), created 0664, left in place, never unlinked; a
 * file unlinked while we waited (st_nlink 0) is opened anew. Never blocks: a busy lock is HFP_E_LOCKED and the caller
 * asks again later. Where flock is not supported at all (ENOSYS, ENOLCK, EOPNOTSUPP) it succeeds with *fd = -1: then
 * the owner record of the partial is the only guard (design: docs/formats/digests.md). */
#ifndef HFP_CACHE_LOCK_H
#define HFP_CACHE_LOCK_H

#include "cache/store.h"

/* On success *fd is the caller's (close releases the lock) or -1 when locks are void here. */
int lock_try(int *fd, const struct place *p, struct hfp_err *err);
/* What keeps a deletion out of the end of a pull (links, then the ref), .locks/<repo folder>/hf-pull.lock: else it counts
 * who uses a content before the pull has linked it, and takes it away after. Pulls share it, a deletion has it alone.
 * As lock_try(); -1 also where there is no folder of locks, as for --local-dir. */
int lock_repository(int *fd, const struct store *s, bool alone, struct hfp_err *err);
/* The pid that holds it, from /proc/locks by device and inode; 0 when it cannot be known. */
long lock_holder(const struct place *p);

#endif
