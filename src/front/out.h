/* front/out.h: a text that grows, and JSON written straight into it.
 *
 * Any thread, one at a time. out_take() hands the text over; before that out_done() frees it. Running out of memory is
 * remembered and told once, at the end: out_take() gives NULL, and nothing half is ever handed on.
 * JSON: name is NULL inside a list. Texts may be anybody's: broken UTF-8 is mended, so that the result is always JSON. */
#ifndef HFP_FRONT_OUT_H
#define HFP_FRONT_OUT_H

#include "front/text.h"

#include <stdbool.h>
#include <stdint.h>

struct out {
    char *data; /* always ends with NUL when not NULL */
    size_t n, room;
    bool failed;
};

void out_put(struct out *o, const char *s, size_t n);
void out_fmt(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *out_take(struct out *o, size_t *n); /* the caller frees; NULL when memory ran out. o is empty again */
void out_done(struct out *o);

void out_object(struct out *o, const char *name);
void out_object_end(struct out *o);
void out_list(struct out *o, const char *name);
void out_list_end(struct out *o);
void out_text(struct out *o, const char *name, const char *text); /* NULL: null */
void out_u64(struct out *o, const char *name, uint64_t n);
void out_i64(struct out *o, const char *name, int64_t n);
void out_bool(struct out *o, const char *name, bool yes);
void out_null(struct out *o, const char *name);
void out_raw(struct out *o, const char *name, const char *json); /* our own, already JSON */

#endif
