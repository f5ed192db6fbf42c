/* gen.h: file content that needs no disk and no memory.
 *
 * Byte i of a generated file is byte (i mod 8), little-endian, of word i / 8; word w is splitmix64's output for state
 * seed + (w + 1) * 0x9E3779B97F4A7C15. Random access, so any range of a file of any size costs only its own length.
 * tests/scenario/hub.py holds the same function. */
#ifndef FAKEHUB_GEN_H
#define FAKEHUB_GEN_H

#include <stddef.h>
#include <stdint.h>

uint64_t gen_word(uint64_t seed, uint64_t index);
void gen_fill(uint64_t seed, uint64_t first, uint8_t *out, size_t n);

#endif
