/* What may be logged. Four kinds of secrets are planted in the input's text, one after the other: whatever stands around
 * them, none is left; the text never grows, and redacting twice is as once. */
#include "fuzz.h"

#include "base/log.h"

#define MARK "S3cretS3cretS3cret9" /* letters and digits, long enough to count as a token */
#define PART "S3cretS3"            /* not even this much of it */
#define ROOM 8192

static void redacted_must_hold(const char *text, bool secret)
{
    char once[ROOM], twice[ROOM];
    snprintf(once, sizeof once, "%s", text);
    log_redact(once);
    MUST(strlen(once) <= strlen(text), "the text never grows");
    if (secret && strstr(once, PART)) {
        fprintf(stderr, "from: %s\nto:   %s\n", text, once);
        MUST(false, "no secret is left");
    }
    snprintf(twice, sizeof twice, "%s", once);
    log_redact(twice);
    if (strcmp(once, twice) != 0) {
        fprintf(stderr, "once:  %s\ntwice: %s\n", once, twice);
        MUST(false, "twice is as once");
    }
}

static void sink(void *ctx, int level, const char *text)
{
    (void)ctx, (void)level;
    MUST(strlen(text) < LOG_TEXT_MAX, "a record has its limit");
    MUST(!strstr(text, PART), "no record carries a secret, wherever it was cut");
}

/* Without what ends a word: so that it can stand inside a URL. */
static void make_word(char *text)
{
    for (char *c = text; *c; c++)
        if (strchr(" \t\n\v\f\r\"'", *c))
            *c = '.';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const plants[] = {
        "%s https://h/%s?sig=" MARK "&%s", /* the query of a URL */
        "%s https://h/?%s&sig=" MARK "%s",
        "%s http://user:" MARK "@h/%s %s", /* a password */
        "%s /p?sig=" MARK "&%s %s",        /* a query without its host */
        "%s Bearer " MARK " %s %s",        /* a header */
        "%s hf_" MARK "/%s %s",            /* a token, wherever it is */
    };
    const struct log log = { .sink = sink, .level = HFP_LOG_INFO };
    struct input in = { data, MIN(size, 2000) };
    AUTO_FREE char *before = input_line(&in);
    AUTO_FREE char *word = input_line(&in);
    AUTO_FREE char *after = input_line(&in);
    char text[ROOM];
    if (memmem(data, size, PART, strlen(PART)))
        return 0;
    redacted_must_hold(before, false);
    make_word(word);
    for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, plants[i], before, word, after);
#pragma GCC diagnostic pop
        redacted_must_hold(text, true);
        log_at(&log, HFP_LOG_INFO, "%s", text);
    }
    return 0;
}
