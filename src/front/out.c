#include "front/out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct out *o, size_t more)
{
    size_t need;
    if (o->failed || __builtin_add_overflow(o->n, more + 1, &need))
        return !(o->failed = true);
    if (need <= o->room)
        return true;
    size_t room = o->room ? o->room : 256;
    while (room < need)
        room *= 2;
    char *data = realloc(o->data, room);
    if (!data)
        return !(o->failed = true);
    o->data = data;
    o->room = room;
    return true;
}

void out_put(struct out *o, const char *s, size_t n)
{
    if (!grow(o, n))
        return;
    memcpy(o->data + o->n, s, n);
    o->n += n;
    o->data[o->n] = '\0';
}

void out_fmt(struct out *o, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && grow(o, (size_t)n)) {
        vsnprintf(o->data + o->n, (size_t)n + 1, fmt, again);
        o->n += (size_t)n;
    }
    va_end(again);
}

char *out_take(struct out *o, size_t *n)
{
    char *data = o->failed ? NULL : o->data;
    if (n)
        *n = o->n;
    if (o->failed)
        free(o->data);
    *o = (struct out){ 0 };
    return data;
}

void out_done(struct out *o)
{
    free(o->data);
    *o = (struct out){ 0 };
}

static void quoted(struct out *o, const char *s)
{
    out_put(o, "\"", 1);
    while (*s) {
        size_t plain = 0;
        while ((unsigned char)s[plain] >= 0x20 && (unsigned char)s[plain] < 0x7f && s[plain] != '"' && s[plain] != '\\')
            plain++;
        out_put(o, s, plain);
        s += plain;
        if (!*s)
            break;
        unsigned c = 0;
        size_t n = (unsigned char)*s < 0x80 ? 1 : utf8_read(s, &c);
        if ((unsigned char)*s < 0x80)
            out_fmt(o, *s == '"' || *s == '\\' ? "\\%c" : "\\u%04x", (unsigned char)*s);
        else
            out_put(o, n ? s : "?", n ? n : 1);
        s += n ? n : 1;
    }
    out_put(o, "\"", 1);
}

/* A comma stands behind everything but an opening bracket: the text itself remembers. */
static void member(struct out *o, const char *name)
{
    if (o->n > 0 && !strchr("{[", o->data[o->n - 1]))
        out_put(o, ",", 1);
    if (name) {
        quoted(o, name);
        out_put(o, ":", 1);
    }
}

void out_object(struct out *o, const char *name)
{
    member(o, name);
    out_put(o, "{", 1);
}

void out_object_end(struct out *o)
{
    out_put(o, "}", 1);
}

void out_list(struct out *o, const char *name)
{
    member(o, name);
    out_put(o, "[", 1);
}

void out_list_end(struct out *o)
{
    out_put(o, "]", 1);
}

void out_text(struct out *o, const char *name, const char *text)
{
    member(o, name);
    if (text)
        quoted(o, text);
    else
        out_put(o, "null", 4);
}

void out_u64(struct out *o, const char *name, uint64_t n)
{
    member(o, name);
    out_fmt(o, "%" PRIu64, n);
}

void out_i64(struct out *o, const char *name, int64_t n)
{
    member(o, name);
    out_fmt(o, "%" PRId64, n);
}

void out_bool(struct out *o, const char *name, bool yes)
{
    out_raw(o, name, yes ? "true" : "false");
}

void out_null(struct out *o, const char *name)
{
    out_raw(o, name, "null");
}

void out_raw(struct out *o, const char *name, const char *json)
{
    member(o, name);
    out_put(o, json, strlen(json));
}
