#include "engine/blob.h"

#include "base/auto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The verb adopt: somebody's partial or finished files, taken over by proof. Each is matched with a file of the
 * listing; the job is then a pull of those files. When one is claimed, the bytes of the other file are copied into our
 * partial as a guess, and from there on all is as with what the Python client left: hashed in order, believed when the
 * Hub's hash says so, fetched again where it does not. The other file is only read.
 *
 * A file of one block is fetched: there is no partial of it to fill, and it costs less than to ask whose it is. */

#define ADOPTS_MAX 1000 /* files in one call; a folder's worth */

void adopting_done(struct job *job)
{
    for (size_t i = 0; i < job->adopts; i++)
        free(job->adopt[i].path);
    free(job->adopt);
    free(job->adopt_paths);
}

int adopting_copy_spec(struct job *job, const struct hfp_job_spec *spec, struct hfp_err *err)
{
    size_t n = 0;
    while (spec->adopt && spec->adopt[n] && n <= ADOPTS_MAX)
        n++;
    if (n > ADOPTS_MAX)
        return err_set(err, HFP_E_ARG, "more than %d files to adopt", ADOPTS_MAX);
    job->adopt = calloc(n + 1, sizeof *job->adopt);
    job->adopt_paths = calloc(n + 1, sizeof *job->adopt_paths);
    if (!job->adopt || !job->adopt_paths)
        return err_nomem(err);
    for (; job->adopts < n; job->adopts++)
        if (!(job->adopt[job->adopts].path = strdup(spec->adopt[job->adopts])))
            return err_nomem(err);
    return HFP_OK;
}

/* On a worker, before anything is asked of the Hub. */
int adopting_look(struct job *job, struct hfp_err *err)
{
    for (size_t i = 0; i < job->adopts; i++) {
        struct adopt *a = &job->adopt[i];
        struct stat st;
        AUTO(fd_closep) int fd = io_openat(AT_FDCWD, a->path, O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0)
            return err_sys(err, errno == ENOENT ? HFP_E_NO_FILE : HFP_E_ARG, errno, "open %s", a->path);
        if (io->fstat(fd, &st) < 0)
            return err_sys(err, HFP_E_IO, errno, "stat %s", a->path);
        if (!S_ISREG(st.st_mode))
            return err_set(err, HFP_E_ARG, "%s is not an ordinary file", a->path);
        a->size_bytes = (uint64_t)st.st_size;
    }
    return HFP_OK;
}

/* ---- which file is it? ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The Python client names its partials by the etag: the hash itself, as 40 or 64 hex digits before a dot. */
static const struct listed_file *by_etag(const struct listing *l, const char *name)
{
    for (const char *s = name; *s;) {
        size_t n = strspn(s, "0123456789abcdef");
        for (size_t i = 0; (n == 40 || n == 64) && (s[n] == '.' || !s[n]) && i < listing_count(l); i++) {
            char hex[65];
            content_id_hex(hex, &listing_at(l, i)->id);
            if (strlen(hex) == n && memcmp(hex, s, n) == 0)
                return listing_at(l, i);
        }
        s += n ? n : 1;
    }
    return NULL;
}

/* The name without what tools hang on to it: "model.gguf.1a2b3c4d.incomplete" is model.gguf. */
static void plain_name(char out[static 256], const char *name)
{
    static const char *const ends[] = { ".incomplete", ".partial", ".part", ".tmp", ".crdownload" };
    snprintf(out, 256, "%.255s", name);
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(out), m = strlen(ends[i]);
        if (n > m && strcmp(out + n - m, ends[i]) == 0)
            out[n - m] = 0;
    }
    char *dot = strrchr(out, '.');
    if (dot && dot > out && strlen(dot) == 9 && strspn(dot + 1, "0123456789abcdef") == 8)
        *dot = 0;
}

/* The one of this base name; among several, the one of this size. */
static const struct listed_file *by_name(const struct listing *l, const char *name, uint64_t size_bytes)
{
    const struct listed_file *named = NULL, *sized = NULL;
    unsigned names = 0, sizes = 0;
    for (size_t i = 0; i < listing_count(l); i++) {
        const struct listed_file *f = listing_at(l, i);
        if (strcmp(base_of(f->path), name) != 0)
            continue;
        named = f;
        names++;
        sizes += f->size_bytes == size_bytes;
        sized = f->size_bytes == size_bytes ? f : sized;
    }
    return names == 1 ? named : sizes == 1 ? sized : NULL;
}

static const struct listed_file *by_size(const struct listing *l, uint64_t size_bytes)
{
    const struct listed_file *found = NULL;
    for (size_t i = 0; i < listing_count(l); i++) {
        const struct listed_file *f = listing_at(l, i);
        if (f->size_bytes != size_bytes || (found && content_id_equal(&found->id, &f->id)))
            continue;
        if (found)
            return NULL;
        found = f;
    }
    return found;
}

static int match(struct job *job, struct adopt *a, const char *asked, struct hfp_err *err)
{
    const struct listing *l = job->listing;
    const struct listed_file *f = NULL;
    char name[256];
    plain_name(name, base_of(a->path));
    if (asked)
        f = listing_find(l, asked);
    else if (!(f = by_etag(l, base_of(a->path))) && !(f = by_name(l, name, a->size_bytes)))
        f = by_size(l, a->size_bytes);
    if (!f && asked)
        return err_set(err, HFP_E_NO_FILE, "no such file: %.200s (%zu files in this revision)", asked,
                       listing_count(l));
    if (!f)
        return err_set(err, HFP_E_NO_MATCH, "which file of %s is %s? Its name and size do not tell: name it as %s:PATH",
                       job->spec.repo, a->path, job->spec.repo);
    if (a->size_bytes > f->size_bytes)
        return err_set(err, HFP_E_NO_MATCH, "%s has %llu bytes, and %s only %llu: it is not that file", a->path,
                       (unsigned long long)a->size_bytes, f->path, (unsigned long long)f->size_bytes);
    a->file = f;
    return HFP_OK;
}

/* The listing is there: the job becomes a pull of the files that are taken over. */
int adopting_match(struct job *job, struct hfp_err *err)
{
    const char *asked = job->spec.paths ? job->spec.paths[0] : NULL;
    for (size_t i = 0; i < job->adopts; i++) {
        int rc = match(job, &job->adopt[i], asked, err);
        if (rc)
            return rc;
        job->adopt_paths[i] = job->adopt[i].file->path;
    }
    return HFP_OK;
}

/* ---- the bytes ---- */

/* On a worker, under the lock of the place: what the other file has of this content. */
int adopting_fill(struct blob *b, struct hfp_err *err)
{
    struct job *job = b->job;
    for (size_t i = 0; i < job->adopts; i++) {
        const struct adopt *a = &job->adopt[i];
        if (b->small || !content_id_equal(&a->file->id, &b->file->id))
            continue;
        AUTO(fd_closep) int fd = io_openat(AT_FDCWD, a->path, O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0)
            return err_sys(err, HFP_E_IO, errno, "open %s", a->path);
        struct partial_source from = {
            .fd = fd, .name = base_of(a->path), .stop = &job->stop, .read_bytes = &job->read_bytes
        };
        int rc = partial_adopt(b->partial, &from, err);
        if (rc)
            return err_wrap(err, "%s", a->path);
    }
    return HFP_OK;
}
