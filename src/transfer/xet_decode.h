/* transfer/xet_decode.h: from the bytes of a signed range to the bytes of the file.
 *
 * A decoder is one file's: it takes the stored bytes of one signed range after another, in order, and fills block
 * buffers with what they are in the file. A turn runs on a worker and touches the decoder, the input and the block it
 * was lent; between turns the decoder is the loop's. Memory: one record and two chunks (xet/record.h, xet/unpack.h). */
#ifndef HFP_TRANSFER_XET_DECODE_H
#define HFP_TRANSFER_XET_DECODE_H

#include "base/block.h"
#include "transfer/xet_seen.h"
#include "xet/record.h"
#include "xet/tree.h"
#include "xet/unpack.h"

/* The chunks of a term that are to be put out. */
struct xet_decode_term {
    struct xet_hash xorb;
    uint32_t chunk_start, chunk_end;
    uint64_t file_offset; /* of chunk_start */
    uint32_t unpacked_bytes;
};

/* A chunk as it was found, for who keeps a map. Called on the worker. HFP_OK goes on. */
typedef int xet_chunk_seen(void *ctx, const struct xet_decode_term *t, uint32_t index, uint64_t file_offset,
                           uint32_t bytes, const struct xet_hash *hash, struct hfp_err *err);

/* A chunk that a turn has put its hand on, and where it goes. */
struct xet_decode_chunk {
    uint32_t index;
    struct xet_seen_chunk seen;
    uint64_t at;
};
#define XET_DECODE_CHUNKS                                                                                              \
    160u /* of one turn: a block of the shortest chunks that writers make, and some; others go unsaid */

struct xet_decoder {
    struct xet_stream *stream;
    struct xet_unpacker *unpacker;
    /* of the signed range */
    struct xet_tree tree;
    uint32_t first_chunk, end_chunk; /* of the range */
    uint32_t next_chunk;             /* that the stream gives */
    /* of the term */
    struct xet_decode_term term;
    uint64_t at; /* file offset of the next plain byte */
    /* of the chunk in hand: in the unpacker or in the input */
    const uint8_t *plain;
    uint32_t plain_bytes;
    /* of the file */
    uint64_t out; /* the next byte to put out: earlier ones are dropped */
    uint64_t end; /* exclusive; later ones are dropped */
    xet_chunk_seen *seen;
    void *seen_ctx;
    struct xet_decode_chunk chunk[XET_DECODE_CHUNKS]; /* of the term, since who takes them made chunks 0 */
    uint32_t chunks;
};

int xet_decoder_init(struct xet_decoder *d, struct hfp_err *err);
void xet_decoder_done(struct xet_decoder *d); /* fine on zeros */
/* Begins a signed range at its first byte, or (after a loss) at the beginning of record first_chunk of it. */
int xet_decoder_range(struct xet_decoder *d, const struct xet_span *span, struct hfp_err *err);
void xet_decoder_term(struct xet_decoder *d, const struct xet_decode_term *t);

enum xet_decode_stop {
    XET_WANTS_INPUT, /* all of it is used */
    XET_WANTS_BLOCK, /* the block is full, or the end is reached */
    XET_TERM_OVER,   /* all its chunks were put out or dropped */
};
/* Uses input until one of the above. block is the buffer of the block that holds d->out; NULL when
 * d->out is d->end. HFP_E_PROTO: what came is not
 * what was promised. */
int xet_decode(struct xet_decoder *d, enum xet_decode_stop *stop, uint8_t *block, const uint8_t **input, size_t *n,
               struct hfp_err *err);
/* A chunk that came from elsewhere, and its hash is right: as if it had been decoded. The bytes stay until they are
 * used. */
int xet_decoder_chunk(struct xet_decoder *d, uint32_t index, const uint8_t *plain, uint32_t bytes,
                      const struct xet_hash *hash, struct hfp_err *err);
/* Puts out what there is of the chunk in hand; true: the block is full, or the end is reached. */
bool xet_decoder_put(struct xet_decoder *d, uint8_t *block);
/* The range is over: did it hold what it must, and is it a whole xorb whose name is right? Only a true *proved says
 * something: a file may use only a part of a xorb. */
int xet_decoder_range_over(const struct xet_decoder *d, const struct xet_hash *xorb, bool *proved, struct hfp_err *err);

#endif
