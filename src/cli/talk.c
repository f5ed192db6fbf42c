/* What is said in sentences: notes at once, chunk lines with -v, the text at the end of each job and of all. */
#include "cli/view.h"

#include "cli/say.h"
#include "front/status_json.h"
#include "front/units.h"

#include <inttypes.h>
#include <stdlib.h>

struct talk {
    struct view view;
    struct screen *screen;
    struct talk_options o;
};

/* Progress: 166/294 chunks (56.5%)  recorded 52428800-104857599 of FILE, blake3 HASH */
static void chunk(struct talk *t, const struct hfp_event *ev)
{
    struct text line;
    unsigned p = permille(ev->chunk, ev->chunks);
    text_clear(&line);
    text_fmt(&line, "Progress: %" PRIu64 "/%" PRIu64 " chunks (%u.%u%%)", ev->chunk, ev->chunks, p / 10, p % 10);
    text_fmt(&line, "  recorded %" PRIu64 "-%" PRIu64, ev->first_byte, ev->last_byte);
    if (ev->path) {
        text_fmt(&line, " of ");
        text_safe(&line, ev->path);
    }
    if (ev->hash) {
        text_fmt(&line, ", blake3 ");
        text_safe(&line, ev->hash);
    }
    screen_print(t->screen, &line);
}

static void file(struct talk *t, const struct hfp_event *ev)
{
    struct text line;
    char size[UNIT_TEXT];
    text_clear(&line);
    text_fmt(&line, "  %-8s  %11s  ", file_state_text(ev->file_state), size_text(size, ev->size_bytes));
    text_safe(&line, ev->path ? ev->path : "");
    if (ev->hash) {
        text_fmt(&line, "  ");
        text_safe(&line, ev->hash);
    }
    if (ev->text) {
        text_fmt(&line, "  ");
        text_safe(&line, ev->text);
    }
    screen_print(t->screen, &line);
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    (void)now_ns;
    struct talk *t = (struct talk *)v;
    if (ev->type == HFP_EV_NOTE && ev->text && (ev->level <= HFP_LOG_WARN || t->o.verbose))
        screen_say(t->screen, "hf-pull: %s: %s", ev->repo, ev->text);
    if (ev->type == HFP_EV_CHUNK && t->o.verbose)
        chunk(t, ev);
    if (ev->type == HFP_EV_FILE && t->o.verbose && ev->file_state != HFP_FILE_FETCHING)
        file(t, ev);
}

static void job_end(struct view *v, const struct job_result *r)
{
    struct talk *t = (struct talk *)v;
    if (!r->ran || r->error.code == HFP_E_CANCELLED)
        return;
    if (r->error.code)
        say_failure(t->screen, r, &t->o);
    else if (r->verb == HFP_PLAN)
        say_plan(t->screen, r); /* it is what was asked for, so --quiet does not take it away */
    else if (!t->o.quiet && (!t->o.several || t->o.verbose))
        say_success(t->screen, r);
}

static void end(struct view *v, const struct run_result *r)
{
    struct talk *t = (struct talk *)v;
    if (t->o.several && (!t->o.quiet || r->exit_status))
        say_table(t->screen, r);
}

static void log_record(struct view *v, int level, const char *text)
{
    static const char *const names[] = { "error", "warn", "info", "debug", "trace" };
    screen_say(((struct talk *)v)->screen, "  %s: %s", names[level >= 0 && level < 5 ? level : 4], text);
}

static void talk_free(struct view *v)
{
    free(v);
}

struct view *talk_new(struct screen *s, const struct talk_options *options)
{
    static const struct view_ops ops = {
        .event = event, .job_end = job_end, .end = end, .log = log_record, .free = talk_free
    };
    struct talk *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->view.ops = &ops;
    t->screen = s;
    t->o = *options;
    return &t->view;
}
