/* test_front.c: the whole-file hash in file order, from what is kept, adopted, written and handed over.
 *
 * Seen red on purpose: a kept block that goes into the hash unchecked; a guess whose digest is not recorded; a bad
 * block's record that stays, or goes below the mark of guesses; a handed buffer that is read from the disk instead; hashing past a bad block. */
#include "verify/front.h"

#include "cache_fixture.h"

#define BLOCKS FRONT_STEP_BLOCKS
#define SIZE ((BLOCKS - 1) * BLOCK_BYTES + 777)

struct rig {
    struct store *store;
    struct place *place;
    struct partial *partial;
    struct digest *digest;
    struct front_step step;
};

static void rig_begin(struct rig *r, uint64_t filled)
{
    fx_fresh("/tmp");
    *r = (struct rig){ .store = fx_store() };
    r->place = fx_place(r->store, SIZE, 1, "x");
    place_prepare(r->place, NULL);
    if (partial_claim(&r->partial, r->place, COMMIT, false, NOW, NULL))
        exit(99);
    fx_fill(r->partial, 0, filled, 1);
    digest_new(&r->digest, DIGEST_SHA256, SIZE, NULL);
    r->step = (struct front_step){ .digest = r->digest, .partial = r->partial, .count = BLOCKS };
}

static void rig_run(struct rig *r, enum front_source source)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        r->step.item[i].source = source;
    front_step_run(&r->step.task);
}

static bool rig_proves(struct rig *r)
{
    struct content_id id;
    return digest_end(r->digest, &id, NULL) == HFP_OK && content_id_equal(&id, &r->place->id);
}

static bool recorded(const struct rig *r, uint64_t index)
{
    uint8_t got[1][BLAKE3_BYTES];
    static const uint8_t absent[BLAKE3_BYTES];
    return digests_get(r->partial->digests, index, 1, got, NULL) == HFP_OK && memcmp(got[0], absent, BLAKE3_BYTES) != 0;
}

static void rig_end(struct rig *r)
{
    digest_free(r->digest);
    partial_close(r->partial, false);
    free(r->place);
    store_free(r->store);
    fx_wipe();
}

static void flip(struct rig *r, uint64_t at)
{
    uint8_t b;
    io_pread_all(r->partial->fd, &b, 1, at, NULL);
    b ^= 1;
    io_pwrite_all(r->partial->fd, &b, 1, at, NULL);
}

int main(void)
{
    struct rig r;
    for (enum front_source s = FRONT_TRUST; s <= FRONT_LEARN; s++) {
        rig_begin(&r, BLOCKS);
        rig_run(&r, s);
        CHECK(r.step.hashed == BLOCKS && !r.step.bad && !r.step.err.code && rig_proves(&r),
              "source %d: a right file is proved", s);
        rig_end(&r);
    }
    rig_begin(&r, BLOCKS);
    flip(&r, 2 * BLOCK_BYTES + 9);
    rig_run(&r, FRONT_CHECK);
    CHECK(r.step.bad && r.step.hashed == 2, "a kept block that changed on disk stops the hash before it");
    CHECK(!recorded(&r, 2) && recorded(&r, 1) && recorded(&r, 3), "its record is gone, the others stay");
    rig_end(&r);

    for (uint64_t bad = 1; bad <= 3; bad += 2) {
        rig_begin(&r, BLOCKS);
        struct digests_info info = *digests_info(r.partial->digests);
        info.adopted_blocks = 2;
        digests_set_info(r.partial->digests, &info, NULL);
        flip(&r, bad * BLOCK_BYTES + 9);
        rig_run(&r, FRONT_CHECK);
        CHECK(r.step.bad && r.step.hashed == bad && recorded(&r, bad) == (bad == 1),
              "below the mark of guesses a bad block keeps the record that it does not fit: without one it is a guess");
        rig_end(&r);
    }

    rig_begin(&r, BLOCKS);
    if (ftruncate(r.partial->fd, (off_t)(3 * BLOCK_BYTES + 5)))
        return 99;
    rig_run(&r, FRONT_CHECK);
    CHECK(r.step.bad && r.step.hashed == 3 && !r.step.err.code && !recorded(&r, 3), "so does one that was cut off");
    rig_end(&r);

    rig_begin(&r, BLOCKS);
    for (uint64_t i = 0; i < BLOCKS; i++)
        digests_set(r.partial->digests, i, NULL, NULL);
    rig_run(&r, FRONT_LEARN);
    bool all = true;
    for (uint64_t i = 0; i < BLOCKS; i++)
        all &= recorded(&r, i);
    CHECK(all && r.step.hashed == BLOCKS, "a guess gets its digest on the way");
    rig_end(&r);

    rig_begin(&r, BLOCKS);
    uint8_t *buf = malloc(BLOCK_BYTES);
    fx_bytes(buf, BLOCK_BYTES, BLOCK_BYTES, 1);
    r.step.item[1].buf = buf;
    flip(&r, BLOCK_BYTES + 100); /* the disk is wrong, the buffer is what arrived */
    rig_run(&r, FRONT_TRUST);
    CHECK(r.step.hashed == BLOCKS && rig_proves(&r), "a block that was handed over is hashed from its buffer");
    free(buf);
    rig_end(&r);
    CHECK(block_length(SIZE, 0) == BLOCK_BYTES && block_length(SIZE, BLOCKS - 1) == 777 &&
              block_length(BLOCK_BYTES, 0) == BLOCK_BYTES,
          "only the last block is short");
    return tap_end();
}
