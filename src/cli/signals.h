/* cli/signals.h: signals as something to poll for.
 *
 * SIGINT, SIGTERM and SIGHUP ask to leave; those that whoever started us wants ignored (nohup, background jobs of sh)
 * stay ignored. SIGTSTP, SIGCONT and SIGWINCH concern a terminal with moving lines only. Main thread, before the engine
 * starts its own, so that these inherit the blocked mask. */
#ifndef HFP_CLI_SIGNALS_H
#define HFP_CLI_SIGNALS_H

#include <stdbool.h>

/* Descriptor that becomes readable, or -1. SIGPIPE is ignored from here on. */
int signals_open(bool terminal);
int signals_next(int fd); /* the next signal, or 0 */
/* While what may hang on a disk is done, and nothing is to be kept, these three end the process as if nobody took them. */
void signals_deadly(bool on);
const char *signal_name(int number, char out[static 16]);
/* Whatever hangs then: the process ends with this status after so many seconds. */
void leave_within(unsigned seconds, int status);

#endif
