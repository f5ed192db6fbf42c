/* --progress-file: {"downloaded","total","progress","speed","eta"} of the job that runs, replaced whole once a second.
 * Who reads it sees an old or a new file, never half of one. A failure is harmless: the download is not about it. */
#include "cli/view.h"

#include "cli/files.h"

#include <inttypes.h>
#include <stdio.h>
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
    const struct hfp_status *st = &p->last;
    char text[256], eta[24] = "null";
    uint64_t shown = shown_bytes(st);
    unsigned percent = shown >= st->total_bytes ? 100 : (unsigned)((unsigned __int128)shown * 100 / st->total_bytes);
    if (eta_s(st) != UINT64_MAX)
        snprintf(eta, sizeof eta, "%" PRIu64, eta_s(st));
    int n = snprintf(text, sizeof text,
                     "{\"downloaded\":%" PRIu64 ",\"total\":%" PRIu64 ",\"progress\":%u,\"speed\":%" PRIu64
                     ",\"eta\":%s}\n",
                     shown, st->total_bytes, percent, st->rate_bytes_per_s, eta);
    struct out_file f;
    p->written_ns = now_ns;
    if (out_file_open(&f, p->path, NULL))
        return;
    if (out_file_write(&f, text, (size_t)n, NULL))
        out_file_drop(&f);
    else
        out_file_commit(&f, NULL);
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
