/* front/foreign_inside.h: what the parts of a watch share: walking folders (foreign_walk.c), judging what a file is
 * (foreign_judge.c), finding who writes it (foreign_who.c). Nobody but front/foreign.c and tests includes it.
 *
 * Reads the disk and /proc and may wait for them; on the thread of the watch. Downloads are the watch's. What cannot be
 * read is not known: nothing here fails. */
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

/* Is it open for writing? text: a file's /proc/PID/fdinfo. */
bool foreign_fd_writes(const char *text);
/* What a process is called here. line: n bytes of /proc/PID/cmdline, and two NULs behind them. */
void foreign_program(char out[static 64], const char *line, size_t n);

/* Who writes which of the files: sets pid and by. One pass over /proc, as far as we may look. */
void foreign_writers(struct foreign_download *const *d, size_t n);

#endif
