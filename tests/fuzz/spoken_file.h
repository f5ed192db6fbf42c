/* spoken_file.h: a file that the program can open by its path, and that never touches a disk. */
#ifndef HFP_TESTS_SPOKEN_FILE_H
#define HFP_TESTS_SPOKEN_FILE_H

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* The path of a file with these bytes; the same file each time. */
static inline const char *spoken_file(const void *data, size_t n)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    MUST(fd >= 0 && ftruncate(fd, 0) == 0 && (n == 0 || pwrite(fd, data, n, 0) == (ssize_t)n), "a file for the input");
    return path;
}

#endif
