#include "cache/digests.h"

#include "base/le.h"
#include "cache/names.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define SUM_AT 480         /* BLAKE3 of the bytes before it ends the header */
#define READ_ENTRIES 1024u /* entries looked at in one read: 32 KiB on the stack */

static const char magic[8] = { 'H', 'F', 'P', 'D', 'I', 'G', 'S', 'T' };

struct digests {
    int fd;
    struct digests_info info;
    struct digests_proof proof;
};

/* Texts are NUL-padded; one without its NUL is damage. */
static bool get_text(char *out, size_t out_size, const uint8_t *b)
{
    if (!memchr(b, 0, out_size))
        return false;
    memcpy(out, b, out_size);
    return true;
}

/* docs/formats/digests.md has the table; the offsets are nowhere else. */
void digests_encode(uint8_t out[DIGESTS_HEADER_BYTES], const struct digests_info *info,
                    const struct digests_proof *proof)
{
    memset(out, 0, DIGESTS_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    put_le(out + 8, VERSION, 2);
    put_le(out + 10, DIGESTS_HEADER_BYTES, 2);
    out[12] = info->id.kind;
    put_le(out + 16, info->size_bytes, 8);
    put_le(out + 24, info->adopted_blocks, 8);
    memcpy(out + 32, info->id.bytes, digest_bytes(info->id.kind));
    memcpy(out + 64, info->commit, strnlen(info->commit, 40));
    memcpy(out + 112, info->data_suffix, strnlen(info->data_suffix, 8));
    put_le(out + 128, info->owner.pid, 8);
    put_le(out + 136, info->owner.start_ticks, 8);
    put_le(out + 144, info->owner.pid_space, 8);
    put_le(out + 152, (uint64_t)info->owner.heartbeat_unix_s, 8);
    memcpy(out + 160, info->owner.host, strnlen(info->owner.host, sizeof info->owner.host - 1));
    memcpy(out + 224, info->owner.boot_id, strnlen(info->owner.boot_id, sizeof info->owner.boot_id - 1));
    put_le(out + 264, (uint64_t)proof->proved_unix_s, 8);
    put_le(out + 272, proof->size_bytes, 8);
    put_le(out + 280, proof->inode, 8);
    put_le(out + 288, (uint64_t)proof->mtime_s, 8);
    put_le(out + 296, (uint64_t)proof->ctime_s, 8);
    put_le(out + 304, proof->mtime_ns, 4);
    put_le(out + 308, proof->ctime_ns, 4);
    blake3_of(out + SUM_AT, out, SUM_AT);
}

static bool decode_owner(struct digests_owner *o, const uint8_t *in)
{
    o->pid = get_le(in + 128, 8);
    o->start_ticks = get_le(in + 136, 8);
    o->pid_space = get_le(in + 144, 8);
    o->heartbeat_unix_s = (int64_t)get_le(in + 152, 8);
    return get_text(o->host, sizeof o->host, in + 160) && get_text(o->boot_id, sizeof o->boot_id, in + 224);
}

static bool suffix_ok(const char *s)
{
    return s[0] == 0 || (strspn(s, "0123456789abcdef") == 8 && s[8] == 0);
}

int digests_decode(struct digests_info *info, struct digests_proof *proof, const uint8_t in[DIGESTS_HEADER_BYTES])
{
    uint8_t sum[BLAKE3_BYTES];
    struct digests_info i = { 0 };
    if (memcmp(in, magic, sizeof magic) != 0)
        return HFP_E_CORRUPT;
    if (get_le(in + 8, 2) != VERSION)
        return HFP_E_VERSION;
    blake3_of(sum, in, SUM_AT);
    if (memcmp(sum, in + SUM_AT, sizeof sum) != 0 || get_le(in + 10, 2) != DIGESTS_HEADER_BYTES ||
        in[12] > DIGEST_GIT_SHA1)
        return HFP_E_CORRUPT;
    i.id.kind = in[12];
    i.size_bytes = get_le(in + 16, 8);
    i.adopted_blocks = get_le(in + 24, 8);
    memcpy(i.id.bytes, in + 32, digest_bytes(i.id.kind));
    if (i.size_bytes > DIGESTS_SIZE_MAX || i.adopted_blocks > blocks_of(i.size_bytes) ||
        !get_text(i.commit, sizeof i.commit, in + 64) || (i.commit[0] && !name_is_commit(i.commit)) ||
        !get_text(i.data_suffix, sizeof i.data_suffix, in + 112) || !suffix_ok(i.data_suffix) ||
        !decode_owner(&i.owner, in))
        return HFP_E_CORRUPT;
    *proof = (struct digests_proof){ .proved_unix_s = (int64_t)get_le(in + 264, 8),
                                     .size_bytes = get_le(in + 272, 8),
                                     .inode = get_le(in + 280, 8),
                                     .mtime_s = (int64_t)get_le(in + 288, 8),
                                     .ctime_s = (int64_t)get_le(in + 296, 8),
                                     .mtime_ns = (uint32_t)get_le(in + 304, 4),
                                     .ctime_ns = (uint32_t)get_le(in + 308, 4) };
    *info = i;
    return HFP_OK;
}

static int write_header(struct digests *d, const struct digests_info *info, const struct digests_proof *proof,
                        struct hfp_err *err)
{
    uint8_t head[DIGESTS_HEADER_BYTES];
    digests_encode(head, info, proof);
    int rc = io_pwrite_all(d->fd, head, sizeof head, 0, err);
    if (rc)
        return err_wrap(err, "digests header");
    d->info = *info;
    d->proof = *proof;
    return HFP_OK;
}

static void digests_closep(struct digests **d)
{
    digests_close(*d);
    *d = NULL;
}

int digests_create(struct digests **out, int dir, const char *name, const struct digests_info *info,
                   struct hfp_err *err)
{
    AUTO(digests_closep) struct digests *d = calloc(1, sizeof *d);
    if (!d)
        return err_nomem(err);
    d->fd = io_openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (d->fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", name);
    static const struct digests_proof none;
    int rc = write_header(d, info, &none, err);
    if (rc) {
        io->unlinkat(dir, name, 0);
        return err_wrap(err, "%s", name);
    }
    *out = ptr_steal(&d);
    return HFP_OK;
}

int digests_open(struct digests **out, int dir, const char *name, struct hfp_err *err)
{
    AUTO(digests_closep) struct digests *d = calloc(1, sizeof *d);
    if (!d)
        return err_nomem(err);
    d->fd = io_openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (d->fd < 0 && (errno == EROFS || errno == EACCES)) /* a receipt in a cache that is not ours */
        d->fd = io_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (d->fd < 0)
        return err_sys(err, errno == ENOENT ? HFP_E_NO_FILE : HFP_E_IO, errno, "open %s", name);
    uint8_t head[DIGESTS_HEADER_BYTES];
    size_t got = 0;
    int rc = io_pread_some(d->fd, head, sizeof head, 0, &got, err);
    if (rc)
        return err_wrap(err, "%s", name);
    if (got < sizeof head)
        return err_set(err, HFP_E_CORRUPT, "%s is shorter than its header", name);
    rc = digests_decode(&d->info, &d->proof, head);
    if (rc)
        return err_set(err, rc, "%s: %s", name, hfp_code_text(rc));
    *out = ptr_steal(&d);
    return HFP_OK;
}

void digests_close(struct digests *d)
{
    if (!d)
        return;
    fd_closep(&d->fd);
    free(d);
}

const struct digests_info *digests_info(const struct digests *d)
{
    return &d->info;
}

int digests_set_info(struct digests *d, const struct digests_info *info, struct hfp_err *err)
{
    return write_header(d, info, &d->proof, err);
}

int digests_beat(struct digests *d, int64_t unix_s, struct hfp_err *err)
{
    uint8_t head[DIGESTS_HEADER_BYTES];
    d->info.owner.heartbeat_unix_s = unix_s; /* no other field: others read the size meanwhile */
    digests_encode(head, &d->info, &d->proof);
    int rc = io_pwrite_all(d->fd, head, sizeof head, 0, err);
    return rc ? err_wrap(err, "digests header") : HFP_OK;
}

const struct digests_proof *digests_proof(const struct digests *d)
{
    return &d->proof;
}

int digests_set_proof(struct digests *d, const struct digests_proof *proof, struct hfp_err *err)
{
    return write_header(d, &d->info, proof, err);
}

static uint64_t entry_at(uint64_t index)
{
    return DIGESTS_HEADER_BYTES + index * BLAKE3_BYTES;
}

int digests_get(const struct digests *d, uint64_t first, uint64_t count, uint8_t (*out)[BLAKE3_BYTES],
                struct hfp_err *err)
{
    assert(count <= SIZE_MAX / BLAKE3_BYTES && first + count <= blocks_of(d->info.size_bytes));
    size_t want = (size_t)count * BLAKE3_BYTES, got = 0;
    int rc = io_pread_some(d->fd, out, want, entry_at(first), &got, err);
    if (rc)
        return err_wrap(err, "digests");
    got -= got % BLAKE3_BYTES; /* half an entry at the end was never written whole */
    memset((uint8_t *)out + got, 0, want - got);
    return HFP_OK;
}

int digests_set(struct digests *d, uint64_t index, const uint8_t digest[BLAKE3_BYTES], struct hfp_err *err)
{
    static const uint8_t absent[BLAKE3_BYTES];
    assert(index < blocks_of(d->info.size_bytes));
    int rc = io_pwrite_all(d->fd, digest ? digest : absent, BLAKE3_BYTES, entry_at(index), err);
    return rc ? err_wrap(err, "digest of block %" PRIu64, index) : HFP_OK;
}

int digests_sync(struct digests *d, struct hfp_err *err)
{
    return io_fdatasync(d->fd, err, "digests");
}

int digests_count(const struct digests *d, uint8_t *bits, uint64_t *count, struct hfp_err *err)
{
    static const uint8_t absent[BLAKE3_BYTES];
    uint8_t entries[READ_ENTRIES][BLAKE3_BYTES];
    uint64_t blocks = blocks_of(d->info.size_bytes), found = 0;
    for (uint64_t at = 0; at < blocks; at += READ_ENTRIES) {
        uint64_t n = MIN(blocks - at, READ_ENTRIES);
        int rc = digests_get(d, at, n, entries, err);
        if (rc)
            return rc;
        for (uint64_t i = 0; i < n; i++) {
            if (memcmp(entries[i], absent, sizeof absent) == 0)
                continue;
            found++;
            if (bits)
                bits[(at + i) / 8] |= (uint8_t)(1u << ((at + i) % 8));
        }
    }
    *count = found;
    return HFP_OK;
}

bool digests_is(const struct digests *d, int dir, const char *name)
{
    struct stat mine, there;
    return io->fstat(d->fd, &mine) == 0 && io->fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}
