#include "daemon/body.h"

#include "daemon/addresses.h"
#include "daemon/fields.def"
#include "front/options.h"
#include "front/spec.h"
#include "front/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4
#define EXACT_MAX 9007199254740991.0 /* 2^53 - 1: what a JSON number carries exactly (RFC 8259 6) */

/* cJSON goes down by recursion, a thousand levels deep by default: what is nested deeper than ours is turned away first. */
static bool too_deep(const char *s, size_t n)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            quoted = !quoted;
        else if (!quoted && (s[i] == '{' || s[i] == '['))
            depth++;
        else if (!quoted && (s[i] == '}' || s[i] == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MAX)
            return true;
    }
    return false;
}

static int no_repeats(const cJSON *o, struct hfp_err *err)
{
    for (const cJSON *a = o->child; a; a = a->next)
        for (const cJSON *b = a->next; b; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return fault(err, HFP_E_ARG, "%.100s: given twice.", a->string);
    return HFP_OK;
}

int body_parse(cJSON **out, const char *text, size_t n, struct hfp_err *err)
{
    enum { MEMBERS_MAX = 64 }; /* more than any object of ours has */
    const char *end = NULL;
    /* \u0000 would end a text early, and what was checked would not be what was meant. */
    if (memchr(text, '\0', n) || memmem(text, n, "\\u0000", 6) || too_deep(text, n))
        return fault(err, HFP_E_ARG, "the body is not an object of JSON as documented.");
    cJSON *o = cJSON_ParseWithLengthOpts(text, n, &end, false);
    bool rest = o && end && strspn(end, " \t\r\n") != (size_t)(text + n - end);
    if (!cJSON_IsObject(o) || rest || cJSON_GetArraySize(o) > MEMBERS_MAX) {
        cJSON_Delete(o);
        return fault(err, HFP_E_ARG, "the body is not an object of JSON.");
    }
    int rc = no_repeats(o, err);
    if (rc)
        cJSON_Delete(o);
    else
        *out = o;
    return rc;
}

int body_text(char **out, const cJSON *item, const char *name, struct hfp_err *err)
{
    const char *text = cJSON_GetStringValue(item);
    if (!text || !*text || strlen(text) > TEXT_LIMIT || !text_plain(text))
        return fault(err, HFP_E_ARG, "%s: has to be a text of 1 to %d bytes without control characters.", name,
                     TEXT_LIMIT);
    char *copy = strdup(text);
    if (!copy)
        return fault_nomem(err);
    free(*out);
    *out = copy;
    return HFP_OK;
}

int body_texts(char ***out, const cJSON *item, const char *name, struct hfp_err *err)
{
    int n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : -1;
    if (n < 0 || n > TEXTS_LIMIT)
        return fault(err, HFP_E_ARG, "%s: has to be a list of at most %d texts.", name, TEXTS_LIMIT);
    char **list = n ? calloc((size_t)n + 1, sizeof *list) : NULL;
    if (n && !list)
        return fault_nomem(err);
    int rc = HFP_OK, i = 0;
    for (const cJSON *one = item->child; one && rc == HFP_OK; one = one->next)
        rc = body_text(&list[i++], one, name, err);
    for (i = 0; rc && i < n; i++)
        free(list[i]);
    if (rc)
        free(list);
    else
        *out = list;
    return rc;
}

int body_integer(int64_t *out, const cJSON *item, const char *name, int64_t min, int64_t max, struct hfp_err *err)
{
    double d = cJSON_IsNumber(item) ? item->valuedouble : -EXACT_MAX - 1;
    bool fits = d >= -EXACT_MAX && d <= EXACT_MAX && d == (double)(int64_t)d;
    if (!fits || (int64_t)d < min || (int64_t)d > max)
        return fault(err, HFP_E_ARG, "%s: has to be an integer from %" PRId64 " to %" PRId64 ".", name, min, max);
    *out = (int64_t)d;
    return HFP_OK;
}

static int read_TEXT(char **out, const cJSON *item, const char *name, struct hfp_err *err)
{
    return cJSON_IsNull(item) ? HFP_OK : body_text(out, item, name, err);
}

static int read_TEXTS(char ***out, const cJSON *item, const char *name, struct hfp_err *err)
{
    return body_texts(out, item, name, err);
}

/* The text itself is in no message: it may hold a secret. */
static int read_ADDRESSES(char ***out, const cJSON *item, const char *name, struct hfp_err *err)
{
    if (cJSON_GetArraySize(item) > NOTIFY_TARGETS_MAX)
        return fault(err, HFP_E_ARG, "%s: has to be a list of at most %d addresses.", name, NOTIFY_TARGETS_MAX);
    int rc = body_texts(out, item, name, err);
    for (char **one = *out; rc == HFP_OK && one && *one; one++)
        rc = address_check(*one, name, err);
    return rc;
}

static int read_EVENTS(char ***out, const cJSON *item, const char *name, struct hfp_err *err)
{
    char words[128];
    int rc = events_read(words, sizeof words, item, name, "", err);
    return rc ? rc : body_texts(out, item, name, err);
}

static int read_VERB(enum hfp_verb *out, const cJSON *item, const char *name, struct hfp_err *err)
{
    const char *text = cJSON_GetStringValue(item);
    for (size_t i = 0; text && i < verb_count; i++) {
        if (strcmp(verb_rows[i].word, text) == 0) {
            *out = verb_rows[i].verb;
            return HFP_OK;
        }
    }
    return fault(err, HFP_E_ARG, "%s: is not one of pull, verify, repair, plan, index.", name);
}

static int read_TYPE(enum hfp_repo_type *out, const cJSON *item, const char *name, struct hfp_err *err)
{
    static const char *const words[] = { [HFP_MODEL] = "model", [HFP_DATASET] = "dataset", [HFP_SPACE] = "space" };
    const char *text = cJSON_GetStringValue(item);
    for (unsigned i = 0; text && i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = (enum hfp_repo_type)i;
            return HFP_OK;
        }
    }
    return fault(err, HFP_E_ARG, "%s: is not one of model, dataset, space.", name);
}

static int read_FLAG(bool *out, const cJSON *item, const char *name, struct hfp_err *err)
{
    if (!cJSON_IsBool(item))
        return fault(err, HFP_E_ARG, "%s: has to be true or false.", name);
    *out = cJSON_IsTrue(item);
    return HFP_OK;
}

static int read_PRIORITY(int64_t *out, const cJSON *item, const char *name, struct hfp_err *err)
{
    return body_integer(out, item, name, -PRIORITY_MAX, PRIORITY_MAX, err);
}

static int read_RATE(uint64_t *out, const cJSON *item, const char *name, struct hfp_err *err)
{
    int64_t n = 0;
    if (body_integer(&n, item, name, 0, INT64_C(9007199254740991), err))
        return err->code;
    *out = (uint64_t)n;
    return HFP_OK;
}

static int unknown(const cJSON *item, struct hfp_err *err)
{
    return fault(err, HFP_E_ARG, "%.100s: there is no such member.", item->string);
}

static int ask_member(struct job_ask *a, const cJSON *item, struct hfp_err *err)
{
#define X(field, type, member, text)                                                                                   \
    if (strcmp(item->string, #field) == 0)                                                                             \
        return read_##type(&a->member, item, #field, err);
    ASK_FIELDS(X)
    ASK_KEPT(X)
#undef X
    return unknown(item, err);
}

/* Names as people copy them are understood; what they mean is what is kept. */
static int ask_names(struct job_ask *a, bool type_given, const char *endpoint, struct hfp_err *err)
{
    struct spec s;
    if (!a->repo)
        return fault(err, HFP_E_ARG, "repo: is missing.");
    int rc = spec_parse(&s, a->repo, "https://huggingface.co", err);
    if (rc && endpoint)
        rc = spec_parse(&s, a->repo, endpoint, err);
    if (rc)
        return fault(err, HFP_E_ARG, "repo: %.300s", strdupa(err->message));
    if (s.type_given && type_given && s.type != a->type)
        return fault(err, HFP_E_ARG, "repo and type say two kinds of repository.");
    if (s.revision[0] && a->revision && strcmp(s.revision, a->revision) != 0)
        return fault(err, HFP_E_ARG, "repo and revision say two revisions.");
    if (s.path[0] && (a->paths || a->include || a->exclude))
        return fault(err, HFP_E_ARG, "repo names a file, and there are paths or patterns too.");
    if (a->paths && (a->include || a->exclude))
        return fault(err, HFP_E_ARG, "paths and patterns choose files both. Give one of them.");
    if (s.type_given)
        a->type = s.type;
    free(a->repo);
    a->repo = strdup(s.repo);
    if (s.path[0] && (a->paths = calloc(2, sizeof *a->paths)))
        a->paths[0] = strdup(s.path);
    if (!a->revision)
        a->revision = strdup(s.revision[0] ? s.revision : "main");
    bool whole = a->repo && a->revision && (!s.path[0] || (a->paths && a->paths[0]));
    return whole ? HFP_OK : fault_nomem(err);
}

int body_ask(struct job_ask *out, const cJSON *o, const char *endpoint, struct hfp_err *err)
{
    struct job_ask a = { 0 };
    int rc = HFP_OK;
    for (const cJSON *item = o->child; item && rc == HFP_OK; item = item->next)
        rc = ask_member(&a, item, err);
    if (rc == HFP_OK)
        rc = ask_names(&a, cJSON_GetObjectItemCaseSensitive(o, "type") != NULL, endpoint, err);
    if (rc)
        job_ask_done(&a);
    else
        *out = a;
    return rc;
}

int body_change(struct body_change *out, const cJSON *o, struct hfp_err *err)
{
    struct body_change c = { 0 };
    int rc = HFP_OK;
    for (const cJSON *item = o->child; item && rc == HFP_OK; item = item->next) {
        if (strcmp(item->string, "priority") == 0) {
            c.has_priority = true;
            rc = read_PRIORITY(&c.priority, item, "priority", err);
        } else if (strcmp(item->string, "limit_bytes_per_s") == 0) {
            c.has_limit = true;
            rc = read_RATE(&c.limit_bytes_per_s, item, "limit_bytes_per_s", err);
        } else {
            rc = unknown(item, err);
        }
    }
    if (rc == HFP_OK)
        *out = c;
    return rc;
}

int body_move(char out[static JOB_ID_SIZE], const cJSON *o, struct hfp_err *err)
{
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(o, "before");
    const char *id = cJSON_GetStringValue(before);
    for (const cJSON *item = o->child; item; item = item->next)
        if (strcmp(item->string, "before") != 0)
            return unknown(item, err);
    if (!before || (!id && !cJSON_IsNull(before)) || (id && strlen(id) >= JOB_ID_SIZE))
        return fault(err, HFP_E_ARG, "before: has to be the id of a job, or null.");
    strcpy(out, id ? id : "");
    return HFP_OK;
}
