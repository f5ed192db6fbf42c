/* A page of the Hub's listing. It is taken whole or not at all, names no path that could hurt, and what is listed
 * survives being written to trees/<commit>.json and read again. */
#include "listing_checks.h"

#include "resolve/answers.h"

static struct listing *listing_with_one(void)
{
    struct listing *l = NULL;
    struct listed_file f = { .path = "~present", .size_bytes = 7, .id.kind = DIGEST_GIT_SHA1 };
    MUST(listing_new(&l, NULL) == HFP_OK && listing_add(l, &f, NULL) == HFP_OK, "a listing of one file");
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfp_err err = { 0 };
    AUTO(listing_freep) struct listing *l = listing_with_one();
    int rc = answer_tree_page(l, (const char *)data, size, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_PROTO || rc == HFP_E_PORTAL, "a bad page is bad, or not the Hub's");
        MUST(!has_controls(err.message), "no page can steer a terminal");
        MUST(listing_count(l) == 1, "a refused page leaves nothing behind");
    }
    rc = listing_seal(l, &err);
    if (rc) {
        must_be_told(rc, &err);
        return 0; /* one path is a file and a folder: the caller throws the listing away */
    }
    listing_must_hold(l);
    memory_io_begin();
    listing_must_survive(l);
    memory_io_end();
    return 0;
}
