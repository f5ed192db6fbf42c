#include "net/header_values.h"
#include "net/span.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* The longest form, "Wednesday, 06-Nov-94 08:49:37 GMT", has 33 characters. */
#define DATE_MAX 40

bool content_range_read(struct content_range *out, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    struct content_range range = { .present = true };
    if (s.end - s.at < 6 || strncasecmp(s.at, "bytes", 5) != 0 || !is_blank(s.at[5]))
        return false;
    s = span_trim(s.at + 5, (size_t)(s.end - s.at - 5));
    range.unsatisfied = span_char(&s, '*');
    if (!range.unsatisfied && (!span_number(&s, &range.first) || !span_char(&s, '-') || !span_number(&s, &range.last)))
        return false;
    if (!span_char(&s, '/'))
        return false;
    if (!(span_char(&s, '*') && !range.unsatisfied)) {
        if (!span_number(&s, &range.total))
            return false;
        range.total_known = true;
    }
    if (s.at != s.end || range.first > range.last)
        return false;
    if (!range.unsatisfied && range.total_known && range.last >= range.total)
        return false;
    *out = range;
    return true;
}

/* The end of a list element or parameter: the next of stops outside quotes and angle brackets, or the end. */
static const char *element_end(const char *p, const char *end, const char *stops)
{
    bool quoted = false, angled = false;
    for (; p < end; p++) {
        if (quoted && *p == '\\' && p + 1 < end)
            p++;
        else if (*p == '"' && !angled)
            quoted = !quoted;
        else if (!quoted && (*p == '<' || *p == '>'))
            angled = *p == '<';
        else if (!quoted && !angled && strchr(stops, *p) && *p)
            break;
    }
    return p;
}

/* The next ';' parameter of an element: key and value (quotes taken off). The element's head counts as one without
 * value. False at the end. */
static bool param_next(struct span *s, struct span *key, struct span *value)
{
    if (s->at >= s->end)
        return false;
    const char *end = element_end(s->at, s->end, ";");
    const char *equals = element_end(s->at, end, "=");
    *key = span_trim(s->at, (size_t)(equals - s->at));
    *value = equals < end ? span_trim(equals + 1, (size_t)(end - equals - 1)) : (struct span){ end, end };
    if (value->end - value->at >= 2 && *value->at == '"' && value->end[-1] == '"') {
        value->at++;
        value->end--;
    }
    s->at = end < s->end ? end + 1 : end;
    return true;
}

/* rel may hold several words (RFC 8288 3.3). */
static bool rel_has(struct span rel, const char *name)
{
    while (rel.at < rel.end) {
        while (rel.at < rel.end && is_blank(*rel.at))
            rel.at++;
        const char *end = rel.at;
        while (end < rel.end && !is_blank(*end))
            end++;
        if (span_is((struct span){ rel.at, end }, name))
            return true;
        rel.at = end;
    }
    return false;
}

static bool link_find(struct span *out, const char *value, size_t n, const char *rel)
{
    struct span list = span_trim(value, n);
    while (list.at < list.end) {
        const char *end = element_end(list.at, list.end, ",");
        struct span element = span_trim(list.at, (size_t)(end - list.at));
        list.at = end < list.end ? end + 1 : end;
        const char *close =
            element.at < element.end ? memchr(element.at, '>', (size_t)(element.end - element.at)) : NULL;
        if (!close || *element.at != '<')
            continue;
        struct span target = { element.at + 1, close }, params = { close + 1, element.end }, key, word;
        while (param_next(&params, &key, &word))
            if (span_is(key, "rel") && rel_has(word, rel)) {
                *out = target;
                return true;
            }
    }
    return false;
}

bool link_has(const char *value, size_t n, const char *rel)
{
    struct span target;
    return link_find(&target, value, n, rel);
}

bool link_read(char *out, size_t out_size, const char *value, size_t n, const char *rel)
{
    struct span target;
    return link_find(&target, value, n, rel) && target.at < target.end && exact_copy(out, out_size, target);
}

bool link_next_read(char *out, size_t out_size, const char *value, size_t n)
{
    return link_read(out, out_size, value, n, "next");
}

/* Number parameters of the first list element; the draft lets a server send one element per policy, the Hub sends one
 * (docs/hub/rate-limits: "api";r=..;t=.. and "fixed window";"api";q=..;w=..). False: first_key is absent. */
static bool limits_read(const char *text, size_t n, const char *first_key, uint64_t *first, const char *second_key,
                        uint64_t *second)
{
    struct span s = span_trim(text, n), key, value;
    s.end = element_end(s.at, s.end, ",");
    uint64_t a = 0, b = 0;
    bool found = false;
    while (param_next(&s, &key, &value)) {
        size_t len = (size_t)(value.end - value.at);
        if (span_is(key, first_key))
            found = number_read(&a, value.at, len);
        else if (span_is(key, second_key) && !number_read(&b, value.at, len))
            return false;
    }
    if (!found)
        return false;
    *first = a;
    *second = b;
    return true;
}

bool rate_limit_read(struct rate_limit *out, const char *value, size_t n)
{
    if (!limits_read(value, n, "r", &out->remaining, "t", &out->reset_s))
        return false;
    out->present = true;
    return true;
}

bool rate_policy_read(struct rate_limit *out, const char *value, size_t n)
{
    return limits_read(value, n, "q", &out->quota, "w", &out->window_s);
}

/* As huggingface_hub does it: leading 'W' and '/' off, then quotes off both ends. */
void etag_normalise(char *out, size_t out_size, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    while (s.at < s.end && (*s.at == 'W' || *s.at == '/'))
        s.at++;
    while (s.at < s.end && *s.at == '"')
        s.at++;
    while (s.end > s.at && s.end[-1] == '"')
        s.end--;
    if (!exact_copy(out, out_size, s))
        out[0] = 0;
}

bool http_date_read(int64_t *out_unix_s, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    char text[DATE_MAX];
    /* curl_getdate() reads all three forms of RFC 9110 5.6.7 and more; a bare number must not pass for a date. */
    if (!exact_copy(text, sizeof text, s) || !strchr(text, ':'))
        return false;
    time_t t = curl_getdate(text, NULL);
    if (t < 0)
        return false;
    *out_unix_s = t;
    return true;
}

bool retry_after_read(uint64_t *out_s, const char *value, size_t n, int64_t now_unix_s)
{
    int64_t at;
    if (number_read(out_s, value, n))
        return true;
    if (!http_date_read(&at, value, n))
        return false;
    *out_s = at > now_unix_s ? (uint64_t)(at - now_unix_s) : 0;
    return true;
}
