#include "transfer/xet_decode.h"

#include "base/auto.h"

#include <inttypes.h>
#include <string.h>

int xet_decoder_init(struct xet_decoder *d, struct hfp_err *err)
{
    *d = (struct xet_decoder){ 0 };
    int rc = xet_stream_new(&d->stream, err);
    if (!rc)
        rc = xet_unpacker_new(&d->unpacker, err);
    if (rc)
        xet_decoder_done(d);
    return rc;
}

void xet_decoder_done(struct xet_decoder *d)
{
    xet_stream_freep(&d->stream);
    xet_unpacker_freep(&d->unpacker);
}

int xet_decoder_range(struct xet_decoder *d, const struct xet_span *span, struct hfp_err *err)
{
    xet_tree_init(&d->tree);
    d->first_chunk = d->next_chunk = span->first_chunk;
    d->end_chunk = span->end_chunk;
    d->plain_bytes = 0;
    return xet_stream_begin(d->stream, span, err);
}

void xet_decoder_term(struct xet_decoder *d, const struct xet_decode_term *t)
{
    d->term = *t;
    d->at = t->file_offset;
}

/* A chunk of the term: its place is known by the lengths of those before it. */
int xet_decoder_chunk(struct xet_decoder *d, uint32_t index, const uint8_t *plain, uint32_t bytes,
                      const struct xet_hash *hash, struct hfp_err *err)
{
    const struct xet_decode_term *t = &d->term;
    if (d->at + bytes > t->file_offset + t->unpacked_bytes)
        return err_set(err, HFP_E_PROTO,
                       "chunks %" PRIu32 " to %" PRIu32 " of a xorb hold more than the promised %" PRIu32 " bytes",
                       t->chunk_start, t->chunk_end, t->unpacked_bytes);
    d->plain = plain;
    d->plain_bytes = bytes;
    if (d->chunks < XET_DECODE_CHUNKS)
        d->chunk[d->chunks++] = (struct xet_decode_chunk){ index, xet_seen_chunk(bytes, hash), d->at };
    return d->seen ? d->seen(d->seen_ctx, t, index, d->at, bytes, hash, err) : HFP_OK;
}

static int next_chunk(struct xet_decoder *d, bool *got, const uint8_t **input, size_t *n, struct hfp_err *err)
{
    struct xet_record r;
    struct xet_hash hash;
    const uint8_t *plain;
    int rc = xet_stream_next(d->stream, &r, got, input, n, err);
    if (rc || !*got)
        return rc;
    rc = xet_unpack(d->unpacker, &plain, &r, err);
    if (rc)
        return rc;
    xet_hash_chunk(&hash, plain, r.plain_bytes);
    xet_tree_add(&d->tree, &hash, r.plain_bytes);
    d->next_chunk = r.index + 1;
    if (r.index < d->term.chunk_start || r.index >= d->term.chunk_end)
        return HFP_OK; /* a range wider than its only term */
    return xet_decoder_chunk(d, r.index, plain, r.plain_bytes, &hash, err);
}

/* Of the chunk in hand: what lies before the first wanted byte and behind the last is dropped, the rest goes out. */
static void put_out(struct xet_decoder *d, uint8_t *block)
{
    uint64_t drop = d->at < d->out ? MIN(d->out - d->at, d->plain_bytes) : 0;
    uint64_t fill = d->out % BLOCK_BYTES;
    uint64_t n = MIN(MIN(d->plain_bytes - drop, BLOCK_BYTES - fill), d->end - d->out);
    if (n > 0)
        memcpy(block + fill, d->plain + drop, (size_t)n);
    d->out += n;
    uint64_t used = d->out == d->end ? d->plain_bytes : drop + n;
    d->plain += used;
    d->plain_bytes -= (uint32_t)used;
    d->at += used;
}

bool xet_decoder_put(struct xet_decoder *d, uint8_t *block)
{
    uint64_t was = d->out;
    if (d->plain_bytes > 0)
        put_out(d, block);
    return d->out > was && (d->out % BLOCK_BYTES == 0 || d->out == d->end);
}

/* With the last term the input is over too, but for a footer, which the stream knows. */
static int term_over(struct xet_decoder *d, const uint8_t **input, size_t *n, struct hfp_err *err)
{
    const struct xet_decode_term *t = &d->term;
    struct xet_record r;
    bool got;
    if (d->at == t->file_offset + t->unpacked_bytes)
        return d->next_chunk == d->end_chunk && *n > 0 ? xet_stream_next(d->stream, &r, &got, input, n, err) : HFP_OK;
    return err_set(err, HFP_E_PROTO, "chunks %" PRIu32 " to %" PRIu32 " of a xorb hold %" PRIu64 " bytes, not %" PRIu32,
                   t->chunk_start, t->chunk_end, d->at - t->file_offset, t->unpacked_bytes);
}

int xet_decode(struct xet_decoder *d, enum xet_decode_stop *stop, uint8_t *block, const uint8_t **input, size_t *n,
               struct hfp_err *err)
{
    for (;;) {
        if (xet_decoder_put(d, block)) {
            *stop = XET_WANTS_BLOCK;
            return HFP_OK;
        }
        if (d->plain_bytes > 0)
            continue;
        if (d->next_chunk >= d->term.chunk_end) {
            *stop = XET_TERM_OVER;
            return term_over(d, input, n, err);
        }
        bool got;
        int rc = next_chunk(d, &got, input, n, err);
        if (rc)
            return rc;
        if (!got) {
            *stop = XET_WANTS_INPUT;
            return HFP_OK;
        }
    }
}

int xet_decoder_range_over(const struct xet_decoder *d, const struct xet_hash *xorb, bool *proved, struct hfp_err *err)
{
    int rc = xet_stream_end(d->stream, err);
    *proved = !rc && d->first_chunk == 0 && xet_tree_is(&d->tree, xorb);
    return rc;
}
