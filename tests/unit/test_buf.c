/* test_buf.c: the promises of base/buf.h.
 *
 * Seen red on purpose: the limit tested as a sum, growth not capped at the limit, no NUL behind the bytes. */
#include "base/buf.h"

#include "tap.h"

int main(void)
{
    struct buf b;
    struct hfp_err err = { 0 };
    buf_init(&b, 10000);
    CHECK(b.n == 0 && b.data == NULL, "it begins empty and without memory");
    CHECK(buf_add(&b, "", 0, &err) == HFP_OK && b.data[0] == 0, "adding nothing gives a text of nothing");
    for (int i = 0; i < 1000; i++)
        if (buf_add(&b, "0123456789", 10, &err))
            break;
    CHECK(b.n == 10000 && strlen(b.data) == 10000, "it takes all up to its limit and ends in a NUL");
    CHECK(memcmp(b.data + 9990, "0123456789", 10) == 0, "what was added is there in order");
    CHECK(b.cap <= 10001, "it never takes more memory than limit and NUL (%zu)", b.cap);
    CHECK(buf_add(&b, "x", 1, &err) == HFP_E_PROTO && err.code == HFP_E_PROTO, "one byte more is refused");
    CHECK(b.n == 10000 && b.data[9999] == '9', "and what was there stays");
    CHECK(buf_add(&b, "x", SIZE_MAX, &err) == HFP_E_PROTO, "no length overflows the sum");
    buf_clear(&b);
    CHECK(b.n == 0 && b.data[0] == 0 && b.cap > 0, "cleared, it is empty and keeps its memory");
    CHECK(buf_add(&b, "ab\0cd", 5, &err) == HFP_OK && b.n == 5 && memcmp(b.data, "ab\0cd", 6) == 0,
          "a NUL inside is a byte like any other");
    buf_done(&b);
    CHECK(b.data == NULL && b.n == 0 && b.cap == 0, "done, it holds nothing");
    buf_done(&b);
    return tap_end();
}
