#include "daemon/job.h"

#include "daemon/job_files.h"
#include "daemon/samples.h"
#include "front/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void list_free(char **list)
{
    for (char **s = list; s && *s; s++)
        free(*s);
    free(list);
}

void job_ask_done(struct job_ask *a)
{
    free(a->repo);
    free(a->revision);
    free(a->local_dir);
    list_free(a->include);
    list_free(a->exclude);
    list_free(a->paths);
    list_free(a->notify);
    list_free(a->notify_on);
    list_free(a->adopt);
    *a = (struct job_ask){ 0 };
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(char *const *a, char *const *b)
{
    for (; a && b && *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return (!a || !*a) && (!b || !*b);
}

bool job_ask_same(const struct job_ask *a, const struct job_ask *b)
{
    return a->verb == b->verb && a->type == b->type && a->force == b->force && same_text(a->repo, b->repo) &&
           same_text(a->revision, b->revision) && same_text(a->local_dir, b->local_dir) &&
           same_list(a->include, b->include) && same_list(a->exclude, b->exclude) && same_list(a->paths, b->paths) &&
           same_list(a->adopt, b->adopt);
}

struct hfp_job_spec job_ask_spec(const struct job_ask *a)
{
    return (struct hfp_job_spec){ .verb = a->verb,
                                  .type = a->type,
                                  .repo = a->repo,
                                  .revision = a->revision,
                                  .paths = (const char *const *)a->paths,
                                  .include = (const char *const *)a->include,
                                  .exclude = (const char *const *)a->exclude,
                                  .adopt = (const char *const *)a->adopt,
                                  .local_dir = a->local_dir,
                                  .force = a->force,
                                  .each_file = true,
                                  .limit_bytes_per_s = a->limit_bytes_per_s };
}

int job_make(struct job **out, struct job_ask *ask, uint64_t unix_ms, struct hfp_err *err)
{
    uint64_t random;
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return fault_nomem(err);
    if (getrandom(&random, sizeof random, 0) != sizeof random) {
        free(j);
        return fault(err, HFP_E_INTERNAL, "the kernel gives no random bytes.");
    }
    snprintf(j->id, sizeof j->id, "j_%016llx", (unsigned long long)random);
    j->ask = *ask;
    *ask = (struct job_ask){ 0 };
    j->created_ms = unix_ms;
    *out = j;
    return HFP_OK;
}

void job_drop(struct job *j)
{
    if (!j)
        return;
    job_ask_done(&j->ask);
    job_files_free(j->files);
    samples_free(j->samples);
    free(j->status);
    free(j->snapshot);
    free(j->key);
    free(j->key_digest);
    free(j);
}

bool job_ended(const struct job *j)
{
    return j->end == HFP_DONE || j->end == HFP_FAILED || j->end == HFP_CANCELLED;
}

bool job_tells(struct job *j, enum notify_event what)
{
    const unsigned bit = 1U << (what == NOTIFY_RECOVERED ? NOTIFY_STALLED : what);
    bool told = j->told & bit;
    if (what == NOTIFY_RECOVERED) {
        j->told &= ~bit;
        return told;
    }
    j->told |= bit;
    return !told;
}

bool job_running(const struct job *j)
{
    return j->engine && !j->paused && !j->parked && !job_ended(j);
}

enum hfp_state job_state(const struct job *j)
{
    if (job_ended(j))
        return j->end;
    if (j->cancelling)
        return j->again ? HFP_QUEUED : HFP_CANCELLED;
    if (j->paused)
        return HFP_PAUSED;
    if (!job_running(j))
        return HFP_QUEUED;
    /* The engine's word, but for the moments in which it has not yet heard ours. */
    enum hfp_state s = j->status ? j->status->state : HFP_QUEUED;
    return s == HFP_PAUSED || s == HFP_DONE || s == HFP_FAILED || s == HFP_CANCELLED || s == HFP_QUEUED ? HFP_RESOLVING
                                                                                                        : s;
}
