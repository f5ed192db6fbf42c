#include "sim.h"

#include "base/auto.h"

#include <inttypes.h>
#include <string.h>

/* The promises, each judged from the world's own truth and never from what the engine says of itself. */

static bool is_truth(const struct sim_file *f, const uint8_t *data, uint64_t size_bytes)
{
    return f->size_bytes == size_bytes && (size_bytes == 0 || memcmp(f->content, data, (size_t)size_bytes) == 0);
}

/* P8: no count runs back, and none claims more than the one before it. */
void check_event(const struct hfp_event *e)
{
    const struct hfp_status *s = &e->status;
    if (s->received_bytes < sim->last_received || s->recorded_bytes < sim->last_recorded ||
        s->proved_bytes < sim->last_proved || s->in_place_bytes < sim->last_in_place)
        sim_fail("P8: a count ran back: received %" PRIu64 " recorded %" PRIu64 " proved %" PRIu64 " in place %" PRIu64,
                 s->received_bytes, s->recorded_bytes, s->proved_bytes, s->in_place_bytes);
    if (s->received_bytes > s->total_bytes || s->recorded_bytes > s->received_bytes ||
        s->proved_bytes > s->recorded_bytes)
        sim_fail("P8: received %" PRIu64 " of %" PRIu64 ", recorded %" PRIu64 ", proved %" PRIu64, s->received_bytes,
                 s->total_bytes, s->recorded_bytes, s->proved_bytes);
    if (s->state == HFP_REPAIRING && sim->honest && sim->lies_told == 0)
        sim_fail("P1: bytes that nobody got wrong do not match: %s", e->text ? e->text : "");
    sim->last_received = s->received_bytes;
    sim->last_recorded = s->recorded_bytes;
    sim->last_proved = s->proved_bytes;
    sim->last_in_place = s->in_place_bytes;
    sim_trace("event %d %s %s%s %s", e->type, hfp_state_text(s->state), s->wait_text, e->path ? e->path : "",
              e->text ? e->text : "");
    if (e->type != HFP_EV_DONE)
        return;
    sim->done = true;
    sim->code = s->error.code;
    snprintf(sim->message, sizeof sim->message, "%s", s->error.message);
}

void check_taken(struct sim_file *f, uint64_t at, uint64_t n)
{
    memset(f->taken + at, 1, (size_t)n);
}

/* P2: a block whose record was on the disk when this process began is not asked for again, as long as nobody lied. */
void check_request(const struct sim_file *f, uint64_t first, uint64_t last)
{
    if (sim->lies_told > 0 || sim->doubtful)
        return;
    /* Pauses and suspends may cut a connection that held bytes back, and answers that make no sense are thrown away. */
    bool plain = sim->honest && !sim->faults.steer && !sim->faults.suspend && !sim->faults.shift_range &&
                 !sim->faults.ignore_range && !sim->faults.crashes;
    if (plain && f->taken[first])
        sim_fail("P2: byte %" PRIu64 " of %s was received and is asked for again", first, f->path);
    for (uint64_t b = first / BLOCK_BYTES; b <= last / BLOCK_BYTES; b++)
        if (f->recorded[b]) {
            sim_fail("P2: block %" PRIu64 " of %s was recorded and is asked for again", b, f->path);
            return;
        }
}

/* P1: nothing wrong ever gets a final name, not even for a moment. */
void check_rename(const char *folder, const char *name, const uint8_t *data, uint64_t size_bytes)
{
    (void)folder;
    const struct sim_file *f = world_etag(name);
    if (f && !is_truth(f, data, size_bytes))
        sim_fail("P1: wrong content under the final name %.12s of %s", name, f->path);
}

/* Blocks whose digest is on the disk and right. The reading is this file's own: 32 bytes each after the header. */
static void note_digests(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx)
{
    (void)ctx;
    const char *dot = strchr(name, '.');
    if (!dot || !strstr(name, ".digests") || size_bytes < DIGESTS_HEADER_BYTES)
        return;
    /* After power loss the header may be torn, or say that the bytes were found lying about: then they are a guess. */
    struct digests_info info;
    struct digests_proof proof;
    bool torn = digests_decode(&info, &proof, data) != HFP_OK;
    if (torn) /* by a kill inside a short write too: the holes beside the blocks are a guess then like everything else */
        sim->honest = false;
    if (torn || info.adopted_blocks > 0)
        return;
    char etag[65] = "", path[256];
    snprintf(etag, sizeof etag, "%.*s", (int)MIN(dot - name, 64), name);
    struct sim_file *f = world_etag(etag);
    snprintf(path, sizeof path, "/cache/models--sim--repo/blobs/%.*s.incomplete",
             (int)(strstr(name, ".digests") - name), name);
    uint64_t have = 0;
    const uint8_t *part = disk_content(path, &have);
    for (uint64_t b = 0; f && part && b < blocks_of(f->size_bytes); b++) {
        uint64_t at = DIGESTS_HEADER_BYTES + b * BLAKE3_BYTES, end = MIN((b + 1) * BLOCK_BYTES, f->size_bytes);
        uint8_t digest[BLAKE3_BYTES];
        if (at + BLAKE3_BYTES > size_bytes || end > have)
            continue;
        blake3_of(digest, part + b * BLOCK_BYTES, (size_t)(end - b * BLOCK_BYTES));
        f->recorded[b] |= memcmp(digest, data + at, sizeof digest) == 0;
    }
}

void check_incarnation_begins(void)
{
    for (unsigned i = 0; i < sim->files; i++) {
        memset(sim->file[i].recorded, 0, (size_t)blocks_of(sim->file[i].size_bytes) + 1);
        memset(sim->file[i].taken, 0, (size_t)sim->file[i].size_bytes + 1);
    }
    disk_each("/cache/models--sim--repo/blobs", note_digests, NULL);
    sim->last_received = sim->last_recorded = sim->last_proved = sim->last_in_place = 0;
}

static void check_blob(const char *name, const uint8_t *data, uint64_t size_bytes, void *ctx)
{
    (void)ctx;
    const struct sim_file *f = world_etag(name);
    if (f && !is_truth(f, data, size_bytes))
        sim_fail("P1: blob %.12s of %s is wrong at the end", name, f->path);
}

/* P1 the other way round: done means that every file can be read and is right, and the ref says so. */
void check_end(void)
{
    char path[256];
    uint64_t n = 0;
    disk_each("/cache/models--sim--repo/blobs", check_blob, NULL);
    if (sim->code != HFP_OK)
        return;
    for (unsigned i = 0; i < sim->files; i++) {
        snprintf(path, sizeof path, "/cache/models--sim--repo/snapshots/%s/%s", sim->commit, sim->file[i].path);
        const uint8_t *data = disk_content(path, &n);
        if (!data || !is_truth(&sim->file[i], data, n))
            sim_fail("P1: done, but %s is %s", sim->file[i].path, data ? "wrong" : "missing");
    }
    const uint8_t *ref = disk_content("/cache/models--sim--repo/refs/main", &n);
    if (!ref || n != 40 || memcmp(ref, sim->commit, 40) != 0)
        sim_fail("P1: done, but refs/main is not the commit");
}
