#include "resolve/answers.h"

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 201 /* a server's own words: at most 200 characters of them are quoted */

static const char *const api_kinds[] = { [HFP_MODEL] = "models", [HFP_DATASET] = "datasets", [HFP_SPACE] = "spaces" };
static const char *const page_kinds[] = { [HFP_MODEL] = "", [HFP_DATASET] = "datasets/", [HFP_SPACE] = "spaces/" };

static bool fits(int printed)
{
    return printed > 0 && printed < URL_MAX;
}

bool hub_url_info(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *revision)
{
    char rev[URL_MAX];
    /* Only the commit is asked for: without expand the answer lists every file, 12 MB for a repository of 200,000.
     * A mirror that does not know the word sends the whole answer, and that is understood too. */
    return url_encode(rev, sizeof rev, revision, false) &&
           fits(snprintf(out, URL_MAX, "%s/api/%s/%s/revision/%s?expand=sha", endpoint, api_kinds[type], repo, rev));
}

bool hub_url_tree(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *commit)
{
    return fits(snprintf(out, URL_MAX, "%s/api/%s/%s/tree/%s?recursive=true&expand=false", endpoint, api_kinds[type],
                         repo, commit));
}

bool hub_url_file(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *commit, const char *path)
{
    char encoded[URL_MAX];
    return url_encode(encoded, sizeof encoded, path, true) &&
           fits(snprintf(out, URL_MAX, "%s/%s%s/resolve/%s/%s", endpoint, page_kinds[type], repo, commit, encoded));
}

bool hub_url_page(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo)
{
    return fits(snprintf(out, URL_MAX, "%s/%s%s", endpoint, page_kinds[type], repo));
}

/* A login page begins with '<', an error page of a proxy perhaps with a word; what the Hub sends is one of these. */
int answer_json(struct cJSON **out, const char *body, size_t n, struct hfp_err *err)
{
    size_t at = 0;
    while (at < n && strchr(" \t\r\n", body[at]) && body[at])
        at++;
    if (at < n && body[at] != '{' && body[at] != '[')
        return err_set(err, HFP_E_PORTAL, "something that is not the Hub answered (no JSON): a login page?");
    int rc = json_parse(out, body, n, err);
    if (rc)
        err_wrap(err, "the Hub's answer");
    return rc;
}

int answer_commit(char out[COMMIT_HEX + 1], const char *body, size_t n, struct hfp_err *err)
{
    AUTO(json_freep) struct cJSON *doc = NULL;
    int rc = answer_json(&doc, body, n, err);
    if (rc)
        return rc;
    const char *sha;
    if (!json_text(&sha, doc, "sha"))
        return err_set(err, HFP_E_PROTO, "the Hub's answer names no commit");
    if (!name_is_commit(sha))
        return err_set(err, HFP_E_PROTO, "the Hub's answer names a commit that is not 40 hex digits");
    memcpy(out, sha, COMMIT_HEX + 1);
    return HFP_OK;
}

static bool id_of(struct content_id *out, const char *hex, enum digest_kind kind)
{
    struct content_id id;
    if (content_id_parse(&id, hex) || id.kind != kind)
        return false;
    *out = id;
    return true;
}

/* The git object id is that of the pointer when the file is kept in LFS; then content and size are the pointer's. */
static const char *entry_content(struct listed_file *f, const struct cJSON *entry)
{
    const char *hex;
    struct content_id git;
    if (!json_text(&hex, entry, "oid") || !id_of(&git, hex, DIGEST_GIT_SHA1))
        return "without a git id of 40 hex digits";
    f->id = git;
    memcpy(f->git_oid, git.bytes, sizeof f->git_oid);
    if (!json_u64(&f->size_bytes, entry, "size"))
        return "without a size";
    if (json_has(entry, "lfs")) {
        const struct cJSON *lfs = json_object(entry, "lfs");
        if (!lfs || !json_text(&hex, lfs, "oid") || !id_of(&f->id, hex, DIGEST_SHA256))
            return "in LFS, but without a sha256 of 64 hex digits";
        if (!json_u64(&f->size_bytes, lfs, "size")) /* where the two differ, this one is the content's */
            return "in LFS, but without a size";
        f->lfs = true;
    }
    /* Only a hint how to fetch: HTTP works without it. */
    if (json_text(&hex, entry, "xetHash") && strlen(hex) == 64)
        f->xet = hex_decode(f->xet_hash, hex, sizeof f->xet_hash);
    return NULL;
}

static int entry_add(struct listing *l, const struct cJSON *entry, struct hfp_err *err)
{
    const char *type;
    if (!json_text(&type, entry, "type"))
        return err_set(err, HFP_E_PROTO, "the listing has an entry without a type");
    if (strcmp(type, "file") != 0) /* folders come by themselves; a type we do not know cannot be fetched */
        return HFP_OK;
    struct listed_file f = { 0 };
    if (!json_text(&f.path, entry, "path"))
        return err_set(err, HFP_E_PROTO, "the listing has a file without a name");
    const char *fault = entry_content(&f, entry);
    if (fault) {
        char shown[160];
        utf8_show(shown, sizeof shown, f.path);
        return err_set(err, HFP_E_PROTO, "the listing has %s %s", shown, fault);
    }
    return listing_add(l, &f, err);
}

int answer_tree_page(struct listing *l, const char *body, size_t n, struct hfp_err *err)
{
    AUTO(json_freep) struct cJSON *doc = NULL;
    int rc = answer_json(&doc, body, n, err);
    if (rc)
        return rc;
    if (!json_is_array(doc))
        return err_set(err, HFP_E_PROTO, "the Hub's listing is not a list");
    size_t before = listing_count(l);
    for (const struct cJSON *e = json_first(doc); e && !rc; e = json_next(e))
        rc = entry_add(l, e, err);
    if (rc)
        listing_rewind(l, before);
    return rc;
}

/* The server's own words in quotes after ": ", or nothing: made safe for a terminal, without signatures and tokens. */
static void quote(char out[WORDS_MAX + 8], const struct http_headers *h)
{
    char words[sizeof h->error_message + 1], shown[WORDS_MAX];
    snprintf(words, sizeof words, "%s", h->error_message);
    log_redact(words);
    utf8_show(shown, sizeof shown, words);
    size_t n = strspn(shown, " ");
    out[0] = 0;
    if (shown[n])
        snprintf(out, WORDS_MAX + 8, ": \"%s\"", shown + n);
}

/* HTML with a good status, and none of the headers that the Hub or its CDN puts on a file. */
static bool is_portal(const struct http_headers *h)
{
    return h->status == 511 || /* Network Authentication Required, RFC 6585 */
           (h->html && h->status == 200 && !h->commit[0] && !h->etag[0] && !h->linked_etag[0] && !h->error_code[0]);
}

static int say_portal(const struct http_headers *h, struct hfp_err *err)
{
    return err_http(err, HFP_E_PORTAL, h->status,
                    "a login page answered instead of the Hub: open a browser and log in to this network");
}

static int say_gated(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    const char *page = c->page_url ? c->page_url : "its page";
    if (!c->with_token)
        return err_http(err, HFP_E_GATED, h->status,
                        "gated: accept the terms at %s, then give a token of that account (--token, HF_TOKEN)", page);
    if (h->status == 401)
        return err_http(err, HFP_E_GATED, h->status,
                        "gated, and this token was refused: check it, and that its account accepted the terms at %s",
                        page);
    return err_http(err, HFP_E_GATED, h->status,
                    "gated, and this token has not been granted access: ask for it at %s, then run again", page);
}

static int say_no_repo(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    if (c->with_token)
        return err_http(err, HFP_E_NO_REPO, h->status, "no such repository, or private and this token may not see it");
    return err_http(err, HFP_E_NO_REPO, h->status, "no such repository, or private: give a token (--token, HF_TOKEN)");
}

static int say_no_revision(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    char shown[160];
    utf8_show(shown, sizeof shown, c->revision ? c->revision : "main");
    return err_http(err, HFP_E_NO_REVISION, h->status, "no such revision: %s", shown);
}

static int say_no_file(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    char file[240], revision[160];
    utf8_show(file, sizeof file, c->path ? c->path : "");
    utf8_show(revision, sizeof revision, c->revision ? c->revision : "main");
    return err_http(err, HFP_E_NO_FILE, h->status, "no such file: %s (in revision %s)", file, revision);
}

static int say_refused_token(const struct http_headers *h, struct hfp_err *err)
{
    char words[WORDS_MAX + 8];
    quote(words, h);
    return err_http(err, HFP_E_AUTH, h->status,
                    "the Hub refused this token (401)%s; check --token, HF_TOKEN or the token file", words);
}

/* X-Error-Code and the one message with a meaning; HFP_OK when they decide nothing. The order is that of
 * huggingface_hub utils/_http.py, hf_raise_for_status, and like there the status does not matter. One difference: the
 * Hub answers a bad token with 401 and RepoNotFound as well, and with a token it is the token that must be named. */
static int verdict_by_code(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    if (strcmp(h->error_code, "RevisionNotFound") == 0)
        return say_no_revision(h, c, err);
    if (strcmp(h->error_code, "EntryNotFound") == 0)
        return say_no_file(h, c, err);
    if (strcmp(h->error_code, "GatedRepo") == 0)
        return say_gated(h, c, err);
    if (strcmp(h->error_message, "Access to this resource is disabled.") == 0)
        return err_http(err, HFP_E_FORBIDDEN, h->status, "the Hub has disabled this repository");
    if (strcmp(h->error_code, "RepoNotFound") == 0)
        return h->status == 401 && c->with_token ? say_refused_token(h, err) : say_no_repo(h, c, err);
    return HFP_OK;
}

/* Codes for statuses that mean the same from any server; HFP_OK when there is none. */
static enum hfp_code common_code(int status)
{
    switch (status) {
    case 407:
        return HFP_E_PROXY;
    case 408: /* Request Timeout, and */
    case 425: /* Too Early: both invite another try */
        return HFP_E_SERVER;
    case 429:
        return HFP_E_BUSY;
    default:
        return status >= 500 && status < 600 ? HFP_E_SERVER : HFP_OK;
    }
}

static int say_common(const struct http_headers *h, enum hfp_code code, const char *who, struct hfp_err *err)
{
    char words[WORDS_MAX + 8];
    quote(words, h);
    if (code == HFP_E_BUSY)
        return err_http(err, code, h->status, "%s asks to slow down (429)%s", who, words);
    if (code == HFP_E_PROXY)
        return err_http(err, code, h->status, "the proxy wants a login (407): give it with --proxy or HTTPS_PROXY");
    return err_http(err, code, h->status, "%s answered %d%s", who, h->status, words);
}

static int verdict_by_status(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    char words[WORDS_MAX + 8];
    quote(words, h);
    switch (h->status) {
    case 400: /* the Hub read the request and will not have it: a name or revision it thinks malformed */
        if (h->error_code[0] || h->error_message[0])
            return err_http(err, HFP_E_ARG, 400, "the Hub refuses the request (400)%s", words);
        break;
    case 401: /* Python asks for https here; over http to a mirror it means the same */
        return c->with_token ? say_refused_token(h, err) : say_no_repo(h, c, err);
    case 402: /* Payment Required: a storage or traffic quota of the owner */
    case 403:
    case 451: /* Unavailable For Legal Reasons, RFC 7725 */
        return err_http(err, HFP_E_FORBIDDEN, h->status, "not allowed (%d)%s", h->status, words);
    case 404:
    case 410:
        if (c->path)
            return say_no_file(h, c, err);
        return err_http(err, HFP_E_NO_REPO, h->status, "no such repository (%d)%s, or the endpoint is not a Hub",
                        h->status, words);
    default:
        break;
    }
    return err_http(err, HFP_E_PROTO, h->status, "the Hub answered %d, which makes no sense here%s", h->status, words);
}

int answer_verdict(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err)
{
    /* API answers carry no ETag that could excuse HTML. */
    if (is_portal(h) || (h->html && h->status == 200 && !c->path))
        return say_portal(h, err);
    if (h->status == 200 || h->status == 206)
        return HFP_OK;
    int rc = verdict_by_code(h, c, err);
    if (rc)
        return rc;
    enum hfp_code code = common_code(h->status);
    return code ? say_common(h, code, "the Hub", err) : verdict_by_status(h, c, err);
}

int answer_cdn_verdict(const struct http_headers *h, const char *host, struct hfp_err *err)
{
    if (is_portal(h))
        return say_portal(h, err);
    if (h->status == 200 || h->status == 206)
        return HFP_OK;
    char who[128], words[WORDS_MAX + 8];
    utf8_show(who, sizeof who, host);
    enum hfp_code code = common_code(h->status);
    if (code)
        return say_common(h, code, who, err);
    quote(words, h);
    switch (h->status) {
    case 401:
    case 403:
    case 404: /* S3 and its kin answer 404 or 410 where an object has moved behind a new signature */
    case 410:
        return err_http(err, HFP_E_EXPIRED, h->status, "%s no longer honours its signed location (%d)%s", who,
                        h->status, words);
    default:
        return err_http(err, HFP_E_PROTO, h->status, "%s answered %d, which makes no sense here%s", who, h->status,
                        words);
    }
}

/* hub-docs: xet/api.md, Error Cases; xet-core: cas_client/retry_wrapper.rs. The rest is as for any server. */
static const struct {
    int status;
    enum hfp_code code;
    const char *says;
} cas_statuses[] = {
    { 400, HFP_E_ARG, "refuses the request" },
    { 401, HFP_E_AUTH, "refused the token that the Hub gave for it" },
    { 403, HFP_E_FORBIDDEN, "does not allow this with the token that the Hub gave for it" },
    { 404, HFP_E_NO_FILE, "knows no such file" },
    { 416, HFP_E_PROTO, "says that the file ends before its known size" },
    { 501, HFP_E_NO_FILE, "does not know this version of the request" },
};

int answer_cas_verdict(const struct http_headers *h, const char *host, struct hfp_err *err)
{
    if (is_portal(h) || (h->html && h->status == 200))
        return say_portal(h, err);
    if (h->status == 200 || h->status == 206)
        return HFP_OK;
    char who[128], words[WORDS_MAX + 8];
    utf8_show(who, sizeof who, host);
    quote(words, h);
    for (size_t i = 0; i < ARRAY_LEN(cas_statuses); i++)
        if (cas_statuses[i].status == h->status)
            return err_http(err, cas_statuses[i].code, h->status, "%s %s (%d)%s", who, cas_statuses[i].says, h->status,
                            words);
    enum hfp_code code = common_code(h->status);
    if (code)
        return say_common(h, code, who, err);
    return err_http(err, HFP_E_PROTO, h->status, "%s answered %d, which makes no sense here%s", who, h->status, words);
}
