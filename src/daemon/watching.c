#include "daemon/watching.h"

#include "daemon/worker.h"
#include "front/clock.h"
#include "front/files.h"
#include "front/foreign.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_S 1000000000ULL
#define LOOK_NS (2 * NS_PER_S)  /* between two looks while somebody listens */
#define FRESH_NS (3 * NS_PER_S) /* a list that old is given as it is */
/* After a look: so many times the processor's time it took (5 % of a core), and the time (a third of a disk that is
 * slow; on a machine that is busy a look takes long and costs little). */
#define REST_OF_CPU 20
#define REST_OF_TIME 2
#define STILL_S 5 /* untouched for so long: nobody writes it, as far as can be seen */

struct watching {
    struct watching_config config;
    struct worker *worker;
    struct foreign *foreign; /* the worker's alone once it runs */
    char *root[FOREIGN_DIRS_MAX];
    size_t roots;
    bool looking;
    uint64_t looked_ns, rest_until_ns; /* looked_ns: when the last look ended; 0: never */
    char *json;
    uint64_t digest; /* of what counts as a change */
    struct asker *askers;
};

struct task {
    struct worker_task task;
    struct watching *w;
    char *json; /* of the look */
    uint64_t digest, rest_ns;
    char id[17]; /* of the one that is asked for */
    struct watched one;
    watching_one_fn *told; /* NULL: a look for the list */
    void *ctx;
};

/* ---- on the worker ---- */

static void mix(uint64_t *h, const void *data, size_t n)
{
    for (const unsigned char *s = data; n-- > 0; s++)
        *h = (*h ^ *s) * UINT64_C(0x100000001b3);
}

/* What a reader has to be told of. How long one is quiet is none of it: that follows from when it last grew, and else
 * leftovers of last year would be told of again and again. */
static void digest_one(uint64_t *h, const struct foreign_download *d)
{
    const uint64_t figures[] = { d->size_bytes, d->total_bytes, d->rate_bytes_per_s, (uint64_t)d->pid, d->stalled };
    mix(h, d->id, sizeof d->id);
    mix(h, figures, sizeof figures);
    mix(h, d->repo, strlen(d->repo));
    mix(h, d->file, strlen(d->file));
    mix(h, d->by, strlen(d->by));
}

static void look(struct task *t)
{
    struct foreign *f = t->w->foreign;
    struct out o = { 0 };
    uint64_t begin_ns = clock_mono_ns(), cpu_ns = clock_cpu_ns();
    foreign_scan(f, clock_unix_ms());
    uint64_t of_cpu = (clock_cpu_ns() - cpu_ns) * REST_OF_CPU, of_time = (clock_mono_ns() - begin_ns) * REST_OF_TIME;
    t->rest_ns = of_cpu > of_time ? of_cpu : of_time;
    t->digest = UINT64_C(0xcbf29ce484222325);
    out_object(&o, NULL);
    out_list(&o, "downloads");
    for (size_t i = 0; i < foreign_count(f); i++) {
        foreign_json(&o, NULL, foreign_at(f, i));
        digest_one(&t->digest, foreign_at(f, i));
    }
    out_list_end(&o);
    out_object_end(&o);
    t->json = out_take(&o, NULL);
}

/* Below a folder we may look into, with every link on the way resolved: one may have been put there since. */
static bool inside(const struct watching *w, const char *path)
{
    char real[PATH_MAX];
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || !realpath(path, real))
        return false;
    for (size_t i = 0; i < w->roots; i++) {
        size_t n = strlen(w->root[i]);
        if (strncmp(real, w->root[i], n) == 0 && (real[n] == '/' || n == 1))
            return true;
    }
    return false;
}

static void judge(struct task *t, const struct foreign_download *d)
{
    struct watched *one = &t->one;
    one->found = true;
    one->type = d->type;
    memcpy(one->path, d->path, sizeof one->path);
    memcpy(one->repo, d->repo, sizeof one->repo);
    memcpy(one->file, d->file, sizeof one->file);
    uint64_t still_s = d->pid > 0 ? FOREIGN_STALLED_S : STILL_S;
    if (!inside(t->w, d->path)) {
        one->outside = true;
        snprintf(one->refused, sizeof one->refused, "it does not lie in the hub cache or below a --watch-dir.");
    } else if (d->quiet_s < still_s && d->pid > 0) {
        snprintf(one->refused, sizeof one->refused,
                 "it still grows: %s (process %ld) wrote to it %llu s ago. End that first, then adopt it.",
                 d->by[0] ? d->by : "another program", d->pid, (unsigned long long)d->quiet_s);
    } else if (d->quiet_s < still_s) {
        snprintf(one->refused, sizeof one->refused,
                 "it still grows: it changed %llu s ago. End that download first, and adopt it after %d s of rest.",
                 (unsigned long long)d->quiet_s, STILL_S);
    }
}

static void run(struct worker_task *task)
{
    struct task *t = (struct task *)task;
    look(t);
    const struct foreign_download *d = t->told ? foreign_find(t->w->foreign, t->id) : NULL;
    if (d)
        judge(t, d);
}

/* ---- on the loop ---- */

static void answer_askers(struct watching *w)
{
    struct hfp_err err = { 0 };
    if (!w->json)
        fault_nomem(&err);
    askers_tell(&w->askers, w->json, w->json ? strlen(w->json) : 0, w->json ? NULL : &err);
}

static void done(struct worker_task *task)
{
    struct task *t = (struct task *)task;
    struct watching *w = t->w;
    w->looked_ns = clock_mono_ns();
    w->rest_until_ns = w->looked_ns + (t->rest_ns > LOOK_NS ? t->rest_ns : LOOK_NS);
    bool changed = t->json && (!w->json || t->digest != w->digest);
    free(w->json);
    w->json = t->json;
    w->digest = t->digest;
    if (changed && feed_readers(w->config.feed) > 0) {
        struct out o = { 0 };
        out_put(&o, w->json, strlen(w->json));
        feed_push(w->config.feed, "foreign", &o);
        feed_flush(w->config.feed);
    }
    if (t->told)
        t->told(t->ctx, &t->one);
    else
        w->looking = false;
    answer_askers(w);
    free(t);
}

static struct task *submit(struct watching *w, const char *id, watching_one_fn *told, void *ctx)
{
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->task = (struct worker_task){ .run = run, .done = done };
    t->w = w;
    t->told = told;
    t->ctx = ctx;
    if (id)
        snprintf(t->id, sizeof t->id, "%s", id);
    worker_submit(w->worker, &t->task);
    return t;
}

void watching_list(struct watching *w, asker_fn *told, void *ctx)
{
    struct hfp_err err = { 0 };
    if (w->json && clock_mono_ns() < w->looked_ns + FRESH_NS) {
        told(ctx, w->json, strlen(w->json), NULL);
        return;
    }
    if (!askers_add(&w->askers, told, ctx, clock_mono_ns()) || w->looking)
        return;
    w->looking = submit(w, NULL, NULL, NULL) != NULL;
    if (!w->looking) {
        fault_nomem(&err);
        askers_tell(&w->askers, NULL, 0, &err);
    }
}

bool watching_one(struct watching *w, const char *id, watching_one_fn *told, void *ctx)
{
    return submit(w, id, told, ctx) != NULL;
}

uint64_t watching_turn(struct watching *w, uint64_t now_ns)
{
    worker_turn(w->worker);
    if (w->looking || feed_readers(w->config.feed) == 0)
        return askers_late(&w->askers, now_ns); /* nobody waits but for a look */
    if (now_ns < w->rest_until_ns)
        return w->rest_until_ns;
    w->looking = submit(w, NULL, NULL, NULL) != NULL;
    w->rest_until_ns = now_ns + LOOK_NS; /* when it could not be asked */
    return w->looking ? UINT64_MAX : w->rest_until_ns;
}

/* What is there of it without links, so that what it is now is what it stays; the rest need not be there yet. */
static char *resolved(const char *folder)
{
    char *real = realpath(folder, NULL), *path = real ? NULL : path_absolute(folder);
    if (real || !path || errno != ENOENT)
        return real ? real : path;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    char *slash = strrchr(path, '/');
    if (slash && slash[1]) {
        *slash = '\0';
        char *above = resolved(slash == path ? "/" : path);
        real = above ? path_join(above, slash + 1) : NULL;
        free(above);
    }
    free(path);
    return real;
}

static int add_root(struct watching *w, const char *folder, struct hfp_err *err)
{
    char *root = resolved(folder);
    if (!root)
        return fault_nomem(err);
    for (size_t i = 0; i < w->roots; i++) {
        if (strcmp(w->root[i], root) == 0) {
            free(root);
            return HFP_OK;
        }
    }
    int rc = foreign_add(w->foreign, root, err);
    if (rc)
        free(root);
    else
        w->root[w->roots++] = root;
    return rc;
}

int watching_new(struct watching **out, const struct watching_config *config, struct hfp_err *err)
{
    struct watching *w = calloc(1, sizeof *w);
    if (!w)
        return fault_nomem(err);
    w->config = *config;
    int rc = foreign_new(&w->foreign, err);
    if (rc == HFP_OK)
        rc = add_root(w, config->hub, err);
    for (size_t i = 0; rc == HFP_OK && i < config->dirs_n; i++)
        rc = add_root(w, config->dirs[i], err);
    if (rc == HFP_OK)
        rc = worker_new(&w->worker, config->wake_fd, err);
    if (rc)
        watching_free(w);
    else
        *out = w;
    return rc;
}

void watching_free(struct watching *w)
{
    if (!w)
        return;
    worker_free(w->worker);
    answer_askers(w);
    foreign_free(w->foreign);
    for (size_t i = 0; i < w->roots; i++)
        free(w->root[i]);
    free(w->json);
    free(w);
}
