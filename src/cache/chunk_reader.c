#include "cache/chunk_reader.h"

#include "base/io.h"

void chunk_reader_begin(struct chunk_reader *r, const struct chunk_hit *hit)
{
    const struct chunk_source *s = hit->source;
    *r = (struct chunk_reader){ .hit = *hit };
    r->map = io_openat(s->map_dir, s->map_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    /* A blob may be a link into a shared store; what it leads to is hashed as any other. */
    r->file = io_openat(s->file_dir, s->file_name, O_RDONLY | O_NONBLOCK, 0);
}

void chunk_reader_end(struct chunk_reader *r)
{
    fd_closep(&r->map);
    fd_closep(&r->file);
}

/* The run with the next chunk. The map may be another one by now: then it says something else. */
static int load_run(struct chunk_reader *r, struct hfp_err *err)
{
    const struct chunk_hit *h = &r->hit;
    uint8_t unit[CHUNK_MAP_UNIT];
    if (r->run_number == h->run)
        return HFP_OK;
    int rc = io_pread_all(r->map, unit, sizeof unit, h->run * CHUNK_MAP_UNIT, err);
    if (rc)
        return rc;
    if (chunk_run_decode(&r->run, unit, &h->source->info) != HFP_OK || h->run_at >= r->run.count ||
        r->run.first_index + h->run_at != h->index || !xet_hash_equal(&r->run.xorb, &h->xorb))
        return err_set(err, HFP_E_CORRUPT, "%s has changed", h->source->map_name);
    r->run_number = h->run;
    return HFP_OK;
}

int chunk_reader_next(struct chunk_reader *r, uint8_t plain[XET_CHUNK_MAX], uint32_t *bytes, struct xet_hash *hash,
                      struct hfp_err *err)
{
    struct chunk_hit *h = &r->hit;
    if (r->map < 0 || r->file < 0)
        return err_set(err, HFP_E_NO_FILE, "%s or its map is gone", h->source->file_name);
    int rc = load_run(r, err);
    if (rc)
        return rc;
    *bytes = r->run.chunk[h->run_at].bytes;
    /* Plain reads: the bytes pass through our hands for their hash, and later for that of the whole file, so a clone of
     * the extents would save none of the reading, and of the writing only what lies in whole file system blocks. */
    rc = io_pread_all(r->file, plain, *bytes, chunk_run_offset(&r->run, h->run_at), err);
    if (rc)
        return rc;
    xet_hash_chunk(hash, plain, *bytes);
    if (!xet_hash_equal(hash, &r->run.chunk[h->run_at].hash))
        return err_set(err, HFP_E_CONTENT, "a chunk of %s has changed on the disk", h->source->file_name);
    h->index++;
    h->count--;
    if (++h->run_at == CHUNK_RUN_MAX) {
        h->run_at = 0;
        h->run++;
    }
    return HFP_OK;
}
