/* daemon/damage.h: the revisions in which a job has found damage that no later one has put right.
 *
 * Receipts alone say only that a file is not proved any more. Read from the list of jobs; a copy, so that it may go to
 * another thread; whoever holds it last gives it to damage_done(). */
#ifndef HFP_DAEMON_DAMAGE_H
#define HFP_DAEMON_DAMAGE_H

#include "daemon/jobs.h"

struct damage {
    struct damaged {
        enum hfp_repo_type type;
        char *repo;
        char commit[41];
    } * row;
    size_t n;
};

bool damage_collect(struct damage *out, const struct jobs *jobs); /* false: out of memory */
void damage_done(struct damage *d);
bool damage_has(const struct damage *d, enum hfp_repo_type type, const char *repo, const char *commit);

#endif
