/* notebook.h: makes a digests header pass its first checks, so that fuzzing reaches what lies behind them. */
#ifndef HFP_TESTS_NOTEBOOK_H
#define HFP_TESTS_NOTEBOOK_H

#include "cache/digests.h"
#include "cache/names.h"
#include "fuzz.h"

/* Bits of an input's first byte. */
#define MEND_SUM 1         /* the sum fits the header */
#define MEND_HEAD 2        /* magic, version and length are right */
#define MEND_SHORT_READS 4 /* the disk gives a few bytes at a time */

#define HEAD_SUM_AT 480 /* docs/formats/digests.md */

/* The caller frees; as long as the input. */
static inline uint8_t *notebook_mend(const uint8_t *data, size_t n, unsigned mend)
{
    static const uint8_t head[] = { 'H', 'F', 'P', 'D', 'I', 'G', 'S', 'T', 1, 0, 0, 2 };
    uint8_t *file = malloc(MAX(n, 1));
    MUST(file != NULL, "memory for a file");
    memcpy(file, data, n);
    if (n < DIGESTS_HEADER_BYTES)
        return file;
    if (mend & MEND_HEAD)
        memcpy(file, head, sizeof head);
    if (mend & MEND_SUM)
        blake3_of(file + HEAD_SUM_AT, file, HEAD_SUM_AT);
    return file;
}

#endif
