/* What a request to the daemon says, by every reader of ours: bodies, paths, Host and Origin, curves from the store.
 * The first byte chooses which. What is taken is in range, owned, and means the same when it is written and read again. */
#include "fuzz.h"

#include "daemon/body.h"
#include "daemon/guard.h"
#include "daemon/job_json.h"
#include "daemon/listen.h"
#include "daemon/routes.h"
#include "daemon/samples.h"
#include "daemon/settings.h"

#include <stdlib.h>
#include <strings.h>

static void ask_must_hold(const struct job_ask *a)
{
    struct out o = { 0 };
    struct hfp_err err = { 0 };
    struct job_ask again = { 0 };
    cJSON *json = NULL;
    MUST(a->repo && a->revision && *a->repo && *a->revision, "names are there");
    MUST(a->priority >= -PRIORITY_MAX && a->priority <= PRIORITY_MAX, "a priority in its range");
    MUST(text_plain(a->repo) && text_plain(a->revision), "without control characters");
    job_ask_json(&o, NULL, a);
    size_t n = 0;
    char *text = out_take(&o, &n);
    MUST(text && body_parse(&json, text, n, &err) == HFP_OK, "what is kept is JSON");
    if (body_ask(&again, json, NULL, &err) == HFP_OK) { /* a revision may hold what a repository's name may not */
        MUST(job_ask_same(a, &again) && a->limit_bytes_per_s == again.limit_bytes_per_s, "and means the same");
        job_ask_done(&again);
    }
    cJSON_Delete(json);
    free(text);
}

static void bodies(const char *text, size_t n)
{
    struct hfp_err err = { 0 };
    cJSON *o = NULL;
    if (body_parse(&o, text, n, &err)) {
        MUST(err.code != HFP_OK && *err.message, "a refusal says why");
        return;
    }
    struct job_ask ask = { 0 };
    struct body_change change = { 0 };
    struct settings settings;
    char id[JOB_ID_SIZE];
    settings_defaults(&settings);
    if (body_ask(&ask, o, "https://hub.example", &err) == HFP_OK)
        ask_must_hold(&ask);
    else
        MUST(!ask.repo && !ask.include, "nothing is left of a refused one");
    job_ask_done(&ask);
    if (body_change(&change, o, &err) == HFP_OK && change.has_priority)
        MUST(change.priority >= -PRIORITY_MAX && change.priority <= PRIORITY_MAX, "a priority in its range");
    if (body_move(id, o, &err) == HFP_OK)
        MUST(strlen(id) < sizeof id, "an id in its field");
    if (settings_change(&settings, o, &err) == HFP_OK)
        MUST(settings.parallel_jobs >= 1 && settings.parallel_jobs <= 16 && settings.max_connections <= 16,
             "settings in their ranges");
    cJSON_Delete(o);
}

static void paths(const char *text)
{
    char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE];
    for (size_t i = 0; i < routes_n; i++) {
        memset(arg, 0, sizeof arg);
        if (!route_match(arg, routes[i].path, text))
            continue;
        for (unsigned k = 0; k < ROUTE_ARGS_MAX; k++)
            MUST(memchr(arg[k], 0, sizeof arg[k]) && !strchr(arg[k], '/') && strcmp(arg[k], "..") != 0 &&
                     text_plain(arg[k]),
                 "a name of a path leads nowhere else");
    }
}

static void heads(const char *text)
{
    const char *names[] = { "models.lan", NULL };
    const struct guard_policy policy = { .token = "0123456789abcdef", .hosts = names };
    struct guard_facts f = { .area = GUARD_API,
                             .method = HTTP_POST,
                             .loopback = true,
                             .host = text,
                             .has_body = true,
                             .content_type = "application/json" };
    struct guard_verdict v = guard_check(&policy, &f);
    if (v.status == 0)
        MUST(!strchr(text, '@') && !strchr(text, '/') && !strchr(text, '\\') && !strchr(text, ' '), "a host is a host");
    f.host = "127.0.0.1:8585";
    f.origin = text;
    v = guard_check(&policy, &f);
    MUST(v.status != 0 || strcasecmp(text, "http://127.0.0.1:8585") == 0, "one origin and no other");
    f.origin = NULL;
    f.content_type = text;
    v = guard_check(&policy, &f);
    MUST(v.status != 0 || strncasecmp(text, "application/json", 16) == 0, "JSON and nothing else");
    f.content_type = "application/json";
    f.forwarded = true;
    f.authorization = text;
    v = guard_check(&policy, &f);
    MUST(v.status != 0 || strcmp(text + 7, policy.token) == 0, "one token and no other");
    char host[256], port[8];
    if (listen_parse(host, port, text))
        MUST(*host && atoi(port) <= 65535, "an address to listen on");
}

static void kept(const char *text)
{
    struct out o = { 0 };
    struct samples *s = samples_read(text);
    free(status_kept_read(text));
    if (!s)
        return;
    samples_json(&o, s, 0);
    MUST(!o.failed && o.n > 0, "a curve is written");
    out_done(&o);
    samples_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = text_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        bodies(text, strlen(text));
        break;
    case 1:
        paths(text);
        break;
    case 2:
        heads(text);
        break;
    default:
        kept(text);
    }
    free(text);
    return 0;
}
