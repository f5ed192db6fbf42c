/* Words that several views share. */
#include "cli/view.h"

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

const char *reason(const struct hfp_status *st)
{
    if (st->wait_text[0])
        return st->wait_text;
    const char *word = hfp_wait_text(st->wait);
    return *word ? word : "nothing arrives";
}
