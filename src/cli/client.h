/* cli/client.h: the commands that talk to a running hf-pulld: jobs, add, pause, resume, cancel, top. Main thread. */
#ifndef HFP_CLI_CLIENT_H
#define HFP_CLI_CLIENT_H

#include "front/ask.h"
#include "front/options.h"

/* Runs o->command; returns the exit status. */
int client_run(const struct options *o);
/* The live table, until q or a signal. */
int client_top(struct ask *a, struct hfp_err *err);

/* One line about a job as the API gives it; wide: with its id. */
struct text;
void client_line(struct text *out, const cJSON *job, unsigned name_cols);
/* The widest name of these jobs, for client_line(). */
unsigned client_names(const cJSON *jobs);

#endif
