#include "verify/rechunk.h"

#include "base/auto.h"
#include "base/block.h"
#include "base/io.h"
#include "xet/chunker.h"
#include "xet/record.h"
#include "xet/tree.h"

#include <inttypes.h>
#include <string.h>

struct rechunk {
    struct rechunk_spec spec;
    uint64_t at;
    bool misfit;          /* any so far */
    struct xet_tree file; /* over all chunks */
    /* the xorb that the terms have followed from its chunk 0 */
    bool following;
    struct xet_tree xorb;
    struct xet_hash xorb_name;
    uint32_t xorb_next;
    uint64_t xorb_from; /* in the file */
    uint8_t *buf;
    uint32_t plain_bytes; /* in plain: of the chunk that is open */
    uint8_t plain[XET_CHUNK_MAX];
    /* By index in the xorb, so that those of its earlier terms are still there when the last one proves them all. */
    struct rechunk_chunk chunk[XET_XORB_CHUNKS_MAX];
};

int rechunk_new(struct rechunk **out, const struct rechunk_spec *spec, struct hfp_err *err)
{
    struct rechunk *r = calloc(1, sizeof *r);
    if (r)
        r->buf = malloc(BLOCK_BYTES);
    if (!r || !r->buf) {
        rechunk_free(r);
        return err_nomem(err);
    }
    r->spec = *spec;
    xet_tree_init(&r->file);
    *out = r;
    return HFP_OK;
}

void rechunk_free(struct rechunk *r)
{
    if (!r)
        return;
    free(r->buf);
    free(r);
}

void rechunk_freep(struct rechunk **r)
{
    rechunk_free(ptr_steal(r));
}

uint64_t rechunk_at(const struct rechunk *r)
{
    return r->at;
}

/* One cut of a term while its bytes pass. */
struct cutting {
    struct rechunk *r;
    struct xet_chunker chunker;
    struct rechunk_chunk *chunk; /* where the term's begin */
    uint32_t count, most;
};

/* false: there is a chunk more than the term has. */
static bool chunk_over(struct cutting *c)
{
    struct rechunk *r = c->r;
    if (c->count == c->most)
        return false;
    c->chunk[c->count].bytes = r->plain_bytes;
    xet_hash_chunk(&c->chunk[c->count++].hash, r->plain, r->plain_bytes);
    r->plain_bytes = 0;
    return true;
}

static bool feed(struct cutting *c, const uint8_t *data, size_t n)
{
    struct rechunk *r = c->r;
    while (n > 0) {
        uint32_t chunk;
        size_t took = xet_chunker_feed(&c->chunker, data, n, &chunk);
        memcpy(r->plain + r->plain_bytes, data, took); /* the chunker ends a chunk at XET_CHUNK_MAX */
        r->plain_bytes += (uint32_t)took;
        data += took;
        n -= took;
        if (chunk > 0 && !chunk_over(c))
            return false;
    }
    return true;
}

/* The end of a term is the end of a chunk: in the file that the chunk comes from it may have been the last one. */
static int cut(bool *fits, struct rechunk *r, const struct reconstruction_term *t, enum xet_rule rule, bool again,
               struct hfp_err *err)
{
    struct cutting c = { .r = r, .chunk = r->chunk + t->chunk_start, .most = t->chunk_end - t->chunk_start };
    uint64_t end = t->file_offset + t->unpacked_bytes;
    xet_chunker_init(&c.chunker, rule);
    r->plain_bytes = 0;
    *fits = true;
    for (uint64_t at = t->file_offset; at < end && *fits;) {
        if (r->spec.stop && atomic_load(r->spec.stop))
            return err_set(err, HFP_E_CANCELLED, "cancelled");
        size_t n = (size_t)MIN(BLOCK_BYTES, end - at);
        int rc = io_pread_all(r->spec.fd, r->buf, n, at, err);
        if (rc)
            return rc;
        if (r->spec.read_bytes && !again)
            atomic_fetch_add(r->spec.read_bytes, n);
        *fits = feed(&c, r->buf, n);
        at += n;
    }
    if (*fits && xet_chunker_end(&c.chunker) > 0)
        *fits = chunk_over(&c);
    *fits = *fits && c.count == c.most;
    return HFP_OK;
}

/* Whole xorbs are mostly one term, but a slice may end inside one and others may lie between. */
static void follow_xorb(struct rechunk_found *out, struct rechunk *r, const struct reconstruction_term *t)
{
    bool goes_on = r->following && r->xorb_next == t->chunk_start && xet_hash_equal(&r->xorb_name, &t->xorb);
    if (!goes_on) {
        r->following = t->chunk_start == 0;
        r->xorb_name = t->xorb;
        r->xorb_from = t->file_offset;
        xet_tree_init(&r->xorb);
    }
    if (!r->following)
        return;
    for (uint32_t i = 0; i < out->count; i++)
        xet_tree_add(&r->xorb, &out->chunk[i].hash, out->chunk[i].bytes);
    r->xorb_next = t->chunk_end;
    out->proved = xet_tree_is(&r->xorb, &t->xorb);
    out->proved_from = r->xorb_from;
    out->xorb = r->chunk;
}

int rechunk_term(struct rechunk_found *out, struct rechunk *r, const struct reconstruction_term *t, struct hfp_err *err)
{
    bool fits;
    if (t->file_offset != r->at || t->unpacked_bytes > r->spec.size_bytes - r->at)
        return err_set(err, HFP_E_PROTO, "a term at %" PRIu64 " does not follow at %" PRIu64, t->file_offset, r->at);
    enum xet_rule first = r->spec.legacy_first ? XET_RULE_LEGACY : XET_RULE_CURRENT;
    int rc = cut(&fits, r, t, first, false, err);
    if (!rc && !fits)
        rc = cut(&fits, r, t, r->spec.legacy_first ? XET_RULE_CURRENT : XET_RULE_LEGACY, true, err);
    if (rc)
        return rc;
    r->at += t->unpacked_bytes;
    *out = (struct rechunk_found){ .fit = fits ? RECHUNK_FITS : RECHUNK_MISFIT };
    if (!fits) {
        r->misfit = true;
        r->following = false;
        return HFP_OK;
    }
    out->count = t->chunk_end - t->chunk_start;
    out->chunk = r->chunk + t->chunk_start;
    for (uint32_t i = 0; i < out->count; i++)
        xet_tree_add(&r->file, &out->chunk[i].hash, out->chunk[i].bytes);
    follow_xorb(out, r, t);
    return HFP_OK;
}

bool rechunk_is(const struct rechunk *r, const struct xet_hash *file)
{
    struct xet_hash name;
    if (r->misfit || r->at != r->spec.size_bytes)
        return false;
    xet_tree_file(&name, &r->file);
    return xet_hash_equal(&name, file);
}
