/* Promises of cache/chunks and cache/chunk_index: what was written is sealed in file order whatever the order it came in,
 * with repeats; a map with a gap, or of another file, is not sealed; after a kill the open map goes on; the index finds what
 * is there, and only bytes that give their hash are handed out; what was forgotten is not found. Seen red on purpose: runs
 * sealed in the order they came, copies left out, the open map begun anew, the name of all chunks not compared, the hash of a
 * chunk not compared, forget without effect, blocks not looked at in an open map, blocks looked for behind the end of
 * the file (the size in an open map not compared), too many runs called out of memory. */
#include "base/block.h"
#include "cache/chunk_reader.h"
#include "cache/chunks.h"
#include "cache_fixture.h"
#include "xet/tree.h"

#define CHUNK UINT32_C(20000)
#define COUNT 100u
#define SIZE (COUNT * (uint64_t)CHUNK)

static uint8_t bytes[SIZE];
static const struct xet_hash xorb = { { 7 } };
static struct chunk_map_info info = { .size_bytes = SIZE };

static void add(struct chunks *c, uint32_t i)
{
    struct xet_hash h;
    xet_hash_chunk(&h, bytes + i * CHUNK, CHUNK);
    chunks_add(c, &(struct chunk_place){ &xorb, &h, i, CHUNK, (uint64_t)i * CHUNK });
}

/* The name of a file of chunks 0 to count - 1, again and again. */
static struct xet_hash name_of(uint32_t count)
{
    struct xet_tree t;
    struct xet_hash h;
    xet_tree_init(&t);
    for (uint32_t i = 0; i < COUNT; i++) {
        xet_hash_chunk(&h, bytes + i % count * CHUNK, CHUNK);
        xet_tree_add(&t, &h, CHUNK);
    }
    xet_tree_file(&h, &t);
    return h;
}

static struct chunks *open_map(void)
{
    struct chunks *c = NULL;
    struct hfp_err err;
    int dir = open(fx_blobs(), O_RDONLY | O_DIRECTORY);
    if (chunks_new(&c, dir, "x.chunks", &info, &err) != HFP_OK)
        exit(99);
    return c;
}

static int seal(struct chunks *c, const struct place *p)
{
    struct hfp_err err;
    return chunks_seal(c, p, &err);
}

/* How many chunks of xorb from `first` on the index finds and reads right. */
static uint32_t read_on(struct chunk_index *ix, uint32_t first, int *rc)
{
    static uint8_t plain[XET_CHUNK_MAX];
    struct chunk_hit hit;
    struct xet_hash h;
    struct hfp_err err;
    uint32_t n, got = 0;
    *rc = HFP_OK;
    while (!*rc && chunk_index_find(&hit, ix, &xorb, first + got)) {
        struct chunk_reader r;
        chunk_reader_begin(&r, &hit);
        for (uint32_t i = 0; i < hit.count && !*rc; i++) {
            *rc = chunk_reader_next(&r, plain, &n, &h, &err);
            if (!*rc && memcmp(plain, bytes + (size_t)(first + got) * CHUNK, CHUNK) != 0)
                *rc = HFP_E_INTERNAL;
            got += *rc == HFP_OK;
        }
        chunk_reader_end(&r);
        if (*rc)
            chunk_index_forget(ix, hit.source, &xorb, first + got, *rc != HFP_E_CONTENT);
    }
    return got;
}

static struct chunk_index *index_of(const struct store *s)
{
    struct chunk_index *ix = NULL;
    struct hfp_err err;
    if (chunk_index_new(&ix, &err) || chunk_index_add_blobs(ix, s, &err))
        exit(99);
    chunk_index_ready(ix);
    return ix;
}

static struct place *fresh(struct store **s)
{
    fx_fresh("/tmp");
    *s = fx_store();
    struct place *p = fx_place(*s, SIZE, 1, NULL);
    fx_bytes(bytes, 0, SIZE, 1);
    info.file = name_of(COUNT);
    char blob[300];
    snprintf(blob, sizeof blob, "%s/%s", fx_blobs(), p->etag);
    fx_write(blob, bytes, SIZE);
    return p;
}

static void sealing(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    int rc;
    struct chunks *c = open_map();
    for (uint32_t i = 40; i < COUNT; i++)
        add(c, i);
    CHECK(seal(c, p) == HFP_E_SHORT && !chunks_sealed(p, &info.file), "a map with a gap is not sealed");
    chunks_close(c); /* a kill */
    CHECK(fx_count(fx_blobs(), "x.chunks") == 1, "the open map stays");
    c = open_map();
    for (uint32_t i = 0; i < 45; i++)
        add(c, i);
    CHECK(seal(c, p) == HFP_OK && chunks_sealed(p, &info.file),
          "after a kill it goes on, and with the rest it is whole");
    chunks_close(c);
    struct xet_hash other = { { 8 } };
    CHECK(!chunks_sealed(p, &other), "it is the map of one content");
    struct chunk_index *ix = index_of(s);
    CHECK(chunk_index_stretches(ix) == 1 && chunk_index_holds(ix, &xorb, 0, COUNT) == COUNT,
          "one stretch, in file order");
    CHECK(read_on(ix, 0, &rc) == COUNT && rc == HFP_OK, "all its chunks are there");
    CHECK(chunk_index_holds(ix, &xorb, 90, 200) == COUNT - 90 && chunk_index_holds(ix, &other, 0, 1) == 0,
          "not more than that");
    chunk_index_free(ix);

    char blob[300];
    snprintf(blob, sizeof blob, "%s/%s", fx_blobs(), p->etag);
    bytes[50 * CHUNK + 5] ^= 1;
    fx_write(blob, bytes, SIZE);
    bytes[50 * CHUNK + 5] ^= 1;
    ix = index_of(s);
    CHECK(read_on(ix, 0, &rc) == 50 && rc == HFP_E_CONTENT, "a chunk that rotted is not handed out");
    CHECK(chunk_index_holds(ix, &xorb, 0, COUNT) == 50 && chunk_index_holds(ix, &xorb, 51, COUNT) == COUNT - 51,
          "and alone forgotten");
    CHECK(read_on(ix, 51, &rc) == COUNT - 51 && rc == HFP_OK, "what lies behind it is read on");
    unlink(blob);
    CHECK(read_on(ix, 0, &rc) == 0 && rc != HFP_OK && chunk_index_holds(ix, &xorb, 60, COUNT) == 0,
          "of a file that is gone nothing is held");
    chunk_index_free(ix);
    ix = index_of(s);
    CHECK(chunk_index_stretches(ix) == 0, "nor is its map looked at again");
    chunk_index_free(ix);
    free(p);
    store_free(s);
}

/* Chunks 0 to 49 twice: the second time they were copied. */
static void repeats(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    info.file = name_of(50);
    struct chunks *c = open_map();
    for (uint32_t i = 0; i < 50; i++)
        add(c, i);
    chunks_copied(c, 10 * CHUNK, 60 * CHUNK, 40 * CHUNK);
    CHECK(seal(c, p) == HFP_E_SHORT, "copies that do not reach leave a gap");
    chunks_copied(c, 0, 50 * CHUNK, 10 * CHUNK);
    CHECK(seal(c, p) == HFP_OK, "a repeat has the chunks of where it came from");
    chunks_close(c);
    free(p);
    store_free(s);
}

/* Each chunk is what it says, and together they are another file: a reconstruction lied. */
static void other_name(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    info.file = name_of(COUNT - 1);
    struct chunks *c = open_map();
    for (uint32_t i = 0; i < COUNT; i++)
        add(c, i);
    CHECK(seal(c, p) == HFP_E_CONTENT && !chunks_sealed(p, &info.file), "chunks of another file are not sealed");
    chunks_close(c);
    free(p);
    store_free(s);
}

static void garbage(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    struct chunks *c = open_map();
    char name[CHUNKS_NAME_MAX], path[400];
    int rc;
    for (uint32_t i = 0; i < COUNT; i++)
        add(c, i);
    seal(c, p);
    chunks_close(c);
    chunks_sealed_name(name, p);
    snprintf(path, sizeof path, "%s/%s", fx_path("hub/models--ns--name/.hf-pull"), name);
    int fd = open(path, O_RDWR);
    uint8_t byte = 0x55;
    CHECK(fd >= 0 && pwrite(fd, &byte, 1, 512 * 3 + 60) == 1 && pwrite(fd, &byte, 1, 512 * 6 + 100) == 1,
          "two runs rot");
    struct chunk_index *ix = index_of(s);
    CHECK(chunk_index_stretches(ix) == 3 && chunk_index_holds(ix, &xorb, 0, COUNT) == 24 && read_on(ix, 36, &rc) == 24,
          "a damaged run is missing, the others stand");
    chunk_index_free(ix);
    CHECK(ftruncate(fd, 512 * 2 + 77) == 0, "a map is cut off");
    ix = index_of(s);
    CHECK(chunk_index_holds(ix, &xorb, 0, COUNT) == 12, "what is left of it stands");
    chunk_index_free(ix);
    CHECK(pwrite(fd, "nothing", 7, 0) == 7, "its header is garbage");
    ix = index_of(s);
    CHECK(chunk_index_stretches(ix) == 0, "then it is no map");
    chunk_index_free(ix);
    close(fd);
    free(p);
    store_free(s);
}

/* The open map of a file of 64 MiB, of which the last chunk came. */
static void put_far(void)
{
    uint8_t unit[2][CHUNK_MAP_UNIT];
    struct chunk_map_info far = { .size_bytes = 64 * BLOCK_BYTES };
    struct chunk_run run = { .count = 0 };
    struct xet_hash h;
    xet_hash_chunk(&h, bytes, CHUNK);
    chunk_run_add(&run, &(struct chunk_place){ &xorb, &h, 0, CHUNK, far.size_bytes - CHUNK });
    chunk_map_encode(unit[0], &far);
    chunk_run_encode(unit[1], &run, &far);
    char below[400];
    snprintf(below, sizeof below, "%s/far.chunks", fx_blobs());
    fx_write(below, unit, sizeof unit);
}

/* An open map counts where the blocks are recorded. */
static void own_partial(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    struct chunks *c = open_map();
    for (uint32_t i = 0; i < COUNT; i++)
        add(c, i);
    chunks_close(c);
    uint8_t recorded[1] = { 2 }; /* only the last, short block */
    int dir = open(fx_blobs(), O_RDONLY | O_DIRECTORY);
    struct chunk_index *ix = NULL;
    struct hfp_err err;
    struct chunk_index_file f = { .map_dir = dir,
                                  .file_dir = dir,
                                  .map_name = "x.chunks",
                                  .file_name = p->etag,
                                  .recorded = recorded,
                                  .size_bytes = SIZE };
    CHECK(!chunk_index_new(&ix, &err) && !chunk_index_add(ix, &f, &err), "an open map is read");
    chunk_index_ready(ix);
    uint32_t first = (uint32_t)(BLOCK_BYTES / CHUNK / CHUNK_RUN_MAX + 1) * CHUNK_RUN_MAX;
    CHECK(chunk_index_holds(ix, &xorb, 0, COUNT) == 0 && chunk_index_holds(ix, &xorb, first, COUNT) == COUNT - first,
          "and counts where its blocks are recorded");
    f.recorded = NULL;
    chunk_index_free(ix);
    CHECK(!chunk_index_new(&ix, &err) && !chunk_index_add(ix, &f, &err) && chunk_index_stretches(ix) == 0,
          "as a sealed one it does not");
    chunk_index_free(ix);
    struct {
        uint8_t recorded[1], behind[7];
    } one_block = { .behind = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
    one_block.recorded[0] = 0;
    put_far();
    f.map_name = "far.chunks";
    f.recorded = one_block.recorded;
    CHECK(!chunk_index_new(&ix, &err) && !chunk_index_add(ix, &f, &err) && chunk_index_stretches(ix) == 0,
          "nor that of a longer file: its blocks are not ours to look at");
    chunk_index_free(ix);
    close(dir);
    free(p);
    store_free(s);
}

/* More runs than can be sealed: a file of more than 800 GB, or of many short terms. The map is sparse. */
static void too_many_runs(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    struct chunks *c = open_map();
    struct hfp_err err = { 0 };
    char below[400];
    snprintf(below, sizeof below, "%s/x.chunks", fx_blobs());
    add(c, 0);
    chunks_close(c);
    if (truncate(below, (off_t)((CHUNKS_RUNS_MAX + 2) * CHUNK_MAP_UNIT)))
        exit(99);
    c = open_map();
    CHECK(chunks_seal(c, p, &err) == HFP_E_SHORT && strstr(err.message, "runs"), "a map that is too long: %s",
          err.message);
    chunks_close(c);
    free(p);
    store_free(s);
}

static void full_disk(void)
{
    struct store *s;
    struct place *p = fresh(&s);
    struct chunks *c = NULL;
    struct hfp_err err;
    if (chunks_new(&c, -1, "nowhere.chunks", &info, &err))
        exit(99);
    for (uint32_t i = 0; i < COUNT; i++)
        add(c, i);
    CHECK(seal(c, p) == HFP_E_SHORT, "a map that cannot be written is not sealed, and nothing else happens");
    chunks_close(c);
    free(p);
    store_free(s);
}

int main(void)
{
    sealing();
    repeats();
    other_name();
    garbage();
    own_partial();
    too_many_runs();
    full_disk();
    fx_wipe();
    return tap_end();
}
