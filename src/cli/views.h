/* cli/views.h: which views a run has, and the engine's log on its way to them.
 *
 * The log callback may come from any of the engine's threads; it writes whole lines into a pipe (POSIX: atomic up to
 * PIPE_BUF) and never waits: what does not fit is dropped, for a log must not slow the work. All else: main thread. */
#ifndef HFP_CLI_VIEWS_H
#define HFP_CLI_VIEWS_H

#include "cli/view.h"
#include "front/options.h"

#define VIEWS_MAX 5 /* bar, lines or json; progress file; report; notifications; sentences */

struct views {
    struct screen screen;
    struct view *view[VIEWS_MAX], *report;
    size_t n;
    bool json; /* then standard error carries nothing but objects */
    bool quiet;
    int log[2]; /* pipe; 0 and 0 when there is none */
    char pending[2 * 4096];
    size_t pending_n;
};

int views_open(struct views *v, const struct options *o, bool several, struct hfp_err *err);
void views_log_into(struct views *v, struct hfp_config *config, const struct options *o);
void views_say(struct views *v, int level, const char *text); /* of the program itself, about no job's event */
void views_event(struct views *v, const struct hfp_event *ev, uint64_t now_ns);
void views_tick(struct views *v, uint64_t now_ns);
void views_log(struct views *v); /* hands on what waits in the pipe */
void views_job_end(struct views *v, const struct job_result *r);
void views_end(struct views *v, const struct run_result *r);
void views_close(struct views *v);

#endif
