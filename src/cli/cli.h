/* cli/cli.h: the program hf-pull behind main(). Main thread. What is given stays the caller's. */
#ifndef HFP_CLI_CLI_H
#define HFP_CLI_CLI_H

#include "cli/targets.h"
#include "front/options.h"

/* The whole program; returns the exit status. argv's secrets are overwritten. */
int cli_main(int argc, char **argv);

/* Brings the targets one after another, in the order given: output stays readable, and the first repository is usable
 * while the next one comes. Returns the exit status. */
int run_targets(struct options *o, const struct targets *targets);

/* The verb watch: until a signal. words: the folders. Returns the exit status. */
int watch_run(struct options *o);

/* Of several exit statuses the one the program ends with. Final ones go before those worth another try: no number of
 * tries makes the whole succeed. 1, 4, 2, 5, 6, then 7, 3, 8, 9, then 0; a signal is above all. */
int worse_status(int a, int b);

#endif
