/* hf-pull top: the daemon's jobs as a table that moves, once a second. On something else than a terminal: once. */
#include "cli/client.h"

#include "cli/screen.h"
#include "cli/signals.h"
#include "front/out.h"
#include "front/units.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define EVERY_MS 1000
#define HEAD_ROWS 2

static uint64_t rate_of_all(const cJSON *jobs)
{
    uint64_t rate = 0;
    for (const cJSON *j = jobs ? jobs->child : NULL; j; j = j->next) {
        const cJSON *one = cJSON_GetObjectItemCaseSensitive(j, "rate_bytes_per_s");
        rate += cJSON_IsNumber(one) && one->valuedouble > 0 ? (uint64_t)one->valuedouble : 0;
    }
    return rate;
}

/* The whole frame is one text and one write, so that nothing flickers. */
static void frame(struct out *o, const cJSON *page, const char *trouble, unsigned rows, unsigned cols, bool live)
{
    const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(page, "jobs");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(page, "total");
    const char *end = live ? "\x1b[K\r\n" : "\n";
    unsigned names = client_names(jobs), n = 0;
    char rate[UNIT_TEXT];
    if (live)
        out_fmt(o, "\x1b[H");
    if (trouble)
        out_fmt(o, "%.*s%s%s", (int)cols, trouble, end, end);
    else
        out_fmt(o, "%d jobs  %s%s%s", cJSON_IsNumber(total) ? total->valueint : 0, rate_text(rate, rate_of_all(jobs)),
                live ? "  (q ends)" : "", end);
    if (!trouble)
        out_fmt(o, "%s", end);
    for (const cJSON *j = jobs ? jobs->child : NULL; j && n < rows; j = j->next, n++) {
        struct text line, cut;
        client_line(&line, j, names);
        text_clear(&cut);
        text_shorten(&cut, line.data, cols);
        out_fmt(o, "%s%s", cut.data, end);
    }
    if (live)
        out_fmt(o, "\x1b[J");
}

/* False when it is to end: q, a signal, or the terminal is gone. */
static bool rest(int signals)
{
    struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
    char key = 0;
    poll(fds, 2, EVERY_MS);
    if (fds[0].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3))
        return false;
    for (int number; (number = signals_next(signals)) != 0;)
        if (!strchr("\x14\x1c", number)) /* all but SIGTSTP and SIGWINCH, which only mean another frame */
            return false;
    return true;
}

static int live(struct ask *a, struct screen *s, struct hfp_err *err)
{
    struct termios before, raw;
    struct hfp_err why = { 0 };
    int signals = signals_open(true), rc;
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return fault(err, HFP_E_IO, "standard input is no terminal.");
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\x1b[?1049h\x1b[?25l", stdout); /* the other screen, no cursor */
    do {
        struct out o = { 0 };
        cJSON *page = NULL;
        screen_measure(s);
        rc = ask_api(&page, a, "GET", "/jobs?limit=200", NULL, &why);
        frame(&o, page, rc ? why.message : NULL, s->rows > HEAD_ROWS + 1 ? s->rows - HEAD_ROWS - 1 : 1, s->cols, true);
        if (!o.failed)
            fwrite(o.data, 1, o.n, stdout);
        fflush(stdout);
        out_done(&o);
        cJSON_Delete(page);
    } while (rest(signals));
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    if (signals >= 0)
        close(signals);
    if (rc)
        *err = why;
    return rc;
}

int client_top(struct ask *a, struct hfp_err *err)
{
    struct screen s;
    struct out o = { 0 };
    cJSON *page = NULL;
    screen_init(&s, STDOUT_FILENO, true, false);
    if (s.terminal && isatty(STDIN_FILENO))
        return live(a, &s, err);
    int rc = ask_api(&page, a, "GET", "/jobs?limit=1000", NULL, err);
    if (rc == HFP_OK)
        frame(&o, page, NULL, 1000, TEXT_MAX - 1, false);
    if (o.data)
        fputs(o.data, stdout);
    out_done(&o);
    cJSON_Delete(page);
    return rc;
}
