/* cli/screen.h: standard error, with or without a live region at its end.
 *
 * screen_print() writes a lasting line; screen_live() redraws the lines that move, in place and in one write, so that
 * nothing flickers. Not a terminal: there is no live region. A reader that left (EPIPE) makes all calls do nothing: a
 * download does not die of it. One thread. */
#ifndef HFP_CLI_SCREEN_H
#define HFP_CLI_SCREEN_H

#include "front/text.h"

#define LIVE_MAX 8 /* total, HFP_FRONTS files, proved; and room */

struct screen {
    int fd;
    bool tty, terminal, utf8, color, gone; /* terminal: one on which lines may move */
    unsigned cols, rows;
    unsigned live_n, live_cols[LIVE_MAX]; /* what stands on the terminal now */
    unsigned drawn_cols;                  /* terminal width when it was drawn */
};

/* Looks what fd is. bars: escape sequences may be used (the user may want none although it is a terminal). */
void screen_init(struct screen *s, int fd, bool bars, bool no_color);
void screen_measure(struct screen *s); /* after SIGWINCH */
void screen_print(struct screen *s, const struct text *line);
void screen_say(struct screen *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Bytes as they are, for output that is not for a terminal. */
void screen_raw(struct screen *s, const char *bytes, size_t n);
void screen_live(struct screen *s, const struct text lines[], unsigned n);
/* The cursor is back until the next live region: what follows may end the process. */
void screen_cursor(struct screen *s);
/* Takes the live region away and gives the cursor back. */
void screen_clear(struct screen *s);

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WAIT, COLOR_BAD };
void screen_color(const struct screen *s, struct text *t, enum color c);

#endif
