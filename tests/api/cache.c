/* cache.c: the calls about the hub cache as a whole, from the public header and the shared library alone.
 *
 *   cache HUB_CACHE                             one line a revision on stdout, then the totals
 *   cache HUB_CACHE delete TYPE REPO COMMIT     deletes a revision; prints what that freed */
#include <hfp/hfp.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const types[] = { "model", "dataset", "space" };

static int delete_one(char **words)
{
    struct hfp_err err = { 0 };
    uint64_t freed = 0;
    enum hfp_repo_type type = HFP_MODEL;
    while (type < HFP_SPACE && strcmp(types[type], words[2]) != 0)
        type++;
    int rc = hfp_cache_delete_revision(&freed, words[0], type, words[3], words[4], &err);
    printf("freed %" PRIu64 " %s %s\n", freed, hfp_code_name((enum hfp_code)rc), rc ? err.message : "");
    return rc ? hfp_exit_status((enum hfp_code)rc) : 0;
}

int main(int argc, char **argv)
{
    struct hfp_err err = { 0 };
    struct hfp_cache *c = NULL;
    if (argc == 6)
        return delete_one(argv + 1);
    if (argc != 2 || hfp_cache_list(&c, argv[1], &err)) {
        fprintf(stderr, "cache: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < c->repos; i++) {
        const struct hfp_cached_repo *r = &c->repo[i];
        for (size_t k = 0; k < r->revisions; k++) {
            const struct hfp_cached_revision *v = &r->revision[k];
            printf("%s/%s %s files=%" PRIu64 " size=%" PRIu64 " frees=%" PRIu64 " repo=%" PRIu64 " %s", types[r->type],
                   r->repo, v->commit, v->files, v->size_bytes, v->freed_bytes, r->size_bytes,
                   hfp_trust_text(v->trust));
            for (char **ref = v->refs; *ref; ref++)
                printf(" %s", *ref);
            printf("\n");
        }
    }
    printf("total %" PRIu64 "\n", c->total_bytes);
    hfp_cache_free(c);
    return 0;
}
