#include "front/disk_low.h"

#include <sys/statvfs.h>

#define DISK_SPARE_BYTES (1ULL << 30) /* what others on the disk need to go on */

bool disk_low_turn(struct disk_low *d, const char *folder, uint64_t to_come_bytes, uint64_t now, uint64_t *free_bytes)
{
    struct statvfs v;
    if ((d->looked_ns && now - d->looked_ns < DISK_LOW_LOOK_NS) || statvfs(folder, &v) < 0)
        return false;
    bool was = d->low;
    d->looked_ns = now;
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    d->low = *free_bytes < DISK_SPARE_BYTES || *free_bytes - DISK_SPARE_BYTES < to_come_bytes;
    return d->low && !was;
}
