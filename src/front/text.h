/* front/text.h: one piece of output on its way to a terminal, a log or a file.
 *
 * A fixed buffer that knows how many columns it takes. What comes from outside (file names, a server's words) enters
 * by text_safe(), which lets no control character, no escape sequence and no broken UTF-8 through: a repository must
 * not be able to paint on somebody's terminal. Too long text is cut and says so with "...". Never allocates. */
#ifndef HFP_FRONT_TEXT_H
#define HFP_FRONT_TEXT_H

#include "hfp/hfp.h"

#include <stdarg.h>
#include <stddef.h>

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* The longest line we print: an error message (512), two paths (256 each) and our own words fit twice. */
#define TEXT_MAX 4096

struct text {
    size_t len;
    unsigned cols; /* columns on a terminal; escape sequences of ours take none */
    char data[TEXT_MAX];
};

void text_clear(struct text *t);
void text_fmt(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3); /* our own words, UTF-8 */
void text_safe(struct text *t, const char *s);                         /* anybody's words */
void text_escape(struct text *t, const char *sequence);                /* a terminal sequence of ours: no columns */
void text_append(struct text *t, const struct text *more);
/* At most cols columns, with "..." in the middle when something had to go. */
void text_shorten(struct text *t, const char *s, unsigned cols);
/* True when it went on; when it would pass width, t stays as it was. */
bool text_append_if_fits(struct text *t, const struct text *more, unsigned width);
unsigned text_columns(const char *s);

/* Reads one character of UTF-8 at s; 0 bytes used means the bytes are not valid UTF-8. */
size_t utf8_read(const char *s, unsigned *out);
/* Whether it may stand in a name or path: UTF-8 without control characters. */
bool text_plain(const char *s);

/* Sets *err like base/err.h does inside the library, which programs cannot see. Returns code. */
int fault(struct hfp_err *err, enum hfp_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fault_nomem(struct hfp_err *err);

#endif
