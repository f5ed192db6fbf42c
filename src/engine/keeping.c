#include "engine/blob.h"

#include "base/auto.h"

#include <assert.h>

/* Written blocks that keep their buffer until the front has hashed them (handed), so that nothing is read back.
 *
 * A block is decided on before it is written (what is not kept goes through the page cache, to be read back from there):
 *
 *   within KEEP_REACH of the front, and
 *   either next in line: every block before it is here, so its turn comes whatever the network does,
 *   or the front moves (late_ns), and the connections keep a buffer each (fetch_keeps).
 *
 * So a buffer waits for a few blocks in flight, never behind a re-check of a hundred gigabytes. Whatever else holds the
 * front up - a silent head, a disk, hash workers that prove other files - has late_ns as long as anyone starves: then
 * what is farthest from the front gives its buffer back and is read back later. A kept buffer is therefore one that
 * comes back by itself (ARCHITECTURE.md, invariant 14): no wait for a buffer can be for ever. */
#define LENT_MAX 12 /* half of all: what several files' steps hold must leave the connections room */
#define FRONT_LATE_NS (250 * NS_PER_MS) /* a hundred steps of hashing; a head on a fast line is late for less */
#define WRITE_LATE_NS (2 * NS_PER_S)    /* the disk is busy: reading back would make it busier */

static uint64_t late_ns(const struct blob *b)
{
    bool writing = b->front < b->blocks && b->mark[b->front] == MARK_WRITING;
    return b->front_ns + (writing ? WRITE_LATE_NS : FRONT_LATE_NS);
}

/* Asked after the block was marked as on its way. */
bool keeping_wants(const struct blob *b, uint64_t index)
{
    const struct core *c = b->job->core;
    if (b->state != BLOB_FETCH || index < b->front || index - b->front >= KEEP_REACH)
        return false;
    if (index < b->missing)
        return true;
    return c->kept < sourcing_keeps(b) && core_now(c) < late_ns(b);
}

void keeping_add(struct blob *b, uint64_t index, uint8_t *buf)
{
    uint8_t **at = &b->kept[index % KEEP_REACH];
    assert(!*at && index >= b->front && index - b->front < KEEP_REACH);
    *at = buf;
    b->kept_count++;
}

static void give_back(struct blob *b, uint64_t index)
{
    uint8_t *buf = ptr_steal(&b->kept[index % KEEP_REACH]);
    if (!buf)
        return;
    b->kept_count--;
    b->job->core->kept--;
    transfer_give_back(b->job->core->transfer, buf);
}

/* A step may wait long for a worker, and its buffers with it. */
void keeping_lend(struct blob *b, struct front_step *s)
{
    struct core *c = b->job->core;
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t index = s->first + i;
        if (!b->kept[index % KEEP_REACH])
            continue;
        if (c->lent == LENT_MAX) {
            give_back(b, index);
            continue;
        }
        s->item[i].buf = b->kept[index % KEEP_REACH];
        b->lent++;
        c->lent++;
    }
}

void keeping_returned(struct blob *b)
{
    b->job->core->lent -= b->lent;
    b->lent = 0;
}

void keeping_passed(struct blob *b, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        give_back(b, i);
}

void keeping_drop(struct blob *b)
{
    keeping_passed(b, b->front, b->front + KEEP_REACH);
}

/* Gives back the block that is farthest from the front; not one that is being hashed. */
static bool relieve_one(struct blob *b)
{
    uint64_t first = b->front + b->hashing;
    for (uint64_t i = b->front + KEEP_REACH; i-- > first;)
        if (b->kept[i % KEEP_REACH]) {
            give_back(b, i);
            return true;
        }
    return false;
}

uint64_t keeping_turn(struct core *c, uint64_t now_ns)
{
    unsigned starving = c->kept > 0 ? transfer_starving(c->transfer) : 0;
    uint64_t next = UINT64_MAX;
    for (struct job *job = c->jobs; job && starving > 0; job = job->next)
        for (struct blob *b = job->blobs; b && starving > 0; b = b->next) {
            if (b->kept_count == 0)
                continue;
            if (now_ns < late_ns(b))
                next = MIN(next, late_ns(b));
            else
                while (starving > 0 && relieve_one(b))
                    starving--;
        }
    return next;
}
