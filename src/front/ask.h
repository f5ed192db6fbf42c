/* front/ask.h: asks a running hf-pulld over its API.
 *
 * HF_PULLD_URL says where (http://127.0.0.1:8585 when it is not set; unix:PATH for a socket), HF_PULLD_TOKEN with what
 * token. No proxy stands between. Blocks, for 30 s at most. One thread. */
#ifndef HFP_FRONT_ASK_H
#define HFP_FRONT_ASK_H

#include "hfp/hfp.h"

#include <cjson/cJSON.h>

struct ask;

int ask_open(struct ask **out, struct hfp_err *err);
void ask_close(struct ask *a); /* NULL is fine */
/* path is below /api/v1; body is JSON or NULL. *out (NULL: nobody wants it) is the caller's, cJSON_Delete(); it stays NULL
 * when there is no content. A refusal is an error with the daemon's own words and, where it named one, its code. */
int ask_api(cJSON **out, struct ask *a, const char *method, const char *path, const char *body, struct hfp_err *err);
/* One segment of a path or value of a query, escaped; caller frees; NULL when out of memory. */
char *ask_escape(const char *text);

#endif
