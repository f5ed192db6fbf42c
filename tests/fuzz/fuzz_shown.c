/* Outside words on their way to a person: file names, a server's sentences. Whatever they were, what is shown is UTF-8,
 * keeps to its room, and has nothing that steers a terminal or turns the reading direction. */
#include "fuzz.h"

#include "base/utf8.h"

#define ROOM_MAX 80

static void shown_must_hold(const char *shown)
{
    uint32_t c;
    MUST(utf8_valid(shown, strlen(shown)), "what is shown is UTF-8");
    for (size_t n; (n = utf8_next(&c, shown)) > 0; shown += n) {
        MUST(c >= 0x20 && !(c >= 0x7F && c <= 0x9F), "no control characters");
        MUST(!(c >= 0x202A && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069) && c != 0x200E && c != 0x200F &&
                 c != 0x061C,
             "nothing turns the reading direction");
        MUST(c != 0x2028 && c != 0x2029, "no line ends inside");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = text_of(size ? (const void *)data : "", size);
    for (size_t room = 8; room <= ROOM_MAX; room += 9) {
        char *shown = malloc(room);
        MUST(shown != NULL, "memory for what is shown");
        utf8_show(shown, room, text);
        MUST(memchr(shown, 0, room) != NULL, "it keeps to its room");
        shown_must_hold(shown);
        char twice[ROOM_MAX];
        utf8_show(twice, room, shown);
        MUST(strcmp(twice, shown) == 0, "shown again it is the same");
        free(shown);
    }
    return 0;
}
