/* The files of the page, on a table of this test's own.
 *
 * Seen red on purpose: page_takes_gzip() without weighs_nothing(); page_same() with strcmp(). */
#include "daemon/page.h"

#include "tap.h"

const struct page_file page_files[] = {
    { .path = "/", .type = "text/html", .etag = "\"a\"", .plain = "plain", .plain_n = 5, .gzip = "gz", .gzip_n = 2 },
    { .path = "/assets/x.js", .type = "text/javascript", .etag = "\"b\"", .plain = "", .gzip = "" },
    { .path = NULL },
};

static const struct {
    const char *accept;
    bool takes;
} encodings[] = {
    { NULL, false },
    { "", false },
    { "gzip", true },
    { "GZIP", true },
    { "gzip, deflate, br, zstd", true },
    { "br , gzip ; q=0.5", true },
    { "identity, gzip;q=0", false },
    { "gzip; q=0.000, br", false },
    { "gzip;", true },
    { "x-gzip", false },
    { "gzipped", false },
    { "*", false },
    { ",,, gzip", true },
};

static const struct {
    const char *header;
    bool same;
} tags[] = {
    { NULL, false },          { "", false }, { "\"a\"", true },   { "W/\"a\"", true }, { "\"x\", \"a\" ", true },
    { "\"x\",\"b\"", false }, { "*", true }, { "\"ab\"", false }, { "a", false },      { "W/", false },
};

int main(void)
{
    CHECK(page_here(), "a table with files is a page");
    CHECK(page_find("/") == &page_files[0] && page_find("/assets/x.js") == &page_files[1],
          "files are found by their path");
    CHECK(!page_find("/assets/x.jsx") && !page_find("/assets") && !page_find("") && !page_find("//"),
          "nothing else is");
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        CHECK(page_takes_gzip(encodings[i].accept) == encodings[i].takes, "Accept-Encoding: %s",
              encodings[i].accept ? encodings[i].accept : "(absent)");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        CHECK(page_same(tags[i].header, "\"a\"") == tags[i].same, "If-None-Match: %s",
              tags[i].header ? tags[i].header : "(absent)");
    return tap_end();
}
