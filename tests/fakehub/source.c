#include "source.h"

#include "gen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool source_file(struct source *out, const struct entry *e)
{
    *out = (struct source){ .kind = SOURCE_GEN, .fd = -1, .seed = e->seed, .size = e->size };
    if (!e->disk)
        return true;
    out->kind = SOURCE_DISK;
    out->fd = open(e->disk, O_RDONLY | O_CLOEXEC);
    return out->fd >= 0;
}

void source_text(struct source *out, const char *p, size_t n, uint64_t size)
{
    *out = (struct source){ .kind = SOURCE_TEXT, .fd = -1, .text = p, .text_bytes = n, .size = size };
}

static bool read_disk(int fd, uint64_t at, uint8_t *out, size_t n)
{
    while (n) {
        ssize_t got = pread(fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

bool source_read(const struct source *s, uint64_t at, uint8_t *out, size_t n)
{
    if (s->kind == SOURCE_DISK)
        return read_disk(s->fd, at, out, n);
    if (s->kind == SOURCE_GEN) {
        gen_fill(s->seed, at, out, n);
        return true;
    }
    memset(out, ' ', n);
    if (at < s->text_bytes)
        memcpy(out, s->text + at, s->text_bytes - at < n ? s->text_bytes - (size_t)at : n);
    return true;
}

void source_done(struct source *s)
{
    if (s->kind == SOURCE_DISK && s->fd >= 0)
        close(s->fd);
    *s = (struct source){ .fd = -1 };
}
