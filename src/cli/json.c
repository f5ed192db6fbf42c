/* --progress json: one object a line on standard error; the schema is docs/formats/events.md. */
#include "cli/view.h"

#include "front/clock.h"
#include "front/status_json.h"

#include <stdlib.h>
#include <string.h>

struct json {
    struct view view;
    struct screen *screen;
    uint64_t seq; /* of lines; no gaps */
};

static const char *const types[] = {
    [HFP_EV_STATE] = "state",     [HFP_EV_PLAN] = "plan",           [HFP_EV_PROGRESS] = "progress",
    [HFP_EV_STALLED] = "stalled", [HFP_EV_RECOVERED] = "recovered", [HFP_EV_FILE] = "file",
    [HFP_EV_CHUNK] = "chunk",     [HFP_EV_NOTE] = "note",           [HFP_EV_DONE] = "done",
};

static cJSON *line_new(struct json *j, const char *type, int64_t unix_ms)
{
    cJSON *o = cJSON_CreateObject();
    if (!o)
        return NULL;
    member_u64(o, "seq", ++j->seq);
    member_i64(o, "unix_ms", unix_ms);
    member_text(o, "type", type);
    return o;
}

static void line_end(struct json *j, cJSON *o)
{
    char *text = o ? cJSON_PrintUnformatted(o) : NULL;
    struct screen *s = j->screen;
    if (text) {
        size_t n = strlen(text);
        text[n] = '\n'; /* where the NUL stood: one write a line, so that lines of several writers do not mix */
        screen_raw(s, text, n + 1);
    }
    cJSON_free(text);
    cJSON_Delete(o);
}

static void add_details(cJSON *o, const struct hfp_event *ev)
{
    if (ev->path)
        member_text(o, "path", ev->path);
    if (ev->hash)
        member_text(o, "hash", ev->hash);
    if (ev->type == HFP_EV_FILE) {
        member_text(o, "file_state", file_state_text(ev->file_state));
        member_u64(o, "size_bytes", ev->size_bytes);
        member_u64(o, "here_bytes", ev->here_bytes);
        if (ev->host)
            member_text(o, "host", ev->host);
    }
    if (ev->type == HFP_EV_CHUNK) {
        member_u64(o, "first_byte", ev->first_byte);
        member_u64(o, "last_byte", ev->last_byte);
        member_u64(o, "chunk", ev->chunk);
        member_u64(o, "chunks", ev->chunks);
    }
    if (ev->type == HFP_EV_NOTE)
        member_text(o, "level", ev->level <= HFP_LOG_WARN ? "warn" : "info");
    if (ev->text)
        member_text(o, "text", ev->text);
    if (ev->type == HFP_EV_DONE)
        member_text(o, "snapshot", ev->snapshot);
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    (void)now_ns;
    struct json *j = (struct json *)v;
    bool known = (size_t)ev->type < sizeof types / sizeof *types;
    cJSON *o = line_new(j, known ? types[ev->type] : "other", ev->unix_ms);
    if (!o)
        return;
    member_u64(o, "job", ev->status.job);
    member_text(o, "repo", ev->repo);
    member_text(o, "revision", ev->revision);
    add_details(o, ev);
    if (ev->type != HFP_EV_FILE && ev->type != HFP_EV_CHUNK && ev->type != HFP_EV_NOTE)
        cJSON_AddItemToObject(o, "status", status_json(&ev->status));
    line_end(j, o);
}

static void job_end(struct view *v, const struct job_result *r)
{
    struct json *j = (struct json *)v;
    cJSON *o = line_new(j, "result", clock_unix_ms());
    if (!o)
        return;
    result_members(o, r);
    line_end(j, o);
}

static void end(struct view *v, const struct run_result *r)
{
    struct json *j = (struct json *)v;
    cJSON *o = line_new(j, "end", clock_unix_ms());
    if (!o)
        return;
    member_u64(o, "exit_status", (uint64_t)r->exit_status);
    if (r->signal)
        member_u64(o, "signal", (uint64_t)r->signal);
    line_end(j, o);
}

static void log_record(struct view *v, int level, const char *text)
{
    static const char *const names[] = { "error", "warn", "info", "debug", "trace" };
    struct json *j = (struct json *)v;
    cJSON *o = line_new(j, "log", clock_unix_ms());
    if (!o)
        return;
    member_text(o, "level", names[level >= 0 && level < 5 ? level : 4]);
    member_text(o, "text", text);
    line_end(j, o);
}

static void json_free(struct view *v)
{
    free(v);
}

struct view *json_new(struct screen *s)
{
    static const struct view_ops ops = {
        .event = event, .job_end = job_end, .end = end, .log = log_record, .free = json_free
    };
    struct json *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->view.ops = &ops;
    j->screen = s;
    return &j->view;
}
