/* Promises of cache/names: nothing the Hub says meets a path before it passed here (P6).
 * Seen red on purpose: the ".." check removed from segments_fault, the "--" rule removed, upper-case hex accepted, the
 * limits of 255 and 4095 bytes raised. */
#include "cache/names.h"
#include "tap.h"

#define A96 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *text;
    bool ok;
} repos[] = {
    { "gpt2", true },     { "ns/name", true },   { "a/b", true },         { "Qwen/Qwen3.6-35B_x", true },
    { "_a/b_", true },    { A96 "/" A96, true }, { "", false },           { "/", false },
    { "a/", false },      { "/a", false },       { "a/b/c", false },      { "a--b", false },
    { "a/b--c", false },  { "a..b", false },     { "a/..", false },       { "../a", false },
    { "a/b.git", false }, { "a/.b", false },     { "a/b.", false },       { "-a/b", false },
    { "a/b-", false },    { "a b", false },      { "a/b\n", false },      { "a\\b", false },
    { "a/b%2e", false },  { A96 "a", false },    { "a/" A96 "a", false }, { "\xc3\xa9/a", false },
};

static const struct {
    const char *text;
    bool ok;
} revisions[] = {
    { "main", true },  { "refs/pr/1", true }, { "v1.0", true },  { "feature/x-y", true }, { "0123456789abcdef", true },
    { "", false },     { "..", false },       { "a..b", false }, { "../../x", false },    { "/etc", false },
    { "a/", false },   { "a//b", false },     { "./a", false },  { "a\nb", false },       { "a\x7f", false },
    { "a\tb", false }, { "a/../b", false },
};

static const struct {
    const char *text;
    bool ok;
} paths[] = {
    { "config.json", true },    { "a/b/c.bin", true }, { "sub dir/x", true },
    { ".gitattributes", true }, { "a..b", true },      { "...", true },
    { "\xe6\x97\xa5/x", true }, { "3:4.png", true },   { "", false },
    { "/etc/passwd", false },   { "..", false },       { "../x", false },
    { "a/../b", false },        { "a/..", false },     { ".", false },
    { "a/./b", false },         { "a//b", false },     { "a/", false },
    { "\\x", false },           { "a/\\x", false },    { "..\\x", false },
    { "a\\..\\b", false },      { "C:x", false },      { "a/c:/b", false },
};

static const struct {
    enum hfp_repo_type type;
    const char *repo, *folder;
} folders[] = {
    { HFP_MODEL, "ns/name", "models--ns--name" },
    { HFP_MODEL, "gpt2", "models--gpt2" },
    { HFP_DATASET, "a/b", "datasets--a--b" },
    { HFP_SPACE, "a/b", "spaces--a--b" },
};

int main(void)
{
    struct hfp_err err;
    for (size_t i = 0; i < sizeof repos / sizeof repos[0]; i++)
        CHECK((name_check_repo(repos[i].text, &err) == HFP_OK) == repos[i].ok, "repo \"%.30s\" is %s", repos[i].text,
              repos[i].ok ? "taken" : "refused");
    for (size_t i = 0; i < sizeof revisions / sizeof revisions[0]; i++)
        CHECK((name_check_revision(revisions[i].text, &err) == HFP_OK) == revisions[i].ok, "revision %zu is %s", i,
              revisions[i].ok ? "taken" : "refused");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK((name_check_path(paths[i].text, &err) == HFP_OK) == paths[i].ok, "path \"%s\" is %s", paths[i].text,
              paths[i].ok ? "taken" : "refused");

    char deep[PATH_NAME_MAX + 8];
    memset(deep, 'a', sizeof deep);
    deep[255] = 0;
    CHECK(name_check_path(deep, &err) == HFP_OK, "a part of 255 bytes is taken");
    deep[255] = 'a';
    deep[256] = 0;
    CHECK(name_check_path(deep, &err) == HFP_E_PROTO, "a part of 256 bytes is refused");
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 2 ? '/' : 'a';
    deep[PATH_NAME_MAX - 1] = 0;
    CHECK(name_check_path(deep, &err) == HFP_OK, "a path of 4095 bytes is taken");
    deep[PATH_NAME_MAX - 1] = '/', deep[PATH_NAME_MAX] = 'a', deep[PATH_NAME_MAX + 1] = 0;
    CHECK(name_check_path(deep, &err) == HFP_E_PROTO, "a longer path is refused");

    CHECK(name_is_commit("0123456789abcdef0123456789abcdef01234567"), "40 lower-case hex is a commit");
    CHECK(!name_is_commit("0123456789ABCDEF0123456789abcdef01234567"), "upper case is no commit");
    CHECK(!name_is_commit("0123456789abcdef0123456789abcdef0123456"), "39 digits are no commit");
    CHECK(!name_is_commit("0123456789abcdef0123456789abcdef01234567\n"), "a newline is no part of a commit");
    CHECK(name_is_etag("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "64 hex is an etag");
    CHECK(name_is_etag("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"), "40 hex is an etag");
    CHECK(!name_is_etag("E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391"), "upper case is no etag");
    CHECK(!name_is_etag("../../../../../w/evil"), "a path is no etag");
    CHECK(!name_is_etag(""), "nothing is no etag");

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char got[REPO_FOLDER_MAX];
        name_repo_folder(got, folders[i].type, folders[i].repo);
        CHECK_STR(got, folders[i].folder, "folder of %s", folders[i].repo);
    }
    return tap_end();
}
