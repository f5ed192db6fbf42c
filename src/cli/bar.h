/* cli/bar.h: what the moving lines say, apart from the terminal they stand on. Pure. */
#ifndef HFP_CLI_BAR_H
#define HFP_CLI_BAR_H

#include "cli/screen.h"

/* Lines of at most s->cols - 1 columns; what does not fit is dropped from the end. age_ns: how old the status is.
 * Returns how many lines. */
unsigned bar_compose(struct text out[static LIVE_MAX], const struct hfp_status *st, const struct screen *s,
                     uint64_t age_ns);
void bar_headline(struct text *line, const char *repo, const char *revision, const struct hfp_status *st,
                  unsigned cols);

#endif
