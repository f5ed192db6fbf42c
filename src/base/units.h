/* base/units.h: byte counts as people read them: decimal, two decimals (design: GB = 10^9). Pure; any thread. */
#ifndef HFP_BASE_UNITS_H
#define HFP_BASE_UNITS_H

#include <stdint.h>

#define UNITS_TEXT 32

/* "4.19 MB"; under 1000 "512 bytes". Returns out. */
const char *units_bytes(char out[UNITS_TEXT], uint64_t bytes);

#endif
