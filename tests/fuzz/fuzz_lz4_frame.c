/* The LZ4 frame of one chunk record: scheme, plain length (3 bytes), then the frame. It is unpacked as liblz4 unpacks it
 * piece by piece, or refused; and nothing of it is left for the next one. */
#include "lz4_oracle.h"

/* The word "abc" as the reference would write it. */
static const uint8_t plain_frame[] = { 0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 3, 0,
                                       0,    0x80, 'a',  'b',  'c',  0,    0,    0, 0 };

static void next_must_be_good(struct xet_unpacker *u)
{
    struct xet_record r = { .scheme = XET_LZ4, .stored_bytes = sizeof plain_frame, .plain_bytes = 3 };
    const uint8_t *plain = NULL;
    r.stored = plain_frame;
    MUST(!xet_unpack(u, &plain, &r, NULL) && memcmp(plain, "abc", 3) == 0, "the next record is read as if alone");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(xet_unpacker_freep) struct xet_unpacker *u = NULL;
    if (size < 5 || size - 4 > XET_STORED_MAX)
        return 0;
    struct xet_record r = { .scheme = data[0] & 1 ? XET_LZ4 : XET_BG4_LZ4, .stored_bytes = (uint32_t)size - 4 };
    r.plain_bytes = (uint32_t)get_le(data + 1, 3) % XET_CHUNK_MAX + 1;
    r.stored = data + 4;
    MUST(!xet_unpacker_new(&u, NULL), "memory");
    unpack_must_hold(u, &r);
    next_must_be_good(u);
    unpack_must_hold(u, &r);
    return 0;
}
