/* The moving lines on a terminal: the whole job, the files at the front, how much is proved. */
#include "cli/bar.h"

#include "cli/view.h"
#include "front/units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const cells_utf8[] = { "█", "▒", "░" };
static const char *const cells_ascii[] = { "#", "=", "." };

static unsigned share(uint64_t part, uint64_t total, unsigned cells)
{
    if (part >= total)
        return cells;
    return (unsigned)((unsigned __int128)part * cells / total);
}

/* Rounded down: a full bar means all of it. */
static void cells(struct text *t, uint64_t recorded, uint64_t received, uint64_t total, unsigned width, bool utf8)
{
    unsigned full = share(recorded, total, width), half = share(received, total, width);
    for (unsigned i = 0; i < width; i++)
        text_fmt(t, "%s", (utf8 ? cells_utf8 : cells_ascii)[i < full ? 0 : i < half ? 1 : 2]);
}

static unsigned bar_width(unsigned cols)
{
    return cols < 70 ? 8 : cols < 90 ? 16 : cols < 104 ? 24 : 30;
}

static unsigned percent(uint64_t part, uint64_t total)
{
    return part >= total ? 100 : (unsigned)((unsigned __int128)part * 100 / total);
}

/* "stalled 34 s", "waiting 41 s", "disk is slow" in place of the rate; *why is set when there is a reason to add.
 * False: it moves. */
static bool state_words(struct text *t, const char **why, const struct hfp_status *st, uint64_t age_ns)
{
    char time[UNIT_TEXT];
    bool still = shown_rate(st) == 0;
    wait_duration_text(time, st->quiet_ns + age_ns);
    *why = reason(st);
    if (st->wait == HFP_WAIT_DISK && still) {
        text_fmt(t, "disk is slow");
    } else if (st->stalled) {
        text_fmt(t, "stalled %s", time);
    } else if (st->state == HFP_WAITING || (st->state == HFP_DOWNLOADING && st->wait != HFP_NOT_WAITING && still)) {
        text_fmt(t, "waiting %s", time);
    } else if (st->state != HFP_DOWNLOADING && (still || st->state == HFP_PAUSED)) {
        text_fmt(t, "%s", hfp_state_text(st->state));
        *why = st->wait_text[0] ? st->wait_text : NULL;
    } else {
        return false;
    }
    return true;
}

static void add_piece(struct text *line, struct text *piece, unsigned width, bool *room)
{
    *room = *room && text_append_if_fits(line, piece, width);
    text_clear(piece);
}

static void movement(struct text *line, const struct hfp_status *st, unsigned width)
{
    struct text piece;
    char a[UNIT_TEXT], b[UNIT_TEXT];
    bool room = true;
    text_clear(&piece);
    text_fmt(&piece, shown_rate(st) > st->rate_bytes_per_s ? "   reading %s" : "   %s", rate_text(a, shown_rate(st)));
    add_piece(line, &piece, width, &room);
    if (eta_s(st) != UINT64_MAX) {
        duration_text(a, st->eta_low_s);
        duration_text(b, st->eta_high_s);
        text_fmt(&piece, strcmp(a, b) ? "   ETA %s..%s" : "   ETA %s", a, b);
        if (room && line->cols + piece.cols > width) { /* the middle alone says most of it */
            text_clear(&piece);
            text_fmt(&piece, "   ETA %s", duration_text(a, eta_s(st)));
        }
        add_piece(line, &piece, width, &room);
    }
    if (st->connections) {
        text_fmt(&piece, "   %" PRIu32 " connection%s", st->connections, st->connections == 1 ? "" : "s");
        add_piece(line, &piece, width, &room);
    }
}

static void waiting_words(struct text *line, const struct screen *s, const char *words, unsigned room)
{
    screen_color(s, line, COLOR_WAIT);
    text_shorten(line, words, room);
    screen_color(s, line, COLOR_NONE);
}

/* State word and reason stand behind the sizes; where the line is too short the reason, then both, go below: they must
 * not be cut away. */
static unsigned still_lines(struct text out[], const struct screen *s, const struct text *words, const char *why)
{
    const char *gap = out[0].cols ? "   " : "  ";
    unsigned width = s->cols - 1, left = width > out[0].cols + 3 ? width - out[0].cols - 3 : 0;
    struct text both = *words;
    if (why) {
        text_fmt(&both, ": ");
        text_safe(&both, why);
    }
    bool all = both.cols <= left, some = words->cols <= left;
    if (all || some) {
        text_fmt(&out[0], "%s", gap);
        waiting_words(&out[0], s, all ? both.data : words->data, left);
    }
    if (all || (some && !why))
        return 1;
    text_clear(&out[1]);
    text_fmt(&out[1], "  ");
    waiting_words(&out[1], s, some ? why : both.data, width - 2);
    return 2;
}

static unsigned total_lines(struct text out[], const struct hfp_status *st, const struct screen *s, uint64_t age_ns)
{
    char a[UNIT_TEXT], b[UNIT_TEXT];
    const char *why = NULL;
    struct text words, *line = &out[0];
    text_clear(line);
    text_clear(&words);
    bool still = state_words(&words, &why, st, age_ns);
    if (st->total_bytes == 0) {
        if (!still)
            text_fmt(&words, "%s", hfp_state_text(st->state));
        return still_lines(out, s, &words, still ? why : NULL);
    }
    struct size_unit unit = size_unit_for(st->total_bytes);
    uint64_t shown = shown_bytes(st), received = st->received_bytes > shown ? st->received_bytes : shown;
    text_fmt(line, " %3u %% ", percent(shown, st->total_bytes));
    cells(line, shown, shows_proof(st) ? shown : received, st->total_bytes, bar_width(s->cols), s->utf8);
    text_fmt(line, "  %s / %s", size_number_in(a, shown, unit), size_text_in(b, st->total_bytes, unit));
    if (still)
        return still_lines(out, s, &words, why);
    movement(line, st, s->cols - 1);
    return 1;
}

/* "cdn-lfs 18.2.3.4, 12 ms": the first label of the host names the service. */
static void source_piece(struct text *t, const struct hfp_front *f)
{
    char label[sizeof f->host];
    size_t n = strcspn(f->host, ".");
    bool name = f->host[strspn(f->host, "0123456789.:")] != '\0';
    memcpy(label, f->host, n);
    label[n] = '\0';
    text_fmt(t, "   ");
    if (name)
        text_safe(t, label);
    text_fmt(t, name ? " " : "");
    text_safe(t, f->address);
    if (f->rtt_us)
        text_fmt(t, ", %" PRIu32 " ms", (f->rtt_us + 500) / 1000);
}

static void front_line(struct text *line, const struct hfp_front *f, const struct screen *s, unsigned name_cols)
{
    char rate[UNIT_TEXT];
    struct text piece;
    unsigned width = s->cols - 1;
    bool room = true;
    text_clear(line);
    text_fmt(line, "  ");
    text_shorten(line, f->path, name_cols);
    while (line->cols < name_cols + 2)
        text_fmt(line, " ");
    text_clear(&piece);
    text_fmt(&piece, "  %3u %%", percent(f->recorded_bytes, f->size_bytes));
    add_piece(line, &piece, width, &room);
    text_fmt(&piece, "  ");
    cells(&piece, f->recorded_bytes, f->recorded_bytes, f->size_bytes, bar_width(s->cols) - 4, s->utf8);
    add_piece(line, &piece, width, &room);
    text_fmt(&piece, "   %s", rate_text(rate, f->rate_bytes_per_s));
    add_piece(line, &piece, width, &room);
    if (f->address[0]) {
        source_piece(&piece, f);
        add_piece(line, &piece, width, &room);
    }
}

unsigned bar_compose(struct text out[static LIVE_MAX], const struct hfp_status *st, const struct screen *s,
                     uint64_t age_ns)
{
    unsigned n = 0, name_cols = 0, fronts = st->fronts < HFP_FRONTS ? st->fronts : HFP_FRONTS;
    n = total_lines(out, st, s, age_ns);
    enum { NAMES_MAX = 44 }; /* name and percentage fit 60 columns */
    for (unsigned i = 0; i < fronts; i++) {
        unsigned cols = text_columns(st->front[i].path);
        name_cols = cols > name_cols ? cols : name_cols;
    }
    name_cols = name_cols > NAMES_MAX ? NAMES_MAX : name_cols;
    for (unsigned i = 0; i < fronts && n + 2 < s->rows; i++)
        front_line(&out[n++], &st->front[i], s, name_cols);
    if (st->files && n + 1 < s->rows) {
        text_clear(&out[n]);
        text_fmt(&out[n++], "  proved %" PRIu64 " of %" PRIu64 " file%s", st->files_proved, st->files,
                 st->files == 1 ? "" : "s");
    }
    return n;
}

void bar_headline(struct text *line, const char *repo, const char *revision, const struct hfp_status *st, unsigned cols)
{
    char size[UNIT_TEXT];
    struct text piece;
    bool room = true;
    text_clear(line);
    text_clear(&piece);
    text_safe(line, repo);
    text_fmt(&piece, "  ");
    revision_piece(&piece, revision, st->commit);
    add_piece(line, &piece, cols, &room);
    text_fmt(&piece, "  ");
    if (st->shards)
        text_fmt(&piece, "%" PRIu64 " shard%s, ", st->shards, st->shards == 1 ? "" : "s");
    files_piece(&piece, st);
    add_piece(line, &piece, cols, &room);
    if (st->here_bytes) {
        text_fmt(&piece, "   here %s", size_text(size, st->here_bytes));
        add_piece(line, &piece, cols, &room);
    }
    if (st->free_bytes) {
        text_fmt(&piece, "   free %s", size_text_short(size, st->free_bytes));
        add_piece(line, &piece, cols, &room);
    }
}

struct bar {
    struct view view;
    struct screen *screen;
    struct hfp_status last;
    uint64_t last_ns;
    bool shown; /* a job is running and may be drawn */
    struct text lines[LIVE_MAX];
};

static void draw(struct bar *b, uint64_t now_ns)
{
    if (b->shown)
        screen_live(b->screen, b->lines, bar_compose(b->lines, &b->last, b->screen, now_ns - b->last_ns));
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    struct bar *b = (struct bar *)v;
    b->last = ev->status;
    b->last_ns = now_ns;
    if (ev->type == HFP_EV_DONE) {
        b->shown = false;
        screen_clear(b->screen);
        return;
    }
    if (ev->type == HFP_EV_PLAN && ev->status.verb != HFP_PLAN && (ev->status.fetch_bytes || ev->status.prove_bytes)) {
        struct text line;
        bar_headline(&line, ev->repo, ev->revision, &ev->status, b->screen->cols);
        screen_print(b->screen, &line);
    }
    bool first = !b->shown;
    b->shown = true;
    if (first || ev->type == HFP_EV_PLAN || ev->type == HFP_EV_STATE || ev->type == HFP_EV_PROGRESS ||
        ev->type == HFP_EV_STALLED || ev->type == HFP_EV_RECOVERED)
        draw(b, now_ns);
}

static void tick(struct view *v, uint64_t now_ns)
{
    draw((struct bar *)v, now_ns);
}

static void job_end(struct view *v, const struct job_result *r)
{
    (void)r;
    screen_clear(((struct bar *)v)->screen);
    ((struct bar *)v)->shown = false;
}

static void bar_free(struct view *v)
{
    screen_clear(((struct bar *)v)->screen);
    free(v);
}

struct view *bar_new(struct screen *s)
{
    static const struct view_ops ops = { .event = event, .tick = tick, .job_end = job_end, .free = bar_free };
    struct bar *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->view.ops = &ops;
    b->screen = s;
    return &b->view;
}
