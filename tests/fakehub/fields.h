/* fields.h: an ordered list of header fields; names compare without case. Zero-initialise; one thread. */
#ifndef FAKEHUB_FIELDS_H
#define FAKEHUB_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct fields {
    struct field {
        char *name, *value;
    } * list;
    size_t count;
};

const char *fields_get(const struct fields *f, const char *name); /* the first, or NULL */
void fields_add(struct fields *f, const char *name, const char *value);
void fields_set(struct fields *f, const char *name, const char *value); /* in place of all; NULL removes */
__attribute__((format(printf, 3, 4))) void fields_setf(struct fields *f, const char *name, const char *form, ...);
void fields_free(struct fields *f);

#endif
