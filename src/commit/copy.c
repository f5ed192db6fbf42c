#include "commit/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COPY_BYTES ((size_t)1 << 18) /* 256 KiB: beyond it a copy gets no faster, and several may run at once */

void copy_temp_name(char *out, size_t out_size, const char *final_name)
{
    char salt[9];
    const char *slash = strrchr(final_name, '/');
    io_salt(salt);
    snprintf(out, out_size, "%.*s.hf-pull.%s.tmp", slash ? (int)(slash - final_name) + 1 : 0, final_name, salt);
}

static int copy_and_hash(int from, int to, const struct place *p, struct hfp_err *err)
{
    AUTO_FREE uint8_t *buf = malloc(COPY_BYTES);
    AUTO(digest_freep) struct digest *hash = NULL;
    struct content_id id;
    if (!buf)
        return err_nomem(err);
    int rc = digest_new(&hash, p->id.kind, p->size_bytes, err);
    for (uint64_t at = 0; !rc && at < p->size_bytes;) {
        size_t n = (size_t)MIN(p->size_bytes - at, COPY_BYTES);
        rc = io_pread_all(from, buf, n, at, err);
        if (!rc)
            rc = digest_add(hash, buf, n, err);
        if (!rc)
            rc = io_pwrite_all(to, buf, n, at, err);
        at += n;
    }
    if (!rc)
        rc = digest_end(hash, &id, err);
    if (!rc && !content_id_equal(&id, &p->id))
        rc = err_set(err, HFP_E_CONTENT, "%s changed on disk while it was copied", p->etag);
    return rc;
}

int copy_bytes(int fd, int dir, const char *tmp, const struct place *p, struct hfp_err *err)
{
    AUTO(fd_closep) int to = io_openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (to < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    int rc = copy_and_hash(fd, to, p, err);
    if (!rc)
        rc = io_fdatasync(to, err, tmp);
    if (!rc)
        rc = io_close(&to, err, tmp);
    if (rc)
        io->unlinkat(dir, tmp, 0);
    else
        store_adopt_owner(p->store, dir, tmp);
    return rc;
}

int copy_rescue(struct partial *pt, const struct place *p, struct hfp_err *err)
{
    char salt[9], name[sizeof pt->name];
    io_salt(salt);
    snprintf(name, sizeof name, "%s.%s.incomplete", p->part_base, salt);
    int rc = copy_bytes(pt->fd, pt->dir, name, p, err);
    if (rc)
        return err_wrap(err, "rescue an unlinked partial");
    int fd = io_openat(pt->dir, name, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "open %s", name);
    fd_closep(&pt->fd);
    pt->fd = fd;
    memcpy(pt->name, name, sizeof name);
    return HFP_OK;
}
