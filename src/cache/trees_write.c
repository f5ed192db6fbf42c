#include "base/utf8.h"
#include "cache/trees.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

struct sink {
    int fd, rc; /* the first failure stays; what follows is dropped */
    uint64_t at;
    size_t used;
    struct hfp_err *err;
    char buf[TREES_WINDOW];
};

static void flush(struct sink *o)
{
    if (!o->rc)
        o->rc = io_pwrite_all(o->fd, o->buf, o->used, o->at, o->err);
    o->at += o->used;
    o->used = 0;
}

static void put_bytes(struct sink *o, const char *bytes, size_t n)
{
    if (o->used + n > sizeof o->buf)
        flush(o);
    memcpy(o->buf + o->used, bytes, n);
    o->used += n;
}

PRINTF(2, 3) static void put(struct sink *o, const char *fmt, ...)
{
    char text[256]; /* the longest line below is 100 bytes */
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n < sizeof text);
    put_bytes(o, text, (size_t)n);
}

/* ASCII only, as Python's json.dumps writes it: pairs of surrogates beyond U+FFFF. */
static void put_path(struct sink *o, const char *path)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    uint32_t c;
    put(o, "\"");
    for (size_t n; (n = utf8_next(&c, path)) > 0; path += n) {
        const char *short_form = c < 0x80 ? strchr(plain, (int)c) : NULL;
        if (short_form)
            put(o, "\\%c", letter[short_form - plain]);
        else if (c >= 0x20 && c < 0x7F)
            put_bytes(o, path, 1);
        else if (c < 0x10000)
            put(o, "\\u%04x", c);
        else
            put(o, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
    }
    put(o, "\"");
}

static void put_file(struct sink *o, const struct listed_file *f)
{
    char hex[65];
    put_path(o, f->path);
    hex_encode(hex, f->git_oid, sizeof f->git_oid);
    put(o, ": {\n   \"size\": %llu,\n   \"blob_id\": \"%s\"", (unsigned long long)f->size_bytes, hex);
    if (f->lfs) {
        content_id_hex(hex, &f->id);
        put(o, ",\n   \"lfs_sha256\": \"%s\",\n   \"lfs_size\": %llu", hex, (unsigned long long)f->size_bytes);
    }
    if (f->xet) {
        hex_encode(hex, f->xet_hash, sizeof f->xet_hash);
        put(o, ",\n   \"xet_hash\": \"%s\"", hex);
    }
    put(o, "\n  }");
}

static void put_document(struct sink *o, const struct listing *l)
{
    size_t count = listing_count(l);
    put(o, "{\n \"format_version\": %d,\n \"files\": {", TREES_FORMAT_VERSION);
    for (size_t i = 0; i < count && !o->rc; i++) {
        put(o, "%s\n  ", i ? "," : "");
        put_file(o, listing_at(l, i));
    }
    put(o, "%s}\n}", count ? "\n " : "");
    flush(o);
}

static int write_tmp(int dir, const char *tmp, mode_t mode, const struct listing *l, struct hfp_err *err)
{
    AUTO_FREE struct sink *o = malloc(sizeof *o);
    if (!o)
        return err_nomem(err);
    AUTO(fd_closep) int fd = io_openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    o->fd = fd;
    o->rc = HFP_OK;
    o->at = o->used = 0;
    o->err = err;
    put_document(o, l);
    int rc = o->rc ? o->rc : io_fsync(fd, err, tmp); /* the ref that comes after it must not outlive it */
    return rc ? rc : io_close(&fd, err, tmp);
}

int trees_write(const struct store *s, const char *commit, const struct listing *l, struct hfp_err *err)
{
    char name[TREES_NAME_MAX], tmp[32];
    trees_name(name, commit);
    int dir = trees_dir(s);
    if (!s->writable || dir < 0 || s->receipts < 0)
        return HFP_OK;
    io_tmp_name(tmp, sizeof tmp, "trees"); /* not in trees/, where cache tools count files */
    int rc = store_make_parents(s, dir, name, err);
    if (!rc)
        rc = write_tmp(s->receipts, tmp, s->file_mode, l, err);
    if (!rc && io->renameat(s->receipts, tmp, dir, name) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "rename");
    if (rc) {
        io->unlinkat(s->receipts, tmp, 0);
        err_wrap(err, "%s", name);
        return rc;
    }
    store_adopt_owner(s, dir, name);
    rc = io_fsync_entry(dir, name, err);
    return rc ? rc : io_fsync_entry(dir, "trees", err); /* it may be new */
}
