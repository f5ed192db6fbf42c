/* The moving lines on a terminal.
 * Seen red with: the bar drawn from received bytes ("never runs back"), words dropped instead of moved to the next line
 * ("60 columns"), the rate shown while stalled ("takes its place"). */
#include "cli/bar.h"
#include "tap.h"

#include <locale.h>

static struct hfp_status running(void)
{
    struct hfp_status st = { .state = HFP_DOWNLOADING,
                             .recorded_bytes = 37260000000,
                             .received_bytes = 42000000000,
                             .total_bytes = 61080000000,
                             .files = 24,
                             .files_proved = 9,
                             .rate_bytes_per_s = 118200000,
                             .eta_low_s = 201,
                             .eta_high_s = 220,
                             .connections = 8,
                             .fronts = 1,
                             .shards = 16,
                             .here_bytes = 12310000000,
                             .free_bytes = 412000000000,
                             .commit = "4c446470ba0aec43e22ac1128f9ffd915f338ba3",
                             .front = { { .path = "model-00009-of-00016.safetensors",
                                          .size_bytes = 100,
                                          .recorded_bytes = 84,
                                          .rate_bytes_per_s = 119000000,
                                          .host = "cdn-lfs.hf.co",
                                          .address = "18.2.3.4",
                                          .rtt_us = 12000 } } };
    return st;
}

static const struct screen wide = { .cols = 120, .rows = 24, .utf8 = true };
static struct text out[LIVE_MAX];

static void layout(void)
{
    struct hfp_status st = running();
    CHECK_U64(bar_compose(out, &st, &wide, 0), 3, "total, one file, proved");
    CHECK_STR(out[0].data,
              "  61 % ██████████████████▒▒░░░░░░░░░░  37.26 / 61.08 GB   118.2 MB/s   ETA 3m21s..3m40s   "
              "8 connections",
              "the whole job");
    CHECK_STR(out[1].data,
              "  model-00009-of-00016.safetensors   84 %  █████████████████████░░░░░   119.0 MB/s   "
              "cdn-lfs 18.2.3.4, 12 ms",
              "the file at the front");
    CHECK_STR(out[2].data, "  proved 9 of 24 files", "what is proved");
    bar_headline(&out[0], "Qwen/Qwen3-30B-A3B", "main", &st, 120);
    CHECK_STR(out[0].data,
              "Qwen/Qwen3-30B-A3B  main -> 4c44647  16 shards, 24 files, 61.08 GB   here 12.31 GB   "
              "free 412 GB",
              "the headline");
    bar_headline(&out[0], "a/b", st.commit, &st, 120);
    CHECK(strncmp(out[0].data, "a/b  4c44647  ", 14) == 0, "a commit asked for is not said twice");
}

static void widths(void)
{
    struct hfp_status st = running();
    static const enum hfp_wait waits[] = { HFP_NOT_WAITING, HFP_WAIT_SILENCE, HFP_WAIT_DISK };
    for (unsigned cols = 40; cols <= 200; cols += 5) {
        for (size_t w = 0; w < 3; w++) {
            struct screen s = { .cols = cols, .rows = 24, .utf8 = cols % 2 == 0 };
            bool fits = true;
            st.wait = waits[w];
            st.stalled = waits[w] == HFP_WAIT_SILENCE;
            st.rate_bytes_per_s = w ? 0 : 118200000;
            snprintf(st.wait_text, sizeof st.wait_text, "%s", w ? "8 of 8 connections silent, trying IPv4" : "");
            unsigned n = bar_compose(out, &st, &s, 0);
            for (unsigned i = 0; i < n; i++)
                fits = fits && out[i].cols < cols;
            CHECK(fits, "%u columns, wait %u: every line fits", cols, (unsigned)waits[w]);
        }
    }
    struct screen narrow = { .cols = 60, .rows = 24 };
    st.wait = HFP_WAIT_SILENCE;
    st.stalled = true;
    st.quiet_ns = 34000000000;
    bar_compose(out, &st, &narrow, 0);
    CHECK_STR(out[0].data, "  61 % ####=...  37.26 / 61.08 GB   stalled 34 s", "60 columns: the state");
    CHECK_STR(out[1].data, "  8 of 8 connections silent, trying IPv4", "and its reason below");
    struct screen low = { .cols = 80, .rows = 3 };
    CHECK(bar_compose(out, &st, &low, 0) <= 3, "a low window is not filled over its top");
}

static void words(void)
{
    static const struct {
        enum hfp_state state;
        enum hfp_wait wait;
        bool stalled;
        const char *text, *says;
    } rows[] = {
        { HFP_DOWNLOADING, HFP_WAIT_SILENCE, true, "8 of 8 connections silent",
          "stalled 34 s: 8 of 8 connections silent" },
        { HFP_WAITING, HFP_WAIT_HUB_BUSY, false, "Hub asks to slow down (429)",
          "waiting 34 s: Hub asks to slow down (429)" },
        { HFP_DOWNLOADING, HFP_WAIT_DISK, true, "212 MB waiting for /mnt/models",
          "disk is slow: 212 MB waiting for /mnt" },
        { HFP_DOWNLOADING, HFP_WAIT_CONNECT, false, "", "waiting 34 s: connecting" },
        { HFP_VERIFYING, HFP_NOT_WAITING, false, "", "verifying" },
        { HFP_PAUSED, HFP_WAIT_PAUSED, false, "", "paused" },
        { HFP_DOWNLOADING, HFP_NOT_WAITING, false, "", "0.0 MB/s" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hfp_status st = running();
        st.rate_bytes_per_s = 0;
        st.state = rows[i].state;
        st.wait = rows[i].wait;
        st.stalled = rows[i].stalled;
        st.quiet_ns = 32000000000;
        snprintf(st.wait_text, sizeof st.wait_text, "%s", rows[i].text);
        bar_compose(out, &st, &wide, 2000000000);
        CHECK(strstr(out[0].data, rows[i].says) != NULL, "'%s' stands in the rate's place", rows[i].says);
        CHECK(i == 6 || !strstr(out[0].data, "MB/s"), "and no rate");
        CHECK(!strstr(out[0].data, "ETA"), "and no ETA");
    }
    struct hfp_status st = { .state = HFP_RESOLVING, .eta_low_s = UINT64_MAX, .eta_high_s = UINT64_MAX };
    CHECK_U64(bar_compose(out, &st, &wide, 0), 1, "before the plan one line");
    CHECK_STR(out[0].data, "  resolving", "that says so");
}

static void truth(void)
{
    struct hfp_status st = running();
    st.recorded_bytes = st.total_bytes - 1;
    st.received_bytes = st.total_bytes;
    bar_compose(out, &st, &wide, 0);
    CHECK(strstr(out[0].data, " 99 % ") && strstr(out[0].data, "▒  "),
          "full and 100 %% mean recorded to the last byte");
    st.recorded_bytes = 10;
    st.received_bytes = 0;
    bar_compose(out, &st, &wide, 0);
    CHECK(!strstr(out[0].data, "▒"), "the bar never runs back behind what is recorded");
    snprintf(st.front[0].path, sizeof st.front[0].path, "evil\033[2J.bin");
    bar_compose(out, &st, &wide, 0);
    CHECK(!strchr(out[1].data, '\033'), "a file name cannot paint");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    layout();
    widths();
    words();
    truth();
    return tap_end();
}
