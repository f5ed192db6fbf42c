/* test_pool.c: all the memory that bytes may sit in is counted, and the head of a file always gets some of it.
 *
 * Seen red on purpose: a reserve that everyone may take; a buffer mapped again although one was idle; a free count that
 * forgets what was never mapped; what is held back for output given to a head; a rest
 * that gives nothing back. */
#include "base/pool.h"

#include "tap.h"

#include <stddef.h>
#include <unistd.h>

int main(void)
{
    struct hfp_err err;
    struct pool *p = NULL;
    uint8_t *b[5], *h[2];
    CHECK(pool_new(&p, 5, &err) == HFP_OK && pool_free_count(p) == 5 && pool_taken(p) == 0, "a new pool is all free");
    for (int i = 0; i < 3; i++)
        b[i] = pool_get(p, POOL_ANY);
    CHECK(b[0] && b[1] && b[2] && !pool_get(p, POOL_ANY), "the last %d are not for everyone", POOL_RESERVED);
    h[0] = pool_get(p, POOL_HEAD);
    h[1] = pool_get(p, POOL_HEAD);
    CHECK(h[0] && h[1] && !pool_get(p, POOL_HEAD), "they are for the head, and then there is no more");
    CHECK(pool_free_count(p) == 0 && pool_taken(p) == 5, "taken and free are counted");
    b[0][0] = b[0][BLOCK_BYTES - 1] = 1;
    CHECK((uintptr_t)b[0] % (size_t)sysconf(_SC_PAGESIZE) == 0, "a buffer is a whole block, aligned to pages");
    pool_put(p, h[1]);
    CHECK(!pool_get(p, POOL_ANY) && pool_get(p, POOL_HEAD) == h[1], "what came back is used again, by the head first");
    pool_put(p, NULL);
    CHECK(pool_free_count(p) == 0, "nothing given back is nothing");
    for (int i = 0; i < 3; i++)
        pool_put(p, b[i]);
    pool_put(p, h[0]);
    pool_put(p, h[1]);
    CHECK(pool_free_count(p) == 5 && pool_taken(p) == 0, "everything is back");
    CHECK(pool_can_hold_back(p, true) && pool_can_hold_back(p, false), "one can be held back");
    pool_hold_back(p, 1);
    CHECK(pool_has(p, POOL_ANY), "with one held back for output there are two for everyone");
    b[0] = pool_get(p, POOL_ANY);
    b[1] = pool_get(p, POOL_ANY);
    CHECK(b[0] && b[1] && !pool_get(p, POOL_ANY), "and not a third");
    CHECK(!pool_can_hold_back(p, true), "nothing more is held back than is there beside the heads' own");
    h[0] = pool_get(p, POOL_HEAD);
    h[1] = pool_get(p, POOL_HEAD);
    CHECK(h[0] && h[1] && !pool_get(p, POOL_HEAD), "the head does not get it either");
    b[2] = pool_get(p, POOL_OUTPUT);
    CHECK(b[2] && !pool_has(p, POOL_OUTPUT), "what is put out does");
    for (int i = 0; i < 3; i++)
        pool_put(p, b[i]);
    pool_put(p, h[0]);
    pool_put(p, h[1]);
    pool_hold_back(p, -1);
    CHECK(pool_free_count(p) == 5, "everything is back again");
    b[0] = pool_get(p, POOL_ANY);
    b[0][7] = 7;
    b[1] = pool_get(p, POOL_ANY);
    b[1][7] = 7;
    pool_put(p, b[1]);
    pool_rest(p);
    CHECK(pool_taken(p) == 1 && pool_free_count(p) == 4 && b[0][7] == 7,
          "at rest the free ones are gone, not those in use");
    b[1] = pool_get(p, POOL_ANY);
    CHECK(b[1] && b[1][7] == 0, "and come back fresh");
    pool_put(p, b[0]);
    pool_put(p, b[1]);
    pool_rest(p);
    CHECK(pool_free_count(p) == 5, "as many as ever");
    pool_free(p);
    pool_free(NULL);
    return tap_end();
}
