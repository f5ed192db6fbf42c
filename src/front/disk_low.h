/* front/disk_low.h: is a disk about to be full? Asked at each turn, looks every 10 s; true once each time it becomes so.
 * A look may wait for the disk. One thread at a time. */
#ifndef HFP_FRONT_DISK_LOW_H
#define HFP_FRONT_DISK_LOW_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_LOW_LOOK_NS 10000000000ULL

struct disk_low {
    uint64_t looked_ns;
    bool low;
};
bool disk_low_turn(struct disk_low *d, const char *folder, uint64_t to_come_bytes, uint64_t now_ns,
                   uint64_t *free_bytes);

#endif
