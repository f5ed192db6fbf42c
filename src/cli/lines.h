/* cli/lines.h: the log line, apart from when it is written. Pure. */
#ifndef HFP_CLI_LINES_H
#define HFP_CLI_LINES_H

#include "front/text.h"

void log_line(struct text *t, const char *repo, const struct hfp_status *st, uint64_t age_ns);

#endif
