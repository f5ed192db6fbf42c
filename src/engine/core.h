/* engine/core.h: the whole engine without its thread, its sockets and its clock.
 *
 * Everything that decides lives behind these calls and runs on one thread. The real program gives it libcurl, worker
 * threads and the kernel's clock (engine/engine.c); the simulator gives it its own three. */
#ifndef HFP_ENGINE_CORE_H
#define HFP_ENGINE_CORE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/work.h"
#include "net/http.h"

struct core;
struct events;

struct core_config {
    struct hfp_config user; /* strings live as long as the core */
    struct http *http;
    struct work *work;
    struct events *events;
    struct clock_now (*now)(void *ctx);
    void *clock_ctx;
    uint64_t seed; /* of all randomness: jitter */
};

int core_new(struct core **out, const struct core_config *config, struct hfp_err *err);
void core_free(struct core *c); /* no job may be left: core_cancel_all, then turns until core_idle */
int core_check(const struct hfp_job_spec *spec, struct hfp_err *err);
int core_start(struct core *c, const struct hfp_job_spec *spec, uint64_t *id, struct hfp_err *err);

enum core_verb { CORE_PAUSE, CORE_RESUME, CORE_CANCEL, CORE_LIMIT, CORE_CONNECTIONS };
int core_command(struct core *c, enum core_verb verb, uint64_t job, uint64_t value);
bool core_knows(const struct core *c, uint64_t job); /* queued or running, not ended */
void core_cancel_all(struct core *c);
void core_fail_all(struct core *c, const struct hfp_err *err); /* each job ends with it; what is recorded is kept */
/* One turn. Returns when it wants the next (mono ns); UINT64_MAX: only on an event. */
uint64_t core_turn(struct core *c);
bool core_idle(const struct core *c);
/* What is known of the hosts; says how many. */
size_t core_hosts(struct core *c, struct hfp_host *out, size_t max);
/* The machine slept: connections are renewed. */
void core_renew(struct core *c);

#endif
