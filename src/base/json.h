/* base/json.h: cJSON behind one door, for bodies that are whole in memory and come from outside.
 *
 * Any thread, one document per thread at a time. Refused before cJSON sees them: text that is not UTF-8, NUL (raw or as
 * an escape: C strings would end there), nesting beyond JSON_DEPTH_MAX, more than JSON_VALUES_MAX values (cJSON takes
 * 80 bytes for each, even for a "0"), brackets or strings left open (cJSON 1.7.15 reads past the end of some).
 * A getter that returns false left *out alone: the member is absent, null, or of another type or range.
 * Strings belong to the document. */
#ifndef HFP_BASE_JSON_H
#define HFP_BASE_JSON_H

#include "base/auto.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 64u      /* the Hub's deepest answer that we read has 4 levels */
#define JSON_VALUES_MAX 131072u /* a page of 1,000 tree entries has about 12,000; 131072 cost 10 MiB */
#define JSON_INTEGER_MAX ((UINT64_C(1) << 53) - 1) /* beyond, a double no longer tells neighbours apart */

struct cJSON;

/* HFP_E_PROTO for anything that is not exactly one JSON text. On success the caller owns *out (AUTO(json_freep)). */
int json_parse(struct cJSON **out, const char *text, size_t n, struct hfp_err *err);
/* Was it refused for its values alone? Then half of it, asked for by itself, may be fine. */
bool json_too_many(const char *text, size_t n);
void json_freep(struct cJSON **doc);

bool json_is_object(const struct cJSON *v);
bool json_is_array(const struct cJSON *v);
const struct cJSON *json_first(const struct cJSON *v); /* of an array or object; NULL when empty */
const struct cJSON *json_next(const struct cJSON *v);
const char *json_name(const struct cJSON *v); /* of a member of an object; "" otherwise */

bool json_has(const struct cJSON *object, const char *key);                   /* there, and not null */
const struct cJSON *json_object(const struct cJSON *object, const char *key); /* NULL when it is not one */
const struct cJSON *json_list(const struct cJSON *object, const char *key);   /* the same for an array */
bool json_text(const char **out, const struct cJSON *object, const char *key);
bool json_u64(uint64_t *out, const struct cJSON *object, const char *key); /* 0 to JSON_INTEGER_MAX, no fraction */
bool json_bool(bool *out, const struct cJSON *object, const char *key);

#endif
