/* resolve/answers.h: what the Hub's API answers mean. Pure; any thread.
 *
 * Bodies are bounded by the caller (ANSWER_BYTES_MAX) and parsed with cJSON; every field is checked, integers beyond
 * 2^53 are refused. Facts: the Hub's API as the Python client 2.4.0 uses it (repo info, tree pages, error headers). */
#ifndef HFP_RESOLVE_ANSWERS_H
#define HFP_RESOLVE_ANSWERS_H

#include "cache/listing.h"
#include "net/headers.h"

#define ANSWER_BYTES_MAX (4u << 20) /* a tree page of 1,000 entries is about 350 KB */

/* URLs of the Hub's API; false when they do not fit in URL_MAX. endpoint has no trailing slash. */
bool hub_url_info(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *revision);
bool hub_url_tree(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *commit);
bool hub_url_file(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo,
                  const char *commit, const char *path);
/* The page a person opens: to accept terms, to look around. */
bool hub_url_page(char out[URL_MAX], const char *endpoint, enum hfp_repo_type type, const char *repo);

struct cJSON;
/* A body of the Hub's API. HFP_E_PORTAL when it is not JSON at all. On success the caller owns *out (json_freep). */
int answer_json(struct cJSON **out, const char *body, size_t n, struct hfp_err *err);
/* Repo info: the commit. HFP_E_PORTAL when it is not JSON at all, HFP_E_PROTO when it is but makes no sense. */
int answer_commit(char out[COMMIT_HEX + 1], const char *body, size_t n, struct hfp_err *err);
/* One tree page: adds its files to l, ignores folders. Any bad entry refuses the page (HFP_E_PROTO). */
int answer_tree_page(struct listing *l, const char *body, size_t n, struct hfp_err *err);

/* The verdict on a status of the Hub's own origin (API or resolve): HFP_OK for 200 and 206; a redirect is the caller's
 * business and not asked here. Follows the Python client's order (X-Error-Code first, then status), except that 401
 * without a code also means no repository over http. with_token and page_url shape the sentence: what to do. */
struct answer_context {
    const char *repo, *revision, *path; /* path may be NULL */
    const char *page_url;
    bool with_token;
};
int answer_verdict(const struct http_headers *h, const struct answer_context *c, struct hfp_err *err);
/* The verdict on a status of a CDN or any host outside the Hub: 403 and 401 are HFP_E_EXPIRED, 404 and 410 too. */
int answer_cdn_verdict(const struct http_headers *h, const char *host, struct hfp_err *err);
/* The verdict on a status of the Xet store's API (the CAS). 401 is HFP_E_AUTH: ask the Hub for a fresh token, once.
 * 404 and 501 are HFP_E_NO_FILE: no such file, or this version of the question is unknown there; http_status tells.
 * 416 is HFP_E_PROTO: only bytes inside the known size are ever asked for, so it is never the end of a file. */
int answer_cas_verdict(const struct http_headers *h, const char *host, struct hfp_err *err);

#endif
