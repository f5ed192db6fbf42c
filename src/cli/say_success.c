#include "cli/say.h"

#include "front/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "  a, b, c": pieces with commas between, none when nothing happened. */
struct list {
    struct text t;
    bool any;
};

static void list_begin(struct list *l)
{
    text_clear(&l->t);
    text_fmt(&l->t, "  ");
    l->any = false;
}

static struct text *list_next(struct list *l)
{
    if (l->any)
        text_fmt(&l->t, ", ");
    l->any = true;
    return &l->t;
}

static void list_end(struct list *l, struct screen *s)
{
    if (l->any)
        screen_print(s, &l->t);
}

static void title(struct screen *s, struct text *t, const struct job_result *r, const char *word)
{
    text_clear(t);
    text_safe(t, r->target->spec.repo);
    text_fmt(t, "  ");
    screen_color(s, t, COLOR_GOOD);
    text_fmt(t, "%s", word);
    screen_color(s, t, COLOR_NONE);
}

/* "proved: already here (24 files, 61.08 GB, receipts of 2026-11-19)" */
static void already_here(struct screen *s, const struct job_result *r)
{
    struct text t;
    title(s, &t, r, "proved");
    text_fmt(&t, ": already here (");
    files_piece(&t, &r->status);
    time_t when = (time_t)r->status.receipts_unix_s;
    struct tm day;
    char date[16];
    if (when && localtime_r(&when, &day) && strftime(date, sizeof date, "%Y-%m-%d", &day))
        text_fmt(&t, ", receipts of %s", date);
    else if (r->status.prove_bytes)
        text_fmt(&t, ", hashed now");
    text_fmt(&t, ")");
    screen_print(s, &t);
}

static void sources(struct screen *s, const struct job_result *r)
{
    const struct hfp_status *st = &r->status;
    char a[UNIT_TEXT], b[UNIT_TEXT];
    struct list l;
    list_begin(&l);
    if (st->kept_bytes)
        text_fmt(list_next(&l), "kept %s from an earlier run", size_text(a, st->kept_bytes));
    if (st->adopted_bytes)
        text_fmt(list_next(&l), "took over %s from another tool", size_text(a, st->adopted_bytes));
    if (st->copied_bytes)
        text_fmt(list_next(&l), "copied %s from files that were here", size_text(a, st->copied_bytes));
    if (st->fetched_bytes)
        text_fmt(list_next(&l), "fetched %s (wire %s)", size_text(a, st->fetched_bytes), size_text(b, st->wire_bytes));
    if (st->repaired_bytes) {
        text_fmt(list_next(&l), "repaired %s", block_text(a, st->repaired_bytes));
        for (uint64_t i = 0; i < r->repaired.n && i < FINDINGS_NAMED; i++) {
            text_fmt(&l.t, i ? ", " : " in ");
            text_safe(&l.t, r->repaired.name[i]);
            if (r->repaired.text[i][0]) {
                text_fmt(&l.t, " (");
                text_safe(&l.t, r->repaired.text[i]);
                text_fmt(&l.t, ")");
            }
        }
        if (r->repaired.n > FINDINGS_NAMED)
            text_fmt(&l.t, " and %" PRIu64 " more", r->repaired.n - FINDINGS_NAMED);
    }
    list_end(&l, s);
}

/* What went wrong on the way and what it cost; silence when the way was smooth. */
static void troubles(struct screen *s, const struct hfp_status *st)
{
    static const struct {
        enum hfp_wait wait;
        const char *words;
    } rows[] = {
        { HFP_WAIT_SILENCE, "stalled (silence)" },
        { HFP_WAIT_CONNECT, "connecting" },
        { HFP_WAIT_RETRY, "waiting between rounds" },
        { HFP_WAIT_HUB_BUSY, "waiting for the Hub" },
        { HFP_WAIT_LOCK, "waiting for a lock" },
        { HFP_WAIT_DISK, "waiting for the disk" },
        { HFP_WAIT_HASH, "hashing" },
        { HFP_WAIT_PAUSED, "paused" },
    };
    char time[UNIT_TEXT];
    struct list l;
    list_begin(&l);
    if (st->connections_lost)
        text_fmt(list_next(&l), "%" PRIu64 " connection%s lost", st->connections_lost, plural(st->connections_lost));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (st->waited_ns[rows[i].wait] >= 1000000000ULL)
            text_fmt(list_next(&l), "%s %s", wait_duration_text(time, st->waited_ns[rows[i].wait]), rows[i].words);
    list_end(&l, s);
}

static void verified(struct screen *s, const struct job_result *r)
{
    struct text t;
    char time[UNIT_TEXT];
    title(s, &t, r, "proved");
    text_fmt(&t, ": ");
    files_piece(&t, &r->status);
    text_fmt(&t, " read and hashed in %s", elapsed_text(time, r->status.elapsed_ns));
    screen_print(s, &t);
}

static void repaired(struct screen *s, const struct job_result *r)
{
    struct text t;
    char size[UNIT_TEXT];
    for (uint64_t i = 0; i < r->repaired.n && i < FINDINGS_NAMED; i++) {
        text_clear(&t);
        text_safe(&t, r->target->spec.repo);
        text_fmt(&t, "  ");
        text_safe(&t, r->repaired.name[i]);
        if (r->repaired.n == 1)
            text_fmt(&t, ": %s fetched, proved", block_text(size, r->status.repaired_bytes));
        else
            text_fmt(&t, ": proved");
        screen_print(s, &t);
    }
    if (r->repaired.n != 1) {
        title(s, &t, r, "proved");
        text_fmt(&t, r->repaired.n ? ": %" PRIu64 " files repaired, %s fetched" : ": nothing to repair", r->repaired.n,
                 block_text(size, r->status.repaired_bytes));
        screen_print(s, &t);
    }
}

static void indexed(struct screen *s, const struct job_result *r)
{
    struct text t;
    char time[UNIT_TEXT];
    uint64_t n = r->status.indexed_files;
    title(s, &t, r, "indexed");
    text_fmt(&t, ": %" PRIu64 " file%s with a chunk map in %s", n, plural(n), elapsed_text(time, r->status.elapsed_ns));
    screen_print(s, &t);
}

void say_success(struct screen *s, const struct job_result *r)
{
    const struct hfp_status *st = &r->status;
    char time[UNIT_TEXT], rate[UNIT_TEXT];
    struct text t;
    if (r->verb == HFP_INDEX) {
        indexed(s, r);
        return;
    }
    if (r->verb == HFP_VERIFY || r->verb == HFP_REPAIR) {
        (r->verb == HFP_VERIFY ? verified : repaired)(s, r);
        return;
    }
    if (st->fetched_bytes == 0 && st->copied_bytes == 0 && st->repaired_bytes == 0 && st->adopted_bytes == 0) {
        already_here(s, r);
        return;
    }
    title(s, &t, r, "proved");
    text_fmt(&t, ": ");
    files_piece(&t, st);
    text_fmt(&t, " in %s", elapsed_text(time, st->elapsed_ns));
    uint64_t ms = st->elapsed_ns / 1000000;
    if (ms && st->fetched_bytes) /* what came over the line, not what was here already */
        text_fmt(&t, " (%s)", rate_text(rate, (uint64_t)((unsigned __int128)st->fetched_bytes * 1000 / ms)));
    screen_print(s, &t);
    sources(s, r);
    troubles(s, st);
}

static void plan_row(struct screen *s, const char *what, uint64_t bytes, uint64_t files)
{
    char size[UNIT_TEXT];
    struct text t;
    text_clear(&t);
    text_fmt(&t, "  %-22s %12s", what, size_text(size, bytes));
    if (files != UINT64_MAX)
        text_fmt(&t, "   %" PRIu64 " file%s", files, plural(files));
    screen_print(s, &t);
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void say_plan(struct screen *s, const struct job_result *r)
{
    const struct hfp_status *st = &r->status;
    char size[UNIT_TEXT];
    struct text t;
    text_clear(&t);
    text_safe(&t, r->target->spec.repo);
    text_fmt(&t, "  ");
    revision_piece(&t, r->target->spec.revision, st->commit);
    text_fmt(&t, "   ");
    files_piece(&t, st);
    screen_print(s, &t);
    uint64_t proved = minus(minus(st->total_bytes, st->fetch_bytes), st->prove_bytes);
    if (st->here_bytes > st->prove_bytes && proved > st->here_bytes - st->prove_bytes)
        proved = st->here_bytes - st->prove_bytes;
    plan_row(s, "here and proved", proved, minus(minus(st->files, st->fetch_files), st->prove_files));
    if (st->prove_bytes)
        plan_row(s, "here, to be proved", st->prove_bytes, st->prove_files);
    plan_row(s, "to fetch", st->fetch_bytes, st->fetch_files);
    if (st->free_bytes >= st->fetch_bytes) {
        plan_row(s, "free after", st->free_bytes - st->fetch_bytes, UINT64_MAX);
        return;
    }
    text_clear(&t);
    text_fmt(&t, "  it does not fit: %s more are needed on the disk",
             size_text(size, st->fetch_bytes - st->free_bytes));
    screen_print(s, &t);
}
