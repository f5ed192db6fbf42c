#include "cache/chunks.h"

#include "xet/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COPIES_MAX 65536u /* 1.5 MiB; a file of more repeats has a map when `hf-pull index` has made one */

struct copy {
    uint64_t to, from, bytes;
};

struct chunks {
    int dir, fd; /* fd -1: not opened yet */
    char name[192];
    struct chunk_map_info info;
    struct chunk_run run; /* the last one: it may still grow */
    uint64_t runs;        /* in the file, the last one with them */
    bool broken;          /* a write failed: what follows is missing */
    struct copy *copy;
    uint32_t copies, copy_room;
};

static int read_header(struct chunk_map_info *out, int fd)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    return io_pread_all(fd, unit, sizeof unit, 0, NULL) == HFP_OK ? chunk_map_decode(out, unit) : HFP_E_CORRUPT;
}

/* How many runs are there already; a torn one at the end is written over. */
static int go_on(struct chunks *c, struct hfp_err *err)
{
    struct chunk_map_info old;
    struct stat st;
    int rc = read_header(&old, c->fd);
    if (rc == HFP_E_VERSION)
        return err_set(err, HFP_E_VERSION, "%s is of a newer format", c->name);
    bool ours = rc == HFP_OK && old.sealed_runs == 0 && old.size_bytes == c->info.size_bytes &&
                xet_hash_equal(&old.file, &c->info.file);
    if (ours && io->fstat(c->fd, &st) == 0) {
        c->runs = (uint64_t)st.st_size / CHUNK_MAP_UNIT - 1;
        return HFP_OK;
    }
    uint8_t unit[CHUNK_MAP_UNIT];
    if (io->ftruncate(c->fd, 0) < 0)
        return err_sys(err, HFP_E_IO, errno, "empty %s", c->name);
    chunk_map_encode(unit, &c->info);
    return io_pwrite_all(c->fd, unit, sizeof unit, 0, err);
}

int chunks_new(struct chunks **out, int dir, const char *name, const struct chunk_map_info *info, struct hfp_err *err)
{
    struct chunks *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err);
    c->info = *info;
    c->info.sealed_runs = 0;
    c->dir = dir;
    c->fd = -1;
    snprintf(c->name, sizeof c->name, "%s", name);
    *out = c;
    return HFP_OK;
}

static int open_map(struct chunks *c, int flags, struct hfp_err *err)
{
    if (c->fd >= 0)
        return HFP_OK;
    c->fd = io_openat(c->dir, c->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | flags, 0666);
    return c->fd < 0 ? err_sys(err, HFP_E_IO, errno, "open %s", c->name) : go_on(c, err);
}

void chunks_close(struct chunks *c)
{
    if (!c)
        return;
    fd_closep(&c->fd);
    free(c->copy);
    free(c);
}

/* Each time it grows, for a kill may come at any time: a run of 12 chunks is written 12 times, 6 KB for 800 KB. */
static void write_run(struct chunks *c)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    chunk_run_encode(unit, &c->run, &c->info);
    if (io_pwrite_all(c->fd, unit, sizeof unit, c->runs * CHUNK_MAP_UNIT, NULL) != HFP_OK)
        c->broken = true;
}

void chunks_add(struct chunks *c, const struct chunk_place *place)
{
    if (c->broken || place->file_offset > c->info.size_bytes || place->bytes > c->info.size_bytes - place->file_offset)
        return;
    if (open_map(c, O_CREAT, NULL) != HFP_OK) {
        c->broken = true;
        return;
    }
    if (c->run.count == 0 || !chunk_run_add(&c->run, place)) {
        c->run.count = 0;
        c->runs++;
        chunk_run_add(&c->run, place);
    }
    write_run(c);
}

void chunks_copied(struct chunks *c, uint64_t from, uint64_t to, uint64_t bytes)
{
    if (c->copies == c->copy_room) {
        uint32_t room = c->copy_room ? c->copy_room * 2 : 64;
        struct copy *more = room <= COPIES_MAX ? realloc(c->copy, room * sizeof *more) : NULL;
        if (!more) {
            c->broken = true;
            return;
        }
        c->copy = more;
        c->copy_room = room;
    }
    c->copy[c->copies++] = (struct copy){ to, from, bytes };
}

/* ---- sealing ---- */

struct key {
    uint64_t offset, run;
};

struct sealing {
    const struct chunks *c;
    struct chunk_map_info info;
    int fd;
    struct chunk_run run;
    uint64_t runs; /* written */
    uint64_t at;   /* of the file: so far there are chunks */
    struct xet_tree tree;
};

static int by_offset(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->run < y->run ? 1 : -1; /* what came last first */
}

static int by_to(const void *a, const void *b)
{
    const struct copy *x = a, *y = b;
    return x->to < y->to ? -1 : x->to > y->to;
}

static int read_run(struct chunk_run *out, int fd, uint64_t run, const struct chunk_map_info *info)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    if (io_pread_all(fd, unit, sizeof unit, run * CHUNK_MAP_UNIT, NULL) != HFP_OK)
        return HFP_E_CORRUPT;
    return chunk_run_decode(out, unit, info);
}

static int flush_run(struct sealing *s, struct hfp_err *err)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    if (s->run.count == 0)
        return HFP_OK;
    chunk_run_encode(unit, &s->run, &s->info);
    s->run.count = 0;
    s->runs++;
    return io_pwrite_all(s->fd, unit, sizeof unit, s->runs * CHUNK_MAP_UNIT, err);
}

/* Chunk i of a run, to go where the sealed part ends. */
static int seal_chunk(struct sealing *s, const struct chunk_run *from, uint32_t i, struct hfp_err *err)
{
    struct chunk_place p = { &from->xorb, &from->chunk[i].hash, from->first_index + i, from->chunk[i].bytes, s->at };
    if (p.bytes > s->info.size_bytes - s->at)
        return err_set(err, HFP_E_SHORT, "chunks reach behind the file");
    if (s->run.count == 0 || !chunk_run_add(&s->run, &p)) {
        int rc = flush_run(s, err);
        if (rc)
            return rc;
        chunk_run_add(&s->run, &p);
    }
    s->at += p.bytes;
    xet_tree_add(&s->tree, p.hash, p.bytes);
    return HFP_OK;
}

/* The run of the open map, from the chunk on that begins where the sealed part ends; others speak of what is sealed. */
static int seal_run(struct sealing *s, const struct chunk_run *run, struct hfp_err *err)
{
    int rc = HFP_OK;
    uint32_t i = 0;
    while (i < run->count && chunk_run_offset(run, i) != s->at)
        i++;
    for (; i < run->count && !rc; i++)
        rc = seal_chunk(s, run, i, err);
    return rc;
}

/* The sealed run with that byte in it: they lie in order, without gaps. */
static int sealed_run_at(struct chunk_run *out, uint64_t *number, const struct sealing *s, uint64_t offset)
{
    uint64_t low = 1, high = s->runs;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (read_run(out, s->fd, middle, &s->info) != HFP_OK)
            return HFP_E_CORRUPT;
        if (out->file_offset <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    *number = low;
    return read_run(out, s->fd, low, &s->info);
}

/* What was copied has the chunks of where it came from, which is sealed already, for it lies before. */
static int seal_copy(struct sealing *s, const struct copy *c, struct hfp_err *err)
{
    struct chunk_run run;
    uint64_t number = 0, from = c->from, end = c->from + c->bytes;
    int rc = flush_run(s, err);
    if (!rc && (end > s->at || s->runs == 0 || sealed_run_at(&run, &number, s, from) != HFP_OK))
        rc = err_set(err, HFP_E_SHORT, "nothing is known of where bytes were copied from");
    uint64_t known = s->runs;
    while (!rc && from < end) {
        uint32_t i = 0;
        while (i < run.count && chunk_run_offset(&run, i) != from)
            i++;
        if (i == run.count)
            return err_set(err, HFP_E_SHORT, "bytes were copied from inside a chunk");
        for (; i < run.count && from < end && !rc; i++) {
            from += run.chunk[i].bytes;
            rc = seal_chunk(s, &run, i, err);
        }
        if (!rc && from < end && (++number > known || read_run(&run, s->fd, number, &s->info) != HFP_OK))
            rc = err_set(err, HFP_E_SHORT, "nothing is known of where bytes were copied from");
    }
    return rc;
}

/* Copies that fill what no run speaks of, up to the next run. */
static int seal_copies(struct sealing *s, uint64_t upto, struct hfp_err *err)
{
    int rc = HFP_OK;
    while (!rc && s->at < upto) {
        struct copy want = { .to = s->at };
        const struct copy *c = s->c->copies ? bsearch(&want, s->c->copy, s->c->copies, sizeof want, by_to) : NULL;
        if (!c || c->bytes == 0)
            return err_set(err, HFP_E_SHORT, "nothing is known of the chunk at %" PRIu64, s->at);
        rc = seal_copy(s, c, err);
    }
    return rc;
}

/* The second witness of a proved file: are these chunks, in this order, the file of that name? */
static int seal_name(const struct sealing *s, struct hfp_err *err)
{
    struct xet_hash name;
    xet_tree_file(&name, &s->tree);
    return xet_hash_equal(&name, &s->info.file) ? HFP_OK
                                                : err_set(err, HFP_E_CONTENT, "its chunks have another name in Xet");
}

static int seal_all(struct sealing *s, const struct key *keys, uint64_t n, struct hfp_err *err)
{
    struct chunk_run run;
    uint8_t unit[CHUNK_MAP_UNIT];
    int rc = HFP_OK;
    for (uint64_t i = 0; i < n && !rc; i++) {
        rc = seal_copies(s, keys[i].offset, err);
        if (!rc && read_run(&run, s->c->fd, keys[i].run, &s->info) == HFP_OK)
            rc = seal_run(s, &run, err);
    }
    if (!rc)
        rc = seal_copies(s, s->info.size_bytes, err);
    if (!rc)
        rc = flush_run(s, err);
    if (!rc)
        rc = seal_name(s, err);
    s->info.sealed_runs = s->runs;
    chunk_map_encode(unit, &s->info);
    return rc ? rc : io_pwrite_all(s->fd, unit, sizeof unit, 0, err);
}

/* The good runs of the open map, by where they lie. */
static int sort_runs(struct key **out, uint64_t *n, const struct chunks *c, struct hfp_err *err)
{
    struct chunk_run run;
    *n = 0;
    if (c->runs > CHUNKS_RUNS_MAX)
        return err_set(err, HFP_E_SHORT, "it would have more than %" PRIu64 " runs of chunks", CHUNKS_RUNS_MAX);
    struct key *keys = malloc((size_t)(c->runs + 1) * sizeof *keys);
    if (!keys)
        return err_nomem(err);
    for (uint64_t i = 1; i <= c->runs; i++)
        if (read_run(&run, c->fd, i, &c->info) == HFP_OK)
            keys[(*n)++] = (struct key){ run.file_offset, i };
    qsort(keys, (size_t)*n, sizeof *keys, by_offset);
    *out = keys;
    return HFP_OK;
}

int chunks_seal(struct chunks *c, const struct place *p, struct hfp_err *err)
{
    AUTO_FREE struct key *keys = NULL;
    char name[CHUNKS_NAME_MAX], tmp[CHUNKS_NAME_MAX + 16];
    uint64_t n;
    int dir = p->store->receipts;
    if (c->broken || dir < 0)
        return err_set(err, HFP_E_SHORT, "the map has gaps, or no place");
    int rc = open_map(c, 0, err);
    if (!rc)
        rc = sort_runs(&keys, &n, c, err);
    if (rc)
        return rc;
    if (c->copies)
        qsort(c->copy, c->copies, sizeof *c->copy, by_to);
    chunks_sealed_name(name, p);
    io_tmp_name(tmp, sizeof tmp, name);
    AUTO(fd_closep) int fd = io_openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", tmp);
    struct sealing s = { .c = c, .info = c->info, .fd = fd };
    xet_tree_init(&s.tree);
    rc = seal_all(&s, keys, n, err);
    if (!rc)
        rc = io_close(&fd, err, tmp);
    if (!rc && io->renameat(dir, tmp, dir, name) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "rename %s", tmp);
    if (rc)
        io->unlinkat(dir, tmp, 0);
    else
        store_adopt_owner(p->store, dir, name);
    return rc;
}

void chunks_sealed_name(char out[CHUNKS_NAME_MAX], const struct place *p)
{
    snprintf(out, CHUNKS_NAME_MAX, "%.*s.chunks", (int)strcspn(p->receipt_name, "."), p->receipt_name);
}

bool chunks_sealed(const struct place *p, const struct xet_hash *file)
{
    char name[CHUNKS_NAME_MAX];
    struct chunk_map_info info;
    chunks_sealed_name(name, p);
    AUTO(fd_closep)
    int fd = p->store->receipts < 0 ? -1 : io_openat(p->store->receipts, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    return fd >= 0 && read_header(&info, fd) == HFP_OK && info.sealed_runs > 0 && info.size_bytes == p->size_bytes &&
           xet_hash_equal(&info.file, file);
}
