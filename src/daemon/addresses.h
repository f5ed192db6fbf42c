/* daemon/addresses.h: notification addresses as settings and jobs hold them, and as they may be shown. Pure.
 *
 * Settings keep a line each. What is shown opens nothing: "https://hooks.example/...", and " (2)" behind it where two
 * would look the same. A list that comes back may hold shown names: each stands for the address that is kept under it,
 * so that a list can be changed by who does not know its secrets. */
#ifndef HFP_DAEMON_ADDRESSES_H
#define HFP_DAEMON_ADDRESSES_H

#include "front/notify.h"
#include "front/out.h"

#include <cjson/cJSON.h>

#define ADDRESSES_ROOM (NOTIFY_TARGETS_MAX * NOTIFY_URL_MAX)
#define ADDRESS_SHOWN_SIZE 176

struct addresses {
    const char *list[NOTIFY_TARGETS_MAX + 1]; /* NULL-terminated, into text */
    char text[ADDRESSES_ROOM];
};
void addresses_split(struct addresses *out, const char *lines);
void address_shown(char out[static ADDRESS_SHOWN_SIZE], const char *const *list, size_t i);
void addresses_list_json(struct out *o, const char *name, const char *const *list);
void addresses_json(struct out *o, const char *name, const char *lines);
/* A list of JSON to lines; was: the lines so far. */
int addresses_read(char *lines, size_t room, const cJSON *item, const char *name, const char *was, struct hfp_err *err);
bool addresses_fine(const char *lines); /* for what was kept */
/* One that came over the network and is no shown name. */
int address_check(const char *text, const char *name, struct hfp_err *err);

/* Words of enum notify_event, with commas between; "": none. */
int events_read(char *words, size_t room, const cJSON *item, const char *name, const char *was, struct hfp_err *err);
void events_json(struct out *o, const char *name, const char *words);
bool events_fine(const char *words);
unsigned events_bits(const char *words);
bool event_known(const char *word);

#endif
