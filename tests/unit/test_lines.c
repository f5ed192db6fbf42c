/* The log line: a contract with log scrapers.
 * Seen red with: recorded replaced by received ("recorded bytes"), STALLED moved to its own line ("same line"), ETA shown
 * although nothing moves ("no ETA at rest"). */
#include "cli/lines.h"
#include "cli/view.h"
#include "tap.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct hfp_status status(uint64_t recorded, uint64_t total, uint64_t rate)
{
    return (struct hfp_status){ .state = HFP_DOWNLOADING,
                                .recorded_bytes = recorded,
                                .received_bytes = total,
                                .total_bytes = total,
                                .files = 24,
                                .rate_bytes_per_s = rate,
                                .eta_low_s = UINT64_MAX,
                                .eta_high_s = UINT64_MAX,
                                .fetch_bytes = total };
}

static void shape(void)
{
    struct text t;
    struct hfp_status st = status(10410000000, 22020000000, 18400000);
    st.eta_low_s = 601;
    st.eta_high_s = 661;
    log_line(&t, "a/b", &st, 0);
    CHECK_STR(t.data, "  [a/b] 47.3%  10.41 GB / 22.02 GB  18.4 MB/s ETA 10m31s",
              "moving: exactly this shape, recorded bytes");
    st.rate_bytes_per_s = 0;
    log_line(&t, "a/b", &st, 0);
    CHECK_STR(t.data, "  [a/b] 47.3%  10.41 GB / 22.02 GB  0.0 MB/s", "no ETA at rest");
    st.stalled = true;
    st.quiet_ns = 40000000000;
    snprintf(st.wait_text, sizeof st.wait_text, "8 of 8 connections silent");
    log_line(&t, "a/b", &st, 2000000000);
    CHECK_STR(t.data, "  [a/b] 47.3%  10.41 GB / 22.02 GB  0.0 MB/s STALLED 42s: 8 of 8 connections silent",
              "STALLED stands on the same line, with its reason");
    st.wait_text[0] = '\0';
    st.wait = HFP_WAIT_SILENCE;
    log_line(&t, "a/b", &st, 0);
    CHECK(strstr(t.data, "STALLED 40s: silence") != NULL, "a reason is always named");
    st = status(21999999999, 22000000000, 0);
    log_line(&t, "a/b", &st, 0);
    CHECK(strstr(t.data, "99.9%") != NULL, "100.0%% is said of all of it only");
    st = status(500000, 60000000, 0);
    log_line(&t, "a/b", &st, 0);
    CHECK_STR(t.data, "  [a/b] 0.8%  0.50 MB / 60.00 MB  0.0 MB/s", "both sizes in the unit of the total");
    st.verb = HFP_VERIFY;
    st.checked_bytes = 30000000;
    st.checked_bytes_per_s = 5000000;
    log_line(&t, "a/b", &st, 0);
    CHECK(strstr(t.data, "50.0%  30.00 MB / 60.00 MB  5.0 MB/s") != NULL,
          "verify counts what it has read, and how fast");
}

static size_t lines_in(int fd)
{
    char buf[65536];
    size_t lines = 0;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(fd, buf, sizeof buf);
        for (ssize_t i = 0; i < n; i++)
            lines += buf[i] == '\n';
        if (n <= 0)
            break;
    }
    return lines;
}

static void timing(void)
{
    int fds[2];
    struct screen s;
    CHECK(pipe(fds) == 0, "a pipe for the log");
    screen_init(&s, fds[1], true, true);
    CHECK(!s.terminal && !s.color, "a pipe is no terminal");
    struct view *v = lines_new(&s, 30000000000ULL);
    struct hfp_event ev = {
        .type = HFP_EV_PROGRESS, .repo = "a/b", .revision = "main", .status = status(0, 1000000, 0)
    };
    const uint64_t s1 = 1000000000;
    v->ops->event(v, &ev, 1 * s1);
    v->ops->tick(v, 40 * s1);
    CHECK_U64(lines_in(fds[0]), 0, "before the plan there is nothing to say");
    ev.type = HFP_EV_PLAN;
    v->ops->event(v, &ev, 50 * s1);
    CHECK_U64(lines_in(fds[0]), 2, "the plan: a headline and the first line");
    v->ops->tick(v, 79 * s1);
    CHECK_U64(lines_in(fds[0]), 0, "within the interval silence");
    v->ops->tick(v, 80 * s1);
    CHECK_U64(lines_in(fds[0]), 1, "after 30 s a line");
    ev.type = HFP_EV_STALLED;
    v->ops->event(v, &ev, 81 * s1);
    CHECK_U64(lines_in(fds[0]), 1, "a stall at once");
    ev.type = HFP_EV_RECOVERED;
    v->ops->event(v, &ev, 82 * s1);
    CHECK_U64(lines_in(fds[0]), 1, "a recovery at once");
    ev.type = HFP_EV_PROGRESS;
    ev.status.state = HFP_WAITING;
    ev.status.wait = HFP_WAIT_LOCK;
    v->ops->event(v, &ev, 83 * s1);
    v->ops->event(v, &ev, 84 * s1);
    CHECK_U64(lines_in(fds[0]), 1, "a wait once");
    ev.type = HFP_EV_DONE;
    ev.status.state = HFP_DONE;
    v->ops->event(v, &ev, 90 * s1);
    CHECK_U64(lines_in(fds[0]), 1, "the end");
    v->ops->tick(v, 300 * s1);
    CHECK_U64(lines_in(fds[0]), 0, "then nothing more");
    close(fds[0]);
    signal(SIGPIPE, SIG_IGN);
    ev.type = HFP_EV_PLAN;
    v->ops->event(v, &ev, 301 * s1);
    CHECK(s.gone, "a reader that left is noticed and harms nobody");
    view_free(v);
    close(fds[1]);
}

int main(void)
{
    shape();
    timing();
    return tap_end();
}
