#include "front/status_json.h"

#include "front/options.h"
#include "front/progress.h"
#include "front/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void member_u64(cJSON *o, const char *name, uint64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, n);
    cJSON_AddRawToObject(o, name, digits);
}

void member_i64(cJSON *o, const char *name, int64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, n);
    cJSON_AddRawToObject(o, name, digits);
}

/* Names and messages are short (TEXT_MAX); cJSON escapes controls, but broken UTF-8 would make the line no JSON. */
void member_text(cJSON *o, const char *name, const char *text)
{
    if (!text) {
        cJSON_AddNullToObject(o, name);
        return;
    }
    char out[TEXT_MAX];
    size_t at = 0;
    while (*text && at + 4 < sizeof out) {
        unsigned c = 0;
        size_t n = utf8_read(text, &c);
        if (n)
            memcpy(out + at, text, n);
        else
            out[at] = '?';
        at += n ? n : 1;
        text += n ? n : 1;
    }
    out[at] = '\0';
    cJSON_AddStringToObject(o, name, out);
}

const char *file_state_text(enum hfp_file_state state)
{
    static const char *const words[] = {
        [HFP_FILE_FETCHING] = "fetching", [HFP_FILE_PROVED] = "proved",   [HFP_FILE_REPAIRED] = "repaired",
        [HFP_FILE_DAMAGED] = "damaged",   [HFP_FILE_MISSING] = "missing", [HFP_FILE_FAILED] = "failed",
        [HFP_FILE_PLANNED] = "planned"
    };
    return (size_t)state < sizeof words / sizeof *words ? words[state] : "unknown";
}

const char *repo_type_text(enum hfp_repo_type type)
{
    return type == HFP_DATASET ? "dataset" : type == HFP_SPACE ? "space" : "model";
}

const char *verb_text(enum hfp_verb verb)
{
    for (size_t i = 0; i < verb_count; i++)
        if (verb_rows[i].verb == verb)
            return verb_rows[i].word;
    return "unknown";
}

cJSON *error_json(const struct hfp_err *err)
{
    cJSON *o = cJSON_CreateObject();
    if (!o)
        return NULL;
    member_text(o, "code", hfp_code_name(err->code));
    member_text(o, "message", err->message[0] ? err->message : hfp_code_text(err->code));
    member_u64(o, "http_status", (uint64_t)(err->http_status > 0 ? err->http_status : 0));
    return o;
}

static void add_fronts(cJSON *o, const struct hfp_status *st)
{
    cJSON *list = cJSON_AddArrayToObject(o, "fronts");
    for (uint32_t i = 0; i < st->fronts && i < HFP_FRONTS; i++) {
        const struct hfp_front *f = &st->front[i];
        cJSON *front = cJSON_CreateObject();
        member_text(front, "path", f->path);
        member_u64(front, "size_bytes", f->size_bytes);
        member_u64(front, "recorded_bytes", f->recorded_bytes);
        member_u64(front, "rate_bytes_per_s", f->rate_bytes_per_s);
        member_text(front, "host", f->host);
        member_text(front, "address", f->address);
        member_u64(front, "rtt_us", f->rtt_us);
        member_text(front, "family", f->family == HFP_IPV4 ? "ipv4" : f->family == HFP_IPV6 ? "ipv6" : NULL);
        member_u64(front, "retransmits", f->retransmits);
        cJSON_AddItemToArray(list, front);
    }
}

static void add_counts(cJSON *o, const struct hfp_status *st)
{
    const struct {
        const char *name;
        uint64_t n;
    } rows[] = {
        { "files", st->files },
        { "files_proved", st->files_proved },
        { "shards", st->shards },
        { "total_bytes", st->total_bytes },
        { "here_bytes", st->here_bytes },
        { "free_bytes", st->free_bytes },
        { "received_bytes", st->received_bytes },
        { "recorded_bytes", st->recorded_bytes },
        { "proved_bytes", st->proved_bytes },
        { "in_place_bytes", st->in_place_bytes },
        { "wire_bytes", st->wire_bytes },
        { "rate_bytes_per_s", st->rate_bytes_per_s },
        { "checked_bytes", st->checked_bytes },
        { "checked_bytes_per_s", st->checked_bytes_per_s },
        { "connections", st->connections },
        { "connections_silent", st->connections_silent },
        { "elapsed_ms", st->elapsed_ns / 1000000 },
        { "quiet_ms", st->quiet_ns / 1000000 },
        { "kept_bytes", st->kept_bytes },
        { "adopted_bytes", st->adopted_bytes },
        { "indexed_files", st->indexed_files },
        { "copied_bytes", st->copied_bytes },
        { "fetched_bytes", st->fetched_bytes },
        { "repaired_bytes", st->repaired_bytes },
        { "refetched_bytes", st->refetched_bytes },
        { "to_fetch_bytes", st->fetch_bytes },
        { "to_fetch_files", st->fetch_files },
        { "to_prove_bytes", st->prove_bytes },
        { "to_prove_files", st->prove_files },
        { "requests", st->requests },
        { "connections_lost", st->connections_lost },
        { "rounds", st->rounds },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        member_u64(o, rows[i].name, rows[i].n);
}

static void add_eta(cJSON *o, const char *name, uint64_t s)
{
    if (s == UINT64_MAX)
        cJSON_AddNullToObject(o, name);
    else
        member_u64(o, name, s);
}

/* Only what happened: a reason or code that never occurred is left out. */
static void add_tables(cJSON *o, const struct hfp_status *st)
{
    cJSON *waited = cJSON_AddObjectToObject(o, "waited_ms"), *errors = cJSON_AddObjectToObject(o, "errors");
    for (unsigned i = 1; i < HFP_WAIT_COUNT; i++)
        if (st->waited_ns[i] >= 1000000)
            member_u64(waited, hfp_wait_text((enum hfp_wait)i), st->waited_ns[i] / 1000000);
    for (unsigned i = 1; i < HFP_CODE_COUNT; i++)
        if (st->errors[i])
            member_u64(errors, hfp_code_name((enum hfp_code)i), st->errors[i]);
}

cJSON *status_json(const struct hfp_status *st)
{
    cJSON *o = cJSON_CreateObject();
    if (!o)
        return NULL;
    member_u64(o, "job", st->job);
    member_text(o, "verb", verb_text(st->verb));
    member_text(o, "state", hfp_state_text(st->state));
    cJSON_AddBoolToObject(o, "stalled", st->stalled);
    member_text(o, "wait", hfp_wait_text(st->wait));
    member_text(o, "wait_text", st->wait_text);
    member_text(o, "commit", st->commit[0] ? st->commit : NULL);
    cJSON_AddBoolToObject(o, "stale", st->stale);
    add_counts(o, st);
    add_eta(o, "eta_s", eta_s(st));
    add_eta(o, "eta_low_s", st->eta_low_s);
    add_eta(o, "eta_high_s", st->eta_high_s);
    if (st->receipts_unix_s)
        member_i64(o, "receipts_unix_s", st->receipts_unix_s);
    add_fronts(o, st);
    add_tables(o, st);
    cJSON_AddItemToObject(o, "error", st->error.code ? error_json(&st->error) : cJSON_CreateNull());
    return o;
}
