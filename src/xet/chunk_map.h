/* xet/chunk_map.h: the chunk map: which chunk of which xorb lies where in a file that came over Xet.
 *
 * Beside a partial it tells after a kill which chunks need not be fetched again; beside a finished file it tells where a
 * chunk of another revision can be copied from, and with which hash each chunk can be proved. Here are only its bytes:
 * header and runs, encoded and decoded; who reads and writes the file is to the right. docs/formats/chunks.md has the
 * tables; the offsets are nowhere else but in chunk_map.c. Pure, any thread, no heap.
 *
 * A run is up to CHUNK_RUN_MAX chunks that follow one another both in the file and in their xorb. It is CHUNK_MAP_UNIT
 * bytes, one sector, speaks for itself and carries a sum over the file's name too: a run that is torn, foreign or
 * damaged is HFP_E_CORRUPT, and its chunks are missing chunks. What a run says is what was received, not what is right:
 * who uses it hashes the bytes again. */
#ifndef HFP_XET_CHUNK_MAP_H
#define HFP_XET_CHUNK_MAP_H

#include "base/err.h"
#include "xet/chunker.h"
#include "xet/hash.h"

#define CHUNK_MAP_UNIT 512u /* the header and each run: the piece of a disk that is written whole or not at all */
#define CHUNK_RUN_MAX 12u
#define CHUNK_MAP_SIZE_MAX (UINT64_C(1) << 44) /* 16 TiB, as for digests files */

struct chunk_map_info {
    uint64_t size_bytes;  /* of the file */
    struct xet_hash file; /* its name in Xet */
    uint64_t
        sealed_runs; /* 0: open, runs as they came. Else: proved; so many runs, in file order, no gap, no overlap */
};

struct chunk_run {
    struct xet_hash xorb;
    uint32_t first_index; /* in the xorb, of chunk 0 of the run */
    uint32_t count;
    uint64_t file_offset; /* of chunk 0 */
    struct {
        uint32_t bytes;
        struct xet_hash hash;
    } chunk[CHUNK_RUN_MAX];
};

void chunk_map_encode(uint8_t out[CHUNK_MAP_UNIT], const struct chunk_map_info *info);
/* HFP_E_CORRUPT, or HFP_E_VERSION for a newer format. */
int chunk_map_decode(struct chunk_map_info *out, const uint8_t in[CHUNK_MAP_UNIT]);

/* The run is one that chunk_run_add() made, inside the file. */
void chunk_run_encode(uint8_t out[CHUNK_MAP_UNIT], const struct chunk_run *run, const struct chunk_map_info *info);
int chunk_run_decode(struct chunk_run *out, const uint8_t in[CHUNK_MAP_UNIT], const struct chunk_map_info *info);

/* A chunk as it was written to the file. bytes is 1 to XET_CHUNK_MAX. */
struct chunk_place {
    const struct xet_hash *xorb, *hash;
    uint32_t index, bytes;
    uint64_t file_offset;
};
/* Begins a run (count 0) or goes on with it; false when the chunk does not follow, or the run is full: write it out
 * and begin another. */
bool chunk_run_add(struct chunk_run *run, const struct chunk_place *place);
/* Where chunk i of the run begins in the file; i == count gives the end of the run. */
uint64_t chunk_run_offset(const struct chunk_run *run, uint32_t i);

#endif
