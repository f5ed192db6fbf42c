/* memory_io.h: a few files in memory under base/io.h, so that a fuzz target reads and writes without a disk.
 *
 * Folders are not kept: a file is its path, whatever descriptor it is below. What the library may never do is checked
 * at each call: climb out of a folder, name a file by an absolute path (but for /proc), leave a descriptor open. */
#ifndef HFP_TESTS_MEMORY_IO_H
#define HFP_TESTS_MEMORY_IO_H

#include "base/io.h"

#define MEMORY_DIR 90 /* stands for any folder that the library holds open */

void memory_io_begin(void); /* installs the table; no files */
void memory_io_end(void);   /* nothing is open any more; the kernel's table is back */
/* Adds or replaces; the bytes are copied. */
void memory_put(const char *path, const void *data, size_t n);
/* NULL when there is no such file. */
const uint8_t *memory_get(const char *path, size_t *n);
/* The stat of a file that is there, to be changed at will (st_size is the content's). */
struct stat *memory_stat(const char *path);
/* Each read gives at most so many bytes; 0: all that is wanted. */
void memory_short_reads(size_t n);

#endif
