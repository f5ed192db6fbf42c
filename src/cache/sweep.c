#include "cache/partial.h"

#include "cache/leftovers.h"
#include "cache/listing.h"
#include "cache/lock.h"
#include "cache/receipt.h"
#include "cache/snapshots.h"

#include <stdio.h>
#include <string.h>

/* The longest, an index of a large file, takes minutes; clocks on a shared disk may differ by hours. */
#define MOMENT_S 86400
#define LOCAL_HASH_CHARS 28 /* <H> of docs/formats/cache.md */

/* Open chunk maps go with the digests of the same name; without them they are nobody's. */
static void sweep_chunks(int dir, const char *base)
{
    size_t len = strlen(base);
    AUTO(dir_closep) DIR *list = io_list(dir, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        char digests[192];
        const char *end = strrchr(e->d_name, '.');
        if (strncmp(e->d_name, base, len) != 0 || e->d_name[len] != '.' || end == e->d_name + len ||
            strcmp(end, ".chunks") != 0)
            continue;
        int n = snprintf(digests, sizeof digests, "%.*s.digests", (int)(end - e->d_name), e->d_name);
        if (n < (int)sizeof digests && !io_exists(dir, digests))
            io->unlinkat(dir, e->d_name, 0);
    }
}

static void sweep(const struct place *p, int64_t unix_s)
{
    AUTO_FREE struct leftover *items = NULL;
    size_t n = 0;
    int dir = -1;
    AUTO(fd_closep) int own = -1;
    if (leftovers_open_dir(&dir, &own, p, NULL))
        return;
    if (leftovers_find(&items, &n, p, dir, true, unix_s, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        if (items[i].alive || items[i].closed)
            continue;
        /* Data first: killed in between, the digests alone are still seen as a leftover of this place. */
        if (items[i].data[0])
            io->unlinkat(dir, items[i].data, 0);
        if (items[i].digests[0])
            io->unlinkat(dir, items[i].digests, 0);
    }
    sweep_chunks(dir, p->part_base);
}

static void sweep_under_lock(const struct place *p, int64_t unix_s)
{
    AUTO(fd_closep) int lock = -1;
    if (lock_try(&lock, p, NULL) == HFP_OK)
        sweep(p, unix_s);
}

void partial_sweep(const struct place *p, int64_t unix_s)
{
    if (blocks_of(p->size_bytes) > 1)
        sweep(p, unix_s);
}

/* The etag of "<etag>.<anything>.incomplete|digests|chunks" or "<etag>.incomplete". */
static bool etag_of(char etag[65], const char *name)
{
    size_t n = strspn(name, "0123456789abcdef");
    const char *end = strrchr(name, '.');
    if ((n != 40 && n != 64) || name[n] != '.' ||
        (strcmp(end, ".incomplete") != 0 && strcmp(end, ".digests") != 0 && strcmp(end, ".chunks") != 0))
        return false;
    memcpy(etag, name, n);
    etag[n] = 0;
    return true;
}

static void sweep_published(const struct store *s, const char *etag, int64_t unix_s)
{
    struct stat st;
    struct content_id id;
    if (io->fstatat(s->blobs, etag, &st, 0) < 0 || !S_ISREG(st.st_mode) || content_id_parse(&id, etag))
        return;
    AUTO_FREE struct place *p = calloc(1, sizeof *p);
    if (!p)
        return;
    place_of(p, s, &id, (uint64_t)st.st_size, NULL, NULL);
    sweep_under_lock(p, unix_s);
}

/* What is ours for a moment (docs/formats/cache.md) and was left by a kill in that moment. */
static void sweep_moments(const struct store *s, int64_t unix_s)
{
    AUTO(dir_closep) DIR *list = io_list(s->receipts, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        struct stat st;
        const char *end = strrchr(e->d_name, '.');
        bool ours = end && (strcmp(end, ".tmp") == 0 || strncmp(e->d_name, "test.", 5) == 0 ||
                            strncmp(e->d_name, "link.", 5) == 0);
        if (ours && io->fstatat(s->receipts, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            unix_s - st.st_mtim.tv_sec > MOMENT_S)
            io->unlinkat(s->receipts, e->d_name, 0);
    }
}

void partial_sweep_all(const struct store *s, int64_t unix_s)
{
    char etag[65], last[65] = "";
    if (s->writable)
        sweep_moments(s, unix_s);
    if (s->blobs < 0 || !s->writable || s->is_local)
        return;
    AUTO(dir_closep) DIR *list = io_list(s->blobs, ".");
    for (struct dirent *e; list && (e = io->readdir(list));) {
        if (!etag_of(etag, e->d_name) || strcmp(etag, last) == 0)
            continue;
        memcpy(last, etag, sizeof last);
        sweep_published(s, etag, unix_s);
    }
}

struct notes {
    const struct store *store;
    const struct listing *listing;
    int64_t unix_s;
};

/* "<H>.<etag>.incomplete" or "<H>.<etag>.<8 hex>.incomplete". <H> is a hash: the listing tells of which file, or of which of
 * the same name in several folders. */
static int sweep_note(void *ctx, const char *name, struct hfp_err *err)
{
    (void)err;
    const struct notes *n = ctx;
    char etag[65];
    struct content_id id;
    struct receipt_look look;
    if (strlen(name) <= LOCAL_HASH_CHARS || !etag_of(etag, name + LOCAL_HASH_CHARS + 1) || content_id_parse(&id, etag))
        return HFP_OK;
    AUTO_FREE struct place *p = calloc(1, sizeof *p);
    for (size_t i = 0; p && i < listing_count(n->listing); i++) {
        const struct listed_file *f = listing_at(n->listing, i);
        if (f->size_bytes > BLOCK_BYTES || !content_id_equal(&f->id, &id))
            continue;
        place_of(p, n->store, &id, f->size_bytes, NULL, f->path);
        size_t base = strlen(p->part_base);
        if (strncmp(name, p->part_base, base) == 0 && name[base] == '.' && receipt_look(&look, p, NULL) == HFP_OK &&
            look.file_present)
            sweep_under_lock(p, n->unix_s);
    }
    return HFP_OK;
}

void partial_sweep_local(const struct store *s, const struct listing *l, int64_t unix_s)
{
    if (s->is_local && s->writable)
        snapshot_note_names(s, sweep_note, &(struct notes){ .store = s, .listing = l, .unix_s = unix_s }, NULL);
}
