/* The notebook of an unfinished file, as another process or a torn write may have left it. The first byte of the input
 * says what of the header is put right, so that not every input dies at its sum; then come the bytes of the file. What
 * is decoded is in bounds and encodes to itself; what is read of the entries is what is there, and no more. */
#include "memory_io.h"

#include "cache/digests.h"
#include "fuzz.h"
#include "notebook.h"

#define NAME "x.digests"
#define COUNTED_BLOCKS_MAX 65536 /* 64 GiB: one read of entries for each 1,024 of them */
#define READ_BLOCKS 5

static void info_must_hold(const struct digests_info *i)
{
    MUST(i->size_bytes <= DIGESTS_SIZE_MAX && i->adopted_blocks <= blocks_of(i->size_bytes), "sizes are in bounds");
    MUST(i->id.kind <= DIGEST_GIT_SHA1, "a hash that is known");
    MUST(!i->commit[0] || name_is_commit(i->commit), "a commit or none");
    MUST(!i->data_suffix[0] || (strlen(i->data_suffix) == 8 && !strpbrk(i->data_suffix, "/.")), "a suffix for a name");
    MUST(memchr(i->owner.host, 0, sizeof i->owner.host) && memchr(i->owner.boot_id, 0, sizeof i->owner.boot_id),
         "texts end");
}

static void header_must_hold(const uint8_t head[DIGESTS_HEADER_BYTES])
{
    struct digests_info i = { 0 }, j = { 0 };
    struct digests_proof p = { 0 }, q = { 0 };
    uint8_t a[DIGESTS_HEADER_BYTES], b[DIGESTS_HEADER_BYTES];
    int rc = digests_decode(&i, &p, head);
    if (rc) {
        MUST(rc == HFP_E_VERSION || rc == HFP_E_CORRUPT, "a header is good, damaged or of another version");
        MUST(i.size_bytes == 0 && p.proved_unix_s == 0, "nothing is written");
        return;
    }
    info_must_hold(&i);
    digests_encode(a, &i, &p);
    MUST(digests_decode(&j, &q, a) == HFP_OK, "what is encoded can be decoded");
    digests_encode(b, &j, &q);
    MUST(memcmp(a, b, sizeof a) == 0, "and encodes to the same bytes");
    MUST(j.size_bytes == i.size_bytes && j.adopted_blocks == i.adopted_blocks && content_id_equal(&i.id, &j.id) &&
             strcmp(i.commit, j.commit) == 0 && strcmp(i.data_suffix, j.data_suffix) == 0 && q.inode == p.inode &&
             strcmp(i.owner.host, j.owner.host) == 0 && j.owner.pid == i.owner.pid &&
             q.proved_unix_s == p.proved_unix_s,
         "with the same meaning");
}

/* Entries from first on: those of the file, zeros behind its end, and nothing of half an entry. */
static void entries_must_hold(const struct digests *d, uint64_t first, const uint8_t *file, size_t n)
{
    uint8_t got[READ_BLOCKS][BLAKE3_BYTES], want[READ_BLOCKS][BLAKE3_BYTES] = { 0 };
    uint64_t blocks = blocks_of(digests_info(d)->size_bytes), count = MIN(blocks - first, READ_BLOCKS);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = DIGESTS_HEADER_BYTES + (first + i) * BLAKE3_BYTES;
        if (at + BLAKE3_BYTES <= n)
            memcpy(want[i], file + at, BLAKE3_BYTES);
    }
    MUST(digests_get(d, first, count, got, NULL) == HFP_OK && memcmp(got, want, (size_t)count * BLAKE3_BYTES) == 0,
         "entries are those of the file, or absent");
}

static void count_must_hold(const struct digests *d)
{
    static uint8_t bits[COUNTED_BLOCKS_MAX / 8];
    uint64_t blocks = blocks_of(digests_info(d)->size_bytes), count = 0, ones = 0;
    if (blocks > COUNTED_BLOCKS_MAX)
        return;
    memset(bits, 0, sizeof bits);
    MUST(digests_count(d, bits, &count, NULL) == HFP_OK && count <= blocks, "no more entries than blocks");
    for (uint64_t i = 0; i < sizeof bits; i++)
        ones += (uint64_t)__builtin_popcount(bits[i]);
    MUST(ones == count, "one bit for each entry");
}

static void writing_must_hold(struct digests *d, struct hfp_err *err)
{
    uint64_t blocks = blocks_of(digests_info(d)->size_bytes);
    uint8_t digest[BLAKE3_BYTES] = { 1, 2, 3 }, got[1][BLAKE3_BYTES];
    if (blocks == 0 || blocks > COUNTED_BLOCKS_MAX)
        return;
    MUST(digests_set(d, blocks - 1, digest, err) == HFP_OK && digests_get(d, blocks - 1, 1, got, err) == HFP_OK &&
             memcmp(got[0], digest, sizeof digest) == 0,
         "an entry that is set can be read");
    MUST(digests_set(d, blocks - 1, NULL, err) == HFP_OK && digests_get(d, blocks - 1, 1, got, err) == HFP_OK &&
             got[0][0] == 0,
         "and cleared");
}

static void file_must_hold(const uint8_t *file, size_t n)
{
    struct hfp_err err = { 0 };
    struct digests *d = NULL;
    memory_put(NAME, file, n);
    int rc = digests_open(&d, MEMORY_DIR, NAME, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_VERSION || rc == HFP_E_CORRUPT, "a notebook is good, damaged or of another version");
        return;
    }
    uint64_t blocks = blocks_of(digests_info(d)->size_bytes);
    info_must_hold(digests_info(d));
    entries_must_hold(d, 0, file, n);
    entries_must_hold(d, blocks > READ_BLOCKS ? blocks - READ_BLOCKS : 0, file, n);
    entries_must_hold(d, MIN(n / BLAKE3_BYTES > 18 ? n / BLAKE3_BYTES - 18 : 0, blocks), file, n);
    count_must_hold(d);
    writing_must_hold(d, &err);
    digests_close(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    AUTO_FREE uint8_t *file = notebook_mend(data + 1, size - 1, data[0]);
    memory_io_begin();
    memory_short_reads(data[0] & MEND_SHORT_READS ? 7 : 0);
    if (size - 1 >= DIGESTS_HEADER_BYTES)
        header_must_hold(file);
    file_must_hold(file, size - 1);
    memory_io_end();
    return 0;
}
