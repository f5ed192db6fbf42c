#include "net/span.h"

#include <string.h>
#include <strings.h>

/* Sizes and offsets end where off_t does; a larger number is a lie. */
#define NUMBER_MAX ((uint64_t)INT64_MAX)

bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(const char *text, size_t n)
{
    struct span s = { text, text + n };
    while (s.at < s.end && is_blank(*s.at))
        s.at++;
    while (s.end > s.at && (is_blank(s.end[-1]) || s.end[-1] == '\r' || s.end[-1] == '\n'))
        s.end--;
    return s;
}

bool span_is(struct span s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s.end - s.at) == n && strncasecmp(s.at, word, n) == 0;
}

bool span_number(struct span *s, uint64_t *out)
{
    const char *p = s->at;
    uint64_t value = 0;
    for (; p < s->end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value) || value > NUMBER_MAX)
            return false;
    if (p == s->at)
        return false;
    s->at = p;
    *out = value;
    return true;
}

bool span_char(struct span *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

bool number_read(uint64_t *out, const char *value, size_t n)
{
    struct span s = span_trim(value, n);
    uint64_t number;
    if (!span_number(&s, &number) || s.at != s.end)
        return false;
    *out = number;
    return true;
}

static bool has_controls(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

void text_copy(char *out, size_t out_size, struct span s)
{
    size_t n = (size_t)(s.end - s.at);
    if (n >= out_size) {
        n = out_size - 1;
        while (n > 0 && ((unsigned char)s.at[n] & 0xC0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = has_controls(s.at + i, 1) ? '?' : s.at[i];
    out[n] = 0;
}

bool exact_copy(char *out, size_t out_size, struct span s)
{
    size_t n = (size_t)(s.end - s.at);
    if (n >= out_size || has_controls(s.at, n))
        return false;
    memcpy(out, s.at, n);
    out[n] = 0;
    return true;
}
