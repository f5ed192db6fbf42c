/* daemon/watching.h: other tools' downloads (front/foreign.h), looked for while somebody wants to know.
 *
 * A thread of its own does all looking: a folder may lie on a disk that hangs. The loop holds the last list as a text.
 * While readers of events listen it looks every few seconds and pushes the event `foreign` when something has changed;
 * otherwise only when it is asked. Only the hub cache and the folders of --watch-dir are looked into; what is found is
 * named by an id, and only what a look has found just now may be taken over. Loop's thread. */
#ifndef HFP_DAEMON_WATCHING_H
#define HFP_DAEMON_WATCHING_H

#include "daemon/askers.h"
#include "daemon/feed.h"
#include "hfp/hfp.h"

struct watching;

struct watching_config {
    char *const *dirs; /* --watch-dir */
    size_t dirs_n;
    const char *hub;
    int wake_fd;
    struct feed *feed;
};

int watching_new(struct watching **out, const struct watching_config *config, struct hfp_err *err);
void watching_free(struct watching *w); /* who waits is told first. NULL is fine */
uint64_t watching_turn(struct watching *w, uint64_t now_ns);

/* {"downloads":[...]}: at once, or after a look. */
void watching_list(struct watching *w, asker_fn *told, void *ctx);

/* One download, as a look of just now sees it. */
struct watched {
    bool found;
    char path[4096];
    enum hfp_repo_type type;
    char repo[208], file[1024]; /* "" not known */
    char refused[256];          /* why it may not be taken over, a sentence; "" it may */
    bool outside;               /* refused because it lies outside the folders by now */
};
typedef void watching_one_fn(void *ctx, const struct watched *one);
/* False: it could not be asked, out of memory; told() is not called then. */
bool watching_one(struct watching *w, const char *id, watching_one_fn *told, void *ctx);

#endif
