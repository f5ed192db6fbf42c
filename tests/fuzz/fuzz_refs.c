/* refs/<revision> as any tool may have left it: the revision on the first line, then the file's bytes. Only a revision
 * that stays below refs/ is looked for (memory_io checks each path), only 40 hex digits are a commit, and what is
 * written is read again. */
#include "memory_io.h"

#include "cache/refs.h"
#include "fuzz.h"

#define OTHER_COMMIT "89abcdef0123456789abcdef0123456789abcdef"
#define PATH_ROOM 2048

static void revision_must_be_safe(const char *revision)
{
    MUST(revision[0] && strlen(revision) < 1024 && !strstr(revision, "..") && !has_controls(revision),
         "a revision that is let through is harmless");
    MUST(revision[0] != '/' && revision[strlen(revision) - 1] != '/' && !strstr(revision, "//"),
         "and names one file below refs/");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store s = { .repo = "org/name",
                       .folder = "models--org--name",
                       .repo_dir = MEMORY_DIR,
                       .receipts = MEMORY_DIR,
                       .local_notes = MEMORY_DIR,
                       .writable = true,
                       .file_mode = 0644 };
    struct input in = { data, size };
    struct hfp_err err = { 0 };
    char commit[COMMIT_HEX + 1] = "before", path[PATH_ROOM];
    AUTO_FREE char *revision = input_line(&in);
    s.is_local = size % 2;
    bool usable = name_check_revision(revision, &err) == HFP_OK;
    memory_io_begin();
    if (usable) {
        revision_must_be_safe(revision);
        snprintf(path, sizeof path, s.is_local ? "refs/models--org--name/%s" : "refs/%s", revision);
        memory_put(path, in.at, in.n);
    }
    int rc = ref_read(commit, NULL, &s, revision, &err);
    if (rc == HFP_OK) {
        MUST(usable && in.n == COMMIT_HEX && memcmp(commit, in.at, COMMIT_HEX) == 0, "the commit is the whole file");
        MUST(strspn(commit, "0123456789abcdef") == COMMIT_HEX && !commit[COMMIT_HEX], "40 lower-case hex digits");
    } else {
        must_be_told(rc, &err);
        MUST(rc == (usable ? HFP_E_NO_REVISION : HFP_E_ARG) && strcmp(commit, "before") == 0,
             "no ref, and nothing is written");
    }
    if (usable) {
        MUST(ref_write(&s, revision, OTHER_COMMIT, &err) == HFP_OK, "a ref can be written over any other");
        MUST(ref_read(commit, NULL, &s, revision, &err) == HFP_OK && strcmp(commit, OTHER_COMMIT) == 0,
             "and is read again");
    }
    memory_io_end();
    return 0;
}
