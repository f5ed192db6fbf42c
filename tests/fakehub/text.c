#include "text.h"

#include "base/auto.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        abort();
    return p;
}

void *must_grow(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        abort();
    return p;
}

char *must_copy(const char *s)
{
    char *p = strdup(s ? s : "");
    if (!p)
        abort();
    return p;
}

void die(const char *form, ...)
{
    va_list args;
    va_start(args, form);
    fputs("fakehub: ", stderr);
    vfprintf(stderr, form, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void text_addn(struct text *t, const void *p, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        t->cap = MAX(t->n + n + 1, 2 * t->cap + 64);
        t->p = must_grow(t->p, t->cap);
    }
    if (n)
        memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = 0;
}

void text_add(struct text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_addf(struct text *t, const char *form, ...)
{
    char *s = NULL;
    va_list args;
    va_start(args, form);
    int n = vasprintf(&s, form, args);
    va_end(args);
    if (n < 0)
        abort();
    text_addn(t, s, (size_t)n);
    free(s);
}

void text_json(struct text *t, const char *s)
{
    if (!s) {
        text_add(t, "null");
        return;
    }
    text_add(t, "\"");
    const char *from = s;
    for (; *s; s++) {
        uint8_t c = (uint8_t)*s;
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        text_addn(t, from, (size_t)(s - from));
        text_addf(t, "\\u%04x", c);
        from = s + 1;
    }
    text_addn(t, from, (size_t)(s - from));
    text_add(t, "\"");
}

static bool unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void text_url(struct text *t, const char *s, const char *keep)
{
    for (; *s; s++) {
        if (unreserved((uint8_t)*s) || strchr(keep, *s))
            text_addn(t, s, 1);
        else
            text_addf(t, "%%%02X", (uint8_t)*s);
    }
}

void text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){ 0 };
}

const char *text_str(const struct text *t)
{
    return t->p ? t->p : "";
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_decode(char *s, bool plus_is_space)
{
    char *to = s;
    for (; *s; s++) {
        int c = (uint8_t)*s;
        if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
            c = hex(s[1]) * 16 + hex(s[2]);
            s += 2;
        } else if (*s == '+' && plus_is_space) {
            c = ' ';
        }
        if (!c)
            return false;
        *to++ = (char)c;
    }
    *to = 0;
    return true;
}

bool form_next(const char **form, char **name, char **value)
{
    const char *at = *form;
    if (!at || !*at)
        return false;
    const char *end = strchrnul(at, '&'), *equal = memchr(at, '=', (size_t)(end - at));
    *name = strndup(at, (size_t)((equal ? equal : end) - at));
    *value = equal ? strndup(equal + 1, (size_t)(end - equal) - 1) : strdup("");
    if (!*name || !*value)
        abort();
    if (!url_decode(*name, true) || !url_decode(*value, true))
        **value = 0;
    *form = *end ? end + 1 : end;
    return true;
}

char *form_value(const char *form, const char *name)
{
    char *key, *value;
    while (form_next(&form, &key, &value)) {
        bool found = !strcmp(key, name);
        free(key);
        if (found)
            return value;
        free(value);
    }
    return NULL;
}

char *read_whole(const char *path, size_t max_bytes)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    struct text t = { 0 };
    char buf[65536];
    for (size_t n; t.n <= max_bytes && (n = fread(buf, 1, sizeof(buf), f)) > 0;)
        text_addn(&t, buf, n);
    bool bad = ferror(f) || t.n > max_bytes;
    fclose(f);
    if (bad) {
        text_free(&t);
        return NULL;
    }
    return t.p ? t.p : must_copy("");
}
