/* front/files.h: the few files a program around the engine touches: config, token, lists, reports.
 *
 * Whole amount or error. A file is replaced whole or not at all: fresh name beside it (O_EXCL), then rename. Targets
 * that are not ordinary files (/dev/stderr, a pipe) are written in place. One thread. */
#ifndef HFP_FRONT_FILES_H
#define HFP_FRONT_FILES_H

#include "hfp/hfp.h"

/* The whole file as text (caller frees). "-" is standard input when allowed. Missing: HFP_E_NO_FILE. Longer than max or
 * with a NUL inside: HFP_E_ARG. */
int file_read(char **out, const char *path, size_t max, bool dash_is_stdin, struct hfp_err *err);

/* An ordinary file, for reading: no link, no device, and no pipe, whose opening waits for a writer. For folders of others.
 * -1: there is none. */
int file_open_plain(const char *path);
/* file_read() of such a file. */
int file_read_plain(char **out, const char *path, size_t max, struct hfp_err *err);

struct out_file {
    int fd;                 /* -1: not open */
    char *path, *temporary; /* temporary NULL: written in place */
};
#define OUT_FILE_CLOSED ((struct out_file){ .fd = -1 })

int out_file_open(struct out_file *f, const char *path, struct hfp_err *err);
int out_file_write(struct out_file *f, const void *data, size_t n, struct hfp_err *err);
int out_file_commit(struct out_file *f, struct hfp_err *err); /* gives it its name */
void out_file_drop(struct out_file *f);                       /* takes back what was not committed */

/* The same in one call, and never in place: what stands under the name is replaced, whatever it is, and no link is
 * followed. For folders where others may write too. */
int file_replace(const char *path, const void *data, size_t n, struct hfp_err *err);

/* All n bytes to a descriptor. False when it is gone or full: output to a reader that left harms nobody. */
bool write_all(int fd, const void *data, size_t n);

/* ~ and ~user first, then $NAME and ${NAME}, unknown ones left as they are: Python's expanduser and expandvars, in
 * that order, as huggingface_hub reads its paths. Caller frees; NULL when out of memory. */
char *path_expand(const char *path, char *(*lookup)(const char *name));
char *path_join(const char *folder, const char *name); /* caller frees; NULL when out of memory */
char *path_absolute(const char *path);                 /* below the working directory when relative; caller frees */

#endif
