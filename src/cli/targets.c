/* The list of jobs: words of the command line first, then --models-from. */
#include "cli/targets.h"

#include "front/files.h"
#include "front/options.h"
#include "front/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX 10000
#define LIST_MAX_BYTES (4U << 20) /* 10,000 names of 400 bytes */

static int add_path(struct target *t, const char *path, struct hfp_err *err)
{
    const char **paths = realloc(t->paths, (t->paths_n + 2) * sizeof *paths);
    if (!paths)
        return fault_nomem(err);
    t->paths = paths;
    char *copy = strdup(path);
    if (!copy)
        return fault_nomem(err);
    paths[t->paths_n++] = copy;
    paths[t->paths_n] = NULL;
    return HFP_OK;
}

/* Two files of one repository are one job: one listing, one line in the summary. */
static struct target *same_repo(struct targets *all, const struct spec *s)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct spec *t = &all->t[i].spec;
        if (t->type == s->type && strcmp(t->repo, s->repo) == 0 && strcmp(t->revision, s->revision) == 0)
            return &all->t[i];
    }
    return NULL;
}

static int add(struct targets *all, const struct spec *s, struct hfp_err *err)
{
    struct target *t = same_repo(all, s);
    if (t) {
        if (t->paths && s->path[0])
            return add_path(t, s->path, err);
        for (size_t i = 0; i < t->paths_n; i++) /* one of the two means all of it */
            free((char *)t->paths[i]);
        free(t->paths);
        t->paths = NULL;
        t->paths_n = 0;
        return HFP_OK;
    }
    if (all->n >= TARGETS_MAX)
        return fault(err, HFP_E_ARG, "more than %d repositories.", TARGETS_MAX);
    struct target *more = realloc(all->t, (all->n + 1) * sizeof *more);
    if (!more)
        return fault_nomem(err);
    all->t = more;
    more[all->n] = (struct target){ .spec = *s };
    return s->path[0] ? add_path(&more[all->n++], s->path, err) : (all->n++, HFP_OK);
}

static int add_word(struct targets *all, const struct options *o, const char *word, struct hfp_err *err)
{
    struct spec s;
    const struct option_value *type = &o->v[OPT_REPO_TYPE];
    if (spec_parse(&s, word, o->v[OPT_ENDPOINT].text, err))
        return err->code;
    if (s.type_given && type->source == FROM_LINE && type->number != s.type)
        return fault(err, HFP_E_ARG, "'%s' says one kind of repository and --repo-type another.", word);
    if (!s.type_given)
        s.type = (enum hfp_repo_type)type->number;
    if (!s.revision[0])
        snprintf(s.revision, sizeof s.revision, "%s", o->v[OPT_REVISION].text);
    return add(all, &s, err);
}

static int add_list(struct targets *all, const struct options *o, const char *path, struct hfp_err *err)
{
    char *text = NULL;
    struct hfp_err why = { 0 };
    if (file_read(&text, path, LIST_MAX_BYTES, true, &why))
        return fault(err, HFP_E_ARG, "--models-from: %s", why.message);
    int rc = HFP_OK;
    unsigned number = 0;
    for (char *rest = text; rc == HFP_OK && rest;) {
        char *line = strsep(&rest, "\n");
        number++;
        line[strcspn(line, "#")] = '\0'; /* no name, revision or pattern of the Hub needs a # */
        line += strspn(line, " \t\r");
        size_t n = strcspn(line, " \t\r");
        const char *rest_of_line = line + n + strspn(line + n, " \t\r");
        if (n == 0)
            continue;
        if (*rest_of_line)
            rc = fault(&why, HFP_E_ARG, "one repository a line, and no blanks inside.");
        line[n] = '\0';
        if (rc == HFP_OK)
            rc = add_word(all, o, line, &why);
        if (rc)
            fault(err, HFP_E_ARG, "%s:%u: %s", strcmp(path, "-") == 0 ? "standard input" : path, number, why.message);
    }
    free(text);
    return rc;
}

static int check(const struct targets *all, const struct options *o, struct hfp_err *err)
{
    if (all->n == 0 && o->v[OPT_MODELS_FROM].text)
        return fault(err, HFP_E_ARG, "--models-from: %s names no repository.", o->v[OPT_MODELS_FROM].text);
    const char *word = o->command != COMMAND_NONE ? command_rows[o->command - 1].word : verb_rows[o->verb].word;
    if (all->n == 0)
        return fault(err, HFP_E_ARG,
                     "which repository? Example: hf-pull %s%sQwen/Qwen3-0.6B. hf-pull --help lists all.",
                     o->verb_given ? word : "", o->verb_given ? " " : "");
    if (all->n > 1 && o->v[OPT_LOCAL_DIR].text)
        return fault(err, HFP_E_ARG, "--local-dir takes one repository; %zu were named, and their files would mix.",
                     all->n);
    if (o->v[OPT_LOCAL_DIR].text && o->v[OPT_CACHE_DIR].source == FROM_LINE) /* as the Python client */
        return fault(err, HFP_E_ARG,
                     "--local-dir and --cache-dir are two places for the same files. Give one of them.");
    for (size_t i = 0; i < all->n; i++)
        if (all->t[i].paths && (o->v[OPT_INCLUDE].list_n || o->v[OPT_EXCLUDE].list_n))
            return fault(err, HFP_E_ARG, "--include and --exclude choose files, and so does '%s:%s'. Give one of them.",
                         all->t[i].spec.repo, all->t[i].paths[0]);
    return HFP_OK;
}

/* adopt: the words are files, and --as says whose. */
static int read_adopt(struct targets *all, const struct options *o, struct hfp_err *err)
{
    if (!o->v[OPT_AS].text || o->args_n == 0)
        return fault(err, HFP_E_ARG,
                     "adopt needs files and whose they are: hf-pull adopt FILE... --as ORG/NAME[:PATH].");
    int rc = add_word(all, o, o->v[OPT_AS].text, err);
    if (rc == HFP_OK && all->t[0].paths && o->args_n > 1)
        rc = fault(err, HFP_E_ARG, "--as names one file of the repository, and %zu are to be adopted.", o->args_n);
    return rc;
}

int targets_read(struct targets *out, const struct options *o, struct hfp_err *err)
{
    struct targets all = { 0 };
    bool adopt = o->verb == HFP_ADOPT;
    int rc = adopt ? read_adopt(&all, o, err) : HFP_OK;
    if (rc == HFP_OK && !adopt && o->v[OPT_AS].text)
        rc = fault(err, HFP_E_ARG, "--as goes with the verb adopt.");
    for (size_t i = 0; rc == HFP_OK && !adopt && i < o->args_n; i++)
        rc = add_word(&all, o, o->args[i], err);
    if (rc == HFP_OK && o->v[OPT_MODELS_FROM].text)
        rc = add_list(&all, o, o->v[OPT_MODELS_FROM].text, err);
    if (rc == HFP_OK)
        rc = check(&all, o, err);
    if (rc == HFP_OK)
        *out = all;
    else
        targets_done(&all);
    return rc;
}

void targets_done(struct targets *t)
{
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < t->t[i].paths_n; k++)
            free((char *)t->t[i].paths[k]);
        free(t->t[i].paths);
    }
    free(t->t);
    *t = (struct targets){ 0 };
}
