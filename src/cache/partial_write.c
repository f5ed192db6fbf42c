#include "cache/partial.h"

#include <errno.h>
#include <unistd.h>

/* How bytes get into a partial: space ahead, writes through the page cache or past it, and what makes them durable.
 *
 * Past the page cache a write costs a fifth of the CPU, leaves nothing for write-back and nothing in a small cgroup. The
 * two ways never meet in one block, and blocks are whole pages, so neither sees the other's bytes stale: the kernel
 * drops the pages of a range that is written past them, and a read through the cache finds what was written. */

#define RESERVE_MAX (UINT64_C(256) << 20) /* scanners take allocated size for progress; and a kill wastes no more */
#define ALIGN_UNTOLD 4096 /* holds for disks of 512 and 4096 byte sectors; what wants more says EINVAL */

static bool fits(uint32_t memory, uint32_t offset)
{
    return memory > 0 && offset > 0 && (uint64_t)sysconf(_SC_PAGESIZE) % memory == 0 && BLOCK_BYTES % offset == 0;
}

static bool same_file(int a, int b)
{
    struct stat x, y;
    return io->fstat(a, &x) == 0 && io->fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

void partial_open_direct(struct partial *pt)
{
    uint32_t memory = ALIGN_UNTOLD, offset = ALIGN_UNTOLD;
    AUTO(fd_closep) int fd = io_openat(pt->dir, pt->name, O_WRONLY | O_DIRECT | O_NOFOLLOW | O_NONBLOCK, 0);
    /* The name may have been pruned and made anew by someone else since we opened it. */
    if (fd < 0 || !same_file(fd, pt->fd))
        return;
    io->direct_align(fd, &memory, &offset);
    if (fits(memory, offset))
        pt->direct_fd = fd_steal(&fd);
}

/* The offset or the memory is not to its taste after all, or it only pretended: no reason to fail. */
static bool refused(int sys_errno)
{
    return sys_errno == EINVAL || sys_errno == ENOTSUP || sys_errno == EOPNOTSUPP;
}

int partial_write(struct partial *pt, const void *buf, size_t n, uint64_t at, bool direct, struct hfp_err *err)
{
    if (direct && n == BLOCK_BYTES && pt->direct_fd >= 0 && !atomic_load(&pt->direct_refused)) {
        int rc = io_pwrite_all(pt->direct_fd, buf, n, at, err);
        if (!rc || !refused(err->sys_errno))
            return rc;
        atomic_store(&pt->direct_refused, true);
        err->code = HFP_OK;
    }
    int rc = io_pwrite_all(pt->fd, buf, n, at, err);
    /* Start write-back now: dirty pages of a fast line must not pile up until the kernel stops everyone. */
    if (!rc)
        io->sync_range(pt->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
    return rc;
}

int partial_reserve(struct partial *pt, uint64_t at, uint64_t bytes, struct hfp_err *err)
{
    if (at >= pt->size_bytes)
        return HFP_OK;
    bytes = MIN(MIN(bytes, RESERVE_MAX), pt->size_bytes - at);
    int rc;
    do
        rc = bytes ? io->fallocate(pt->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes) : 0;
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && (errno == ENOSPC || errno == EDQUOT))
        return err_sys(err, HFP_E_IO, errno, "reserve space for %s", pt->name);
    return HFP_OK; /* anything else: this file system cannot, and the writes will tell */
}

int partial_sync(struct partial *pt, int64_t unix_s, struct hfp_err *err)
{
    int rc = io_fdatasync(pt->fd, err, pt->name);
    if (!rc && pt->digests)
        rc = digests_beat(pt->digests, unix_s, err);
    if (!rc && pt->digests)
        rc = digests_sync(pt->digests, err);
    if (rc || pt->named)
        return rc;
    rc = io_fsync(pt->dir, err, "the folder of partials");
    if (!rc)
        rc = store_sync_folders(pt->store, err);
    pt->named = rc == HFP_OK;
    return rc;
}
