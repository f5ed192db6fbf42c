#include "daemon/watching.h"

#include "daemon/worker.h"
#include "front/files.h"
#include "front/foreign.h"
#include "front/status_json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define LOOK_NS (2 * NS_PER_S)  /* between two looks while somebody listens */
#define FRESH_NS (3 * NS_PER_S) /* a list that old is given as it is */
#define REST 20   /* a look that took long is followed by so many times that long of rest: 5 % of a core */
#define STILL_S 5 /* untouched for so long: nobody writes it, as far as can be seen */

struct asker {
    struct asker *next;
    watching_list_fn *told;
    void *ctx;
};

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
    struct asker *askers, **last;
};

struct task {
    struct worker_task task;
    struct watching *w;
    char *json; /* of the look */
    uint64_t digest, took_ns;
    char id[17]; /* of the one that is asked for */
    struct watched one;
    watching_one_fn *told; /* NULL: a look for the list */
    void *ctx;
};

static uint64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int64_t unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

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

static void one_json(struct out *o, const struct foreign_download *d)
{
    out_object(o, NULL);
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

static void look(struct task *t)
{
    struct foreign *f = t->w->foreign;
    struct out o = { 0 };
    uint64_t begin_ns = mono_ns();
    foreign_scan(f, unix_ms());
    t->took_ns = mono_ns() - begin_ns;
    t->digest = UINT64_C(0xcbf29ce484222325);
    out_object(&o, NULL);
    out_list(&o, "downloads");
    for (size_t i = 0; i < foreign_count(f); i++) {
        one_json(&o, foreign_at(f, i));
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
    struct asker *list = w->askers;
    w->askers = NULL;
    w->last = &w->askers;
    while (list) {
        struct asker *a = list;
        list = a->next;
        a->told(a->ctx, w->json);
        free(a);
    }
}

static void done(struct worker_task *task)
{
    struct task *t = (struct task *)task;
    struct watching *w = t->w;
    w->looked_ns = mono_ns();
    w->rest_until_ns = w->looked_ns + (t->took_ns * REST > LOOK_NS ? t->took_ns * REST : LOOK_NS);
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

void watching_list(struct watching *w, watching_list_fn *told, void *ctx)
{
    if (w->json && mono_ns() < w->looked_ns + FRESH_NS) {
        told(ctx, w->json);
        return;
    }
    struct asker *a = malloc(sizeof *a);
    if (!a || (!w->looking && !submit(w, NULL, NULL, NULL))) {
        free(a);
        told(ctx, NULL);
        return;
    }
    w->looking = true;
    *a = (struct asker){ NULL, told, ctx };
    *w->last = a;
    w->last = &a->next;
}

bool watching_one(struct watching *w, const char *id, watching_one_fn *told, void *ctx)
{
    return submit(w, id, told, ctx) != NULL;
}

uint64_t watching_turn(struct watching *w, uint64_t now_ns)
{
    worker_turn(w->worker);
    if (w->looking || feed_readers(w->config.feed) == 0)
        return UINT64_MAX;
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
    w->last = &w->askers;
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
