/* front/status_json.h: struct hfp_status as JSON, the same for --progress json and --report.
 *
 * docs/formats/events.md. Any thread; what is given back is the caller's (cJSON_Delete). The texts are constants. */
#ifndef HFP_FRONT_STATUS_JSON_H
#define HFP_FRONT_STATUS_JSON_H

#include "hfp/hfp.h"

#include <cjson/cJSON.h>

cJSON *status_json(const struct hfp_status *st); /* NULL when out of memory */
cJSON *error_json(const struct hfp_err *err);
void member_u64(cJSON *o, const char *name, uint64_t n); /* exact: a double ends at 2^53 */
void member_i64(cJSON *o, const char *name, int64_t n);
void member_text(cJSON *o, const char *name, const char *text); /* NULL: null; broken UTF-8 is mended */
const char *file_state_text(enum hfp_file_state state);
const char *repo_type_text(enum hfp_repo_type type);
const char *verb_text(enum hfp_verb verb);

#endif
