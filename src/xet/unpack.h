/* xet/unpack.h: one chunk record to the plain bytes of its chunk.
 *
 * A record is stored plain, or as one LZ4 frame, or as one LZ4 frame of grouped bytes (BG4: first bytes of all words,
 * then second, third, fourth). Any legal frame is read: linked blocks, checksums, content size, all block sizes; but no
 * dictionary, for there is none, and nothing behind its end. What a frame claims is compared with the record's header
 * before it is unpacked, and what comes out is cut off there. Everything wrong is HFP_E_PROTO.
 *
 * An unpacker belongs to one thread at a time; records of any number of streams may pass through it in turn.
 * Memory, taken once: XET_UNPACKER_BYTES. liblz4 adds what a frame's block size asks for when the frame is begun:
 * 2 * 256 KiB (+ 128 KiB for linked blocks) for what the writers of Xet make, kept for the next frame. A frame of 1 or 4
 * MiB blocks, which is legal, makes it 2 * 4 MiB + 128 KiB at the most, of which half is never touched because a whole
 * frame is handed over at once; after such a frame it is given back. (lz4: lib/lz4frame.c, dstage_init) */
#ifndef HFP_XET_UNPACK_H
#define HFP_XET_UNPACK_H

#include "xet/record.h"

/* LZ4 unpacks straight into memory that has room for a whole block: 256 KiB, the largest that writers choose. */
#define XET_FRAME_BLOCK 262144u
#define XET_UNPACKER_BYTES (XET_FRAME_BLOCK + XET_CHUNK_MAX + 64)

struct xet_unpacker;

int xet_unpacker_new(struct xet_unpacker **out, struct hfp_err *err);
void xet_unpacker_freep(struct xet_unpacker **u);

/* *plain has r->plain_bytes bytes; they lie in the unpacker, or in the record itself, until the next call for either. */
int xet_unpack(struct xet_unpacker *u, const uint8_t **plain, const struct xet_record *r, struct hfp_err *err);

/* n grouped bytes into n plain ones elsewhere. */
void xet_bg4_ungroup(uint8_t *restrict out, const uint8_t *restrict grouped, size_t n);

#endif
