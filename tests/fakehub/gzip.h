/* gzip.h: a valid gzip stream without compressing, so that the fakehub needs no library for it. */
#ifndef FAKEHUB_GZIP_H
#define FAKEHUB_GZIP_H

#include "text.h"

void gzip_wrap(struct text *out, const uint8_t *p, size_t n);

#endif
