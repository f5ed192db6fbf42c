/* The Hub's answer about a repository: a commit, or a reason why not. */
#include "fuzz.h"

#include "resolve/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char commit[COMMIT_HEX + 1] = "before";
    struct hfp_err err = { 0 };
    int rc = answer_commit(commit, (const char *)data, size, &err);
    size_t at = 0;
    while (at < size && data[at] && strchr(" \t\r\n", data[at]))
        at++;
    bool is_json = at == size || data[at] == '{' || data[at] == '[';
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == (is_json ? HFP_E_PROTO : HFP_E_PORTAL), "what is no JSON is not the Hub; the rest is a bad answer");
        MUST(strcmp(commit, "before") == 0, "nothing is written");
        return 0;
    }
    MUST(strlen(commit) == COMMIT_HEX && strspn(commit, "0123456789abcdef") == COMMIT_HEX, "40 lower-case hex digits");
    /* In the answer as it stands, unless an escape spells one of its letters. */
    MUST(memmem(data, size, commit, COMMIT_HEX) || memchr(data, '\\', size), "the commit stands in the answer");
    return 0;
}
