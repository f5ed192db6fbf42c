#include "engine/blob.h"

#include "base/auto.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* The other witness of a file whose hash is wrong. The Xet store knows the same file as chunks of xorbs, under other
 * hashes: the file is laid against its reconstruction (laying.c), and what is under the name of a whole xorb need not be
 * asked for again.
 *
 *   all of it has the file's name in Xet      the two witnesses contradict each other: nothing is known of any block
 *   chunks that do not fit                    DOUBT_WRONG
 *   whole xorbs with their names              DOUBT_PROVED: asked for last
 *   the rest                                  as it was, but no longer proved
 *
 * What is proved goes into the open chunk map, so that a range that is fetched for a bad block is not fetched for the good
 * chunks in the blocks at its ends. What an earlier source has put into that map is dropped: it says what was received, and
 * that was wrong. */

enum verdict { VERDICT_NONE, VERDICT_PROVED, VERDICT_WRONG };

struct witness {
    struct blob *blob;
    struct laying *laying;
    struct xet_hash file;
    struct chunks *map;
    struct chunk_index *own;
    uint8_t *verdict;                /* enum verdict, per block */
    uint64_t proved_from, proved_to; /* the latest stretch of whole xorbs */
    uint64_t misfit_bytes;
    bool is;
};

void witness_free(struct witness *w)
{
    if (!w)
        return;
    laying_free(w->laying);
    chunks_close(w->map);
    chunk_index_free(w->own);
    free(w->verdict);
    free(w);
}

/* ---- on a worker ---- */

/* A new map: what another run or source has written is not gone on with. */
static int begin_map(struct witness *w, struct hfp_err *err)
{
    const struct partial *pt = w->blob->partial;
    struct chunk_map_info info = { .size_bytes = w->blob->file->size_bytes, .file = w->file };
    io->unlinkat(pt->dir, pt->chunks_name, 0);
    return chunks_new(&w->map, pt->dir, pt->chunks_name, &info, err);
}

static void add_proved(struct witness *w, const struct reconstruction_term *t, const struct rechunk_found *found)
{
    uint64_t at = found->proved_from;
    for (uint32_t i = 0; i < t->chunk_end; i++) {
        chunks_add(w->map, &(struct chunk_place){ &t->xorb, &found->xorb[i].hash, i, found->xorb[i].bytes, at });
        at += found->xorb[i].bytes;
    }
    if (w->proved_to != found->proved_from)
        w->proved_from = found->proved_from;
    w->proved_to = at;
    uint64_t first, end;
    blocks_within(&first, &end, w->blob->file->size_bytes, w->proved_from, w->proved_to);
    for (uint64_t i = first; i < end; i++)
        if (w->verdict[i] != VERDICT_WRONG)
            w->verdict[i] = VERDICT_PROVED;
}

static int on_term(void *ctx, const struct reconstruction_term *t, const struct rechunk_found *found,
                   struct hfp_err *err)
{
    struct witness *w = ctx;
    int rc = w->map ? HFP_OK : begin_map(w, err);
    if (rc)
        return rc;
    if (found->proved)
        add_proved(w, t, found);
    if (found->fit == RECHUNK_FITS)
        return HFP_OK;
    uint64_t end = t->file_offset + t->unpacked_bytes;
    w->misfit_bytes += t->unpacked_bytes;
    for (uint64_t i = t->file_offset / BLOCK_BYTES; i * BLOCK_BYTES < end; i++)
        w->verdict[i] = VERDICT_WRONG;
    return HFP_OK;
}

/* The map becomes a source of chunks. All blocks are on the disk. */
static int on_end(void *ctx, bool is, struct hfp_err *err)
{
    struct witness *w = ctx;
    const struct partial *pt = w->blob->partial;
    size_t bytes = (size_t)((pt->blocks + 7) / 8);
    AUTO_FREE uint8_t *all = malloc(bytes);
    w->is = is;
    if (!all || chunk_index_new(&w->own, err) != HFP_OK)
        return err_nomem(err);
    memset(all, 0xff, bytes);
    struct chunk_index_file f = { .map_dir = pt->dir,
                                  .file_dir = pt->dir,
                                  .map_name = pt->chunks_name,
                                  .file_name = pt->name,
                                  .recorded = all,
                                  .size_bytes = pt->size_bytes };
    int rc = chunk_index_add(w->own, &f, err);
    chunk_index_ready(w->own);
    return rc;
}

/* ---- on the loop ---- */

static void judge(struct witness *w)
{
    struct blob *b = w->blob;
    uint64_t doubtful_bytes = 0;
    char a[UNITS_TEXT], c[UNITS_TEXT];
    for (uint64_t i = 0; i < b->blocks; i++) {
        b->doubt[i] = w->verdict[i] == VERDICT_WRONG    ? DOUBT_WRONG
                      : w->verdict[i] == VERDICT_PROVED ? DOUBT_PROVED
                                                        : MAX(b->doubt[i], DOUBT_FETCHED);
        doubtful_bytes += b->doubt[i] == DOUBT_PROVED ? 0 : block_length(b->file->size_bytes, i);
    }
    if (w->misfit_bytes == 0 && doubtful_bytes == b->file->size_bytes)
        note_text(b->job, HFP_LOG_INFO, b->file->path,
                  "its chunks in the Xet store are no whole xorbs: all of it is in "
                  "doubt");
    else
        note_text(b->job, HFP_LOG_WARN, b->file->path,
                  "its chunks in the Xet store say where to look: %s of %s are in doubt",
                  units_bytes(a, doubtful_bytes), units_bytes(c, b->file->size_bytes));
}

static void on_over(void *ctx, const struct hfp_err *why)
{
    struct witness *w = ctx;
    struct blob *b = w->blob;
    bool heard = why->code == HFP_OK;
    if (heard && w->is) {
        note_text(
            b->job, HFP_LOG_WARN, b->file->path,
            "the content has the name that the Xet store gives it, but not the Hub's sha256: they contradict each "
            "other");
        heard = false;
    } else if (heard) {
        judge(w);
        chunks_close(b->chunks);
        b->chunks = ptr_steal(&w->map);
        chunk_index_free(b->own);
        b->own = ptr_steal(&w->own);
    } else {
        note_text(b->job, HFP_LOG_INFO, b->file->path, "the Xet store cannot say where it is wrong: %s", why->message);
    }
    witness_free(ptr_steal(&b->witness));
    repairing_witnessed(b, heard);
}

bool witness_begin(struct blob *b)
{
    struct hfp_err err;
    struct laying_spec spec = { .blob = b, .fd = b->partial->fd };
    struct witness *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    *w = (struct witness){ .blob = b, .verdict = calloc(1, (size_t)b->blocks) };
    struct laying_events events = { on_term, on_end, on_over, w };
    xet_hash_listed(&w->file, b->file);
    if (!w->verdict || laying_new(&w->laying, &spec, &events, &err) != HFP_OK) {
        witness_free(w);
        return false;
    }
    b->witness = w;
    return true;
}

uint64_t witness_turn(struct blob *b, uint64_t now_ns)
{
    struct hfp_err err;
    if (laying_silent(b->witness->laying, CAS_PATIENCE_NS, now_ns)) {
        err_set(&err, HFP_E_TIMEOUT, "no answer for %llu s", (unsigned long long)(CAS_PATIENCE_NS / NS_PER_S));
        on_over(b->witness, &err);
        return now_ns;
    }
    return laying_turn(b->witness->laying, now_ns);
}
