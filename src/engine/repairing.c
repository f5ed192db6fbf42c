#include "engine/internal.h"

#include "base/auto.h"

#include <assert.h>
#include <stdlib.h>

/* The whole-file hash is wrong. Blocks are asked for again, from someone else where there is someone else; what differs
 * replaces what is there; the file is hashed again when verify/opinion says so. */

#define ASK_OPEN_MAX 64 /* blocks asked for at once: enough for every connection, few enough to stop soon */
#define SMALL_TRIES 3

static int again_open(struct blob *b, struct hfp_err *err)
{
    struct job *job = b->job;
    char url[URL_MAX];
    hub_url_file(url, job->core->config.user.endpoint, job->spec.type, job->spec.repo, job->commit, b->file->path);
    struct fetch_spec spec = {
        .url = url, .path = b->file->path, .size_bytes = b->file->size_bytes, .uncounted = true
    };
    struct fetch_events events = { .block = repairing_block, .failed = pipeline_failed, .ctx = b };
    return fetch_new(&b->again, job->group, &spec, &events, err);
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

/* Keeps enough blocks asked for. */
static void ask_more(struct blob *b)
{
    struct hfp_err err;
    if (!b->again && again_open(b, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    uint64_t block;
    while (b->asked_open < ASK_OPEN_MAX && opinion_next(b->opinion, &block)) {
        if (b->asked_open == 0)
            fetch_front(b->again, block);
        fetch_avoid(b->again, b->server[block]);
        fetch_want(b->again, block);
        b->asked_open++;
    }
}

static void ask_small(struct blob *b)
{
    struct hfp_err err;
    if (++b->tries >= SMALL_TRIES) {
        hopeless(b);
        return;
    }
    fetch_free(ptr_steal(&b->again));
    if (again_open(b, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    fetch_avoid(b->again, b->last_server);
    fetch_want(b->again, 0);
}

void repairing_begin(struct blob *b)
{
    struct job *job = b->job;
    struct hfp_err err;
    note_text(job, HFP_LOG_WARN, b->file->path, "content does not match the Hub's %s; looking for the bad blocks",
              b->place.id.kind == DIGEST_SHA256 ? "sha256" : "git hash");
    sourcing_end(b);
    if (b->small) {
        ask_small(b);
        return;
    }
    if (opinion_new(&b->opinion, b->doubt, b->blocks, &err) != HFP_OK) {
        blob_fail(b, &err);
        return;
    }
    ask_more(b);
}

static void follow(struct blob *b, enum opinion_step step)
{
    switch (step) {
    case OPINION_MORE:
        ask_more(b);
        break;
    case OPINION_REHASH: /* what is on its way is written first, then nothing moves while the hash runs */
        fetch_free(ptr_steal(&b->again));
        opinion_take_back(b->opinion);
        b->asked_open = 0;
        b->opinion_hash_due = true;
        break;
    case OPINION_HOPELESS:
        hopeless(b);
        break;
    }
}

static void note_difference(struct blob *b, uint64_t index, uint16_t peer)
{
    const struct transfer *t = b->job->core->transfer;
    const struct peer_name *was = transfer_peer(t, b->server[index]), *now = transfer_peer(t, peer);
    note_text(b->job, HFP_LOG_WARN, b->file->path, "block %llu at %llu was wrong, from %s %s; replaced from %s %s",
              (unsigned long long)index, (unsigned long long)(index * BLOCK_BYTES),
              was->host[0] ? was->host : "an earlier run", was->address, now->host, now->address);
}

void repairing_answer(struct blob *b, uint64_t index, bool differs, uint16_t peer)
{
    struct hfp_err err;
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
    if (b->opinion_hash_due && b->writes == 0 && !b->failed) {
        b->opinion_hash_due = false;
        if (pipeline_rehash(b, &err) != HFP_OK)
            blob_fail(b, &err);
    }
}

void repairing_hashed(struct blob *b, bool right)
{
    b->rehash = false;
    if (right)
        blob_move(b, BLOBEV_RIGHT);
    else
        follow(b, opinion_still_wrong(b->opinion));
}
