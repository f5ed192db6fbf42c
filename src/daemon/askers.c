#include "daemon/askers.h"

#include "front/text.h"

#include <stdlib.h>

struct asker {
    struct asker *next; /* who asked before */
    asker_fn *fn;
    void *ctx;
    uint64_t until_ns;
};

bool askers_add(struct asker **list, asker_fn *fn, void *ctx, uint64_t now_ns)
{
    struct hfp_err err = { 0 };
    struct asker *a = malloc(sizeof *a);
    if (!a) {
        fault_nomem(&err);
        fn(ctx, NULL, 0, &err);
        return false;
    }
    *a = (struct asker){ *list, fn, ctx, now_ns + ASKER_WAIT_S * 1000000000ULL };
    *list = a;
    return true;
}

void askers_tell(struct asker **list, const char *json, size_t n, const struct hfp_err *err)
{
    struct asker *rest = *list;
    *list = NULL;
    while (rest) {
        struct asker *a = rest;
        rest = a->next;
        a->fn(a->ctx, json, n, err);
        free(a);
    }
}

uint64_t askers_late(struct asker **list, uint64_t now_ns)
{
    struct hfp_err err = { 0 };
    uint64_t next_ns = UINT64_MAX;
    while (*list && (*list)->until_ns > now_ns) {
        next_ns = (*list)->until_ns;
        list = &(*list)->next;
    }
    fault(&err, HFP_E_IO, "nothing was found out in %d s. Does a disk hang?", ASKER_WAIT_S);
    askers_tell(list, NULL, 0, &err);
    return next_ns;
}
