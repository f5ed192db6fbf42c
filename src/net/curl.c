#include "net/curl.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/curl_transfer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Twice the 16 byte connections one job may have, and as many for other jobs and the API: none is closed for want of a
 * place in libcurl's cache. */
#define KEPT_CONNECTIONS 64
/* Idle easy handles kept for the next request; more are freed, for each owns a receive buffer. */
#define IDLE_TRANSFERS 24
/* curl_multi_poll() takes int milliseconds; nobody waits longer without a deadline of his own. */
#define WAIT_MAX_MS (3600 * 1000)

struct http_curl {
    struct http base; /* first: struct http * is struct http_curl * */
    CURLM *multi;
    struct exchange_setup setup;
    struct exchange *first, *last; /* started, oldest first */
    struct exchange *idle;         /* by next */
    unsigned idle_count;
    bool noted;  /* a start, cancel or resume waits for the next turn */
    int wake_fd; /* ours: curl_multi_wakeup() does nothing when there was no descriptor for its own, and nobody hears */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

static void curl_init(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void list_append(struct http_curl *c, struct exchange *t)
{
    t->next = NULL;
    t->previous = c->last;
    *(c->last ? &c->last->next : &c->first) = t;
    c->last = t;
}

static void list_remove(struct http_curl *c, struct exchange *t)
{
    *(t->previous ? &t->previous->next : &c->first) = t->next;
    *(t->next ? &t->next->previous : &c->last) = t->previous;
}

static int exchange_take(struct http_curl *c, struct exchange **out, struct hfp_err *err)
{
    if (!c->idle)
        return exchange_new(out, &c->setup, err);
    *out = c->idle;
    c->idle = c->idle->next;
    c->idle_count--;
    return HFP_OK;
}

static void exchange_give_back(struct http_curl *c, struct exchange *t)
{
    if (c->idle_count >= IDLE_TRANSFERS) {
        exchange_free(t);
        return;
    }
    t->next = c->idle;
    c->idle = t;
    c->idle_count++;
}

static int curl_start(struct http *base, struct http_request *r, struct hfp_err *err)
{
    struct http_curl *c = (struct http_curl *)base;
    struct exchange *t = NULL;
    int rc = exchange_take(c, &t, err);
    if (rc)
        return rc;
    rc = exchange_prepare(t, r, err);
    if (rc) {
        exchange_give_back(c, t);
        return rc;
    }
    list_append(c, t);
    r->impl = t;
    c->noted = true;
    return HFP_OK;
}

static void curl_cancel(struct http *base, struct http_request *r)
{
    struct http_curl *c = (struct http_curl *)base;
    struct exchange *t = r->impl;
    if (!t)
        return;
    t->request = NULL;
    r->impl = NULL;
    c->noted = true;
}

static void curl_resume(struct http *base, struct http_request *r)
{
    struct http_curl *c = (struct http_curl *)base;
    struct exchange *t = r->impl;
    if (!t)
        return;
    t->resume_wanted = true;
    c->noted = true;
}

static bool curl_peer(struct http *base, struct http_request *r, struct http_peer *out)
{
    (void)base;
    return r->impl && exchange_peer(r->impl, out);
}

static void curl_drop_idle(struct http *base)
{
    struct http_curl *c = (struct http_curl *)base;
    c->setup.dropped_ns = clock_read().mono_ns;
}

static void curl_free_all(struct http *base)
{
    struct http_curl *c = (struct http_curl *)base;
    if (!c)
        return;
    for (struct exchange *t = c->first, *next; t; t = next) {
        next = t->next;
        if (t->added)
            curl_multi_remove_handle(c->multi, t->easy);
        exchange_free(t);
    }
    for (struct exchange *t = c->idle, *next; t; t = next) {
        next = t->next;
        exchange_free(t);
    }
    curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->setup.resolve);
    free(c->setup.user_agent);
    free(c->setup.ca_file);
    free(c->setup.ca_dir);
    fd_closep(&c->wake_fd);
    free(c);
}

static void http_curl_freep(struct http_curl **c)
{
    curl_free_all((struct http *)*c);
}

static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static int setup_read(struct exchange_setup *setup, const struct http_config *config, struct hfp_err *err)
{
    setup->family = config->family;
    if (!copy(&setup->user_agent, config->user_agent ? config->user_agent : "hf-pull/" HFP_VERSION) ||
        !copy(&setup->ca_file, config->ca_file) || !copy(&setup->ca_dir, config->ca_dir))
        return err_nomem(err);
    for (const char *const *entry = config->resolve; entry && *entry; entry++) {
        struct curl_slist *longer = curl_slist_append(setup->resolve, *entry);
        if (!longer)
            return err_nomem(err);
        setup->resolve = longer;
    }
    return proxy_rules_read(&setup->proxy, config->proxy, err);
}

int http_curl_new(struct http_curl **out, const struct http_config *config, struct hfp_err *err)
{
    pthread_once(&curl_once, curl_init);
    if (curl_ready != CURLE_OK)
        return err_set(err, HFP_E_INTERNAL, "libcurl does not start: %s", curl_easy_strerror(curl_ready));
    AUTO(http_curl_freep) struct http_curl *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake_fd < 0) {
        int saved = errno;
        return err_sys(err, HFP_E_INTERNAL, saved, "eventfd");
    }
    c->base = (struct http){ curl_start, curl_cancel, curl_resume, curl_peer, curl_drop_idle, curl_free_all };
    int rc = setup_read(&c->setup, config, err);
    if (rc)
        return rc;
    c->multi = curl_multi_init();
    if (!c->multi || curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS) != CURLM_OK ||
        curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) != CURLM_OK)
        return err_nomem(err);
    *out = ptr_steal(&c);
    return HFP_OK;
}

struct http *http_curl_http(struct http_curl *c)
{
    return &c->base;
}

/* The last thing a request hears. Its transfer is idle before the call, so that closed may start the next one on it. */
static void exchange_end(struct http_curl *c, struct exchange *t, CURLcode result)
{
    struct hfp_err why = { .code = HFP_OK };
    struct http_request *r = t->request;
    if (r)
        exchange_outcome(t, result, &why);
    if (t->added)
        curl_multi_remove_handle(c->multi, t->easy);
    t->added = false;
    list_remove(c, t);
    exchange_clear(t);
    exchange_give_back(c, t);
    if (r && r->closed)
        r->closed(r, &why);
}

/* Does what was noted for one transfer. */
static void exchange_attend(struct http_curl *c, struct exchange *t)
{
    CURLcode result = CURLE_OK;
    if (t->request && !t->added) {
        CURLMcode mc = curl_multi_add_handle(c->multi, t->easy);
        t->added = mc == CURLM_OK;
        if (!t->added)
            err_set(&t->failure, mc == CURLM_OUT_OF_MEMORY ? HFP_E_NOMEM : HFP_E_INTERNAL, "%s: %s", t->host,
                    curl_multi_strerror(mc));
    }
    if (t->request && t->added && t->resume_wanted) {
        t->resume_wanted = false;
        if (t->paused) {
            t->paused = false; /* body runs inside the next call and may pause again */
            result = curl_easy_pause(t->easy, CURLPAUSE_CONT);
        }
    }
    if (!t->request || !t->added || result != CURLE_OK)
        exchange_end(c, t, result);
}

/* Callbacks may start, cancel and resume meanwhile. That only notes and appends, so next stays what it is; what is
 * noted for a transfer already passed waits for the next turn. */
static void attend_all(struct http_curl *c)
{
    if (!c->noted)
        return;
    c->noted = false;
    struct exchange *last = c->last;
    for (struct exchange *t = c->first, *next; t; t = next) {
        next = t == last ? NULL : t->next;
        exchange_attend(c, t);
    }
}

static void end_finished(struct http_curl *c)
{
    int left;
    for (const CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        struct exchange *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result; /* m does not outlive the removal of its handle */
        if (curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK && t)
            exchange_end(c, t, result);
    }
}

static int multi_failed(CURLMcode mc, struct hfp_err *err)
{
    return err_set(err, mc == CURLM_OUT_OF_MEMORY ? HFP_E_NOMEM : HFP_E_INTERNAL, "libcurl: %s",
                   curl_multi_strerror(mc));
}

int http_curl_turn(struct http_curl *c, uint64_t wait_ns, struct hfp_err *err)
{
    int running;
    attend_all(c);
    uint64_t wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (wait_ns > WAIT_MAX_MS * NS_PER_MS)
        wait_ms = WAIT_MAX_MS;
    struct curl_waitfd wake = { .fd = c->wake_fd, .events = CURL_WAIT_POLLIN };
    CURLMcode mc = curl_multi_poll(c->multi, &wake, 1, c->noted ? 0 : (int)wait_ms, NULL);
    uint64_t count;
    if (read(c->wake_fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN);
    if (mc == CURLM_OK)
        mc = curl_multi_perform(c->multi, &running);
    if (mc != CURLM_OK)
        return multi_failed(mc, err);
    end_finished(c);
    attend_all(c);
    return HFP_OK;
}

void http_curl_wake(struct http_curl *c)
{
    uint64_t one = 1;
    if (write(c->wake_fd, &one, sizeof one) < 0)
        assert(errno == EAGAIN); /* the counter is full: it is readable, which is all we want */
}
