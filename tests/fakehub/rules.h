/* rules.h: faults on order. README.md has the language.
 *
 * The list can be replaced while requests run: each request holds the list it was judged by until it ends. All that
 * apply are laid over each other, a later rule winning where two name the same action. Any thread. */
#ifndef FAKEHUB_RULES_H
#define FAKEHUB_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

enum { RULES_MAX = 256, FAULT_LAYERS_MAX = 32 };

struct rules;
struct ruleset;

/* What a rule can see of a request. */
struct sight {
    const char *on;                                     /* hub, cdn, cas */
    const char *kind;                                   /* a kind_name */
    const char *method, *repo, *file, *url_path, *addr; /* NULL where unknown */
    unsigned conn_nth;
    bool ranged;
    uint64_t first; /* 0 without a range */
};

struct fault {
    struct rules *from;
    struct ruleset *held;
    const cJSON *layers[FAULT_LAYERS_MAX];
    int index[FAULT_LAYERS_MAX]; /* which rules, for the log */
    size_t count;
};

uint64_t whole_number(const cJSON *n); /* 0 for anything but a number from 0 to 2^53 */

struct rules *rules_new(void);
void rules_free(struct rules *r);
/* Text of a JSON array. False with *wrong (the caller frees) and the old list stays. */
bool rules_replace(struct rules *r, const char *json, char **wrong);

void rules_judge(struct rules *r, const struct sight *s, struct fault *out);
void fault_free(struct fault *f);
const cJSON *fault_item(const struct fault *f, const char *action); /* NULL when not ordered */
double fault_num(const struct fault *f, const char *action, double none);
uint64_t fault_count(const struct fault *f, const char *action); /* 0 when not ordered or below 0 */
const char *fault_text(const struct fault *f, const char *action);
bool fault_on(const struct fault *f, const char *action); /* true, a number but 0, a text, an object */

#endif
