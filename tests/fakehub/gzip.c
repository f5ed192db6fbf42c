#include "gzip.h"

#include "base/auto.h"

enum {
    STORED_MAX = 65535, /* RFC 1951 3.2.4: a stored block's length has 16 bits */
    MATCH_MAX = 258,    /* 3.2.5 */
};

static void add_le(struct text *out, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        text_addn(out, &(uint8_t){ (uint8_t)v }, 1);
}

/* RFC 1952 8: reflected, polynomial 0xEDB88320. */
struct sum {
    uint32_t table[256], crc;
};

static void sum_init(struct sum *s)
{
    s->crc = 0xFFFFFFFF;
    for (uint32_t i = 0; i < 256; i++) {
        s->table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            s->table[i] = s->table[i] & 1 ? s->table[i] >> 1 ^ 0xEDB88320 : s->table[i] >> 1;
    }
}

static void sum_add(struct sum *s, uint8_t byte)
{
    s->crc = s->table[(s->crc ^ byte) & 0xFF] ^ s->crc >> 8;
}

struct bits {
    struct text *out;
    uint8_t byte;
    int used;
};

static void put_bit(struct bits *b, unsigned bit)
{
    b->byte |= (uint8_t)((bit & 1) << b->used);
    if (++b->used == 8) {
        text_addn(b->out, &b->byte, 1);
        b->byte = 0;
        b->used = 0;
    }
}

/* Codes go in from their first bit on, unlike numbers. */
static void put_code(struct bits *b, unsigned code, int n)
{
    while (n--)
        put_bit(b, code >> n);
}

/* The last block, with the fixed codes of RFC 1951 3.2.6: one blank, runs of it at distance 1, single blanks. */
static void add_blanks(struct text *out, uint64_t n)
{
    struct bits b = { .out = out };
    put_bit(&b, 1); /* last */
    put_bit(&b, 1); /* type 1, low bit first */
    put_bit(&b, 0);
    if (n) {
        put_code(&b, 0x30 + ' ', 8);
        for (n--; n >= MATCH_MAX; n -= MATCH_MAX) {
            put_code(&b, 0xC0 + 285 - 280, 8);
            put_code(&b, 0, 5);
        }
        while (n--)
            put_code(&b, 0x30 + ' ', 8);
    }
    put_code(&b, 0, 7); /* end of block */
    while (b.used)
        put_bit(&b, 0);
}

void gzip_wrap(struct text *out, const uint8_t *p, size_t n, uint64_t blanks)
{
    static const uint8_t head[10] = { 0x1F, 0x8B, 8, [9] = 0xFF };
    text_addn(out, head, sizeof(head));
    for (size_t at = 0; at < n;) {
        size_t piece = MIN(n - at, (size_t)STORED_MAX);
        add_le(out, 0, 1);
        add_le(out, (uint32_t)piece, 2);
        add_le(out, ~(uint32_t)piece, 2);
        text_addn(out, p + at, piece);
        at += piece;
    }
    add_blanks(out, blanks);
    struct sum sum;
    sum_init(&sum);
    for (size_t i = 0; i < n; i++)
        sum_add(&sum, p[i]);
    for (uint64_t i = 0; i < blanks; i++)
        sum_add(&sum, ' ');
    add_le(out, ~sum.crc, 4);
    add_le(out, (uint32_t)(n + blanks), 4);
}
