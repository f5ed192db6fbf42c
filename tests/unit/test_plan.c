/* test_plan.c: what a job has to do, from a listing and what is on the disk. Pure.
 *
 * Seen red on purpose: equal contents fetched twice; force that believes a receipt; a damaged file that is kept; large
 * files first; a name that leads to nothing taken for "everything is here"; sizes that overflow the sum. */
#include "plan/plan.h"

#include "base/auto.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *path;
    uint64_t size;
    int content;
} files[] = {
    { "model-00002-of-00002.safetensors", 5000000000, 2 },
    { "config.json", 500, 3 },
    { "model-00001-of-00002.safetensors", 5000000000, 1 },
    { "copy/of/config.json", 500, 3 },
    { "empty", 0, 4 },
    { "copy/model.bin", 5000000000, 1 },
    { "README.md", 1 << 20, 5 },
};

static struct listing *list(void)
{
    struct listing *l = NULL;
    listing_new(&l, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        struct listed_file f = { .path = files[i].path, .size_bytes = files[i].size };
        f.id.bytes[0] = (uint8_t)files[i].content;
        listing_add(l, &f, NULL);
    }
    listing_seal(l, NULL);
    return l;
}

static const char *path_of(const struct plan *p, uint32_t blob)
{
    return listing_at(p->listing, p->blob[blob].file)->path;
}

static void test_order(void)
{
    struct listing *l = list();
    struct plan *p = NULL;
    struct filter all = { 0 };
    struct plan_sums sums;
    CHECK(plan_new(&p, l, &all, false, NULL) == HFP_OK && p->files == 7 && p->blobs == 5,
          "equal contents are one blob");
    CHECK_U64(p->total_bytes, UINT64_C(10000000500) + (1 << 20), "and count once");
    CHECK_U64(p->shards, 3, "weights files are counted as shards");
    CHECK(strcmp(path_of(p, 0), "README.md") == 0 && strcmp(path_of(p, 1), "config.json") == 0 &&
              strcmp(path_of(p, 2), "empty") == 0,
          "files of one block come first, by path");
    CHECK(strcmp(path_of(p, 3), "copy/model.bin") == 0 &&
              strcmp(listing_at(l, p->next_file[p->blob[3].file])->path, "model-00001-of-00002.safetensors") == 0 &&
              p->next_file[p->next_file[p->blob[3].file]] == UINT32_MAX,
          "a content knows all its files");
    for (uint32_t i = 0; i < p->blobs; i++)
        plan_fact(p, i, &(struct plan_fact){ 0 });
    plan_sums(&sums, p);
    CHECK(sums.fetch_files == 7 && sums.fetch_bytes == p->total_bytes && sums.files_here == 0 && !sums.all_linked,
          "with nothing here everything must come");
    plan_free(p);
    listing_free(l);
    plan_free(NULL);
}

static void test_decisions(void)
{
    static const struct {
        const char *name;
        bool force;
        struct plan_fact fact;
        enum plan_action action;
        uint64_t here;
    } rows[] = {
        { "nothing is there", 0, { 0 }, PLAN_FETCH, 0 },
        { "a receipt holds", 0, { .receipt = RECEIPT_HOLDS, .file_present = true }, PLAN_HERE, 5000000000 },
        { "a file without a receipt", 0, { .receipt = RECEIPT_ABSENT, .file_present = true }, PLAN_PROVE, 0 },
        { "a receipt of a copied cache", 0, { .receipt = RECEIPT_COPIED, .file_present = true }, PLAN_PROVE, 0 },
        { "a receipt that does not hold", 0, { .receipt = RECEIPT_BROKEN, .file_present = true }, PLAN_PROVE, 0 },
        { "a receipt without its file", 0, { .receipt = RECEIPT_HOLDS }, PLAN_FETCH, 0 },
        { "a claim of the shared store", 0, { .receipt = RECEIPT_HOLDS, .shared = true }, PLAN_PROVE, 0 },
        { "force does not want it shared", 1, { .shared = true }, PLAN_FETCH, 0 },
        { "force believes nothing",
          1,
          { .receipt = RECEIPT_HOLDS, .file_present = true, .recorded_bytes = 7 },
          PLAN_FETCH,
          0 },
        { "read and found wrong",
          0,
          { .receipt = RECEIPT_HOLDS, .file_present = true, .damaged = true },
          PLAN_FETCH,
          0 },
        { "a partial", 0, { .recorded_bytes = 3 << 20, .guessed_bytes = 1 << 20 }, PLAN_FETCH, 3 << 20 },
        { "a partial that claims too much",
          0,
          { .recorded_bytes = UINT64_MAX, .guessed_bytes = UINT64_MAX },
          PLAN_FETCH,
          5000000000 },
    };
    struct listing *l = list();
    struct filter one = { .paths = (const char *const[]){ "model-00002-of-00002.safetensors", NULL } };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan *p = NULL;
        struct plan_sums sums;
        plan_new(&p, l, &one, rows[i].force, NULL);
        plan_fact(p, 0, &(struct plan_fact){ .receipt = RECEIPT_HOLDS, .file_present = true });
        plan_fact(p, 0, &rows[i].fact);
        plan_sums(&sums, p);
        CHECK(p->blob[0].action == rows[i].action && p->blob[0].here_bytes == rows[i].here &&
                  sums.recorded_bytes == rows[i].here && sums.recorded_bytes + sums.guessed_bytes <= 5000000000,
              "%s; the newest fact counts", rows[i].name);
        plan_free(p);
    }
    struct plan *p = NULL;
    plan_new(&p, l, &(struct filter){ .paths = (const char *const[]){ "empty", NULL } }, false, NULL);
    plan_fact(p, 0, &(struct plan_fact){ 0 });
    CHECK(p->blob[0].action == PLAN_EMPTY, "an empty file needs no request");
    plan_free(p);
    listing_free(l);
}

static void test_filters(void)
{
    static const char *const none[] = { "*.gguf", NULL }, *const gone[] = { "config.json", "gone.bin", NULL },
                             *const folder[] = { "copy/", NULL }, *const no_folder[] = { "cop/", NULL },
                             *const all[] = { "*", NULL };
    static const struct {
        const char *name;
        struct filter f;
        int rc;
        uint32_t files;
    } rows[] = {
        { "no filter", { 0 }, HFP_OK, 7 },
        { "a folder", { .paths = folder }, HFP_OK, 2 },
        { "a folder that is not there", { .paths = no_folder }, HFP_E_NO_FILE, 0 },
        { "one of the names leads to nothing", { .paths = gone }, HFP_E_NO_FILE, 0 },
        { "a pattern that matches nothing", { .include = none }, HFP_E_NO_MATCH, 0 },
        { "everything excluded", { .exclude = all }, HFP_E_NO_MATCH, 0 },
    };
    struct listing *l = list();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan *p = NULL;
        struct hfp_err err = { 0 };
        int rc = plan_new(&p, l, &rows[i].f, false, &err);
        CHECK(rc == rows[i].rc && (rc ? p == NULL && err.message[0] : p->files == rows[i].files), "%s %s", rows[i].name,
              err.message);
        plan_free(p);
    }
    listing_free(l);
    struct plan *p = NULL;
    listing_new(&l, NULL);
    listing_seal(l, NULL);
    CHECK(plan_new(&p, l, &(struct filter){ .include = none }, false, NULL) == HFP_OK && p->blobs == 0,
          "an empty repository is complete");
    plan_free(p);
    listing_free(l);
}

static void test_huge(void)
{
    struct listing *l = NULL;
    struct plan *p = NULL;
    struct hfp_err err;
    listing_new(&l, NULL);
    for (int i = 0; i < 3000; i++) {
        char path[32];
        snprintf(path, sizeof path, "f%d", i);
        struct listed_file f = { .path = path,
                                 .size_bytes = UINT64_C(1) << 53,
                                 .id.bytes = { (uint8_t)i, (uint8_t)(i >> 8) } };
        listing_add(l, &f, NULL);
    }
    listing_seal(l, NULL);
    CHECK(plan_new(&p, l, &(struct filter){ 0 }, false, &err) == HFP_E_PROTO && !p,
          "sizes that would overflow are refused");
    listing_free(l);
}

int main(void)
{
    static const struct {
        const char *path;
        bool shard;
    } names[] = {
        { "model-00001-of-00016.safetensors", true },
        { "a.gguf", true },
        { "sub/pytorch_model.bin", true },
        { ".bin", false },
        { "config.json", false },
        { "model.safetensors.index.json", false },
        { "x.pth", true },
    };
    test_order();
    test_decisions();
    test_filters();
    test_huge();
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        CHECK(plan_is_shard(names[i].path) == names[i].shard, "%s is %sa shard", names[i].path,
              names[i].shard ? "" : "not ");
    return tap_end();
}
