/* fake_engine.h: the functions of hfp.h as a script, to test the program above them without disk and network.
 *
 * Each row is one repository that behaves in one way. Time is simulated: every 10 ms of real time are fake_step_ms of
 * the story, so that the same events come in the same order on every machine. Include in one file only. */
#ifndef HFP_TESTS_FAKE_ENGINE_H
#define HFP_TESTS_FAKE_ENGINE_H

#include "hfp/hfp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FAKE_COMMIT "4c446470ba0aec43e22ac1128f9ffd915f338ba3"
#define FAKE_QUEUE 64

enum fake_end { FAKE_DONE, FAKE_FAILS, FAKE_HANGS /* even when cancelled */ };

struct fake_row {
    const char *repo;
    uint64_t total, here, rate;       /* bytes, bytes/s */
    double stall_from_s, stall_for_s; /* of the story; 0: none */
    double waiting_from_s, waiting_for_s;
    enum fake_end end;
    uint64_t fails_at; /* recorded bytes */
    enum hfp_code code;
    const char *message;
    const char *note;
    enum hfp_file_state file_state; /* an event about model-00003 */
    const char *file_text;
};

static const struct fake_row fake_rows[] = {
    { .repo = "fake/ok", .total = 61080000000, .here = 12310000000, .rate = 118200000 },
    { .repo = "fake/second", .total = 5410000000, .rate = 900000000 },
    { .repo = "fake/slow", .total = 60000000, .rate = 5000 },
    { .repo = "fake/stalls",
      .total = 61080000000,
      .here = 12310000000,
      .rate = 118200000,
      .stall_from_s = 60,
      .stall_for_s = 75,
      .waiting_from_s = 250,
      .waiting_for_s = 41 },
    { .repo = "fake/here", .total = 61080000000, .here = 61080000000 },
    { .repo = "fake/gated",
      .end = FAKE_FAILS,
      .code = HFP_E_GATED,
      .message = "fake/gated is gated, and this token has not been granted access" },
    { .repo = "fake/offline-line",
      .total = 22020000000,
      .rate = 500000000,
      .end = FAKE_FAILS,
      .fails_at = 20970000000,
      .code = HFP_E_NET,
      .message = "network gave up after 25 rounds without progress" },
    { .repo = "fake/hangs", .total = 61080000000, .rate = 1000000, .end = FAKE_HANGS },
    { .repo = "fake/evil", .total = 1000000, .rate = 1000000, .note = "file \033[2Jname\a\xff is odd" },
    { .repo = "fake/damaged",
      .total = 61080000000,
      .here = 61080000000,
      .end = FAKE_FAILS,
      .code = HFP_E_CONTENT,
      .message = "1 file is damaged",
      .file_state = HFP_FILE_DAMAGED,
      .file_text = "block 1711 (1 MiB at 1.79 GB)" },
};

struct hfp {
    int timer;
    const struct fake_row *row;
    struct hfp_job_spec spec;
    char repo[256], revision[256];
    struct hfp_status st;
    uint64_t job, seq;
    double story_s;
    bool cancelled, planned, finished;
    struct hfp_event queue[FAKE_QUEUE];
    size_t head, tail;
};

static double fake_step_ms = 250;

static inline void fake_push(struct hfp *h, enum hfp_event_type type, const char *text)
{
    struct hfp_event *ev = &h->queue[h->tail++ % FAKE_QUEUE];
    *ev = (struct hfp_event){ .seq = ++h->seq,
                              .unix_ms = 1790000000000 + (int64_t)(h->story_s * 1000),
                              .type = type,
                              .repo = h->repo,
                              .revision = h->revision,
                              .text = text,
                              .level = HFP_LOG_WARN,
                              .status = h->st };
    if (type == HFP_EV_FILE) {
        ev->path = "model-00003-of-00016.safetensors";
        ev->file_state = h->row->file_state;
        ev->size_bytes = 3817000000;
    }
    if (type == HFP_EV_CHUNK) {
        ev->path = "model-00003-of-00016.safetensors";
        ev->chunk = h->st.recorded_bytes / 52428800;
        ev->chunks = h->st.total_bytes / 52428800;
        ev->first_byte = (ev->chunk - 1) * 52428800;
        ev->last_byte = ev->chunk * 52428800 - 1;
        ev->hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    }
    if (type == HFP_EV_DONE && h->st.state == HFP_DONE && h->spec.verb == HFP_PULL)
        ev->snapshot = "/hub/models--fake--repo/snapshots/" FAKE_COMMIT;
}

int hfp_open(struct hfp **out, const struct hfp_config *config, struct hfp_err *err)
{
    (void)config;
    (void)err;
    struct hfp *h = calloc(1, sizeof *h);
    h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    *out = h;
    return HFP_OK;
}

void hfp_close(struct hfp *h)
{
    if (h)
        close(h->timer);
    free(h);
}

int hfp_poll_fd(const struct hfp *h)
{
    return h->timer;
}

int hfp_start(struct hfp *h, const struct hfp_job_spec *spec, uint64_t *job, struct hfp_err *err)
{
    h->row = NULL;
    for (size_t i = 0; i < sizeof fake_rows / sizeof *fake_rows; i++)
        if (strcmp(fake_rows[i].repo, spec->repo) == 0)
            h->row = &fake_rows[i];
    if (!h->row) {
        *err = (struct hfp_err){ .code = HFP_E_NO_REPO };
        snprintf(err->message, sizeof err->message, "no such repository, or private: give a token (--token, HF_TOKEN)");
        return err->code;
    }
    h->spec = *spec;
    snprintf(h->repo, sizeof h->repo, "%s", spec->repo);
    snprintf(h->revision, sizeof h->revision, "%s", spec->revision ? spec->revision : "main");
    *job = ++h->job;
    h->st = (struct hfp_status){
        .job = h->job, .verb = spec->verb, .state = HFP_RESOLVING, .eta_low_s = UINT64_MAX, .eta_high_s = UINT64_MAX
    };
    h->story_s = 0;
    h->cancelled = h->planned = h->finished = false;
    h->head = h->tail = 0;
    fake_push(h, HFP_EV_STATE, NULL);
    struct itimerspec every = { { 0, 10000000 }, { 0, 10000000 } };
    timerfd_settime(h->timer, 0, &every, NULL);
    return HFP_OK;
}

static inline void fake_end(struct hfp *h, enum hfp_state state)
{
    h->st.state = state;
    h->st.rate_bytes_per_s = 0;
    if (state == HFP_FAILED) {
        h->st.error.code = h->row->code;
        snprintf(h->st.error.message, sizeof h->st.error.message, "%s", h->row->message);
    } else if (state == HFP_CANCELLED) {
        h->st.error.code = HFP_E_CANCELLED;
    } else {
        h->st.files_proved = h->st.files;
        h->st.proved_bytes = h->st.in_place_bytes = h->st.checked_bytes = h->st.total_bytes;
    }
    h->finished = true;
    fake_push(h, HFP_EV_DONE, NULL);
}

static inline void fake_plan(struct hfp *h)
{
    const struct fake_row *r = h->row;
    struct hfp_status *st = &h->st;
    h->planned = true;
    if (!r->total) {
        fake_end(h, HFP_FAILED);
        return;
    }
    snprintf(st->commit, sizeof st->commit, "%s", FAKE_COMMIT);
    st->files = 24;
    st->shards = 16;
    st->total_bytes = r->total;
    st->here_bytes = st->kept_bytes = st->recorded_bytes = st->received_bytes = r->here;
    st->free_bytes = 412000000000;
    st->fetch_bytes = r->total - r->here;
    st->fetch_files = r->here == r->total ? 0 : 15;
    if (r->here == r->total)
        st->receipts_unix_s = 1795046400; /* 2026-11-19 */
    fake_push(h, HFP_EV_PLAN, NULL);
    st->state = HFP_DOWNLOADING;
    fake_push(h, HFP_EV_STATE, NULL);
    if (r->note)
        fake_push(h, HFP_EV_NOTE, r->note);
    if (r->file_state)
        fake_push(h, HFP_EV_FILE, r->file_text);
    if (h->spec.verb == HFP_PLAN)
        fake_end(h, HFP_DONE);
}

static inline void fake_fronts(struct hfp *h)
{
    struct hfp_status *st = &h->st;
    st->fronts = 2;
    for (unsigned i = 0; i < 2; i++) {
        struct hfp_front *f = &st->front[i];
        snprintf(f->path, sizeof f->path, "model-%05u-of-00016.safetensors",
                 (unsigned)(st->recorded_bytes / 3817500000 + 1 + i) % 100000);
        f->size_bytes = 3817500000;
        f->recorded_bytes = i ? st->received_bytes % 90000000 : st->recorded_bytes % 3817500000;
        f->rate_bytes_per_s = i ? st->rate_bytes_per_s / 50 : st->rate_bytes_per_s;
        snprintf(f->host, sizeof f->host, "cdn-lfs.hf.co");
        snprintf(f->address, sizeof f->address, "18.2.3.%u", 4 + i);
        f->rtt_us = 12000;
        f->family = HFP_IPV4;
        f->retransmits = 3;
    }
}

static inline void fake_stall(struct hfp *h, bool stop, enum hfp_wait wait, const char *text, double step_s)
{
    struct hfp_status *st = &h->st;
    bool was = st->stalled;
    st->rate_bytes_per_s = stop ? 0 : h->row->rate;
    st->quiet_ns = stop ? st->quiet_ns + (uint64_t)(step_s * 1e9) : 0;
    st->wait = stop ? wait : HFP_NOT_WAITING;
    st->state = stop && wait == HFP_WAIT_HUB_BUSY ? HFP_WAITING : HFP_DOWNLOADING;
    st->stalled = stop && wait == HFP_WAIT_SILENCE && st->quiet_ns >= 30000000000ULL;
    st->waited_ns[wait] += stop ? (uint64_t)(step_s * 1e9) : 0;
    snprintf(st->wait_text, sizeof st->wait_text, "%s", stop ? text : "");
    st->connections_silent = stop ? 8 : 0;
    if (was != st->stalled)
        fake_push(h, st->stalled ? HFP_EV_STALLED : HFP_EV_RECOVERED, NULL);
}

static inline void fake_move(struct hfp *h, double step_s)
{
    const struct fake_row *r = h->row;
    struct hfp_status *st = &h->st;
    bool silent = r->stall_for_s > 0 && h->story_s >= r->stall_from_s && h->story_s < r->stall_from_s + r->stall_for_s;
    bool busy =
        r->waiting_for_s > 0 && h->story_s >= r->waiting_from_s && h->story_s < r->waiting_from_s + r->waiting_for_s;
    fake_stall(h, silent || busy, busy ? HFP_WAIT_HUB_BUSY : HFP_WAIT_SILENCE,
               busy ? "Hub asks to slow down (429, resets at 14:32:10)" : "8 of 8 connections silent, trying IPv4",
               step_s);
    uint64_t step = silent || busy ? 0 : (uint64_t)((double)r->rate * step_s);
    uint64_t before = st->recorded_bytes;
    st->recorded_bytes = st->recorded_bytes + step < r->total ? st->recorded_bytes + step : r->total;
    st->received_bytes = st->recorded_bytes + r->rate * 3 < r->total ? st->recorded_bytes + r->rate * 3 : r->total;
    st->fetched_bytes = st->recorded_bytes - st->here_bytes;
    st->wire_bytes = st->fetched_bytes + 20000000;
    st->files_proved = 24 * st->recorded_bytes / r->total;
    st->proved_bytes = st->in_place_bytes = st->files_proved * (r->total / 24);
    st->checked_bytes = st->recorded_bytes;
    st->connections = 8;
    if (r->rate) {
        st->eta_low_s = (r->total - st->recorded_bytes) / r->rate;
        st->eta_high_s = st->eta_low_s + st->eta_low_s / 10;
    }
    fake_fronts(h);
    if (before / 52428800 != st->recorded_bytes / 52428800)
        fake_push(h, HFP_EV_CHUNK, NULL);
    fake_push(h, HFP_EV_PROGRESS, NULL);
    if (r->end == FAKE_FAILS && st->recorded_bytes >= r->fails_at)
        fake_end(h, HFP_FAILED);
    else if (st->recorded_bytes == r->total)
        fake_end(h, HFP_DONE);
}

static inline void fake_turn(struct hfp *h)
{
    double step_s = fake_step_ms / 1000;
    h->story_s += step_s;
    h->st.elapsed_ns = (uint64_t)(h->story_s * 1e9);
    if (h->cancelled && h->row->end != FAKE_HANGS)
        fake_end(h, HFP_CANCELLED);
    else if (!h->planned)
        fake_plan(h);
    else
        fake_move(h, step_s);
}

const struct hfp_event *hfp_event_next(struct hfp *h)
{
    uint64_t n;
    if (h->head == h->tail && !h->finished && read(h->timer, &n, sizeof n) == sizeof n)
        fake_turn(h);
    return h->head == h->tail ? NULL : &h->queue[h->head++ % FAKE_QUEUE];
}

int hfp_limit(struct hfp *h, uint64_t job, uint64_t bytes_per_s)
{
    (void)h;
    (void)job;
    (void)bytes_per_s;
    return HFP_OK;
}

int hfp_cancel(struct hfp *h, uint64_t job)
{
    h->cancelled = job == h->job;
    return HFP_OK;
}

#endif
