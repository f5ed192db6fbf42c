/* daemon/quota.h: which revision leaves the hub cache next so that it keeps to its quota.
 *
 * The one used longest ago, but none of a repository that somebody needs: a job that has not ended, --ready, or the one
 * that was brought last (what was fetched a moment ago does not go for being large). Whole repositories are kept: a new
 * revision takes what it can from the ones that are here.
 * quota_new() looks at the loop's rooms; quota_look() blocks, reads the disk and runs anywhere. */
#ifndef HFP_DAEMON_QUOTA_H
#define HFP_DAEMON_QUOTA_H

#include "daemon/jobs.h"
#include "daemon/ready.h"

#define REVISION_HEX 41 /* a commit and its NUL */

/* Revisions that somebody else holds: not asked for again in this round. */
struct passed_over {
    char (*commit)[REVISION_HEX];
    size_t n;
};
bool passed_over_add(struct passed_over *p, const char *commit);
void passed_over_done(struct passed_over *p);

struct quota;

/* One look; it keeps copies of all it looks at. NULL: out of memory. */
struct quota *quota_new(uint64_t quota_bytes, const struct jobs *jobs, const struct ready *ready,
                        const struct passed_over *passed_over);
void quota_free(struct quota *q);
bool quota_keeps(const struct quota *q, enum hfp_repo_type type, const char *repo, const char *commit);

struct quota_next {
    bool found; /* false: nothing has to go, or nothing may */
    enum hfp_repo_type type;
    char repo[208];
    char commit[REVISION_HEX];
    uint64_t over_bytes; /* beyond the quota now */
};
int quota_look(struct quota_next *out, const struct quota *q, const char *root, struct hfp_err *err);

#endif
