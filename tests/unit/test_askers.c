/* Who waits for a look of the daemon is told once: by its answer, or that it takes too long.
 * Seen red with: the deadline not looked at, all told when one is late, told and left on the list. */
#include "daemon/askers.h"
#include "tap.h"

#include <string.h>

#define S 1000000000ULL

struct told {
    unsigned times;
    char json[16];
    enum hfp_code code;
};

static void note(void *ctx, const char *json, size_t n, const struct hfp_err *err)
{
    struct told *t = ctx;
    t->times++;
    t->code = err ? err->code : HFP_OK;
    snprintf(t->json, sizeof t->json, "%.*s", (int)n, json ? json : "");
}

int main(void)
{
    struct told t[3] = { 0 };
    struct asker *list = NULL, *look;
    CHECK(askers_late(&list, 0) == UINT64_MAX, "nobody waits");
    askers_tell(&list, "{}", 2, NULL);
    for (uint64_t i = 0; i < 3; i++)
        CHECK(askers_add(&list, note, &t[i], i * 10 * S), "one asks");
    CHECK_U64(askers_late(&list, 59 * S), ASKER_WAIT_S * S, "the first one's time comes first");
    CHECK(t[0].times + t[1].times + t[2].times == 0, "and has not come");
    CHECK_U64(askers_late(&list, 60 * S), 70 * S, "then the next one's");
    CHECK(t[0].times == 1 && t[0].code == HFP_E_IO && t[1].times + t[2].times == 0,
          "who asked first is told of no answer");
    look = list;
    list = NULL;
    askers_tell(&look, "{\"a\":1}", 7, NULL);
    CHECK(!look && t[1].times == 1 && t[2].times == 1 && strcmp(t[1].json, "{\"a\":1}") == 0 && t[2].code == HFP_OK,
          "the others get it");
    CHECK(t[0].times == 1 && askers_late(&look, 1000 * S) == UINT64_MAX && t[1].times == 1, "and all of them once");
    return tap_end();
}
