/* The command line, config files and which of them wins.
 * Seen red with: the source comparison in option_set reversed ("command line beats"), take_verb without the args_n test
 * ("a verb beats a repo id"), unknown config keys skipped ("unknown key"), set_secret without memset ("overwritten"). */
#include "front/options.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#define WORDS 8

static int read_words(struct options *o, const char *const words[WORDS], struct hfp_err *err)
{
    static char copies[WORDS + 1][64]; /* secrets are overwritten where they stand */
    char *argv[WORDS + 2] = { (char *)"hf-pull" };
    int argc = 1;
    for (; argc <= WORDS && words[argc - 1]; argc++)
        argv[argc] = strncpy(copies[argc], words[argc - 1], sizeof copies[0] - 1);
    *o = (struct options){ 0 };
    int rc = options_read_line(o, argc, argv, err);
    if (rc == HFP_OK)
        rc = options_defaults(o, err);
    return rc ? rc : options_check(o, err);
}

static void good_lines(void)
{
    static const struct {
        const char *words[WORDS];
        enum option_id id;
        uint64_t number;
        const char *text;
    } rows[] = {
        { { "a/b" }, OPT_REVISION, 0, "main" },
        { { "a/b" }, OPT_MAX_ATTEMPTS, 25, NULL },
        { { "a/b" }, OPT_CHUNK_SIZE, 52428800, NULL },
        { { "a/b" }, OPT_TIMEOUT, 300000000000, NULL },
        { { "a/b", "--revision", "v1" }, OPT_REVISION, 0, "v1" },
        { { "--revision=v1=2", "a/b" }, OPT_REVISION, 0, "v1=2" },
        { { "--type", "dataset", "a/b" }, OPT_REPO_TYPE, HFP_DATASET, NULL },
        { { "--repo-type=space", "a/b" }, OPT_REPO_TYPE, HFP_SPACE, NULL },
        { { "--local-files-only", "a/b" }, OPT_OFFLINE, 1, NULL },
        { { "--offline", "--no-offline", "a/b" }, OPT_OFFLINE, 0, NULL },
        { { "-4", "a/b" }, OPT_IPV4, 1, NULL },
        { { "-vv", "a/b" }, OPT_VERBOSE, 2, NULL },
        { { "-v", "--verbose", "a/b" }, OPT_VERBOSE, 2, NULL },
        { { "--limit-rate", "1.5MB", "a/b" }, OPT_LIMIT_RATE, 0, "1.5MB" },
        { { "--limit-rate", "08:00,2M 20:00,off", "a/b" }, OPT_LIMIT_RATE, 0, "08:00,2M 20:00,off" },
        { { "--progress", "json", "a/b" }, OPT_PROGRESS, PROGRESS_JSON, NULL },
        { { "--cacert", "/x.pem", "a/b" }, OPT_CA_FILE, 0, "/x.pem" },
        { { "--max-workers", "32", "a/b" }, OPT_MAX_WORKERS, 16, NULL },
        { { "--resume-download", "a/b" }, OPT_RESUME_DOWNLOAD, 1, NULL },
        { { "--local-dir-use-symlinks", "False", "a/b" }, OPT_USE_SYMLINKS, 1, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o;
        struct hfp_err err = { 0 };
        CHECK(read_words(&o, rows[i].words, &err) == HFP_OK, "%s %s is understood %s", rows[i].words[0],
              rows[i].words[1] ? rows[i].words[1] : "", err.message);
        const struct option_value *v = &o.v[rows[i].id];
        if (rows[i].text)
            CHECK_STR(v->text ? v->text : "", rows[i].text, "%s", option_rows[rows[i].id].long_name);
        else
            CHECK_U64(v->number, rows[i].number, "%s", option_rows[rows[i].id].long_name);
        CHECK(o.args_n == 1 && strcmp(o.args[0], "a/b") == 0, "the repository stays a repository");
        options_done(&o);
    }
}

static void bad_lines(void)
{
    static const struct {
        const char *words[WORDS];
        const char *message;
    } rows[] = {
        { { "--limit-rate", "10 apples" },
          "--limit-rate: '10 apples' is not a rate. Examples: 2M, 500K, 1.5MB, or '08:00,2M 20:00,off'." },
        { { "--max-workers", "many" }, "--max-workers: 'many' is not a number. Examples: 4, 16." },
        { { "--max-workers", "4294967296" }, "--max-workers: '4294967296' is not a number. Examples: 4, 16." },
        { { "--timeout", "soon" }, "--timeout: 'soon' is not a time. Examples: 30, 30s, 5m." },
        { { "--progress", "loud" }, "--progress: 'loud' is not one of auto|bar|log|json|none." },
        { { "--revsion", "x" }, "no option --revsion. Did you mean --revision? hf-pull --help lists all." },
        { { "--frobnicate" }, "no option --frobnicate. hf-pull --help lists all." },
        { { "-x" }, "no option -x. hf-pull --help lists all." },
        { { "--revision" }, "--revision needs a value: REV." },
        { { "--offline=1" }, "--offline takes no value." },
        { { "--no-revision" }, "no option --no-revision. Did you mean --revision? hf-pull --help lists all." },
        { { "-4", "-6" }, "--ipv4 and --ipv6 exclude each other." },
        { { "--token", "a", "--token-file", "b" }, "--token and --token-file exclude each other." },
        { { "-q", "-v" }, "--quiet and --verbose exclude each other." },
        { { "--chunk-size", "4K" }, "--chunk-size: the least is 1M, the unit in which bytes are recorded." },
        { { "--log-interval", "0" }, "--log-interval: the least is 1 second." },
        { { "--offline", "--force-download" }, "--force-download needs the network, and --offline forbids it." },
        { { "repair", "--dry-run", "a/b" }, "--dry-run does not go with the verb repair." },
        { { "--validate-only", "--dry-run", "a/b" }, "--validate-only and --dry-run exclude each other." },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o;
        struct hfp_err err = { 0 };
        int rc = read_words(&o, rows[i].words, &err);
        CHECK(rc == HFP_E_ARG && hfp_exit_status((enum hfp_code)rc) == 2, "%s is refused with 2", rows[i].words[0]);
        CHECK_STR(err.message, rows[i].message, "and says why");
        options_done(&o);
    }
}

static void verbs(void)
{
    static const struct {
        const char *words[WORDS];
        enum hfp_verb verb;
        size_t args;
        const char *first;
    } rows[] = {
        { { "a/b" }, HFP_PULL, 1, "a/b" },
        { { "pull", "top" }, HFP_PULL, 1, "top" },
        { { "pull", "pull" }, HFP_PULL, 1, "pull" },
        { { "verify", "a/b" }, HFP_VERIFY, 1, "a/b" },
        { { "--quiet", "repair", "a/b" }, HFP_REPAIR, 1, "a/b" },
        { { "a/b", "verify" }, HFP_PULL, 2, "a/b" },
        { { "--", "verify" }, HFP_PULL, 1, "verify" },
        { { "--validate-only", "a/b" }, HFP_VERIFY, 1, "a/b" },
        { { "pull", "--validate-only", "a/b" }, HFP_VERIFY, 1, "a/b" },
        { { "a/b", "--dry-run" }, HFP_PLAN, 1, "a/b" },
        { { "plan", "a/b", "--dry-run" }, HFP_PLAN, 1, "a/b" },
        { { "-q", "--", "--odd" }, HFP_PULL, 1, "--odd" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o;
        struct hfp_err err = { 0 };
        CHECK(read_words(&o, rows[i].words, &err) == HFP_OK && o.verb == rows[i].verb && o.args_n == rows[i].args &&
                  strcmp(o.args[0], rows[i].first) == 0,
              "a verb beats a repo id: %s %s", rows[i].words[0], rows[i].words[1] ? rows[i].words[1] : "");
        options_done(&o);
    }
}

static void write_config(char path[static 64], const char *text)
{
    strcpy(path, "/tmp/hf-pull-test-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "config written");
    close(fd);
}

static void config_files(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "nonsense = 1\n", ":1: no option 'nonsense'. hf-pull --help lists all." },
        { "# fine\n\nmax-workers = x\n", ":3: max-workers: 'x' is not a number. Examples: 4, 16." },
        { "help = true\n", ":1: 'help' works on the command line only." },
        { "revision\n", ":1: 'revision' needs a value: revision = REV." },
        { "offline = maybe\n", ":1: offline: 'maybe' is neither true nor false." },
        { "token hf_SECRET\n", ":1: 'token' needs a value: token = TOKEN." },
        { "tokn\thf_SECRET\n", ":1: no option 'tokn'. hf-pull --help lists all." },
        { "quiet please\n", ":1: 'quiet' needs a value: quiet = true." },
        { "max workers = 3\n", ":1: no option 'max'. hf-pull --help lists all." },
    };
    char path[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options o = { 0 };
        struct hfp_err err = { 0 };
        write_config(path, rows[i].text);
        CHECK(options_read_config(&o, FROM_USER, path, &err) == HFP_E_ARG, "a wrong config file is refused");
        CHECK(strncmp(err.message, path, strlen(path)) == 0, "with its name");
        CHECK_STR(err.message + (strncmp(err.message, path, strlen(path)) == 0 ? strlen(path) : 0), rows[i].says,
                  "and the line");
        options_done(&o);
        unlink(path);
    }
}

static char *no_environment(const char *name)
{
    return strcmp(name, "HOME") == 0 ? (char *)"/home/user" : strcmp(name, "HF_HUB_OFFLINE") == 0 ? (char *)"1" : NULL;
}

static void order(void)
{
    char user[64], system[64];
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    char *argv[] = {
        (char *)"hf-pull", (char *)"--timeout", (char *)"11", (char *)"--include", (char *)"*.json", NULL
    };
    write_config(user,
                 "timeout = 22\nmax-attempts = 22 # my line\ninclude = *.bin\noffline = false\nproxy=http://u#x\n");
    write_config(system, "timeout = 33\nmax-attempts = 33\nmax-workers = 3\n\n  quiet\n");
    int rc = options_read_line(&o, 5, argv, &err);
    rc = rc ? rc : options_read_environment(&o, no_environment, &err);
    rc = rc ? rc : options_read_config(&o, FROM_USER, user, &err);
    rc = rc ? rc : options_read_config(&o, FROM_SYSTEM, system, &err);
    rc = rc ? rc : options_defaults(&o, &err);
    CHECK(rc == HFP_OK, "all sources are read %s", err.message);
    CHECK_U64(o.v[OPT_TIMEOUT].number, 11000000000, "command line beats config");
    CHECK_U64(o.v[OPT_OFFLINE].number, 1, "environment beats config");
    CHECK_U64(o.v[OPT_MAX_ATTEMPTS].number, 22, "user's config beats the system's");
    CHECK_U64(o.v[OPT_MAX_WORKERS].number, 3, "the system's config beats the default");
    CHECK_U64(o.v[OPT_STALL_TIMEOUT].number, 30000000000, "the default comes last");
    CHECK_U64(o.v[OPT_QUIET].number, 1, "a flag alone means true");
    CHECK(o.v[OPT_INCLUDE].list_n == 1 && strcmp(o.v[OPT_INCLUDE].list[0], "*.json") == 0, "lists do not mix");
    CHECK_STR(o.v[OPT_PROXY].text, "http://u#x", "a # inside a value belongs to it");
    options_done(&o);
    unlink(user);
    unlink(system);
    CHECK(options_read_config(&o, FROM_USER, "/nonexistent/config", &err) == HFP_OK, "a missing config file is fine");
}

static void secrets(void)
{
    char token[] = "hf_secret", joined[] = "--token=hf_secret";
    char *argv[] = { (char *)"hf-pull", (char *)"--token", token, NULL },
         *other[] = { (char *)"hf-pull", joined, NULL };
    struct options o = { 0 };
    CHECK(options_read_line(&o, 3, argv, NULL) == HFP_OK && strcmp(o.v[OPT_TOKEN].text, "hf_secret") == 0,
          "token read");
    CHECK_STR(token, "*********", "and overwritten on the command line");
    options_done(&o);
    CHECK(options_read_line(&o, 2, other, NULL) == HFP_OK && !strstr(joined, "secret"), "the joined form too");
    options_done(&o);
}

int main(void)
{
    good_lines();
    bad_lines();
    verbs();
    config_files();
    order();
    secrets();
    return tap_end();
}
