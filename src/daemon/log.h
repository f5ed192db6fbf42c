/* daemon/log.h: lines on standard error, as text or as JSON. Any thread; a line is one write, and one that cannot be
 * written at once is dropped: nothing waits for a reader of logs. Secrets never get here: the engine cuts them from
 * what it says, and the daemon's own token is not given to anybody. */
#ifndef HFP_DAEMON_LOG_H
#define HFP_DAEMON_LOG_H

#include "front/text.h"

struct log {
    bool json;
    int level; /* enum hfp_log_level; what is beyond is not said */
};

/* job: its id, or NULL. */
void log_line(const struct log *l, int level, const char *job, const char *fmt, ...) PRINTF_LIKE(4, 5);
void log_engine(void *ctx, int level, const char *text); /* for struct hfp_config; ctx is a struct log */

#endif
