/* test_range_check.c: no byte goes into the file whose place the answer does not name.
 *
 * Seen red on purpose, one row each: a part accepted from another offset; a total that differs; a 206 without a
 * Content-Range; a 206 nobody asked for; a body longer than its range; HTML; gzip; a 200 taken for the tail of a file;
 * a 206 whose length is not that of its range. */
#include "transfer/range_check.h"

#include "base/auto.h"
#include "tap.h"

#define NONE UINT64_MAX

static const struct {
    const char *name;
    int status;
    uint64_t length, first, last, total; /* total NONE: "*"; first NONE: no Content-Range */
    bool html, encoded, ranged, may_skip;
    const char *path;
    uint64_t want_first, want_last, size;
    int rc;
    uint64_t skip, until;
} rows[] = {
    { "the part asked for", 206, 100, 100, 199, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_OK, 0, 200 },
    { "without a length", 206, NONE, 100, 199, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_OK, 0, 200 },
    { "total unknown", 206, 100, 100, 199, NONE, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_OK, 0, 200 },
    { "a shorter part", 206, 50, 100, 149, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_OK, 0, 150 },
    { "one byte", 206, 1, 100, 100, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_OK, 0, 101 },
    { "a longer part", 206, 101, 100, 200, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "another part", 206, 100, 0, 99, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "one byte off", 206, 100, 101, 199, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "backwards", 206, NONE, 100, 99, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "another file", 206, 100, 100, 199, 1001, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "length and range contradict", 206, 99, 100, 199, 1000, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "206 without a range", 206, 100, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "206 without a range, from the start", 206, NONE, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 0, 99, 1000, HFP_E_PROTO, 0,
      0 },
    { "206 unasked", 206, 100, 0, 99, 1000, 0, 0, 0, 0, "a.bin", 0, 999, 1000, HFP_E_PROTO, 0, 0 },
    { "a web page", 206, 100, 100, 199, 1000, 1, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PORTAL, 0, 0 },
    { "a web page of the right length", 200, 1000, NONE, 0, 0, 1, 0, 0, 0, "a.bin", 0, 999, 1000, HFP_E_PORTAL, 0, 0 },
    { "HTML that is the file", 200, 1000, NONE, 0, 0, 1, 0, 0, 0, "docs/a.HTML", 0, 999, 1000, HFP_OK, 0, 1000 },
    { "HTML of a file called html", 200, 1000, NONE, 0, 0, 1, 0, 0, 0, "html", 0, 999, 1000, HFP_E_PORTAL, 0, 0 },
    { "compressed", 206, 100, 100, 199, 1000, 0, 1, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "the whole file, asked for", 200, 1000, NONE, 0, 0, 0, 0, 0, 0, "a.bin", 0, 999, 1000, HFP_OK, 0, 1000 },
    { "the whole file without a length", 200, NONE, NONE, 0, 0, 0, 0, 0, 0, "a.bin", 0, 999, 1000, HFP_OK, 0, NONE },
    { "the whole file of another size", 200, 999, NONE, 0, 0, 0, 0, 0, 0, "a.bin", 0, 999, 1000, HFP_E_PROTO, 0, 0 },
    { "the whole file for its first part", 200, 1000, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 0, 99, 1000, HFP_OK, 0, 1000 },
    { "the whole file for a later part", 200, 1000, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0,
      0 },
    { "the same from a server without ranges", 200, 1000, NONE, 0, 0, 0, 0, 1, 1, "a.bin", 100, 199, 1000, HFP_OK, 100,
      1000 },
    { "another status", 204, 0, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, 1000, HFP_E_PROTO, 0, 0 },
    { "a part of an object of unknown size", 206, 100, 100, 199, 5000, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_OK, 0,
      200 },
    { "exactly that part with status 200", 200, 100, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_OK, 0, 200 },
    { "exactly that part with status 206 alone", 206, 100, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_OK, 0,
      200 },
    { "206 alone of another length", 206, 99, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "206 alone without a length", 206, NONE, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "206 alone that nobody asked for", 206, 100, NONE, 0, 0, 0, 0, 0, 0, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "the whole object for it", 200, 5000, NONE, 0, 0, 0, 0, 1, 0, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "the whole object, from a server without ranges", 200, 5000, NONE, 0, 0, 0, 0, 1, 1, "a.bin", 100, 199, NONE,
      HFP_OK, 100, 5000 },
    { "an object that ends before it", 200, 150, NONE, 0, 0, 0, 0, 1, 1, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "an object without a length", 200, NONE, NONE, 0, 0, 0, 0, 1, 1, "a.bin", 100, 199, NONE, HFP_E_PROTO, 0, 0 },
    { "the end of the largest file", 206, NONE, NONE - 2, NONE - 2, NONE - 1, 0, 0, 1, 0, "a.bin", NONE - 2, NONE - 2,
      NONE - 1, HFP_OK, 0, NONE - 1 },
};

int main(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_headers h;
        struct hfp_err err = { 0 };
        struct range_take take = { .skip = 77 };
        headers_init(&h, rows[i].status);
        h.content_length = rows[i].length;
        h.html = rows[i].html;
        h.encoded = rows[i].encoded;
        if (rows[i].first != NONE)
            h.range = (struct content_range){ .present = true,
                                              .first = rows[i].first,
                                              .last = rows[i].last,
                                              .total_known = rows[i].total != NONE,
                                              .total = rows[i].total };
        struct range_want w = { .first = rows[i].want_first,
                                .last = rows[i].want_last,
                                .size_bytes = rows[i].size,
                                .ranged = rows[i].ranged,
                                .may_skip = rows[i].may_skip,
                                .path = rows[i].path,
                                .host = "cdn" };
        int rc = range_check(&take, &h, &w, &err);
        CHECK(rc == rows[i].rc &&
                  (rc == HFP_OK || (err.code == (enum hfp_code)rc && strstr(err.message, "cdn") && take.skip == 77)),
              "%s: the verdict", rows[i].name);
        if (rc == HFP_OK)
            CHECK(take.skip == rows[i].skip && take.until == rows[i].until, "%s: the place", rows[i].name);
    }
    struct http_headers h;
    struct hfp_err err;
    struct range_take take;
    headers_init(&h, 206);
    h.range = (struct content_range){ .present = true, .unsatisfied = true, .total_known = true, .total = 1000 };
    struct range_want w = { .first = 0, .last = 9, .size_bytes = 1000, .ranged = true, .path = "a", .host = "cdn" };
    CHECK(range_check(&take, &h, &w, &err) == HFP_E_PROTO, "the form of a refusal in an answer that is none");
    return tap_end();
}
