/* The whole program against a scripted engine.
 * Seen red with: SIGPIPE left alone ("a reader that left"), the path printed for failed jobs ("stdout is the path alone"),
 * worse_status taking the last ("the worst"), no deadline after SIGINT ("there is time for the sentence"), every
 * second signal taken for impatience ("timeout(1)"), the cursor not given back. */
#include "cli/cli.h"
#include "fake_engine.h"
#include "tap.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define PATH_LINE "/hub/models--fake--repo/snapshots/" FAKE_COMMIT "\n"

struct ran {
    int status; /* exit status, or 1000 + signal */
    double seconds;
    char out[65536], err[1 << 20];
};
static struct ran ran;

struct how {
    const char *words[10];
    double step_ms;       /* of the story every 10 ms; 0: 250 */
    int signal, after_ms; /* sent to the program; 0: none */
    int again_ms;         /* the same once more; 0: not */
    bool terminal, out_closed, err_closed;
};

static void child(const struct how *h, int out, int err)
{
    char *argv[12] = { (char *)"hf-pull" };
    int argc = 1;
    for (; argc <= 10 && h->words[argc - 1]; argc++)
        argv[argc] = strdup(h->words[argc - 1]);
    dup2(out, 1);
    dup2(err, 2);
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    fake_step_ms = h->step_ms > 0 ? h->step_ms : 250;
    exit(cli_main(argc, argv));
}

/* What the program has written within ms. False: nothing. */
static bool take(int out, int err, size_t n[2], int ms)
{
    struct pollfd p[] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
    bool came = false;
    poll(p, 2, ms);
    for (int i = 0; i < 2; i++) {
        size_t room = (i ? sizeof ran.err : sizeof ran.out) - 1 - n[i];
        ssize_t got = p[i].revents & POLLIN ? read(p[i].fd, (i ? ran.err : ran.out) + n[i], room) : 0;
        n[i] += got > 0 ? (size_t)got : 0;
        came = came || got > 0;
    }
    return came;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(const struct how *h)
{
    int out[2], err[2], state = 0;
    size_t n[2] = { 0, 0 };
    struct winsize size = { .ws_col = 100, .ws_row = 24 };
    fflush(stdout);
    if (pipe2(out, O_CLOEXEC) < 0 ||
        (h->terminal ? openpty(&err[0], &err[1], NULL, NULL, &size) : pipe2(err, O_CLOEXEC)) < 0)
        abort();
    double began = now_s();
    pid_t pid = fork();
    if (pid == 0) {
        close(out[0]);
        close(err[0]);
        child(h, out[1], err[1]);
    }
    close(out[1]);
    close(err[1]);
    if (h->out_closed)
        close(out[0]), out[0] = -1;
    if (h->err_closed)
        close(err[0]), err[0] = -1;
    int signals = h->signal ? h->again_ms ? 2 : 1 : 0;
    double due = began + h->after_ms / 1000.0;
    pid_t over = 0;
    while (over == 0 && now_s() - began < 20) {
        bool came = take(out[0], err[0], n, 5);
        if (signals && now_s() >= due) {
            kill(pid, h->signal);
            signals--;
            due += h->again_ms / 1000.0;
        }
        if (!came)
            over = waitpid(pid, &state, WNOHANG);
    }
    while (over && take(out[0], err[0], n, 0)) /* written between the poll and the end */
        continue;
    if (over == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &state, 0);
    }
    ran.seconds = now_s() - began;
    ran.status = WIFEXITED(state) ? WEXITSTATUS(state) : 1000 + WTERMSIG(state);
    ran.out[n[0]] = ran.err[n[1]] = '\0';
    if (out[0] >= 0)
        close(out[0]);
    if (err[0] >= 0)
        close(err[0]);
}

static void statuses(void)
{
    static const struct {
        const char *name;
        struct how how;
        int status;
        const char *out;
    } rows[] = {
        { "a pull", { { "fake/second" }, 0, 0, 0, 0, 0, 0, 0 }, 0, PATH_LINE },
        { "a complete one", { { "fake/here" }, 0, 0, 0, 0, 0, 0, 0 }, 0, PATH_LINE },
        { "quiet", { { "-q", "fake/here" }, 0, 0, 0, 0, 0, 0, 0 }, 0, PATH_LINE },
        { "gated", { { "fake/gated" }, 0, 0, 0, 0, 0, 0, 0 }, 5, "" },
        { "unknown", { { "no/such" }, 0, 0, 0, 0, 0, 0, 0 }, 6, "" },
        { "network gave up", { { "fake/offline-line" }, 1000, 0, 0, 0, 0, 0, 0 }, 3, "" },
        { "damaged", { { "verify", "fake/damaged" }, 0, 0, 0, 0, 0, 0, 0 }, 4, "" },
        { "a plan", { { "plan", "fake/ok" }, 0, 0, 0, 0, 0, 0, 0 }, 0, "" },
        { "usage", { { "--frobnicate" }, 0, 0, 0, 0, 0, 0, 0 }, 2, "" },
        { "no repository", { { NULL }, 0, 0, 0, 0, 0, 0, 0 }, 2, "" },
        { "the version", { { "--version" }, 0, 0, 0, 0, 0, 0, 0 }, 0, "hf-pull " HFP_VERSION "\n" },
        { "several: the worst",
          { { "fake/second", "no/such", "fake/here" }, 0, 0, 0, 0, 0, 0, 0 },
          6,
          PATH_LINE PATH_LINE },
        { "several: final before worth another try",
          { { "fake/offline-line", "fake/gated" }, 1000, 0, 0, 0, 0, 0, 0 },
          5,
          "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run(&rows[i].how);
        CHECK_U64((uint64_t)ran.status, (uint64_t)rows[i].status, "%s ends with %d", rows[i].name, rows[i].status);
        CHECK_STR(ran.out, rows[i].out, "%s: stdout is the path alone", rows[i].name);
    }
}

static void log_mode(void)
{
    run(&(struct how){ .words = { "fake/stalls", "--log-interval", "1" }, .step_ms = 5000 });
    CHECK(strstr(ran.err, "hf-pull " HFP_VERSION
                          "  fake/stalls  main -> 4c44647  24 files, 61.08 GB, here 12.31 GB\n") == ran.err,
          "the headline comes first");
    CHECK(strstr(ran.err, "  [fake/stalls] 20.2%  12.31 GB / 61.08 GB  0.0 MB/s\n") != NULL, "then the state");
    CHECK(strstr(ran.err, "STALLED 30s: 8 of 8 connections silent, trying IPv4\n") != NULL,
          "a stall is said within 30 s");
    CHECK(strstr(ran.err, "waiting: Hub asks to slow down (429, resets at 14:32:10)\n") != NULL, "a wait is said");
    CHECK(strstr(ran.err, "  [fake/stalls] 100.0%  61.08 GB / 61.08 GB") != NULL, "the end is complete");
    CHECK(strchr(ran.err, '\033') == NULL && strchr(ran.err, '\r') == NULL, "no escape sequences in a log");
    run(&(struct how){ .words = { "fake/evil" } });
    CHECK(strstr(ran.err, "hf-pull: fake/evil: file ?[2Jname?? is odd\n") != NULL, "outside words cannot paint");
    run(&(struct how){ .words = { "-q", "fake/second" } });
    CHECK_STR(ran.err, "", "--quiet says nothing when all is well");
    run(&(struct how){ .words = { "-v", "fake/second" }, .step_ms = 100 });
    CHECK(strstr(ran.err, "/103 chunks (") != NULL && strstr(ran.err, "Progress: ") != NULL, "-v: a line per chunk");
    run(&(struct how){ .words = { "--resume-download", "--resume-download", "fake/here" } });
    CHECK(strncmp(ran.err, "hf-pull: --resume-download has no effect: hf-pull always resumes.\nfake/here", 74) == 0,
          "an old option gives one notice");
    run(&(struct how){ .words = { "--token", "hf_sEcReT", "--progress", "json", "-vv", "fake/second" } });
    CHECK(ran.status == 0 && !strstr(ran.err, "sEcReT") && !strstr(ran.out, "sEcReT"), "a token is never said");
}

static void json_mode(void)
{
    run(&(struct how){ .words = { "--progress", "json", "fake/stalls", "no/such" }, .step_ms = 5000 });
    double last = 0;
    bool valid = true, ordered = true, stalled = false, ended = false, measured = false;
    for (char *rest = ran.err, *line; (line = strsep(&rest, "\n")) != NULL && *line;) {
        cJSON *o = cJSON_Parse(line), *type = cJSON_GetObjectItem(o, "type"), *seq = cJSON_GetObjectItem(o, "seq");
        valid = valid && o && cJSON_IsString(type) && cJSON_IsNumber(seq);
        ordered = ordered && seq && seq->valuedouble == last + 1;
        last = seq ? seq->valuedouble : last;
        cJSON *front = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "status"), "fronts"), 0);
        const char *family = cJSON_GetStringValue(cJSON_GetObjectItem(front, "family"));
        measured = measured || (family && strcmp(family, "ipv4") == 0 &&
                                cJSON_GetNumberValue(cJSON_GetObjectItem(front, "retransmits")) == 3);
        stalled = stalled || (type && strcmp(type->valuestring, "stalled") == 0);
        ended = type && strcmp(type->valuestring, "end") == 0 &&
                cJSON_GetNumberValue(cJSON_GetObjectItem(o, "exit_status")) == 6;
        cJSON_Delete(o);
    }
    CHECK(valid && last > 10, "every line of --progress json is an object");
    CHECK(measured, "what the kernel measures of a connection is in it");
    CHECK(ordered, "seq counts without gaps");
    CHECK(stalled && ended, "stalls are in it, and the end with the exit status is last");
    CHECK_STR(ran.out, PATH_LINE, "stdout stays the path alone");
}

static void terminal_mode(void)
{
    run(&(struct how){ .words = { "fake/ok" }, .step_ms = 5000, .terminal = true });
    CHECK(ran.status == 0 && strstr(ran.err, "█") != NULL, "a bar on a terminal");
    const char *hide = NULL, *show = NULL;
    for (const char *s = ran.err; (s = strstr(s, "\033[?25")) != NULL; s++)
        *(s[5] == 'l' ? &hide : &show) = s;
    CHECK(hide && show > hide, "the cursor is given back");
    CHECK(strstr(show ? show : "", "proved\033[0m: 24 files, 61.08 GB") != NULL, "then the summary stands alone");
    run(&(struct how){
        .words = { "fake/hangs" }, .terminal = true, .signal = SIGINT, .after_ms = 300, .again_ms = 400 });
    hide = show = NULL;
    for (const char *s = ran.err; (s = strstr(s, "\033[?25")) != NULL; s++)
        *(s[5] == 'l' ? &hide : &show) = s;
    CHECK(hide && show > hide, "also when somebody is impatient");
    setenv("NO_COLOR", "1", 1);
    run(&(struct how){ .words = { "fake/ok" }, .step_ms = 5000, .terminal = true });
    unsetenv("NO_COLOR");
    CHECK(strstr(ran.err, "█") && !strstr(ran.err, "\033[32m"), "NO_COLOR: a bar without colour");
}

static void signals(void)
{
    run(&(struct how){ .words = { "fake/ok", "fake/second" }, .signal = SIGTERM, .after_ms = 300 });
    CHECK(ran.status == 143 && ran.seconds < 2, "SIGTERM: 143 within 2 s (%.1f s)", ran.seconds);
    CHECK(strstr(ran.err, "hf-pull: stopped by SIGTERM. ") &&
              strstr(ran.err, " is kept; the same command continues there."),
          "and one sentence says what is kept");
    CHECK(strstr(ran.err, "left    fake/second") != NULL, "what was not begun is said");
    run(&(struct how){ .words = { "fake/hangs" }, .signal = SIGINT, .after_ms = 300 });
    CHECK(strstr(ran.err, "hf-pull: stopped by SIGINT. ") != NULL, "there is time for the sentence");
    CHECK(ran.status == 130 && ran.seconds < 2.4, "an engine that hangs does not hold us (%.1f s)", ran.seconds);
    run(&(struct how){ .words = { "fake/hangs" }, .signal = SIGINT, .after_ms = 300, .again_ms = 400 });
    CHECK(ran.status == 130 && ran.seconds < 1.4, "the second signal ends it at once (%.1f s)", ran.seconds);
}

static void doubled_signal(void)
{
    run(&(struct how){ .words = { "fake/hangs" }, .signal = SIGTERM, .after_ms = 300, .again_ms = 1 });
    CHECK(ran.status == 143 && strstr(ran.err, "is kept; the same command continues there."),
          "timeout(1) sends its signal twice: that is one request to leave");
}

static void readers_that_left(void)
{
    run(&(struct how){ .words = { "fake/second" }, .err_closed = true });
    CHECK(ran.status == 0 && strcmp(ran.out, PATH_LINE) == 0, "a reader that left stderr harms nobody");
    run(&(struct how){ .words = { "fake/second" }, .out_closed = true });
    CHECK_U64((uint64_t)ran.status, 0, "nor one that left stdout");
}

static void order_of_statuses(void)
{
    static const int worst_first[] = { 1, 4, 2, 5, 6, 7, 3, 8, 9, 0 };
    for (size_t i = 0; i + 1 < sizeof worst_first / sizeof *worst_first; i++) {
        int a = worst_first[i], b = worst_first[i + 1];
        CHECK(worse_status(a, b) == a && worse_status(b, a) == a, "%d is worse than %d", a, b);
    }
}

static void settings(void)
{
    char *argv[] = { (char *)"hf-pull",
                     (char *)"-6",
                     (char *)"--max-workers",
                     (char *)"4",
                     (char *)"--limit-rate",
                     (char *)"2M",
                     (char *)"--max-attempts",
                     (char *)"0",
                     (char *)"--resolve",
                     (char *)"h:443:::1",
                     (char *)"--cache-dir",
                     (char *)"relative",
                     (char *)"--stall-timeout",
                     (char *)"1m",
                     (char *)"--proxy",
                     (char *)"",
                     (char *)"a/b",
                     NULL };
    struct options o = { 0 };
    struct hfp_config c = { 0 };
    struct hfp_err err = { 0 };
    CHECK(options_read(&o, (int)(sizeof argv / sizeof *argv) - 1, argv, &err) == HFP_OK &&
              engine_config(&c, &o, &err) == HFP_OK,
          "options become the engine's settings %s", err.message);
    CHECK(c.family == HFP_IPV6 && c.max_connections == 4 && c.limit_bytes_per_s == 2097152,
          "family, connections, rate");
    CHECK(c.max_rounds == 0 && c.max_rounds_given, "never give up, and the user said so");
    CHECK(c.stall_timeout_ns == 60000000000 && c.timeout_ns == 300000000000 && c.chunk_bytes == 52428800,
          "times, chunk");
    CHECK(c.resolve && strcmp(c.resolve[0], "h:443:::1") == 0 && !c.resolve[1], "addresses");
    CHECK(c.hub_cache && c.hub_cache[0] == '/' && strstr(c.hub_cache, "/relative"), "folders are absolute");
    CHECK(c.proxy && !*c.proxy, "an empty proxy is none");
    CHECK_STR(c.endpoint, "https://huggingface.co", "the Hub");
    options_done(&o);
}

int main(void)
{
    char home[] = "/tmp/hf-pull-test-XXXXXX";
    static const char *const foreign[] = { "HF_TOKEN",         "HF_HUB_OFFLINE",  "TRANSFORMERS_OFFLINE",
                                           "HF_DEBUG",         "NO_COLOR",        "HF_HUB_DISABLE_PROGRESS_BARS",
                                           "HF_HUB_VERBOSITY", "XDG_CONFIG_HOME", "HF_HUB_ENABLE_HF_TRANSFER" };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        unsetenv(foreign[i]);
    if (!mkdtemp(home))
        return 1;
    setenv("HOME", home, 1);
    order_of_statuses();
    settings();
    statuses();
    log_mode();
    json_mode();
    terminal_mode();
    signals();
    doubled_signal();
    readers_that_left();
    rmdir(home);
    return tap_end();
}
