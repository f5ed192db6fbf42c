/* --progress-file: the progress (front/progress.h) of the job that runs, once a second. */
#include "cli/view.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY_NS 1000000000ULL

struct progress_file {
    struct view view;
    char *path;
    uint64_t written_ns;
    struct hfp_status last;
    bool known; /* the total of the job is */
};

static void write_now(struct progress_file *p, uint64_t now_ns)
{
    char text[PROGRESS_TEXT];
    size_t n = progress_text(text, &p->last);
    p->written_ns = now_ns;
    progress_write(p->path, text, n);
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    struct progress_file *p = (struct progress_file *)v;
    bool was_known = p->known;
    p->last = ev->status;
    p->known = ev->type != HFP_EV_DONE && (p->known || ev->type == HFP_EV_PLAN);
    if (was_known != p->known || (p->known && now_ns - p->written_ns >= PROGRESS_EVERY_NS))
        write_now(p, now_ns);
}

static void tick(struct view *v, uint64_t now_ns)
{
    struct progress_file *p = (struct progress_file *)v;
    if (p->known && now_ns - p->written_ns >= PROGRESS_EVERY_NS)
        write_now(p, now_ns);
}

static void progress_file_free(struct view *v)
{
    free(((struct progress_file *)v)->path);
    free(v);
}

struct view *progress_file_new(const char *path)
{
    static const struct view_ops ops = { .event = event, .tick = tick, .free = progress_file_free };
    struct progress_file *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->view.ops = &ops;
    p->path = strdup(path);
    if (!p->path) {
        free(p);
        return NULL;
    }
    return &p->view;
}
