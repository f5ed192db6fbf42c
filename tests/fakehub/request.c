#include "request.h"

#include "base/auto.h"
#include "text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BODY_IDLE_MS = 30000 };

static char *head_end(struct conn *c)
{
    return c->in_bytes ? memmem(c->in, c->in_bytes, "\r\n\r\n", 4) : NULL;
}

static bool parse_first_line(struct request *r, char *line, bool *old)
{
    char *target = strchr(line, ' '), *version = target ? strrchr(target + 1, ' ') : NULL;
    if (!version || target - line >= (ptrdiff_t)sizeof(r->method) || target == line)
        return false;
    *target++ = 0;
    *version++ = 0;
    if (strncmp(version, "HTTP/1.", 7) != 0 || target[0] != '/')
        return false;
    *old = !strcmp(version, "HTTP/1.0");
    strcpy(r->method, line);
    r->target = must_copy(target);
    r->head = !strcmp(r->method, "HEAD");
    char *mark = strchr(target, '?');
    if (mark) {
        *mark++ = 0;
        r->query = must_copy(mark);
    }
    r->path = must_copy(target);
    return true;
}

static bool parse_head(struct request *r, char *head, bool *old)
{
    char *line = strsep(&head, "\n");
    line[strcspn(line, "\r")] = 0;
    if (!parse_first_line(r, line, old))
        return false;
    while ((line = strsep(&head, "\n")) && *line && *line != '\r') {
        line[strcspn(line, "\r")] = 0;
        char *colon = strchr(line, ':');
        if (!colon || colon == line || r->fields.count == REQUEST_FIELDS_MAX)
            return false;
        *colon++ = 0;
        while (isspace((unsigned char)*colon))
            colon++;
        for (size_t n = strlen(colon); n && isspace((unsigned char)colon[n - 1]); n--)
            colon[n - 1] = 0;
        fields_add(&r->fields, line, colon);
    }
    return true;
}

static int read_body(struct request *r, struct conn *c)
{
    const char *length = fields_get(&r->fields, "Content-Length");
    if (fields_get(&r->fields, "Transfer-Encoding"))
        return 411;
    if (!length)
        return 1;
    if (!*length || strspn(length, "0123456789") != strlen(length))
        return 400;
    unsigned long long n = strtoull(length, NULL, 10);
    if (n > REQUEST_BODY_MAX)
        return 413;
    const char *expect = fields_get(&r->fields, "Expect");
    if (expect && !strcasecmp(expect, "100-continue"))
        (void)conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25, false);
    while (c->in_bytes < n)
        if (!conn_read(c, (size_t)n, BODY_IDLE_MS))
            return 0;
    r->body = must_alloc((size_t)n + 1);
    memcpy(r->body, c->in, (size_t)n);
    conn_used(c, (size_t)n);
    return 1;
}

int request_read(struct request *out, struct conn *c, int idle_ms)
{
    *out = (struct request){ 0 };
    char *end;
    while (!(end = head_end(c)))
        if (!conn_read(c, REQUEST_HEAD_MAX, idle_ms))
            return c->in_bytes >= REQUEST_HEAD_MAX ? 431 : 0;
    size_t n = (size_t)(end - c->in) + 4;
    AUTO_FREE char *head = must_alloc(n + 1);
    memcpy(head, c->in, n);
    conn_used(c, n);
    bool old = false;
    if (memchr(head, 0, n) || !parse_head(out, head, &old))
        return 400;
    const char *connection = fields_get(&out->fields, "Connection");
    c->keep =
        connection ? strcasestr(connection, "close") == NULL && (!old || strcasestr(connection, "keep-alive")) : !old;
    c->requests++;
    return read_body(out, c);
}

void request_free(struct request *r)
{
    free(r->target);
    free(r->path);
    free(r->query);
    free(r->body);
    fields_free(&r->fields);
}

static bool digits(const char **at, uint64_t *out)
{
    const char *s = *at;
    uint64_t v = 0;
    while (*s >= '0' && *s <= '9')
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*s++ - '0'), &v))
            return false;
    bool any = s != *at;
    *at = s;
    *out = v;
    return any;
}

bool request_range_asked(const struct request *r, uint64_t *first, uint64_t *last)
{
    const char *s = fields_get(&r->fields, "Range");
    if (!s || strncasecmp(s, "bytes=", 6) != 0)
        return false;
    s += 6;
    bool has_first = digits(&s, first);
    if (*s++ != '-')
        return false;
    bool has_last = digits(&s, last);
    if (*s || (!has_first && !has_last) || (has_first && has_last && *last < *first))
        return false;
    if (!has_first)
        *first = UINT64_MAX;
    if (!has_last)
        *last = UINT64_MAX;
    return true;
}

int request_range(const struct request *r, uint64_t total, uint64_t *first, uint64_t *count)
{
    uint64_t a, b;
    *first = 0;
    *count = total;
    if (!request_range_asked(r, &a, &b))
        return 0;
    if (a == UINT64_MAX) { /* the last b bytes */
        if (b == 0 || total == 0)
            return 416;
        a = b < total ? total - b : 0;
        b = total - 1;
    }
    if (a >= total)
        return 416;
    *first = a;
    *count = MIN(b, total - 1) - a + 1;
    return 206;
}
