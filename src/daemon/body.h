/* daemon/body.h: what a request says in JSON, checked before anybody believes it. Pure.
 *
 * Unknown members, members given twice, wrong types and values out of range are refused with the member's name. Texts
 * are owned by the result. The messages go to the client as they are. */
#ifndef HFP_DAEMON_BODY_H
#define HFP_DAEMON_BODY_H

#include "daemon/job.h"

#include <cjson/cJSON.h>

#define TEXTS_LIMIT 1000 /* patterns or paths of one job */
#define TEXT_LIMIT 1024  /* bytes of one text */

/* The object of a body; the caller frees it by cJSON_Delete(). Deeper than two levels is none of ours. */
int body_parse(cJSON **out, const char *text, size_t n, struct hfp_err *err);
/* What POST /jobs takes. endpoint: the Hub whose links are understood beside those of huggingface.co; NULL: none. */
int body_ask(struct job_ask *out, const cJSON *o, const char *endpoint, struct hfp_err *err);
/* What PATCH /jobs/{id} takes; *out is changed where a member is given. */
struct body_change {
    bool has_priority, has_limit;
    int64_t priority;
    uint64_t limit_bytes_per_s;
};
int body_change(struct body_change *out, const cJSON *o, struct hfp_err *err);
/* {"before": "j_..."} or {"before": null}; out "" for null. */
int body_move(char out[static JOB_ID_SIZE], const cJSON *o, struct hfp_err *err);

/* For rooms that read members of their own. The name is for the message. */
int body_text(char **out, const cJSON *item, const char *name, struct hfp_err *err);
int body_texts(char ***out, const cJSON *item, const char *name, struct hfp_err *err);
int body_integer(int64_t *out, const cJSON *item, const char *name, int64_t min, int64_t max, struct hfp_err *err);

#endif
