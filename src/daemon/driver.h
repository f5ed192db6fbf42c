/* daemon/driver.h: between the queue and the engine: commands in, events out.
 *
 * Owns the engine's handle, and the only room that changes jobs. Commands act at once on the job and, where it runs, on
 * the engine; what the engine then says comes in by driver_turn(). Every change is kept in the store and told to the
 * readers of events, at most four times a second. Loop's thread. */
#ifndef HFP_DAEMON_DRIVER_H
#define HFP_DAEMON_DRIVER_H

#include "daemon/feed.h"
#include "daemon/jobs.h"
#include "daemon/log.h"
#include "daemon/notifying.h"
#include "daemon/settings.h"
#include "daemon/store.h"

struct driver;

/* What it works on; all of it outlives the driver. */
struct driver_rooms {
    struct jobs *jobs;
    struct store *store;
    struct feed *feed;
    struct settings *settings;
    const struct log *log;
    struct notifying *notifying;
    bool token;                                           /* there is one for the Hub */
    char *const *watch_dirs;                              /* --watch-dir, NULL-terminated; NULL: none */
    void (*other)(void *ctx, const struct hfp_event *ev); /* events of driver_ask() */
    void *other_ctx;
};

int driver_new(struct driver **out, const struct driver_rooms *rooms, const struct hfp_config *config,
               struct hfp_err *err);
/* What commands have changed is put into the store, also of jobs they did not name: a move changes the places of others. */
void driver_save(struct driver *d);
/* What runs in the engine is put into the store as it stands, for the end. */
void driver_keep(struct driver *d);
/* Cancels what runs in the engine, which may wait for a disk. Jobs stay what they are, and go on at the next start. */
void driver_free(struct driver *d);
int driver_fd(const struct driver *d);
uint64_t driver_turn(struct driver *d, uint64_t now_ns);

/* Adds a job (owned on success): it is in the queue, and may run by the next turn. */
int driver_add(struct driver *d, struct job *j, struct hfp_err *err);
/* All say HFP_E_ARG when that cannot be done to a job in its state, with a sentence. */
int driver_pause(struct driver *d, struct job *j, struct hfp_err *err);
int driver_resume(struct driver *d, struct job *j, struct hfp_err *err);
int driver_cancel(struct driver *d, struct job *j, struct hfp_err *err);
int driver_retry(struct driver *d, struct job *j, struct hfp_err *err);
int driver_move(struct driver *d, struct job *j, const struct job *before, struct hfp_err *err);
void driver_priority(struct driver *d, struct job *j, int64_t priority);
void driver_limit(struct driver *d, struct job *j, uint64_t bytes_per_s);
/* Off the list; when it runs, as soon as the engine has let go of it. */
void driver_remove(struct driver *d, struct job *j);
/* The settings were changed from what they were. */
void driver_settings(struct driver *d, const struct settings *before);

/* What the engine knows of hosts (hfp_hosts). */
size_t driver_hosts(const struct driver *d, struct hfp_host *out, size_t max);
uint64_t driver_limit_now(const struct driver *d); /* bytes per second; 0: none */
/* A question to the engine that is no job of the queue; 0: it could not be asked. */
uint64_t driver_ask(struct driver *d, const struct hfp_job_spec *spec);
/* Members, into an open object: all settings, and what only can be read. */
void driver_settings_json(struct out *o, const struct driver *d);

/* Since the daemon began. */
struct driver_counts {
    uint64_t received_bytes, wire_bytes, stalls, done, failed, cancelled, requests, connections_lost;
};
const struct driver_counts *driver_counts(const struct driver *d);

#endif
