/* cli/view.h: one way of saying what happens. All views are fed by the same events and by nothing else, so that none
 * can say something the others do not.
 *
 * Main thread only. A view owns what it opened; view_free(NULL) is fine. */
#ifndef HFP_CLI_VIEW_H
#define HFP_CLI_VIEW_H

#include "cli/screen.h"
#include "cli/targets.h"
#include "front/progress.h"
#include "hfp/hfp.h"

#define FINDINGS_NAMED 3 /* files named in one sentence; more are counted */

/* Files an event said something special about. */
struct findings {
    uint64_t n;
    char name[FINDINGS_NAMED][256];
    char text[FINDINGS_NAMED][200];
};

/* One job, when it is over. */
struct job_result {
    const struct target *target;
    char label[REPO_MAX + REVISION_MAX + 16]; /* as one would type it: datasets/ns/name@rev */
    enum hfp_verb verb;
    bool ran;                 /* false: never begun, a signal came first */
    struct hfp_err error;     /* code HFP_OK: done */
    struct hfp_status status; /* the last one seen */
    struct findings damaged, missing, repaired;
    char *snapshot; /* or NULL */
};

struct run_result {
    const struct job_result *jobs;
    size_t n;
    int exit_status;
    int signal; /* that ended it; 0: none */
};

struct view;
struct view_ops {
    void (*event)(struct view *v, const struct hfp_event *ev, uint64_t now_ns);
    void (*tick)(struct view *v, uint64_t now_ns);               /* four times a second; may be NULL */
    void (*job_end)(struct view *v, const struct job_result *r); /* also of one that never began; may be NULL */
    void (*end)(struct view *v, const struct run_result *r);     /* may be NULL */
    void (*log)(struct view *v, int level, const char *text);    /* the engine's log; may be NULL */
    void (*free)(struct view *v);
};
struct view {
    const struct view_ops *ops;
};

static inline void view_free(struct view *v)
{
    if (v)
        v->ops->free(v);
}

/* NULL when out of memory. screen must live longer than the view. */
struct view *bar_new(struct screen *s);
struct view *lines_new(struct screen *s, uint64_t interval_ns);
struct view *json_new(struct screen *s);
struct view *progress_file_new(const char *path);

struct options;
struct views;
/* --notify: the events to the addresses asked for. Says through v what could not be delivered. */
int notify_view_new(struct view **out, struct views *v, const struct options *o, struct hfp_err *err);

struct talk_options {
    bool quiet, several, offline_asked;
    unsigned verbose;
    const char *endpoint;
};
struct view *talk_new(struct screen *s, const struct talk_options *options);
/* Opens the file at once: a report that cannot be written is better known before than after eight hours. */
int report_new(struct view **out, const char *path, struct hfp_err *err);
int report_error(const struct view *v, struct hfp_err *err); /* after the end: why it could not be written */

/* "main -> 4c44647", "24 files, 61.08 GB": pieces several views use, so that they are the same words. */
void revision_piece(struct text *t, const char *revision, const char *commit);
void files_piece(struct text *t, const struct hfp_status *st);
/* How a job ended, as --progress json and --report say it (docs/formats/events.md). */
struct cJSON;
void result_members(struct cJSON *o, const struct job_result *r);
/* Why nothing moves: wait_text, or the word for the reason when the engine has no figures. */
const char *reason(const struct hfp_status *st);

#endif
