/* listing.c: what the Hub says about a repository: info, tree, paths-info, refs. */
#include "server.h"

#include "base/auto.h"
#include "hashes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXPANDED_PAGE = 50 }; /* the Hub's page with expand=true */

static void add_lfs(struct text *t, const struct entry *e, bool as_sibling)
{
    char pointer[256];
    int n =
        snprintf(pointer, sizeof(pointer),
                 "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %" PRIu64 "\n", e->sha256, e->size);
    text_addf(t, ",\"lfs\":{\"%s\":\"%s\",\"size\":%" PRIu64 ",\"pointerSize\":%d}", as_sibling ? "sha256" : "oid",
              e->sha256, e->size, n);
}

static void add_entry(struct text *t, const struct exchange *x, const struct entry *e, bool expand)
{
    text_addf(t, "{\"type\":\"%s\",\"oid\":\"%s\",\"size\":%" PRIu64 ",\"path\":", e->dir ? "directory" : "file",
              e->oid, e->size);
    text_json(t, e->path);
    if (e->lfs)
        add_lfs(t, e, false);
    if (xet_announced(x, e))
        text_addf(t, ",\"xetHash\":\"%s\"", e->xet ? e->xet : e->sha256);
    if (expand)
        text_addf(t, ",\"lastCommit\":{\"id\":\"%s\",\"title\":\"content\",\"date\":\"2024-01-01T00:00:00.000Z\"}",
                  x->commit->id);
    text_add(t, "}");
}

static bool asked(const struct exchange *x, const char *name)
{
    AUTO_FREE char *v = form_value(x->req->query, name);
    return v && (!strcasecmp(v, "true") || !strcmp(v, "1"));
}

/* expand=sha or expand[]=sha: that alone, however many files there are. */
static bool asked_sha_only(const struct exchange *x)
{
    AUTO_FREE char *plain = form_value(x->req->query, "expand"), *listed = form_value(x->req->query, "expand[]");
    return (plain && !strcmp(plain, "sha")) || (listed && !strcmp(listed, "sha"));
}

static void answer_info(struct exchange *x)
{
    struct text *t = &x->answer.text;
    const struct repo *r = x->repo;
    if (asked_sha_only(x)) {
        text_addf(t, "{\"_id\":\"%.24s\",\"id\":\"%s\",\"sha\":\"%s\"}", x->commit->id, r->id, x->commit->id);
        answer_json(x, 200);
        return;
    }
    const char *slash = strchr(r->id, '/');
    bool blobs = asked(x, "blobs");
    text_addf(t, "{\"_id\":\"%.24s\",\"id\":\"%s\",", x->commit->id, r->id);
    if (!strcmp(r->type, "models"))
        text_addf(t, "\"modelId\":\"%s\",", r->id);
    if (slash)
        text_addf(t, "\"author\":\"%.*s\",", (int)(slash - r->id), r->id);
    text_addf(t,
              "\"sha\":\"%s\",\"lastModified\":\"2024-01-01T00:00:00.000Z\",\"createdAt\":\"2024-01-01T00:00:00.000Z\","
              "\"private\":%s,\"gated\":%s,\"disabled\":%s,\"tags\":[\"region:us\"],\"downloads\":0,\"likes\":0,"
              "\"siblings\":[",
              x->commit->id, r->private ? "true" : "false", r->gated ? "\"manual\"" : "false",
              r->disabled ? "true" : "false");
    bool first = true;
    for (size_t i = 0; i < x->commit->count; i++) {
        const struct entry *e = &x->commit->entries[i];
        if (e->dir)
            continue;
        text_add(t, first ? "{\"rfilename\":" : ",{\"rfilename\":");
        first = false;
        text_json(t, e->path);
        if (blobs) {
            text_addf(t, ",\"size\":%" PRIu64 ",\"blobId\":\"%s\"", e->size, e->oid);
            if (e->lfs)
                add_lfs(t, e, true);
        }
        text_add(t, "}");
    }
    text_add(t, "]}");
    answer_json(x, 200);
}

/* A cursor with bytes that need encoding: a client that takes the link apart and builds it anew loses its place. */
static void add_next_link(struct exchange *x, size_t next)
{
    const char *host = fields_get(&x->req->fields, "Host");
    struct text link = { 0 };
    text_add(&link, "<");
    if (x->srv->opt.hub_name || !host)
        text_add(&link, x->srv->hub_base);
    else
        text_addf(&link, "%s://%s", x->srv->tls ? "https" : "http", host);
    text_addf(&link, "%s?", x->req->path);
    const char *form = x->req->query;
    for (char *name, *value; form_next(&form, &name, &value); free(name), free(value)) {
        if (!strcmp(name, "cursor"))
            continue;
        text_url(&link, name, "");
        text_add(&link, "=");
        text_url(&link, value, "");
        text_add(&link, "&");
    }
    text_addf(&link, "cursor=ZXlKbWFXeGxYMjVoYldVaQ%%3D%%3D%%3A%zu>; rel=\"next\"", next);
    fields_add(&x->answer.fields, "Link", link.p);
    text_free(&link);
}

/* 0 is the start; SIZE_MAX a cursor we never gave. */
static size_t cursor_of(const struct exchange *x, size_t start)
{
    AUTO_FREE char *cursor = form_value(x->req->query, "cursor");
    if (!cursor)
        return start;
    const char *at = !strncmp(cursor, "ZXlKbWFXeGxYMjVoYldVaQ==:", 25) ? cursor + 25 : "";
    return *at && strspn(at, "0123456789") == strlen(at) ? (size_t)strtoull(at, NULL, 10) : SIZE_MAX;
}

static void answer_tree(struct exchange *x)
{
    const struct commit *c = x->commit;
    if (x->file && (!x->entry || !x->entry->dir)) {
        answer_error(x, 404, "EntryNotFound", "Entry not found");
        return;
    }
    AUTO_FREE char *limit = form_value(x->req->query, "limit");
    bool recursive = asked(x, "recursive"), expand = asked(x, "expand");
    uint64_t page = fault_count(&x->fault, "page"), most = limit ? strtoull(limit, NULL, 10) : 0;
    page = page ? page : x->srv->opt.page;
    page = most ? MIN(page, most) : page;
    if (expand)
        page = MIN(page, (uint64_t)EXPANDED_PAGE);
    struct text prefix = { 0 };
    text_addf(&prefix, "%s%s", x->file ? x->file : "", x->file ? "/" : "");
    size_t i = cursor_of(x, commit_lower_bound(c, text_str(&prefix))), given = 0;
    if (i > c->count) {
        answer_error(x, 400, NULL, "Invalid cursor");
        text_free(&prefix);
        return;
    }
    text_add(&x->answer.text, "[");
    for (; i < c->count && !strncmp(c->entries[i].path, text_str(&prefix), prefix.n); i++) {
        if (!recursive && strchr(c->entries[i].path + prefix.n, '/'))
            continue;
        if (given == page) {
            add_next_link(x, i);
            break;
        }
        text_add(&x->answer.text, given++ ? "," : "");
        add_entry(&x->answer.text, x, &c->entries[i], expand);
    }
    text_add(&x->answer.text, "]");
    text_free(&prefix);
    answer_json(x, 200);
}

static void add_path(struct exchange *x, const char *path, bool *first, bool expand)
{
    const struct entry *e = commit_entry(x->commit, path);
    if (!e) /* unknown paths are simply left out */
        return;
    text_add(&x->answer.text, *first ? "" : ",");
    *first = false;
    add_entry(&x->answer.text, x, e, expand);
}

static void answer_paths(struct exchange *x)
{
    bool first = true;
    cJSON *json = x->req->body && x->req->body[0] == '{' ? cJSON_Parse(x->req->body) : NULL;
    text_add(&x->answer.text, "[");
    if (json) {
        const cJSON *paths = cJSON_GetObjectItemCaseSensitive(json, "paths"), *one;
        bool expand = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "expand"));
        if (cJSON_IsString(paths))
            add_path(x, paths->valuestring, &first, expand);
        else
            cJSON_ArrayForEach (one, paths)
                if (cJSON_IsString(one))
                    add_path(x, one->valuestring, &first, expand);
    } else {
        AUTO_FREE char *expand = form_value(x->req->body, "expand");
        const char *form = x->req->body;
        for (char *name, *value; form_next(&form, &name, &value); free(name), free(value))
            if (!strcmp(name, "paths"))
                add_path(x, value, &first, expand && !strcasecmp(expand, "true"));
    }
    cJSON_Delete(json);
    text_add(&x->answer.text, "]");
    answer_json(x, 200);
}

static void add_refs(struct exchange *x, int kind, const char *key, const char *prefix)
{
    struct text *t = &x->answer.text;
    bool first = true;
    text_addf(t, "\"%s\":[", key);
    for (size_t i = 0; i < x->repo->ref_count; i++) {
        const struct ref *r = &x->repo->refs[i];
        if ((int)r->kind != kind)
            continue;
        text_add(t, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        text_json(t, r->name);
        text_addf(t, ",\"ref\":\"%s%s\",\"targetCommit\":\"%s\"}", prefix, r->name, r->target->id);
    }
    text_add(t, "]");
}

static void answer_refs(struct exchange *x)
{
    pthread_mutex_lock(&x->srv->content.lock);
    text_add(&x->answer.text, "{");
    add_refs(x, REF_BRANCH, "branches", "refs/heads/");
    text_add(&x->answer.text, ",\"converts\":[],");
    add_refs(x, REF_TAG, "tags", "refs/tags/");
    if (asked(x, "include_prs")) {
        text_add(&x->answer.text, ",");
        add_refs(x, REF_PR, "pullRequests", "");
    }
    text_add(&x->answer.text, "}");
    pthread_mutex_unlock(&x->srv->content.lock);
    answer_json(x, 200);
}

void listing_answer(struct exchange *x)
{
    static void (*const by_kind[KINDS])(struct exchange *) = {
        [KIND_INFO] = answer_info,
        [KIND_TREE] = answer_tree,
        [KIND_PATHS] = answer_paths,
        [KIND_REFS] = answer_refs,
    };
    by_kind[x->kind](x);
}
