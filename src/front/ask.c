#include "front/ask.h"

#include "front/out.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (64U << 20) /* 1,000 jobs are some 3 MB */
#define ANSWER_S 30L
#define DEFAULT_URL "http://127.0.0.1:8585"

struct ask {
    CURL *curl;
    struct curl_slist *headers;
    char *base;         /* scheme, host, port */
    const char *socket; /* a Unix socket, or NULL */
    char *shown;        /* for messages */
};

static bool add_header(struct ask *a, const char *line)
{
    struct curl_slist *more = curl_slist_append(a->headers, line);
    if (more)
        a->headers = more;
    return more;
}

static int set_up(struct ask *a, struct hfp_err *err)
{
    const char *url = getenv("HF_PULLD_URL"), *token = getenv("HF_PULLD_TOKEN");
    char line[1100];
    url = url && *url ? url : DEFAULT_URL;
    bool local = strncmp(url, "unix:", 5) == 0;
    if (!local && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return fault(err, HFP_E_ARG, "HF_PULLD_URL: '%.200s' is no address. Example: " DEFAULT_URL ".", url);
    if (token && (strlen(token) > 1000 || strpbrk(token, "\r\n")))
        return fault(err, HFP_E_ARG, "HF_PULLD_TOKEN is no token.");
    a->socket = local ? url + 5 : NULL;
    a->shown = strdup(url);
    a->base = strdup(local ? "http://localhost" : url);
    snprintf(line, sizeof line, "Authorization: Bearer %s", token ? token : "");
    if (!a->shown || !a->base || !(a->curl = curl_easy_init()) || !add_header(a, "Content-Type: application/json") ||
        !add_header(a, "Expect:") || (token && *token && !add_header(a, line)))
        return fault_nomem(err);
    size_t n = strlen(a->base);
    if (n > 0 && a->base[n - 1] == '/')
        a->base[n - 1] = '\0';
    return HFP_OK;
}

int ask_open(struct ask **out, struct hfp_err *err)
{
    struct ask *a = calloc(1, sizeof *a);
    int rc = a ? set_up(a, err) : fault_nomem(err);
    if (rc)
        ask_close(a);
    else
        *out = a;
    return rc;
}

void ask_close(struct ask *a)
{
    if (!a)
        return;
    curl_slist_free_all(a->headers);
    curl_easy_cleanup(a->curl);
    free(a->base);
    free(a->shown);
    free(a);
}

static size_t take(char *data, size_t size, size_t n, void *ctx)
{
    struct out *o = ctx;
    if (o->n + n > ANSWER_MAX)
        return 0;
    out_put(o, data, size * n);
    return o->failed ? 0 : n;
}

static CURLcode perform(struct ask *a, const char *method, const char *url, const char *body, struct out *answer)
{
    CURL *c = a->curl;
    curl_easy_reset(c); /* connections stay open */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, ANSWER_S);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, a->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    if (a->socket)
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, a->socket);
    if (strcmp(method, "GET") != 0)
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body ? body : "");
    return curl_easy_perform(c);
}

static enum hfp_code code_of(const char *name, long status)
{
    for (unsigned i = 1; name && i < HFP_CODE_COUNT; i++)
        if (strcmp(hfp_code_name((enum hfp_code)i), name) == 0)
            return (enum hfp_code)i;
    return status == 401 || status == 403 ? HFP_E_AUTH
           : status == 404                ? HFP_E_NO_FILE
           : status < 500                 ? HFP_E_ARG
                                          : HFP_E_SERVER;
}

static int refused(struct ask *a, long status, const cJSON *o, struct hfp_err *err)
{
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "detail"));
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "code"));
    if (!detail)
        return fault(err, code_of(NULL, status), "%.200s answered %ld. Is it hf-pulld?", a->shown, status);
    return fault(err, code_of(code, status), "%.300s%s", detail,
                 status == 401 ? " HF_PULLD_TOKEN is the variable for it." : "");
}

int ask_api(cJSON **out, struct ask *a, const char *method, const char *path, const char *body, struct hfp_err *err)
{
    struct out url = { 0 }, answer = { 0 };
    long status = 0;
    out_fmt(&url, "%s/api/v1%s", a->base, path);
    CURLcode rc = url.failed ? CURLE_OUT_OF_MEMORY : perform(a, method, url.data, body, &answer);
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    out_done(&url);
    cJSON *o = answer.data && !answer.failed ? cJSON_Parse(answer.data) : NULL;
    int code = HFP_OK;
    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST)
        code = fault(err, HFP_E_CONNECT,
                     "no daemon at %.200s. Start it by hf-pull serve, or say where it is by HF_PULLD_URL.", a->shown);
    else if (rc != CURLE_OK)
        code = fault(err, HFP_E_CONNECT, "%.200s: %s.", a->shown, curl_easy_strerror(rc));
    else if (status >= 300)
        code = refused(a, status, o, err);
    else if (!o && answer.n > 0)
        code = fault(err, HFP_E_PROTO, "%.200s does not answer in JSON. Is it hf-pulld?", a->shown);
    out_done(&answer);
    if (code == HFP_OK && out)
        *out = o;
    else
        cJSON_Delete(o);
    return code;
}

char *ask_escape(const char *text)
{
    struct out o = { 0 };
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || strchr("-._~", *text);
        out_fmt(&o, plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
    if (!o.n)
        out_put(&o, "", 0);
    return out_take(&o, NULL);
}
