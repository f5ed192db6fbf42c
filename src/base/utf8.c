#include "base/utf8.h"

#include <assert.h>
#include <string.h>

#define BAD_BYTE UINT32_C(0xDC00)

/* RFC 3629, section 4. Fewer than n bytes may be asked for; a NUL never continues a sequence. */
static size_t utf8_read_one(uint32_t *out, const uint8_t *s, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* shorter forms must be used below */
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (len == 1) {
        *out = s[0];
        return 1;
    }
    uint32_t c = len ? s[0] & (0xFFu >> (len + 1)) : 0;
    size_t i = 1;
    while (i < len && i < n && (s[i] & 0xC0) == 0x80)
        c = c << 6 | (s[i++] & 0x3F);
    if (len == 0 || i < len || c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        *out = BAD_BYTE + s[0];
        return 1;
    }
    *out = c;
    return len;
}

size_t utf8_next(uint32_t *out, const char *s)
{
    if (*s == 0)
        return 0;
    return utf8_read_one(out, (const uint8_t *)s, strnlen(s, 4));
}

bool utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += utf8_read_one(&c, (const uint8_t *)s + i, n - i);
        if (c >= BAD_BYTE && c <= BAD_BYTE + 0xFF)
            return false;
    }
    return true;
}

/* Control characters (C0, DEL, C1), line and paragraph separators, and the marks that reorder text (UAX #9). */
static bool steers(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void utf8_show(char *out, size_t out_size, const char *text)
{
    assert(out_size >= 8);    /* one character of four bytes, "..." and the NUL */
    size_t used = 0, cut = 0; /* cut: where "..." would still fit */
    uint32_t c;
    for (size_t n; (n = utf8_next(&c, text)) > 0; text += n) {
        bool bad = c >= BAD_BYTE && c <= BAD_BYTE + 0xFF;
        size_t add = bad || steers(c) ? 1 : n;
        if (used + add >= out_size) {
            memcpy(out + cut, "...", 4);
            return;
        }
        if (add == n && !bad && !steers(c))
            memcpy(out + used, text, n);
        else
            out[used] = bad ? '?' : ' ';
        used += add;
        if (used + 4 <= out_size)
            cut = used;
    }
    out[used] = 0;
}
