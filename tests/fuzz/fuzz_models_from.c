/* The list of --models-from. Every repository in it is one job, with a name that can be one and a revision; a bad line is
 * told with its number. */
#include "spoken_file.h"

#include "cli/targets.h"
#include "front/options.h"

static void target_must_hold(const struct targets *all, size_t at)
{
    const struct target *t = &all->t[at];
    MUST(t->spec.repo[0] && !strpbrk(t->spec.repo, " @:#%?\\") && !strstr(t->spec.repo, "//"),
         "a name that can be one");
    MUST(t->spec.revision[0], "a revision, if only the usual one");
    MUST((t->paths != NULL) == (t->paths_n > 0), "paths or the whole repository");
    for (size_t i = 0; i < t->paths_n; i++)
        MUST(t->paths[i] && t->paths[i][0], "no empty path");
    MUST(!t->paths || !t->paths[t->paths_n], "and the list of them ends");
    for (size_t i = 0; i < at; i++)
        MUST(all->t[i].spec.type != t->spec.type || strcmp(all->t[i].spec.repo, t->spec.repo) != 0 ||
                 strcmp(all->t[i].spec.revision, t->spec.revision) != 0,
             "one job for each repository and revision");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options o = { 0 };
    struct targets all = { 0 };
    struct hfp_err err = { 0 };
    MUST(option_set(&o, OPT_MODELS_FROM, FROM_LINE, "here", spoken_file(data, size), &err) == HFP_OK &&
             options_defaults(&o, &err) == HFP_OK,
         "options for the list");
    int rc = targets_read(&all, &o, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_ARG && all.n == 0 && !all.t, "a bad list is a bad argument, and gives nothing");
        MUST(strstr(err.message, "models-from") || strstr(err.message, "/proc/self/fd/"), "the sentence says where");
    } else {
        MUST(all.n > 0 && all.n <= size, "a good list names something");
    }
    for (size_t i = 0; i < all.n; i++)
        target_must_hold(&all, i);
    targets_done(&all);
    options_done(&o);
    return 0;
}
