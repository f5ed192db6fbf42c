#include "cli/client.h"

#include "cli/targets.h"
#include "front/notify.h"
#include "front/out.h"
#include "front/status_json.h"
#include "front/text.h"
#include "front/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_COLS_MAX 48

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
    uint64_t have = number_of(j, strcmp(text_of(j, "verb"), "verify") == 0 ? "proved_bytes" : "recorded_bytes");
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
    uint64_t rate = number_of(j, "rate_bytes_per_s");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "stalled")))
        text_fmt(t, "  stalled %llu s: ", (unsigned long long)number_of(j, "quiet_s"));
    else if (rate > 0)
        text_fmt(t, "  %s", rate_text(a, rate));
    else if (*reason)
        text_fmt(t, "  ");
    if (rate == 0 && strcmp(state, "failed") != 0)
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

/* ---- the list ---- */

static int list(struct ask *a, const struct options *o, struct hfp_err *err)
{
    struct out path = { 0 };
    cJSON *page = NULL;
    char *text = o->args_n ? ask_escape(o->args[0]) : NULL;
    out_fmt(&path, "/jobs?limit=1000%s%s", text ? "&q=" : "", text ? text : "");
    free(text);
    int rc = path.failed ? fault_nomem(err) : ask_api(&page, a, "GET", path.data, NULL, err);
    out_done(&path);
    const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(page, "jobs");
    unsigned cols = client_names(jobs);
    for (const cJSON *j = rc == HFP_OK && jobs ? jobs->child : NULL; j; j = j->next) {
        struct text line;
        char *json = o->v[OPT_PROGRESS].number == PROGRESS_JSON ? cJSON_PrintUnformatted(j) : NULL;
        client_line(&line, j, cols);
        puts(json ? json : line.data);
        cJSON_free(json);
    }
    cJSON_Delete(page);
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

static char *ask_body(const struct options *o, const struct target *t)
{
    struct out b = { 0 };
    const struct option_value *v = o->v;
    out_object(&b, NULL);
    out_text(&b, "repo", t->spec.repo);
    out_text(&b, "revision", t->spec.revision);
    out_text(&b, "type", repo_type_text(t->spec.type));
    out_text(&b, "verb", verb_text(o->verb));
    texts(&b, "paths", t->paths);
    texts(&b, "include", (const char *const *)v[OPT_INCLUDE].list);
    texts(&b, "exclude", (const char *const *)v[OPT_EXCLUDE].list);
    if (v[OPT_LOCAL_DIR].text)
        out_text(&b, "local_dir", v[OPT_LOCAL_DIR].text);
    out_bool(&b, "force", option_on(o, OPT_FORCE_DOWNLOAD));
    tell_whom(&b, o);
    out_object_end(&b);
    return out_take(&b, NULL);
}

static int add(struct ask *a, const struct options *o, struct hfp_err *err)
{
    struct targets targets = { 0 };
    int rc = targets_read(&targets, o, err);
    for (size_t i = 0; rc == HFP_OK && i < targets.n; i++) {
        cJSON *job = NULL;
        struct text line;
        char *body = ask_body(o, &targets.t[i]);
        rc = body ? ask_api(&job, a, "POST", "/jobs", body, err) : fault_nomem(err);
        free(body);
        if (rc == HFP_OK) {
            client_line(&line, job, text_columns(text_of(job, "repo")));
            puts(line.data);
        }
        cJSON_Delete(job);
    }
    targets_done(&targets);
    return rc;
}

/* ---- pause, resume, cancel ---- */

/* A job is named by its id, or by its repository when that has one job that has not ended. */
static bool is_meant(const cJSON *j, const char *name)
{
    const char *state = text_of(j, "state");
    bool ended = strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
    return strcmp(text_of(j, "id"), name) == 0 || (!ended && strcmp(text_of(j, "repo"), name) == 0);
}

static int act_on(struct ask *a, const cJSON *jobs, const char *name, const char *action, struct hfp_err *err)
{
    unsigned found = 0;
    int rc = HFP_OK;
    for (const cJSON *j = jobs ? jobs->child : NULL; j && rc == HFP_OK; j = j->next) {
        char path[96];
        cJSON *job = NULL;
        struct text line;
        if (!is_meant(j, name))
            continue;
        found++;
        snprintf(path, sizeof path, "/jobs/%.40s/%s", text_of(j, "id"), action);
        rc = ask_api(&job, a, "POST", path, NULL, err);
        if (rc == HFP_OK) {
            client_line(&line, job, text_columns(text_of(job, "repo")));
            puts(line.data);
        }
        cJSON_Delete(job);
    }
    if (rc == HFP_OK && found == 0)
        return fault(err, HFP_E_NO_FILE, "no job '%.200s' that has not ended. hf-pull jobs lists all.", name);
    return rc;
}

static int act(struct ask *a, const struct options *o, const char *action, struct hfp_err *err)
{
    cJSON *page = NULL;
    if (o->args_n == 0)
        return fault(err, HFP_E_ARG, "which job? hf-pull %s JOB, by its id or its repository. hf-pull jobs lists them.",
                     action);
    int rc = ask_api(&page, a, "GET", "/jobs?limit=1000", NULL, err);
    for (size_t i = 0; i < o->args_n && rc == HFP_OK; i++)
        rc = act_on(a, cJSON_GetObjectItemCaseSensitive(page, "jobs"), o->args[i], action, err);
    cJSON_Delete(page);
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
