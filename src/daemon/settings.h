/* daemon/settings.h: what can be changed while the daemon runs, and survives its end.
 *
 * The table is settings.def. Plain data with room for its texts: it is copied by assignment, and nothing of it is
 * freed. The store keeps what settings_differ() names. Loop's thread. */
#ifndef HFP_DAEMON_SETTINGS_H
#define HFP_DAEMON_SETTINGS_H

#include "daemon/addresses.h"
#include "daemon/settings.def"
#include "front/out.h"

#include <cjson/cJSON.h>

struct settings {
#define X(name, least, most, fallback, text) uint64_t name;
    SETTINGS(X)
#undef X
#define X(name, room, check, wrong, text) char name[room];
    SETTINGS_TEXT(X)
#undef X
#define X(name, room, fallback, kind, most, schema, text) char name[room];
    SETTINGS_LIST(X)
#undef X
};

void settings_defaults(struct settings *s);
/* A value the store has kept; what cannot be read, or is out of range by now, stays as it is. */
void settings_restore(struct settings *s, const char *name, const char *value);
/* The members of a PATCH: all of them or none. */
int settings_change(struct settings *s, const cJSON *o, struct hfp_err *err);
void settings_json(struct out *o, const struct settings *s); /* members, into an open object */
/* The limit of all jobs together at this time, and when it will be another one (INT64_MAX: never). */
uint64_t settings_limit(int64_t *until_unix_s, const struct settings *s, int64_t unix_s);
/* Calls keep() for each setting that differs. */
void settings_differ(const struct settings *a, const struct settings *b,
                     void (*keep)(void *ctx, const char *name, const char *value), void *ctx);

#endif
