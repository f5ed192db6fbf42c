/* The environment means what it means to huggingface_hub.
 * Seen red with: $NAME left as it is in path_expand() ("hub folder as in Python"), HF_TOKEN below the token file ("HF_TOKEN first"), control characters let
 * through ("refused"), any non-empty word taken as true ("only four words are true"). */
#include "front/options.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#define PAIRS 8
static const char *const (*environment)[2];

static char *lookup(const char *name)
{
    for (size_t i = 0; i < PAIRS && environment[i][0]; i++)
        if (strcmp(environment[i][0], name) == 0)
            return (char *)environment[i][1];
    return strcmp(name, "HOME") == 0 ? (char *)"/home/user" : NULL;
}

static void folders(void)
{
    static const struct {
        const char *env[PAIRS][2], *hub, *token;
    } rows[] = {
        { { { NULL } }, "/home/user/.cache/huggingface/hub", "/home/user/.cache/huggingface/token" },
        { { { "XDG_CACHE_HOME", "/x" } }, "/x/huggingface/hub", "/x/huggingface/token" },
        { { { "HF_HOME", "/h" } }, "/h/hub", "/h/token" },
        { { { "HF_HOME", "~/hf" } }, "/home/user/hf/hub", "/home/user/hf/token" },
        { { { "HF_HOME", "$BASE/hf" }, { "BASE", "/b" } }, "/b/hf/hub", "/b/hf/token" },
        { { { "HF_HOME", "/a/${BASE}x" }, { "BASE", "b" } }, "/a/bx/hub", "/a/bx/token" },
        { { { "HF_HOME", "/a/$UNSET" } }, "/a/$UNSET/hub", "/a/$UNSET/token" },
        { { { "HF_HOME", "/h" }, { "HUGGINGFACE_HUB_CACHE", "/old" } }, "/old", "/h/token" },
        { { { "HF_HUB_CACHE", "/new" }, { "HUGGINGFACE_HUB_CACHE", "/old" } },
          "/new",
          "/home/user/.cache/huggingface/token" },
        { { { "HF_TOKEN_PATH", "~/t" } }, "/home/user/.cache/huggingface/hub", "/home/user/t" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o = { 0 };
        struct hfp_err err = { 0 };
        environment = rows[i].env;
        CHECK(options_read_environment(&o, lookup, &err) == HFP_OK, "row %zu is read", i);
        CHECK_STR(o.hub_cache, rows[i].hub, "hub folder as in Python: %s", rows[i].hub);
        CHECK_STR(o.token_path, rows[i].token, "token file as in Python");
        options_done(&o);
    }
}

static void values(void)
{
    static const struct {
        const char *env[PAIRS][2];
        enum option_id id;
        uint64_t number;
        const char *text;
    } rows[] = {
        { { { "HF_HUB_OFFLINE", "1" } }, OPT_OFFLINE, 1, NULL },
        { { { "HF_HUB_OFFLINE", "yes" } }, OPT_OFFLINE, 1, NULL },
        { { { "HF_HUB_OFFLINE", "True" } }, OPT_OFFLINE, 1, NULL },
        { { { "HF_HUB_OFFLINE", "y" } }, OPT_OFFLINE, 0, NULL }, /* only four words are true */
        { { { "HF_HUB_OFFLINE", "2" } }, OPT_OFFLINE, 0, NULL },
        { { { "TRANSFORMERS_OFFLINE", "ON" } }, OPT_OFFLINE, 1, NULL },
        { { { "HF_HUB_OFFLINE", "0" }, { "TRANSFORMERS_OFFLINE", "1" } }, OPT_OFFLINE, 0, NULL },
        { { { "HF_HUB_OFFLINE", "" }, { "TRANSFORMERS_OFFLINE", "1" } }, OPT_OFFLINE, 1, NULL },
        { { { "HF_HUB_DOWNLOAD_TIMEOUT", "60" } }, OPT_TIMEOUT, 60000000000, NULL },
        { { { "HF_HUB_DOWNLOAD_TIMEOUT", "0" } }, OPT_TIMEOUT, 0, NULL },
        { { { "HF_HUB_DISABLE_PROGRESS_BARS", "1" } }, OPT_PROGRESS, PROGRESS_NONE, NULL },
        { { { "HF_HUB_DISABLE_PROGRESS_BARS", "0" } }, OPT_PROGRESS, PROGRESS_AUTO, NULL },
        { { { "HF_ENDPOINT", "http://127.0.0.1:9" } }, OPT_ENDPOINT, 0, "http://127.0.0.1:9" },
        { { { "SSL_CERT_FILE", "/a" }, { "REQUESTS_CA_BUNDLE", "/b" } }, OPT_CA_FILE, 0, "/a" },
        { { { "CURL_CA_BUNDLE", "/c" }, { "REQUESTS_CA_BUNDLE", "/b" } }, OPT_CA_FILE, 0, "/b" },
        { { { "HF_DEBUG", "1" } }, OPT_VERBOSE, 2, NULL },
        { { { "HF_HUB_VERBOSITY", "info" } }, OPT_VERBOSE, 1, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o = { 0 };
        struct hfp_err err = { 0 };
        environment = rows[i].env;
        CHECK(options_read_environment(&o, lookup, &err) == HFP_OK, "%s=%s is read", rows[i].env[0][0],
              rows[i].env[0][1]);
        if (rows[i].text)
            CHECK_STR(o.v[rows[i].id].text, rows[i].text, "and means it");
        else
            CHECK_U64(o.v[rows[i].id].number, rows[i].number, "and means it");
        options_done(&o);
    }
}

static void others(void)
{
    static const char *const env[PAIRS][2] = {
        { "HF_HUB_ETAG_TIMEOUT", "7" },          { "HF_HUB_DISABLE_SYMLINKS", "TRUE" },
        { "HF_HUB_USER_AGENT_ORIGIN", "acme" },  { "NO_COLOR", "1" },
        { "HF_HUB_ENABLE_HF_TRANSFER", "1" },    { "SSL_CERT_DIR", "/certs" },
        { "HF_HUB_DISABLE_SHARED_BLOBS", "yes" }
    };
    static const char *const bad[][PAIRS][2] = { { { "HF_HUB_ETAG_TIMEOUT", "soon" } },
                                                 { { "HF_HUB_DOWNLOAD_TIMEOUT", "1.5" } },
                                                 { { "HF_HUB_USER_AGENT_ORIGIN", "a\r\nCookie: x" } } };
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    environment = env;
    CHECK(options_read_environment(&o, lookup, &err) == HFP_OK, "all others are read");
    CHECK_U64(o.api_timeout_ns, 7000000000, "HF_HUB_ETAG_TIMEOUT is the API deadline");
    CHECK(o.no_symlinks && o.no_color && o.no_shared_blobs,
          "symlinks, colour and the shared store can be switched off");
    CHECK_STR(o.user_agent, "hf-pull/" HFP_VERSION "; origin/acme", "the origin joins the user agent");
    CHECK(o.notices_n == 1, "HF_HUB_ENABLE_HF_TRANSFER gives one notice");
    CHECK_STR(o.ca_dir, "/certs", "SSL_CERT_DIR");
    options_done(&o);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        environment = bad[i];
        CHECK(options_read_environment(&o, lookup, &err) == HFP_E_ARG, "%s is refused", bad[i][0][0]);
        options_done(&o);
    }
}

static void tokens(void)
{
    static const struct {
        const char *env[PAIRS][2], *line, *file, *token;
    } rows[] = {
        { { { "HF_TOKEN", "hf_env" } }, NULL, "hf_file", "hf_env" }, /* HF_TOKEN first */
        { { { "HF_TOKEN", "" }, { "HUGGING_FACE_HUB_TOKEN", "hf_old" } }, NULL, "hf_file", "hf_old" },
        { { { NULL } }, NULL, " hf_file\r\n", "hf_file" },
        { { { "HF_TOKEN", "hf_env" } }, "hf_line", "hf_file", "hf_line" },
        { { { "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1" }, { "HF_TOKEN", "hf_env" } }, NULL, "hf_file", NULL },
        { { { "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1" } }, "hf_line", "hf_file", "hf_line" },
        { { { "HF_TOKEN", "  \n" } }, NULL, "", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[] = "/tmp/hf-pull-test-XXXXXX";
        int fd = mkstemp(path);
        struct options o = { .token_path = strdup(path) };
        struct hfp_err err = { 0 };
        CHECK(write(fd, rows[i].file, strlen(rows[i].file)) >= 0, "token file");
        close(fd);
        environment = rows[i].env;
        if (rows[i].line)
            option_set(&o, OPT_TOKEN, FROM_LINE, "--token", rows[i].line, &err);
        CHECK(options_token(&o, lookup, &err) == HFP_OK, "row %zu: a token is looked for", i);
        CHECK_STR(o.token ? o.token : "", rows[i].token ? rows[i].token : "", "first hit wins");
        options_done(&o);
        unlink(path);
    }
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    static const char *const empty[PAIRS][2] = { { NULL } };
    environment = empty;
    option_set(&o, OPT_TOKEN, FROM_LINE, "--token", "hf_a\nEvil: 1", &err);
    CHECK(options_token(&o, lookup, &err) == HFP_E_ARG && !strstr(err.message, "hf_a"),
          "a token with control characters is refused and not repeated");
    options_done(&o);
    option_set(&o, OPT_TOKEN_FILE, FROM_LINE, "--token-file", "/nonexistent/t", &err);
    CHECK(options_token(&o, lookup, &err) == HFP_E_ARG, "a --token-file that is not there is refused");
    options_done(&o);
}

int main(void)
{
    folders();
    values();
    others();
    tokens();
    return tap_end();
}
