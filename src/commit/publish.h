/* commit/publish.h: the only code that gives a file its final name.
 *
 * Order, for P1 and power loss: data fdatasync (durable) -> mode and owner -> rename to the final name -> folder fsync ->
 * receipt -> snapshot link. The caller has proved the content. A final name is replaced by rename, never written through
 * (a blob may be a link into a shared store). Blocking; one place at a time, several places from several workers. */
#ifndef HFP_COMMIT_PUBLISH_H
#define HFP_COMMIT_PUBLISH_H

#include "cache/listing.h"
#include "cache/partial.h"
#include "cache/receipt.h"

/* Publishes a proved partial and closes it; *pt is NULL after success. first_block: digest of a file of one block
 * (digests is NULL then); may be NULL. When the partial was unlinked under us it is copied from the open descriptor. */
int publish_blob(const struct place *p, struct partial **pt, const uint8_t *first_block, int64_t unix_s,
                 struct hfp_err *err);
/* A file without content: no partial needed. HFP_E_CONTENT: its hash is that of something. */
int publish_empty(const struct place *p, int64_t unix_s, struct hfp_err *err);
/* Group commit: starts write-back of all, so that the fdatasync of each that follows finds little to do. */
void publish_prepare(struct partial *const *pts, size_t n);
/* Once per job, before the ref moves: makes the names of small files durable, which publish_blob() does alone only for
 * files of more than one block; and, when the links are made, those in every folder of the snapshot, and in snapshots/.
 * The folders above are store_sync_folders(). */
int publish_settle_blobs(const struct store *s, struct hfp_err *err);
int publish_settle_snapshot(const struct store *s, const char *commit, const struct listing *l, struct hfp_err *err);
/* The snapshot entry of path: a relative link to the blob; without symlinks the blob was published there already, and a
 * second path of the same content is copied. For --local-dir: the metadata note. Replaces what is wrong. */
int publish_link(const struct place *p, const char *commit, const char *path, int64_t unix_s, struct hfp_err *err);
/* Is the entry there and does it lead to the place's content? Fails when that cannot be told for want of memory. */
int publish_linked(bool *linked, const struct place *p, const char *commit, const char *path, struct hfp_err *err);
/* Snapshot folder as the user sees it (root_text/...); for --local-dir the folder itself. */
void publish_snapshot_path(char *out, size_t out_size, const struct store *s, const char *commit);

#endif
