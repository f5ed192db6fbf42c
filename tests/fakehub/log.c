#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct log {
    int fd;
};

struct log *log_open(const char *path)
{
    struct log *l = must_alloc(sizeof(*l));
    l->fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644)
                 : memfd_create("fakehub-log", MFD_CLOEXEC);
    if (l->fd < 0)
        die("cannot write the log %s: %s", path ? path : "in memory", strerror(errno));
    if (!path)
        (void)fcntl(l->fd, F_SETFL, O_APPEND);
    return l;
}

void log_close(struct log *l)
{
    if (l)
        close(l->fd);
    free(l);
}

static void put(struct log *l, struct text *line)
{
    text_add(line, "}\n");
    if (write(l->fd, line->p, line->n) != (ssize_t)line->n)
        die("cannot write the log: %s", strerror(errno));
    text_free(line);
}

static void pair(struct text *t, const char *name, const char *value)
{
    text_addf(t, ",\"%s\":", name);
    text_json(t, value);
}

static void request_line(struct text *t, const char *event, const struct exchange *x)
{
    const struct listener *from = x->conn->from;
    const struct fields *f = &x->req->fields;
    uint64_t first = UINT64_MAX, last = UINT64_MAX;
    text_addf(t, "{\"ev\":\"%s\",\"t_ms\":%.3f,\"id\":%" PRIu64 ",\"conn\":%" PRIu64 ",\"nth\":%u", event,
              (double)(now_ns() - x->srv->start_ns) / 1e6, x->id, x->conn->id, x->conn->requests);
    text_addf(t, ",\"on\":\"%s\",\"addr\":\"%s\",\"port\":%u", role_name[from->role], from->host, from->port);
    pair(t, "method", x->req->method);
    pair(t, "path", x->req->path);
    pair(t, "kind", kind_name[x->kind]);
    pair(t, "type", x->repo ? x->repo->type : x->type);
    pair(t, "repo", x->repo ? x->repo->id : x->repo_id);
    pair(t, "rev", x->rev);
    pair(t, "file", x->file);
    bool ranged = request_range_asked(x->req, &first, &last);
    text_add(t, ",\"first\":");
    text_addf(t, ranged && first != UINT64_MAX ? "%" PRIu64 : "null", first);
    text_add(t, ",\"last\":");
    text_addf(t, ranged && last != UINT64_MAX ? "%" PRIu64 : "null", last);
    pair(t, "range", fields_get(f, "Range"));
    pair(t, "authorization", fields_get(f, "Authorization"));
    pair(t, "user_agent", fields_get(f, "User-Agent"));
    pair(t, "host", fields_get(f, "Host"));
    pair(t, "accept_encoding", fields_get(f, "Accept-Encoding"));
}

void log_begin(struct log *l, const struct exchange *x)
{
    struct text t = { 0 };
    request_line(&t, "begin", x);
    put(l, &t);
}

void log_end(struct log *l, const struct exchange *x)
{
    struct text t = { 0 };
    request_line(&t, "end", x);
    text_addf(&t, ",\"status\":%d,\"bytes\":%" PRIu64 ",\"ms\":%.3f", x->answer.status, x->sent,
              (double)(now_ns() - x->start_ns) / 1e6);
    pair(&t, "end", x->end);
    text_add(&t, ",\"rules\":[");
    for (size_t i = 0; i < x->fault.count; i++)
        text_addf(&t, "%s%d", i ? "," : "", x->fault.index[i]);
    text_add(&t, "]");
    put(l, &t);
}

void log_clear(struct log *l)
{
    if (ftruncate(l->fd, 0) < 0)
        die("cannot empty the log: %s", strerror(errno));
}

void log_copy(struct log *l, struct text *out)
{
    char buf[65536];
    off_t at = 0;
    for (ssize_t n; (n = pread(l->fd, buf, sizeof(buf), at)) > 0; at += n)
        text_addn(out, buf, (size_t)n);
}
