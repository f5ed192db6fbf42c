#include "engine/blob.h"

#include "base/auto.h"

#include <stdarg.h>
#include <stdio.h>

/* Every event carries the whole snapshot, so that no view can say what another does not know (P9). */
void note_event(struct job *job, struct hfp_event *ev)
{
    struct core *c = job->core;
    status_counts(job);
    ev->unix_ms = c->config.now(c->config.clock_ctx).unix_ms;
    ev->repo = job->spec.repo;
    ev->revision = job->spec.revision;
    ev->repo_type = job->spec.type;
    ev->status = job->status;
    events_push(c->events, ev);
}

void note_state(struct job *job, enum hfp_event_type type)
{
    struct hfp_event ev = { .type = type };
    char snapshot[2048] = "";
    if (type == HFP_EV_DONE && job->status.state == HFP_DONE && job->store && job->commit[0] &&
        job->spec.verb != HFP_PLAN) {
        publish_snapshot_path(snapshot, sizeof snapshot, job->store, job->commit);
        ev.snapshot = snapshot;
    }
    note_event(job, &ev);
}

void note_text(struct job *job, int level, const char *path, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_redact(text);
    log_at(&job->core->log, level, "%s: %s%s%s", job->spec.repo, path ? path : "", path ? ": " : "", text);
    struct hfp_event ev = { .type = HFP_EV_NOTE, .path = path, .text = text, .level = level };
    note_event(job, &ev);
}

/* A run of chunk_bytes that holds this block is complete: its hash is BLAKE3 over the digests of its blocks. */
static void chunk_done(struct job *job, const struct blob *b, uint64_t first, uint64_t last)
{
    uint64_t per_chunk = MAX(job->core->config.user.chunk_bytes / BLOCK_BYTES, 1);
    uint64_t recorded_bytes = job->status.recorded_bytes; /* of the whole job; its last chunk may be a short one */
    uint64_t total = job->status.total_bytes / (per_chunk * BLOCK_BYTES) +
                     (job->status.total_bytes % (per_chunk * BLOCK_BYTES) != 0);
    uint64_t recorded = recorded_bytes == job->status.total_bytes ? total : recorded_bytes / (per_chunk * BLOCK_BYTES);
    uint8_t(*digests)[BLAKE3_BYTES] = malloc((size_t)(last - first + 1) * BLAKE3_BYTES);
    uint8_t hash[BLAKE3_BYTES];
    char hex[65] = "";
    if (digests && digests_get(b->partial->digests, first, last - first + 1, digests, NULL) == HFP_OK) {
        blake3_of(hash, digests, (size_t)(last - first + 1) * BLAKE3_BYTES);
        hex_encode(hex, hash, BLAKE3_BYTES);
    }
    free(digests);
    struct hfp_event ev = { .type = HFP_EV_CHUNK,
                            .path = b->file->path,
                            .hash = hex[0] ? hex : NULL,
                            .size_bytes = b->file->size_bytes,
                            .first_byte = first * BLOCK_BYTES,
                            .last_byte = MIN((last + 1) * BLOCK_BYTES, b->file->size_bytes) - 1,
                            .chunk = recorded,
                            .chunks = total };
    note_event(job, &ev);
}

void note_chunk(struct job *job, const struct blob *b, uint64_t block)
{
    uint64_t per_chunk = MAX(job->core->config.user.chunk_bytes / BLOCK_BYTES, 1);
    uint64_t first = block / per_chunk * per_chunk;
    uint64_t last = MIN(first + per_chunk, b->blocks) - 1;
    for (uint64_t i = first; i <= last; i++)
        if (b->mark[i] != MARK_WRITTEN && b->mark[i] != MARK_KEPT)
            return;
    chunk_done(job, b, first, last);
}
