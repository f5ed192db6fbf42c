/* base/log.h: log records go to the caller's callback; the library prints nothing.
 *
 * Any thread; the callback has to stand that. A struct log is plain data, its ctx the caller's. Tokens and signed URLs
 * are cut here, in one place: every record passes through log_redact(). */
#ifndef HFP_BASE_LOG_H
#define HFP_BASE_LOG_H

#include "base/err.h"

#define LOG_TEXT_MAX 1024

struct log {
    void (*sink)(void *ctx, int level, const char *text);
    void *ctx;
    int level; /* records above it are not made */
};

void log_at(const struct log *log, int level, const char *fmt, ...) PRINTF(3, 4);
/* In place: the query of any URL becomes "?...", its user and password "***", and what follows "Bearer " or looks like
 * hf_<token> "***". The text never grows. */
void log_redact(char *text);

#define log_warn(log, ...) log_at((log), HFP_LOG_WARN, __VA_ARGS__)
#define log_info(log, ...) log_at((log), HFP_LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_at((log), HFP_LOG_DEBUG, __VA_ARGS__)
#define log_trace(log, ...)                                                                                            \
    do {                                                                                                               \
        if ((log)->level >= HFP_LOG_TRACE)                                                                             \
            log_at((log), HFP_LOG_TRACE, __VA_ARGS__);                                                                 \
    } while (0)

#endif
