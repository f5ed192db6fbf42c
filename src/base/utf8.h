/* base/utf8.h: code points in and out of bytes somebody else wrote. Pure; any thread. Never allocates. */
#ifndef HFP_BASE_UTF8_H
#define HFP_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at s (NUL-terminated) and how many bytes it took; 0 at the end. A byte that is not UTF-8 (RFC 3629:
 * no overlong forms, no surrogates, at most U+10FFFF) comes as 0xDC00 + byte, the way Python reads file names and
 * arguments (PEP 383), so that equal bytes stay equal. */
size_t utf8_next(uint32_t *out, const char *s);
bool utf8_valid(const char *s, size_t n);

/* Copies outside words into a message: what could steer a terminal or turn the reading direction becomes a space,
 * a bad byte becomes '?', too long text is cut between characters and ends in "...". out_size >= 8. */
void utf8_show(char *out, size_t out_size, const char *text);

#endif
