/* A file to be cut, made large from few bytes: the rule, then the bytes that are repeated with a change each time round.
 * In pieces the cuts are those of the whole, by both rules. */
#include "fuzz.h"
#include "xet/chunker.h"

#define FILE_BYTES 400000u /* a few chunks of the longest kind */
#define CUTS_MAX 64

struct cuts {
    uint32_t bytes[CUTS_MAX], n;
};

static void cut(struct cuts *out, const uint8_t *file, size_t n, enum xet_rule rule, size_t first_piece)
{
    struct xet_chunker c;
    size_t piece = first_piece;
    *out = (struct cuts){ .n = 0 };
    xet_chunker_init(&c, rule);
    for (size_t at = 0; at < n;) {
        size_t end = MIN(n, at + piece);
        while (at < end) {
            uint32_t chunk;
            size_t taken = xet_chunker_feed(&c, file + at, end - at, &chunk);
            MUST(taken > 0 && taken <= end - at, "bytes are taken, no more than there are");
            at += taken;
            if (chunk)
                out->bytes[out->n++] = chunk;
        }
        piece = piece * 5 % 9973 + 1;
    }
    uint32_t last = xet_chunker_end(&c);
    if (last)
        out->bytes[out->n++] = last;
    MUST(xet_chunker_end(&c) == 0, "a file ends once");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_BYTES];
    struct cuts whole, pieces;
    uint64_t sum = 0;
    if (size < 3)
        return 0;
    enum xet_rule rule = data[0] & 1 ? XET_RULE_LEGACY : XET_RULE_CURRENT;
    size_t first = data[1] + 1u, n = data[0] & 2 ? FILE_BYTES : (data[0] + 1u) * 777;
    for (size_t i = 0, round = 0; i < n; round++)
        for (size_t j = 2; j < size && i < n; j++)
            file[i++] = (uint8_t)(data[j] + (data[j] & 1 ? round * (j | 1) : 0));
    cut(&whole, file, n, rule, n);
    cut(&pieces, file, n, rule, first);
    MUST(whole.n == pieces.n && memcmp(whole.bytes, pieces.bytes, whole.n * sizeof *whole.bytes) == 0,
         "in pieces as a whole");
    for (uint32_t i = 0; i < whole.n; i++) {
        uint32_t least = i + 1 == whole.n ? 1 : XET_CHUNK_MIN - (rule == XET_RULE_LEGACY ? 64 : 0);
        MUST(whole.bytes[i] >= least && whole.bytes[i] <= XET_CHUNK_MAX, "no chunk is too short or too long");
        sum += whole.bytes[i];
    }
    MUST(sum == n, "and together they are the file");
    return 0;
}
