#include "engine/blob.h"

#include "base/auto.h"

#include <stdlib.h>
#include <string.h>

/* Blocks from the wire to the disk and into the hash.
 *
 *   transfer --block--> write task (BLAKE3, pwrite, record) --> mark WRITTEN --> front step (sha256 in order) --> right?
 *
 * A buffer is kept for the hash (handed, keeping.c), and then the write goes past the page cache where that is possible;
 * or it is free at once, and the front reads the block back from the page cache (followed). */
#define RESERVE_BYTES (256 * BLOCK_BYTES) /* scanners take the size for progress: never further ahead than this */
#define SYNC_NS (5 * NS_PER_S)            /* P2: after power loss at most this much */
#define SYNC_BYTES (256 * BLOCK_BYTES)    /* or this */

struct write_task {
    struct task task;
    struct blob *blob;
    uint64_t index;
    uint8_t *buf;
    size_t n;
    uint16_t peer;
    bool compare; /* a second opinion: write only what differs */
    bool keep;    /* the buffer goes on to the hash */
    uint64_t reserve_from, reserve_bytes;
    /* results */
    bool differs;
    struct content_id id; /* small files: of the whole */
    uint8_t digest[BLAKE3_BYTES];
    struct hfp_err err;
};

static int write_small(struct write_task *w, struct hfp_err *err)
{
    int rc = digest_of(&w->id, w->blob->place.id.kind, w->buf, w->n, err);
    return rc ? rc : io_pwrite_all(w->blob->partial->fd, w->buf, w->n, 0, err);
}

static int write_block(struct write_task *w, struct hfp_err *err)
{
    struct partial *pt = w->blob->partial;
    /* No room for so much ahead: what there is room for is written all the same, and the write itself says when not. */
    if (w->reserve_bytes)
        partial_reserve(pt, w->reserve_from, w->reserve_bytes, NULL);
    /* What is read back at once is best read from the page cache. */
    bool direct = w->keep || w->blob->job->core->config.user.direct_io == HFP_DIRECT_ON;
    int rc = partial_write(pt, w->buf, w->n, w->index * BLOCK_BYTES, direct, err);
    return rc ? rc : digests_set(pt->digests, w->index, w->digest, err);
}

static void write_run(struct task *t)
{
    struct write_task *w = container_of(t, struct write_task, task);
    struct blob *b = w->blob;
    int rc = HFP_OK;
    blake3_of(w->digest, w->buf, w->n);
    w->differs = true;
    if (w->compare && b->partial->digests) {
        uint8_t old[1][BLAKE3_BYTES];
        rc = digests_get(b->partial->digests, w->index, 1, old, &w->err);
        w->differs = memcmp(old[0], w->digest, BLAKE3_BYTES) != 0;
    }
    if (!rc && b->small)
        rc = write_small(w, &w->err);
    else if (!rc && w->differs)
        rc = write_block(w, &w->err);
    if (rc)
        err_wrap(&w->err, "%s", b->file->path);
}

/* Bytes of this blob that count as recorded; never runs back, whatever is fetched again (P8). */
void pipeline_count(struct blob *b, uint64_t bytes)
{
    struct job *job = b->job;
    uint64_t rest = b->file->size_bytes - b->counted_bytes;
    bytes = MIN(bytes, rest);
    b->counted_bytes += bytes;
    job->status.recorded_bytes += bytes;
}

/* A block is proved when it is on the disk and under the name of a whole xorb, whichever comes last. What the plan has
 * found proved is counted already. */
static void count_proved(struct blob *b, uint64_t index)
{
    struct job *job = b->job;
    size_t n = block_length(b->file->size_bytes, index);
    if (b->doubt[index] != DOUBT_PROVED || b->mark[index] != MARK_WRITTEN ||
        (job->plan->blob[b->index].action == PLAN_HERE && !job_proves_anew(job)))
        return;
    b->counted_proved_bytes += n;
    job->status.proved_bytes += n;
}

/* A block that lies in two xorbs is proved by both: what follows the last stretch makes it longer. */
void pipeline_proved(struct blob *b, uint64_t first_byte, uint64_t end_byte)
{
    uint64_t first, end;
    if (b->small || b->state != BLOB_FETCH) /* second opinions are the whole file's to prove */
        return;
    if (b->proved_to != first_byte)
        b->proved_from = first_byte;
    b->proved_to = end_byte;
    blocks_within(&first, &end, b->file->size_bytes, b->proved_from, b->proved_to);
    for (uint64_t i = MAX(first, first_byte / BLOCK_BYTES); i < end; i++)
        if (b->mark[i] != MARK_KEPT && b->mark[i] != MARK_GUESS && b->doubt[i] != DOUBT_PROVED) {
            b->doubt[i] = DOUBT_PROVED;
            count_proved(b, i);
        }
}

static void written_small(struct blob *b, const struct write_task *w)
{
    pipeline_count(b, w->n);
    b->got = w->id;
    memcpy(b->small_block, w->digest, BLAKE3_BYTES);
    if (content_id_equal(&b->got, &b->place.id)) {
        if (b->state == BLOB_REPAIR)
            b->repaired_bytes += w->n;
        blob_move(b, BLOBEV_RIGHT);
    } else if (b->state == BLOB_FETCH) {
        blob_move(b, BLOBEV_WRONG);
    } else {
        repairing_answer(b, 0, true, w->peer);
    }
}

static void write_done(struct task *t)
{
    AUTO_FREE struct write_task *w = container_of(t, struct write_task, task);
    struct blob *b = w->blob;
    struct job *job = b->job;
    b->writes--;
    b->busy--;
    job->busy--;
    bool good = w->err.code == HFP_OK && !b->failed;
    if (good) {
        b->unsynced_bytes += w->n;
        if (b->small) {
            written_small(b, w);
        } else if (w->compare) {
            repairing_answer(b, w->index, w->differs, w->peer);
        } else {
            b->mark[w->index] = MARK_WRITTEN;
            pipeline_count(b, w->n);
            count_proved(b, w->index);
            note_chunk(job, b, w->index);
        }
    }
    if (w->keep && good) {
        keeping_add(b, w->index, w->buf);
    } else {
        job->core->kept -= w->keep;
        transfer_give_back(job->core->transfer, w->buf);
    }
    if (w->err.code != HFP_OK)
        blob_fail(b, &w->err);
    else
        pipeline_front(b);
}

static void reserve_ahead(struct blob *b, struct write_task *w)
{
    uint64_t end = (w->index + 1) * BLOCK_BYTES;
    if (end <= b->reserved_to)
        return;
    /* From here on: what lies behind a block that a resumed file begins with is there already. */
    w->reserve_from = MAX(b->reserved_to, w->index * BLOCK_BYTES);
    b->reserved_to = MIN(w->index * BLOCK_BYTES + RESERVE_BYTES, b->file->size_bytes);
    w->reserve_bytes = b->reserved_to - w->reserve_from;
}

/* Where the window begins: at the front, for the network shall not run away from the hash. While the hash is far behind
 * (it checks what an earlier run has left) the missing blocks come meanwhile. */
void pipeline_missing(struct blob *b)
{
    b->missing = MAX(b->missing, b->front);
    while (b->missing < b->blocks && b->mark[b->missing] != MARK_ABSENT)
        b->missing++;
    sourcing_front(b, b->missing - b->front < KEEP_REACH ? b->front : b->missing);
}

static void block_in(struct blob *b, uint64_t index, uint8_t *buf, size_t n, uint16_t peer, bool compare)
{
    struct job *job = b->job;
    struct write_task *w = b->failed ? NULL : calloc(1, sizeof *w);
    if (!w) {
        transfer_give_back(job->core->transfer, buf);
        if (!b->failed) {
            struct hfp_err err;
            err_nomem(&err);
            blob_fail(b, &err);
        }
        return;
    }
    *w = (struct write_task){ .task = { .run = write_run, .done = write_done },
                              .blob = b,
                              .index = index,
                              .buf = buf,
                              .n = n,
                              .peer = peer,
                              .compare = compare };
    b->last_server = peer;
    if (!b->small && !compare) {
        b->mark[index] = MARK_WRITING;
        pipeline_missing(b);
        b->doubt[index] = DOUBT_FETCHED;
        b->server[index] = peer;
        reserve_ahead(b, w);
        w->keep = keeping_wants(b, index);
        job->core->kept += w->keep;
    }
    b->writes++;
    b->busy++;
    job->busy++;
    work_submit(job->core->config.work, LANE_WRITE, &w->task);
}

void pipeline_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer)
{
    block_in(ctx, index, buf, n, peer, false);
}

void repairing_block(void *ctx, uint64_t index, uint8_t *buf, size_t n, uint16_t peer)
{
    block_in(ctx, index, buf, n, peer, true);
}

void pipeline_failed(void *ctx, const struct hfp_err *err)
{
    if (!sourcing_instead(ctx, err))
        blob_fail(ctx, err);
}

/* Everything recorded was counted when the job was planned; what the claim found beyond that counts now. */
static void count_kept(struct blob *b)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < b->blocks; i++)
        if (b->mark[i] == MARK_KEPT)
            bytes += block_length(b->file->size_bytes, i);
    if (bytes > b->counted_bytes)
        pipeline_count(b, bytes - b->counted_bytes);
    b->job->status.kept_bytes += bytes;
}

static bool bit(const uint8_t *bits, uint64_t i)
{
    return bits && (bits[i / 8] >> (i % 8) & 1);
}

static int begin_marks(struct blob *b, struct hfp_err *err)
{
    b->mark = calloc(1, (size_t)b->blocks);
    b->doubt = calloc(1, (size_t)b->blocks);
    b->server = calloc((size_t)b->blocks, sizeof *b->server);
    if (!b->mark || !b->doubt || !b->server)
        return err_nomem(err);
    const struct digests_info *info = digests_info(b->partial->digests);
    for (uint64_t i = 0; i < b->blocks; i++) {
        if (bit(b->partial->recorded, i)) {
            b->mark[i] = MARK_KEPT;
            b->doubt[i] = i < info->adopted_blocks ? DOUBT_ADOPTED : DOUBT_KEPT;
        } else if (bit(b->partial->guessed, i)) {
            b->mark[i] = MARK_GUESS;
            b->doubt[i] = DOUBT_ADOPTED;
        } else {
            sourcing_want(b, i);
        }
    }
    count_kept(b);
    b->front_ns = core_now(b->job->core);
    pipeline_missing(b);
    return digest_new(&b->digest, b->place.id.kind, b->place.size_bytes, err);
}

/* The partial is ours: ask for what is missing, hash what is here. */
int pipeline_begin(struct blob *b, struct hfp_err *err)
{
    delta_ready(b);
    int rc = sourcing_begin(b, err);
    if (rc)
        return rc;
    if (b->small) {
        sourcing_want(b, 0);
        return HFP_OK;
    }
    return begin_marks(b, err);
}

/* ---- power loss ---- */

struct sync_task {
    struct task task;
    struct blob *blob;
    int64_t unix_s;
    struct hfp_err err;
};

static void sync_run(struct task *t)
{
    struct sync_task *s = container_of(t, struct sync_task, task);
    partial_sync(s->blob->partial, s->unix_s, &s->err);
}

static void sync_done(struct task *t)
{
    AUTO_FREE struct sync_task *s = container_of(t, struct sync_task, task);
    s->blob->syncing = false;
    s->blob->busy--;
    s->blob->job->busy--;
    if (s->err.code != HFP_OK)
        blob_fail(s->blob, &s->err);
}

void pipeline_sync(struct blob *b, uint64_t now_ns)
{
    bool due = b->unsynced_bytes >= SYNC_BYTES || (b->unsynced_bytes > 0 && ns_since(now_ns, b->sync_ns) >= SYNC_NS);
    if (!due || b->syncing || b->small || b->failed || !b->partial ||
        (b->state != BLOB_FETCH && b->state != BLOB_REPAIR))
        return;
    struct sync_task *s = calloc(1, sizeof *s);
    if (!s)
        return;
    *s = (struct sync_task){ .task = { .run = sync_run, .done = sync_done },
                             .blob = b,
                             .unix_s = core_unix_s(b->job->core) };
    b->syncing = true;
    b->unsynced_bytes = 0;
    b->sync_ns = now_ns;
    b->busy++;
    b->job->busy++;
    work_submit(b->job->core->config.work, LANE_SYNC, &s->task);
}
