/* front/notify_letter.h: one notification to one address, in words and as JSON: made when it is said, and the same each
 * time it is tried.
 *
 * For front/notify.c. It has copies of all it says; the queue of the address owns it. Any thread, one at a time. */
#ifndef HFP_FRONT_NOTIFY_LETTER_H
#define HFP_FRONT_NOTIFY_LETTER_H

#include "front/notify.h"

struct letter {
    struct notify_letter said; /* points into the texts below */
    char title[200];
    char *text, *json;
};

struct letter *letter_new(const struct notify_message *m); /* NULL when out of memory */
void letter_free(struct letter *l);

#endif
