/* hub.c: which endpoint a target names, who may have it, and /resolve/. */
#include "server.h"

#include "base/auto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 256 };

struct segments {
    char *copy;
    char *s[SEGMENTS_MAX];
    size_t n;
};

const char *const kind_name[KINDS] = { "info", "tree",  "paths", "refs",    "resolve", "token",
                                       "body", "recon", "xorb",  "connect", "control", "other" };
const char *const role_name[ROLES] = { "hub", "cdn", "cas" };

static void split(struct segments *out, const char *path)
{
    out->n = 0;
    out->copy = must_copy(path + 1);
    char *rest = out->copy;
    for (char *one; (one = strsep(&rest, "/"));) {
        if (out->n == SEGMENTS_MAX || !url_decode(one, false)) {
            out->n = 0;
            return;
        }
        if (*one || rest)
            out->s[out->n++] = one;
    }
}

static const char *type_of(const char *segment)
{
    static const char *const types[] = { "models", "datasets", "spaces" };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!strcmp(segment, types[i]))
            return types[i];
    return NULL;
}

static bool is_verb(const char *s)
{
    static const char *const verbs[] = { "revision", "tree",           "paths-info", "refs",
                                         "resolve",  "xet-read-token", "commits" };
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (!strcmp(s, verbs[i]))
            return true;
    return false;
}

static char *join(char *const *s, size_t n)
{
    struct text t = { 0 };
    for (size_t i = 0; i < n; i++)
        text_addf(&t, "%s%s", i ? "/" : "", s[i]);
    return t.p ? t.p : must_copy("");
}

/* ns/name or bare name: what exists decides; for unknown ones a verb behind the first part means bare. */
static size_t take_repo(struct exchange *x, const struct segments *g, size_t at, const char *type)
{
    if (at >= g->n)
        return at;
    bool two = at + 1 < g->n;
    for (size_t parts = two ? 2 : 1; parts && !x->repo; parts--) {
        free(x->repo_id);
        x->repo_id = join(g->s + at, parts);
        x->repo = content_repo(&x->srv->content, type, x->repo_id);
        if (x->repo)
            at += parts;
    }
    if (!x->repo) {
        size_t parts = two && !is_verb(g->s[at + 1]) ? 2 : 1;
        free(x->repo_id);
        x->repo_id = join(g->s + at, parts);
        at += parts;
    }
    free(x->type);
    x->type = must_copy(type);
    x->rest = x->req->path;
    for (size_t i = 0; x->rest && i <= at; i++)
        x->rest = strchr(x->rest + (i > 0), '/');
    return at;
}

/* One encoded part, or a name with raw slashes in it: the shortest that exists. */
static size_t take_rev(struct exchange *x, const struct segments *g, size_t at)
{
    for (size_t n = 1; x->repo && n <= 8 && at + n <= g->n && !x->commit; n++) {
        AUTO_FREE char *name = join(g->s + at, n);
        x->commit = content_rev(&x->srv->content, x->repo, name);
        if (x->commit) {
            x->rev = ptr_steal(&name);
            return at + n;
        }
    }
    if (at < g->n)
        x->rev = must_copy(g->s[at++]);
    return at;
}

static void take_file(struct exchange *x, const struct segments *g, size_t at)
{
    if (at < g->n)
        x->file = join(g->s + at, g->n - at);
    if (x->file && x->commit)
        x->entry = commit_entry(x->commit, x->file);
}

static void route_api(struct exchange *x, const struct segments *g, const char *type)
{
    size_t at = take_repo(x, g, 2, type);
    const char *verb = at < g->n ? g->s[at++] : "";
    if (!*verb || !strcmp(verb, "revision")) {
        x->kind = KIND_INFO;
        if (*verb)
            take_rev(x, g, at);
        else if (x->repo && !x->repo->renamed_to)
            x->commit = content_rev(&x->srv->content, x->repo, NULL);
    } else if (!strcmp(verb, "tree")) {
        x->kind = KIND_TREE;
        take_file(x, g, take_rev(x, g, at));
    } else if (!strcmp(verb, "paths-info")) {
        x->kind = KIND_PATHS;
        take_rev(x, g, at);
    } else if (!strcmp(verb, "refs")) {
        x->kind = KIND_REFS;
    } else if (!strcmp(verb, "xet-read-token") && *x->srv->cas_base) {
        x->kind = KIND_TOKEN;
        take_rev(x, g, at);
    }
}

static void route_resolve(struct exchange *x, const struct segments *g, size_t at, const char *type)
{
    at = take_repo(x, g, at, type);
    if (!x->cached && (at >= g->n || strcmp(g->s[at++], "resolve") != 0))
        return;
    x->kind = KIND_RESOLVE;
    take_file(x, g, take_rev(x, g, at));
    bool direct = x->cached || !x->srv->opt.resolve_cache;
    if (x->entry && !x->entry->dir && !x->entry->lfs && direct && !x->req->head)
        x->kind = KIND_BODY;
}

void hub_route(struct exchange *x)
{
    struct segments g;
    x->kind = KIND_OTHER;
    split(&g, x->req->path);
    if (g.n >= 3 && !strcmp(g.s[0], "api")) {
        const char *type = type_of(g.s[1]);
        x->cached = !strcmp(g.s[1], "resolve-cache");
        if (type)
            route_api(x, &g, type);
        else if (x->cached && type_of(g.s[2]))
            route_resolve(x, &g, 3, type_of(g.s[2]));
    } else if (g.n && strcmp(g.s[0], "api") != 0) {
        const char *type = type_of(g.s[0]);
        bool prefix = type && strcmp(type, "models") != 0;
        route_resolve(x, &g, prefix ? 1 : 0, prefix ? type : "models");
    }
    free(g.copy);
}

enum caller { ANONYMOUS, VALID, INVALID };

static enum caller caller_of(const struct exchange *x)
{
    const char *a = fields_get(&x->req->fields, "Authorization"), *token = x->srv->opt.token;
    if (!a)
        return ANONYMOUS;
    if (strncmp(a, "Bearer ", 7) != 0 || !a[7])
        return INVALID;
    return !token || !strcmp(a + 7, token) ? VALID : INVALID;
}

/* Fixed windows, as docs/hub/rate-limits describes them. False when the quota is spent and the answer is a 429. */
static bool within_quota(struct exchange *x)
{
    bool api = x->kind != KIND_RESOLVE && x->kind != KIND_BODY;
    struct quota *q = api ? &x->srv->api : &x->srv->resolve;
    uint64_t most = setting(api ? &x->srv->opt.quota_api : &x->srv->opt.quota_resolve),
             window = x->srv->opt.quota_window_s;
    if (!most)
        return true;
    uint64_t now = now_ns();
    pthread_mutex_lock(&q->lock);
    if (!q->start_ns || now - q->start_ns >= window * 1000000000u) {
        q->start_ns = now;
        q->used = 0;
    }
    q->used++;
    uint64_t used = q->used, left_s = window - (now - q->start_ns) / 1000000000u;
    pthread_mutex_unlock(&q->lock);
    const char *name = api ? "api" : "resolvers";
    fields_setf(&x->answer.fields, "RateLimit", "\"%s\";r=%" PRIu64 ";t=%" PRIu64, name, used < most ? most - used : 0,
                left_s);
    fields_setf(&x->answer.fields, "RateLimit-Policy", "\"fixed window\";\"%s\";q=%" PRIu64 ";w=%" PRIu64, name, most,
                window);
    if (used <= most)
        return true;
    answer_error(x, 429, NULL,
                 "We had to rate limit your IP. To continue using our service, create a HF account or login.");
    return false;
}

static void answer_other(struct exchange *x, enum caller who)
{
    if (strcmp(x->req->path, "/api/whoami-v2") != 0) {
        answer_error(x, 404, NULL, "Sorry, we can't find the page you are looking for.");
        return;
    }
    if (who != VALID) {
        answer_error(x, 401, NULL, "Invalid username or password.");
        return;
    }
    text_add(&x->answer.text,
             "{\"type\":\"user\",\"id\":\"000000000000000000000001\",\"name\":\"tester\",\"fullname\":\"Tester\","
             "\"email\":\"tester@example.invalid\",\"orgs\":[],\"auth\":{\"type\":\"access_token\",\"accessToken\":"
             "{\"displayName\":\"test\",\"role\":\"read\"}}}");
    answer_json(x, 200);
}

static void answer_redirect(struct exchange *x, int status, const char *to)
{
    struct answer *a = &x->answer;
    a->status = status;
    fields_set(&a->fields, "Location", to);
    fields_set(&a->fields, "Content-Type", "text/plain; charset=utf-8");
    text_addf(&a->text, "%s. Redirecting to %s", status == 302 ? "Found" : "Temporary Redirect", to);
    a->count = a->total = a->text.n;
}

/* Relative, as the Hub does it for renamed repositories: old clients follow nothing else. */
static void answer_renamed(struct exchange *x)
{
    size_t before = (size_t)(x->rest ? x->rest - x->req->path : (ptrdiff_t)strlen(x->req->path));
    struct text to = { 0 };
    text_addf(&to, "%.*s", (int)(before - MIN(before, strlen(x->repo_id))), x->req->path);
    text_url(&to, x->repo->renamed_to, "/");
    text_add(&to, x->rest ? x->rest : "");
    if (x->req->query)
        text_addf(&to, "?%s", x->req->query);
    answer_redirect(x, 307, text_str(&to));
    text_free(&to);
}

/* False when the answer is already a refusal or a redirect. */
static bool admit(struct exchange *x, enum caller who)
{
    bool reads = x->kind == KIND_RESOLVE || x->kind == KIND_BODY || x->kind == KIND_TOKEN,
         open = who == VALID && x->repo && x->repo->granted;
    if (!x->repo || (x->repo->private && !open))
        answer_error(x, who == VALID ? 404 : 401, "RepoNotFound",
                     who == VALID ? "Repository not found" : "Invalid username or password.");
    else if (x->repo->renamed_to)
        answer_renamed(x);
    else if (x->repo->disabled)
        answer_error(x, 403, NULL, "Access to this resource is disabled.");
    else if (!x->commit && x->kind != KIND_REFS) {
        struct text t = { 0 };
        text_addf(&t, "Invalid rev id: %s", x->rev ? x->rev : "main");
        answer_error(x, 404, "RevisionNotFound", t.p);
        text_free(&t);
    } else if (x->repo->gated && reads && !open)
        answer_error(x, who == VALID ? 403 : 401, "GatedRepo",
                     who == VALID ? "Access to this repository is restricted and you are not in the authorized list."
                                  : "Access to this repository is restricted. You must have access to it and be "
                                    "authenticated to access it.");
    else
        return true;
    return false;
}

bool xet_announced(const struct exchange *x, const struct entry *e)
{
    return x->repo->xet && e->lfs && (e->xet || !x->srv->cas.file_count);
}

/* Without a store the sha256 stands in for the id: enough for who only wants to see it announced. */
static void announce_xet(struct exchange *x)
{
    struct fields *f = &x->answer.fields;
    const char *id = x->entry->xet ? x->entry->xet : x->entry->sha256;
    struct text link = { 0 };
    text_addf(&link, "<%s/api/%s/%s/xet-read-token/%s>; rel=\"xet-auth\"", x->srv->hub_base, x->repo->type, x->repo->id,
              x->commit->id);
    if (*x->srv->cas_base)
        text_addf(&link, ", <%s/v1/reconstructions/%s>; rel=\"xet-reconstruction-info\"", x->srv->cas_base, id);
    fields_set(f, "X-Xet-Hash", id);
    fields_set(f, "Link", link.p);
    text_free(&link);
}

static void answer_lfs(struct exchange *x)
{
    double life = MAX(0, fault_num(&x->fault, "expire_after_ms", (double)x->srv->opt.url_life_s * 1000));
    struct ticket t = { .repo = x->repo, .commit = x->commit, .entry = x->entry };
    AUTO_FREE char *target = issued_add(x->srv->issued, &t, unix_ms() + (uint64_t)life);
    const char *base = fault_text(&x->fault, "location_base");
    struct text to = { 0 };
    text_addf(&to, "%s%s", base ? base : x->srv->cdn_base, target);
    answer_redirect(x, 302, to.p);
    text_free(&to);
    struct fields *f = &x->answer.fields;
    fields_setf(f, "X-Linked-Size", "%" PRIu64, x->entry->size);
    fields_setf(f, "X-Linked-Etag", "\"%s\"", x->entry->sha256);
    fields_setf(f, "ETag", "\"%s\"", x->entry->oid); /* the pointer's: only X-Linked-Etag is the content's */
    fields_set(f, "Accept-Ranges", "bytes");
    if (xet_announced(x, x->entry))
        announce_xet(x);
}

static void answer_resolve(struct exchange *x)
{
    struct fields *f = &x->answer.fields;
    fields_set(f, "X-Repo-Commit", x->commit->id);
    if (!x->entry || x->entry->dir) {
        answer_error(x, 404, "EntryNotFound", "Entry not found");
        return;
    }
    if (x->entry->lfs) {
        answer_lfs(x);
        return;
    }
    char etag[48];
    snprintf(etag, sizeof(etag), "\"%s\"", x->entry->oid);
    if (x->srv->opt.resolve_cache && !x->cached) {
        struct text to = { 0 };
        text_addf(&to, "/api/resolve-cache/%s/%s/%s/", x->repo->type, x->repo->id, x->commit->id);
        text_url(&to, x->entry->path, "/");
        answer_redirect(x, 307, to.p);
        fields_set(f, "ETag", etag);
        text_free(&to);
        return;
    }
    fields_set(f, "Content-Type", "text/plain; charset=utf-8");
    answer_file(x, etag);
}

void hub_answer(struct exchange *x)
{
    enum caller who = caller_of(x);
    bool post = !strcmp(x->req->method, "POST"), get = !strcmp(x->req->method, "GET") || x->req->head;
    if (!within_quota(x))
        return;
    if (who == INVALID) {
        answer_error(x, 401, NULL, "Invalid credentials in Authorization header");
    } else if (x->kind == KIND_OTHER || !(x->kind == KIND_PATHS ? post : get)) {
        answer_other(x, who);
    } else if (!admit(x, who)) {
        return;
    } else if (x->kind == KIND_RESOLVE || x->kind == KIND_BODY) {
        answer_resolve(x);
    } else if (x->kind == KIND_TOKEN) {
        token_answer(x);
    } else {
        listing_answer(x);
    }
}
