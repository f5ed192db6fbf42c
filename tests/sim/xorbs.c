#include "sim.h"

#include "xet/tree.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The Xet store: files are made of chunks in xorbs, one xorb for each file that has chunks of its own, the rest borrowed
 * from earlier files. The CAS at cas.sim says how a range of a file is made, xorb.sim serves signed ranges of xorbs. The
 * chunks are short and lie in their records as they are: random bytes do not pack. In worlds that share (sim->shares) half
 * of each file is what stands in earlier ones or in itself: the same terms again, or any chunks. There the CAS signs what
 * is asked for and no more. */

#define CHUNK_LEAST 200
#define CHUNK_MOST 6000
#define TERM_CHUNKS_MAX 6
#define LONG_TERM_CHUNKS 40
#define SHARED_TERMS_MAX 5
#define RECORD_HEADER 8

static void add_chunk(struct sim_xorb *o, const uint8_t *plain, uint32_t bytes)
{
    const uint8_t head[RECORD_HEADER] = { 0, (uint8_t)bytes, (uint8_t)(bytes >> 8), 0,
                                          0, (uint8_t)bytes, (uint8_t)(bytes >> 8), 0 };
    o->data = realloc(o->data, (size_t)o->n + RECORD_HEADER + bytes);
    memcpy(o->data + o->n, head, RECORD_HEADER);
    memcpy(o->data + o->n + RECORD_HEADER, plain, bytes);
    o->chunk = realloc(o->chunk, (o->chunks + 1) * sizeof *o->chunk);
    o->chunk[o->chunks++] = (struct sim_chunk){ .at = o->n, .bytes = bytes };
    o->n += RECORD_HEADER + bytes;
}

static void add_term(struct sim_file *f, unsigned xorb, unsigned start, unsigned end)
{
    f->term = realloc(f->term, (f->terms + 1) * sizeof *f->term);
    f->term[f->terms++] = (struct sim_term){ xorb, start, end };
}

static uint64_t term_bytes(const struct sim_term *t)
{
    uint64_t bytes = 0;
    for (unsigned k = t->start; k < t->end; k++)
        bytes += sim->file[t->xorb].xorb.chunk[k].bytes;
    return bytes;
}

/* Chunks of an earlier file, behind one of its own, become part of this one's content, as many as there is room for. */
static uint64_t borrow(struct sim_file *f, unsigned from, uint64_t at)
{
    const struct sim_xorb *o = &sim->file[from].xorb;
    if (o->chunks == 0)
        return at;
    unsigned most = sim->shares && sim_random(4) == 0 ? LONG_TERM_CHUNKS : TERM_CHUNKS_MAX;
    unsigned start = (unsigned)sim_random(o->chunks), end = start;
    while (end < o->chunks && end - start < most && at + o->chunk[end].bytes <= f->size_bytes) {
        memcpy(f->content + at, o->data + o->chunk[end].at + RECORD_HEADER, o->chunk[end].bytes);
        at += o->chunk[end++].bytes;
    }
    if (end > start)
        add_term(f, from, start, end);
    return at;
}

static uint64_t own(struct sim_file *f, unsigned i, uint64_t at)
{
    unsigned start = f->xorb.chunks;
    uint64_t most = sim->shares && sim_random(8) == 0 ? LONG_TERM_CHUNKS : TERM_CHUNKS_MAX;
    for (uint64_t n = 1 + sim_random(most); n > 0 && at < f->size_bytes; n--) {
        uint64_t bytes = CHUNK_LEAST + sim_random(CHUNK_MOST - CHUNK_LEAST);
        bytes = MIN(bytes, f->size_bytes - at);
        add_chunk(&f->xorb, f->content + at, (uint32_t)bytes);
        at += bytes;
    }
    add_term(f, i, start, f->xorb.chunks);
    return at;
}

/* Terms of this file or an earlier one once more, one behind another as they stand there. */
static uint64_t repeat(struct sim_file *f, const struct sim_file *of, uint64_t at)
{
    unsigned from = (unsigned)sim_random(of->terms), most = 1 + (unsigned)sim_random(SHARED_TERMS_MAX);
    for (unsigned i = from; i < of->terms && i - from < most; i++) {
        const struct sim_term t = of->term[i];
        const struct sim_xorb *o = &sim->file[t.xorb].xorb;
        if (at + term_bytes(&t) > f->size_bytes)
            break;
        for (unsigned k = t.start; k < t.end; at += o->chunk[k++].bytes)
            memcpy(f->content + at, o->data + o->chunk[k].at + RECORD_HEADER, o->chunk[k].bytes);
        add_term(f, t.xorb, t.start, t.end);
    }
    return at;
}

static uint64_t next_terms(struct sim_file *f, unsigned i, uint64_t at)
{
    if (!sim->shares)
        return i > 0 && at > 0 && sim_random(3) == 0 ? borrow(f, (unsigned)sim_random(i), at) : own(f, i, at);
    unsigned from = (unsigned)sim_random(i + 1);
    if (sim_random(2) == 0)
        return own(f, i, at);
    if (sim->shares == SHARES_CHUNKS && sim_random(2) == 0)
        return borrow(f, from, at);
    return sim->file[from].terms ? repeat(f, &sim->file[from], at) : at;
}

static void name_chunks(struct xet_tree *tree, const struct sim_xorb *o, unsigned start, unsigned end)
{
    for (unsigned k = start; k < end; k++) {
        struct xet_hash hash;
        xet_hash_chunk(&hash, o->data + o->chunk[k].at + RECORD_HEADER, o->chunk[k].bytes);
        xet_tree_add(tree, &hash, o->chunk[k].bytes);
    }
}

void xorbs_add(struct sim_file *f, unsigned i)
{
    struct xet_tree xorb, file;
    for (uint64_t at = 0; at < f->size_bytes;)
        at = next_terms(f, i, at);
    xet_tree_init(&xorb);
    name_chunks(&xorb, &f->xorb, 0, f->xorb.chunks);
    xet_tree_root(&f->xorb.hash, &xorb);
    xet_tree_init(&file);
    for (unsigned t = 0; t < f->terms; t++)
        name_chunks(&file, &sim->file[f->term[t].xorb].xorb, f->term[t].start, f->term[t].end);
    xet_tree_file(&f->xet_hash, &file);
    f->xet = true;
}

void xorbs_free(struct sim_file *f)
{
    free(f->term);
    free(f->xorb.data);
    free(f->xorb.chunk);
}

/* ---- the CAS ---- */

static void put(char **text, const char *fmt, ...) PRINTF(2, 3);
static void put(char **text, const char *fmt, ...)
{
    char *more = NULL, *all = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&more, fmt, ap);
    va_end(ap);
    if (n < 0 || asprintf(&all, "%s%s", *text, more) < 0)
        abort();
    free(more);
    free(*text);
    *text = all;
}

/* The part of a term that holds bytes of the range. Empty: none. */
static struct sim_term cut(const struct sim_term *t, uint64_t at, uint64_t first, uint64_t last, uint64_t *cut_at)
{
    struct sim_term out = { t->xorb, t->end, t->end };
    for (unsigned k = t->start; k < t->end; k++) {
        uint32_t bytes = sim->file[t->xorb].xorb.chunk[k].bytes;
        if (at + bytes > first && at <= last) {
            *cut_at = out.start == t->end ? at : *cut_at;
            out.start = MIN(out.start, k);
            out.end = k + 1;
        }
        at += bytes;
    }
    if (out.start == t->end)
        out.end = out.start;
    return out;
}

/* One signed range for each xorb: from the first chunk of it that is wanted to the last, or now and then all of it. */
static bool one_range(struct sim_term *out, const struct sim_term *terms, unsigned n, unsigned xorb, unsigned from)
{
    *out = (struct sim_term){ xorb, sim->file[xorb].xorb.chunks, 0 };
    for (unsigned k = 0; k < n; k++)
        if (terms[k].xorb == xorb) {
            out->start = MIN(out->start, terms[k].start);
            out->end = MAX(out->end, terms[k].end);
        }
    if (from > 0 || out->start >= out->end)
        return false;
    if (sim_random(4) == 0)
        *out = (struct sim_term){ xorb, 0, sim->file[xorb].xorb.chunks };
    return true;
}

/* What is wanted of it from a chunk on without a gap; where terms only touch the range may end. */
static bool next_range(struct sim_term *out, const struct sim_term *terms, unsigned n, unsigned xorb, unsigned from)
{
    unsigned touching = (unsigned)sim_random(2);
    *out = (struct sim_term){ xorb, UINT_MAX, 0 };
    for (unsigned k = 0; k < n; k++)
        if (terms[k].xorb == xorb && terms[k].start >= from)
            out->start = MIN(out->start, terms[k].start);
    if (out->start == UINT_MAX)
        return false;
    out->end = out->start + 1;
    for (bool more = true; more;) {
        more = false;
        for (unsigned k = 0; k < n; k++)
            if (terms[k].xorb == xorb && terms[k].start >= from && terms[k].start < out->end + touching &&
                terms[k].end > out->end) {
                out->end = terms[k].end;
                more = true;
            }
    }
    return true;
}

static void put_range(char **text, const struct sim_term *t, unsigned repo)
{
    const struct sim_chunk *chunk = sim->file[t->xorb].xorb.chunk, *last = &chunk[t->end - 1];
    uint64_t from = chunk[t->start].at, to = last->at + RECORD_HEADER + last->bytes - 1;
    put(text,
        "{\"url\":\"http://xorb.sim/x/%u?sig=%u&r=%u&from=%" PRIu64 "&to=%" PRIu64
        "\",\"ranges\":[{\"chunks\":{\"start\":%u,\"end\":%u},\"bytes\":{\"start\":%" PRIu64 ",\"end\":%" PRIu64 "}}]}",
        t->xorb, sim->generation, repo, from, to, t->start, t->end, from, to);
}

static void put_ranges(char **text, const struct sim_term *terms, unsigned n, unsigned repo)
{
    const char *comma = "";
    for (unsigned i = 0; i < sim->files; i++) {
        struct sim_term t = { 0 };
        char hash[XET_HASH_TEXT];
        bool first = true;
        xet_hash_text(hash, &sim->file[i].xorb.hash);
        while (sim->shares ? next_range(&t, terms, n, i, t.end) : one_range(&t, terms, n, i, t.end)) {
            if (first)
                put(text, "%s\"%s\":[", comma, hash);
            else
                put(text, ",");
            put_range(text, &t, repo);
            first = false;
        }
        if (!first)
            put(text, "]");
        comma = first ? comma : ",";
    }
}

char *xorbs_reconstruction(const struct sim_file *f, unsigned repo, uint64_t first, uint64_t last)
{
    struct sim_term *terms = calloc(f->terms + 1, sizeof *terms);
    unsigned n = 0;
    uint64_t at = 0, begins = 0;
    for (unsigned i = 0; i < f->terms; i++) {
        uint64_t cut_at = 0;
        struct sim_term t = cut(&f->term[i], at, first, last, &cut_at);
        at += term_bytes(&f->term[i]);
        if (t.start == t.end)
            continue;
        begins = n == 0 ? cut_at : begins;
        terms[n++] = t;
    }
    char *text = strdup("");
    put(&text, "{\"offset_into_first_range\":%" PRIu64 ",\"terms\":[", first - begins);
    for (unsigned i = 0; i < n; i++) {
        char hash[XET_HASH_TEXT];
        xet_hash_text(hash, &sim->file[terms[i].xorb].xorb.hash);
        put(&text, "%s{\"hash\":\"%s\",\"unpacked_length\":%" PRIu64 ",\"range\":{\"start\":%u,\"end\":%u}}",
            i ? "," : "", hash, term_bytes(&terms[i]), terms[i].start, terms[i].end);
    }
    put(&text, "],\"xorbs\":{");
    put_ranges(&text, terms, n, repo);
    put(&text, "}}");
    free(terms);
    return text;
}

/* ---- who is meant ---- */

struct sim_file *xorbs_file(const char *url)
{
    const char *name = strstr(url, "/v2/reconstructions/");
    struct xet_hash hash;
    if (!name || !xet_hash_parse(&hash, name + 20, strcspn(name + 20, "?")))
        return NULL;
    for (unsigned i = 0; i < sim->files; i++)
        if (sim->file[i].xet && xet_hash_equal(&sim->file[i].xet_hash, &hash))
            return &sim->file[i];
    return NULL;
}

struct sim_xorb *xorbs_signed(const char *url, struct sim_signed *out)
{
    unsigned number = 0;
    if (sscanf(url, "http://xorb.sim/x/%u?sig=%u&r=%u&from=%" SCNu64 "&to=%" SCNu64, &number, &out->generation,
               &out->repo, &out->first, &out->last) != 5 ||
        number >= sim->files || out->repo >= SIM_REPOS)
        return NULL;
    return &sim->file[number].xorb;
}
