/* front/notify_send.h: one attempt to bring one notification to one target.
 *
 * Blocks, for at most NOTIFY_ATTEMPT_S; front/notify.h calls it on its own threads. Redirects are not followed: an
 * address in a setting must not become another one by somebody else's word. Unless allowed, nothing is sent to loopback,
 * link-local or unspecified addresses: that is checked on the address of the very socket that is opened, behind DNS, so
 * that a name cannot lead inside. The answer's body is thrown away. */
#ifndef HFP_FRONT_NOTIFY_SEND_H
#define HFP_FRONT_NOTIFY_SEND_H

#include "front/notify_target.h"

#include <stdatomic.h>

#define NOTIFY_ATTEMPT_S 10 /* connect, send, answer; a command is killed then */

struct notify_way {
    bool trusted;     /* the target is the user's own word: any address, and through the environment's proxy */
    bool allow_local; /* loopback and link-local for all others too */
    const char *ca_file, *ca_dir;
    const atomic_bool *stop; /* give up at once; NULL: never */
};

struct notify_letter {
    char id[33];       /* the same in every attempt: receivers may drop what they have */
    const char *event; /* "stalled" */
    const char *title, *text;
    const char *json;
    unsigned priority; /* 1..5, as ntfy has it; 3 is ordinary */
};

enum notify_outcome { NOTIFY_SENT, NOTIFY_AGAIN, NOTIFY_REFUSED };

/* *err says why not, in words without secrets. */
enum notify_outcome notify_send(const struct notify_target *t, const struct notify_letter *l,
                                const struct notify_way *way, struct hfp_err *err);
/* Its half for cmd: (notify_command.c). */
enum notify_outcome notify_command(const struct notify_target *t, const struct notify_letter *l,
                                   const struct notify_way *way, struct hfp_err *err);

#endif
