/* resolve/patterns.h: which files of a listing are wanted. Pure; any thread.
 *
 * Python's fnmatchcase, as huggingface_hub filters (utils/_paths.py): case-sensitive, '*' crosses '/', '?', '[..]',
 * '[!..]', no braces, a trailing '/' means '/''*', a backslash counts as '/'. Bytes are compared as UTF-8 code points. */
#ifndef HFP_RESOLVE_PATTERNS_H
#define HFP_RESOLVE_PATTERNS_H

#include <stdbool.h>

bool pattern_match(const char *pattern, const char *path);
/* paths: exact names, or "dir/" for all below; NULL or empty: no names given. NULL lists accept all / exclude none.
 * With names given, include and exclude are not looked at (as the Python client does). */
struct filter {
    const char *const *paths, *const *include, *const *exclude;
};
bool filter_wants(const struct filter *f, const char *path);

#endif
