/* xet/record.h: the chunk records of a xorb's range, cut out of the bytes as they arrive.
 *
 * A record is 8 bytes of header and one chunk, plain or packed (xet/unpack.h). A signed range is a plain run of them.
 * What the headers say is checked before anything is kept: version, scheme, both lengths, that the record ends inside
 * the range, how many there are, that nothing is left over. Bytes may be split anywhere. One thread at a time; no heap
 * but the struct itself, XET_STREAM_BYTES, taken once and used for range after range.
 * Everything wrong is HFP_E_PROTO, for it came from a server. (xet-core: xorb_object/xorb_chunk_format.rs) */
#ifndef HFP_XET_RECORD_H
#define HFP_XET_RECORD_H

#include "base/err.h"
#include "xet/chunker.h"

#define XET_RECORD_HEADER 8u
#define XET_STORED_MAX (2 * XET_CHUNK_MAX) /* as the reference reader: packing never doubles a chunk */
#define XET_STREAM_BYTES (XET_STORED_MAX + 128)
#define XET_XORB_CHUNKS_MAX 16384u /* writers stop at 8192; the published text names no limit */

enum xet_scheme { XET_PLAIN, XET_LZ4, XET_BG4_LZ4 };

struct xet_record {
    uint32_t index;    /* of the chunk in its xorb */
    uint64_t range_at; /* where its header begins, counted from the first byte of the range */
    enum xet_scheme scheme;
    uint32_t stored_bytes, plain_bytes;
    const uint8_t *stored; /* in the caller's bytes, or in the stream: until the next call */
};

/* Which records a range is to hold. After a loss the rest is asked for: first_chunk and range_bytes from
 * xet_stream_done(), counted on. */
struct xet_span {
    uint32_t first_chunk, end_chunk; /* the end is exclusive */
    uint64_t range_bytes;
};

struct xet_stream;

int xet_stream_new(struct xet_stream **out, struct hfp_err *err);
void xet_stream_freep(struct xet_stream **s);
/* Begins a range; what was left of an earlier one is forgotten. HFP_E_PROTO for a span that no range can be. */
int xet_stream_begin(struct xet_stream *s, const struct xet_span *span, struct hfp_err *err);

/* Takes bytes from *data, which is moved on together with *n, until one record is whole or none are left. *got says
 * which. After an error the stream is of no more use until the next begin. A footer behind the last record is skipped. */
int xet_stream_next(struct xet_stream *s, struct xet_record *out, bool *got, const uint8_t **data, size_t *n,
                    struct hfp_err *err);
/* The answer is over: HFP_E_SHORT when records are missing. */
int xet_stream_end(const struct xet_stream *s, struct hfp_err *err);
/* Whole records so far: the index of the next one, and at which byte of the range it begins. */
void xet_stream_done(const struct xet_stream *s, uint32_t *next_chunk, uint64_t *range_bytes);

#endif
