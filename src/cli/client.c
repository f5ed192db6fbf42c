#include "cli/client.h"

#include "cli/targets.h"
#include "front/files.h"
#include "front/notify.h"
#include "front/out.h"
#include "front/status_json.h"
#include "front/text.h"
#include "front/timetable.h"
#include "front/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_COLS_MAX 48
#define PAGES_MAX 100 /* of 1,000 jobs: ten times what a daemon takes */

static const char *text_of(const cJSON *o, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return text ? text : "";
}

static uint64_t number_of(const cJSON *o, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsNumber(item) && item->valuedouble > 0 ? (uint64_t)item->valuedouble : 0;
}

/* ---- a line about a job ---- */

unsigned client_names(const cJSON *jobs)
{
    unsigned most = 4;
    for (const cJSON *j = jobs ? jobs->child : NULL; j; j = j->next) {
        unsigned cols = text_columns(text_of(j, "repo"));
        most = cols > most ? cols : most;
    }
    return most > NAME_COLS_MAX ? NAME_COLS_MAX : most;
}

static void amounts(struct text *t, const cJSON *j)
{
    uint64_t total = number_of(j, "total_bytes");
    const char *verb = text_of(j, "verb");
    bool proof = strcmp(verb, "verify") == 0 || strcmp(verb, "repair") == 0;
    uint64_t have = number_of(j, proof ? "checked_bytes" : "recorded_bytes");
    char a[UNIT_TEXT], b[UNIT_TEXT];
    if (total == 0) {
        text_fmt(t, "%27s", "");
        return;
    }
    struct size_unit unit = size_unit_for(total);
    text_fmt(t, " %3u %%  %7s / %7s %s", permille(have, total) / 10, size_number_in(a, have, unit),
             size_number_in(b, total, unit), unit.name);
}

static void speed(struct text *t, const cJSON *j)
{
    char a[UNIT_TEXT];
    const char *state = text_of(j, "state"), *reason = text_of(j, "reason");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(j, "error");
    uint64_t rate = number_of(j, "rate_bytes_per_s"), read = number_of(j, "checked_bytes_per_s");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "stalled")))
        text_fmt(t, "  stalled %llu s: ", (unsigned long long)number_of(j, "quiet_s"));
    else if (rate > 0 || read > 0)
        text_fmt(t, read > rate ? "  reading %s" : "  %s", rate_text(a, read > rate ? read : rate));
    else if (*reason)
        text_fmt(t, "  ");
    if (rate == 0 && read == 0 && strcmp(state, "failed") != 0)
        text_safe(t, reason);
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(j, "eta_s")))
        text_fmt(t, "  ETA %s", duration_text(a, number_of(j, "eta_s")));
    if (strcmp(state, "failed") == 0 && cJSON_IsObject(error))
        text_safe(t, text_of(error, "message"));
}

void client_line(struct text *t, const cJSON *j, unsigned name_cols)
{
    struct text name;
    text_clear(t);
    text_clear(&name);
    text_shorten(&name, text_of(j, "repo"), name_cols);
    text_fmt(t, "%-18.18s  %-11.11s  ", text_of(j, "id"), text_of(j, "state"));
    text_append(t, &name);
    text_fmt(t, "%*s", (int)(name_cols > name.cols ? name_cols - name.cols : 0), "");
    amounts(t, j);
    speed(t, j);
}

/* One job on standard output: a line, or all of it with --progress json. */
static void say(const struct options *o, const cJSON *job, unsigned name_cols)
{
    struct text line;
    char *json = o->v[OPT_PROGRESS].number == PROGRESS_JSON ? cJSON_PrintUnformatted(job) : NULL;
    client_line(&line, job, name_cols);
    puts(json ? json : line.data);
    cJSON_free(json);
}

/* ---- the list ---- */

static int one_page(cJSON **out, struct ask *a, const char *text, const char *cursor, struct hfp_err *err)
{
    struct out path = { 0 };
    char *q = ask_escape(text), *after = ask_escape(cursor);
    out_fmt(&path, "/jobs?limit=1000%s%s%s%s", *text ? "&q=" : "", q ? q : "", *cursor ? "&cursor=" : "",
            after ? after : "");
    int rc = !q || !after || path.failed ? fault_nomem(err) : ask_api(out, a, "GET", path.data, NULL, err);
    free(q);
    free(after);
    out_done(&path);
    return rc;
}

/* All jobs whose repository contains text, in as many answers as it takes. The caller's, cJSON_Delete(). */
static int all_jobs(cJSON **out, struct ask *a, const char *text, struct hfp_err *err)
{
    cJSON *all = cJSON_CreateArray(), *page = NULL;
    int rc = all ? HFP_OK : fault_nomem(err);
    for (unsigned n = 0; rc == HFP_OK && n < PAGES_MAX && (n == 0 || *text_of(page, "next_cursor")); n++) {
        cJSON *next = NULL;
        rc = one_page(&next, a, text, text_of(page, "next_cursor"), err);
        cJSON_Delete(page);
        page = next;
        cJSON *jobs = cJSON_GetObjectItemCaseSensitive(page, "jobs");
        while (jobs && jobs->child)
            cJSON_AddItemToArray(all, cJSON_DetachItemViaPointer(jobs, jobs->child));
    }
    cJSON_Delete(page);
    if (rc)
        cJSON_Delete(all);
    else
        *out = all;
    return rc;
}

static int list(struct ask *a, const struct options *o, struct hfp_err *err)
{
    cJSON *jobs = NULL;
    int rc = all_jobs(&jobs, a, o->args_n ? o->args[0] : "", err);
    unsigned cols = client_names(jobs);
    for (const cJSON *j = jobs ? jobs->child : NULL; j; j = j->next)
        say(o, j, cols);
    cJSON_Delete(jobs);
    return rc;
}

/* ---- adding ---- */

static void texts(struct out *o, const char *name, const char *const *list)
{
    out_list(o, name);
    for (; list && *list; list++)
        out_text(o, NULL, *list);
    out_list_end(o);
}

/* Addresses of the command line go along; those of the config file are the daemon's to read. */
static void tell_whom(struct out *o, const struct options *from)
{
    const struct option_value *to = &from->v[OPT_NOTIFY], *on = &from->v[OPT_NOTIFY_ON];
    unsigned bits = 0;
    if (to->source == FROM_LINE)
        texts(o, "notify", (const char *const *)to->list);
    if (on->source != FROM_LINE || !notify_events_parse(&bits, on->text))
        return;
    out_list(o, "notify_on");
    for (unsigned i = 0; i < NOTIFY_EVENT_COUNT; i++)
        if (bits & 1U << i)
            out_text(o, NULL, notify_event_text((enum notify_event)i));
    out_list_end(o);
}

/* What was given on the line and a job cannot heed is refused (options.def says which). */
static int understood(const struct options *o, struct hfp_err *err)
{
    struct timetable limit;
    for (enum option_id id = 0; id < OPT_COUNT; id++)
        if (o->v[id].source == FROM_LINE && option_rows[id].add == ADD_REFUSES)
            return fault(err, HFP_E_ARG, "--%s: a job of the daemon has no such option. Give it to hf-pulld.",
                         option_rows[id].long_name);
    if (o->v[OPT_LIMIT_RATE].source == FROM_LINE && timetable_parse(&limit, o->v[OPT_LIMIT_RATE].text) && limit.n > 1)
        return fault(err, HFP_E_ARG,
                     "--limit-rate: a job of the daemon has one limit; a timetable is the daemon's own.");
    return HFP_OK;
}

static char *ask_body(const struct options *o, const struct target *t)
{
    struct out b = { 0 };
    struct timetable limit = { 0 };
    const struct option_value *v = o->v;
    char *local_dir =
        v[OPT_LOCAL_DIR].text ? path_absolute(v[OPT_LOCAL_DIR].text) : NULL; /* the daemon stands elsewhere */
    out_object(&b, NULL);
    out_text(&b, "repo", t->spec.repo);
    out_text(&b, "revision", t->spec.revision);
    out_text(&b, "type", repo_type_text(t->spec.type));
    out_text(&b, "verb", verb_text(o->verb));
    texts(&b, "paths", t->paths);
    texts(&b, "include", (const char *const *)v[OPT_INCLUDE].list);
    texts(&b, "exclude", (const char *const *)v[OPT_EXCLUDE].list);
    if (v[OPT_LOCAL_DIR].text)
        out_text(&b, "local_dir", local_dir ? local_dir : v[OPT_LOCAL_DIR].text);
    free(local_dir);
    if (v[OPT_LIMIT_RATE].source == FROM_LINE && timetable_parse(&limit, v[OPT_LIMIT_RATE].text) && limit.n > 0)
        out_u64(&b, "limit_bytes_per_s", limit.at[0].bytes_per_s);
    out_bool(&b, "force", option_on(o, OPT_FORCE_DOWNLOAD));
    tell_whom(&b, o);
    out_object_end(&b);
    return out_take(&b, NULL);
}

static int add(struct ask *a, const struct options *o, struct hfp_err *err)
{
    struct targets targets = { 0 };
    int rc = understood(o, err);
    if (rc == HFP_OK)
        rc = targets_read(&targets, o, err);
    for (size_t i = 0; rc == HFP_OK && i < targets.n; i++) {
        cJSON *job = NULL;
        char *body = ask_body(o, &targets.t[i]);
        rc = body ? ask_api(&job, a, "POST", "/jobs", body, err) : fault_nomem(err);
        free(body);
        if (rc == HFP_OK)
            say(o, job, text_columns(text_of(job, "repo")));
        cJSON_Delete(job);
    }
    targets_done(&targets);
    return rc;
}

/* ---- pause, resume, cancel ---- */

/* A job is named by its id; a repository names all of its jobs that have not ended. */
static bool is_meant(const cJSON *j, const char *name)
{
    const char *state = text_of(j, "state");
    bool ended = strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
    return strcmp(text_of(j, "id"), name) == 0 || (!ended && strcmp(text_of(j, "repo"), name) == 0);
}

static int act_on(struct ask *a, const struct options *o, const cJSON *jobs, const char *name, const char *action,
                  struct hfp_err *err)
{
    unsigned found = 0;
    int rc = HFP_OK;
    for (const cJSON *j = jobs ? jobs->child : NULL; j && rc == HFP_OK; j = j->next) {
        char path[96];
        cJSON *job = NULL;
        if (!is_meant(j, name))
            continue;
        found++;
        snprintf(path, sizeof path, "/jobs/%.40s/%s", text_of(j, "id"), action);
        rc = ask_api(&job, a, "POST", path, NULL, err);
        if (rc == HFP_OK)
            say(o, job, text_columns(text_of(job, "repo")));
        cJSON_Delete(job);
    }
    if (rc == HFP_OK && found == 0)
        return fault(err, HFP_E_NO_FILE, "no job '%.200s' that has not ended. hf-pull jobs lists all.", name);
    return rc;
}

static int act(struct ask *a, const struct options *o, const char *action, struct hfp_err *err)
{
    cJSON *jobs = NULL;
    if (o->args_n == 0)
        return fault(err, HFP_E_ARG, "which job? hf-pull %s JOB, by its id or its repository. hf-pull jobs lists them.",
                     action);
    int rc = all_jobs(&jobs, a, "", err);
    for (size_t i = 0; i < o->args_n && rc == HFP_OK; i++)
        rc = act_on(a, o, jobs, o->args[i], action, err);
    cJSON_Delete(jobs);
    return rc;
}

int client_run(const struct options *o)
{
    struct hfp_err err = { 0 };
    struct ask *a = NULL;
    int rc = ask_open(&a, &err);
    if (rc == HFP_OK) {
        rc = o->command == COMMAND_JOBS     ? list(a, o, &err)
             : o->command == COMMAND_ADD    ? add(a, o, &err)
             : o->command == COMMAND_PAUSE  ? act(a, o, "pause", &err)
             : o->command == COMMAND_RESUME ? act(a, o, "resume", &err)
             : o->command == COMMAND_CANCEL ? act(a, o, "cancel", &err)
                                            : client_top(a, &err);
    }
    ask_close(a);
    if (rc) {
        struct text line;
        text_clear(&line);
        text_safe(&line, err.message);
        fprintf(stderr, "hf-pull: %s\n", line.data);
    }
    return fflush(stdout) == 0 ? hfp_exit_status((enum hfp_code)rc) : 1;
}
