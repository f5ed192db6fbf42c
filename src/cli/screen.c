#include "cli/screen.h"

#include "front/files.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ECMA-48: CSI n A moves up, CSI K and J erase to the end of line and screen; ?25 is the cursor, ?7 the wrapping of long
 * lines (DEC private modes every terminal since the VT100 knows). */
#define CURSOR_HIDE "\033[?25l"
#define CURSOR_SHOW "\033[?25h"
#define WRAP_OFF "\033[?7l"
#define WRAP_ON "\033[?7h"

void screen_measure(struct screen *s)
{
    struct winsize w;
    s->cols = 80;
    s->rows = 24;
    if (ioctl(s->fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
        s->cols = w.ws_col;
        s->rows = w.ws_row;
    }
}

void screen_init(struct screen *s, int fd, bool bars, bool no_color)
{
    const char *term = getenv("TERM");
    *s = (struct screen){ .fd = fd };
    s->tty = isatty(fd) == 1;
    bool knows = s->tty && term && *term && strcmp(term, "dumb") != 0;
    s->terminal = bars && knows;
    s->color = knows && !no_color;
    s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    screen_measure(s);
}

void screen_color(const struct screen *s, struct text *t, enum color c)
{
    static const char *const sequences[] = { "\033[0m", "\033[32m", "\033[33m", "\033[31m" };
    if (s->color)
        text_escape(t, sequences[c]);
}

struct paint {
    size_t n;
    char data[(LIVE_MAX + 2) * TEXT_MAX];
};

static void put(struct paint *p, const char *s)
{
    size_t n = strlen(s);
    if (p->n + n <= sizeof p->data) {
        memcpy(p->data + p->n, s, n);
        p->n += n;
    }
}

static void flush(struct screen *s, const struct paint *p)
{
    screen_raw(s, p->data, p->n);
}

/* In a terminal that became narrower, what was one line may stand on two now: most terminals fold old lines anew. */
static unsigned live_rows(const struct screen *s)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < s->live_n; i++)
        rows += s->drawn_cols > s->cols && s->live_cols[i] > s->cols ? (s->live_cols[i] + s->cols - 1) / s->cols : 1;
    return rows;
}

/* The cursor rests at the end of the last live line. */
static void to_top(struct screen *s, struct paint *p)
{
    char up[32];
    unsigned rows = live_rows(s);
    put(p, "\r");
    if (rows > 1) {
        snprintf(up, sizeof up, "\033[%uA", rows - 1);
        put(p, up);
    }
}

/* Row by row: some terminals push what an erase of the whole screen takes away into their history. */
void screen_clear(struct screen *s)
{
    struct paint p = { 0 };
    if (!s->terminal || s->live_n == 0)
        return;
    put(&p, "\r\033[K");
    for (unsigned rows = live_rows(s); rows > 1; rows--)
        put(&p, "\033[A\033[K");
    put(&p, WRAP_ON CURSOR_SHOW);
    flush(s, &p);
    s->live_n = 0;
}

void screen_cursor(struct screen *s)
{
    struct paint p = { 0 };
    if (!s->terminal || s->live_n == 0)
        return;
    put(&p, CURSOR_SHOW);
    flush(s, &p);
}

/* A terminal whose character set is not UTF-8 shows bytes above 127 as something else; one '?' each is honest. */
static void put_line(const struct screen *s, struct paint *p, const struct text *line)
{
    if (s->utf8 || !s->tty) {
        put(p, line->data);
        return;
    }
    for (const char *c = line->data; *c;) {
        unsigned code = 0;
        size_t n = utf8_read(c, &code);
        char one[2] = { code < 0x80 && n ? *c : '?', '\0' };
        put(p, one);
        c += n ? n : 1;
    }
}

void screen_print(struct screen *s, const struct text *line)
{
    struct paint p = { 0 };
    screen_clear(s);
    put_line(s, &p, line);
    put(&p, "\n");
    flush(s, &p);
}

void screen_raw(struct screen *s, const char *bytes, size_t n)
{
    if (!s->gone && !write_all(s->fd, bytes, n))
        s->gone = true;
}

void screen_say(struct screen *s, const char *fmt, ...)
{
    char buf[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    struct text t;
    text_clear(&t);
    text_safe(&t, buf);
    screen_print(s, &t);
}

void screen_live(struct screen *s, const struct text lines[], unsigned n)
{
    struct paint p = { 0 };
    if (!s->terminal || s->gone)
        return;
    pid_t front = tcgetpgrp(s->fd);
    if (front >= 0 && front != getpgrp()) /* in the background we do not paint over somebody's prompt */
        return;
    if (n > LIVE_MAX)
        n = LIVE_MAX;
    put(&p, CURSOR_HIDE WRAP_OFF);
    if (s->live_n)
        to_top(s, &p);
    for (unsigned i = 0; i < n; i++) {
        put_line(s, &p, &lines[i]);
        put(&p, i + 1 < n ? "\033[K\n" : "\033[K\033[J");
        s->live_cols[i] = lines[i].cols;
    }
    put(&p, WRAP_ON);
    flush(s, &p);
    s->live_n = n;
    s->drawn_cols = s->cols;
}
