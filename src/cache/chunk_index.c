#include "cache/chunk_index.h"

#include "base/block.h"
#include "cache/chunks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOTES ".hf-pull" /* below a repository's folder in the cache */
#define READ_UNITS 256u  /* 128 KiB of a map at a time */

/* All runs but the last are full, so chunk i lies in run `run` + (i - base) / CHUNK_RUN_MAX. */
struct stretch {
    struct xet_hash xorb;
    uint64_t run;
    uint32_t base; /* the first chunk of that run */
    uint32_t first, end;
    uint32_t source;
};

struct chunk_index {
    struct stretch *stretch;
    uint32_t count, room;
    uint32_t least; /* chunks: shorter ones have no room any more */
    struct chunk_source **source;
    uint32_t sources;
};

int chunk_index_new(struct chunk_index **out, struct hfp_err *err)
{
    struct chunk_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return err_nomem(err);
    *out = ix;
    return HFP_OK;
}

void chunk_index_free(struct chunk_index *ix)
{
    if (!ix)
        return;
    for (uint32_t i = 0; i < ix->sources; i++)
        free(ix->source[i]);
    free(ix->source);
    free(ix->stretch);
    free(ix);
}

/* ---- filling ---- */

static int by_chunk(const void *a, const void *b)
{
    const struct stretch *x = a, *y = b;
    int order = memcmp(x->xorb.bytes, y->xorb.bytes, XET_HASH_BYTES);
    if (order == 0 && x->first != y->first)
        order = x->first < y->first ? -1 : 1;
    if (order == 0 && x->end != y->end)
        order = x->end > y->end ? -1 : 1; /* the longer first */
    return order;
}

/* Sorted, and without those that lie inside another: then a later one of a xorb also ends later. */
void chunk_index_ready(struct chunk_index *ix)
{
    uint32_t kept = 0;
    if (ix->count == 0)
        return;
    qsort(ix->stretch, ix->count, sizeof *ix->stretch, by_chunk);
    for (uint32_t i = 0; i < ix->count; i++) {
        const struct stretch *s = &ix->stretch[i], *last = kept ? &ix->stretch[kept - 1] : NULL;
        if (!last || !xet_hash_equal(&last->xorb, &s->xorb) || s->end > last->end)
            ix->stretch[kept++] = *s;
    }
    ix->count = kept;
}

static void drop_short(struct chunk_index *ix)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ix->count; i++)
        if (ix->stretch[i].end - ix->stretch[i].first >= ix->least)
            ix->stretch[kept++] = ix->stretch[i];
    ix->count = kept;
}

static int make_room(struct chunk_index *ix, struct hfp_err *err)
{
    if (ix->count < ix->room)
        return HFP_OK;
    if (ix->room < CHUNK_STRETCHES_MAX) {
        uint32_t room = MIN(MAX(64, ix->room * 2), CHUNK_STRETCHES_MAX);
        struct stretch *more = realloc(ix->stretch, room * sizeof *more);
        if (!more)
            return err_nomem(err);
        ix->stretch = more;
        ix->room = room;
        return HFP_OK;
    }
    chunk_index_ready(ix);
    while (ix->count > CHUNK_STRETCHES_MAX / 4 * 3) {
        ix->least = MAX(2, ix->least * 2); /* none is longer than XET_XORB_CHUNKS_MAX, so this ends */
        drop_short(ix);
    }
    return HFP_OK;
}

static int add_stretch(struct chunk_index *ix, const struct stretch *s, struct hfp_err *err)
{
    if (s->end - s->first < MAX(1, ix->least))
        return HFP_OK;
    int rc = make_room(ix, err);
    if (!rc)
        ix->stretch[ix->count++] = *s;
    return rc;
}

static bool on_disk(const struct chunk_index_file *f, const struct chunk_run *run)
{
    uint64_t last = (chunk_run_offset(run, run->count) - 1) / BLOCK_BYTES;
    for (uint64_t b = run->file_offset / BLOCK_BYTES; f->recorded && b <= last; b++)
        if (!(f->recorded[b / 8] >> (b % 8) & 1))
            return false;
    return true;
}

/* A run of the map goes on where the last one ended, or begins a stretch. */
struct joining {
    struct stretch s; /* end 0: none */
    uint32_t last_count;
    uint64_t file_offset; /* where the next run must lie */
};

static bool join(struct joining *j, const struct chunk_run *run)
{
    if (j->s.end == 0 || j->last_count != CHUNK_RUN_MAX || run->first_index != j->s.end ||
        run->file_offset != j->file_offset || !xet_hash_equal(&run->xorb, &j->s.xorb))
        return false;
    j->s.end += run->count;
    return true;
}

static int add_run(struct chunk_index *ix, struct joining *j, const struct chunk_run *run, uint64_t number,
                   struct hfp_err *err)
{
    int rc = HFP_OK;
    if (!join(j, run)) {
        if (j->s.end)
            rc = add_stretch(ix, &j->s, err);
        j->s = (struct stretch){ .xorb = run->xorb,
                                 .run = number,
                                 .base = run->first_index,
                                 .first = run->first_index,
                                 .end = run->first_index + run->count,
                                 .source = ix->sources - 1 };
    }
    j->last_count = run->count;
    j->file_offset = chunk_run_offset(run, run->count);
    return rc;
}

static int add_runs(struct chunk_index *ix, const struct chunk_index_file *f, int fd, uint64_t runs,
                    struct hfp_err *err)
{
    const struct chunk_map_info *info = &ix->source[ix->sources - 1]->info;
    AUTO_FREE uint8_t *units = malloc(READ_UNITS * CHUNK_MAP_UNIT);
    struct joining j = { .last_count = 0 };
    struct chunk_run run;
    int rc = units ? HFP_OK : err_nomem(err);
    for (uint64_t at = 1; at <= runs && !rc; at += READ_UNITS) {
        size_t n = (size_t)MIN(READ_UNITS, runs - at + 1);
        size_t got = 0;
        if (io_pread_some(fd, units, n * CHUNK_MAP_UNIT, at * CHUNK_MAP_UNIT, &got, NULL) != HFP_OK)
            break; /* what cannot be read is not known */
        for (size_t i = 0; i < got / CHUNK_MAP_UNIT && !rc; i++)
            if (chunk_run_decode(&run, units + i * CHUNK_MAP_UNIT, info) == HFP_OK && on_disk(f, &run))
                rc = add_run(ix, &j, &run, at + i, err);
        if (got < n * CHUNK_MAP_UNIT)
            break;
    }
    return !rc && j.s.end ? add_stretch(ix, &j.s, err) : rc;
}

static struct chunk_source *new_source(struct chunk_index *ix, const struct chunk_index_file *f)
{
    struct chunk_source **more =
        ix->sources < CHUNK_SOURCES_MAX ? realloc(ix->source, (ix->sources + 1) * sizeof(struct chunk_source *)) : NULL;
    size_t map = strlen(f->map_name) + 1, file = strlen(f->file_name) + 1;
    struct chunk_source *s = more ? calloc(1, sizeof *s + map + file) : NULL;
    ix->source = more ? more : ix->source;
    if (!s)
        return NULL;
    char *names = (char *)(s + 1);
    s->map_dir = f->map_dir;
    s->file_dir = f->file_dir;
    s->map_name = memcpy(names, f->map_name, map);
    s->file_name = memcpy(names + map, f->file_name, file);
    return ix->source[ix->sources++] = s;
}

int chunk_index_add(struct chunk_index *ix, const struct chunk_index_file *f, struct hfp_err *err)
{
    uint8_t unit[CHUNK_MAP_UNIT];
    struct chunk_map_info info;
    struct stat st = { 0 }, map;
    AUTO(fd_closep) int fd = io_openat(f->map_dir, f->map_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 || io->fstat(fd, &map) < 0 || io_pread_all(fd, unit, sizeof unit, 0, NULL) != HFP_OK ||
        chunk_map_decode(&info, unit) != HFP_OK)
        return HFP_OK;
    bool there = io->fstatat(f->file_dir, f->file_name, &st, 0) == 0 && S_ISREG(st.st_mode);
    uint64_t size_bytes = f->recorded ? f->size_bytes : (uint64_t)st.st_size;
    if (!there || info.size_bytes != size_bytes || (info.sealed_runs == 0) != (f->recorded != NULL))
        return HFP_OK;
    struct chunk_source *s = new_source(ix, f);
    if (!s)
        return HFP_OK; /* more files than are looked at */
    s->info = info;
    uint64_t runs = (uint64_t)map.st_size / CHUNK_MAP_UNIT;
    runs = runs > 0 ? runs - 1 : 0;
    return add_runs(ix, f, fd, info.sealed_runs ? MIN(runs, info.sealed_runs) : runs, err);
}

/* Beside a local folder the cache's receipts are not the store's: so by the folder of the repository. */
int chunk_index_add_blobs(struct chunk_index *ix, const struct store *s, struct hfp_err *err)
{
    int notes = s->repo_dir < 0 || s->blobs < 0 ? -1 : io_openat(s->repo_dir, NOTES, O_RDONLY | O_DIRECTORY, 0);
    AUTO(dir_closep) DIR *list = notes < 0 ? NULL : io->fdopendir(notes);
    if (!list) {
        fd_closep(&notes);
        return HFP_OK;
    }
    int rc = HFP_OK;
    for (struct dirent *e; !rc && (e = io->readdir(list));) {
        char etag[65], map[CHUNKS_NAME_MAX + sizeof NOTES];
        size_t n = strspn(e->d_name, "0123456789abcdef");
        if ((n != 40 && n != 64) || strcmp(e->d_name + n, ".chunks") != 0)
            continue;
        snprintf(etag, sizeof etag, "%.*s", (int)n, e->d_name);
        snprintf(map, sizeof map, NOTES "/%s.chunks", etag);
        struct chunk_index_file f = {
            .map_dir = s->repo_dir, .file_dir = s->blobs, .map_name = map, .file_name = etag
        };
        rc = chunk_index_add(ix, &f, err);
    }
    return rc;
}

int chunk_index_add_place(struct chunk_index *ix, const struct place *p, struct hfp_err *err)
{
    char name[CHUNKS_NAME_MAX];
    if (p->store->receipts < 0)
        return HFP_OK;
    chunks_sealed_name(name, p);
    struct chunk_index_file f = {
        .map_dir = p->store->receipts, .file_dir = p->final_dir, .map_name = name, .file_name = p->final_name
    };
    return chunk_index_add(ix, &f, err);
}

void chunk_index_merge(struct chunk_index *ix, struct chunk_index *from)
{
    uint32_t base = ix ? ix->sources : 0;
    struct chunk_source **more = ix && from && from->sources > 0 && base + from->sources <= CHUNK_SOURCES_MAX
                                     ? realloc(ix->source, (base + from->sources) * sizeof(struct chunk_source *))
                                     : NULL;
    if (more) {
        ix->source = more;
        memcpy(more + base, from->source, from->sources * sizeof(struct chunk_source *));
        ix->sources += from->sources;
        from->sources = 0;
        for (uint32_t i = 0; i < from->count; i++) {
            struct stretch s = from->stretch[i];
            s.source += base;
            add_stretch(ix, &s, NULL);
        }
        chunk_index_ready(ix);
    }
    chunk_index_free(from);
}

uint32_t chunk_index_stretches(const struct chunk_index *ix)
{
    return ix ? ix->count : 0;
}

/* ---- asking ---- */

/* The only one that may hold it: the last that does not begin behind it. */
static struct stretch *stretch_with(const struct chunk_index *ix, const struct xet_hash *xorb, uint32_t index)
{
    struct stretch want = { .xorb = *xorb, .first = index, .end = 0 }; /* behind all that begin there */
    uint32_t low = 0, high = ix ? ix->count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (by_chunk(&ix->stretch[middle], &want) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct stretch *s = low > 0 ? &ix->stretch[low - 1] : NULL;
    return s && xet_hash_equal(&s->xorb, xorb) && index < s->end ? s : NULL;
}

bool chunk_index_find(struct chunk_hit *out, const struct chunk_index *ix, const struct xet_hash *xorb, uint32_t index)
{
    const struct stretch *s = stretch_with(ix, xorb, index);
    if (!s || ix->source[s->source]->bad >= CHUNK_SOURCE_BAD_MAX)
        return false;
    *out = (struct chunk_hit){ .source = ix->source[s->source],
                               .xorb = *xorb,
                               .index = index,
                               .count = s->end - index,
                               .run = s->run + (index - s->base) / CHUNK_RUN_MAX,
                               .run_at = (index - s->base) % CHUNK_RUN_MAX };
    return true;
}

uint32_t chunk_index_holds(const struct chunk_index *ix, const struct xet_hash *xorb, uint32_t first, uint32_t end)
{
    uint32_t at = first;
    struct chunk_hit hit;
    while (at < end && chunk_index_find(&hit, ix, xorb, at))
        at = MIN(end, at + hit.count);
    return at - first;
}

void chunk_index_forget(struct chunk_index *ix, struct chunk_source *source, const struct xet_hash *xorb,
                        uint32_t index, bool whole)
{
    struct stretch *s = stretch_with(ix, xorb, index);
    source->bad = whole ? CHUNK_SOURCE_BAD_MAX : source->bad + 1;
    if (!s || ix->source[s->source] != source || source->bad >= CHUNK_SOURCE_BAD_MAX)
        return;
    struct stretch rest = *s;
    rest.first = index + 1;
    s->end = index; /* perhaps empty: it holds nothing then */
    if (rest.first >= rest.end || make_room(ix, NULL) != HFP_OK)
        return;
    ix->stretch[ix->count++] = rest;
    chunk_index_ready(ix);
}
