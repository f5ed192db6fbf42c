/* What comes from outside cannot paint on the terminal.
 * Seen red with: harmless() returning true ("escape sequences", "C1", "right-to-left"), the check for overlong forms
 * removed ("overlong"). */
#include "front/text.h"
#include "tap.h"

#include <locale.h>
#include <stdlib.h>

static void safety(void)
{
    static const struct {
        const char *name, *in, *out;
    } rows[] = {
        { "plain names stay", "model-00001.safetensors", "model-00001.safetensors" },
        { "umlauts stay", "gr\xc3\xbc\xc3\x9f.txt", "gr\xc3\xbc\xc3\x9f.txt" },
        { "escape sequences", "a\033[2Jb", "a?[2Jb" },
        { "line feeds", "a\nb\rc", "a?b?c" },
        { "DEL and C1",
          "a\x7f\xc2\x9b"
          "b",
          "a??b" },
        { "broken UTF-8", "a\xff\xc3", "a??" },
        { "overlong",
          "a\xc0\xaf"
          "b",
          "a??b" },
        { "overlong, three bytes", "\xe0\x80\xaf", "???" },
        { "surrogates", "\xed\xa0\x80", "???" },
        { "right-to-left override",
          "a\xe2\x80\xae"
          "gpj.exe",
          "a?gpj.exe" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text t;
        text_clear(&t);
        text_safe(&t, rows[i].in);
        CHECK_STR(t.data, rows[i].out, "%s", rows[i].name);
    }
}

static void shortening(void)
{
    static const struct {
        const char *in;
        unsigned cols;
        const char *out;
    } rows[] = {
        { "model-00009-of-00016.safetensors", 40, "model-00009-of-00016.safetensors" },
        { "model-00009-of-00016.safetensors", 21, "model-...safetensors" },
        { "abcdef", 6, "abcdef" },
        { "abcdefgh", 7, "a...fgh" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text t;
        text_clear(&t);
        text_shorten(&t, rows[i].in, rows[i].cols);
        CHECK(t.cols <= rows[i].cols, "'%s' fits %u columns", t.data, rows[i].cols);
        CHECK(strncmp(t.data, rows[i].in, 1) == 0, "'%s' keeps its beginning", t.data);
        CHECK(t.data[t.len - 1] == rows[i].in[strlen(rows[i].in) - 1], "'%s' keeps its end", t.data);
    }
}

static void limits(void)
{
    static char huge[3 * TEXT_MAX];
    struct text t;
    memset(huge, 'x', sizeof huge - 1);
    text_clear(&t);
    text_safe(&t, huge);
    CHECK(t.len < TEXT_MAX && t.data[t.len] == '\0', "a text without end is cut");
    CHECK_STR(t.data + t.len - 3, "...", "and says so");
    text_safe(&t, huge);
    text_fmt(&t, "%s", huge);
    CHECK(t.len < TEXT_MAX, "more of it changes nothing");
    text_clear(&t);
    text_escape(&t, "\033[32m");
    text_fmt(&t, "\xe2\x96\x88\xe2\x96\x91");
    CHECK_U64(t.cols, 2, "columns, not bytes, and none for colour");
    struct text more;
    text_clear(&more);
    text_fmt(&more, "1234");
    CHECK(!text_append_if_fits(&t, &more, 5) && t.cols == 2, "what does not fit is not begun");
    CHECK(text_append_if_fits(&t, &more, 6) && t.cols == 6, "what fits goes on");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    safety();
    shortening();
    limits();
    return tap_end();
}
