#include "cache/names.h"

#include <stdio.h>
#include <string.h>

#define REPO_PART_MAX 96  /* huggingface_hub utils/_validators.py */
#define SEGMENT_MAX 255   /* NAME_MAX of every Linux file system */
#define REVISION_MAX 1024 /* refs/<revision> must fit a path; git's own limit is that of the file system */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

static bool all_lower_hex(const char *text, size_t n)
{
    return strspn(text, "0123456789abcdef") == n && text[n] == 0;
}

/* One half of a repo id. "--" would make the folder name ambiguous: models--ns--name must split back. */
static bool repo_part_ok(const char *s, size_t n)
{
    if (n == 0 || n > REPO_PART_MAX || !is_word(s[0]) || !is_word(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_word(s[i]) && s[i] != '-' && s[i] != '.')
            return false;
        if (i > 0 && s[i] == s[i - 1] && (s[i] == '-' || s[i] == '.'))
            return false;
    }
    return n < 4 || memcmp(s + n - 4, ".git", 4) != 0;
}

int name_check_repo(const char *repo, struct hfp_err *err)
{
    const char *slash = strchr(repo, '/');
    const char *name = slash ? slash + 1 : repo;
    if ((slash && !repo_part_ok(repo, (size_t)(slash - repo))) || !repo_part_ok(name, strlen(name)))
        return err_set(err, HFP_E_ARG, "\"%.200s\" is not a repository name (name or namespace/name)", repo);
    return HFP_OK;
}

/* Why the segments of a relative name may not meet a path; NULL when they may. A backslash separates too: the same
 * listing reaches clients on other systems, and a name that climbs there has no honest use here. */
static const char *segments_fault(const char *name)
{
    for (const char *s = name;; s++) {
        size_t n = strcspn(s, "/");
        if (n == 0)
            return "an empty part";
        if (n > SEGMENT_MAX)
            return "a part longer than 255 bytes";
        if (s[0] == '\\')
            return "a part that begins with a backslash";
        if (n >= 2 && s[1] == ':' && is_letter(s[0]))
            return "a drive letter";
        for (size_t i = 0; i < n;) {
            size_t m = strcspn(s + i, "/\\");
            if ((m == 1 && s[i] == '.' && n == 1) || (m == 2 && s[i] == '.' && s[i + 1] == '.'))
                return "a \".\" or \"..\" part";
            i += m + 1;
        }
        s += n;
        if (*s == 0)
            return NULL;
    }
}

int name_check_revision(const char *revision, struct hfp_err *err)
{
    const char *fault = NULL;
    if (revision[0] == 0)
        fault = "nothing in it";
    else if (strlen(revision) >= REVISION_MAX)
        fault = "more than 1023 bytes";
    else if (strstr(revision, "..")) /* git refuses it anywhere in a ref too (git-check-ref-format) */
        fault = "\"..\"";
    else
        fault = segments_fault(revision);
    for (const char *c = revision; *c && !fault; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            fault = "a control character";
    if (fault)
        return err_set(err, HFP_E_ARG, "not a usable revision: it has %s", fault);
    return HFP_OK;
}

bool name_is_commit(const char *text)
{
    return all_lower_hex(text, COMMIT_HEX);
}

bool name_is_etag(const char *text)
{
    return all_lower_hex(text, 40) || all_lower_hex(text, 64);
}

int name_check_path(const char *path, struct hfp_err *err)
{
    const char *fault = strlen(path) >= PATH_NAME_MAX ? "more than 4095 bytes" : segments_fault(path);
    if (fault)
        return err_set(err, HFP_E_PROTO, "the file name \"%.100s\" is refused: it has %s", path, fault);
    return HFP_OK;
}

void name_repo_folder(char out[REPO_FOLDER_MAX], enum hfp_repo_type type, const char *repo)
{
    static const char *const kinds[] = { [HFP_MODEL] = "models", [HFP_DATASET] = "datasets", [HFP_SPACE] = "spaces" };
    const char *slash = strchr(repo, '/');
    if (slash)
        snprintf(out, REPO_FOLDER_MAX, "%s--%.*s--%s", kinds[type], (int)(slash - repo), repo, slash + 1);
    else
        snprintf(out, REPO_FOLDER_MAX, "%s--%s", kinds[type], repo);
}
