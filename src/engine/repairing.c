#include "engine/blob.h"

#include "base/auto.h"

#include <assert.h>
#include <stdlib.h>

/* The whole-file hash is wrong. Blocks are asked for again, from someone else where there is someone else; what differs
 * replaces what is there; the file is hashed again when verify/opinion says so.
 *
 *   witness (the Xet store, where it knows the file) --doubts--> opinion --blocks--> over Xet or HTTP --answers--> opinion
 *
 * Who is asked for a block: the Xet store for what came another way, HTTP for what came over Xet or is proved by Xet's own
 * hashes and yet wrong; each for all when the other cannot. */

#define ASK_OPEN_MAX 64 /* blocks asked for at once: enough for every connection, few enough to stop soon */
#define SMALL_TRIES 3

/* The next turn acts on it: a source does not go inside its own callback. */
static void on_again_failed(void *ctx, const struct hfp_err *err)
{
    struct blob *b = ctx;
    b->again_failed = true;
    b->again_why = *err;
    b->job->wake = true;
}

static int open_http(struct blob *b, struct hfp_err *err)
{
    struct job *job = b->job;
    char url[URL_MAX];
    hub_url_file(url, job->core->config.user.endpoint, job->spec.type, job->spec.repo, job->commit, b->file->path);
    struct fetch_spec spec = {
        .url = url, .path = b->file->path, .size_bytes = b->file->size_bytes, .uncounted = true
    };
    struct fetch_events events = { .block = repairing_block, .failed = on_again_failed, .ctx = b };
    return fetch_new(&b->again, job->group, &spec, &events, err);
}

/* What is on the disk is in doubt, and what has just come is perhaps not there yet: nothing is copied from it. */
static enum xet_readable unreadable(void *ctx, uint64_t first_byte, uint64_t end_byte)
{
    (void)ctx, (void)first_byte, (void)end_byte;
    return XET_UNREADABLE;
}

static int open_xet(struct blob *b, struct hfp_err *err)
{
    struct xet_fetch_events events = { .block = repairing_block, .failed = on_again_failed, .readable = unreadable };
    return sourcing_open_xet(&b->again_xet, b, true, &events, err);
}

static void stop_asking(struct blob *b)
{
    fetch_free(ptr_steal(&b->again));
    xet_fetch_free(ptr_steal(&b->again_xet));
    b->again_failed = false;
    b->asked_open = 0;
}

void repairing_end(struct blob *b)
{
    stop_asking(b);
}

static void hopeless(struct blob *b)
{
    struct job *job = b->job;
    const struct transfer *t = job->core->transfer;
    const char *kind = b->place.id.kind == DIGEST_SHA256 ? "sha256" : "git hash";
    const struct peer_name *last = transfer_peer(t, b->last_server);
    uint64_t block = 0;
    struct hfp_err err;
    if (b->small)
        err_set(&err, HFP_E_CONTENT, "%s does not match the Hub's %s after %u tries, last from %s %s", b->file->path,
                kind, b->tries, last->host, last->address);
    else if (opinion_first_changed(b->opinion, &block))
        err_set(&err, HFP_E_CONTENT,
                "%s does not match the Hub's %s after %u tries (block %llu at %llu differs each time: %s %s, %s %s)",
                b->file->path, kind, OPINION_TRIES, (unsigned long long)block,
                (unsigned long long)(block * BLOCK_BYTES), transfer_peer(t, b->server[block])->host,
                transfer_peer(t, b->server[block])->address, last->host, last->address);
    else
        err_set(&err, HFP_E_CONTENT, "%s does not match the Hub's %s, and %s %s sends the same bytes each time",
                b->file->path, kind, last->host, last->address);
    blob_fail(b, &err);
}

/* Over Xet: where its chunks can be right and what is on the disk not. */
static bool by_xet(const struct blob *b)
{
    int class = opinion_class(b->opinion);
    if (!b->witnessed || class == DOUBT_PROVED || class < 0)
        return b->witnessed && b->http_failed;
    return class != DOUBT_FETCHED || !b->over_xet || b->http_failed;
}

static int open_source(struct blob *b, bool xet, struct hfp_err *err)
{
    if (xet ? b->again_xet != NULL : b->again != NULL)
        return HFP_OK;
    stop_asking(b);
    opinion_take_back(b->opinion);
    return xet ? open_xet(b, err) : open_http(b, err);
}

/* Keeps enough blocks asked for. Over Xet all of a class: a range that is asked for in parts is fetched in parts. */
static void ask_more(struct blob *b)
{
    struct hfp_err err;
    bool xet = by_xet(b);
    if (open_source(b, xet, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    uint64_t block;
    while ((xet || b->asked_open < ASK_OPEN_MAX) && opinion_next(b->opinion, &block)) {
        if (xet) {
            xet_fetch_want(b->again_xet, block);
        } else {
            if (b->asked_open == 0)
                fetch_front(b->again, block);
            fetch_avoid(b->again, b->server[block]);
            fetch_want(b->again, block);
        }
        b->asked_open++;
    }
    b->job->wake = true;
}

static void ask_small(struct blob *b)
{
    struct hfp_err err;
    if (++b->tries >= SMALL_TRIES) {
        hopeless(b);
        return;
    }
    stop_asking(b);
    if (open_http(b, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    fetch_avoid(b->again, b->last_server);
    fetch_want(b->again, 0);
}

void repairing_begin(struct blob *b)
{
    struct job *job = b->job;
    note_text(job, HFP_LOG_WARN, b->file->path, "content does not match the Hub's %s; looking for the bad blocks",
              b->place.id.kind == DIGEST_SHA256 ? "sha256" : "git hash");
    sourcing_end(b);
    delta_leave(b); /* what is in doubt is no source for the other files */
    if (b->small) {
        ask_small(b);
        return;
    }
    b->witness_due = true;
    job->wake = true;
}

void repairing_witnessed(struct blob *b, bool heard)
{
    struct hfp_err err;
    b->witnessed = heard;
    if (opinion_new(&b->opinion, b->doubt, b->blocks, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    ask_more(b);
}

/* The Xet store says the same each time. It may be that which is rotten: all is asked for again over HTTP alone. */
static void without_witness(struct blob *b)
{
    struct hfp_err err;
    note_text(b->job, HFP_LOG_WARN, b->file->path, "the Xet store sends the same bytes each time; asking over HTTP");
    stop_asking(b);
    opinion_free(ptr_steal(&b->opinion));
    b->witnessed = false;
    if (opinion_new(&b->opinion, b->doubt, b->blocks, &err) == HFP_OK)
        ask_more(b);
    else
        blob_fail(b, &err);
}

static void follow(struct blob *b, enum opinion_step step)
{
    switch (step) {
    case OPINION_MORE:
        ask_more(b);
        break;
    case OPINION_REHASH: /* what is on its way is written first, then nothing moves while the hash runs */
        if (!b->again_xet) {
            stop_asking(b);
            opinion_take_back(b->opinion);
        }
        b->opinion_hash_due = true;
        break;
    case OPINION_HOPELESS:
        if (b->witnessed && !b->http_failed)
            without_witness(b);
        else
            hopeless(b);
        break;
    }
}

static void note_difference(struct blob *b, uint64_t index, uint16_t peer)
{
    const struct transfer *t = b->job->core->transfer;
    const struct peer_name *was = transfer_peer(t, b->server[index]), *now = transfer_peer(t, peer);
    bool known = was->host[0] != 0;
    note_text(b->job, HFP_LOG_WARN, b->file->path, "block %llu at %llu was wrong, from %s%s%s; replaced from %s %s",
              (unsigned long long)index, (unsigned long long)(index * BLOCK_BYTES),
              known ? was->host : "an earlier run", known ? " " : "", was->address, now->host, now->address);
}

/* Nothing is being written, and nothing is about to be: a range over Xet stays open, but nothing comes out of it. */
static void rehash_when_quiet(struct blob *b)
{
    struct hfp_err err;
    if (!b->opinion_hash_due || b->writes > 0 || b->failed)
        return;
    if (b->again_xet)
        xet_fetch_hold(b->again_xet, true);
    if (b->again_xet && !xet_fetch_idle(b->again_xet))
        return;
    b->opinion_hash_due = false;
    if (pipeline_rehash(b, &err) != HFP_OK)
        blob_fail(b, &err);
}

void repairing_answer(struct blob *b, uint64_t index, bool differs, uint16_t peer)
{
    if (b->state != BLOB_REPAIR)
        return;
    if (b->small) {
        ask_small(b);
        return;
    }
    if (b->asked_open > 0)
        b->asked_open--;
    if (differs) {
        note_difference(b, index, peer);
        b->server[index] = peer;
        b->repaired_bytes += block_length(b->file->size_bytes, index);
    }
    if (b->opinion_hash_due) /* late answers to what was already taken back */
        opinion_answer(b->opinion, index, differs);
    else
        follow(b, opinion_answer(b->opinion, index, differs));
    rehash_when_quiet(b);
}

void repairing_hashed(struct blob *b, bool right)
{
    b->rehash = false;
    if (right)
        blob_move(b, BLOBEV_RIGHT);
    else
        follow(b, opinion_still_wrong(b->opinion));
}

/* The one that is asked cannot go on: the other one is asked, or this was the last word. */
static void instead(struct blob *b)
{
    bool xet = b->again_xet != NULL;
    struct hfp_err why = b->again_why;
    note_text(b->job, HFP_LOG_WARN, b->file->path, xet ? "going on over HTTP: %s" : "going on over Xet: %s",
              why.message);
    stop_asking(b);
    if (xet)
        b->witnessed = false;
    else
        b->http_failed = true;
    if (b->small || (b->http_failed && !b->witnessed)) {
        blob_fail(b, &why);
        return;
    }
    opinion_take_back(b->opinion);
    if (!b->rehash && !b->opinion_hash_due)
        ask_more(b);
}

uint64_t repairing_turn(struct blob *b, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    if (b->witness_due && b->xet_tasks == 0) { /* a task of the source before may still write its map */
        b->witness_due = false;
        if (!sourcing_xet_possible(b) || !witness_begin(b))
            repairing_witnessed(b, false);
    }
    if (b->witness)
        return witness_turn(b, now_ns);
    if (b->again_xet && !b->again_failed) {
        xet_fetch_hold(b->again_xet, b->job->paused || b->rehash || b->opinion_hash_due);
        next = xet_fetch_turn(b->again_xet, now_ns);
        b->again_failed |= xet_fetch_stuck(b->again_xet, CAS_PATIENCE_NS, now_ns, &b->again_why);
    }
    if (b->again_failed)
        instead(b);
    rehash_when_quiet(b);
    return b->failed || b->job->wake ? now_ns : next;
}
