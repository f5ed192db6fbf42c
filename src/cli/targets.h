/* cli/targets.h: the list of jobs of one command line.
 *
 * Words of the command line first, then --models-from; what is one repository and revision is one target. Main thread.
 * Texts belong to the struct; targets_done() frees them. */
#ifndef HFP_CLI_TARGETS_H
#define HFP_CLI_TARGETS_H

#include "front/spec.h"

/* What one job is to do: a spec, or several of one repository and revision with a path each. */
struct target {
    struct spec spec;
    const char **paths; /* NULL-terminated; NULL: the whole repository */
    size_t paths_n;
};

struct targets {
    struct target *t;
    size_t n;
};

struct options;
/* From the words of the command line and --models-from. Checks what does not go together. */
int targets_read(struct targets *out, const struct options *o, struct hfp_err *err);
void targets_done(struct targets *t);

#endif
