#include "front/text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

void text_clear(struct text *t)
{
    t->len = 0;
    t->cols = 0;
    t->data[0] = '\0';
}

/* RFC 3629, section 4: the shortest form only, no surrogates, nothing above U+10FFFF. */
size_t utf8_read(const char *s, unsigned *out)
{
    const unsigned char *b = (const unsigned char *)s;
    if (b[0] < 0x80) {
        *out = b[0];
        return 1;
    }
    size_t n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    unsigned c = b[0] & (0xffU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (b[i] & 0x3f);
    }
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return n;
}

bool text_plain(const char *s)
{
    while (*s) {
        unsigned c = 0;
        size_t n = utf8_read(s, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
        s += n;
    }
    return true;
}

/* Controls move the cursor; the bidirectional ones (Unicode 15, 23.2) make a name read as another one. */
static bool harmless(unsigned c)
{
    return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
           !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

static unsigned width_of(unsigned c)
{
    int w = wcwidth((wchar_t)c); /* -1 in a locale that does not know it: one cell, as most terminals do */
    return w < 0 ? 1 : (unsigned)w;
}

unsigned text_columns(const char *s)
{
    unsigned cols = 0;
    while (*s) {
        unsigned c = '?';
        size_t n = utf8_read(s, &c);
        cols += width_of(c);
        s += n ? n : 1;
    }
    return cols;
}

static void add_bytes(struct text *t, const char *s, size_t n, unsigned cols)
{
    static const char cut[] = "...";
    if (t->len + n + sizeof cut > sizeof t->data) {
        if (t->len + sizeof cut > sizeof t->data || (t->len >= 3 && memcmp(t->data + t->len - 3, cut, 3) == 0))
            return;
        s = cut;
        n = cols = 3;
    }
    memcpy(t->data + t->len, s, n);
    t->len += n;
    t->data[t->len] = '\0';
    t->cols += cols;
}

void text_fmt(struct text *t, const char *fmt, ...)
{
    char buf[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    for (const char *s = buf; *s;) {
        unsigned c = '?';
        size_t n = utf8_read(s, &c);
        add_bytes(t, n ? s : "?", n ? n : 1, width_of(c));
        s += n ? n : 1;
    }
}

void text_safe(struct text *t, const char *s)
{
    while (*s) {
        unsigned c = 0;
        size_t n = utf8_read(s, &c);
        if (n && harmless(c))
            add_bytes(t, s, n, width_of(c));
        else
            add_bytes(t, "?", 1, 1);
        s += n ? n : 1;
    }
}

void text_escape(struct text *t, const char *sequence)
{
    add_bytes(t, sequence, strlen(sequence), 0);
}

void text_append(struct text *t, const struct text *more)
{
    add_bytes(t, more->data, more->len, more->cols);
}

bool text_append_if_fits(struct text *t, const struct text *more, unsigned width)
{
    if (t->cols + more->cols > width)
        return false;
    text_append(t, more);
    return true;
}

/* How many bytes of s make at most cols columns. */
static size_t head_bytes(const char *s, unsigned cols)
{
    size_t at = 0;
    unsigned used = 0;
    while (s[at]) {
        unsigned c = '?';
        size_t n = utf8_read(s + at, &c);
        if ((used += width_of(c)) > cols)
            break;
        at += n ? n : 1;
    }
    return at;
}

void text_shorten(struct text *t, const char *s, unsigned cols)
{
    struct text safe;
    text_clear(&safe);
    text_safe(&safe, s);
    if (safe.cols <= cols || cols < 4) {
        text_append(t, &safe);
        return;
    }
    /* The end of a name tells more than its middle: "model-0...-00016.safetensors". */
    unsigned left = (cols - 3) / 3, right = cols - 3 - left;
    safe.data[safe.len] = '\0';
    size_t head = head_bytes(safe.data, left);
    size_t tail = head_bytes(safe.data, safe.cols - right);
    unsigned c = 0;
    if (text_columns(safe.data + tail) > right)
        tail += utf8_read(safe.data + tail, &c);
    char first[TEXT_MAX];
    memcpy(first, safe.data, head);
    first[head] = '\0';
    text_safe(t, first);
    text_fmt(t, "...");
    text_safe(t, safe.data + tail);
}

int fault(struct hfp_err *err, enum hfp_code code, const char *fmt, ...)
{
    if (!err)
        return code;
    *err = (struct hfp_err){ .code = code };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return code;
}

int fault_nomem(struct hfp_err *err)
{
    return fault(err, HFP_E_NOMEM, "out of memory");
}
