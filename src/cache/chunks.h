/* cache/chunks.h: the chunk map as a file (xet/chunk_map.h, docs/formats/chunks.md).
 *
 *   <partial>.chunks   open: what was written to the partial over Xet, run by run, as it came
 *   <etag>.chunks      sealed, beside the receipt: all of a proved file, in its order
 *
 * A convenience, never a truth: who uses a chunk hashes its bytes again, and a map that cannot be written costs nothing but
 * itself. So nothing here is synced, and after a failed write the map is left alone and never sealed.
 * One worker at a time adds; sealing and closing come when none does. */
#ifndef HFP_CACHE_CHUNKS_H
#define HFP_CACHE_CHUNKS_H

#include "cache/store.h"
#include "xet/chunk_map.h"

#define CHUNKS_NAME_MAX 96
/* Runs of one map that can be sealed: 16 MiB of keys while that lasts, and files up to 800 GB in full runs. */
#define CHUNKS_RUNS_MAX (UINT64_C(1) << 20)

struct chunks;

/* The open map of that name in dir, which stays open longer. No file is touched before the first chunk comes: then it goes
 * on with what is there, when that is this file's, and else begins anew. A map of a newer format is left alone. */
int chunks_new(struct chunks **out, int dir, const char *name, const struct chunk_map_info *info, struct hfp_err *err);
void chunks_close(struct chunks *c); /* NULL is fine; the file stays */
/* A chunk was received and goes into the file there. In the file before its bytes are: what is recorded has its run. */
void chunks_add(struct chunks *c, const struct chunk_place *place);
/* The same bytes, chunk for chunk, were written before, at `from`. Known to this process alone. */
void chunks_copied(struct chunks *c, uint64_t from, uint64_t to, uint64_t bytes);

/* Writes the sealed map of the place. HFP_E_SHORT: chunks are missing, a write had failed, or there are more
 * than CHUNKS_RUNS_MAX. HFP_E_CONTENT: all of them together are not the file of that name in Xet. */
int chunks_seal(struct chunks *c, const struct place *p, struct hfp_err *err);
/* <etag>.chunks, or <sha1 of final_name>.chunks, among the receipts. */
void chunks_sealed_name(char out[CHUNKS_NAME_MAX], const struct place *p);
bool chunks_sealed(const struct place *p, const struct xet_hash *file); /* there is one, of this content */

#endif
