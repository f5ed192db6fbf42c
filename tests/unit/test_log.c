/* test_log.c: no token and no signature leaves the library (P6).
 *
 * Seen red on purpose: records were not redacted; a query without host stayed; a proxy's password stayed; "bearer" in
 * small letters stayed; a record was redacted after it was cut through a token. */
#include "base/auto.h"
#include "base/log.h"
#include "tap.h"

static void test_redact(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "nothing to hide", "nothing to hide" },
        { "get https://h/a?Signature=x&b=y now", "get https://h/a?... now" },
        { "two: https://h/a?b=cd https://i/e?f=gh.", "two: https://h/a?... https://i/e?..." },
        { "\"https://h/a?b=cd\" quoted", "\"https://h/a?...\" quoted" },
        { "https://h/a and is it? yes", "https://h/a and is it? yes" },
        { "/path?X-Amz-Signature=secret", "/path?..." },
        { "why?because", "why?because" },
        { "proxy http://user:secret@p:3128/ failed", "proxy http://***@p:3128/ failed" },
        { "http://u@h/a?b=cd", "http://u@h/a?..." },
        { "Authorization: Bearer abc.def-ghi_jkl==", "Authorization: Bearer ***" },
        { "authorization: bearer abcdef", "authorization: bearer ***" },
        { "token hf_abcdefghijklmnopqrst!", "token ***!" },
        { "https://h/hf_abcdefghijklmnopqrst", "https://h/***" },
        { "hf_short and hf_pull", "hf_short and hf_pull" },
        { "shelf_abcdefghijklmnopqrst", "shelf_abcdefghijklmnopqrst" },
        { "ends with Bearer ", "ends with Bearer " },
        { "Bearer Bearer abcdef", "Bearer Bearer ***" },
        { "Bearer   abcdef", "Bearer   ***" },
        { "https://h/hf_abcdefghijklmnopqrst/b@c", "https://h/***/b@c" },
        { "ends with ://", "ends with ://" },
        { "", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", rows[i].text);
        log_redact(text);
        CHECK_STR(text, rows[i].want, "redacted: %s", rows[i].want);
        CHECK(strlen(text) <= strlen(rows[i].text), "the text never grows");
        log_redact(text);
        CHECK_STR(text, rows[i].want, "twice is as once");
    }
}

static char seen[LOG_TEXT_MAX + 1];
static unsigned records;

static void sink(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    records++;
    snprintf(seen, sizeof seen, "%s", text);
}

int main(void)
{
    struct log log = { sink, NULL, HFP_LOG_INFO };
    test_redact();
    log_info(&log, "asked %s", "https://h/a?secret=1");
    CHECK_STR(seen, "asked https://h/a?...", "every record is redacted");
    log_debug(&log, "too fine");
    log_trace(&log, "too fine");
    CHECK_U64(records, 1, "levels above are not made");
    log_warn(&log, "%0*d", 2 * LOG_TEXT_MAX, 7);
    CHECK(records == 2 && strlen(seen) < LOG_TEXT_MAX, "a long record is cut");
    log_warn(&log, "%0*d hf_abcdefghijklmnopqrst", LOG_TEXT_MAX - 16, 7);
    CHECK(records == 3 && !strstr(seen, "hf_abc"), "half a token at its cut is not shown");
    log_at(NULL, HFP_LOG_ERROR, "nobody listens");
    log.sink = NULL;
    log_warn(&log, "nobody listens");
    CHECK_U64(records, 3, "no sink is silence");
    return tap_end();
}
