/* front/notify_letter.h: one notification in words and as JSON, made once and sent to all. For front/notify.c. */
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
