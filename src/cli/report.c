/* --report FILE: everything known at the end, as JSON. Files are written as their events come, so that a repository of
 * 200,000 files costs no memory here; the name appears when the whole is written. */
#include "cli/view.h"

#include "front/files.h"
#include "front/status_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct report {
    struct view view;
    struct out_file file;
    size_t n;
    bool in_job, any_job, any_file, failed;
    struct hfp_err error;
    char buffer[65536]; /* some hundred files a write */
};

static void flush(struct report *r)
{
    if (!r->failed && out_file_write(&r->file, r->buffer, r->n, &r->error))
        r->failed = true;
    r->n = 0;
}

static void put(struct report *r, const char *text)
{
    size_t n = strlen(text);
    if (r->n + n > sizeof r->buffer)
        flush(r);
    if (n > sizeof r->buffer) {
        r->failed = r->failed || out_file_write(&r->file, text, n, &r->error) != HFP_OK;
        return;
    }
    memcpy(r->buffer + r->n, text, n);
    r->n += n;
}

static void put_json(struct report *r, cJSON *o)
{
    char *text = o ? cJSON_PrintUnformatted(o) : NULL;
    put(r, text ? text : "null");
    cJSON_free(text);
    cJSON_Delete(o);
}

static void job_open(struct report *r)
{
    if (r->in_job)
        return;
    put(r, r->any_job ? ",\n{\"files\":[" : "\n{\"files\":[");
    r->in_job = r->any_job = true;
    r->any_file = false;
}

static void event(struct view *v, const struct hfp_event *ev, uint64_t now_ns)
{
    (void)now_ns;
    struct report *r = (struct report *)v;
    if (ev->type != HFP_EV_FILE || ev->file_state == HFP_FILE_FETCHING)
        return;
    cJSON *o = cJSON_CreateObject();
    if (!o)
        return;
    member_text(o, "path", ev->path);
    member_text(o, "state", file_state_text(ev->file_state));
    member_u64(o, "size_bytes", ev->size_bytes);
    member_u64(o, "here_bytes", ev->here_bytes);
    member_text(o, "hash", ev->hash);
    if (ev->text)
        member_text(o, "text", ev->text);
    job_open(r);
    put(r, r->any_file ? ",\n" : "\n");
    r->any_file = true;
    put_json(r, o);
}

static void job_end(struct view *v, const struct job_result *j)
{
    struct report *r = (struct report *)v;
    job_open(r);
    put(r, "],\n\"result\":");
    cJSON *o = cJSON_CreateObject();
    if (o)
        result_members(o, j);
    put_json(r, o);
    put(r, ",\n\"status\":");
    put_json(r, j->ran ? status_json(&j->status) : cJSON_CreateNull());
    put(r, "}");
    r->in_job = false;
}

static void end(struct view *v, const struct run_result *run)
{
    struct report *r = (struct report *)v;
    cJSON *number = cJSON_CreateNumber(run->exit_status);
    put(r, "],\n\"exit_status\":");
    put_json(r, number);
    put(r, "}\n");
    flush(r);
    if (!r->failed && out_file_commit(&r->file, &r->error))
        r->failed = true;
}

static void report_free(struct view *v)
{
    struct report *r = (struct report *)v;
    out_file_drop(&r->file);
    free(r);
}

int report_error(const struct view *v, struct hfp_err *err)
{
    const struct report *r = (const struct report *)v;
    if (r->failed)
        *err = r->error;
    return r->failed ? r->error.code : HFP_OK;
}

int report_new(struct view **out, const char *path, struct hfp_err *err)
{
    static const struct view_ops ops = { .event = event, .job_end = job_end, .end = end, .free = report_free };
    struct report *r = calloc(1, sizeof *r);
    if (!r)
        return fault_nomem(err);
    r->view.ops = &ops;
    int rc = out_file_open(&r->file, path, err);
    if (rc) {
        free(r);
        return rc;
    }
    char head[96];
    snprintf(head, sizeof head, "{\"hf_pull\":\"" HFP_VERSION "\",\n\"unix_s\":%lld,\n\"jobs\":[",
             (long long)time(NULL));
    put(r, head);
    *out = &r->view;
    return HFP_OK;
}
