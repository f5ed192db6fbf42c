/* Addresses as settings keep and show them.
 * Seen red with: a shown name taken as an address, two of one host shown alike, a list that forgets what is sent back. */
#include "daemon/addresses.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static void change(void)
{
    static const struct {
        const char *name, *was, *json, *is; /* is: NULL when refused */
    } rows[] = {
        { "new ones", "", "[\"https://a/x#k\",\"ntfy://b/t\"]", "https://a/x#k\nntfy://b/t" },
        { "what is shown stands for what is kept", "https://a/x#k\nntfy://b/t", "[\"https://a/...\",\"ntfy://b/...\"]",
          "https://a/x#k\nntfy://b/t" },
        { "the order may change", "https://a/x#k\nntfy://b/t", "[\"ntfy://b/...\",\"https://a/...\"]",
          "ntfy://b/t\nhttps://a/x#k" },
        { "the second of two that look alike", "https://a/x\nhttps://a/y", "[\"https://a/... (2)\"]", "https://a/y" },
        { "the first of them, and a new one", "https://a/x\nhttps://a/y", "[\"https://a/...\",\"https://c/\"]",
          "https://a/x\nhttps://c/" },
        { "one twice is one", "https://a/x", "[\"https://a/...\",\"https://a/x\"]", "https://a/x" },
        { "none", "https://a/x", "[]", "" },
        { "a shown name of nobody", "https://a/x", "[\"https://b/...\"]", NULL },
        { "a third where there are two", "https://a/x\nhttps://a/y", "[\"https://a/... (3)\"]", NULL },
        { "a command", "", "[\"cmd:true\"]", NULL },
        { "a line break in it", "", "[\"https://a/\\nhttps://b/\"]", NULL },
        { "no text", "", "[null]", NULL },
        { "no list", "", "\"https://a/\"", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char lines[ADDRESSES_ROOM] = "untouched";
        struct hfp_err err = { 0 };
        cJSON *item = cJSON_Parse(rows[i].json);
        int rc = addresses_read(lines, sizeof lines, item, "notify", rows[i].was, &err);
        CHECK(rc == (rows[i].is ? HFP_OK : HFP_E_ARG), "%s", rows[i].name);
        CHECK_STR(lines, rows[i].is ? rows[i].is : "untouched", "and the list is right");
        cJSON_Delete(item);
    }
}

static void shown(void)
{
    struct out o = { 0 };
    addresses_json(&o, NULL, "https://a/secret#key\nhttps://a/other\nmatrix://:token@m/!r:s");
    char *text = out_take(&o, NULL);
    CHECK_STR(text, "[\"https://a/...\",\"https://a/... (2)\",\"matrix://m/...\"]", "what is shown opens nothing");
    free(text);
}

static void events(void)
{
    char words[80];
    struct hfp_err err = { 0 };
    cJSON *item = cJSON_Parse("[\"done\",\"stalled\",\"done\"]");
    CHECK(events_read(words, sizeof words, item, "notify_on", "", &err) == HFP_OK, "events");
    CHECK_STR(words, "stalled,done", "in the table's order, once");
    CHECK(events_bits("") == 0 && events_fine("") && !events_fine("often"), "none is none");
    cJSON_Delete(item);
}

int main(void)
{
    change();
    shown();
    events();
    return tap_end();
}
