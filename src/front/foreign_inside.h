/* front/foreign_inside.h: the parts of front/foreign.c among themselves. */
#ifndef HFP_FRONT_FOREIGN_INSIDE_H
#define HFP_FRONT_FOREIGN_INSIDE_H

#include "front/foreign.h"

#include <sys/stat.h>

/* Called for each file that may be a download: its path, its stat, and whether only a writer makes it one. */
typedef void foreign_found_fn(void *ctx, const char *path, const struct stat *st, const char *by, bool needs_writer);

/* Walks one folder. now: files untouched for long count only by their name. */
void foreign_walk(const char *folder, int64_t unix_s, foreign_found_fn *found, void *ctx);

/* Fills repo, file and total_bytes as far as the path, its neighbours and control files tell. */
void foreign_judge(struct foreign_download *d);
/* Bytes by an aria2 control file beside path; false: there is none, or it makes no sense. */
bool foreign_aria2(uint64_t *here_bytes, uint64_t *total_bytes, const char *path);

/* Who writes which of the files: sets pid and by. One pass over /proc, as far as we may look. */
void foreign_writers(struct foreign_download *const *d, size_t n);

#endif
