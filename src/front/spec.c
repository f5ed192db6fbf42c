#include "front/spec.h"

#include "front/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool starts(const char **s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncasecmp(*s, prefix, n) != 0)
        return false;
    *s += n;
    return true;
}

static bool take_type(struct spec *out, const char **s)
{
    static const struct {
        const char *prefix;
        enum hfp_repo_type type;
    } prefixes[] = { { "datasets/", HFP_DATASET }, { "spaces/", HFP_SPACE }, { "models/", HFP_MODEL } };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (starts(s, prefixes[i].prefix)) {
            out->type = prefixes[i].type;
            return out->type_given = true;
        }
    }
    return false;
}

static bool copy(char *out, size_t room, const char *s, size_t n)
{
    if (n >= room)
        return false;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool decode(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s != '%') {
            *to++ = *s;
            continue;
        }
        int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high * 16 + low);
        s += 2;
    }
    *to = '\0';
    return true;
}

/* "ns/name" or "name": letters, digits, - _ . ; what else the Hub forbids the engine knows. */
static bool repo_plausible(const char *repo)
{
    size_t slashes = 0, part = 0;
    for (const char *s = repo; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '/') {
            if (part == 0 || ++slashes > 1)
                return false;
            part = 0;
        } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-_.", c)) {
            part++;
        } else {
            return false;
        }
    }
    return part > 0;
}

/* Names that are files by their ending: the habit of `hf download REPO FILE` leads here. */
static bool looks_like_file(const char *s)
{
    static const char *const endings[] = { "json", "safetensors", "gguf",    "bin",    "pt",      "pth",  "ckpt",
                                           "onnx", "h5",          "msgpack", "model",  "txt",     "md",   "py",
                                           "yaml", "yml",         "jsonl",   "csv",    "parquet", "tar",  "gz",
                                           "zip",  "npz",         "pb",      "tflite", "jinja",   "vocab" };
    if (strpbrk(s, "*?["))
        return true;
    const char *dot = strrchr(s, '.');
    if (!dot || dot == s)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

static int not_a_repo(const char *text, struct hfp_err *err)
{
    struct text shown;
    text_clear(&shown);
    text_shorten(&shown, text, 100);
    if (looks_like_file(text))
        return fault(err, HFP_E_ARG,
                     "'%s' looks like a file, not a repository. One file is ORG/NAME:PATH, several are --include "
                     "'PATTERN'.",
                     shown.data);
    return fault(err, HFP_E_ARG, "'%s' is not a repository. Write ORG/NAME, ORG/NAME@REV or ORG/NAME:PATH.",
                 shown.data);
}

static int finish(struct spec *out, const char *text, bool bare, struct hfp_err *err)
{
    if (!repo_plausible(out->repo) || (bare && !strchr(out->repo, '/') && looks_like_file(out->repo)))
        return not_a_repo(text, err);
    if (!text_plain(out->revision) || !text_plain(out->path)) /* typed, or behind a percent sign of a link */
        return fault(err, HFP_E_ARG, "The revision and path of '%s' have to be UTF-8 without control characters.",
                     out->repo);
    return HFP_OK;
}

/* REV of "REV/PATH": refs/pr/3 and refs/convert/parquet have slashes of their own (huggingface_hub _hf_uris.py). */
static size_t revision_length(const char *s)
{
    size_t n = strcspn(s, "/");
    if (strncmp(s, "refs/pr/", 8) == 0)
        return 8 + strcspn(s + 8, "/");
    if (strncmp(s, "refs/convert/", 13) == 0)
        return 13 + strcspn(s + 13, "/");
    return n;
}

/* ORG/NAME[@REV][/PATH], after hf:// and the type. */
static int parse_uri(struct spec *out, const char *s, const char *text, struct hfp_err *err)
{
    size_t org = strcspn(s, "/@");
    size_t n = s[org] == '/' ? org + 1 + strcspn(s + org + 1, "/@") : org;
    bool ok = copy(out->repo, sizeof out->repo, s, n);
    s += n;
    if (*s == '@') {
        n = revision_length(++s);
        ok = ok && n > 0 && copy(out->revision, sizeof out->revision, s, n) && decode(out->revision);
        s += n;
    }
    if (*s == '/')
        ok = ok && copy(out->path, sizeof out->path, s + 1, strlen(s + 1));
    return ok ? finish(out, text, false, err) : not_a_repo(text, err);
}

/* Behind the host of a link: ORG/NAME[/tree|blob|resolve|raw/REV[/PATH]][?...][#...]. */
static int parse_link_path(struct spec *out, const char *s, const char *text, struct hfp_err *err)
{
    char buf[PATH_TEXT_MAX + REPO_MAX + REVISION_MAX];
    if (!copy(buf, sizeof buf, s, strcspn(s, "?#")))
        return not_a_repo(text, err);
    s = buf;
    take_type(out, &s);
    size_t org = strcspn(s, "/"), n = s[org] ? org + 1 + strcspn(s + org + 1, "/") : org;
    bool ok = copy(out->repo, sizeof out->repo, s, n) && decode(out->repo);
    s += n;
    bool folder = starts(&s, "/tree/");
    if (folder || starts(&s, "/blob/") || starts(&s, "/resolve/") || starts(&s, "/raw/")) {
        n = revision_length(s);
        ok = ok && n > 0 && copy(out->revision, sizeof out->revision, s, n) && decode(out->revision);
        s += n;
        n = strlen(s);
        ok = ok && n + 2 < sizeof out->path;
        if (ok && n > 1)
            snprintf(out->path, sizeof out->path, "%s%s", s + 1, folder && s[n - 1] != '/' ? "/" : "");
        ok = ok && decode(out->path);
    } else {
        ok = ok && (!*s || strcmp(s, "/") == 0);
    }
    return ok ? finish(out, text, false, err) : not_a_repo(text, err);
}

static int parse_link(struct spec *out, const char *text, const char *endpoint, struct hfp_err *err)
{
    size_t n = strlen(endpoint);
    while (n > 0 && endpoint[n - 1] == '/')
        n--;
    const char *s = text;
    if (strncasecmp(text, endpoint, n) == 0 && text[n] == '/')
        return parse_link_path(out, text + n + 1, text, err);
    if ((starts(&s, "https://huggingface.co/") || starts(&s, "https://hf.co/")) &&
        strncasecmp(endpoint, "https://huggingface.co", 22) == 0)
        return parse_link_path(out, s, text, err);
    struct text shown;
    text_clear(&shown);
    text_shorten(&shown, text, 100);
    return fault(err, HFP_E_ARG, "'%s' is not a link to %s. Another Hub is named by --endpoint.", shown.data, endpoint);
}

int spec_parse(struct spec *out, const char *text, const char *endpoint, struct hfp_err *err)
{
    struct spec spec = { 0 };
    const char *s = text;
    int rc;
    if (strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0) {
        rc = parse_link(&spec, text, endpoint, err);
    } else if (starts(&s, "hf://")) {
        take_type(&spec, &s);
        rc = parse_uri(&spec, s, text, err);
    } else {
        take_type(&spec, &s);
        size_t repo = strcspn(s, "@:"), rev = 0;
        bool ok = copy(spec.repo, sizeof spec.repo, s, repo);
        s += repo;
        if (*s == '@') {
            rev = strcspn(++s, ":");
            ok = ok && rev > 0 && copy(spec.revision, sizeof spec.revision, s, rev);
            s += rev;
        }
        if (*s == ':')
            ok = ok && s[1] && copy(spec.path, sizeof spec.path, s + 1, strlen(s + 1));
        rc = ok ? finish(&spec, text, true, err) : not_a_repo(text, err);
    }
    if (rc == HFP_OK)
        *out = spec;
    return rc;
}
