#include "xet/chunk_map.h"

#include "base/digest.h"
#include "base/le.h"
#include "xet/record.h"

#include <assert.h>
#include <string.h>

#define VERSION 1
#define RUN_KIND 1
#define SUM_AT 480 /* of header and run: the bytes before it are summed */
#define LENGTHS_AT 48
#define HASHES_AT (LENGTHS_AT + 3 * CHUNK_RUN_MAX)

static_assert(HASHES_AT + CHUNK_RUN_MAX * XET_HASH_BYTES <= SUM_AT, "a run is one unit");

static const char magic[8] = { 'H', 'F', 'P', 'C', 'H', 'U', 'N', 'K' };

void chunk_map_encode(uint8_t out[CHUNK_MAP_UNIT], const struct chunk_map_info *info)
{
    memset(out, 0, CHUNK_MAP_UNIT);
    memcpy(out, magic, sizeof magic);
    put_le(out + 8, VERSION, 2);
    put_le(out + 10, CHUNK_MAP_UNIT, 2);
    put_le(out + 16, info->size_bytes, 8);
    put_le(out + 24, info->sealed_runs, 8);
    memcpy(out + 32, &info->file, sizeof info->file);
    blake3_of(out + SUM_AT, out, SUM_AT);
}

int chunk_map_decode(struct chunk_map_info *out, const uint8_t in[CHUNK_MAP_UNIT])
{
    uint8_t sum[BLAKE3_BYTES];
    struct chunk_map_info info = { .size_bytes = get_le(in + 16, 8), .sealed_runs = get_le(in + 24, 8) };
    if (memcmp(in, magic, sizeof magic) != 0)
        return HFP_E_CORRUPT;
    if (get_le(in + 8, 2) != VERSION)
        return HFP_E_VERSION;
    blake3_of(sum, in, SUM_AT);
    /* Each run of a sealed map covers at least one byte. */
    if (memcmp(sum, in + SUM_AT, sizeof sum) != 0 || get_le(in + 10, 2) != CHUNK_MAP_UNIT ||
        info.size_bytes > CHUNK_MAP_SIZE_MAX || info.sealed_runs > info.size_bytes)
        return HFP_E_CORRUPT;
    memcpy(&info.file, in + 32, sizeof info.file);
    *out = info;
    return HFP_OK;
}

/* Over the file's name and the run: a run of another file, left on the disk or copied, is no run of this one. */
static void run_sum(uint8_t out[BLAKE3_BYTES], const uint8_t unit[CHUNK_MAP_UNIT], const struct chunk_map_info *info)
{
    uint8_t summed[XET_HASH_BYTES + SUM_AT];
    memcpy(summed, &info->file, XET_HASH_BYTES);
    memcpy(summed + XET_HASH_BYTES, unit, SUM_AT);
    blake3_of(out, summed, sizeof summed);
}

static bool run_is_good(const struct chunk_run *run, uint64_t size_bytes)
{
    uint64_t end = run->file_offset;
    if (run->count == 0 || run->count > CHUNK_RUN_MAX || run->first_index > XET_XORB_CHUNKS_MAX - run->count ||
        run->file_offset > size_bytes)
        return false;
    for (uint32_t i = 0; i < run->count; i++) {
        if (run->chunk[i].bytes == 0 || run->chunk[i].bytes > XET_CHUNK_MAX)
            return false;
        end += run->chunk[i].bytes;
    }
    return end <= size_bytes;
}

void chunk_run_encode(uint8_t out[CHUNK_MAP_UNIT], const struct chunk_run *run, const struct chunk_map_info *info)
{
    assert(run_is_good(run, info->size_bytes));
    memset(out, 0, CHUNK_MAP_UNIT);
    out[0] = RUN_KIND;
    out[1] = (uint8_t)run->count;
    put_le(out + 4, run->first_index, 4);
    put_le(out + 8, run->file_offset, 8);
    memcpy(out + 16, &run->xorb, sizeof run->xorb);
    for (uint32_t i = 0; i < run->count; i++) {
        put_le(out + LENGTHS_AT + 3 * i, run->chunk[i].bytes, 3);
        memcpy(out + HASHES_AT + XET_HASH_BYTES * i, &run->chunk[i].hash, XET_HASH_BYTES);
    }
    run_sum(out + SUM_AT, out, info);
}

int chunk_run_decode(struct chunk_run *out, const uint8_t in[CHUNK_MAP_UNIT], const struct chunk_map_info *info)
{
    uint8_t sum[BLAKE3_BYTES];
    struct chunk_run run = { .count = in[1] };
    if (in[0] != RUN_KIND || run.count > CHUNK_RUN_MAX)
        return HFP_E_CORRUPT;
    run_sum(sum, in, info);
    if (memcmp(sum, in + SUM_AT, sizeof sum) != 0)
        return HFP_E_CORRUPT;
    run.first_index = (uint32_t)get_le(in + 4, 4);
    run.file_offset = get_le(in + 8, 8);
    memcpy(&run.xorb, in + 16, sizeof run.xorb);
    for (uint32_t i = 0; i < run.count; i++) {
        run.chunk[i].bytes = (uint32_t)get_le(in + LENGTHS_AT + 3 * i, 3);
        memcpy(&run.chunk[i].hash, in + HASHES_AT + XET_HASH_BYTES * i, XET_HASH_BYTES);
    }
    if (!run_is_good(&run, info->size_bytes))
        return HFP_E_CORRUPT;
    *out = run;
    return HFP_OK;
}

uint64_t chunk_run_offset(const struct chunk_run *run, uint32_t i)
{
    uint64_t offset = run->file_offset;
    assert(i <= run->count);
    while (i > 0)
        offset += run->chunk[--i].bytes;
    return offset;
}

bool chunk_run_add(struct chunk_run *run, const struct chunk_place *place)
{
    assert(place->bytes > 0 && place->bytes <= XET_CHUNK_MAX && place->index < XET_XORB_CHUNKS_MAX);
    if (run->count == 0) {
        run->xorb = *place->xorb;
        run->first_index = place->index;
        run->file_offset = place->file_offset;
    } else if (run->count == CHUNK_RUN_MAX || place->index != run->first_index + run->count ||
               place->file_offset != chunk_run_offset(run, run->count) || !xet_hash_equal(place->xorb, &run->xorb)) {
        return false;
    }
    run->chunk[run->count].bytes = place->bytes;
    run->chunk[run->count].hash = *place->hash;
    run->count++;
    return true;
}
