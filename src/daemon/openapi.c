/* /openapi.json, made from the tables: routes.c, fields.def, settings.def. Made once, when it is first asked for. */
#include "daemon/routes.h"

#include "daemon/fields.def"
#include "daemon/openapi_shapes.h"
#include "daemon/reply.h"

#include <stdlib.h>
#include <string.h>

/* What a type of fields.def is in JSON Schema. */
#define SCHEMA_TEXT TEXT_SCHEMA
#define SCHEMA_STATE REF("State")
#define SCHEMA_TEXT_OR_NULL TEXT_OR_NULL_SCHEMA
#define SCHEMA_TEXTS TEXTS_SCHEMA
#define SCHEMA_U64 COUNT_SCHEMA
#define SCHEMA_I64 "{\"type\":\"integer\"}"
#define SCHEMA_BOOL "{\"type\":\"boolean\"}"
#define SCHEMA_U64_OR_NULL COUNT_OR_NULL_SCHEMA
#define SCHEMA_U64_OR_NULL0 SCHEMA_U64_OR_NULL
#define SCHEMA_PART NULL /* its own, by the field's name */

#define ASK_SCHEMA_TEXT "{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":1024}"
#define ASK_SCHEMA_TEXTS                                                                                               \
    "{\"type\":\"array\",\"maxItems\":1000,\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024}}"
#define ASK_SCHEMA_ADDRESSES                                                                                           \
    "{\"type\":\"array\",\"maxItems\":16,\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024}}"
#define ASK_SCHEMA_EVENTS "{\"type\":\"array\",\"maxItems\":6,\"items\":" REF("NotifyEvent") "}"
#define ASK_SCHEMA_VERB REF("Verb")
#define ASK_SCHEMA_TYPE REF("RepoType")
#define ASK_SCHEMA_FLAG "{\"type\":\"boolean\"}"

static const struct shape job_members[] = {
#define X(field, type, value, text) { #field, SCHEMA_##type, text },
    JOB_FIELDS(X)
#undef X
};
static const struct shape ask_members[] = {
#define X(field, type, member, text) { #field, ASK_SCHEMA_##type, text },
    ASK_FIELDS(X)
#undef X
};

/* ---- schemas ---- */

/* The schema, with its description where there is one. */
static void member_out(struct out *o, const struct shape *m)
{
    if (!m->schema) {
        out_object(o, m->name);
        out_fmt(o, "\"$ref\":\"#/components/schemas/%s\"", m->name);
    } else if (!m->text || m->schema[1] == '}') {
        out_raw(o, m->name, m->schema);
        return;
    } else {
        out_object(o, m->name);
        out_put(o, m->schema + 1, strlen(m->schema) - 2);
    }
    out_text(o, "description", m->text);
    out_object_end(o);
}

static void open_object(struct out *o, const char *name)
{
    out_object(o, name);
    out_text(o, "type", "object");
    out_bool(o, "additionalProperties", false);
}

static void job_schema(struct out *o, const char *name, bool files)
{
    size_t n = sizeof job_members / sizeof *job_members;
    open_object(o, name);
    out_list(o, "required");
    for (size_t i = 0; i < n; i++)
        out_text(o, NULL, job_members[i].name);
    if (files) {
        out_text(o, NULL, "files");
        out_text(o, NULL, "files_next");
    }
    out_list_end(o);
    out_object(o, "properties");
    for (size_t i = 0; i < n; i++)
        member_out(o, &job_members[i]);
    if (files) {
        out_raw(o, "files", "{\"type\":\"array\",\"maxItems\":1000,\"items\":" REF("File") "}");
        out_raw(o, "files_next", SCHEMA_U64_OR_NULL);
    }
    out_object_end(o);
    out_object_end(o);
}

static void ask_schema(struct out *o)
{
    open_object(o, "JobAsk");
    out_raw(o, "required", "[\"repo\"]");
    out_object(o, "properties");
    /* The strictest thing said here: a name. Links and names with a revision or path in them are understood as well. */
    out_raw(o, "repo",
            "{\"type\":\"string\",\"maxLength\":90,\"description\":\"repository: ns/name, or as copied from the Hub's "
            "page\","
            "\"pattern\":\"^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*/[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$\"}");
    for (size_t i = 1; i < sizeof ask_members / sizeof *ask_members; i++)
        member_out(o, &ask_members[i]);
    out_object_end(o);
    out_object_end(o);
}

/* A setting that can be changed: its type, what bounds it, and what a list is made of. */
static const struct setting {
    const char *name, *type, *least_word, *most_word;
    int64_t least, most;
    const char *items, *text;
} changeable[] = {
#define X(field, least, most, fallback, text) { #field, "integer", "minimum", "maximum", least, most, NULL, text },
    SETTINGS(X)
#undef X
#define X(field, room, check, wrong, text) { #field, "string", NULL, "maxLength", 0, (room)-1, NULL, text },
        SETTINGS_TEXT(X)
#undef X
#define X(field, room, fallback, kind, most, schema, text) { #field, "array", NULL, "maxItems", 0, most, schema, text },
            SETTINGS_LIST(X)
#undef X
};

static void setting_out(struct out *o, const struct setting *s)
{
    out_object(o, s->name);
    out_text(o, "type", s->type);
    if (s->least_word)
        out_i64(o, s->least_word, s->least);
    out_i64(o, s->most_word, s->most);
    if (s->items)
        out_raw(o, "items", s->items);
    out_text(o, "description", s->text);
    out_object_end(o);
}

static void settings_schema(struct out *o, const char *name, bool change)
{
    open_object(o, name);
    out_object(o, "properties");
    for (size_t i = 0; i < sizeof changeable / sizeof *changeable; i++)
        setting_out(o, &changeable[i]);
    if (!change) {
        out_raw(o, "notify_fixed", TEXTS_SCHEMA);
        out_raw(o, "limit_now_bytes_per_s", COUNT_SCHEMA);
        out_raw(o, "limit_until", SCHEMA_TEXT_OR_NULL);
        out_raw(o, "token", "{\"enum\":[\"set\",\"not set\"]}");
        out_raw(o, "watch_dirs", TEXTS_SCHEMA);
        out_raw(o, "hosts", "{\"type\":\"array\",\"items\":" REF("Host") "}");
    }
    out_object_end(o);
    out_object_end(o);
}

static void schemas(struct out *o)
{
    out_object(o, "schemas");
    for (size_t i = 0; i < openapi_shapes_n; i++)
        member_out(o, &openapi_shapes[i]);
    job_schema(o, "Job", false);
    job_schema(o, "JobWithFiles", true);
    ask_schema(o);
    settings_schema(o, "Settings", false);
    settings_schema(o, "SettingsChange", true);
    out_object_end(o);
}

/* ---- paths ---- */

static void ref_out(struct out *o, const char *name, const char *schema)
{
    out_object(o, name);
    out_fmt(o, "\"$ref\":\"#/components/schemas/%s\"", schema);
    out_object_end(o);
}

static void parameter(struct out *o, const char *name, size_t n, const char *where, const char *schema, const char *ref,
                      const char *text)
{
    char copy[64];
    n = n < sizeof copy - 1 ? n : sizeof copy - 1;
    memcpy(copy, name, n);
    copy[n] = '\0';
    out_object(o, NULL);
    out_text(o, "name", copy);
    out_text(o, "in", where);
    out_bool(o, "required", strcmp(where, "path") == 0);
    if (ref)
        ref_out(o, "schema", ref);
    else
        out_raw(o, "schema", schema);
    if (text)
        out_text(o, "description", text);
    out_object_end(o);
}

/* Of a part of a path, by its name. */
static const char *segment_schema(const char *name, size_t n)
{
    static const struct {
        const char *name, *schema;
    } rows[] = {
        { "id", "{\"type\":\"string\",\"pattern\":\"^j_[0-9a-f]{16}$\"}" },
        { "type", REF("RepoType") },
        { "ns", "{\"type\":\"string\",\"pattern\":\"^(-|[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*)$\",\"maxLength\":96}" },
        { "name", "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$\",\"maxLength\":96}" },
        { "commit", "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{40}$\"}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
            return rows[i].schema;
    return "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255}";
}

static void parameters(struct out *o, const struct route *r)
{
    out_list(o, "parameters");
    for (const char *at = r->path; (at = strchr(at, '{')) != NULL; at++) {
        size_t n = strcspn(at + 1, "}");
        parameter(o, at + 1, n, "path", segment_schema(at + 1, n), NULL, NULL);
    }
    for (const struct route_query *q = r->query; q && q->name; q++)
        parameter(o, q->name, strlen(q->name), "query", NULL, q->schema, q->text);
    out_list_end(o);
}

static const char *const methods[] = { "get", "head", "post", "patch", "delete" };

/* "get_jobs_id_files" */
static void operation_id(struct out *o, const char *name, const struct route *r)
{
    char id[128];
    int n = snprintf(id, sizeof id, "%s", methods[r->method]);
    const char *path = strncmp(r->path, "/api/v1/", 8) == 0 ? r->path + 7 : r->path;
    for (; *path && n + 1 < (int)sizeof id; path++)
        if (*path != '{' && *path != '}')
            id[n++] = *path == '/' || *path == '.' ? '_' : *path;
    id[n] = '\0';
    out_text(o, name, id);
}

/* What can be asked of a new job, with the id that it has got. */
static void links(struct out *o)
{
    out_object(o, "links");
    for (size_t i = 0; i < routes_n; i++) {
        if (!strstr(routes[i].path, "/jobs/{id}"))
            continue;
        char name[32];
        snprintf(name, sizeof name, "job%zu", i);
        out_object(o, name);
        operation_id(o, "operationId", &routes[i]);
        out_raw(o, "parameters", "{\"id\":\"$response.body#/id\"}");
        out_object_end(o);
    }
    out_object_end(o);
}

static void answer(struct out *o, const char *status, const char *text, const char *type, const char *schema)
{
    out_object(o, status);
    out_text(o, "description", text);
    if (schema) {
        out_object(o, "content");
        out_object(o, type);
        ref_out(o, "schema", schema);
        out_object_end(o);
        out_object_end(o);
    }
    if (strcmp(status, "201") == 0)
        links(o);
    out_object_end(o);
}

static void answers(struct out *o, const struct route *r)
{
    char status[16];
    out_object(o, "responses");
    snprintf(status, sizeof status, "%u", r->status);
    answer(o, status, "done", r->type ? r->type : "application/json", r->gives);
    for (const unsigned *also = r->also; *also; also++) {
        snprintf(status, sizeof status, "%u", *also);
        if (*also < 400)
            answer(o, status, "was so already", "application/json", r->gives);
        else if (r->area == GUARD_OPEN && *also == 503)
            answer(o, status, "it does not work", "application/json", r->gives);
        else
            answer(o, status, "not done", "application/problem+json", "Problem");
    }
    answer(o, "default", "refused", "application/problem+json", "Problem");
    out_object_end(o);
}

static void operation(struct out *o, const struct route *r)
{
    out_object(o, methods[r->method]);
    operation_id(o, "operationId", r);
    out_text(o, "summary", r->text);
    parameters(o, r);
    if (r->takes) {
        out_object(o, "requestBody");
        out_bool(o, "required", true);
        out_object(o, "content");
        out_object(o, "application/json");
        ref_out(o, "schema", r->takes);
        out_object_end(o);
        out_object_end(o);
        out_object_end(o);
    }
    answers(o, r);
    if (r->area == GUARD_API)
        out_raw(o, "security", "[{},{\"token\":[]}]");
    out_object_end(o);
}

static void paths(struct out *o)
{
    out_object(o, "paths");
    for (size_t i = 0; i < routes_n; i++) {
        bool seen = !routes[i].text;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(routes[k].path, routes[i].path) == 0;
        if (seen)
            continue;
        out_object(o, routes[i].path);
        for (size_t k = i; k < routes_n; k++)
            if (strcmp(routes[k].path, routes[i].path) == 0)
                operation(o, &routes[k]);
        out_object_end(o);
    }
    out_object_end(o);
}

static void whole(struct out *o)
{
    out_object(o, NULL);
    out_text(o, "openapi", "3.1.0");
    out_raw(o, "info",
            "{\"title\":\"hf-pulld\",\"version\":\"" HFP_VERSION "\",\"summary\":\"a queue of Hugging Face downloads, "
            "every byte proved\",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}}");
    paths(o);
    out_object(o, "components");
    schemas(o);
    out_raw(o, "securitySchemes", "{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    out_object_end(o);
    out_object_end(o);
}

void openapi_route(struct route_call *c)
{
    struct daemon *d = c->daemon;
    struct out o = { 0 };
    if (!d->openapi) {
        whole(&o);
        d->openapi = out_take(&o, &d->openapi_n);
    }
    if (!d->openapi)
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
    else
        http_reply(c->request, &(struct http_answer){
                                   .status = 200, .type = "application/json", .fixed = d->openapi, .n = d->openapi_n });
}
