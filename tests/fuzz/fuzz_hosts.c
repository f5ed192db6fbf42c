/* The file of what was learned about hosts: pinned addresses on the first line, separated by blanks, then the file. A
 * line that is not of the form costs that line, another version is left alone, and what is saved is loaded as the same. */
#include "memory_io.h"

#include "fuzz.h"
#include "net/hosts.h"

#include <regex.h>

#define PINS_MAX 8
#define FILE_NAME "hosts"

static void saved_again(const struct hosts *h)
{
    struct hosts *again = NULL;
    size_t n = 0, m = 0;
    MUST(hosts_save(h, MEMORY_DIR, NULL) == HFP_OK, "what was learned is saved");
    const uint8_t *file = memory_get(FILE_NAME, &n);
    AUTO_FREE char *first = text_of(file, n);
    MUST(strlen(first) == n, "the file is text");
    MUST(hosts_new(&again, NULL, HFP_ANY_FAMILY, NULL) == HFP_OK && hosts_load(again, MEMORY_DIR, NULL) == HFP_OK,
         "what was saved is loaded");
    MUST(hosts_save(again, MEMORY_DIR, NULL) == HFP_OK, "and saved");
    file = memory_get(FILE_NAME, &m);
    AUTO_FREE char *second = text_of(file, m);
    MUST(n == m && memcmp(first, second, n) == 0, "as the same bytes");
    for (char *rest = first, *line; (line = strsep(&rest, "\n")) != NULL;) {
        line[strcspn(line, " ")] = 0;
        struct host_learned a = hosts_learned(h, line), b = hosts_learned(again, line);
        MUST(a.connections == b.connections && a.rate_bytes_per_s == b.rate_bytes_per_s, "with the same meaning");
        MUST(a.connections <= 9999 && a.rate_bytes_per_s <= 999999999999999999, "within the limits of the format");
    }
    hosts_free(again);
}

/* A last line that is of the form, by a regular expression, stands in what is saved as it was. */
static void last_line_must_count(const uint8_t *file, size_t n)
{
    static regex_t form;
    static bool ready;
    size_t saved_n = 0;
    AUTO_FREE char *text = text_of(file, n);
    if (!ready) /* as docs/formats/hosts.md has it */
        MUST(regcomp(&form, "^[^ \n]*:[^ \n]* (any|ipv4|ipv6) [1-9][0-9]{0,3} (0|[1-9][0-9]{0,17})$",
                     REG_EXTENDED | REG_NOSUB) == 0,
             "the form of a line");
    ready = true;
    char *end = strrchr(text, '\n');
    char *line = NULL;
    if (end && end[1] == 0) {
        *end = 0;
        line = strrchr(text, '\n');
    }
    for (const char *c = text; *c; c++)
        if (*c >= 'A' && *c <= 'Z') /* the first spelling of a name is kept */
            return;
    if (!line || strcspn(line + 1, " ") >= HOST_KEY_MAX || regexec(&form, line + 1, 0, NULL, 0) != 0)
        return;
    const uint8_t *saved = memory_get(FILE_NAME, &saved_n);
    MUST(saved && memmem(saved, saved_n, line + 1, strlen(line + 1)), "the last line counts");
}

static void picks_must_hold(struct hosts *h, const char *pin)
{
    char key[HOST_KEY_MAX];
    pin += *pin == '+';
    snprintf(key, sizeof key, "%.*s", (int)strcspn(pin, " "), pin);
    const char *avoid[] = { "192.0.2.1" };
    const char *picked = hosts_pick(h, key, avoid, 1, 1);
    MUST(!picked || (picked[0] && strspn(picked, "0123456789abcdef.:") == strlen(picked)),
         "only numbers are addresses");
    MUST(!picked || strcmp(picked, avoid[0]) != 0, "what is to be avoided is not picked");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct hosts *h = NULL;
    struct hfp_err err = { 0 };
    AUTO_FREE char *pins = input_line(&in);
    const char *resolve[PINS_MAX + 1] = { NULL };
    char *rest = NULL;
    AUTO_FREE char *words = text_of(pins, strlen(pins));
    size_t n = 0;
    for (char *word = strtok_r(words, " ", &rest); word && n < PINS_MAX; word = strtok_r(NULL, " ", &rest))
        resolve[n++] = word;
    memory_io_begin();
    memory_put(FILE_NAME, in.at, in.n);
    MUST(hosts_new(&h, resolve, HFP_ANY_FAMILY, &err) == HFP_OK, "pins make no error");
    picks_must_hold(h, pins);
    int rc = hosts_load(h, MEMORY_DIR, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_VERSION || rc == HFP_E_CORRUPT, "a file is good, of another version, or none of ours");
    }
    if (rc == HFP_E_VERSION) {
        size_t m = 0;
        MUST(hosts_save(h, MEMORY_DIR, &err) == HFP_OK, "another version is no error at the end");
        const uint8_t *file = memory_get(FILE_NAME, &m);
        MUST(file && m == in.n && memcmp(file, in.at, m) == 0, "and is left alone");
    } else {
        saved_again(h);
        if (rc == HFP_OK)
            last_line_must_count(in.at, in.n);
    }
    hosts_free(h);
    memory_io_end();
    return 0;
}
