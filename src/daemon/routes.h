/* daemon/routes.h: THE table of what can be asked: method, path, who may, who answers, and what goes in and out.
 *
 * Requests are led by it, and /openapi.json is made from it. A path is words and {names}; a name takes one segment, which
 * is decoded and checked to be plain text. Loop's thread. */
#ifndef HFP_DAEMON_ROUTES_H
#define HFP_DAEMON_ROUTES_H

#include "daemon/daemon.h"

#define ROUTE_ARGS_MAX 4
#define ROUTE_ARG_SIZE 256

struct route_call {
    struct daemon *daemon;
    struct http_request *request;
    char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE]; /* what the names of the path took, in order */
    cJSON *body;                              /* of routes that take one; freed after the handler */
};

struct route_query {
    const char *name, *schema, *text;
};

struct route {
    enum http_method method;
    const char *path;
    enum guard_area area;
    void (*handler)(struct route_call *c);
    const char *takes;               /* schema of the body; NULL: none */
    const char *gives;               /* schema of the answer; NULL: none */
    const char *type;                /* of the answer; NULL: application/json */
    unsigned status;                 /* of the answer that is hoped for */
    const unsigned *also;            /* other statuses, up to 0 */
    const struct route_query *query; /* up to one without a name; or NULL */
    const char *text;
};
extern const struct route routes[];
extern const size_t routes_n;

/* For http_ops. */
void routes_begin(void *ctx, struct http_request *r);
void routes_handle(void *ctx, struct http_request *r);
/* Does path fit the pattern? What its names took goes into arg. Pure. */
bool route_match(char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE], const char *pattern, const char *path);

/* Handlers, by room. */
void jobs_list_route(struct route_call *c);
void jobs_create_route(struct route_call *c);
void job_show_route(struct route_call *c);
void job_change_route(struct route_call *c);
void job_delete_route(struct route_call *c);
void job_files_route(struct route_call *c);
void job_samples_route(struct route_call *c);
void job_pause_route(struct route_call *c);
void job_resume_route(struct route_call *c);
void job_cancel_route(struct route_call *c);
void job_retry_route(struct route_call *c);
void job_move_route(struct route_call *c);
void cache_list_route(struct route_call *c);
void cache_delete_route(struct route_call *c);
void foreign_list_route(struct route_call *c);
void foreign_adopt_route(struct route_call *c);
void network_now_route(struct route_call *c);
void network_history_route(struct route_call *c);
void settings_show_route(struct route_call *c);
void settings_change_route(struct route_call *c);
void settings_test_route(struct route_call *c);
void events_route(struct route_call *c);
void health_route(struct route_call *c);
void ready_route(struct route_call *c);
void metrics_route(struct route_call *c);
void openapi_route(struct route_call *c);
void page_route(struct route_call *c);

#endif
