/* gzip.h: a valid gzip stream, so that the fakehub needs no library for it.
 *
 * The bytes themselves are stored. The blanks behind them are packed as tightly as fixed codes can, about 158 to 1: a
 * small answer that is a very large one once it is opened. */
#ifndef FAKEHUB_GZIP_H
#define FAKEHUB_GZIP_H

#include "text.h"

void gzip_wrap(struct text *out, const uint8_t *p, size_t n, uint64_t blanks);

#endif
