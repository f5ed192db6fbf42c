#include "gen.h"

#include <string.h>

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014); constants of Vigna's splitmix64.c. */
uint64_t gen_word(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void put_le64(uint8_t out[static 8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

void gen_fill(uint64_t seed, uint64_t first, uint8_t *out, size_t n)
{
    uint8_t word[8];
    uint64_t w = first / 8;
    size_t skip = first % 8, done = 0;
    if (skip) {
        put_le64(word, gen_word(seed, w++));
        done = 8 - skip < n ? 8 - skip : n;
        memcpy(out, word + skip, done);
    }
    for (; n - done >= 8; done += 8)
        put_le64(out + done, gen_word(seed, w++));
    if (done < n) {
        put_le64(word, gen_word(seed, w));
        memcpy(out + done, word, n - done);
    }
}
