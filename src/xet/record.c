#include "xet/record.h"

#include "base/auto.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const char footer_magic[7] = { 'X', 'E', 'T', 'B', 'L', 'O', 'B' };

struct xet_stream {
    struct xet_span span;
    uint32_t next_chunk;
    uint64_t done_bytes; /* of whole records */
    struct xet_record record;
    uint8_t head[XET_RECORD_HEADER];
    uint32_t head_bytes, stored_bytes; /* how much of the open record is here */
    bool footer, broken;
    uint8_t stored[XET_STORED_MAX]; /* touched only by a record that two pieces share */
};
static_assert(sizeof(struct xet_stream) <= XET_STREAM_BYTES, "as the header says");

int xet_stream_new(struct xet_stream **out, struct hfp_err *err)
{
    struct xet_stream *s = malloc(sizeof *s);
    if (!s)
        return err_nomem(err);
    s->broken = true; /* until a range is begun */
    *out = s;
    return HFP_OK;
}

void xet_stream_freep(struct xet_stream **s)
{
    free(*s);
    *s = NULL;
}

/* A record has its header and one byte of payload at the least. */
static bool fits(uint32_t chunks, uint64_t range_bytes)
{
    return range_bytes / (XET_RECORD_HEADER + 1) >= chunks;
}

static bool span_can_be(const struct xet_span *span)
{
    return span->first_chunk < span->end_chunk && span->end_chunk <= XET_XORB_CHUNKS_MAX &&
           fits(span->end_chunk - span->first_chunk, span->range_bytes);
}

int xet_stream_begin(struct xet_stream *s, const struct xet_span *span, struct hfp_err *err)
{
    s->broken = !span_can_be(span);
    if (s->broken)
        return err_set(err, HFP_E_PROTO, "chunks %" PRIu32 " to %" PRIu32 " cannot be in %" PRIu64 " bytes",
                       span->first_chunk, span->end_chunk, span->range_bytes);
    s->span = *span;
    s->next_chunk = span->first_chunk;
    s->done_bytes = 0;
    s->head_bytes = s->stored_bytes = 0;
    s->footer = false;
    return HFP_OK;
}

static int refuse(const struct xet_stream *s, struct hfp_err *err, const char *what)
{
    return err_set(err, HFP_E_PROTO, "the record of chunk %" PRIu32 " %s", s->next_chunk, what);
}

static int head_read(struct xet_stream *s, struct hfp_err *err)
{
    const uint8_t *b = s->head;
    struct xet_record r = { .index = s->next_chunk, .range_at = s->done_bytes, .scheme = (enum xet_scheme)b[4] };
    r.stored_bytes = (uint32_t)get_le(b + 1, 3);
    r.plain_bytes = (uint32_t)get_le(b + 5, 3);
    if (memcmp(b, footer_magic, sizeof footer_magic) == 0)
        return refuse(s, err, "is missing: the xorb ends before it");
    if (b[0] != 0)
        return refuse(s, err, "has an unknown version");
    if (b[4] > XET_BG4_LZ4)
        return refuse(s, err, "has an unknown scheme");
    if (r.plain_bytes == 0 || r.plain_bytes > XET_CHUNK_MAX || r.stored_bytes == 0 || r.stored_bytes > XET_STORED_MAX ||
        (b[4] == XET_PLAIN && r.stored_bytes != r.plain_bytes))
        return refuse(s, err, "has a length that cannot be");
    uint64_t left = s->span.range_bytes - s->done_bytes, taken = XET_RECORD_HEADER + r.stored_bytes;
    if (left < taken || !fits(s->span.end_chunk - s->next_chunk - 1, left - taken))
        return refuse(s, err, "does not fit into its range with those after it");
    s->record = r;
    return HFP_OK;
}

static size_t take(uint8_t *to, uint32_t *have, uint32_t want, const uint8_t **data, size_t *n)
{
    size_t taken = MIN(*n, want - *have);
    memcpy(to + *have, *data, taken);
    *have += (uint32_t)taken;
    *data += taken;
    *n -= taken;
    return taken;
}

/* Behind the last record: nothing, or the footer of a whole xorb, of which only the beginning is looked at. */
static int tail_read(struct xet_stream *s, const uint8_t **data, size_t *n, struct hfp_err *err)
{
    if (*n == 0)
        return HFP_OK;
    take(s->head, &s->head_bytes, sizeof footer_magic, data, n);
    s->footer = s->head_bytes == sizeof footer_magic;
    if (s->done_bytes == s->span.range_bytes || memcmp(s->head, footer_magic, s->head_bytes) != 0)
        return err_set(err, HFP_E_PROTO, "the range has more in it than its %" PRIu32 " records",
                       s->span.end_chunk - s->span.first_chunk);
    if (s->footer) {
        *data += *n;
        *n = 0;
    }
    return HFP_OK;
}

static int step(struct xet_stream *s, bool *got, const uint8_t **data, size_t *n, struct hfp_err *err)
{
    if (s->next_chunk == s->span.end_chunk)
        return tail_read(s, data, n, err);
    if (s->head_bytes < XET_RECORD_HEADER) {
        take(s->head, &s->head_bytes, XET_RECORD_HEADER, data, n);
        if (s->head_bytes < XET_RECORD_HEADER)
            return HFP_OK;
        int rc = head_read(s, err);
        if (rc)
            return rc;
    }
    if (s->stored_bytes == 0 && *n >= s->record.stored_bytes) { /* whole in the caller's bytes: not copied */
        s->record.stored = *data;
        *data += s->record.stored_bytes;
        *n -= s->record.stored_bytes;
        *got = true;
    } else {
        s->record.stored = s->stored;
        take(s->stored, &s->stored_bytes, s->record.stored_bytes, data, n);
        *got = s->stored_bytes == s->record.stored_bytes;
    }
    return HFP_OK;
}

int xet_stream_next(struct xet_stream *s, struct xet_record *out, bool *got, const uint8_t **data, size_t *n,
                    struct hfp_err *err)
{
    *got = false;
    int rc = s->broken ? err_set(err, HFP_E_PROTO, "the range was given up") : step(s, got, data, n, err);
    s->broken = rc != HFP_OK;
    if (!*got)
        return rc;
    *out = s->record;
    s->done_bytes += XET_RECORD_HEADER + s->record.stored_bytes;
    s->next_chunk++;
    s->head_bytes = s->stored_bytes = 0;
    return HFP_OK;
}

int xet_stream_end(const struct xet_stream *s, struct hfp_err *err)
{
    if (s->broken)
        return err_set(err, HFP_E_PROTO, "the range was given up");
    if (s->next_chunk < s->span.end_chunk)
        return err_set(err, HFP_E_SHORT, "the answer ended before chunk %" PRIu32 " of %" PRIu32 " to %" PRIu32,
                       s->next_chunk, s->span.first_chunk, s->span.end_chunk);
    if (s->done_bytes < s->span.range_bytes && !s->footer)
        return err_set(err, HFP_E_PROTO, "the records end before their range does");
    return HFP_OK;
}

void xet_stream_done(const struct xet_stream *s, uint32_t *next_chunk, uint64_t *range_bytes)
{
    *next_chunk = s->next_chunk;
    *range_bytes = s->done_bytes;
}
