#include "cli/say.h"

#include "front/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INDENT "         " /* as wide as "hf-pull: " */

bool kept_piece(struct text *t, const struct job_result *r)
{
    const struct hfp_status *st = &r->status;
    char a[UNIT_TEXT], b[UNIT_TEXT];
    if ((r->verb != HFP_PULL && r->verb != HFP_ADOPT) || r->error.code == HFP_E_CONTENT || st->recorded_bytes == 0 ||
        st->total_bytes == 0 || strstr(r->error.message, "kept"))
        return false;
    if (st->recorded_bytes >= st->total_bytes)
        text_fmt(t, "All %s is kept", size_text(a, st->total_bytes));
    else
        text_fmt(t, "%s of %s is kept", size_text(a, st->recorded_bytes), size_text(b, st->total_bytes));
    return true;
}

/* What to do, by code. Where the message holds the words of "unless", it says so itself. */
static const struct {
    enum hfp_code code;
    const char *unless, *text, *page; /* page: the repository's on the Hub and what follows; NULL: none */
} cures[] = {
    { HFP_E_GATED, "://", "Ask for it at ", ", then run again." },
    { HFP_E_AUTH, "--token", "Give a token that is valid: --token-file FILE, HF_TOKEN, or log in with hf auth login.",
      NULL },
    { HFP_E_NO_REPO, "token", "Check the name. A private repository needs a token (--token-file, HF_TOKEN).", NULL },
    { HFP_E_NO_REVISION, "://", "Branches and tags are listed at ", "/tree/main" },
    { HFP_E_NO_FILE, "://", "All files are listed at ", "/tree/" },
    { HFP_E_NO_SPACE, "ree ", "Free some space and run again.", NULL }, /* "Free 17.57 GB", "free ... and run again" */
    { HFP_E_QUOTA, "ree ", "Free some space or raise the quota, and run again.", NULL },
    { HFP_E_INTERNAL, "report", "This is a defect in hf-pull. Please report it with what --report FILE writes.", NULL },
    { HFP_E_CORRUPT, "report", "This is a defect in hf-pull. Please report it with what --report FILE writes.", NULL },
};

static void page(struct text *t, const struct job_result *r, const struct talk_options *o, const char *behind)
{
    const struct spec *spec = &r->target->spec;
    text_safe(t, o->endpoint);
    text_fmt(t, "/%s", spec->type == HFP_DATASET ? "datasets/" : spec->type == HFP_SPACE ? "spaces/" : "");
    text_safe(t, spec->repo);
    text_safe(t, behind);
    if (strcmp(behind, "/tree/") == 0)
        text_safe(t, r->status.commit[0] ? r->status.commit : spec->revision);
}

static bool advice(struct text *t, const struct job_result *r, const struct talk_options *o)
{
    if (r->error.code == HFP_E_OFFLINE) {
        text_fmt(t, o->offline_asked ? "Run again without --offline (HF_HUB_OFFLINE) to fetch the rest."
                                     : "Run again when the Hub can be reached.");
        return true;
    }
    for (size_t i = 0; i < sizeof cures / sizeof *cures; i++) {
        if (cures[i].code != r->error.code || strstr(r->error.message, cures[i].unless))
            continue;
        text_safe(t, cures[i].text);
        if (cures[i].page)
            page(t, r, o, cures[i].page);
        return true;
    }
    return false;
}

static void named(struct text *t, const struct findings *f)
{
    for (uint64_t i = 0; i < f->n && i < FINDINGS_NAMED; i++) {
        text_fmt(t, i ? "; " : ": ");
        text_safe(t, f->name[i]);
        if (f->text[i][0]) {
            text_fmt(t, ", ");
            text_safe(t, f->text[i]);
        }
    }
    if (f->n > FINDINGS_NAMED)
        text_fmt(t, "; and %" PRIu64 " more", f->n - FINDINGS_NAMED);
}

/* "acme/big  1 of 24 files damaged: NAME, block 1711 (1 MiB at 1.79 GB). Run: hf-pull repair acme/big" */
static bool verify_failed(struct screen *s, const struct job_result *r)
{
    struct text t;
    if (r->verb != HFP_VERIFY || (r->damaged.n == 0 && r->missing.n == 0))
        return false;
    text_clear(&t);
    text_safe(&t, r->target->spec.repo);
    text_fmt(&t, "  ");
    screen_color(s, &t, COLOR_BAD);
    if (r->damaged.n)
        text_fmt(&t, "%" PRIu64 " of %" PRIu64 " files damaged", r->damaged.n, r->status.files);
    if (r->missing.n)
        text_fmt(&t, "%s%" PRIu64 " of %" PRIu64 " files missing", r->damaged.n ? ", " : "", r->missing.n,
                 r->status.files);
    screen_color(s, &t, COLOR_NONE);
    if (r->damaged.n)
        named(&t, &r->damaged);
    if (r->missing.n)
        named(&t, &r->missing);
    text_fmt(&t, ". Run: hf-pull %s", r->missing.n ? "" : "repair ");
    text_safe(&t, r->label);
    screen_print(s, &t);
    return true;
}

static void sentence(struct text *t, const char *message)
{
    text_safe(t, message);
    size_t n = strlen(message);
    if (n && !strchr(".?:)", message[n - 1]) && !strstr(message, "://"))
        text_fmt(t, ".");
}

void say_failure(struct screen *s, const struct job_result *r, const struct talk_options *o)
{
    const char *message = r->error.message[0] ? r->error.message : hfp_code_text(r->error.code);
    const char *repo = r->target->spec.repo;
    struct text t;
    if (verify_failed(s, r))
        return;
    text_clear(&t);
    screen_color(s, &t, COLOR_BAD);
    text_fmt(&t, "hf-pull:");
    screen_color(s, &t, COLOR_NONE);
    text_fmt(&t, " ");
    if (strncmp(message, repo, strlen(repo)) != 0) {
        text_safe(&t, repo);
        text_fmt(&t, ": ");
    }
    sentence(&t, message);
    screen_print(s, &t);
    text_clear(&t);
    text_fmt(&t, INDENT);
    if (kept_piece(&t, r)) {
        text_fmt(&t, "; run again and it continues there.");
        screen_print(s, &t);
    }
    text_clear(&t);
    text_fmt(&t, INDENT);
    if (advice(&t, r, o))
        screen_print(s, &t);
}

void say_signal(struct screen *s, const char *name, const struct job_result *job)
{
    struct text t, kept;
    text_clear(&t);
    text_clear(&kept);
    text_fmt(&t, "hf-pull: stopped by %s", name);
    if (job && kept_piece(&kept, job)) {
        text_fmt(&t, ". ");
        text_append(&t, &kept);
        text_fmt(&t, "; the same command continues there");
    } else if (job && job->verb == HFP_PULL) {
        text_fmt(&t, "; nothing was recorded yet");
    }
    text_fmt(&t, ".");
    screen_print(s, &t);
}

/* The reason in one line of the table, with the figure that matters. */
static void table_reason(struct text *t, const struct job_result *r)
{
    char size[UNIT_TEXT];
    struct text kept; /* only whether there is anything to say */
    text_clear(&kept);
    if (r->error.code == HFP_OK) {
        text_fmt(t, r->verb == HFP_PLAN ? "planned" : "proved");
        return;
    }
    if (!r->ran) {
        text_fmt(t, "not begun");
        return;
    }
    text_safe(t, r->error.message[0] ? r->error.message : hfp_code_text(r->error.code));
    if (kept_piece(&kept, r))
        text_fmt(t, "; %s kept", size_text(size, r->status.recorded_bytes));
    text_fmt(t, " (exit %d)", hfp_exit_status(r->error.code));
}

void say_table(struct screen *s, const struct run_result *run)
{
    char size[UNIT_TEXT], time[UNIT_TEXT];
    unsigned width = 0;
    for (size_t i = 0; i < run->n; i++) {
        unsigned cols = text_columns(run->jobs[i].label);
        width = cols > width ? cols : width;
    }
    width = width > 60 ? 60 : width;
    for (size_t i = 0; i < run->n; i++) {
        const struct job_result *r = &run->jobs[i];
        bool ok = r->error.code == HFP_OK;
        struct text t;
        text_clear(&t);
        screen_color(s, &t, ok ? COLOR_GOOD : r->ran ? COLOR_BAD : COLOR_WAIT);
        text_fmt(&t, "%-6s", ok ? "ok" : r->ran ? "failed" : "left");
        screen_color(s, &t, COLOR_NONE);
        text_fmt(&t, "  ");
        unsigned at = t.cols;
        text_shorten(&t, r->label, width);
        while (t.cols < at + width)
            text_fmt(&t, " ");
        bool sized = r->ran && r->status.total_bytes;
        text_fmt(&t, "  %11s", sized ? size_text(size, r->status.total_bytes) : "-");
        text_fmt(&t, "  %7s   ", r->ran ? elapsed_text(time, r->status.elapsed_ns) : "-");
        table_reason(&t, r);
        screen_print(s, &t);
    }
}
