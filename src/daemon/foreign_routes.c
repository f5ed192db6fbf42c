/* Other tools' downloads: what is seen of them, and taking one over. */
#include "daemon/job_routes.h"

#include "daemon/body.h"
#include "daemon/reply.h"
#include "front/status_json.h"
#include "front/text.h"

#include <stdlib.h>
#include <string.h>

void foreign_list_route(struct route_call *c)
{
    watching_list(c->daemon->watching, reply_told, c->request);
    daemon_again(c->daemon); /* how long it waits is counted */
}

/* ---- adopt ---- */

struct wish {
    struct daemon *daemon;
    struct http_request *request;
    char *repo, *revision, *path, *type; /* as asked; NULL: not said */
};

static void wish_free(struct wish *w)
{
    if (!w)
        return;
    free(w->repo);
    free(w->revision);
    free(w->path);
    free(w->type);
    free(w);
}

static int read_wish(struct wish *w, const cJSON *body, struct hfp_err *err)
{
    const struct {
        const char *name;
        char **out;
    } members[] = { { "repo", &w->repo }, { "revision", &w->revision }, { "path", &w->path }, { "type", &w->type } };
    for (const cJSON *item = body->child; item; item = item->next) {
        size_t i = 0;
        while (i < 4 && strcmp(members[i].name, item->string) != 0)
            i++;
        if (i == 4)
            return fault(err, HFP_E_ARG, "%.100s: there is no such member.", item->string);
        if (!cJSON_IsNull(item) && body_text(members[i].out, item, members[i].name, err))
            return err->code;
    }
    return HFP_OK;
}

/* What the look knows, where the wish says nothing; checked like any request by body_ask(). */
static cJSON *ask_object(const struct wish *w, const struct watched *one)
{
    cJSON *o = cJSON_CreateObject();
    const char *repo = w->repo ? w->repo : one->repo[0] ? one->repo : NULL;
    bool same =
        repo && strcmp(repo, one->repo) == 0; /* elsewhere the name is a guess, and the engine's is the better one */
    const char *path = w->path ? w->path : same && one->file[0] ? one->file : NULL;
    const char *type = w->type ? w->type : same ? repo_type_text(one->type) : NULL;
    if (repo)
        cJSON_AddStringToObject(o, "repo", repo);
    if (type)
        cJSON_AddStringToObject(o, "type", type);
    if (w->revision)
        cJSON_AddStringToObject(o, "revision", w->revision);
    if (path)
        cJSON_AddItemToObject(o, "paths", cJSON_CreateStringArray(&path, 1));
    return o;
}

static int make_ask(struct job_ask *out, const struct wish *w, const struct watched *one, struct hfp_err *err)
{
    struct job_ask ask = { 0 };
    if (!w->repo && !one->repo[0])
        return fault(err, HFP_E_ARG, "repo: is missing, and where the file lies does not tell it.");
    if (strlen(one->path) > TEXT_LIMIT || !text_plain(one->path))
        return fault(err, HFP_E_ARG, "its path is longer than %d bytes, or no plain text.", TEXT_LIMIT);
    cJSON *o = ask_object(w, one);
    int rc = o ? body_ask(&ask, o, w->daemon->options->v[OPT_ENDPOINT].text, err) : fault_nomem(err);
    cJSON_Delete(o);
    if (rc)
        return rc;
    ask.verb = HFP_ADOPT;
    ask.adopt = calloc(2, sizeof *ask.adopt);
    if (!ask.adopt || !(ask.adopt[0] = strdup(one->path)))
        rc = fault_nomem(err);
    const struct hfp_job_spec spec = job_ask_spec(&ask);
    if (rc == HFP_OK)
        rc = hfp_check(&spec, err);
    if (rc)
        job_ask_done(&ask);
    else
        *out = ask;
    return rc;
}

static void looked(void *ctx, const struct watched *one)
{
    struct wish *w = ctx;
    struct hfp_err err = { 0 };
    struct job_ask ask = { 0 };
    if (w->daemon->stop) /* it looked to the end; nothing is begun any more */
        reply_problem(w->request, 503, "ending", "the daemon is ending.");
    else if (!one->found)
        reply_problem(w->request, 404, "no_such_download", "it is not seen any more: finished, or given up.");
    else if (one->refused[0])
        reply_problem(w->request, one->outside ? 403 : 409, one->outside ? "folder_refused" : "still_growing",
                      one->refused);
    else if (make_ask(&ask, w, one, &err))
        reply_error(w->request, 400, &err);
    else
        route_create(w->daemon, w->request, &ask);
    job_ask_done(&ask);
    wish_free(w);
}

void foreign_adopt_route(struct route_call *c)
{
    struct hfp_err err = { 0 };
    struct wish *w = calloc(1, sizeof *w);
    if (!w) {
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        return;
    }
    w->daemon = c->daemon;
    w->request = c->request;
    if (read_wish(w, c->body, &err)) {
        reply_error(c->request, 400, &err);
        wish_free(w);
    } else if (!watching_one(c->daemon->watching, c->arg[0], looked, w)) {
        reply_problem(c->request, 503, "E_NOMEM", "out of memory.");
        wish_free(w);
    }
}
