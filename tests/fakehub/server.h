/* server.h: what all threads share, and one request on its way through. */
#ifndef FAKEHUB_SERVER_H
#define FAKEHUB_SERVER_H

#include "cas.h"
#include "conn.h"
#include "content.h"
#include "fields.h"
#include "issued.h"
#include "options.h"
#include "request.h"
#include "rules.h"
#include "source.h"
#include "text.h"

#include <stdatomic.h>

/* Order is that of kind_name. */
enum kind {
    KIND_INFO,
    KIND_TREE,
    KIND_PATHS,
    KIND_REFS,
    KIND_RESOLVE,
    KIND_TOKEN,
    KIND_BODY,
    KIND_RECON,
    KIND_XORB,
    KIND_CONNECT,
    KIND_CONTROL,
    KIND_OTHER,
    KINDS
};
extern const char *const kind_name[KINDS];

/* Order is that of role_name. */
enum role { ROLE_HUB, ROLE_CDN, ROLE_CAS, ROLES };
extern const char *const role_name[ROLES];

struct listener {
    struct server *srv;
    enum role role;
    char host[64];      /* as given, without brackets */
    uint16_t port;      /* the real one */
    int fd;             /* -1 while closed; guarded by server.listen_lock */
    bool wanted;        /* should it be open */
    uint64_t reopen_ns; /* 0: only on order */
    atomic_uint_fast64_t bytes, conns;
};

struct quota { /* a fixed window of requests */
    pthread_mutex_t lock;
    uint64_t start_ns, used;
};

struct server {
    struct options opt;
    struct content content;
    struct cas cas;
    struct rules *rules;
    struct issued *issued;
    struct log *log;
    SSL_CTX *tls;
    struct limiter rate;
    struct quota api, resolve;
    struct listener listeners[ROLES * ADDRESSES_MAX];
    size_t listener_count;
    pthread_mutex_t listen_lock;
    char hub_base[300], cdn_base[300], cas_base[300]; /* scheme://host:port; cas_base empty without a CAS */
    uint64_t start_ns;
    atomic_uint_fast64_t next_conn, next_request, kinds[KINDS];
    atomic_uint open_conns, open_streams, peak_streams, peak_conns;
};

/* The answer as it will go out: first the honest one (hub.c, cdn.c), then as the faults want it (faults.c). */
struct answer {
    int status;
    struct fields fields;
    struct text text; /* the body, when there is no entry */
    const struct entry *entry;
    uint64_t first, count; /* of the entry or text */
    uint64_t total;
    struct source source; /* opened by faults_apply */
    bool no_length, chunked;
    bool may_gzip;   /* encoded for who accepts it */
    bool silent;     /* never answer */
    bool drop;       /* reset before any byte of the answer */
    int64_t wait_ms; /* before the headers */
};

struct exchange {
    struct server *srv;
    struct conn *conn;
    struct request *req;
    uint64_t id;
    uint64_t start_ns;
    enum kind kind;
    struct repo *repo;    /* NULL when there is none such */
    char *type, *repo_id; /* as asked */
    const char *rest;     /* of the target, from behind the repository id on, still encoded */
    char *rev, *file;     /* as asked, decoded; NULL when the request has none */
    bool cached;          /* asked through /api/resolve-cache/ */
    const struct commit *commit;
    const struct entry *entry;
    bool has_ticket; /* a location this server issued */
    struct ticket ticket;
    bool ticket_good;
    struct answer answer;
    struct fault fault;
    uint64_t sent;   /* body bytes */
    const char *end; /* done, reset, closed, stalled, client_gone */
};

/* Looks at target and method and fills kind, repo, commit, entry; answers nothing yet. */
void hub_route(struct exchange *x);
void cdn_route(struct exchange *x);
void cas_route(struct exchange *x);
/* The honest answer. */
void hub_answer(struct exchange *x);
void cdn_answer(struct exchange *x);
void cas_answer(struct exchange *x);
void token_answer(struct exchange *x);   /* /xet-read-token/, asked of the Hub */
void xorb_answer(struct exchange *x);    /* a signed range of a xorb, asked of the CDN */
void listing_answer(struct exchange *x); /* info, tree, paths, refs */
void control_answer(struct exchange *x); /* /_fake/ */

/* Shared by the rooms above. */
bool xet_announced(const struct exchange *x, const struct entry *e); /* is it said to be in Xet storage */
void answer_error(struct exchange *x, int status, const char *code, const char *message);
void answer_json(struct exchange *x, int status);       /* the body is in answer.text */
void answer_file(struct exchange *x, const char *etag); /* 200, 206 or 416 of x->entry */

void faults_apply(struct exchange *x);
void edit_apply(struct exchange *x); /* the part of it that changes JSON */
void send_answer(struct exchange *x);

/* Serves one connection to its end; conn.fd is closed after. */
void serve(struct server *srv, struct listener *from, int fd);

/* listen.c. A closed listener refuses connections; ms > 0 opens it again by itself. */
void listeners_open(struct server *srv);
void listeners_run(struct server *srv);
void listener_close(struct listener *l, int64_t ms);
void listener_reopen(struct listener *l);

/* A number of the options that /_fake/set may change while threads read it. */
static inline uint64_t setting(const uint64_t *option)
{
    return __atomic_load_n(option, __ATOMIC_RELAXED);
}

#endif
