/* test_answers.c: the promises of resolve/answers.h.
 *
 * Seen red on purpose: no rewind after a bad page, 401 with a token taken for a missing repository, words not redacted,
 * any text as commit, LFS size not checked, sha256 and git id mixed up, all HTML taken for a portal, a revision's
 * slashes kept. */
#include "resolve/answers.h"

#include "base/auto.h"
#include "tap.h"

#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA1B "89abcdef0123456789abcdef0123456789abcdef"
#define SHA256 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define XET "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static void test_urls(void)
{
    char u[URL_MAX], path[PATH_NAME_MAX];
    const char *e = "http://hub:81";
    CHECK(hub_url_info(u, e, HFP_MODEL, "org/x", "refs/pr/1"), "the info URL fits");
    CHECK_STR(u, "http://hub:81/api/models/org/x/revision/refs%2Fpr%2F1?expand=sha",
              "a revision's slashes are encoded");
    CHECK(hub_url_tree(u, e, HFP_DATASET, "x", SHA1), "the tree URL fits");
    CHECK_STR(u, "http://hub:81/api/datasets/x/tree/" SHA1 "?recursive=true&expand=false",
              "the tree is asked for whole");
    CHECK(hub_url_file(u, e, HFP_SPACE, "org/x", SHA1, "sub dir/\xc3\xbc #1.txt"), "the file URL fits");
    CHECK_STR(u, "http://hub:81/spaces/org/x/resolve/" SHA1 "/sub%20dir/%C3%BC%20%231.txt", "a path keeps its slashes");
    CHECK(hub_url_file(u, e, HFP_MODEL, "x", SHA1, "a"), "a model's file URL fits");
    CHECK_STR(u, "http://hub:81/x/resolve/" SHA1 "/a", "models have no prefix");
    CHECK(hub_url_page(u, e, HFP_DATASET, "org/x"), "the page URL fits");
    CHECK_STR(u, "http://hub:81/datasets/org/x", "the page is where a person looks");
    memset(path, ' ', sizeof path - 1);
    path[sizeof path - 1] = 0;
    CHECK(!hub_url_file(u, e, HFP_MODEL, "x", SHA1, path), "what does not fit is said, not cut");
}

static void test_commit(void)
{
    static const struct {
        const char *name, *body;
        int rc;
    } rows[] = {
        { "info", "{\"_id\":\"1\",\"sha\":\"" SHA1 "\",\"siblings\":[{\"rfilename\":\"a\"}]}", HFP_OK },
        { "no sha", "{\"id\":\"x\"}", HFP_E_PROTO },
        { "a sha that is a number", "{\"sha\":1}", HFP_E_PROTO },
        { "a short sha", "{\"sha\":\"0123\"}", HFP_E_PROTO },
        { "a sha that climbs", "{\"sha\":\"../../../../../../../../../../../../../x\"}", HFP_E_PROTO },
        { "a sha in capitals", "{\"sha\":\"0123456789ABCDEF0123456789ABCDEF01234567\"}", HFP_E_PROTO },
        { "a list", "[\"" SHA1 "\"]", HFP_E_PROTO },
        { "cut short", "{\"sha\":\"" SHA1 "\"", HFP_E_PROTO },
        { "nothing", "", HFP_E_PROTO },
        { "HTML", " \n<!DOCTYPE html><html>", HFP_E_PORTAL },
        { "plain words", "Please log in", HFP_E_PORTAL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[COMMIT_HEX + 1] = "untouched";
        struct hfp_err err = { 0 };
        int rc = answer_commit(out, rows[i].body, strlen(rows[i].body), &err);
        CHECK(rc == rows[i].rc && (rc == 0 || (int)err.code == rc), "commit from %s: %s", rows[i].name,
              hfp_code_text(rc));
        CHECK_STR(out, rc ? "untouched" : SHA1, "commit from %s: the output", rows[i].name);
    }
}

#define FILE_ENTRY(path, more) "{\"type\":\"file\",\"path\":\"" path "\",\"size\":5,\"oid\":\"" SHA1 "\"" more "}"
#define LFS(oid, size) ",\"lfs\":{\"oid\":\"" oid "\",\"size\":" size ",\"pointerSize\":132}"

static void test_page(void)
{
    static const char body[] =
        "[{\"type\":\"directory\",\"path\":\"sub\",\"oid\":\"x\",\"size\":0},"
        "{\"type\":\"submodule\",\"path\":\"../x\"}," FILE_ENTRY("plain.txt", "") "," FILE_ENTRY(
            "sub/\\u00fc.bin",
            LFS(SHA256, "5000000000") ",\"xetHash\":\"" XET
                                      "\"") "," FILE_ENTRY("odd", ",\"lfs\":null,\"xetHash\":\"zz\"") "]";
    AUTO(listing_freep) struct listing *l = NULL;
    struct hfp_err err = { 0 };
    CHECK(listing_new(&l, NULL) == HFP_OK && answer_tree_page(l, body, sizeof body - 1, &err) == HFP_OK &&
              listing_seal(l, NULL) == HFP_OK && listing_count(l) == 3,
          "a page gives its files, and only files");
    const struct listed_file *f = listing_find(l, "plain.txt");
    char hex[65];
    if (!CHECK(f && !f->lfs && !f->xet && f->size_bytes == 5, "a regular file has its size"))
        return;
    content_id_hex(hex, &f->id);
    CHECK_STR(hex, SHA1, "and its git id is its identity");
    f = listing_find(l, "sub/\xc3\xbc.bin");
    if (!CHECK(f && f->lfs && f->xet && f->size_bytes == 5000000000, "an LFS file has the size of its content"))
        return;
    content_id_hex(hex, &f->id);
    CHECK_STR(hex, SHA256, "its sha256 is its identity");
    hex_encode(hex, f->git_oid, sizeof f->git_oid);
    CHECK_STR(hex, SHA1, "the pointer's git id is kept");
    hex_encode(hex, f->xet_hash, sizeof f->xet_hash);
    CHECK_STR(hex, XET, "so is the Xet hash");
    f = listing_find(l, "odd");
    CHECK(f && !f->lfs && !f->xet, "null is absent, and a Xet hash that is none is ignored");
}

static void test_bad_pages(void)
{
    static const struct {
        const char *name, *body;
        int rc;
    } rows[] = {
        { "an empty page is fine", "[]", HFP_OK },
        { "a path twice in one page", "[" FILE_ENTRY("a", "") "," FILE_ENTRY("a", "") "]", HFP_E_PROTO },
        { "a path of an earlier page", "[" FILE_ENTRY("b", "") "," FILE_ENTRY("before", "") "]", HFP_E_PROTO },
        { "a path that climbs", "[" FILE_ENTRY("a", "") "," FILE_ENTRY("../../w", "") "]", HFP_E_PROTO },
        { "an absolute path", "[" FILE_ENTRY("/etc/passwd", "") "]", HFP_E_PROTO },
        { "a NUL in a path", "[" FILE_ENTRY("a\\u0000b", "") "]", HFP_E_PROTO },
        { "no path", "[{\"type\":\"file\",\"size\":5,\"oid\":\"" SHA1 "\"}]", HFP_E_PROTO },
        { "no type", "[{\"path\":\"a\",\"size\":5,\"oid\":\"" SHA1 "\"}]", HFP_E_PROTO },
        { "no size", "[{\"type\":\"file\",\"path\":\"a\",\"oid\":\"" SHA1 "\"}]", HFP_E_PROTO },
        { "a size below zero", "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1,\"oid\":\"" SHA1 "\"}]", HFP_E_PROTO },
        { "a size beyond 2^53", "[{\"type\":\"file\",\"path\":\"a\",\"size\":9007199254740993,\"oid\":\"" SHA1 "\"}]",
          HFP_E_PROTO },
        { "no git id", "[{\"type\":\"file\",\"path\":\"a\",\"size\":5}]", HFP_E_PROTO },
        { "a git id of 64 digits", "[{\"type\":\"file\",\"path\":\"a\",\"size\":5,\"oid\":\"" SHA256 "\"}]",
          HFP_E_PROTO },
        { "an LFS id of 40 digits", "[" FILE_ENTRY("a", LFS(SHA1, "5")) "]", HFP_E_PROTO },
        { "an LFS id that climbs", "[" FILE_ENTRY("a", LFS("../../x", "5")) "]", HFP_E_PROTO },
        { "an LFS size that is a text", "[" FILE_ENTRY("a", LFS(SHA256, "\"5\"")) "]", HFP_E_PROTO },
        { "an LFS that is a list", "[" FILE_ENTRY("a", ",\"lfs\":[]") "]", HFP_E_PROTO },
        { "an entry that is a number", "[" FILE_ENTRY("a", "") ",1]", HFP_E_PROTO },
        { "an object", "{\"error\":\"x\"}", HFP_E_PROTO },
        { "cut short", "[" FILE_ENTRY("a", ""), HFP_E_PROTO },
        { "HTML", "<html><body>", HFP_E_PORTAL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(listing_freep) struct listing *l = NULL;
        static const char first[] = "[" FILE_ENTRY("before", "") "]";
        struct hfp_err err = { 0 };
        if (listing_new(&l, NULL) || answer_tree_page(l, first, sizeof first - 1, NULL))
            continue;
        int rc = answer_tree_page(l, rows[i].body, strlen(rows[i].body), &err);
        CHECK(rc == rows[i].rc && (int)err.code == rc, "page with %s: %s (%s)", rows[i].name, hfp_code_text(rc),
              err.message);
        CHECK(listing_count(l) == 1, "page with %s: leaves nothing behind", rows[i].name);
    }
}

enum { ANON, TOKEN };
#define PAGE "https://hub/org/x"

static void test_verdicts(void)
{
    static const struct {
        int status;
        const char *code, *message;
        bool with_token;
        const char *path;
        int rc;
        const char *says;
    } rows[] = {
        { 200, "", "", ANON, NULL, HFP_OK, "" },
        { 206, "", "", ANON, "a", HFP_OK, "" },
        /* repository */
        { 401, "RepoNotFound", "Invalid username or password.", ANON, NULL, HFP_E_NO_REPO,
          "no such repository, or private: give a token (--token, HF_TOKEN)" },
        { 401, "", "", ANON, NULL, HFP_E_NO_REPO, "give a token" },
        { 404, "RepoNotFound", "Repository not found", ANON, NULL, HFP_E_NO_REPO, "give a token" },
        { 404, "RepoNotFound", "Repository not found", TOKEN, NULL, HFP_E_NO_REPO, "this token may not see it" },
        { 404, "", "", ANON, NULL, HFP_E_NO_REPO, "404" },
        { 401, "RepoNotFound", "Invalid username or password.", TOKEN, NULL, HFP_E_AUTH, "Invalid username" },
        { 401, "", "Invalid credentials in Authorization header", TOKEN, "a", HFP_E_AUTH, "refused this token" },
        /* revision, file */
        { 404, "RevisionNotFound", "Invalid rev id: v2", ANON, NULL, HFP_E_NO_REVISION, "no such revision: v2" },
        { 404, "EntryNotFound", "Entry not found", TOKEN, "sub/a.bin", HFP_E_NO_FILE,
          "no such file: sub/a.bin (in revision v2)" },
        { 404, "", "", ANON, "sub/a.bin", HFP_E_NO_FILE, "sub/a.bin" },
        { 410, "", "", ANON, "sub/a.bin", HFP_E_NO_FILE, "sub/a.bin" },
        /* not allowed */
        { 403, "GatedRepo", "Access to model org/x is restricted", ANON, "a", HFP_E_GATED,
          "accept the terms at " PAGE },
        { 401, "GatedRepo", "Access to model org/x is restricted", ANON, "a", HFP_E_GATED,
          "accept the terms at " PAGE },
        { 403, "GatedRepo", "not in the authorized list", TOKEN, "a", HFP_E_GATED,
          "this token has not been granted access: ask for it at " PAGE },
        { 401, "GatedRepo", "", TOKEN, "a", HFP_E_GATED, "this token was refused" },
        { 403, "", "Storage quota", TOKEN, "a", HFP_E_FORBIDDEN, "not allowed (403): \"Storage quota\"" },
        { 403, "", "", ANON, "a", HFP_E_FORBIDDEN, "not allowed (403)" },
        { 403, "", "Access to this resource is disabled.", ANON, NULL, HFP_E_FORBIDDEN, "disabled" },
        { 451, "", "", ANON, NULL, HFP_E_FORBIDDEN, "451" },
        /* later */
        { 408, "", "", ANON, NULL, HFP_E_SERVER, "the Hub answered 408" },
        { 429, "", "We had to rate limit you", ANON, NULL, HFP_E_BUSY,
          "slow down (429): \"We had to rate limit you\"" },
        { 500, "", "Internal Error", ANON, NULL, HFP_E_SERVER, "the Hub answered 500: \"Internal Error\"" },
        { 503, "", "", ANON, NULL, HFP_E_SERVER, "the Hub answered 503" },
        { 511, "", "", ANON, NULL, HFP_E_PORTAL, "login page" },
        { 407, "", "", ANON, NULL, HFP_E_PROXY, "proxy" },
        /* ours, or nonsense */
        { 400, "", "Invalid repo name", ANON, NULL, HFP_E_ARG, "refuses the request (400): \"Invalid repo name\"" },
        { 400, "", "", ANON, NULL, HFP_E_PROTO, "400" },
        { 416, "", "", ANON, "a", HFP_E_PROTO, "416" },
        { 418, "", "I am a teapot", ANON, NULL, HFP_E_PROTO, "418, which makes no sense here: \"I am a teapot\"" },
        { 204, "", "", ANON, NULL, HFP_E_PROTO, "204" },
        { 304, "", "", ANON, NULL, HFP_E_PROTO, "304" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct http_headers h;
        struct hfp_err err = { 0 };
        headers_init(&h, rows[i].status);
        snprintf(h.error_code, sizeof h.error_code, "%s", rows[i].code);
        snprintf(h.error_message, sizeof h.error_message, "%s", rows[i].message);
        struct answer_context c = { "org/x", "v2", rows[i].path, PAGE, rows[i].with_token };
        int rc = answer_verdict(&h, &c, &err);
        CHECK(rc == rows[i].rc && strstr(err.message, rows[i].says) && (!rc || err.http_status == rows[i].status),
              "%d %s %s: %s (%s)", rows[i].status, rows[i].code, rows[i].with_token ? "with token" : "without",
              hfp_code_text(rc), err.message);
    }
}

static void test_words(void)
{
    static struct http_headers h;
    struct hfp_err err = { 0 };
    struct answer_context c = { "org/x", "main", NULL, PAGE, true };
    headers_init(&h, 403);
    snprintf(h.error_message, sizeof h.error_message,
             "see https://cdn/x?Signature=SECRET now, Bearer hf_abcdefghijklmnopqrstuv\x1b[2J");
    answer_verdict(&h, &c, &err);
    CHECK(!strstr(err.message, "SECRET") && !strstr(err.message, "abcdefgh") && !strchr(err.message, 0x1b) &&
              strstr(err.message, "https://cdn/x"),
          "a server's words carry no signature, token or escape: %s", err.message);
    memset(h.error_message, 'x', sizeof h.error_message - 1);
    answer_verdict(&h, &c, &err);
    char *quote = strchr(err.message, '"');
    CHECK(quote && strlen(quote) == 202 && strstr(quote, "...\""), "and at most 200 characters");
}

static void test_html(void)
{
    static const struct {
        const char *name;
        const char *path;
        bool commit, etag;
        int status;
        int api, cdn;
    } rows[] = {
        { "HTML where the API should be", NULL, false, false, 200, HFP_E_PORTAL, HFP_E_PORTAL },
        { "HTML where the API should be, with a tag", NULL, false, true, 200, HFP_E_PORTAL, HFP_OK },
        { "HTML where a file should be", "a.bin", false, false, 200, HFP_E_PORTAL, HFP_E_PORTAL },
        { "a page of the repository itself", "a.html", true, true, 200, HFP_OK, HFP_OK },
        { "a page of the repository from the CDN", "a.html", false, true, 200, HFP_OK, HFP_OK },
        { "a range of such a page", "a.html", false, false, 206, HFP_OK, HFP_OK },
        { "an error page", "a.bin", false, false, 502, HFP_E_SERVER, HFP_E_SERVER },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct http_headers h;
        headers_init(&h, rows[i].status);
        h.html = true;
        snprintf(h.commit, sizeof h.commit, "%s", rows[i].commit ? SHA1B : "");
        snprintf(h.etag, sizeof h.etag, "%s", rows[i].etag ? SHA256 : "");
        struct answer_context c = { "org/x", "main", rows[i].path, PAGE, false };
        CHECK(answer_verdict(&h, &c, NULL) == rows[i].api, "%s: %s", rows[i].name, hfp_code_text(rows[i].api));
        CHECK(answer_cdn_verdict(&h, "cdn", NULL) == rows[i].cdn, "%s, on a CDN", rows[i].name);
    }
}

static void test_cdn(void)
{
    static const struct {
        int status, rc;
    } rows[] = {
        { 200, HFP_OK },        { 206, HFP_OK },        { 401, HFP_E_EXPIRED }, { 403, HFP_E_EXPIRED },
        { 404, HFP_E_EXPIRED }, { 410, HFP_E_EXPIRED }, { 408, HFP_E_SERVER },  { 429, HFP_E_BUSY },
        { 500, HFP_E_SERVER },  { 503, HFP_E_SERVER },  { 416, HFP_E_PROTO },   { 400, HFP_E_PROTO },
        { 204, HFP_E_PROTO },   { 407, HFP_E_PROXY },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct http_headers h;
        struct hfp_err err = { 0 };
        headers_init(&h, rows[i].status);
        int rc = answer_cdn_verdict(&h, "cdn-lfs.example", &err);
        CHECK(rc == rows[i].rc, "%d from a CDN: %s (%s)", rows[i].status, hfp_code_text(rc), err.message);
        CHECK(rc == HFP_OK || rc == HFP_E_PROXY || strstr(err.message, "cdn-lfs.example"), "its host is named");
    }
}

int main(void)
{
    test_urls();
    test_commit();
    test_page();
    test_bad_pages();
    test_verdicts();
    test_words();
    test_html();
    test_cdn();
    return tap_end();
}
