#include "daemon/saying.h"

#include "front/clock.h"
#include "front/files.h"
#include "front/progress.h"
#include "front/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define IDLE_NS (5 * NS_PER_S) /* while nothing runs: for jobs that are taken off the list */
#define WAITING_MAX 64 /* files that wait to be written; more, and the disk hangs: the next second has newer figures */

struct saying {
    struct saying_config config;
    struct worker *disk;
    uint64_t written_ns, said_ns;
    struct said {
        char id[JOB_ID_SIZE];
        bool seen, quiet; /* quiet: its last figures are written, and it does not run */
        bool old; /* from an earlier life of this program, which may have died before it wrote the last figures */
    } * said;     /* jobs that may have a file; by id */
    size_t n, room;
};

struct writing {
    struct worker_task task;
    char *path;
    char text[PROGRESS_TEXT];
    size_t n;   /* 0: the file is taken away */
    bool again; /* only where there is one already */
};

static void run(struct worker_task *t)
{
    struct writing *w = (struct writing *)t;
    if (w->again && access(w->path, F_OK) != 0)
        return;
    if (w->n)
        file_replace(w->path, w->text, w->n, NULL);
    else
        unlink(w->path);
}

static void done(struct worker_task *t)
{
    struct writing *w = (struct writing *)t;
    free(w->path);
    free(w);
}

void saying_free(struct saying *s)
{
    if (!s)
        return;
    worker_free(s->disk);
    free(s->said);
    free(s);
}

/* ---- files ---- */

static void submit(struct saying *s, const struct said *one, const struct hfp_status *st)
{
    struct writing *w = calloc(1, sizeof *w);
    if (!w || asprintf(&w->path, "%s/download_%s.json", s->config.dir, one->id) < 0) {
        free(w);
        return;
    }
    w->task = (struct worker_task){ .run = run, .done = done };
    w->n = st ? progress_text(w->text, st) : 0;
    w->again = one->old;
    worker_submit(s->disk, &w->task);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct said *)a)->id, ((const struct said *)b)->id);
}

static struct said *find(struct saying *s, const char *id)
{
    struct said key = { 0 };
    memcpy(key.id, id, sizeof key.id);
    return s->n ? bsearch(&key, s->said, s->n, sizeof *s->said, by_id) : NULL;
}

static bool more_room(struct saying *s, size_t n)
{
    if (s->n + n <= s->room)
        return true;
    size_t room = 2 * s->room > s->n + n ? 2 * s->room : s->n + n;
    struct said *said = realloc(s->said, room * sizeof *said);
    if (!said)
        return false;
    s->said = said;
    s->room = room;
    return true;
}

static struct said *add(struct saying *s, const char *id)
{
    size_t at = 0;
    if (!more_room(s, 1))
        return NULL;
    while (at < s->n && strcmp(s->said[at].id, id) < 0)
        at++;
    struct said *one = &s->said[at];
    memmove(one + 1, one, (s->n++ - at) * sizeof *one);
    *one = (struct said){ 0 };
    memcpy(one->id, id, sizeof one->id);
    return one;
}

/* Of jobs that are on the list when the program begins, each may have a file. */
static void add_old(struct saying *s)
{
    const struct jobs *q = s->config.jobs;
    if (!more_room(s, q->n))
        return; /* out of memory: those files stay */
    for (size_t i = 0; i < q->n; i++) {
        struct said *one = &s->said[s->n++];
        *one = (struct said){ .quiet = !job_ended(q->list[i]), .old = true };
        memcpy(one->id, q->list[i]->id, sizeof one->id);
    }
    if (s->n)
        qsort(s->said, s->n, sizeof *s->said, by_id);
}

/* Running jobs get theirs every second, one that stopped once more; one that is off the list loses it. */
static void write_files(struct saying *s)
{
    const struct jobs *q = s->config.jobs;
    size_t kept = 0;
    if (worker_waiting(s->disk) > WAITING_MAX)
        return;
    for (size_t i = 0; i < s->n; i++)
        s->said[i].seen = false;
    for (size_t i = 0; i < q->n; i++) {
        const struct job *j = q->list[i];
        bool known = j->status && j->status->files > 0 && j->ask.verb != HFP_PLAN;
        bool runs = known && job_running(j);
        struct said *one = find(s, j->id);
        if (runs && !one)
            one = add(s, j->id);
        if (!one)
            continue;
        one->seen = true;
        one->old &= !runs;
        if (runs || (known && !one->quiet))
            submit(s, one, j->status);
        one->quiet = !runs;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->said[i].seen)
            s->said[kept++] = s->said[i];
        else
            submit(s, &s->said[i], NULL);
    }
    s->n = kept;
}

int saying_new(struct saying **out, const struct saying_config *config, struct hfp_err *err)
{
    struct saying *s = calloc(1, sizeof *s);
    if (!s)
        return fault_nomem(err);
    s->config = *config;
    int rc = config->dir ? worker_new(&s->disk, config->wake_fd, err) : HFP_OK;
    if (rc) {
        free(s);
        return rc;
    }
    if (s->disk)
        add_old(s);
    *out = s;
    return HFP_OK;
}

/* ---- the line ---- */

bool saying_line(char out[static 160], const struct jobs *jobs)
{
    uint64_t shown = 0, total = 0, files = 0, quiet_ns = UINT64_MAX;
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        const struct hfp_status *st = j->status;
        if (!job_running(j) || !st || st->files == 0 || j->ask.verb == HFP_PLAN)
            continue;
        shown += shown_bytes(st);
        total += st->total_bytes;
        files += st->fronts > 0 ? st->fronts : 1; /* small ones come without a front */
        quiet_ns = st->quiet_ns < quiet_ns ? st->quiet_ns : quiet_ns;
    }
    if (files == 0)
        return false;
    char have[UNIT_TEXT], all[UNIT_TEXT];
    struct size_unit unit = size_unit_for(total);
    snprintf(out, 160, "Download progress: %u%% (%s / %s) | %llu files | Last update: %llus ago",
             permille(shown, total) / 10, size_text_in(have, shown, unit), size_text_in(all, total, unit),
             (unsigned long long)files, (unsigned long long)(quiet_ns / NS_PER_S));
    return true;
}

uint64_t saying_turn(struct saying *s, uint64_t now_ns)
{
    char line[160];
    if (s->disk)
        worker_turn(s->disk);
    bool running = jobs_running(s->config.jobs) > 0;
    uint64_t every_ns = running ? NS_PER_S : IDLE_NS;
    if (s->disk && (running || s->n > 0) && now_ns >= s->written_ns + every_ns) {
        s->written_ns = now_ns;
        write_files(s);
    }
    if (!running)
        s->said_ns = now_ns; /* the first line comes an interval after the beginning, as on the command line */
    else if (now_ns >= s->said_ns + s->config.interval_ns) {
        s->said_ns = now_ns;
        if (saying_line(line, s->config.jobs))
            log_line(s->config.log, HFP_LOG_INFO, NULL, "%s", line);
    }
    if (!running && s->n == 0)
        return UINT64_MAX;
    uint64_t file_at = s->disk ? s->written_ns + every_ns : UINT64_MAX, line_at = s->said_ns + s->config.interval_ns;
    return running ? clock_sooner(line_at, file_at) : file_at;
}
