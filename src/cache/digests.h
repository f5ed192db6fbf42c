/* cache/digests.h: the notebook of one unfinished file, and the receipt it becomes.
 *
 * One BLAKE3 digest per 1 MiB block that is on disk, by index; zero means absent. No log, no tail, no replay: a torn or
 * foreign entry is a missing block. The header names owner, content and what was adopted (docs/formats/digests.md).
 * One writer at a time; it takes no locks. digests_set may run on a block writer while the loop reads nothing here. */
#ifndef HFP_CACHE_DIGESTS_H
#define HFP_CACHE_DIGESTS_H

#include "base/block.h"
#include "base/digest.h"
#include "base/io.h"

static inline uint64_t blocks_of(uint64_t size_bytes)
{
    return size_bytes / BLOCK_BYTES + (size_bytes % BLOCK_BYTES != 0);
}

struct digests_owner {
    char host[64], boot_id[40];
    uint64_t pid, start_ticks; /* /proc/<pid>/stat field 22: a reused pid is not the same process */
    uint64_t pid_space;        /* inode of /proc/self/ns/pid: pids of another container mean nothing here; 0 unknown */
    int64_t heartbeat_unix_s;
};

struct digests_info {
    struct content_id id;
    uint64_t size_bytes;
    char commit[41];
    char data_suffix[9];     /* the 8 hex of the partial it belongs to */
    uint64_t adopted_blocks; /* the first N blocks came from another tool: most doubtful */
    struct digests_owner owner;
};

/* What fstat said of the published file when its content had just been proved. proved_unix_s 0: not a receipt. */
struct digests_proof {
    int64_t proved_unix_s;
    uint64_t size_bytes, inode;
    int64_t mtime_s, ctime_s;
    uint32_t mtime_ns, ctime_ns;
};

#define DIGESTS_HEADER_BYTES 512
#define DIGESTS_SIZE_MAX (UINT64_C(1) << 44) /* 16 TiB, the longest file of ext4: bounds the bitmaps to 2 MiB each */

struct digests;

/* The header as bytes, and back. Decoding: HFP_E_VERSION or HFP_E_CORRUPT. Pure. */
void digests_encode(uint8_t out[DIGESTS_HEADER_BYTES], const struct digests_info *info,
                    const struct digests_proof *proof);
int digests_decode(struct digests_info *info, struct digests_proof *proof, const uint8_t in[DIGESTS_HEADER_BYTES]);

/* Creates (fails if it exists) or opens. An unknown version is HFP_E_VERSION, damage HFP_E_CORRUPT. */
int digests_create(struct digests **out, int dir, const char *name, const struct digests_info *info,
                   struct hfp_err *err);
int digests_open(struct digests **out, int dir, const char *name, struct hfp_err *err);
void digests_close(struct digests *d); /* NULL is fine */
const struct digests_info *digests_info(const struct digests *d);
/* Rewrites the header: owner, suffix, adopted_blocks, heartbeat. */
int digests_set_info(struct digests *d, const struct digests_info *info, struct hfp_err *err);
/* The owner lives. Safe beside digests_get and digests_set of other threads, as long as nobody sets the info. */
int digests_beat(struct digests *d, int64_t unix_s, struct hfp_err *err);
const struct digests_proof *digests_proof(const struct digests *d);
int digests_set_proof(struct digests *d, const struct digests_proof *proof, struct hfp_err *err);
/* Entries that are not absent, and with bits != NULL one bit each, least significant first. */
int digests_count(const struct digests *d, uint8_t *bits, uint64_t *count, struct hfp_err *err);
/* The file under that name is still the one that is open. */
bool digests_is(const struct digests *d, int dir, const char *name);
/* Reads count entries from index first; absent ones are all zero. */
int digests_get(const struct digests *d, uint64_t first, uint64_t count, uint8_t (*out)[BLAKE3_BYTES],
                struct hfp_err *err);
/* Written at once: survives kill -9. NULL clears the entry. */
int digests_set(struct digests *d, uint64_t index, const uint8_t digest[BLAKE3_BYTES], struct hfp_err *err);
int digests_sync(struct digests *d, struct hfp_err *err); /* fdatasync; call after the data's own */

void digests_owner_self(struct digests_owner *out, int64_t unix_s);
/* Alive: same host, boot and pid space, process exists with that start time (ourselves included); or another host or
 * container with a heartbeat under 120 s old. */
bool digests_owner_alive(const struct digests_owner *o, int64_t unix_s);

#endif
