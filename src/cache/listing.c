#include "cache/listing.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Grows without ever copying entries: doubling one array would need old and new at once, 1.5 times the promise. */
#define CHUNK_FILES 4096u
#define CHUNKS ((LISTING_FILES_MAX + CHUNK_FILES - 1) / CHUNK_FILES)
#define PATHS_BLOCK (256u << 10)
/* Paths of 2,000,000 files at the 40 to 60 bytes that real repositories have; what is longer is an attack. */
#define PATHS_MAX (256u << 20)

/* A slot of the duplicate table: file number + 1, and above it bits of the path's hash that spare most look-ups. */
#define SLOT_NUMBER_BITS 21
#define SLOT_NUMBER ((UINT32_C(1) << SLOT_NUMBER_BITS) - 1)
_Static_assert(LISTING_FILES_MAX < SLOT_NUMBER, "a file number does not fit its slot");
#define SLOTS_FIRST 1024u

struct paths_block {
    struct paths_block *older;
    size_t used;
    char bytes[];
};

struct listing {
    struct listed_file *chunks[CHUNKS];
    uint32_t count;
    uint32_t *slots;   /* while filling: open addressing, 0 is empty */
    size_t slot_count; /* a power of two */
    uint32_t *order;   /* once sealed: file numbers by path */
    struct paths_block *paths;
    uint64_t paths_bytes;
    uint8_t seed[16]; /* a server that cannot guess it cannot make paths collide */
};

int listing_new(struct listing **out, struct hfp_err *err)
{
    AUTO(listing_freep) struct listing *l = calloc(1, sizeof *l);
    if (!l)
        return err_nomem(err);
    l->slots = calloc(SLOTS_FIRST, sizeof *l->slots);
    if (!l->slots)
        return err_nomem(err);
    l->slot_count = SLOTS_FIRST;
    /* Where the kernel has no randomness yet, the address of the heap must do. */
    if (getrandom(l->seed, sizeof l->seed, GRND_NONBLOCK) != (ssize_t)sizeof l->seed)
        memcpy(l->seed, &(uintptr_t){ (uintptr_t)l }, sizeof(uintptr_t));
    *out = ptr_steal(&l);
    return HFP_OK;
}

void listing_free(struct listing *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < CHUNKS && l->chunks[i]; i++)
        free(l->chunks[i]);
    while (l->paths) {
        struct paths_block *older = l->paths->older;
        free(l->paths);
        l->paths = older;
    }
    free(l->slots);
    free(l->order);
    free(l);
}

void listing_freep(struct listing **l)
{
    listing_free(*l);
    *l = NULL;
}

static struct listed_file *file_at(const struct listing *l, uint32_t number)
{
    return &l->chunks[number / CHUNK_FILES][number % CHUNK_FILES];
}

static uint64_t path_hash(const struct listing *l, const char *path)
{
    uint8_t in[sizeof l->seed + PATH_NAME_MAX], out[BLAKE3_BYTES];
    size_t n = strlen(path);
    memcpy(in, l->seed, sizeof l->seed);
    memcpy(in + sizeof l->seed, path, n);
    blake3_of(out, in, sizeof l->seed + n);
    uint64_t hash;
    memcpy(&hash, out, sizeof hash); /* never stored or shown: any byte order will do */
    return hash;
}

/* The slot that holds path, or the empty one where it belongs. */
static uint32_t *slot_of(const struct listing *l, const char *path, uint32_t *tag)
{
    uint64_t hash = path_hash(l, path);
    size_t mask = l->slot_count - 1;
    *tag = (uint32_t)(hash >> 32) & ~SLOT_NUMBER;
    for (size_t i = hash & mask;; i = (i + 1) & mask) { /* ends: one slot in eight is empty */
        uint32_t slot = l->slots[i];
        if (slot == 0)
            return &l->slots[i];
        if ((slot & ~SLOT_NUMBER) == *tag && strcmp(file_at(l, (slot & SLOT_NUMBER) - 1)->path, path) == 0)
            return &l->slots[i];
    }
}

static int slots_make_room(struct listing *l, struct hfp_err *err)
{
    if (l->count < l->slot_count / 8 * 7)
        return HFP_OK;
    uint32_t *wider = calloc(l->slot_count * 2, sizeof *wider);
    if (!wider)
        return err_nomem(err);
    free(l->slots);
    l->slots = wider;
    l->slot_count *= 2;
    for (uint32_t i = 0; i < l->count; i++) { /* in order of arrival: listing_rewind relies on it */
        uint32_t tag, *slot = slot_of(l, file_at(l, i)->path, &tag);
        *slot = tag | (i + 1);
    }
    return HFP_OK;
}

static const char *path_keep(struct listing *l, const char *path)
{
    size_t n = strlen(path) + 1;
    if (!l->paths || n > PATHS_BLOCK - sizeof *l->paths - l->paths->used) {
        struct paths_block *b = malloc(PATHS_BLOCK);
        if (!b)
            return NULL;
        b->older = l->paths;
        b->used = 0;
        l->paths = b;
    }
    char *kept = memcpy(l->paths->bytes + l->paths->used, path, n);
    l->paths->used += n;
    l->paths_bytes += n;
    return kept;
}

/* The last that was kept: pages that are taken back, again and again, must not fill the arena. */
static void path_drop(struct listing *l, const char *path)
{
    struct paths_block *b = l->paths;
    l->paths_bytes -= strlen(path) + 1;
    b->used = (size_t)(path - b->bytes);
    if (b->used == 0) {
        l->paths = b->older;
        free(b);
    }
}

static int refuse(struct hfp_err *err, const char *path, const char *why)
{
    char shown[160];
    utf8_show(shown, sizeof shown, path);
    return err_set(err, HFP_E_PROTO, "the listing names %s %s", shown, why);
}

int listing_add(struct listing *l, const struct listed_file *f, struct hfp_err *err)
{
    assert(!l->order);
    int rc = name_check_path(f->path, err);
    if (rc)
        return rc;
    if (l->count >= LISTING_FILES_MAX || l->paths_bytes + strlen(f->path) >= PATHS_MAX)
        return err_set(err, HFP_E_PROTO, "the listing is too long: more than %u files or %u MiB of names",
                       LISTING_FILES_MAX, PATHS_MAX >> 20);
    rc = slots_make_room(l, err);
    if (rc)
        return rc;
    uint32_t tag, *slot = slot_of(l, f->path, &tag);
    if (*slot)
        return refuse(err, f->path, "twice");
    struct listed_file **chunk = &l->chunks[l->count / CHUNK_FILES];
    if (!*chunk && !(*chunk = malloc(CHUNK_FILES * sizeof **chunk)))
        return err_nomem(err);
    const char *path = path_keep(l, f->path);
    if (!path)
        return err_nomem(err);
    struct listed_file *mine = file_at(l, l->count);
    *mine = *f;
    mine->path = path;
    *slot = tag | ++l->count;
    return HFP_OK;
}

void listing_rewind(struct listing *l, size_t count)
{
    assert(!l->order && count <= l->count);
    /* Last in, first out: then an emptied slot never parts a file from the place its hash points to. */
    while (l->count > count) {
        const char *path = file_at(l, l->count - 1)->path;
        uint32_t tag, *slot = slot_of(l, path, &tag);
        *slot = 0;
        path_drop(l, path);
        l->count--;
    }
}

static int by_path(const void *a, const void *b, void *l)
{
    return strcmp(file_at(l, *(const uint32_t *)a)->path, file_at(l, *(const uint32_t *)b)->path);
}

/* path need not end after n bytes, so that its folders can be looked for too. */
static const struct listed_file *find(const struct listing *l, const char *path, size_t n)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct listed_file *f = file_at(l, l->order[mid]);
        int cmp = strncmp(f->path, path, n);
        if (cmp == 0 && f->path[n] == 0)
            return f;
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* "a" and "a/b": no file system holds both. Folders shared with the path before were looked at with it. */
static int check_folders(const struct listing *l, struct hfp_err *err)
{
    const char *before = "";
    for (uint32_t i = 0; i < l->count; i++) {
        const char *path = file_at(l, l->order[i])->path;
        size_t shared = 0;
        while (path[shared] && path[shared] == before[shared])
            shared++;
        for (const char *slash = strchr(path + shared, '/'); slash; slash = strchr(slash + 1, '/')) {
            const struct listed_file *f = find(l, path, (size_t)(slash - path));
            if (f)
                return refuse(err, f->path, "as a file and as a folder");
        }
        before = path;
    }
    return HFP_OK;
}

int listing_seal(struct listing *l, struct hfp_err *err)
{
    assert(!l->order);
    uint32_t *order = malloc(MAX(l->count, 1u) * sizeof *order);
    if (!order)
        return err_nomem(err);
    free(ptr_steal(&l->slots));
    l->order = order;
    for (uint32_t i = 0; i < l->count; i++)
        order[i] = i;
    qsort_r(order, l->count, sizeof *order, by_path, l);
    return check_folders(l, err);
}

size_t listing_count(const struct listing *l)
{
    return l->count;
}

const struct listed_file *listing_at(const struct listing *l, size_t i)
{
    assert(i < l->count);
    return file_at(l, l->order ? l->order[i] : (uint32_t)i);
}

const struct listed_file *listing_find(const struct listing *l, const char *path)
{
    assert(l->order);
    return find(l, path, strlen(path));
}
