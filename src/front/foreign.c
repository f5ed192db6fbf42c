#include "front/foreign_inside.h"

#include "front/files.h"
#include "front/status_json.h"
#include "front/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_SPAN_MS 5000 /* the rate is a mean of this long, as that of our own jobs */
#define RATE_GAP_MS 20000 /* nobody looked for so long: a mean over that would not be a rate of now */

struct foreign {
    char *folder[FOREIGN_DIRS_MAX];
    size_t folders;
    struct foreign_download *list[FOREIGN_MAX];
    size_t n;
    int64_t unix_ms;
};

int foreign_new(struct foreign **out, struct hfp_err *err)
{
    struct foreign *f = calloc(1, sizeof *f);
    if (!f)
        return fault_nomem(err);
    *out = f;
    return HFP_OK;
}

void foreign_free(struct foreign *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->folders; i++)
        free(f->folder[i]);
    for (size_t i = 0; i < f->n; i++)
        free(f->list[i]);
    free(f);
}

int foreign_add(struct foreign *f, const char *folder, struct hfp_err *err)
{
    if (f->folders == FOREIGN_DIRS_MAX)
        return fault(err, HFP_E_ARG, "more than %d folders to watch", FOREIGN_DIRS_MAX);
    char *path = path_absolute(folder);
    if (!path)
        return fault_nomem(err);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    f->folder[f->folders++] = path;
    return HFP_OK;
}

/* FNV-1a, 64 bits: an id need only differ among some hundred paths. */
static void make_id(char out[static 17], const char *path)
{
    uint64_t h = 0xcbf29ce484222325U;
    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * 0x100000001b3U;
    snprintf(out, 17, "%016" PRIx64, h);
}

/* Files with a plain name get half of the list: there are many, and most are nobody's download. */
static struct foreign_download *get(struct foreign *f, const char *path, const struct stat *st, bool plain)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i]->path, path) == 0)
            return f->list[i];
    struct foreign_download *d =
        f->n < (plain ? FOREIGN_MAX / 2 : FOREIGN_MAX) && strlen(path) < sizeof d->path ? calloc(1, sizeof *d) : NULL;
    if (!d)
        return NULL;
    snprintf(d->path, sizeof d->path, "%s", path);
    make_id(d->id, path);
    d->first_unix_ms = f->unix_ms;
    d->size_bytes = UINT64_MAX; /* none yet */
    d->last_growth_unix_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    if (d->last_growth_unix_ms > f->unix_ms) /* another machine's clock, over NFS */
        d->last_growth_unix_ms = f->unix_ms;
    f->list[f->n++] = d;
    return d;
}

/* The mean over the last samples that reach RATE_SPAN_MS back. */
static uint64_t rate(const struct foreign_download *d, int64_t unix_ms)
{
    unsigned kept = d->samples < FOREIGN_SAMPLES ? d->samples : FOREIGN_SAMPLES;
    for (unsigned back = 1; back < kept; back++) {
        unsigned i = (d->samples - 1 - back) % FOREIGN_SAMPLES;
        int64_t ms = unix_ms - d->sample[i].unix_ms;
        if (ms < RATE_SPAN_MS && back + 1 < kept)
            continue;
        if (ms <= 0 || d->size_bytes < d->sample[i].bytes)
            return 0;
        return (uint64_t)((unsigned __int128)(d->size_bytes - d->sample[i].bytes) * 1000 / (uint64_t)ms);
    }
    return 0;
}

static void measure(struct foreign_download *d, uint64_t bytes, int64_t unix_ms)
{
    if (d->size_bytes != UINT64_MAX && bytes != d->size_bytes)
        d->last_growth_unix_ms = unix_ms; /* also when it shrank: somebody is at it */
    d->size_bytes = bytes;
    if (d->samples && unix_ms - d->sample[(d->samples - 1) % FOREIGN_SAMPLES].unix_ms > RATE_GAP_MS)
        d->samples = 0;
    unsigned i = d->samples++ % FOREIGN_SAMPLES;
    d->sample[i].unix_ms = unix_ms;
    d->sample[i].bytes = bytes;
    d->rate_bytes_per_s = rate(d, unix_ms);
    int64_t quiet_ms = unix_ms - d->last_growth_unix_ms;
    d->quiet_s = quiet_ms > 0 ? (uint64_t)quiet_ms / 1000 : 0;
    d->stalled = d->quiet_s >= FOREIGN_STALLED_S;
    d->text[0] = '\0';
    if (d->stalled)
        snprintf(d->text, sizeof d->text, "No file activity for %" PRIu64 "s - download may be stalled", d->quiet_s);
}

static void found(void *ctx, const char *path, const struct stat *st, const char *by, bool needs_writer)
{
    struct foreign *f = ctx;
    struct foreign_download *d = get(f, path, st, needs_writer);
    if (!d)
        return;
    if (d->ino != (uint64_t)st->st_ino || d->dev != (uint64_t)st->st_dev) { /* new, or another file under this name */
        d->dev = (uint64_t)st->st_dev;
        d->ino = (uint64_t)st->st_ino;
        d->judged = false;
        d->total_bytes = 0;
        d->samples = 0;
    }
    d->seen = true;
    d->pid = 0;
    d->plain = needs_writer;
    snprintf(d->by, sizeof d->by, "%s", by);
    uint64_t bytes = (uint64_t)st->st_size, total = 0;
    if (foreign_aria2(&bytes, &total, path))
        d->total_bytes = total;
    measure(d, bytes, f->unix_ms);
}

/* Programs that write a download under its final name. */
static bool downloads_plainly(const char *by)
{
    static const char *const names[] = { "curl", "wget", "wget2", "axel", "aria2c", "git-lfs" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(by, names[i]) == 0)
            return true;
    return false;
}

/* A plain name is found while the file is young; one that hangs is looked at for as long as somebody has it open. */
static void look_again(struct foreign *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct stat st;
        if (!f->list[i]->seen && f->list[i]->plain && lstat(f->list[i]->path, &st) == 0 && S_ISREG(st.st_mode))
            found(f, f->list[i]->path, &st, "", true);
    }
}

static void drop_unseen(struct foreign *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct foreign_download *d = f->list[i];
        if (!d->seen || (d->plain && !downloads_plainly(d->by)) || strcmp(d->by, "hf-pull") == 0)
            free(d);
        else
            f->list[kept++] = d;
    }
    f->n = kept;
}

static int by_motion(const void *a, const void *b)
{
    const struct foreign_download *x = *(struct foreign_download *const *)a, *y = *(struct foreign_download *const *)b;
    if (x->stalled != y->stalled)
        return x->stalled ? 1 : -1;
    return strcmp(x->path, y->path);
}

void foreign_scan(struct foreign *f, int64_t unix_ms)
{
    f->unix_ms = unix_ms;
    for (size_t i = 0; i < f->n; i++)
        f->list[i]->seen = false;
    for (size_t i = 0; i < f->folders; i++)
        foreign_walk(f->folder[i], unix_ms / 1000, found, f);
    look_again(f);
    foreign_writers(f->list, f->n);
    drop_unseen(f);
    for (size_t i = 0; i < f->n; i++) {
        if (!f->list[i]->judged)
            foreign_judge(f->list[i]);
        f->list[i]->judged = true;
    }
    qsort(f->list, f->n, sizeof *f->list, by_motion); /* NOLINT(bugprone-sizeof-expression): a list of pointers */
}

size_t foreign_count(const struct foreign *f)
{
    return f->n;
}

const struct foreign_download *foreign_at(const struct foreign *f, size_t i)
{
    return i < f->n ? f->list[i] : NULL;
}

const struct foreign_download *foreign_find(const struct foreign *f, const char *id)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i]->id, id) == 0)
            return f->list[i];
    return NULL;
}

void foreign_json(struct out *o, const char *name, const struct foreign_download *d)
{
    out_object(o, name);
    out_text(o, "id", d->id);
    out_text(o, "path", d->path);
    out_text(o, "repo", d->repo[0] ? d->repo : NULL);
    out_text(o, "repo_type", d->repo[0] ? repo_type_text(d->type) : NULL);
    out_text(o, "file", d->file[0] ? d->file : NULL);
    out_text(o, "by", d->by[0] ? d->by : NULL);
    if (d->pid > 0)
        out_i64(o, "pid", d->pid);
    else
        out_null(o, "pid");
    out_u64(o, "size_bytes", d->size_bytes);
    if (d->total_bytes)
        out_u64(o, "total_bytes", d->total_bytes);
    else
        out_null(o, "total_bytes");
    out_u64(o, "rate_bytes_per_s", d->rate_bytes_per_s);
    out_i64(o, "last_growth_unix_ms", d->last_growth_unix_ms);
    out_u64(o, "quiet_s", d->quiet_s);
    out_bool(o, "stalled", d->stalled);
    out_text(o, "text", d->text);
    out_object_end(o);
}
