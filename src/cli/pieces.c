/* Words that several views share. */
#include "cli/view.h"

#include "front/status_json.h"
#include "front/units.h"

#include <inttypes.h>
#include <string.h>

void revision_piece(struct text *t, const char *revision, const char *commit)
{
    if (revision && strncmp(revision, commit, 40) != 0) {
        text_safe(t, revision);
        if (!commit[0])
            return;
        text_fmt(t, " -> ");
    }
    text_fmt(t, "%.7s", commit); /* 40 hex digits, checked by the engine */
}

void files_piece(struct text *t, const struct hfp_status *st)
{
    char size[UNIT_TEXT];
    text_fmt(t, "%" PRIu64 " file%s, %s", st->files, st->files == 1 ? "" : "s", size_text(size, st->total_bytes));
}

void result_members(struct cJSON *o, const struct job_result *r)
{
    member_text(o, "repo", r->target->spec.repo);
    member_text(o, "repo_type", repo_type_text(r->target->spec.type));
    member_text(o, "revision", r->target->spec.revision);
    member_text(o, "verb", verb_text(r->verb));
    cJSON_AddBoolToObject(o, "ok", r->error.code == HFP_OK);
    member_u64(o, "exit_status", (uint64_t)hfp_exit_status(r->error.code));
    member_text(o, "snapshot", r->snapshot);
    cJSON_AddItemToObject(o, "error", r->error.code ? error_json(&r->error) : cJSON_CreateNull());
}

const char *reason(const struct hfp_status *st)
{
    if (st->wait_text[0])
        return st->wait_text;
    const char *word = hfp_wait_text(st->wait);
    return *word ? word : "nothing arrives";
}
