/* What must hold after a run in which something failed, and after the next one. Read from the disk, never asked. */
#include "inject.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERDICT(...) return (void)snprintf(out, VERDICT_MAX, __VA_ARGS__)

static bool status_fits(const struct scene *s, const struct outcome *o)
{
    if (o->status == s->status)
        return true;
    if (o->hits == 0 || o->plan.mode == SHORT || o->plan.mode == EINTR_)
        return false;
    char wanted[8], list[32];
    snprintf(wanted, sizeof wanted, " %d ", o->status);
    snprintf(list, sizeof list, " %s ", kind_statuses[o->plan.kind]);
    return strstr(list, wanted) != NULL;
}

/* A name look-up cannot be cut: one that runs at the end keeps its task and the lanes (base/work.c). */
static bool leaks(const struct outcome *o)
{
    bool asked_names = o->count[K_NAMES] > 0 && o->live_left == 2;
    return (o->live_left != 0 && !asked_names) || o->curl_live_left != 0;
}

static char *stream(const char *home, const char *name)
{
    char *path = text("%s/../%s", home, name), *said = calloc(1, 8192);
    FILE *f = fopen(path, "re");
    if (!f || fread(said, 1, 8191, f) == 0)
        said[0] = 0;
    if (f)
        fclose(f);
    free(path);
    return said;
}

/* Ours for a moment (docs/formats/cache.md): an unlink that fails leaves it, and it harms nobody. */
static bool is_for_a_moment(const char *path)
{
    const char *base = strrchr(path, '/');
    return strstr(path, "/.hf-pull/") &&
           (strncmp(base, "/test.", 6) == 0 || strncmp(base, "/link.", 6) == 0 || strstr(base, ".tmp"));
}

/* Not of the cache, or written once and at best (cache/store.c, the lock of the repository). */
static bool is_aside(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    return strcmp(base, "CACHEDIR.TAG") == 0 || strcmp(base, ".gitignore") == 0 || strcmp(base, "hf-pull.lock") == 0 ||
           strncmp(path, "hf-pull/", 8) == 0 || strcmp(path, "hf-pull") == 0 || strcmp(path, "report.json") == 0 ||
           strcmp(path, "progress.json") == 0;
}

static void judge_finals(char out[VERDICT_MAX], const struct scene *s, const struct tree *t, int status)
{
    bool complete = true, new_ref = false;
    for (size_t i = 0; i < s->at_end.n; i++)
        complete &= !s->at_end.entry[i].final || tree_find(t, s->at_end.entry[i].path) != NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct entry *e = &t->entry[i], *right = tree_find(&s->at_end, e->path);
        const struct entry *was = tree_find(&s->at_start, e->path);
        if (!e->final)
            continue;
        new_ref |= strstr(e->path, "/refs/") && !was;
        if (right && entry_same(e, right))
            continue;
        if (was && entry_same(e, was) && (status != 0 || !right))
            continue;
        VERDICT("%s is %s under its final name", e->path, right ? "wrong" : "unknown");
    }
    if (status == 0 && !complete)
        VERDICT("exit 0, and a file is missing");
    if (new_ref && !complete)
        VERDICT("the ref is there before all it stands for");
}

/* A sync that failed is never made good by another one: the job fails, or what it was for is not believed. */
static void judge_synced(char out[VERDICT_MAX], const struct scene *s, const struct tree *t, const struct outcome *o)
{
    bool failed = o->hits > 0 && (o->plan.kind == K_FSYNC || o->plan.kind == K_FDATASYNC) && o->plan.mode != EINTR_;
    bool believed = true;
    for (size_t i = 0; i < s->at_end.n; i++)
        if (strstr(s->at_end.entry[i].path, ".receipt"))
            believed &= tree_find(t, s->at_end.entry[i].path) != NULL;
    if (failed && o->status == 0 && (believed || o->plan.kind == K_FSYNC))
        VERDICT("exit 0, and what could not be synced is believed");
}

static void judge_written(char out[VERDICT_MAX], const struct tree *t)
{
    static const char *const names[] = { "report.json", "progress.json" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct entry *e = tree_find(t, names[i]);
        cJSON *doc = e ? cJSON_Parse(e->data) : NULL;
        cJSON_Delete(doc);
        if (e && !doc)
            VERDICT("%s is half written", names[i]);
    }
}

/* Same names, and the same under final ones. */
static void judge_same(char out[VERDICT_MAX], const struct tree *t, const struct tree *want, enum kind kind)
{
    for (size_t i = 0; i < want->n; i++)
        if (!tree_find(t, want->entry[i].path) && !is_aside(want->entry[i].path))
            VERDICT("%s is missing", want->entry[i].path);
    for (size_t i = 0; i < t->n; i++) {
        const struct entry *e = &t->entry[i], *w = tree_find(want, e->path);
        if (is_aside(e->path))
            continue;
        if (!w && kind == K_UNLINKAT && is_for_a_moment(e->path))
            continue;
        if (!w)
            VERDICT("%s is left behind", e->path);
        if (e->final && !entry_same(e, w))
            VERDICT("%s is not what it should be", e->path);
    }
}

static void judge_words(char out[VERDICT_MAX], const struct scene *s, const char *home, const struct outcome *o)
{
    char *said = stream(home, "err"), *path = stream(home, "out");
    bool shows = strcmp(s->name, "plan") != 0 && strncmp(s->name, "verify", 6) != 0;
    if (o->status != 0 && said[0] == 0)
        snprintf(out, VERDICT_MAX, "exit %d without a word", o->status);
    else if (o->status == 0 && shows && (path[0] != '/' || path[strlen(path) - 1] != '\n'))
        snprintf(out, VERDICT_MAX, "exit 0 without the path on stdout");
    free(said);
    free(path);
}

void judge_disturbed(char out[VERDICT_MAX], const struct scene *s, const char *home, const struct outcome *o)
{
    struct tree t;
    out[0] = 0;
    if (!status_fits(s, o))
        VERDICT("exit %d does not say what happened", o->status);
    if (o->fds_after != o->fds_before)
        VERDICT("%d descriptors left open", o->fds_after - o->fds_before);
    if (leaks(o))
        VERDICT("%ld allocations of ours and %ld of libcurl's not freed", o->live_left, o->curl_live_left);
    if (o->plan.kind != K_WRITE)
        judge_words(out, s, home, o);
    tree_read(&t, home);
    if (!out[0])
        judge_written(out, &t);
    if (!out[0])
        judge_synced(out, s, &t, o);
    if (!out[0])
        judge_finals(out, s, &t, o->status);
    if (!out[0] && !s->writes)
        judge_same(out, &t, &s->at_start, o->plan.kind);
    tree_free(&t);
}

void judge_next(char out[VERDICT_MAX], const struct scene *s, const char *home, const struct outcome *o,
                enum kind failed)
{
    struct tree t;
    out[0] = 0;
    if (o->status != s->status)
        VERDICT("the next run ends with %d", o->status);
    if (o->fds_after != o->fds_before || leaks(o))
        VERDICT("the next run leaves %d descriptors, %ld and %ld allocations", o->fds_after - o->fds_before,
                o->live_left, o->curl_live_left);
    tree_read(&t, home);
    judge_same(out, &t, &s->at_end, failed);
    tree_free(&t);
}
