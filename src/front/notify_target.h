/* front/notify_target.h: where a notification goes, as people write it.
 *
 *   https://HOST/PATH[#SECRET]              webhook: JSON by POST, signed with SECRET, which never leaves the machine
 *   ntfy://[USER:PASSWORD@|:TOKEN@]HOST/TOPIC   ntfy.sh and its kin
 *   matrix://:TOKEN@HOST/ROOM               a message into a Matrix room (!id:server or #alias:server is not looked up)
 *   cmd:COMMAND                             the shell runs COMMAND, the JSON on its standard input
 *
 * http://, ntfy+http:// and matrix+http:// are the same in clear. Pure; any thread. A target owns its texts. */
#ifndef HFP_FRONT_NOTIFY_TARGET_H
#define HFP_FRONT_NOTIFY_TARGET_H

#include "hfp/hfp.h"

enum notify_kind { NOTIFY_WEBHOOK, NOTIFY_NTFY, NOTIFY_MATRIX, NOTIFY_COMMAND };

#define NOTIFY_URL_MAX 2000 /* of one target; longer ones are refused by servers too */

struct notify_target {
    enum notify_kind kind;
    char url[NOTIFY_URL_MAX];    /* what is requested, without user, password and fragment; or the command */
    char secret[NOTIFY_URL_MAX]; /* key of the signature, token, or user:password; "" none */
    char room[NOTIFY_URL_MAX];   /* Matrix: escaped for a path */
    char shown[160];             /* for logs and errors: no path, no secret */
};

/* HFP_E_ARG says what is wrong, without the text itself, which may hold a secret. trusted: cmd: is allowed. */
int notify_target_parse(struct notify_target *out, const char *text, bool trusted, struct hfp_err *err);
/* "https://hooks.example/...": enough to know which one, nothing that opens it. */
void notify_target_shown(char out[static 160], const char *text);

#endif
