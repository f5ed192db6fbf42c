#include "engine/blob.h"

#include "base/auto.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same content elsewhere on this disk: below another path of --local-dir, whose note names it; in the hub cache,
 * when the target is a folder; in the cache of another repository. It is copied into the partial as a guess, and from
 * there on all is as with any leftover: hashed in order, believed when the Hub's hash says so, fetched again where it
 * does not. So no claim about that file is trusted, and none of its bytes comes over the wire. It is only read.
 *
 * A convenience: what cannot be read is fetched. */

#define OPEN_MAX 64           /* files held open, for a file of this very job may be put in their place first */
#define FOUND_MAX 16384       /* files of one folder that are remembered */
#define NEIGHBOURS_MAX 100000 /* repositories that are looked into; a hub folder with more is something else */

struct found {
    char etag[65];
    int fd; /* -1: to be opened */
    char *path;
};

struct wanted {
    char etag[65];
    uint64_t size_bytes;
};

struct elsewhere {
    int local;             /* the store's */
    struct wanted *wanted; /* by etag */
    uint32_t wanteds;
    struct found *found;
    uint32_t count, room;
};

bool elsewhere_wanted(const struct job *job, uint32_t blob)
{
    const struct plan_blob *pb = &job->plan->blob[blob];
    return pb->action == PLAN_FETCH && !job->spec.force && listing_at(job->listing, pb->file)->size_bytes > BLOCK_BYTES;
}

static int by_etag(const void *a, const void *b)
{
    return strcmp(((const struct wanted *)a)->etag, ((const struct wanted *)b)->etag);
}

int elsewhere_new(struct elsewhere **out, const struct job *job, struct hfp_err *err)
{
    struct elsewhere *e = calloc(1, sizeof *e);
    if (!e || !(e->wanted = calloc(job->plan->blobs, sizeof *e->wanted))) {
        free(e);
        return err_nomem(err);
    }
    e->local = job->store->local;
    for (uint32_t i = 0; i < job->plan->blobs; i++)
        if (elsewhere_wanted(job, i)) {
            const struct listed_file *f = listing_at(job->listing, job->plan->blob[i].file);
            struct wanted *w = &e->wanted[e->wanteds++];
            content_id_hex(w->etag, &f->id);
            w->size_bytes = f->size_bytes;
        }
    qsort(e->wanted, e->wanteds, sizeof *e->wanted, by_etag);
    *out = e;
    return HFP_OK;
}

void elsewhere_free(struct elsewhere *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->count; i++) {
        fd_closep(&e->found[i].fd);
        free(e->found[i].path);
    }
    free(e->found);
    free(e->wanted);
    free(e);
}

/* -1: nothing of that size that can be read. */
static int open_same_size(int dir, const char *path, uint64_t size_bytes)
{
    struct stat st;
    AUTO(fd_closep) int fd = dir < 0 ? -1 : io_openat(dir, path, O_RDONLY | O_NONBLOCK, 0);
    bool fits = fd >= 0 && io->fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size_bytes;
    return fits ? fd_steal(&fd) : -1;
}

int elsewhere_note(struct elsewhere *e, const char *path, const char *etag, struct hfp_err *err)
{
    struct wanted key = { .size_bytes = 0 };
    snprintf(key.etag, sizeof key.etag, "%s", etag);
    const struct wanted *w = bsearch(&key, e->wanted, e->wanteds, sizeof key, by_etag);
    if (!w || e->count == FOUND_MAX)
        return HFP_OK;
    if (e->count == e->room) {
        uint32_t room = e->room ? e->room * 2 : 16;
        struct found *more = realloc(e->found, room * sizeof *more);
        if (!more)
            return err_nomem(err);
        e->found = more;
        e->room = room;
    }
    struct found f = { .fd = -1, .path = strdup(path) };
    if (!f.path)
        return err_nomem(err);
    snprintf(f.etag, sizeof f.etag, "%s", etag);
    if (e->count < OPEN_MAX)
        f.fd = open_same_size(e->local, path, w->size_bytes);
    e->found[e->count++] = f;
    return HFP_OK;
}

/* ---- on a worker, under the lock of the place ---- */

/* What goes wrong on our side ends the file; a source that cannot be read is only of no use. */
static int fill_from(struct blob *b, int fd, const char *name, struct hfp_err *err)
{
    struct job *job = b->job;
    struct partial_source from = { .fd = fd, .name = name, .stop = &job->stop, .read_bytes = &job->read_bytes };
    uint64_t had = b->partial->guessed_blocks;
    int rc = partial_adopt(b->partial, &from, err);
    b->elsewhere |= b->partial->guessed_blocks > had;
    if (rc != HFP_E_IO)
        return rc;
    log_debug(&job->core->log, "%s: %s", b->file->path, err->message);
    return HFP_OK;
}

static bool full(const struct blob *b)
{
    return b->partial->recorded_blocks + b->partial->guessed_blocks >= b->partial->blocks;
}

static int fill_from_folder(struct blob *b, struct hfp_err *err)
{
    const struct elsewhere *e = b->job->elsewhere;
    int rc = HFP_OK;
    for (uint32_t i = 0; e && i < e->count && !rc && !full(b); i++) {
        const struct found *f = &e->found[i];
        if (strcmp(f->etag, b->place.etag) != 0)
            continue;
        AUTO(fd_closep)
        int own = f->fd < 0 ? open_same_size(b->job->store->local, f->path, b->file->size_bytes) : -1;
        if (f->fd >= 0 || own >= 0)
            rc = fill_from(b, f->fd >= 0 ? f->fd : own, f->path, err);
    }
    return rc;
}

static int fill_from_blob(struct blob *b, int dir, const char *path, const char *name, struct hfp_err *err)
{
    AUTO(fd_closep) int fd = open_same_size(dir, path, b->file->size_bytes);
    return fd < 0 ? HFP_OK : fill_from(b, fd, name, err);
}

static bool is_repository(const char *name)
{
    static const char *const kinds[] = { "models--", "datasets--", "spaces--" };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

static int fill_from_neighbours(struct blob *b, struct hfp_err *err)
{
    const struct store *s = b->job->store;
    AUTO(dir_closep) DIR *list = io_list(s->hub, ".");
    int rc = HFP_OK;
    unsigned looks = 0;
    for (struct dirent *e; !rc && list && !full(b) && looks < NEIGHBOURS_MAX && (e = io->readdir(list));) {
        char path[sizeof e->d_name + 80];
        if (!is_repository(e->d_name) || (!s->is_local && strcmp(e->d_name, s->folder) == 0))
            continue;
        looks++;
        snprintf(path, sizeof path, "%s/blobs/%s", e->d_name, b->place.etag);
        rc = fill_from_blob(b, s->hub, path, e->d_name, err);
    }
    return rc;
}

bool elsewhere_in_cache(const struct place *p)
{
    AUTO(fd_closep) int fd = open_same_size(p->store->blobs, p->etag, p->size_bytes);
    return fd >= 0;
}

int elsewhere_copy_small(bool *copied, struct blob *b, struct hfp_err *err)
{
    size_t n = (size_t)b->file->size_bytes;
    struct content_id id;
    AUTO(fd_closep) int fd = open_same_size(b->job->store->blobs, b->place.etag, n);
    AUTO_FREE uint8_t *buf = malloc(n);
    if (fd < 0 || (buf && io_pread_all(fd, buf, n, 0, NULL) != HFP_OK))
        return HFP_OK;
    int rc = buf ? digest_of(&id, b->place.id.kind, buf, n, err) : err_nomem(err);
    if (rc || !content_id_equal(&id, &b->place.id))
        return rc;
    blake3_of(b->small_block, buf, n);
    *copied = true;
    return io_pwrite_all(b->partial->fd, buf, n, 0, err);
}

int elsewhere_fill(struct blob *b, struct hfp_err *err)
{
    if (b->small || b->damaged || !elsewhere_wanted(b->job, b->index) || full(b))
        return HFP_OK;
    int rc = fill_from_folder(b, err);
    return rc || full(b) ? rc : fill_from_neighbours(b, err);
}
