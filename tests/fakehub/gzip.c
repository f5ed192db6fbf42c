#include "gzip.h"

#include "base/auto.h"

enum { STORED_MAX = 65535 }; /* RFC 1951 3.2.4: a stored block's length has 16 bits */

static void add_le(struct text *out, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        text_addn(out, &(uint8_t){ (uint8_t)v }, 1);
}

/* RFC 1952 8: reflected, polynomial 0xEDB88320. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t table[256], crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xEDB88320 : table[i] >> 1;
    }
    for (size_t i = 0; i < n; i++)
        crc = table[(crc ^ p[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
}

void gzip_wrap(struct text *out, const uint8_t *p, size_t n)
{
    static const uint8_t head[10] = { 0x1F, 0x8B, 8, [9] = 0xFF };
    text_addn(out, head, sizeof(head));
    size_t at = 0;
    do {
        size_t piece = MIN(n - at, (size_t)STORED_MAX);
        add_le(out, at + piece == n, 1);
        add_le(out, (uint32_t)piece, 2);
        add_le(out, ~(uint32_t)piece, 2);
        text_addn(out, p + at, piece);
        at += piece;
    } while (at < n);
    add_le(out, crc32_of(p, n), 4);
    add_le(out, (uint32_t)n, 4);
}
