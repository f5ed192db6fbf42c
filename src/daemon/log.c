#include "daemon/log.h"

#include "front/out.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: a line of this length goes into a pipe whole, or not at all */

static void put(const char *line, size_t n)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(STDERR_FILENO, line, n) < 0)
        return; /* the reader left: the daemon does not */
}

static void json_line(struct out *o, int level, const char *job, const char *text)
{
    static const char *const names[] = { "error", "warn", "info", "debug", "trace" };
    struct timespec t;
    struct tm tm;
    char at[40];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(at + n, sizeof at - n, ".%03ldZ", t.tv_nsec / 1000000);
    out_object(o, NULL);
    out_text(o, "time", at);
    out_text(o, "level", names[level >= 0 && level < 5 ? level : 4]);
    if (job)
        out_text(o, "job", job);
    out_text(o, "message", text);
    out_object_end(o);
}

void log_line(const struct log *l, int level, const char *job, const char *fmt, ...)
{
    if (level > l->level)
        return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct out o = { 0 };
    if (l->json) {
        json_line(&o, level, job, text);
    } else {
        struct text safe;
        text_clear(&safe);
        text_safe(&safe, text);
        out_fmt(&o, "%s%s%s", job ? job : "", job ? " " : "", safe.data);
    }
    out_put(&o, "\n", 1);
    size_t n = 0;
    char *line = out_take(&o, &n);
    if (line)
        put(line, n < LINE_MAX_BYTES ? n : LINE_MAX_BYTES);
    free(line);
}

void log_engine(void *ctx, int level, const char *text)
{
    log_line(ctx, level, NULL, "%s", text);
}
