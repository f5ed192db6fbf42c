/* source.h: where the bytes of an answer come from: a real file, generated content, text, or a padded page.
 *
 * Belongs to one thread. source_file keeps a descriptor; source_done closes it and is legal on a zeroed struct. */
#ifndef FAKEHUB_SOURCE_H
#define FAKEHUB_SOURCE_H

#include "content.h"

#include <stddef.h>

struct source {
    enum { SOURCE_NONE, SOURCE_DISK, SOURCE_GEN, SOURCE_TEXT } kind;
    int fd;
    uint64_t seed, size;
    const char *text; /* borrowed; bytes past its end are blanks */
    size_t text_bytes;
};

bool source_file(struct source *out, const struct entry *e);
void source_text(struct source *out, const char *p, size_t n, uint64_t size);
bool source_read(const struct source *s, uint64_t at, uint8_t *out, size_t n);
void source_done(struct source *s);

#endif
