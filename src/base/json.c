#include "base/json.h"

#include "base/utf8.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char too_many[] = "too many values";

/* What the look before parsing keeps. Open brackets are counted, not matched by kind: cJSON does that. */
struct look {
    size_t depth, values;
    bool in_string;
    const char *fault;
};

static void look_in_string(struct look *l, const char *text, size_t n, size_t *i)
{
    if (text[*i] == '"') {
        l->in_string = false;
    } else if (text[*i] == '\\') {
        if (n - *i >= 6 && memcmp(text + *i, "\\u0000", 6) == 0)
            l->fault = "a NUL in a string";
        ++*i;
    }
}

static void look_outside(struct look *l, char c)
{
    switch (c) {
    case '"':
        l->in_string = true;
        break;
    case '{':
    case '[':
        l->values++; /* and its first value, which has no comma before it */
        if (++l->depth > JSON_DEPTH_MAX)
            l->fault = "too deep a nesting";
        break;
    case '}':
    case ']':
        if (l->depth-- == 0)
            l->fault = "a bracket too many";
        break;
    case ',':
        l->values++;
        break;
    default:
        break;
    }
}

static const char *json_fault(const char *text, size_t n)
{
    struct look l = { 0 };
    if (memchr(text, 0, n))
        return "a NUL";
    if (!utf8_valid(text, n))
        return "bytes that are not UTF-8";
    for (size_t i = 0; i < n && !l.fault; i++) {
        if (l.in_string)
            look_in_string(&l, text, n, &i);
        else
            look_outside(&l, text[i]);
        if (l.values > JSON_VALUES_MAX)
            l.fault = too_many;
    }
    if (!l.fault && (l.in_string || l.depth > 0))
        l.fault = "no end";
    return l.fault;
}

bool json_too_many(const char *text, size_t n)
{
    return n > 0 && json_fault(text, n) == too_many;
}

int json_parse(struct cJSON **out, const char *text, size_t n, struct hfp_err *err)
{
    const char *fault = n == 0 ? "nothing in it" : json_fault(text, n);
    if (fault)
        return err_set(err, HFP_E_PROTO, "JSON with %s", fault);
    const char *end = NULL;
    AUTO(json_freep) cJSON *doc = cJSON_ParseWithLengthOpts(text, n, &end, false);
    /* cJSON does not say whether it was the text or the memory: a second try does, and a small allocation before it. */
    AUTO_FREE void *memory = doc ? NULL : malloc(sizeof *doc);
    if (!doc && !memory)
        return err_nomem(err);
    if (!doc && !(doc = cJSON_ParseWithLengthOpts(text, n, &end, false)))
        return err_set(err, HFP_E_PROTO, "not JSON");
    while (end < text + n && strchr(" \t\r\n", *end))
        end++;
    if (end != text + n)
        return err_set(err, HFP_E_PROTO, "JSON with something behind it");
    *out = ptr_steal(&doc);
    return HFP_OK;
}

void json_freep(struct cJSON **doc)
{
    cJSON_Delete(*doc);
    *doc = NULL;
}

bool json_is_object(const struct cJSON *v)
{
    return cJSON_IsObject(v);
}

bool json_is_array(const struct cJSON *v)
{
    return cJSON_IsArray(v);
}

const struct cJSON *json_first(const struct cJSON *v)
{
    return v->child;
}

const struct cJSON *json_next(const struct cJSON *v)
{
    return v->next;
}

const char *json_name(const struct cJSON *v)
{
    return v->string ? v->string : "";
}

static const cJSON *member(const struct cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

bool json_has(const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    return v && !cJSON_IsNull(v);
}

const struct cJSON *json_object(const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    return cJSON_IsObject(v) ? v : NULL;
}

const struct cJSON *json_list(const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    return cJSON_IsArray(v) ? v : NULL;
}

bool json_text(const char **out, const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    if (!cJSON_IsString(v) || !v->valuestring)
        return false;
    *out = v->valuestring;
    return true;
}

bool json_u64(uint64_t *out, const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    /* The first test also refuses NaN and infinity, so that the conversion is defined. */
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= (double)JSON_INTEGER_MAX))
        return false;
    uint64_t n = (uint64_t)v->valuedouble;
    if ((double)n != v->valuedouble)
        return false;
    *out = n;
    return true;
}

bool json_bool(bool *out, const struct cJSON *object, const char *key)
{
    const cJSON *v = member(object, key);
    if (!cJSON_IsBool(v))
        return false;
    *out = cJSON_IsTrue(v);
    return true;
}
