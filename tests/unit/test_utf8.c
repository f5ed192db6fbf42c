/* test_utf8.c: the promises of base/utf8.h.
 *
 * Seen red on purpose: overlong forms read, surrogates read, C1 controls shown, "..." placed one byte too late. */
#include "base/utf8.h"

#include "base/auto.h"
#include "tap.h"

static void test_next(void)
{
    static const struct {
        const char *name, *bytes;
        uint32_t c;
        size_t n;
    } rows[] = {
        { "the end", "", 0, 0 },
        { "ASCII", "a", 'a', 1 },
        { "two bytes", "\xc3\xa9", 0xE9, 2 },
        { "three bytes", "\xe2\x82\xac", 0x20AC, 3 },
        { "four bytes", "\xf0\x9f\x98\x80", 0x1F600, 4 },
        { "the last code point", "\xf4\x8f\xbf\xbf", 0x10FFFF, 4 },
        { "beyond the last", "\xf4\x90\x80\x80", 0xDCF4, 1 },
        { "a lone continuation", "\x80", 0xDC80, 1 },
        { "cut short", "\xe2\x82", 0xDCE2, 1 },
        { "overlong slash", "\xc0\xaf", 0xDCC0, 1 },
        { "overlong in three", "\xe0\x80\xaf", 0xDCE0, 1 },
        { "a surrogate", "\xed\xa0\x80", 0xDCED, 1 },
        { "no lead byte", "\xff", 0xDCFF, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t c = 0;
        size_t n = utf8_next(&c, rows[i].bytes);
        CHECK(n == rows[i].n && c == rows[i].c, "%s reads as U+%04X in %zu bytes", rows[i].name, rows[i].c, rows[i].n);
        CHECK(utf8_valid(rows[i].bytes, strlen(rows[i].bytes)) == (c < 0xDC80 || c > 0xDCFF), "%s: valid or not",
              rows[i].name);
    }
    CHECK(!utf8_valid("\xe2\x82\xac", 2), "a length that cuts a character is not valid");
}

static void test_show(void)
{
    static const struct {
        const char *name, *text;
        size_t size;
        const char *want;
    } rows[] = {
        { "plain words stay", "a b.c \xc3\xa9", 32, "a b.c \xc3\xa9" },
        { "an escape sequence is defused", "a\x1b[2Jb\n", 32, "a [2Jb " },
        { "C1 and DEL too",
          "a\xc2\x9b"
          "b\x7f",
          32, "a b " },
        { "marks that reorder text too",
          "a\xe2\x80\xae"
          "b",
          32, "a b" },
        { "a broken byte becomes ?",
          "a\xff"
          "b",
          32, "a?b" },
        { "what just fits is whole", "1234567", 8, "1234567" },
        { "what is too long is cut", "12345678", 8, "1234..." },
        { "between characters",
          "123\xc3\xa9"
          "6789",
          8, "123..." },
        { "four bytes at the edge", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 8, "\xf0\x9f\x98\x80..." },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char out[32];
        utf8_show(out, rows[i].size, rows[i].text);
        CHECK_STR(out, rows[i].want, "shown: %s", rows[i].name);
    }
}

int main(void)
{
    test_next();
    test_show();
    return tap_end();
}
