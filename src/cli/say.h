/* cli/say.h: the sentences at the end of a job: success, failure, plan, table. voice.md of the project in code.
 *
 * Each prints to a screen from a job_result alone. Main thread. */
#ifndef HFP_CLI_SAY_H
#define HFP_CLI_SAY_H

#include "cli/view.h"

void say_success(struct screen *s, const struct job_result *r);
void say_plan(struct screen *s, const struct job_result *r);
/* What happened, what is kept, what to do. */
void say_failure(struct screen *s, const struct job_result *r, const struct talk_options *o);
/* One aligned line for each of several. */
void say_table(struct screen *s, const struct run_result *run);
/* The one sentence after SIGINT or SIGTERM. job NULL: none was running. */
void say_signal(struct screen *s, const char *name, const struct job_result *job);

/* "12.31 GB of 61.08 GB is kept", or nothing when nothing is or the message says it already. False: nothing. */
bool kept_piece(struct text *t, const struct job_result *r);

#endif
