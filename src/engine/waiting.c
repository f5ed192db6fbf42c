#include "engine/blob.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Why nothing arrives, since when, and whether that is a stall (P3, P8). */

#define DISK_SLOW_NS (30 * NS_PER_S)

static void clock_text(char out[16], const struct job *job, uint64_t at_ns, uint64_t now_ns)
{
    time_t t = (time_t)(core_unix_s(job->core) + (int64_t)((at_ns - now_ns) / NS_PER_S));
    struct tm tm;
    localtime_r(&t, &tm);
    strftime(out, 16, "%H:%M:%S", &tm);
}

/* Also while the lock is asked for again: that is twice a second, and takes as long as the disk does. */
static const struct blob *locked_blob(const struct job *job, uint64_t now_ns)
{
    for (const struct blob *b = job->blobs; b; b = b->next)
        if (b->state == BLOB_LOCKED ||
            (b->state == BLOB_CLAIM && b->locked_since_ns > 0 && ns_since(now_ns, b->locked_retry_ns) < NS_PER_S))
            return b;
    return NULL;
}

/* Blocks that the in-order hashes have passed; a change of it, not its value, is what tells. */
static uint64_t hash_progress(const struct job *job)
{
    uint64_t blocks = 0;
    for (const struct blob *b = job->blobs; b; b = b->next)
        blocks += b->front + b->blocks;
    return blocks;
}

static bool hashes(const struct job *job)
{
    for (const struct blob *b = job->blobs; b; b = b->next)
        if (b->hashing || b->state == BLOB_PROVE)
            return true;
    return false;
}

/* Steps that consist of the disk alone. */
static bool on_disk(const struct job *job)
{
    return job->step == STEP_OPEN || job->step == STEP_TREES || job->step == STEP_SCAN || job->step == STEP_FINISH ||
           job->step == STEP_CLOSE;
}

/* What cannot be cut, a call in the kernel, is at least named (P3). */
static enum hfp_wait reason_disk(const struct job *job, char *text, size_t n)
{
    const char *local = job->spec.local_dir, *where = local ? local : job->core->config.user.hub_cache;
    return snprintf(text, n, "disk: waiting for %.120s", where), HFP_WAIT_DISK;
}

static enum hfp_wait reason_on_disk(const struct job *job, char *text, size_t n)
{
    if (job->locked_since_ns && job->step == STEP_FINISH)
        return snprintf(text, n, "another process deletes a revision of %.120s", job->spec.repo), HFP_WAIT_LOCK;
    return reason_disk(job, text, n);
}

static unsigned writes_open(const struct job *job)
{
    unsigned n = 0;
    for (const struct blob *b = job->blobs; b; b = b->next)
        n += b->writes;
    return n;
}

/* One phrase for why nothing arrives. The order is that of cause before consequence. */
static enum hfp_wait reason(const struct job *job, char *text, size_t n, uint64_t now_ns)
{
    struct group_look g = { 0 };
    char at[16];
    if (job->group)
        group_look(&g, job->group);
    const struct blob *locked = locked_blob(job, now_ns);
    unsigned writes = writes_open(job);
    if (job->paused)
        return snprintf(text, n, "paused"), HFP_WAIT_PAUSED;
    if (writes > 0 && ns_since(now_ns, g.last_byte_ns) > DISK_SLOW_NS && g.held_buffer > 0)
        return snprintf(text, n, "disk is slow: %u MB waiting for %.120s", writes, job->store->root_text),
               HFP_WAIT_DISK;
    if (g.host_busy) {
        clock_text(at, job, g.until_ns, now_ns);
        return snprintf(text, n, "Hub asks to slow down (429, resets at %s)", at), HFP_WAIT_HUB_BUSY;
    }
    if (g.between_rounds) {
        clock_text(at, job, g.until_ns, now_ns);
        return snprintf(text, n, "%.120s; next try at %s", g.why.message, at), HFP_WAIT_RETRY;
    }
    if (g.running > 0 && g.silent == g.running)
        return snprintf(text, n, "%u of %u connections silent%s%s", g.silent, g.running, g.trying ? ", trying " : "",
                        g.trying ? g.trying : ""),
               HFP_WAIT_SILENCE;
    if (g.held_limit > 0 && g.streaming == 0)
        return snprintf(text, n, "own limit"), HFP_WAIT_LIMIT;
    if (g.held_buffer > 0 && g.streaming == 0)
        return reason_disk(job, text, n);
    if (g.connecting > 0)
        return snprintf(text, n, "%u of %u connections waiting for an answer%s%.100s", g.connecting, g.running,
                        g.why.message[0] ? "; last: " : "", g.why.message),
               HFP_WAIT_CONNECT;
    if (locked && locked->holder)
        return snprintf(text, n, "%.80s is locked by process %ld", locked->file->path, locked->holder), HFP_WAIT_LOCK;
    if (locked)
        return snprintf(text, n, "%.80s is locked by another process", locked->file->path), HFP_WAIT_LOCK;
    if (g.waiting > 0 && g.why.message[0])
        return snprintf(text, n, "%.160s", g.why.message), HFP_WAIT_RETRY;
    if (g.running > 0) /* not yet called silent one by one, and nothing of ours holds them up */
        return snprintf(text, n, "no bytes on %u connection%s", g.running, g.running == 1 ? "" : "s"), HFP_WAIT_SILENCE;
    if (g.waiting > 0) /* nothing has failed: other jobs have the connections */
        return snprintf(text, n, "waiting for a free connection"), HFP_WAIT_CONNECT;
    bool moves = ns_since(now_ns, MAX(job->hash_seen_ns, job->read_seen_ns)) < DISK_SLOW_NS;
    return hashes(job) && moves ? (snprintf(text, n, "hashing"), HFP_WAIT_HASH) : reason_disk(job, text, n);
}

static bool resolving(const struct job *job)
{
    return job->api && (job->step == STEP_COMMIT || job->step == STEP_LIST);
}

/* The same while only the API is talked to. */
static enum hfp_wait reason_resolving(const struct job *job, char *text, size_t n, uint64_t now_ns)
{
    char at[16];
    uint64_t until_ns = api_waits_until_ns(job->api);
    if (until_ns <= now_ns)
        return snprintf(text, n, "waiting for the Hub's answer"), HFP_WAIT_CONNECT;
    clock_text(at, job, until_ns, now_ns);
    bool busy = job->patience.why.code == HFP_E_BUSY;
    return snprintf(text, n, "%.120s; next try at %s", job->patience.why.message, at),
           busy ? HFP_WAIT_HUB_BUSY : HFP_WAIT_RETRY;
}

static uint64_t last_byte(const struct job *job)
{
    if (on_disk(job))
        return job->step_ns;
    if (resolving(job))
        return MAX(job->patience.last_progress_ns, job->start_ns);
    struct group_look g = { .last_byte_ns = job->start_ns };
    if (job->group)
        group_look(&g, job->group);
    return MAX(g.last_byte_ns, job->read_seen_ns);
}

/* What the last failed request said, for as long as that is why we wait. */
static void waits_for(struct job *job)
{
    struct hfp_status *s = &job->status;
    bool met = s->wait == HFP_WAIT_RETRY || s->wait == HFP_WAIT_CONNECT || s->wait == HFP_WAIT_HUB_BUSY;
    if (!job->ending)
        s->error = met ? job->patience.why : (struct hfp_err){ 0 };
}

/* Quiet for a second or more is waiting; for --stall-timeout or more it is called a stall, unless it is of our making. */
static void stalls(struct job *job, uint64_t now_ns)
{
    struct hfp_status *s = &job->status;
    uint64_t passed_ns = ns_since(now_ns, job->tick_ns);
    bool stays = job->ending && (s->stalled || !job->cancelled); /* to end is not to recover */
    uint64_t quiet_ns = stays ? s->quiet_ns + passed_ns : ns_since(now_ns, last_byte(job));
    s->quiet_ns = quiet_ns;
    bool moving = job->step == STEP_RUN && (s->state == HFP_DOWNLOADING || s->state == HFP_REPAIRING ||
                                            s->state == HFP_WAITING || s->state == HFP_VERIFYING);
    moving |= resolving(job) || on_disk(job);
    s->wait = HFP_NOT_WAITING;
    s->wait_text[0] = 0;
    if (job->paused || (moving && quiet_ns >= NS_PER_S)) {
        s->wait = job->paused      ? reason(job, s->wait_text, sizeof s->wait_text, now_ns)
                  : on_disk(job)   ? reason_on_disk(job, s->wait_text, sizeof s->wait_text)
                  : resolving(job) ? reason_resolving(job, s->wait_text, sizeof s->wait_text, now_ns)
                                   : reason(job, s->wait_text, sizeof s->wait_text, now_ns);
        s->waited_ns[s->wait] += passed_ns;
    }
    waits_for(job);
    bool ours = s->wait == HFP_WAIT_PAUSED || s->wait == HFP_WAIT_LIMIT || s->wait == HFP_WAIT_HASH;
    bool stalled = moving && !ours && s->wait != HFP_NOT_WAITING && quiet_ns >= job->core->api.deadlines->silence_ns;
    if (stalled == s->stalled)
        return;
    s->stalled = stalled;
    if (stalled)
        s->rate_bytes_per_s =
            0; /* the 5 s mean may still remember; "it moves" and "it does not" are not said at once */
    note_state(job, stalled ? HFP_EV_STALLED : HFP_EV_RECOVERED);
}

/* Between rounds, or while the Hub asks for patience, the state is `waiting`. */
static void waiting_state(struct job *job)
{
    struct hfp_status *s = &job->status;
    if (job->step != STEP_RUN || job->ending || job->paused)
        return;
    bool waits = s->wait == HFP_WAIT_HUB_BUSY || s->wait == HFP_WAIT_LOCK ||
                 (s->wait == HFP_WAIT_RETRY && job->patience.wait_until_ns > 0);
    if (waits && s->state == HFP_DOWNLOADING)
        job_move(job, HFP_WAITING);
    else if (!waits && s->state == HFP_WAITING)
        job_move(job, HFP_DOWNLOADING);
}

static uint64_t bytes_read(const struct job *job)
{
    uint64_t n = atomic_load(&job->read_bytes);
    for (const struct blob *b = job->blobs; b; b = b->next)
        n += atomic_load(&b->read_bytes);
    return n;
}

static void what_moved(struct job *job, uint64_t now_ns)
{
    uint64_t read_bytes = bytes_read(job);
    if (read_bytes != job->read_seen || (job->step != STEP_RUN && !resolving(job))) {
        job->read_seen = read_bytes;
        job->read_seen_ns = now_ns;
    }
    uint64_t hashed = hash_progress(job);
    if (hashed != job->hash_seen) {
        job->hash_seen = hashed;
        job->hash_seen_ns = now_ns;
    }
}

void waiting_look(struct job *job, uint64_t now_ns)
{
    what_moved(job, now_ns);
    stalls(job, now_ns);
    waiting_state(job);
}
