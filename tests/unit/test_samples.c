/* The curve of a job: any length of life in a fixed room.
 * Seen red with: thinning that keeps one of two samples, either, instead of their mean ("neighbours become"), the earlier
 * time for both ("at the later"), no gap after a pause, a stall that lasts left out or ended twice. */
#include "daemon/samples.h"
#include "tap.h"

#include <stdlib.h>

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static char *text_of(const struct samples *s)
{
    struct out o = { 0 };
    samples_json(&o, s, 999);
    return out_take(&o, NULL);
}

/* A line that goes and stands still by turns: seen at half the detail it goes at half the speed all the time. */
static void thinning_takes_the_mean(void)
{
    struct samples *s = samples_new();
    for (int64_t t = 0; t <= SAMPLES_MAX + 1; t++)
        samples_add(s, 1000 + t, (uint64_t)(t / 2) * 2000, 7);
    char *text = text_of(s);
    CHECK(strstr(text, "\"step_s\":2") != NULL, "thinned once");
    CHECK_U64(count(text, ",1000,7]"), SAMPLES_MAX / 2, "neighbours become their mean");
    CHECK_U64(count(text, ",0,7]") + count(text, ",2000,7]"), 1, "and only the newest is as it was");
    CHECK(strstr(text, "[1002,1000,7],[1004,1000,7]") != NULL, "at the later of their times");
    free(text);
    samples_free(s);
}

int main(void)
{
    thinning_takes_the_mean();
    struct samples *s = samples_new();
    samples_add(s, 100, 0, 0);
    samples_add(s, 101, 1000, 0);
    samples_add(s, 101, 1500, 0);
    samples_add(s, 103, 5000, 7);
    samples_gap(s);
    samples_add(s, 200, 5000, 0);
    samples_add(s, 201, 5500, 0);
    samples_stall(s, 150, "another");
    samples_stall(s, 160, "\"quoted\"");
    char *open = text_of(s);
    CHECK(strstr(open, "\"stalls\":[[150,999,\"\\\"quoted\\\"\"]]") != NULL, "one that lasts is there, until now: %s",
          open);
    free(open);
    samples_stall_end(s, 190, "");
    samples_stall_end(s, 195, "no more");
    char *text = text_of(s);
    CHECK_STR(
        text,
        "{\"step_s\":1,\"samples\":[[101,1000,0],[103,2000,7],[201,500,0]],\"stalls\":[[150,190,\"\\\"quoted\\\"\"]]}",
        "rates by the second; none over a pause");
    struct samples *back = samples_read(text);
    char *again = text_of(back);
    CHECK_STR(again, text, "reads back as it was");
    samples_add(back, 300, 6000, 0);
    free(again);
    free(text);
    samples_free(back);
    samples_gap(s);
    for (int64_t t = 0; t < 100000; t++)
        samples_add(s, 1000 + t, (uint64_t)(t / 2) * 2000, 0); /* 0 and 2000 by turns */
    text = text_of(s);
    unsigned n = 0;
    for (const char *at = text; (at = strchr(at, '[')) != NULL; at++)
        n++;
    CHECK(n > 900 && n < 2010, "28 hours are %u points", n);
    CHECK(strstr(text, "\"step_s\":64") != NULL, "each of 64 s");
    CHECK(strstr(text, ",1000,0]]") != NULL, "at the rate it had");
    free(text);
    for (int i = 0; i < 2 * STALLS_MAX; i++) {
        samples_stall(s, i, "while");
        samples_stall_end(s, i + 1, "x");
    }
    text = text_of(s);
    CHECK(strstr(text, "[198,199,\"x\"]") && !strstr(text, "[199,200,\"x\"]"), "so many stalls are kept, and no more");
    free(text);
    samples_free(s);
    CHECK(samples_read("{") == NULL, "what is no JSON is no curve");
    s = samples_read("{\"step_s\":-4,\"samples\":[[\"x\"],7,[1e300,-1,2]],\"stalls\":[[1,2,3],[]]}");
    text = text_of(s);
    CHECK_STR(text, "{\"step_s\":1,\"samples\":[[0,0,0],[0,0,0],[0,0,2]],\"stalls\":[[1,2,\"\"],[0,0,\"\"]]}",
              "and what is none of ours does no harm");
    free(text);
    samples_free(s);
    samples_free(NULL);
    return tap_end();
}
