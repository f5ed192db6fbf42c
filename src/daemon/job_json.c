#include "daemon/job_json.h"

#include "daemon/addresses.h"
#include "daemon/fields.def"
#include "front/progress.h"
#include "front/status_json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000ULL

static void texts(struct out *o, const char *name, char *const *list)
{
    out_list(o, name);
    for (; list && *list; list++)
        out_text(o, NULL, *list);
    out_list_end(o);
}

static bool live(const struct job *j)
{
    return job_running(j);
}

static const char *reason_text(const struct job *j, const struct hfp_status *st)
{
    switch (job_state(j)) {
    case HFP_PAUSED:
        return "paused";
    case HFP_FAILED:
        return st->error.message;
    case HFP_QUEUED:
        return j->position == 1 ? "next in queue" : "in the queue";
    case HFP_DONE:
    case HFP_CANCELLED:
        return "";
    default:
        return st->wait_text;
    }
}

static void part_limited_by(struct out *o, const struct job *j, const struct hfp_status *st)
{
    (void)st;
    out_object(o, "limited_by");
    out_text(o, "what", !live(j) ? "nothing" : j->limited_by[0] ? j->limited_by : "unknown");
    out_text(o, "text", live(j) ? j->limited_text : "");
    out_object_end(o);
}

static void part_waited(struct out *o, const struct job *j, const struct hfp_status *st)
{
    (void)j;
    out_object(o, "waited_s");
    for (unsigned i = 1; i < HFP_WAIT_COUNT; i++)
        if (st->waited_ns[i] >= NS_PER_S)
            out_u64(o, hfp_wait_text((enum hfp_wait)i), st->waited_ns[i] / NS_PER_S);
    out_object_end(o);
}

static void part_fronts(struct out *o, const struct job *j, const struct hfp_status *st)
{
    out_list(o, "fronts");
    for (uint32_t i = 0; live(j) && i < st->fronts && i < HFP_FRONTS; i++) {
        const struct hfp_front *f = &st->front[i];
        out_object(o, NULL);
        out_text(o, "path", f->path);
        out_u64(o, "size_bytes", f->size_bytes);
        out_u64(o, "recorded_bytes", f->recorded_bytes);
        out_u64(o, "rate_bytes_per_s", f->rate_bytes_per_s);
        out_text(o, "host", f->host);
        out_text(o, "address", f->address);
        out_text(o, "family", f->family == HFP_IPV6 ? "IPv6" : f->family == HFP_IPV4 ? "IPv4" : NULL);
        out_u64(o, "rtt_us", f->rtt_us);
        out_u64(o, "retransmits", f->retransmits);
        out_object_end(o);
    }
    out_list_end(o);
}

static void part_notify(struct out *o, const struct job *j, const struct hfp_status *st)
{
    (void)st;
    addresses_list_json(o, "notify", (const char *const *)j->ask.notify);
}

void job_waited_json(struct out *o, const struct job *j)
{
    part_waited(o, j, j->status);
}

void job_fronts_json(struct out *o, const struct job *j)
{
    part_fronts(o, j, j->status);
}

static void part_plan(struct out *o, const struct job *j, const struct hfp_status *st)
{
    if (!j->started_ms || st->files == 0) {
        out_null(o, "plan");
        return;
    }
    out_object(o, "plan");
    out_u64(o, "fetch_bytes", st->fetch_bytes);
    out_u64(o, "fetch_files", st->fetch_files);
    out_u64(o, "prove_bytes", st->prove_bytes);
    out_u64(o, "prove_files", st->prove_files);
    out_u64(o, "copied_bytes", st->copied_bytes);
    out_object_end(o);
}

static void part_summary(struct out *o, const struct job *j, const struct hfp_status *st)
{
    if (!job_ended(j) || !j->status) {
        out_null(o, "summary");
        return;
    }
    uint64_t s = j->elapsed_before_s + st->elapsed_ns / NS_PER_S;
    out_object(o, "summary");
    out_u64(o, "kept_bytes", st->kept_bytes);
    out_u64(o, "adopted_bytes", st->adopted_bytes);
    out_u64(o, "copied_bytes", st->copied_bytes);
    out_u64(o, "fetched_bytes", st->fetched_bytes);
    out_u64(o, "repaired_bytes", st->repaired_bytes);
    out_u64(o, "refetched_bytes", st->refetched_bytes);
    out_u64(o, "requests", st->requests);
    out_u64(o, "connections_lost", st->connections_lost);
    out_u64(o, "rounds", st->rounds);
    out_u64(o, "mean_bytes_per_s", st->fetched_bytes / (s ? s : 1));
    out_object_end(o);
}

static void part_error(struct out *o, const struct job *j, const struct hfp_status *st)
{
    (void)j;
    const struct hfp_err *e = &st->error;
    if (e->code == HFP_OK) {
        out_null(o, "error");
        return;
    }
    out_object(o, "error");
    out_text(o, "code", hfp_code_name(e->code));
    out_text(o, "message", e->message[0] ? e->message : hfp_code_text(e->code));
    out_u64(o, "exit_status", (uint64_t)hfp_exit_status(e->code));
    if (e->http_status > 0)
        out_u64(o, "http_status", (uint64_t)e->http_status);
    else
        out_null(o, "http_status");
    out_object_end(o);
}

#define WRITE_TEXT(name, value) out_text(o, name, value)
#define WRITE_STATE(name, value) out_text(o, name, value)
#define WRITE_TEXT_OR_NULL(name, value) text_or_null(o, name, value)
#define WRITE_TEXTS(name, value) texts(o, name, value)
#define WRITE_U64(name, value) out_u64(o, name, value)
#define WRITE_I64(name, value) out_i64(o, name, value)
#define WRITE_BOOL(name, value) out_bool(o, name, value)
#define WRITE_U64_OR_NULL(name, value) u64_or_null(o, name, value, UINT64_MAX)
#define WRITE_U64_OR_NULL0(name, value) u64_or_null(o, name, value, 0)
#define WRITE_PART(name, value) part_##value(o, j, st)

static void text_or_null(struct out *o, const char *name, const char *text)
{
    out_text(o, name, text && *text ? text : NULL);
}

static void u64_or_null(struct out *o, const char *name, uint64_t n, uint64_t null)
{
    if (n == null)
        out_null(o, name);
    else
        out_u64(o, name, n);
}

void job_json(struct out *o, const char *name, const struct job *j, bool more)
{
    static const struct hfp_status none = { .eta_low_s = UINT64_MAX, .eta_high_s = UINT64_MAX };
    const struct hfp_status *st = j->status ? j->status : &none;
    out_object(o, name);
#define X(field, type, value, text) WRITE_##type(#field, value);
    JOB_FIELDS(X)
#undef X
    if (!more)
        out_object_end(o);
}

#define ASK_TEXT(name, value) text_or_null(o, name, value)
#define ASK_TEXTS(name, value) texts(o, name, value)
#define ASK_VERB(name, value) out_text(o, name, verb_text(value))
#define ASK_TYPE(name, value) out_text(o, name, repo_type_text(value))
#define ASK_FLAG(name, value) out_bool(o, name, value)
#define ASK_PRIORITY(name, value) out_i64(o, name, value)
#define ASK_RATE(name, value) out_u64(o, name, value)
#define ASK_ADDRESSES(name, value) texts(o, name, value) /* whole: for the store, never for an answer */
#define ASK_EVENTS(name, value) texts(o, name, value)

void job_ask_json(struct out *o, const char *name, const struct job_ask *a)
{
    out_object(o, name);
#define X(field, type, member, text) ASK_##type(#field, a->member);
    ASK_FIELDS(X)
#undef X
#define X(field, type, member, text)                                                                                   \
    if (a->member)                                                                                                     \
        ASK_##type(#field, a->member);
    ASK_KEPT(X)
#undef X
    out_object_end(o);
}

void status_kept_json(struct out *o, const char *name, const struct hfp_status *st)
{
    if (!st) {
        out_null(o, name);
        return;
    }
    out_object(o, name);
    out_text(o, "commit", st->commit);
#define X(member) out_u64(o, #member, st->member);
    STATUS_KEPT(X)
#undef X
    out_object(o, "waited_ns");
    for (unsigned i = 1; i < HFP_WAIT_COUNT; i++)
        if (st->waited_ns[i])
            out_u64(o, hfp_wait_text((enum hfp_wait)i), st->waited_ns[i]);
    out_object_end(o);
    if (st->error.code) {
        out_object(o, "error");
        out_text(o, "code", hfp_code_name(st->error.code));
        out_text(o, "message", st->error.message);
        out_i64(o, "http_status", st->error.http_status);
        out_object_end(o);
    }
    out_object_end(o);
}

static uint64_t u64_of(const cJSON *o, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 18e18 ? (uint64_t)item->valuedouble
                                                                                       : 0;
}

static void copy_text(char *out, size_t room, const cJSON *o, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    size_t n = text ? strnlen(text, room - 1) : 0;
    memcpy(out, text ? text : "", n);
    out[n] = '\0';
}

static void read_error(struct hfp_err *e, const cJSON *o)
{
    char name[32];
    copy_text(name, sizeof name, o, "code");
    e->code = HFP_E_INTERNAL;
    for (unsigned i = 0; i < HFP_CODE_COUNT; i++)
        if (strcmp(hfp_code_name((enum hfp_code)i), name) == 0)
            e->code = (enum hfp_code)i;
    copy_text(e->message, sizeof e->message, o, "message");
    e->http_status = (int)u64_of(o, "http_status");
}

struct hfp_status *status_kept_read(const char *json)
{
    cJSON *o = json ? cJSON_Parse(json) : NULL;
    struct hfp_status *st = cJSON_IsObject(o) ? calloc(1, sizeof *st) : NULL;
    if (st) {
        st->eta_low_s = st->eta_high_s = UINT64_MAX;
        copy_text(st->commit, sizeof st->commit, o, "commit");
#define X(member) st->member = u64_of(o, #member);
        STATUS_KEPT(X)
#undef X
        const cJSON *waited = cJSON_GetObjectItemCaseSensitive(o, "waited_ns");
        for (unsigned i = 1; i < HFP_WAIT_COUNT; i++)
            st->waited_ns[i] = u64_of(waited, hfp_wait_text((enum hfp_wait)i));
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(o, "error");
        if (cJSON_IsObject(error))
            read_error(&st->error, error);
    }
    cJSON_Delete(o);
    return st;
}
