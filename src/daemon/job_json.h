/* daemon/job_json.h: a job as the API shows it, and as the store keeps it. Made from fields.def. Loop's thread. */
#ifndef HFP_DAEMON_JOB_JSON_H
#define HFP_DAEMON_JOB_JSON_H

#include "daemon/job.h"
#include "front/out.h"

/* Without its files. more: left open for further members, until out_object_end(). */
void job_json(struct out *o, const char *name, const struct job *j, bool more);
/* The members waited_s and fronts alone, of a job that has a status. */
void job_waited_json(struct out *o, const struct job *j);
void job_fronts_json(struct out *o, const struct job *j);
void job_ask_json(struct out *o, const char *name, const struct job_ask *a);
/* What outlives the run. NULL st writes null. */
void status_kept_json(struct out *o, const char *name, const struct hfp_status *st);
/* From what that wrote; NULL when it is null, cannot be read, or memory ran out. */
struct hfp_status *status_kept_read(const char *json);

#endif
