/* The environment, with the meaning huggingface_hub 2.4 gives it (its constants.py), so that one setting steers both. */
#include "front/options.h"

#include "front/files.h"
#include "front/text.h"
#include "front/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TOKEN_FILE_MAX_BYTES 65536 /* a token has some 40 bytes, an OAuth one some thousand */

typedef char *lookup_fn(const char *name);

static bool true_in(lookup_fn *lookup, const char *name)
{
    const char *value = lookup(name);
    return value && truth(value);
}

/* Expanded and absolute; *out stays when out of memory. */
static int set_path(char **out, const char *path, lookup_fn *lookup, struct hfp_err *err)
{
    char *expanded = path ? path_expand(path, lookup) : NULL;
    char *absolute = expanded ? path_absolute(expanded) : NULL;
    free(expanded);
    if (!absolute)
        return fault_nomem(err);
    free(*out);
    *out = absolute;
    return HFP_OK;
}

/* XDG_CACHE_HOME, HF_HOME, HF_HUB_CACHE and HF_TOKEN_PATH hang on each other; a set but empty one counts, as it does
 * in Python: both programs must look into the same folder. */
static int read_folders(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    const char *cache = lookup("XDG_CACHE_HOME"), *home = lookup("HF_HOME");
    const char *hub = lookup("HF_HUB_CACHE"), *old = lookup("HUGGINGFACE_HUB_CACHE"), *token = lookup("HF_TOKEN_PATH");
    const char *state = lookup("XDG_STATE_HOME");
    char *root = home ? path_expand(home, lookup) : NULL;
    if (!home) {
        char *joined = path_join(cache ? cache : "~/.cache", "huggingface");
        root = joined ? path_expand(joined, lookup) : NULL;
        free(joined);
    }
    char *default_hub = root ? path_join(root, "hub") : NULL, *default_token = root ? path_join(root, "token") : NULL;
    char *states = path_join(state && *state == '/' ? state : "~/.local/state", "hf-pull");
    int rc = HFP_OK;
    if (set_path(&o->hub_cache,
                 hub   ? hub
                 : old ? old
                       : default_hub,
                 lookup, err) ||
        set_path(&o->token_path, token ? token : default_token, lookup, err) ||
        set_path(&o->state_dir, states, lookup, err))
        rc = err->code;
    free(root);
    free(default_hub);
    free(default_token);
    free(states);
    return rc;
}

/* int() in Python, so whole seconds only; 0 means the default there and here. */
static int whole_seconds(uint64_t *out_ns, const char *name, const char *text, struct hfp_err *err)
{
    uint64_t seconds, ns;
    while (*text == ' ')
        text++;
    if (!number_parse(&seconds, text) || __builtin_mul_overflow(seconds, 1000000000ULL, &ns))
        return fault(err, HFP_E_ARG, "%s: '%s' is not a number of seconds. Example: 30.", name, text);
    *out_ns = ns;
    return HFP_OK;
}

static int read_timeouts(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    const char *etag = lookup("HF_HUB_ETAG_TIMEOUT"), *download = lookup("HF_HUB_DOWNLOAD_TIMEOUT");
    uint64_t ns = 0;
    if (etag && *etag && whole_seconds(&o->api_timeout_ns, "HF_HUB_ETAG_TIMEOUT", etag, err))
        return err->code;
    if (download && *download && whole_seconds(&ns, "HF_HUB_DOWNLOAD_TIMEOUT", download, err))
        return err->code;
    if (ns == 0)
        return HFP_OK;
    char text[UNIT_TEXT];
    snprintf(text, sizeof text, "%llu", (unsigned long long)(ns / 1000000000ULL));
    return option_set(o, OPT_TIMEOUT, FROM_ENVIRONMENT, "HF_HUB_DOWNLOAD_TIMEOUT", text, err);
}

static int read_saying(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    const char *bars = lookup("HF_HUB_DISABLE_PROGRESS_BARS"), *verbosity = lookup("HF_HUB_VERBOSITY");
    const char *color = lookup("NO_COLOR");
    o->no_color = color && *color; /* no-color.org: set and not empty */
    if (bars && option_set(o, OPT_PROGRESS, FROM_ENVIRONMENT, "HF_HUB_DISABLE_PROGRESS_BARS",
                           truth(bars) ? "none" : "auto", err))
        return err->code;
    uint64_t level = true_in(lookup, "HF_DEBUG") || (verbosity && strcasecmp(verbosity, "debug") == 0) ? 2
                     : verbosity && strcasecmp(verbosity, "info") == 0                                 ? 1
                                                                                                       : 0;
    struct option_value *v = &o->v[OPT_VERBOSE];
    if (level && v->source < FROM_ENVIRONMENT) {
        v->source = FROM_ENVIRONMENT;
        v->number = level;
    }
    if (true_in(lookup, "HF_HUB_ENABLE_HF_TRANSFER"))
        options_notice(o, "HF_HUB_ENABLE_HF_TRANSFER has no effect: hf-pull has its own fast transfer.");
    return HFP_OK;
}

/* As for hf_xet: what is asked for by name on the command line still wins. */
static int read_xet(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    bool high = true_in(lookup, "HF_XET_HIGH_PERFORMANCE") || true_in(lookup, "HF_XET_HP");
    if (true_in(lookup, "HF_HUB_DISABLE_XET") &&
        option_set(o, OPT_XET, FROM_ENVIRONMENT, "HF_HUB_DISABLE_XET", "off", err))
        return err->code;
    return high ? option_set(o, OPT_MAX_WORKERS, FROM_ENVIRONMENT, "HF_XET_HIGH_PERFORMANCE", "16", err) : HFP_OK;
}

/* A header value must not carry what ends a header. */
static bool printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static int read_user_agent(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    const char *origin = lookup("HF_HUB_USER_AGENT_ORIGIN");
    if (!origin || !*origin)
        return HFP_OK;
    if (!printable(origin) || strlen(origin) > 256)
        return fault(err, HFP_E_ARG, "HF_HUB_USER_AGENT_ORIGIN: longer than 256 bytes, or with control characters.");
    if (asprintf(&o->user_agent, "hf-pull/" HFP_VERSION "; origin/%s", origin) < 0) {
        o->user_agent = NULL;
        return fault_nomem(err);
    }
    return HFP_OK;
}

/* Spaces and line ends around a token are an accident of copying; a control character inside is something else. */
static int token_take(char **out, const char *from, const char *text, struct hfp_err *err)
{
    static const char blank[] = " \t\r\n\v\f";
    text += strspn(text, blank);
    size_t n = strlen(text);
    while (n > 0 && strchr(blank, text[n - 1]))
        n--;
    if (n == 0)
        return HFP_OK;
    char *token = strndup(text, n);
    if (!token)
        return fault_nomem(err);
    if (!printable(token)) {
        free(token);
        return fault(err, HFP_E_ARG, "%s: the token contains control characters. Is it the right file?", from);
    }
    *out = token;
    return HFP_OK;
}

static int token_read(char **out, const char *path, const char *from, bool must, struct hfp_err *err)
{
    char *text = NULL;
    struct hfp_err why = { 0 };
    int rc = file_read(&text, path, TOKEN_FILE_MAX_BYTES, false, &why);
    if (rc) /* a stored token that cannot be read is no token, as for somebody who never logged in */
        return must ? fault(err, HFP_E_ARG, "%s: %s", from, why.message) : HFP_OK;
    rc = token_take(out, from, text, err);
    free(text);
    if (rc == HFP_OK && must && !*out)
        return fault(err, HFP_E_ARG, "%s: %s is empty.", from, path);
    return rc;
}

/* First hit wins: --token, --token-file, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH; then the config files, which
 * stand below the environment as everywhere. */
static int token_find(struct options *o, lookup_fn *lookup, bool line, struct hfp_err *err)
{
    const struct option_value *token = &o->v[OPT_TOKEN], *file = &o->v[OPT_TOKEN_FILE];
    if (o->token)
        return HFP_OK;
    if (token->text && (token->source == FROM_LINE) == line && token_take(&o->token, "--token", token->text, err))
        return err->code;
    if (!o->token && file->text && (file->source == FROM_LINE) == line &&
        token_read(&o->token, file->text, "--token-file", true, err))
        return err->code;
    if (o->token || !line || true_in(lookup, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return HFP_OK;
    const char *first = lookup("HF_TOKEN"), *second = lookup("HUGGING_FACE_HUB_TOKEN");
    if (first && *first)
        return token_take(&o->token, "HF_TOKEN", first, err);
    return second && *second ? token_take(&o->token, "HUGGING_FACE_HUB_TOKEN", second, err) : HFP_OK;
}

int options_token(struct options *o, char *(*lookup)(const char *name), struct hfp_err *err)
{
    if (token_find(o, lookup, true, err) || token_find(o, lookup, false, err))
        return err->code;
    if (o->token || !o->token_path || true_in(lookup, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return HFP_OK;
    return token_read(&o->token, o->token_path, "HF_TOKEN_PATH", false, err);
}

/* REQUESTS_CA_BUNDLE may be a folder; SSL_CERT_DIR always is. */
static int read_certificates(struct options *o, lookup_fn *lookup, struct hfp_err *err)
{
    const char *folder = lookup("SSL_CERT_DIR");
    struct option_value *file = &o->v[OPT_CA_FILE];
    struct stat st;
    if (file->source == FROM_ENVIRONMENT && file->text && stat(file->text, &st) == 0 && S_ISDIR(st.st_mode)) {
        o->ca_dir = file->text;
        file->text = NULL;
        return HFP_OK;
    }
    if (file->source == FROM_LINE || !folder || !*folder)
        return HFP_OK;
    o->ca_dir = strdup(folder);
    return o->ca_dir ? HFP_OK : fault_nomem(err);
}

int options_read_environment(struct options *o, char *(*lookup)(const char *name), struct hfp_err *err)
{
    for (size_t i = 0; i < environment_count; i++) {
        const struct environment_row *row = &environment_rows[i];
        const char *value = row->option == OPT_NONE ? NULL : lookup(row->name);
        if (value && *value && option_set(o, row->option, FROM_ENVIRONMENT, row->name, value, err))
            return err->code;
    }
    o->no_symlinks = true_in(lookup, "HF_HUB_DISABLE_SYMLINKS");
    o->no_shared_blobs = true_in(lookup, "HF_HUB_DISABLE_SHARED_BLOBS");
    if (read_folders(o, lookup, err) || read_timeouts(o, lookup, err) || read_saying(o, lookup, err) ||
        read_user_agent(o, lookup, err) || read_xet(o, lookup, err) || read_certificates(o, lookup, err))
        return err->code;
    return HFP_OK;
}
