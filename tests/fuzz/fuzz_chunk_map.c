/* A chunk map as another process or a torn write may have left it. The first byte says what of it is put right, so that
 * not every input dies at its sum; then come header and runs. What is decoded is in bounds, encodes to itself, and
 * can be grown from its own chunks. */
#include "base/digest.h"
#include "fuzz.h"
#include "xet/chunk_map.h"
#include "xet/record.h"

#define SUM_AT 480

static void run_must_hold(const struct chunk_run *run, const struct chunk_map_info *info, const uint8_t *unit)
{
    struct chunk_run again = { .count = 0 };
    uint8_t made[CHUNK_MAP_UNIT];
    MUST(run->count > 0 && run->count <= CHUNK_RUN_MAX, "1 to 12 chunks");
    MUST(run->first_index + run->count <= XET_XORB_CHUNKS_MAX, "indices that a xorb has");
    MUST(chunk_run_offset(run, run->count) <= info->size_bytes, "inside the file");
    for (uint32_t i = 0; i < run->count; i++) {
        struct chunk_place p = { &run->xorb, &run->chunk[i].hash, run->first_index + i, run->chunk[i].bytes,
                                 chunk_run_offset(run, i) };
        MUST(p.bytes > 0 && p.bytes <= XET_CHUNK_MAX, "chunks of a length that can be");
        MUST(chunk_run_add(&again, &p), "a run grows from its own chunks");
    }
    chunk_run_encode(made, &again, info);
    MUST(chunk_run_decode(&again, made, info) == HFP_OK, "what is encoded can be decoded");
    MUST(memcmp(made, unit, 2) == 0 && memcmp(made + 4, unit + 4, 44 + 3 * run->count) == 0 &&
             memcmp(made + 84, unit + 84, XET_HASH_BYTES * run->count) == 0,
         "and says the same");
}

static void read_run(uint8_t *unit, const struct chunk_map_info *info, bool put_right)
{
    struct chunk_run run = { .count = 77 };
    uint8_t summed[XET_HASH_BYTES + SUM_AT];
    memcpy(summed, info->file.bytes, XET_HASH_BYTES);
    memcpy(summed + XET_HASH_BYTES, unit, SUM_AT);
    if (put_right)
        blake3_of(unit + SUM_AT, summed, sizeof summed);
    int rc = chunk_run_decode(&run, unit, info);
    MUST(rc == HFP_OK || (rc == HFP_E_CORRUPT && run.count == 77), "a run, or none and nothing is written");
    if (!rc)
        run_must_hold(&run, info, unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t unit[CHUNK_MAP_UNIT] = { 0 }, made[CHUNK_MAP_UNIT];
    struct chunk_map_info info = { .size_bytes = 4242 }, again;
    if (size < 1)
        return 0;
    uint8_t right = *data++;
    size--;
    memcpy(unit, data, MIN(size, sizeof unit));
    if (right & 1)
        memcpy(unit, "HFPCHUNK\1\0\0\2", 12);
    if (right & 2)
        blake3_of(unit + SUM_AT, unit, SUM_AT);
    int rc = chunk_map_decode(&info, unit);
    if (rc) {
        MUST(rc == HFP_E_VERSION || rc == HFP_E_CORRUPT, "a header is good, damaged or of another version");
        MUST(info.size_bytes == 4242, "nothing is written");
        return 0;
    }
    MUST(info.size_bytes <= CHUNK_MAP_SIZE_MAX && info.sealed_runs <= info.size_bytes, "sizes are in bounds");
    chunk_map_encode(made, &info);
    MUST(chunk_map_decode(&again, made) == HFP_OK && memcmp(&again, &info, sizeof info) == 0, "a header reads back");
    for (size_t at = CHUNK_MAP_UNIT; at < size; at += CHUNK_MAP_UNIT) {
        memset(unit, 0, sizeof unit);
        memcpy(unit, data + at, MIN(size - at, sizeof unit)); /* the end of the file, as a short read pads it */
        read_run(unit, &info, right & 4);
    }
    return 0;
}
