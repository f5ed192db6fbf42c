/* log.h: one JSON line when a request begins and one when it ends. Any thread; a line is one write. */
#ifndef FAKEHUB_LOG_H
#define FAKEHUB_LOG_H

#include "server.h"

/* path NULL: in memory. */
struct log *log_open(const char *path);
void log_close(struct log *l);
void log_begin(struct log *l, const struct exchange *x);
void log_end(struct log *l, const struct exchange *x);
void log_clear(struct log *l);
void log_copy(struct log *l, struct text *out);

#endif
