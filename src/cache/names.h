/* cache/names.h: which remote names may meet a path. Pure; any thread.
 *
 * Everything the Hub says is hostile until it passed here (P6). Rules: facts of huggingface_hub
 * (utils/_validators.py, _local_folder.py), narrowed where that client was seen to write outside its cache. */
#ifndef HFP_CACHE_NAMES_H
#define HFP_CACHE_NAMES_H

#include "base/err.h"

#define REPO_ID_MAX 200 /* 96 + '/' + 96 */
#define REPO_FOLDER_MAX 256
#define COMMIT_HEX 40
#define PATH_NAME_MAX 4096

int name_check_repo(const char *repo, struct hfp_err *err);         /* name or ns/name */
int name_check_revision(const char *revision, struct hfp_err *err); /* no "..", no control characters, not empty */
bool name_is_commit(const char *text);                              /* exactly 40 lower-case hex */
bool name_is_etag(const char *text);                                /* exactly 40 or 64 lower-case hex */
/* A file path from a listing: relative, no empty, "." or ".." segment, no NUL, no backslash-rooted or drive part,
 * each segment at most 255 bytes, whole at most PATH_NAME_MAX - 1. */
int name_check_path(const char *path, struct hfp_err *err);
/* models--ns--name */
void name_repo_folder(char out[REPO_FOLDER_MAX], enum hfp_repo_type type, const char *repo);

#endif
