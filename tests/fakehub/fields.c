#include "fields.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *fields_get(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (!strcasecmp(f->list[i].name, name))
            return f->list[i].value;
    return NULL;
}

void fields_add(struct fields *f, const char *name, const char *value)
{
    f->list = must_grow(f->list, (f->count + 1) * sizeof(*f->list));
    f->list[f->count++] = (struct field){ must_copy(name), must_copy(value) };
}

void fields_set(struct fields *f, const char *name, const char *value)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (strcasecmp(f->list[i].name, name) != 0) {
            f->list[kept++] = f->list[i];
            continue;
        }
        free(f->list[i].name);
        free(f->list[i].value);
    }
    f->count = kept;
    if (value)
        fields_add(f, name, value);
}

void fields_setf(struct fields *f, const char *name, const char *form, ...)
{
    char *value = NULL;
    va_list args;
    va_start(args, form);
    if (vasprintf(&value, form, args) < 0)
        abort();
    va_end(args);
    fields_set(f, name, value);
    free(value);
}

void fields_free(struct fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->list[i].name);
        free(f->list[i].value);
    }
    free(f->list);
    *f = (struct fields){ 0 };
}
