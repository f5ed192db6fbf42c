/* daemon/limits.h: what keeps a job from being faster, in a word and in a sentence. Pure: facts in, verdict out.
 *
 * Only what the figures show is said. The engine adds connections for as long as the whole gets faster: where it stopped by
 * itself, more gave nothing, and the line is what is left; where it came to the number allowed, each connection is held
 * down at the other end. Where most connections are held back by us, and neither a limit nor the processor is why, the
 * bytes wait for the disk. */
#ifndef HFP_DAEMON_LIMITS_H
#define HFP_DAEMON_LIMITS_H

#include "hfp/hfp.h"

#define LIMITED(X)                                                                                                     \
    X(LINE, "line")                                                                                                    \
    X(CDN, "cdn")                                                                                                      \
    X(HUB_QUOTA, "hub_quota")                                                                                          \
    X(PROXY, "proxy")                                                                                                  \
    X(DISK, "disk")                                                                                                    \
    X(CPU, "cpu")                                                                                                      \
    X(OWN_LIMIT, "own_limit")                                                                                          \
    X(NOTHING, "nothing")                                                                                              \
    X(UNKNOWN, "unknown")

enum limited {
#define X(id, text) LIMITED_##id,
    LIMITED(X)
#undef X
};

struct limits_facts {
    const struct hfp_status *status;
    uint64_t limit_bytes_per_s;     /* of all jobs together, as it holds now; 0: none */
    uint64_t job_limit_bytes_per_s; /* of this one */
    uint64_t all_rate_bytes_per_s;  /* of all running jobs */
    const char *until;              /* "20:00": when the first changes; NULL: not today */
    uint32_t connections_max;       /* as many as are allowed */
    unsigned cpu_permille;          /* of what it may use (cores.h), by this process */
    uint64_t moving_s;              /* since it began to run */
};

struct limits_verdict {
    enum limited what;
    char text[160];
};

struct limits_verdict limits_judge(const struct limits_facts *f);
const char *limited_text(enum limited what);

#endif
