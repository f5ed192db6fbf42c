/* cache/refs.h: refs/<revision> -> commit. Exactly 40 hex, no newline: readers do not strip.
 *
 * Written last of all (a failed pull must not move it), by temporary file elsewhere on the same file system and rename:
 * a stray file below refs/ would count as a ref. Nested revisions get folders: refs/pr/1 lives at refs/refs/pr/1.
 * Blocking: on workers. It takes no lock: of two writers the later rename counts, as with the Python client. */
#ifndef HFP_CACHE_REFS_H
#define HFP_CACHE_REFS_H

#include "cache/store.h"

/* HFP_E_NO_REVISION when absent or not a commit. *mtime_unix_s (may be NULL) is when it was written. */
int ref_read(char out[COMMIT_HEX + 1], int64_t *mtime_unix_s, const struct store *s, const char *revision,
             struct hfp_err *err);
/* Before ref_write(), beside other work: makes the folders the ref stands in, and makes them durable. */
int ref_prepare(const struct store *s, const char *revision, struct hfp_err *err);
int ref_write(const struct store *s, const char *revision, const char *commit, struct hfp_err *err);

#endif
