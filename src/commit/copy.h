/* commit/copy.h: copies of proved bytes, always to a temporary name.
 *
 * For a partial that was unlinked under us, for folders on another file system, and where links do not work. The caller
 * renames. Blocking: on workers, under the lock of the place. */
#ifndef HFP_COMMIT_COPY_H
#define HFP_COMMIT_COPY_H

#include "cache/partial.h"

/* A name beside final_name that no listing shows and no other process picks. */
void copy_temp_name(char *out, size_t out_size, const char *final_name);
/* p->size_bytes of fd to dir/tmp, durable, with mode and owner; hashed on the way: anything but p's content is
 * HFP_E_CONTENT. tmp is gone after a failure. */
int copy_bytes(int fd, int dir, const char *tmp, const struct place *p, struct hfp_err *err);
/* Gives an unlinked partial a new file: the bytes are still there behind its descriptor. */
int copy_rescue(struct partial *pt, const struct place *p, struct hfp_err *err);

#endif
