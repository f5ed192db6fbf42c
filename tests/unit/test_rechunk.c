/* Promises of verify/rechunk: a right file gives the chunks its reconstruction names, cut by either rule, in terms of any
 * length; a whole xorb proves its terms; what is damaged is never proved, and the terms beside it still are; what does
 * not follow, or is not there, is said. Seen red on purpose: the legacy rule left out, a term's last chunk lost, the count not
 * compared. */
#include "cache_fixture.h"
#include "verify/rechunk.h"
#include "xet/chunker.h"
#include "xet/tree.h"
#include "xet_vectors.h"

#define CHUNKS_MAX 256

struct made {
    uint32_t bytes[CHUNKS_MAX];
    struct xet_hash hash[CHUNKS_MAX];
    uint32_t chunks;
    struct xet_hash xorb, file;
};

static struct made make(const struct xv_bytes *b, enum xet_rule rule)
{
    struct made m = { .chunks = 0 };
    struct xet_chunker c;
    struct xet_tree t;
    xet_chunker_init(&c, rule);
    xet_tree_init(&t);
    for (size_t at = 0, begin = 0; at < b->n;) {
        uint32_t chunk;
        at += xet_chunker_feed(&c, b->data + at, b->n - at, &chunk);
        if (chunk == 0 && at == b->n)
            chunk = xet_chunker_end(&c);
        if (chunk == 0)
            continue;
        m.bytes[m.chunks] = chunk;
        xet_hash_chunk(&m.hash[m.chunks], b->data + begin, chunk);
        xet_tree_add(&t, &m.hash[m.chunks++], chunk);
        begin = at;
    }
    xet_tree_root(&m.xorb, &t);
    xet_tree_file(&m.file, &t);
    return m;
}

static struct rechunk *open_bytes(const struct xv_bytes *b, int *fd, bool legacy_first)
{
    struct rechunk *r = NULL;
    struct hfp_err err;
    *fd = open(fx_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (*fd < 0 || io_pwrite_all(*fd, b->data, b->n, 0, &err) ||
        rechunk_new(&r, &(struct rechunk_spec){ .fd = *fd, .size_bytes = b->n, .legacy_first = legacy_first }, &err))
        xv_give_up("file");
    return r;
}

/* Terms of `step` chunks of one xorb; what came of them. */
struct verdict {
    unsigned fits, misfits, proved;
    uint64_t proved_bytes;
    bool same; /* chunks as made */
    bool is;
};

static struct verdict walk(struct rechunk *r, const struct made *m, uint32_t step)
{
    struct verdict v = { .same = true };
    struct hfp_err err;
    uint64_t at = 0;
    for (uint32_t i = 0; i < m->chunks; i += step) {
        struct reconstruction_term t = { .file_offset = at, .xorb = m->xorb, .chunk_start = i };
        struct rechunk_found f;
        t.chunk_end = MIN(i + step, m->chunks);
        for (uint32_t k = i; k < t.chunk_end; k++)
            t.unpacked_bytes += m->bytes[k];
        at += t.unpacked_bytes;
        if (rechunk_term(&f, r, &t, &err) != HFP_OK)
            xv_give_up(err.message);
        v.fits += f.fit == RECHUNK_FITS;
        v.misfits += f.fit == RECHUNK_MISFIT;
        v.proved += f.proved;
        if (f.proved)
            v.proved_bytes += at - f.proved_from;
        for (uint32_t k = 0; f.proved && k < t.chunk_end; k++)
            v.same = v.same && xet_hash_equal(&f.xorb[k].hash, &m->hash[k]);
        for (uint32_t k = 0; k < f.count; k++)
            v.same = v.same && f.chunk[k].bytes == m->bytes[i + k] && xet_hash_equal(&f.chunk[k].hash, &m->hash[i + k]);
    }
    v.is = rechunk_is(r, &m->file);
    return v;
}

static void right_file(const struct xv_bytes *b, enum xet_rule rule, const char *name)
{
    static const uint32_t steps[] = { 1, 2, 7, CHUNKS_MAX };
    struct made m = make(b, rule);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(fd_closep) int fd = -1;
        AUTO(rechunk_freep) struct rechunk *r = open_bytes(b, &fd, rule == XET_RULE_LEGACY && steps[i] == 7);
        struct verdict v = walk(r, &m, steps[i]);
        CHECK(v.misfits == 0 && v.same, "%s, terms of %u chunks: the chunks its reconstruction names", name, steps[i]);
        CHECK(v.is && v.proved == 1 && v.proved_bytes == b->n, "and they have its name, and the whole xorb's");
    }
}

static void damaged_file(void)
{
    XV_BYTES b = { 0 };
    xv_prng(&b, 5, 5000000);
    struct made m = make(&b, XET_RULE_CURRENT);
    b.data[2500000] ^= 4;
    for (uint32_t step = 1; step < 100; step += 49) {
        AUTO(fd_closep) int fd = -1;
        AUTO(rechunk_freep) struct rechunk *r = open_bytes(&b, &fd, false);
        struct verdict v = walk(r, &m, step);
        CHECK(!v.is && v.proved == 0, "a flipped bit: nothing is proved (terms of %u)", step);
        CHECK(v.misfits <= 1 && v.fits + v.misfits == (m.chunks + step - 1) / step, "and the other terms fit");
    }
    memset(b.data + 2500000, 0, 600000); /* cuts are gone */
    AUTO(fd_closep) int fd = -1;
    AUTO(rechunk_freep) struct rechunk *r = open_bytes(&b, &fd, false);
    struct verdict v = walk(r, &m, 10);
    CHECK(v.misfits >= 1 && v.misfits <= 3 && !v.is && v.proved == 0, "%u terms of zeros do not fit", v.misfits);
}

/* Chunks 0 to 9 and 11 to 20 of a xorb are not all of it, whatever lies between. */
static void gaps(void)
{
    XV_BYTES b = { 0 };
    xv_prng(&b, 6, 400000);
    struct made m = make(&b, XET_RULE_CURRENT);
    struct hfp_err err;
    struct rechunk_found f;
    AUTO(fd_closep) int fd = -1;
    AUTO(rechunk_freep) struct rechunk *r = open_bytes(&b, &fd, false);
    struct reconstruction_term t = { .xorb = m.xorb, .chunk_end = 1, .unpacked_bytes = m.bytes[0] };
    CHECK(rechunk_term(&f, r, &t, &err) == HFP_OK && f.fit == RECHUNK_FITS && !f.proved && !rechunk_is(r, &m.file),
          "a part of a file is not the file");
    t = (struct reconstruction_term){
        .file_offset = m.bytes[0], .xorb = m.xorb, .chunk_start = 5, .chunk_end = 6, .unpacked_bytes = m.bytes[1]
    };
    CHECK(rechunk_term(&f, r, &t, &err) == HFP_OK && !f.proved, "chunks with a gap between prove no xorb");
    CHECK(rechunk_term(&f, r, &t, &err) == HFP_E_PROTO, "a term that does not follow is refused");
    t.file_offset = rechunk_at(r);
    t.unpacked_bytes = 400000;
    CHECK(rechunk_term(&f, r, &t, &err) == HFP_E_PROTO, "and one that reaches behind the file");
    t.unpacked_bytes = m.bytes[2];
    CHECK(ftruncate(fd, (off_t)rechunk_at(r)) == 0 && rechunk_term(&f, r, &t, &err) == HFP_E_IO,
          "a file that became shorter is said");
    atomic_bool stop = true;
    struct rechunk *s = NULL;
    CHECK(!rechunk_new(&s, &(struct rechunk_spec){ .fd = fd, .size_bytes = b.n, .stop = &stop }, &err), "a stop");
    t = (struct reconstruction_term){ .xorb = m.xorb, .chunk_end = 1, .unpacked_bytes = m.bytes[0] };
    CHECK(rechunk_term(&f, s, &t, &err) == HFP_E_CANCELLED, "is obeyed");
    rechunk_free(s);
}

int main(void)
{
    AUTO(xv_json_freep) cJSON *chunks = xv_json("chunks.json");
    AUTO(xv_json_freep) cJSON *legacy = xv_json("legacy.json");
    const cJSON *row;
    fx_fresh("/tmp");
    cJSON_ArrayForEach (row, xv_get(chunks, "inputs")) {
        XV_BYTES b = xv_generate(xv_text(row, "generator"));
        if (b.n > 0)
            right_file(&b, XET_RULE_CURRENT, xv_text(row, "name"));
    }
    cJSON_ArrayForEach (row, xv_get(legacy, "inputs")) {
        XV_BYTES b = xv_generate(xv_text(row, "generator"));
        right_file(&b, XET_RULE_LEGACY, "cut by the legacy rule");
    }
    damaged_file();
    gaps();
    fx_wipe();
    return tap_end();
}
