/* control.c: /_fake/..., by which a test talks to the server itself. Never logged, never faulted. README.md lists it. */
#include "server.h"

#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void ok(struct exchange *x)
{
    text_add(&x->answer.text, "{\"ok\":true}");
    answer_json(x, 200);
}

static void set_rules(struct exchange *x)
{
    char *wrong = NULL;
    if (rules_replace(x->srv->rules, x->req->body ? x->req->body : "", &wrong))
        ok(x);
    else
        answer_error(x, 400, NULL, wrong);
    free(wrong);
}

static void get_log(struct exchange *x)
{
    log_copy(x->srv->log, &x->answer.text);
    answer_json(x, 200);
    fields_set(&x->answer.fields, "Content-Type", "application/x-ndjson");
}

static void get_stats(struct exchange *x)
{
    struct server *srv = x->srv;
    struct text *t = &x->answer.text;
    text_addf(t, "{\"open_connections\":%u,\"peak_connections\":%u,", atomic_load(&srv->open_conns),
              atomic_load(&srv->peak_conns));
    text_addf(t, "\"open_streams\":%u,\"peak_streams\":%u,\"listeners\":[", atomic_load(&srv->open_streams),
              atomic_load(&srv->peak_streams));
    for (size_t i = 0; i < srv->listener_count; i++) {
        struct listener *l = &srv->listeners[i];
        text_addf(t, "%s{\"on\":\"%s\",\"addr\":\"%s\",\"port\":%u,\"bytes\":%" PRIu64 ",\"connections\":%" PRIu64 "}",
                  i ? "," : "", role_name[l->role], l->host, l->port, (uint64_t)atomic_load(&l->bytes),
                  (uint64_t)atomic_load(&l->conns));
    }
    text_add(t, "],\"requests\":{");
    for (size_t i = 0; i < KINDS; i++)
        text_addf(t, "%s\"%s\":%" PRIu64, i ? "," : "", kind_name[i], (uint64_t)atomic_load(&srv->kinds[i]));
    text_add(t, "}}");
    answer_json(x, 200);
}

static void reset(struct exchange *x)
{
    struct server *srv = x->srv;
    char *wrong = NULL;
    (void)rules_replace(srv->rules, "[]", &wrong);
    log_clear(srv->log);
    for (size_t i = 0; i < srv->listener_count; i++) {
        listener_reopen(&srv->listeners[i]);
        atomic_store(&srv->listeners[i].bytes, 0);
        atomic_store(&srv->listeners[i].conns, 0);
    }
    for (size_t i = 0; i < KINDS; i++)
        atomic_store(&srv->kinds[i], 0);
    atomic_store(&srv->peak_streams, atomic_load(&srv->open_streams));
    atomic_store(&srv->peak_conns, atomic_load(&srv->open_conns));
    ok(x);
}

static void expire(struct exchange *x)
{
    issued_revoke_all(x->srv->issued, false);
    ok(x);
}

static void expire_tokens(struct exchange *x)
{
    issued_revoke_all(x->srv->issued, true);
    ok(x);
}

/* {"repo": "[type/]ns/name", ...} */
static void set_repo(struct exchange *x, const cJSON *order)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(order, "repo");
    const char *id = cJSON_IsString(name) ? name->valuestring : "", *wrong = "no such repository";
    static const char *const types[] = { "datasets", "spaces", "models" };
    const char *type = "models";
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(types[i]);
        if (!strncmp(id, types[i], n) && id[n] == '/') {
            type = types[i];
            id += n + 1;
            break;
        }
    }
    struct repo *r = content_repo(&x->srv->content, type, id);
    if (r && content_set(&x->srv->content, r, order, &wrong))
        ok(x);
    else
        answer_error(x, 400, NULL, wrong);
}

/* {"on": "cdn", "addr": "127.0.0.2", "open": false, "ms": 500} */
static void set_listen(struct exchange *x, const cJSON *order)
{
    const cJSON *on = cJSON_GetObjectItem(order, "on"), *addr = cJSON_GetObjectItem(order, "addr"),
                *ms = cJSON_GetObjectItem(order, "ms");
    bool open = cJSON_IsTrue(cJSON_GetObjectItem(order, "open"));
    for (size_t i = 0; i < x->srv->listener_count; i++) {
        struct listener *l = &x->srv->listeners[i];
        if ((cJSON_IsString(on) && strcmp(on->valuestring, role_name[l->role]) != 0) ||
            (cJSON_IsString(addr) && strcmp(addr->valuestring, l->host) != 0))
            continue;
        if (open)
            listener_reopen(l);
        else
            listener_close(l, (int64_t)whole_number(ms));
    }
    ok(x);
}

static void set_options(struct exchange *x, const cJSON *order)
{
    struct options *o = &x->srv->opt;
    const struct {
        const char *name;
        uint64_t *option;
    } known[] = {
        { "rate", &o->rate },
        { "conn_rate", &o->conn_rate },
        { "throttle_above", &o->throttle_above },
        { "throttle_to", &o->throttle_to },
        { "latency_ms", &o->latency_ms },
        { "quota_api", &o->quota_api },
        { "quota_resolve", &o->quota_resolve },
    };
    const cJSON *one;
    cJSON_ArrayForEach (one, order) {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(*known) && strcmp(known[i].name, one->string) != 0)
            i++;
        if (i == sizeof(known) / sizeof(*known) || !cJSON_IsNumber(one) || one->valuedouble < 0) {
            answer_error(x, 400, NULL, one->string);
            return;
        }
        __atomic_store_n(known[i].option, whole_number(one), __ATOMIC_RELAXED);
    }
    ok(x);
}

void control_answer(struct exchange *x)
{
    static const struct {
        const char *method, *path;
        void (*plain)(struct exchange *);
        void (*json)(struct exchange *, const cJSON *);
    } table[] = {
        { "POST", "/_fake/rules", set_rules, NULL },
        { "GET", "/_fake/log", get_log, NULL },
        { "GET", "/_fake/stats", get_stats, NULL },
        { "POST", "/_fake/reset", reset, NULL },
        { "POST", "/_fake/expire", expire, NULL },
        { "POST", "/_fake/repo", NULL, set_repo },
        { "POST", "/_fake/listen", NULL, set_listen },
        { "POST", "/_fake/set", NULL, set_options },
        { "POST", "/_fake/expire-tokens", expire_tokens, NULL },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (strcmp(x->req->method, table[i].method) != 0 || strcmp(x->req->path, table[i].path) != 0)
            continue;
        cJSON *order = table[i].json ? cJSON_Parse(x->req->body ? x->req->body : "") : NULL;
        if (table[i].plain)
            table[i].plain(x);
        else if (cJSON_IsObject(order))
            table[i].json(x, order);
        else
            answer_error(x, 400, NULL, "not a JSON object");
        cJSON_Delete(order);
        return;
    }
    answer_error(x, 404, NULL, "no such order; see tests/fakehub/README.md");
}
