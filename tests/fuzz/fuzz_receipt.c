/* A receipt beside a file in place. Bits of the first byte put the header right (notebook.h), make it speak of our
 * content, and make the file's stat agree with it; the second byte says how the stat then differs. A receipt holds only
 * when it is ours and everything agrees: anything else costs a hash, or says that the file is not what was proved. */
#include "memory_io.h"

#include "cache/receipt.h"
#include "fuzz.h"
#include "notebook.h"

#define OURS 8   /* the place asks for the content of the header */
#define SAME 16  /* the file's stat is that of the proof */
#define OTHER 32 /* but for one bit of its hash */
#define NOW 1800000000
#define FILE_BYTES_MAX 4096 /* sizes that memory_io keeps */

static const uint8_t zeros[FILE_BYTES_MAX];

static void stat_from_proof(struct stat *st, const struct digests_proof *p, uint8_t twist)
{
    st->st_ino = p->inode + (twist == 1);
    st->st_mtim = (struct timespec){ p->mtime_s, p->mtime_ns };
    st->st_ctim = (struct timespec){ p->ctime_s, p->ctime_ns };
    st->st_mtim.tv_nsec ^= twist == 2;
    st->st_ctim.tv_nsec ^= twist == 3;
    if (twist == 4)
        st->st_mode = S_IFDIR | 0755;
}

/* The verdict by other means. */
static enum receipt_verdict expected(const struct digests_proof *p, const struct stat *st, uint64_t size)
{
    if (p->size_bytes != size || p->mtime_s != st->st_mtim.tv_sec || p->mtime_ns != (uint32_t)st->st_mtim.tv_nsec)
        return RECEIPT_BROKEN;
    return p->inode == st->st_ino && p->ctime_s == st->st_ctim.tv_sec && p->ctime_ns == (uint32_t)st->st_ctim.tv_nsec
               ? RECEIPT_HOLDS
               : RECEIPT_COPIED;
}

static void look_must_hold(const struct place *p, bool decoded, const struct digests_info *info,
                           const struct digests_proof *proof, size_t file_bytes)
{
    struct receipt_look look;
    const struct stat *st = memory_stat(p->final_name);
    receipt_look(&look, p, NULL);
    bool other = decoded && !content_id_equal(&info->id, &p->id) && proof->proved_unix_s != 0 &&
                 expected(proof, st, file_bytes) == RECEIPT_HOLDS;
    MUST(!look.other_revision || other, "only what is proved is another revision's file");
    bool regular = S_ISREG(st->st_mode) && !look.other_revision;
    MUST(look.file_present == (regular && file_bytes == p->size_bytes), "a file of the right size is present");
    MUST(look.file_wrong_size == (regular && file_bytes != p->size_bytes), "one of another size is told");
    bool ours = decoded && regular && content_id_equal(&info->id, &p->id) && info->size_bytes == p->size_bytes &&
                proof->proved_unix_s != 0;
    MUST(look.verdict == (ours ? expected(proof, st, file_bytes) : RECEIPT_ABSENT),
         "the verdict is what the stat says");
    MUST(look.verdict != RECEIPT_ABSENT || (!look.has_blocks && look.proved_unix_s == 0), "no receipt proves nothing");
    MUST(!look.has_blocks || p->size_bytes > 0, "an empty file has no blocks");
}

static void new_one_must_hold(struct place *p)
{
    struct receipt_look look;
    struct hfp_err err = { 0 };
    uint8_t blocks[1][BLAKE3_BYTES] = { { 9 } };
    MUST(receipt_write(p, blocks, blocks_of(p->size_bytes), NOW, &err) == HFP_OK,
         "a receipt can be written over any other");
    receipt_look(&look, p, NULL);
    MUST(look.verdict == RECEIPT_HOLDS && look.proved_unix_s == NOW, "and holds");
    MUST(look.has_blocks == (p->size_bytes > 0), "with its blocks");
    memory_stat(p->final_name)->st_mtim.tv_sec ^= 1;
    receipt_look(&look, p, NULL);
    MUST(look.verdict == RECEIPT_BROKEN, "until the file changes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    AUTO_FREE uint8_t *file = notebook_mend(data + 2, size - 2, data[0]);
    struct digests_info info = { 0 };
    struct digests_proof proof = { 0 };
    bool decoded = size - 2 >= DIGESTS_HEADER_BYTES && digests_decode(&info, &proof, file) == HFP_OK;
    struct store s = { .receipts = MEMORY_DIR, .blobs = MEMORY_DIR, .repo_dir = MEMORY_DIR, .writable = true };
    static struct place p;
    p = (struct place){ .store = &s, .final_dir = MEMORY_DIR, .final_name = "blob", .receipt_name = "blob.receipt" };
    if (data[0] & OURS)
        p.id = info.id;
    if (data[0] & OURS)
        p.size_bytes = info.size_bytes;
    if (data[0] & OTHER)
        p.id.bytes[0] ^= 1;
    size_t file_bytes = (size_t)MIN(p.size_bytes, FILE_BYTES_MAX);
    memory_io_begin();
    memory_short_reads(data[0] & MEND_SHORT_READS ? 7 : 0);
    memory_put(p.final_name, zeros, file_bytes);
    memory_put(p.receipt_name, file, size - 2);
    if (data[0] & SAME)
        stat_from_proof(memory_stat(p.final_name), &proof, data[1]);
    look_must_hold(&p, decoded, &info, &proof, file_bytes);
    if (file_bytes == p.size_bytes && S_ISREG(memory_stat(p.final_name)->st_mode))
        new_one_must_hold(&p);
    memory_io_end();
    return 0;
}
