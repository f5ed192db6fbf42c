/* text.h: strings that grow, and what URLs and JSON do to them.
 *
 * A test tool has nothing to save when memory ends, so every allocation here succeeds or the program aborts.
 * Any thread; a struct text belongs to one. Zero-initialise it; text_free is legal on that. */
#ifndef FAKEHUB_TEXT_H
#define FAKEHUB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *p; /* NULL while empty, else NUL-terminated */
    size_t n, cap;
};

void *must_alloc(size_t bytes); /* zeroed */
void *must_grow(void *old, size_t bytes);
char *must_copy(const char *s);
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *form, ...);

void text_addn(struct text *t, const void *p, size_t n);
void text_add(struct text *t, const char *s);
__attribute__((format(printf, 2, 3))) void text_addf(struct text *t, const char *form, ...);
void text_json(struct text *t, const char *s);                  /* with quotes; NULL gives null */
void text_url(struct text *t, const char *s, const char *keep); /* keep: bytes beside the unreserved ones */
void text_free(struct text *t);
const char *text_str(const struct text *t); /* "" while empty */

/* In place. A broken %xy stays as it is, as servers do; false when the result holds a NUL byte. */
bool url_decode(char *s, bool plus_is_space);
/* Steps through a=b&c=d. The caller frees *name and *value, both decoded; false at the end. */
bool form_next(const char **form, char **name, char **value);
char *form_value(const char *form, const char *name); /* the first of that name, or NULL; the caller frees */
char *read_whole(const char *path, size_t max_bytes); /* NULL when it cannot be read */

#endif
