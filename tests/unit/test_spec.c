/* What people write for a repository, and lists of them.
 * Seen red with: looks_like_file() returning false ("a file name is explained"), revision_length() without refs/pr
 * ("refs/pr/3 in a URI"), same_repo() returning NULL ("two files are one job"). */
#include "cli/targets.h"
#include "front/options.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#define HUB "https://huggingface.co"

static void good(void)
{
    static const struct {
        const char *text;
        enum hfp_repo_type type;
        const char *repo, *revision, *path;
    } rows[] = {
        { "gpt2", HFP_MODEL, "gpt2", "", "" },
        { "org/name", HFP_MODEL, "org/name", "", "" },
        { "Qwen/Qwen3-0.6B", HFP_MODEL, "Qwen/Qwen3-0.6B", "", "" },
        { "org/name@v1.0", HFP_MODEL, "org/name", "v1.0", "" },
        { "org/name@refs/pr/3", HFP_MODEL, "org/name", "refs/pr/3", "" },
        { "org/name:a/b.json", HFP_MODEL, "org/name", "", "a/b.json" },
        { "org/name@main:dir/", HFP_MODEL, "org/name", "main", "dir/" },
        { "org/name:odd@name", HFP_MODEL, "org/name", "", "odd@name" },
        { "datasets/squad", HFP_DATASET, "squad", "", "" },
        { "datasets/org/name@v1:x", HFP_DATASET, "org/name", "v1", "x" },
        { "spaces/org/name", HFP_SPACE, "org/name", "", "" },
        { "org/model.bin", HFP_MODEL, "org/model.bin", "", "" },
        { "hf://org/name", HFP_MODEL, "org/name", "", "" },
        { "hf://org/name@v1/a/b.json", HFP_MODEL, "org/name", "v1", "a/b.json" },
        { "hf://datasets/org/name/data/x.csv", HFP_DATASET, "org/name", "", "data/x.csv" },
        { "hf://models/org/name@refs/pr/3/x.json", HFP_MODEL, "org/name", "refs/pr/3", "x.json" },
        { "hf://org/name@refs%2Fpr%2F3/x.json", HFP_MODEL, "org/name", "refs/pr/3", "x.json" },
        { HUB "/org/name", HFP_MODEL, "org/name", "", "" },
        { HUB "/org/name/", HFP_MODEL, "org/name", "", "" },
        { HUB "/org/name/tree/main", HFP_MODEL, "org/name", "main", "" },
        { HUB "/org/name/tree/main/sub", HFP_MODEL, "org/name", "main", "sub/" },
        { HUB "/datasets/org/name/blob/v1/a%20b.csv?x=1#L3", HFP_DATASET, "org/name", "v1", "a b.csv" },
        { HUB "/org/name/resolve/refs%2Fpr%2F3/x.bin?download=true", HFP_MODEL, "org/name", "refs/pr/3", "x.bin" },
        { "https://hf.co/org/name", HFP_MODEL, "org/name", "", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spec s = { 0 };
        struct hfp_err err = { 0 };
        CHECK(spec_parse(&s, rows[i].text, HUB, &err) == HFP_OK && s.type == rows[i].type, "%s is understood %s",
              rows[i].text, err.message);
        CHECK_STR(s.repo, rows[i].repo, "its repository");
        CHECK_STR(s.revision, rows[i].revision, "its revision");
        CHECK_STR(s.path, rows[i].path, "its path");
    }
}

static void bad(void)
{
    static const char *const rows[] = { "",
                                        "/",
                                        "a//b",
                                        "a/b/c",
                                        "/a/b",
                                        "a/",
                                        "a b",
                                        "a/b@",
                                        "a/b:",
                                        "a/b@:x",
                                        "@v1",
                                        ":x",
                                        "https://example.org/a/b",
                                        HUB,
                                        HUB "/",
                                        HUB "/a/b/issues",
                                        HUB "/a/b/blob//x",
                                        HUB "/a/b/blob/%00/x",
                                        HUB "/a/b/tree/m%e4G",
                                        HUB "/a/b/blob/main/x%1b[2J",
                                        "hf://a/b@m%e4G/x",
                                        "a/b@m\xe4n",
                                        "a/b:x\x7f",
                                        "hf://",
                                        "hf://a/b@/x",
                                        "a/b\n",
                                        "a/\xc3\xa4" };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spec s = { .repo = "untouched" };
        struct hfp_err err = { 0 };
        CHECK(spec_parse(&s, rows[i], HUB, &err) == HFP_E_ARG && err.message[0], "row %zu is refused with a reason", i);
        CHECK_STR(s.repo, "untouched", "and nothing is written");
    }
    struct spec s;
    struct hfp_err err = { 0 };
    static char longer[5000];
    memset(longer, 'a', sizeof longer - 1);
    CHECK(spec_parse(&s, longer, HUB, &err) == HFP_E_ARG, "a name without end is refused");
    memcpy(longer, "a/b:", 4);
    CHECK(spec_parse(&s, longer, HUB, &err) == HFP_E_ARG, "a path without end is refused");
    spec_parse(&s, "config.json", HUB, &err);
    CHECK_STR(err.message,
              "'config.json' looks like a file, not a repository. One file is ORG/NAME:PATH, several are --include "
              "'PATTERN'.",
              "a file name is explained");
    spec_parse(&s, "*.safetensors", HUB, &err);
    CHECK(strstr(err.message, "--include") != NULL, "so is a pattern");
}

static int targets(struct targets *t, struct options *o, int argc, char **argv, struct hfp_err *err)
{
    *o = (struct options){ 0 };
    *t = (struct targets){ 0 };
    int rc = options_read_line(o, argc, argv, err);
    rc = rc ? rc : options_defaults(o, err);
    return rc ? rc : targets_read(t, o, err);
}

static void lists(void)
{
    char path[] = "/tmp/hf-pull-test-XXXXXX";
    static const char text[] = "# models\n\norg/one   # the first\r\norg/two@v2\n  datasets/org/three\norg/one:x\n";
    int fd = mkstemp(path);
    CHECK(write(fd, text, sizeof text - 1) == sizeof text - 1, "list written");
    close(fd);
    struct options o;
    struct targets t;
    struct hfp_err err = { 0 };
    char *argv[] = {
        (char *)"hf-pull", (char *)"org/zero:a", (char *)"org/zero:b", (char *)"--models-from", path, NULL
    };
    CHECK(targets(&t, &o, 5, argv, &err) == HFP_OK && t.n == 4, "words and list make four jobs %s", err.message);
    CHECK(t.n == 4 && t.t[0].paths_n == 2 && strcmp(t.t[0].paths[1], "b") == 0 && !t.t[0].paths[2],
          "two files are one job");
    CHECK(t.n == 4 && !t.t[1].paths && strcmp(t.t[1].spec.revision, "main") == 0, "all of it contains one of it");
    CHECK(t.n == 4 && strcmp(t.t[2].spec.revision, "v2") == 0 && t.t[3].spec.type == HFP_DATASET, "each with its own");
    targets_done(&t);
    options_done(&o);
    unlink(path);
}

static void refused(void)
{
    static const struct {
        const char *words[7], *message;
    } rows[] = {
        { { "hf-pull" }, "which repository? Example: hf-pull Qwen/Qwen3-0.6B. hf-pull --help lists all." },
        { { "hf-pull", "verify" },
          "which repository? Example: hf-pull verify Qwen/Qwen3-0.6B. hf-pull --help lists all." },
        { { "hf-pull", "a/b", "c/d", "--local-dir", "/x" },
          "--local-dir takes one repository; 2 were named, and their files would mix." },
        { { "hf-pull", "a/b:x", "--include", "*.json" },
          "--include and --exclude choose files, and so does 'a/b:x'. Give one of them." },
        { { "hf-pull", "datasets/a/b", "--repo-type", "space" },
          "'datasets/a/b' says one kind of repository and --repo-type another." },
        { { "hf-pull", "--models-from", "/dev/null" }, "--models-from: /dev/null names no repository." },
        { { "hf-pull", "--models-from", "/nonexistent" }, "--models-from: /nonexistent: No such file or directory." },
        { { "hf-pull", "org/name", "config.json" },
          "'config.json' looks like a file, not a repository. One file is ORG/NAME:PATH, several are --include "
          "'PATTERN'." },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o;
        struct targets t;
        struct hfp_err err = { 0 };
        int argc = 0;
        char *argv[8] = { 0 };
        for (; argc < 7 && rows[i].words[argc]; argc++)
            argv[argc] = (char *)rows[i].words[argc];
        CHECK(targets(&t, &o, argc, argv, &err) == HFP_E_ARG, "row %zu is refused", i);
        CHECK_STR(err.message, rows[i].message, "with a reason");
        targets_done(&t);
        options_done(&o);
    }
}

int main(void)
{
    good();
    bad();
    lists();
    refused();
    return tap_end();
}
