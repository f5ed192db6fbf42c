#include "verify/opinion.h"

#include "base/auto.h"

#include <string.h>

enum asked { NOT_ASKED, ASKED, ANSWERED };

struct opinion {
    uint64_t blocks, cursor;
    uint64_t open; /* asked, not answered */
    uint64_t left; /* of the present class, not yet answered */
    uint64_t changed, changes, rehash_at, changes_hashed;
    int doubt_now; /* class, until it is third opinions of what differed */
    bool third;
    uint8_t *doubt, *state, *versions;
};

static bool in_class(const struct opinion *o, uint64_t i)
{
    return o->third ? o->versions[i] > 0 && o->versions[i] < OPINION_TRIES : o->doubt[i] == o->doubt_now;
}

static void class_count(struct opinion *o)
{
    o->cursor = 0;
    o->left = 0;
    for (uint64_t i = 0; i < o->blocks; i++)
        if (in_class(o, i)) {
            o->state[i] = NOT_ASKED;
            o->left++;
        }
}

/* The next class that has any blocks; false: none is left. */
static bool class_next(struct opinion *o)
{
    while (!o->third) {
        if (o->doubt_now > 0)
            o->doubt_now--;
        else
            o->third = true;
        class_count(o);
        if (o->left > 0)
            return true;
    }
    return false;
}

int opinion_new(struct opinion **out, const uint8_t *doubt, uint64_t blocks, struct hfp_err *err)
{
    struct opinion *o = calloc(1, sizeof *o);
    uint8_t *bytes = calloc(3, (size_t)blocks);
    if (!o || !bytes) {
        free(o);
        free(bytes);
        return err_nomem(err);
    }
    *o = (struct opinion){ .blocks = blocks,
                           .rehash_at = 1,
                           .doubt_now = DOUBTS,
                           .doubt = bytes,
                           .state = bytes + blocks,
                           .versions = bytes + 2 * blocks };
    memcpy(o->doubt, doubt, (size_t)blocks);
    class_next(o);
    *out = o;
    return HFP_OK;
}

void opinion_free(struct opinion *o)
{
    if (!o)
        return;
    free(o->doubt);
    free(o);
}

int opinion_class(const struct opinion *o)
{
    return o->third ? -1 : o->doubt_now;
}

bool opinion_next(struct opinion *o, uint64_t *block)
{
    for (; o->cursor < o->blocks; o->cursor++)
        if (in_class(o, o->cursor) && o->state[o->cursor] == NOT_ASKED) {
            o->state[o->cursor] = ASKED;
            o->open++;
            *block = o->cursor++;
            return true;
        }
    return false;
}

enum opinion_step opinion_answer(struct opinion *o, uint64_t block, bool differs)
{
    if (o->state[block] == ASKED)
        o->open--;
    o->state[block] = ANSWERED;
    if (o->left > 0)
        o->left--;
    if (differs) {
        o->changed += o->versions[block] == 0;
        o->changes++;
        o->versions[block] = (uint8_t)MIN(o->versions[block] + 1, OPINION_TRIES);
    }
    bool news = o->changes > o->changes_hashed;
    if (news && (o->changes - o->changes_hashed >= o->rehash_at || o->left == 0))
        return OPINION_REHASH;
    if (o->left > 0)
        return OPINION_MORE;
    return class_next(o) ? OPINION_MORE : OPINION_HOPELESS;
}

enum opinion_step opinion_still_wrong(struct opinion *o)
{
    o->changes_hashed = o->changes;
    o->rehash_at *= 2;
    if (o->left > 0)
        return OPINION_MORE;
    return class_next(o) ? OPINION_MORE : OPINION_HOPELESS;
}

void opinion_take_back(struct opinion *o)
{
    for (uint64_t i = 0; i < o->blocks; i++)
        if (o->state[i] == ASKED)
            o->state[i] = NOT_ASKED;
    o->open = 0;
    o->cursor = 0;
}

uint64_t opinion_changed(const struct opinion *o)
{
    return o->changed;
}

bool opinion_first_changed(const struct opinion *o, uint64_t *block)
{
    uint8_t most = 0;
    for (uint64_t i = 0; i < o->blocks; i++)
        if (o->versions[i] > most) {
            most = o->versions[i];
            *block = i;
        }
    return most > 0;
}
