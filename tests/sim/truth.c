#include "sim.h"

#include "base/auto.h"

#include <string.h>

/* What is really on the disk, read without the code under test but for the header of a digests file. */

bool truth_is(const struct sim_file *f, const uint8_t *data, uint64_t size_bytes)
{
    return f->size_bytes == size_bytes && (size_bytes == 0 || memcmp(f->content, data, (size_t)size_bytes) == 0);
}

const char *truth_missing(const struct sim_tree *t, bool *wrong)
{
    for (unsigned i = 0; i < t->n; i++) {
        char path[256];
        uint64_t n = 0;
        snprintf(path, sizeof path, "/cache/models--sim--%s/snapshots/%s/%s", repo_names[t->repo], t->commit,
                 t->entry[i].path);
        const uint8_t *data = disk_content(path, &n);
        *wrong = data != NULL;
        if (!data || !truth_is(t->entry[i].file, data, n))
            return t->entry[i].path;
    }
    return NULL;
}

bool truth_ref(const struct sim_tree *t)
{
    char path[256];
    uint64_t n = 0;
    snprintf(path, sizeof path, "/cache/models--sim--%s/refs/%s", repo_names[t->repo], t->revision);
    const uint8_t *ref = disk_content(path, &n);
    return ref && n == 40 && memcmp(ref, t->commit, 40) == 0;
}

/* ---- partials ---- */

struct notebook {
    unsigned repo;
    uint64_t claims_bytes; /* blocks with a digest whose data lies in the file */
    const struct sim_file *only;
};

/* Of what content, and the partial's data; NULL: not a notebook that says anything, as after power loss. */
static struct sim_file *notebook_of(const char *name, const uint8_t *data, uint64_t size_bytes, unsigned repo,
                                    struct digests_info *info, const uint8_t **part, uint64_t *have)
{
    const char *dot = strchr(name, '.'), *tail = strstr(name, ".digests");
    struct digests_proof proof;
    if (!dot || !tail)
        return NULL;
    if (size_bytes < DIGESTS_HEADER_BYTES || digests_decode(info, &proof, data) != HFP_OK) {
        sim->torn = true;
        sim->honest =
            false; /* torn, by a kill inside a short write too: then holes beside the blocks are a guess as well */
        return NULL;
    }
    char etag[65] = "", path[256];
    snprintf(etag, sizeof etag, "%.*s", (int)MIN(dot - name, 64), name);
    snprintf(path, sizeof path, "/cache/models--sim--%s/blobs/%.*s.incomplete", repo_names[repo], (int)(tail - name),
             name);
    *part = disk_content(path, have);
    if (!*part) { /* a kill between the two renames of a claim: the header still names the data */
        snprintf(path, sizeof path, "/cache/models--sim--%s/blobs/%s.%s.incomplete", repo_names[repo], etag,
                 info->data_suffix);
        *part = disk_content(path, have);
    }
    return *part ? world_etag(etag) : NULL;
}

/* Blocks whose digest is on the disk and right: 32 bytes each after the header (docs/formats/digests.md). */
static void note_recorded(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx)
{
    const struct notebook *book = ctx;
    const uint8_t *part = NULL;
    uint64_t have = 0;
    struct digests_info info = { 0 };
    struct sim_file *f = notebook_of(name, data, size_bytes, book->repo, &info, &part, &have);
    /* Where bytes were found lying about, a record may be a guess of the run that found them. */
    for (uint64_t b = 0; f && info.adopted_blocks == 0 && b < blocks_of(f->size_bytes); b++) {
        uint64_t at = DIGESTS_HEADER_BYTES + b * BLAKE3_BYTES, end = MIN((b + 1) * BLOCK_BYTES, f->size_bytes);
        uint8_t digest[BLAKE3_BYTES];
        if (at + BLAKE3_BYTES > size_bytes || end > have || f->recorded[book->repo][b])
            continue;
        blake3_of(digest, part + b * BLOCK_BYTES, (size_t)(end - b * BLOCK_BYTES));
        f->recorded[book->repo][b] = memcmp(digest, data + at, sizeof digest) == 0;
    }
}

static void note_claims(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx)
{
    static const uint8_t absent[BLAKE3_BYTES];
    struct notebook *book = ctx;
    const uint8_t *part = NULL;
    uint64_t have = 0;
    struct digests_info info;
    const struct sim_file *f = notebook_of(name, data, size_bytes, book->repo, &info, &part, &have);
    for (uint64_t b = 0; f == book->only && f && b < blocks_of(f->size_bytes); b++) {
        uint64_t at = DIGESTS_HEADER_BYTES + b * BLAKE3_BYTES, end = MIN((b + 1) * BLOCK_BYTES, f->size_bytes);
        if (at + BLAKE3_BYTES <= size_bytes && end <= have && memcmp(data + at, absent, sizeof absent) != 0)
            book->claims_bytes += end - b * BLOCK_BYTES;
    }
}

static void each_blob(unsigned repo, void (*each)(const char *, const uint8_t *, uint64_t, void *), void *ctx)
{
    char folder[64];
    snprintf(folder, sizeof folder, "/cache/models--sim--%s/blobs", repo_names[repo]);
    disk_each(folder, each, ctx);
}

void truth_note_recorded(void)
{
    for (unsigned r = 0; r < SIM_REPOS; r++)
        each_blob(r, note_recorded, &(struct notebook){ .repo = r });
}

uint64_t truth_recorded_bytes(const struct sim_tree *t)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < sim->files; i++) {
        struct notebook book = { .repo = t->repo, .only = &sim->file[i] };
        bool listed = false;
        for (unsigned k = 0; k < t->n; k++)
            listed |= t->entry[k].file == &sim->file[i];
        if (!listed)
            continue;
        char path[256];
        uint64_t n = 0;
        snprintf(path, sizeof path, "/cache/models--sim--%s/blobs/%s", repo_names[t->repo], sim->file[i].etag);
        bool there = disk_content(path, &n) && n == sim->file[i].size_bytes;
        if (!there)
            each_blob(t->repo, note_claims, &book);
        bytes += there ? n : book.claims_bytes;
    }
    return bytes;
}
