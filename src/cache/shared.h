/* cache/shared.h: the store that huggingface_hub 2.x shares between repositories, hub/blobs.
 *
 *   hub/blobs/.huggingface-shared-blobs     "1\n": it is one
 *   hub/blobs/<2 hex>/<xet hash>            a payload, read-only; the client's, and other repositories' too
 *                     <xet hash>.refs       its users, one models--ns--name/blobs/<etag> a line
 *                     <xet hash>.lock       flock for publishing, linking and deleting
 *
 * A content that is there under its name in Xet costs no byte: blobs/<etag> becomes a link to it, as the client does
 * it. What lies there is a claim: the file is hashed before anything of ours leads to it. Payloads are never written,
 * nor put there. (huggingface_hub: utils/_shared_blobs.py) Blocking; any worker, under the lock of the place. */
#ifndef HFP_CACHE_SHARED_H
#define HFP_CACHE_SHARED_H

#include "cache/store.h"
#include "xet/hash.h"

/* A payload of that name and size that may be read. */
bool shared_has(const struct place *p, const struct xet_hash *file);
/* Its user is noted, then the place becomes a link to it. False: it is gone, someone holds its lock, or we may not. */
bool shared_link(const struct place *p, const struct xet_hash *file);

#endif
