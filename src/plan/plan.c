#include "plan/plan.h"

#include "base/auto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes come from outside. Below an exabyte in all, no sum of them and of what is on a disk overflows. */
#define TOTAL_MAX (UINT64_C(1) << 60)

bool plan_is_shard(const char *path)
{
    static const char *const ends[] = { ".safetensors", ".gguf", ".bin", ".pt", ".pth" };
    size_t n = strlen(path);
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcmp(path + n - k, ends[i]) == 0)
            return true;
    }
    return false;
}

static int compare_content(const void *a, const void *b, void *ctx)
{
    const struct listing *l = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct content_id *i = &listing_at(l, x)->id, *j = &listing_at(l, y)->id;
    int c = i->kind != j->kind ? i->kind - j->kind : memcmp(i->bytes, j->bytes, sizeof i->bytes);
    return c != 0 ? c : x < y ? -1 : x > y; /* the listing is sorted by path, so the index is the path's order */
}

/* Small contents first: a config is soon there, and their round trips fill the time in which the line is learned. */
static int compare_work(const void *a, const void *b, void *ctx)
{
    const struct listing *l = ctx;
    const struct plan_blob *x = a, *y = b;
    bool small_x = listing_at(l, x->file)->size_bytes <= BLOCK_BYTES;
    bool small_y = listing_at(l, y->file)->size_bytes <= BLOCK_BYTES;
    if (small_x != small_y)
        return small_x ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

static int no_match(const struct listing *l, const struct filter *f, struct hfp_err *err)
{
    char examples[160] = "";
    size_t n = listing_count(l);
    if (n > 0)
        snprintf(examples, sizeof examples, ", e.g. %.60s%s%.60s", listing_at(l, 0)->path, n > 1 ? ", " : "",
                 n > 1 ? listing_at(l, n - 1)->path : "");
    if (f->include && f->include[0])
        return err_set(err, HFP_E_NO_MATCH, "no file matches --include '%.80s'%s (%zu files%s)", f->include[0],
                       f->exclude && f->exclude[0] ? " after --exclude"
                       : f->include[1]             ? " or the other patterns"
                                                   : "",
                       n, examples);
    return err_set(err, HFP_E_NO_MATCH, "no file is left after --exclude '%.80s' (%zu files%s)",
                   f->exclude && f->exclude[0] ? f->exclude[0] : "", n, examples);
}

/* Every name that was asked for must lead to something. */
static int check_paths(const struct listing *l, const struct filter *f, struct hfp_err *err)
{
    for (const char *const *p = f->paths; p && *p; p++) {
        size_t n = strlen(*p);
        bool folder = n > 0 && (*p)[n - 1] == '/', found = false;
        for (size_t i = 0; folder && !found && i < listing_count(l); i++)
            found = strncmp(listing_at(l, i)->path, *p, n) == 0;
        if (!folder)
            found = listing_find(l, *p) != NULL;
        if (!found)
            return err_set(err, HFP_E_NO_FILE, "no such file: %.200s (%zu files in this revision)", *p,
                           listing_count(l));
    }
    return HFP_OK;
}

/* Turns the sorted wanted files into chains of equal content, one blob each. */
static void chain(struct plan *p, const uint32_t *wanted)
{
    for (uint32_t i = 0; i < p->files; i++) {
        const struct listed_file *f = listing_at(p->listing, wanted[i]);
        p->shards += plan_is_shard(f->path);
        p->next_file[wanted[i]] = UINT32_MAX;
        const struct listed_file *before = i > 0 ? listing_at(p->listing, wanted[i - 1]) : NULL;
        if (before && content_id_equal(&before->id, &f->id)) {
            p->next_file[wanted[i - 1]] = wanted[i];
            continue;
        }
        p->blob[p->blobs++] = (struct plan_blob){ .file = wanted[i] };
        p->total_bytes = MIN(p->total_bytes + MIN(f->size_bytes, TOTAL_MAX), TOTAL_MAX + 1);
    }
}

int plan_new(struct plan **out, const struct listing *l, const struct filter *f, bool force, struct hfp_err *err)
{
    int rc = check_paths(l, f, err);
    if (rc)
        return rc;
    size_t n = listing_count(l);
    struct plan *p = calloc(1, sizeof *p);
    AUTO_FREE uint32_t *wanted = malloc((n + 1) * sizeof *wanted);
    if (!p || !wanted || !(p->next_file = malloc((n + 1) * sizeof *p->next_file))) {
        plan_free(p);
        return err_nomem(err);
    }
    p->listing = l;
    p->force = force;
    for (size_t i = 0; i < n; i++)
        if (filter_wants(f, listing_at(l, i)->path))
            wanted[p->files++] = (uint32_t)i;
    if (p->files == 0 && n > 0) {
        plan_free(p);
        return no_match(l, f, err);
    }
    if (!(p->blob = malloc((p->files + 1) * sizeof *p->blob))) {
        plan_free(p);
        return err_nomem(err);
    }
    qsort_r(wanted, p->files, sizeof *wanted, compare_content, (void *)(uintptr_t)l);
    chain(p, wanted);
    if (p->total_bytes > TOTAL_MAX) {
        plan_free(p);
        return err_set(err, HFP_E_PROTO, "the sizes in the list of files add up to more than an exabyte");
    }
    qsort_r(p->blob, p->blobs, sizeof *p->blob, compare_work, (void *)(uintptr_t)l);
    *out = p;
    return HFP_OK;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    free(p->blob);
    free(p->next_file);
    free(p);
}

static enum plan_action decide(const struct plan *p, const struct plan_fact *f, uint64_t size_bytes)
{
    bool believed = !p->force && !f->damaged;
    if (believed && f->file_present && f->receipt == RECEIPT_HOLDS)
        return PLAN_HERE;
    if (believed && (f->file_present || f->shared))
        return PLAN_PROVE;
    return size_bytes == 0 ? PLAN_EMPTY : PLAN_FETCH;
}

void plan_fact(struct plan *p, uint32_t blob, const struct plan_fact *f)
{
    struct plan_blob *b = &p->blob[blob];
    uint64_t size_bytes = listing_at(p->listing, b->file)->size_bytes;
    b->action = (uint8_t)decide(p, f, size_bytes);
    b->linked = f->linked;
    b->done = b->action == PLAN_HERE;
    b->wrong_size = f->wrong_size;
    b->shared = b->action == PLAN_PROVE && !f->file_present;
    b->copyable = f->copyable && (b->action == PLAN_FETCH || b->action == PLAN_EMPTY);
    b->here_bytes = 0;
    b->guessed_bytes = b->held_bytes = 0;
    if (b->action == PLAN_HERE) {
        b->here_bytes = size_bytes;
        if (p->oldest_receipt_unix_s == 0 || f->proved_unix_s < p->oldest_receipt_unix_s)
            p->oldest_receipt_unix_s = f->proved_unix_s;
    } else if (b->action == PLAN_FETCH && !p->force) {
        b->here_bytes = MIN(f->recorded_bytes, size_bytes);
        b->guessed_bytes = MIN(f->guessed_bytes, size_bytes - b->here_bytes);
        b->held_bytes = MIN(f->held_bytes, size_bytes - b->here_bytes);
    }
}

static uint64_t chain_length(const struct plan *p, uint32_t file)
{
    uint64_t n = 0;
    for (; file != UINT32_MAX; file = p->next_file[file])
        n++;
    return n;
}

void plan_sums(struct plan_sums *out, const struct plan *p)
{
    *out = (struct plan_sums){ .all_linked = true };
    for (uint32_t i = 0; i < p->blobs; i++) {
        const struct plan_blob *b = &p->blob[i];
        uint64_t size_bytes = listing_at(p->listing, b->file)->size_bytes;
        uint64_t files = chain_length(p, b->file);
        out->recorded_bytes += b->here_bytes;
        out->guessed_bytes += b->guessed_bytes;
        out->held_bytes += b->held_bytes;
        out->all_linked &= b->linked;
        if (b->action == PLAN_HERE) {
            out->files_here += files;
            out->here_bytes += size_bytes;
        } else if (b->action == PLAN_PROVE) {
            out->prove_files += files;
            out->prove_bytes += size_bytes;
        } else {
            out->fetch_files += files;
            out->copy_files += b->copyable ? files : 0;
            out->fetch_bytes += size_bytes - b->here_bytes;
        }
    }
}
