/* daemon/job_routes.h: what the handlers below /jobs share: job_routes.c (changing), job_create.c, job_show.c.
 * Loop's thread. A request that was answered is http's to free. */
#ifndef HFP_DAEMON_JOB_ROUTES_H
#define HFP_DAEMON_JOB_ROUTES_H

#include "daemon/routes.h"

/* The job the path names; NULL: answered with 404. */
struct job *route_job(struct route_call *c);
/* An integer of the query, or fallback; false: answered with 400. */
bool route_number(struct route_call *c, const char *name, uint64_t fallback, uint64_t least, uint64_t most,
                  uint64_t *out);
/* Answers with the job (NULL: with nothing) once all that was changed is safe on disk. */
void route_answer_kept(struct route_call *c, struct job *j, unsigned status);
/* Adds what was asked (taken over on success) and answers, or answers with the job that does that already. */
void route_create(struct daemon *d, struct http_request *r, struct job_ask *ask);

#endif
