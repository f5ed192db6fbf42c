/* base/le.h: integers in files and records: little-endian, by shift, never by casting a struct. Any thread. */
#ifndef HFP_BASE_LE_H
#define HFP_BASE_LE_H

#include <stdint.h>

static inline void put_le(uint8_t *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        b[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t get_le(const uint8_t *b, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

#endif
